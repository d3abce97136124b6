"""Which exposures go to inspection: from predictions of CCDs to candidates, under named rules.

A rule asks that `bad_ccds` of `of` sampled CCDs score more than `above`. `paper` is the rule in the publication;
`published` is the rule that really made the DR11 list. If an exposure has another number of sampled CCDs (a file with
one CCD, or an exposure of which all CCDs were sampled), the same share of them is needed, rounded up, and at least
one: `published` needs 1 of 1 to 6, 2 of 7 to 13, 3 of 14 to 20, 10 of 61.

The score of a CCD is the probability of its likeliest reason, if that reason is not good; the published code uses the
same number. So if all neighbours of a CCD are bad, but for different reasons, `paper` and `published` do not count it.
The rule `any_reason` uses the score 1 - p_good instead, and counts it.

`exposure`, the default, judges the exposure as a whole. Its `bad_probability` is the calibrated probability of the
exposure (see `exposure_calibration`), and the rule asks for more than one half.

Under the other rules, the `bad_probability` of an exposure is the n-th highest score of its sampled CCDs, where n is
the number of CCDs that the rule needs. So it is above `above` exactly if the exposure is a candidate. Exposures are
ranked by `bad_probability`, then by the number of bad CCDs, then by the mean of 1 - p_good.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.extension import differing
from triptych.pipeline.catalog.stage import Stage, installed_versions
from triptych.pipeline.classifier.prediction_parts import Parts, parts_of
from triptych.pipeline.errors import BadInput, CatalogError, choose
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.vectors.rows import among

COLUMNS = (
    "expnum",
    "rank",
    "n_bad_ccds",
    "n_ccds",
    "max_probability",
    "bad_probability",
    "reasons",
    "rule",
    "mean_bad_probability",
)


def _likeliest(prediction: pd.DataFrame) -> np.ndarray:
    """Probability of the likeliest reason. For images called good, of the likeliest reason other than good."""
    names = [f"p_{name}" for name in REASONS if f"p_{name}" in prediction]
    best = prediction[names].max(axis=1).to_numpy() if names else np.zeros(len(prediction))
    return np.where(prediction.reason == GOOD, best, prediction.probability)


def _not_good(prediction: pd.DataFrame) -> np.ndarray:
    return 1 - prediction.p_good.to_numpy()


@dataclass(frozen=True)
class Rule:
    """Send an exposure to inspection if `bad_ccds` of `of` sampled CCDs score more than `above`.

    whole : compare the exposure's `exposure_probability` with `above` instead. Then all its CCDs count, sampled or not.
    """

    bad_ccds: int
    of: int = 20
    above: float = 0.9
    score: Callable[[pd.DataFrame], np.ndarray] = _likeliest
    whole: bool = False

    def needed(self, n_ccds: np.ndarray) -> np.ndarray:
        """How many of `n_ccds` sampled CCDs must be bad: the same share as in the rule, rounded up, at least one."""
        return np.maximum(1, -(-np.asarray(n_ccds) * self.bad_ccds // self.of))


RULES: dict[str, Rule] = {
    "paper": Rule(bad_ccds=10),
    "published": Rule(bad_ccds=3),
    "any_reason": Rule(bad_ccds=3, score=_not_good),
    "exposure": Rule(bad_ccds=1, above=0.5, score=_not_good, whole=True),
}
DEFAULT = "exposure"


def score(prediction: pd.DataFrame | Stage | Path | Parts, sampled, *, rule: str = DEFAULT) -> pd.DataFrame:
    """Score every exposure under a rule.

    prediction : a prediction table, a stage or a file, which is read a part at a time. sampled : image_ids of the CCDs
    that count.
    Returns COLUMNS, one row per exposure, best candidate first. `reasons` holds the reasons of the bad CCDs, the most
    frequent first, separated by commas. `max_probability` is the highest score. BadInput if the prediction is too old
    for the rule, or if no predicted CCD was sampled.
    """
    settings, parts = RULES[choose(rule, RULES, "candidate rule")], parts_of(prediction)
    if not is_new_enough(parts, rule):
        raise BadInput(
            f"the prediction is too old for the rule {rule}; run `triptych train` and `triptych predict` again"
        )
    sampled = np.empty(0, np.int64) if settings.whole else np.sort(np.asarray(sampled, np.int64))
    found, n_read = [], 0
    for block in parts.blocks(_columns_for(parts, settings)):
        n_read += len(block)
        counted = block if settings.whole else block[among(block.image_id.to_numpy(), sampled)]
        found.append(_scored(block, counted, settings))
    scored = pd.concat([own for own in found if len(own)] or found[:1])
    if n_read and scored.empty:
        raise BadInput("none of the predicted CCDs was sampled; run `triptych ingest` with --sample 20 or more")
    return _ranked(scored, rule)


def _ranked(scored: pd.DataFrame, rule: str) -> pd.DataFrame:
    """COLUMNS, best candidate first. scored : from `_scored`."""
    scored = scored.sort_index(kind="stable").assign(rule=rule)
    order = ["bad_probability", "n_bad_ccds", "mean_bad_probability"]
    scored = scored.sort_values(order, ascending=False, kind="stable").reset_index()
    scored["rank"] = np.arange(1, len(scored) + 1)
    return scored[list(COLUMNS)]


def is_new_enough(prediction: pd.DataFrame | Stage | Path | Parts, rule: str) -> bool:
    """Whether a prediction has what a rule needs."""
    return not RULES[rule].whole or "exposure_probability" in parts_of(prediction).columns


def _columns_for(parts: Parts, settings: Rule) -> list[str]:
    """The columns that a rule needs."""
    reasons = [name for name in parts.columns if name.startswith("p_")]
    return ["image_id", "expnum", "reason", "probability", *reasons, *(["exposure_probability"] * settings.whole)]


def _scored(prediction: pd.DataFrame, counted: pd.DataFrame, settings: Rule) -> pd.DataFrame:
    """COLUMNS but `rule` and `rank`, indexed by expnum, rising. counted : the rows of the prediction that count."""
    counted = counted[["expnum", "reason", "p_good"]].assign(score=settings.score(counted))
    counted["bad"] = counted.score > settings.above
    counted = counted.sort_values(["expnum", "score"], ascending=[True, False], kind="stable")
    groups = counted.groupby("expnum", sort=True)
    scored = groups.agg(n_bad_ccds=("bad", "sum"), n_ccds=("bad", "size"), max_probability=("score", "max"))
    place = groups.cumcount().to_numpy() + 1
    needed = settings.needed(scored.n_ccds.reindex(counted.expnum).to_numpy())
    at = counted[place == needed]
    scored["bad_probability"] = at.set_index("expnum").score
    if settings.whole:
        scored["bad_probability"] = prediction.groupby("expnum").exposure_probability.first()
    scored["mean_bad_probability"] = 1 - groups.p_good.mean()
    scored["reasons"] = _reasons(counted[counted.bad]).reindex(scored.index).fillna("").astype(object)
    if settings.whole:
        unnamed = scored.index[(scored.reasons == "") & (scored.bad_probability > settings.above)]
        scored.loc[unnamed, "reasons"] = _likeliest_together(prediction[prediction.expnum.isin(unnamed)])
    return scored


def _reasons(bad: pd.DataFrame) -> pd.Series:
    """expnum -> reasons of the bad CCDs, the most frequent first, joined by commas."""
    bad = bad[bad.reason != GOOD]
    counts = bad.groupby(["expnum", "reason"]).size().rename("n").reset_index()
    counts["order"] = counts.reason.map({name: place for place, name in enumerate(REASONS)})
    counts = counts.sort_values(["expnum", "n", "order"], ascending=[True, False, True])
    return counts.groupby("expnum").reason.agg(",".join)


def _likeliest_together(prediction: pd.DataFrame) -> pd.Series:
    """expnum -> the reason with the largest sum of probabilities, for exposures without a bad CCD."""
    names = [name for name in REASONS if f"p_{name}" in prediction]
    together = prediction.groupby("expnum")[[f"p_{name}" for name in names]].sum()
    return pd.Series(np.array(names, object)[together.to_numpy().argmax(axis=1)], together.index, dtype=object)


def chosen(scored: pd.DataFrame) -> pd.DataFrame:
    """The scored exposures that the rule sends to inspection."""
    above = scored.rule.map({name: rule.above for name, rule in RULES.items()}).astype(float)
    return scored[scored.bad_probability > above].reset_index(drop=True)


def write_candidates(
    catalog: Catalog, prediction: Stage, scored: pd.DataFrame, rule: str, *, make_current=True
) -> Stage:
    """Write a candidates stage. `table` has the candidates, `exposures_scored` has every exposure."""
    settings = RULES[rule]
    parameters = {"rule": rule, "bad_ccds": settings.bad_ccds, "of": settings.of, "above": settings.above}
    with catalog.new_stage(
        "candidates", rule, parents=[prediction], parameters=parameters, make_current=make_current
    ) as writer:
        writer.write_table(chosen(scored))
        writer.write_table(scored, "exposures_scored")
    return writer.stage


def sampled_images(catalog: Catalog) -> np.ndarray:
    """image_ids of the CCDs that were sampled at ingest, int64."""
    ccds = catalog.ccds(["image_id", "sampled"])
    return ccds.image_id[ccds.sampled].to_numpy()


def _scored_since(catalog: Catalog, prediction: Stage, rule: str) -> pd.DataFrame | None:
    """What `score` gives, from the newest scores by the same rule. Only exposures that may differ since are read.

    None if there are no such scores, or if they may depend on more than predictions.
    """
    if not RULES[rule].whole:  # which CCDs are sampled may have changed
        return None
    for stage in reversed(catalog.stages("candidates")):
        if stage.parameters.get("rule") != rule or stage.info["versions"] != installed_versions():
            continue
        expnums = None
        with suppress(CatalogError):  # its prediction may have been removed by hand
            expnums = differing(stage.parent("prediction"), prediction)
        if expnums is None:
            return None
        before = stage.table("exposures_scored").set_index("expnum").drop(columns=["rank", "rule"])
        before["reasons"] = before.reasons.astype(object)
        rows = prediction.rows_of(expnums, _columns_for(parts_of(prediction), RULES[rule]))
        again = _scored(rows, rows, RULES[rule])
        return _ranked(pd.concat([own for own in (before[~before.index.isin(expnums)], again) if len(own)]), rule)
    return None


def find(catalog: Catalog, *, rule: str = DEFAULT, progress: Callable | None = None) -> Stage:
    """Apply a rule to the current prediction; write and return the candidates stage."""
    choose(rule, RULES, "candidate rule")
    prediction = catalog.stage("prediction")
    scored = _scored_since(catalog, prediction, rule)
    if scored is None:
        scored = score(prediction, [] if RULES[rule].whole else sampled_images(catalog), rule=rule)
    stage = write_candidates(catalog, prediction, scored, rule)
    if progress:
        progress(len(scored), len(scored), "exposures scored")
    return stage
