"""Which exposures go to inspection: predictions of CCDs -> candidates, under named rules.

A rule asks for `bad_ccds` of `of` sampled CCDs at more than `above`. `paper` is the rule in print, `published` the one
that really made the DR11 list. An exposure with another number of sampled CCDs (a single-CCD file, or one that was
sampled whole) needs the same share of them, rounded up, and at least one: `published` asks 1 of 1 to 6, 2 of 7 to 13,
3 of 14 to 20, 10 of 61.

A CCD's score is its likeliest reason's probability where that reason is not good; this is what the published code cuts
on. A CCD whose neighbours are all bad, but of different reasons, is therefore not counted by `paper` and `published`;
the rule `any_reason` scores 1 - p_good instead and counts it.

`exposure`, the default, looks at the exposure as a whole: its `bad_probability` is the calibrated one that a model's
view of whole exposures gives (see `exposure_view`), and it asks for more than one half of it.

Under the other rules `bad_probability` of an exposure is the n-th highest score among its sampled CCDs, n being the
number that the rule asks for: the highest cut at which the rule would still send it to inspection, so it is above
`above` exactly for the candidates. Exposures are ranked by it, then by the number of bad CCDs, then by the mean of
1 - p_good.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.reasons import GOOD, REASONS

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
    """Probability of the likeliest reason that is not good; of images called good, of the best other reason."""
    names = [f"p_{name}" for name in REASONS if f"p_{name}" in prediction]
    best = prediction[names].max(axis=1).to_numpy() if names else np.zeros(len(prediction))
    return np.where(prediction.reason == GOOD, best, prediction.probability)


def _not_good(prediction: pd.DataFrame) -> np.ndarray:
    return 1 - prediction.p_good.to_numpy()


@dataclass(frozen=True)
class Rule:
    """Send an exposure to inspection when `bad_ccds` of `of` sampled CCDs score more than `above`.

    whole : when its `exposure_probability` is more than `above` instead; all its CCDs count then, not the sampled ones.
    """

    bad_ccds: int
    of: int = 20
    above: float = 0.9
    score: Callable[[pd.DataFrame], np.ndarray] = _likeliest
    whole: bool = False

    def needed(self, n_ccds: np.ndarray) -> np.ndarray:
        """How many of `n_ccds` sampled CCDs must be bad: the same share, rounded up, at least one."""
        return np.maximum(1, -(-np.asarray(n_ccds) * self.bad_ccds // self.of))


RULES: dict[str, Rule] = {
    "paper": Rule(bad_ccds=10),
    "published": Rule(bad_ccds=3),
    "any_reason": Rule(bad_ccds=3, score=_not_good),
    "exposure": Rule(bad_ccds=1, above=0.5, score=_not_good, whole=True),
}
DEFAULT = "exposure"


def score(prediction: pd.DataFrame, sampled, *, rule: str = DEFAULT) -> pd.DataFrame:
    """Score every exposure under a rule.

    prediction : a prediction table. sampled : image_ids of the CCDs that count.
    Returns COLUMNS, one row per exposure, best candidate first; `reasons` names those of the bad CCDs, most frequent
    first, separated by commas; `max_probability` is the highest score.
    """
    settings = RULES[choose(rule, RULES, "candidate rule")]
    if settings.whole and "exposure_probability" not in prediction:
        raise BadInput(
            f"the prediction is too old for the rule {rule}; run `triptych train` and `triptych predict` again"
        )
    counted = prediction if settings.whole else prediction[prediction.image_id.isin(sampled)]
    if len(prediction) and counted.empty:
        raise BadInput("none of the predicted CCDs was sampled; run `triptych ingest` with --sample 20 or more")
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
    scored["rule"] = rule
    order = ["bad_probability", "n_bad_ccds", "mean_bad_probability"]
    scored = scored.sort_values(order, ascending=False, kind="stable").reset_index()
    scored["rank"] = np.arange(1, len(scored) + 1)
    return scored[list(COLUMNS)]


def _reasons(bad: pd.DataFrame) -> pd.Series:
    """expnum -> reasons of the bad CCDs, most frequent first."""
    bad = bad[bad.reason != GOOD]
    counts = bad.groupby(["expnum", "reason"]).size().rename("n").reset_index()
    counts["order"] = counts.reason.map({name: place for place, name in enumerate(REASONS)})
    counts = counts.sort_values(["expnum", "n", "order"], ascending=[True, False, True])
    return counts.groupby("expnum").reason.agg(",".join)


def _likeliest_together(prediction: pd.DataFrame) -> pd.Series:
    """expnum -> the reason that the CCDs of an exposure name most, where none of them is bad enough by itself."""
    names = [name for name in REASONS if f"p_{name}" in prediction]
    together = prediction.groupby("expnum")[[f"p_{name}" for name in names]].sum()
    return pd.Series(np.array(names, object)[together.to_numpy().argmax(axis=1)], together.index, dtype=object)


def chosen(scored: pd.DataFrame) -> pd.DataFrame:
    """The rows of scored exposures that the rule sends to inspection."""
    above = scored.rule.map({name: rule.above for name, rule in RULES.items()}).astype(float)
    return scored[scored.bad_probability > above].reset_index(drop=True)


def write_candidates(
    catalog: Catalog, prediction: Stage, scored: pd.DataFrame, rule: str, *, make_current=True
) -> Stage:
    """Write a candidates stage: `table` holds the candidates, `exposures_scored` every exposure."""
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
    ccds = catalog.ccds()
    return ccds.image_id[ccds.sampled].to_numpy()


def find(catalog: Catalog, *, rule: str = DEFAULT, progress: Callable | None = None) -> Stage:
    """Apply a rule to the current prediction; write and return the candidates stage."""
    choose(rule, RULES, "candidate rule")
    prediction = catalog.stage("prediction")
    scored = score(prediction.table(), sampled_images(catalog), rule=rule)
    stage = write_candidates(catalog, prediction, scored, rule)
    if progress:
        progress(len(scored), len(scored), "exposures scored")
    return stage
