"""What a retraining gained, on exposures that taught neither model: figures before and after, paired.

The exposures are those that were drawn for measurements: known answers and the random control. Their votes never teach.
The control is a fair sample of the survey and the known answers are not. So precision over both is that of this mix;
`kinds` says how many there are of each. If nothing was drawn, or no answer is known yet of what was drawn, all labelled
exposures are used instead. A model never answers for an exposure from its own labels, so these are still held-out
answers. But the labels did affect the fit in other ways, and a new label affects both sides.

An exposure counts as sent if the candidate rule sends it. It counts as having a reason if it is sent with that reason.
The intervals are percentiles of a bootstrap over exposures (Efron 1979), with the same draws before and after.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier import candidates
from triptych.pipeline.classifier.prediction_parts import Parts, parts_of
from triptych.pipeline.evaluation.bootstrap import INTERVAL, RESAMPLES, draws
from triptych.pipeline.labels import enough
from triptych.pipeline.labels.training_set import TrainingSet, read_labels
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.retraining.changes import Prediction

KINDS = ("known", "control", "labelled")
COLUMNS = ("expnum", "kind", "bad", "reasons", "source")
FIGURES = ("precision", "recall", "f1")


def held_out(catalog, store, policy: str = "majority") -> pd.DataFrame:
    """Exposures for measurements, by expnum: `expnum` int64, `kind` (one of KINDS), `bad` bool, `reasons` (tuple of
    what is wrong, () if nothing is or nobody said), `source` (who says so).

    The answer of a known exposure comes from its draw; if it is in the control too, it counts as known. The answer of a
    control exposure is its verdict under `policy`, else the imported label; without either it is left out. If the run
    has no such exposure, all labelled ones are returned, with kind `labelled`.
    """
    drawn = store.draws(catalog.camera)
    drawn = drawn[drawn.expnum.isin(catalog.exposures().expnum)]
    known = drawn[drawn.kind == "known"].drop_duplicates("expnum")
    known = known.assign(bad=known.judgement == "bad", source="known answer")
    labels = answered(read_labels(catalog, store, policy=policy, only=drawn.expnum))
    control = labels[labels.expnum.isin(drawn.expnum[drawn.kind == "control"]) & ~labels.expnum.isin(known.expnum)]
    parts = [known[list(COLUMNS)], control.assign(kind="control")[list(COLUMNS)]]
    parts = [part for part in parts if len(part)]
    if not parts:
        labels = answered(read_labels(catalog, store, policy=policy, most=enough.MOST_IMAGES))
        parts = [labels.assign(kind="labelled")[list(COLUMNS)]]
    return pd.concat(parts).sort_values("expnum", ignore_index=True).astype({"expnum": "int64", "bad": bool})


def answered(labels: TrainingSet) -> pd.DataFrame:
    """Exposures with a known answer, by expnum: `expnum, bad, reasons, source`."""
    rows = labels.table.explode("reasons").groupby("expnum")
    named = rows.reasons.agg(set).to_dict() if len(labels.table) else {}
    sources = rows.source.agg(lambda own: "; ".join(sorted(set(own)))).to_dict() if len(labels.table) else {}
    found = [
        (
            expnum,
            bad,
            tuple(name for name in REASONS if bad and name in named.get(expnum, ())),
            sources.get(expnum, "votes"),
        )
        for expnum, bad in labels.answers.items()
    ]
    return pd.DataFrame(found, columns=["expnum", "bad", "reasons", "source"]).astype({"expnum": "int64", "bad": bool})


def measure(
    before: Prediction | None,
    after: Prediction,
    held: pd.DataFrame,
    *,
    rule: str = candidates.DEFAULT,
    sampled=(),
    seed: int = 0,
    scored: Mapping[str, pd.DataFrame | None] | None = None,
) -> dict:
    """Compare two predictions on the exposures for measurements. Returns plain values.

    before, after : predictions; `before` is None if there is none. If it is too old for the rule, it is ignored.
    held : from `held_out`; exposures that a prediction lacks are left out and counted in `missing`. rule, sampled : see
    `candidates.score`. scored : `before` and `after`, all exposures scored; they are scored here if it is not given.

    Returns `rule`, `n`, `n_bad`, `kinds` (kind -> number of exposures), `missing`, `exposure` and `reasons` (reason ->
    the same, for each reason in an answer), `resamples`, `interval`, `seed`. `exposure` and each reason have `n` (bad
    ones, or those with that reason) and `precision`, `recall`, `f1`, each with `before`, `after`, `difference`, each of
    them {`value`, `low`, `high`}. A figure that is not defined, for example because no exposure was sent, is None.
    """
    if before is not None and not candidates.is_new_enough(before, rule):
        before = None
    predicted = held.expnum.isin(_expnums(after)) & (True if before is None else held.expnum.isin(_expnums(before)))
    own = held[predicted].sort_values("expnum", ignore_index=True)
    scored = scored or {
        name: None if one is None else candidates.score(_of(one, own.expnum), sampled, rule=rule)
        for name, one in (("before", before), ("after", after))
    }
    tables = {
        "before": None if before is None else _sent(scored["before"], own.expnum),
        "after": _sent(scored["after"], own.expnum),
    }
    weights = np.vstack([np.ones(len(own)), draws(len(own), seed=seed)]) if len(own) else np.ones((1, 0))
    bad = own.bad.to_numpy(bool)
    sent = {name: None if table is None else table.sent.to_numpy(bool) for name, table in tables.items()}
    reasons = {}
    for name in REASONS:
        true = np.array([name in names for names in own.reasons], bool)
        if true.any():
            named = {
                when: None if table is None else np.array([name in names for names in table.reasons], bool)
                for when, table in tables.items()
            }
            reasons[name] = _compared(true, named, weights)
    return {
        "rule": rule,
        "n": len(own),
        "n_bad": int(bad.sum()),
        "kinds": {kind: int((own.kind == kind).sum()) for kind in KINDS if (own.kind == kind).any()},
        "missing": int((~predicted).sum()),
        "exposure": _compared(bad, sent, weights),
        "reasons": reasons,
        "resamples": RESAMPLES,
        "interval": INTERVAL,
        "seed": seed,
    }


def _expnums(prediction: Prediction) -> np.ndarray:
    """The exposures of a prediction, int64."""
    return np.concatenate([block.expnum.unique() for block in parts_of(prediction).blocks(["expnum"])])


def _of(prediction: Prediction, expnums: pd.Series) -> Prediction:
    """The rows of some exposures, if the prediction is a table in memory; else all of it, read a part at a time."""
    if isinstance(prediction, Stage | Path | Parts):
        return prediction
    return prediction[prediction.expnum.isin(expnums)]


def _sent(scored: pd.DataFrame, expnums: pd.Series) -> pd.DataFrame:
    """`sent` (bool) and `reasons` (tuple) of the exposures `expnums`, in their order."""
    scored = scored[scored.expnum.isin(expnums)].reset_index(drop=True)
    hit = scored.expnum.isin(candidates.chosen(scored).expnum)
    names = [
        tuple(name for name in text.split(",") if name and name != GOOD) if own else ()
        for text, own in zip(scored.reasons, hit, strict=True)
    ]
    table = pd.DataFrame({"sent": hit.to_numpy(), "reasons": pd.Series(names, dtype=object)}, index=range(len(scored)))
    # Under a rule about sampled CCDs, an exposure without one has no score and is not sent.
    places = pd.Series(range(len(scored)), index=scored.expnum.to_numpy()).reindex(expnums)
    found = [(False, ()) if np.isnan(place) else (table.sent[place], table.reasons[place]) for place in places]
    return pd.DataFrame(found, columns=["sent", "reasons"])


def _compared(true: np.ndarray, sent: dict[str, np.ndarray | None], weights: np.ndarray) -> dict:
    """Figures of one label. true : (n,) bool. sent : before and after -> (n,) bool. weights : (1 + resamples, n)."""
    values = {name: None if own is None else _rates(true, own, weights) for name, own in sent.items()}
    found: dict = {"n": int(true.sum())}
    for place, figure in enumerate(FIGURES):
        both = {name: None if own is None else own[place] for name, own in values.items()}
        gained = None if both["before"] is None else both["after"] - both["before"]
        found[figure] = {name: _interval(own) for name, own in {**both, "difference": gained}.items()}
    return found


def _rates(true: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 on the exposures themselves (first) and on each resample; NaN if not defined."""
    hits, n_true, n_predicted = (weights @ own.astype(float) for own in (true & predicted, true, predicted))
    return _ratio(hits, n_predicted), _ratio(hits, n_true), _ratio(2 * hits, n_true + n_predicted)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _interval(values: np.ndarray | None) -> dict | None:
    """`value`, and `low` and `high` of the interval over the resamples in which the figure is defined."""
    if values is None or np.isnan(values[0]):
        return None
    tail = 100 * (1 - INTERVAL) / 2
    drawn = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(drawn, [tail, 100 - tail]) if len(drawn) else (values[0], values[0])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}
