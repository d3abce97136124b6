"""Figures of merit for whole exposures, under every candidate rule, from predictions of held-out CCDs.

The score of an exposure is the `bad_probability` of a candidate rule. The curve shows the result of every threshold on
the score. `best` is the threshold at which the smaller of precision and recall is largest. It is chosen on the same
exposures on which it is measured, so it flatters a little. The rule's own cut does not.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.classifier import candidates
from triptych.pipeline.classifier.metrics import calibration, rates
from triptych.pipeline.reasons import GOOD, REASONS

# A curve with more points than this is thinned out before it is written to a file.
POINTS = 400


def scored_exposures(prediction: pd.DataFrame, sampled) -> dict[str, pd.DataFrame]:
    """Apply every candidate rule: rule -> `expnum, bad_probability, reasons, sent`, sorted by expnum.

    prediction : held-out predictions. sampled : image_ids of the CCDs that count.
    """
    found = {}
    for name in candidates.RULES:
        scored = candidates.score(prediction, sampled, rule=name)
        sent = scored.expnum.isin(candidates.chosen(scored).expnum)
        table = scored[["expnum", "bad_probability", "reasons"]].assign(sent=sent)
        found[name] = table.sort_values("expnum", ignore_index=True)
    return found


def judged(scored: dict[str, pd.DataFrame], answers: dict[int, bool], table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Keep exposures with a known answer, and add `bad` (bool), `true_reasons` (tuple) and `named` (bool).

    table : the training table; an exposure's reasons are those of its CCDs. named : whether the rule's first reason is
    one of the true ones; False if the rule names none.
    """
    reasons = table[["expnum", "reasons"]].explode("reasons")
    reasons = reasons[reasons.reasons != GOOD].groupby("expnum").reasons.agg(set)
    found = {}
    for name, own in scored.items():
        own = own[own.expnum.isin(list(answers))].reset_index(drop=True)
        true = [tuple(sorted(reasons.get(expnum, ()))) for expnum in own.expnum]
        first = own.reasons.str.split(",").str[0]
        own["bad"] = own.expnum.map(answers).astype(bool)
        own["true_reasons"] = pd.Series(true, dtype=object, index=own.index)
        own["named"] = [reason in known for reason, known in zip(first, true, strict=True)]
        found[name] = own
    return found


def exposure_metrics(found: dict[str, pd.DataFrame], *, rule: str) -> dict:
    """All figures of each rule's exposures under `rules`, and precision, recall, F1 and support of `rule` on top.

    found : from `judged`.
    """
    rules = {name: rule_metrics(own) for name, own in found.items()}
    top = ("precision", "recall", "f1", "support", "n_candidates", "n")
    return {"rule": rule, **{name: rules[rule][name] for name in top}, "rules": rules}


def rule_metrics(own: pd.DataFrame) -> dict:
    """Figures of one rule: at its cut, and `average_precision`, `best`, `curve`, `calibration` and `reason`.

    own : `bad_probability, sent, bad, true_reasons, named`, one row per exposure.
    """
    bad, sent = own.bad.to_numpy(), own.sent.to_numpy()
    probability = own.bad_probability.to_numpy(dtype=float)
    curve = precision_recall(probability, bad)
    return {
        **rates(bad, sent),
        "n_candidates": int(sent.sum()),
        "n": len(own),
        "average_precision": average_precision(curve),
        "best": best_threshold(curve),
        "curve": thinned(curve),
        "calibration": {**calibration(probability, bad), "brier": brier(probability, bad)},
        "reason": reasons_named(own),
    }


def precision_recall(probability: np.ndarray, bad: np.ndarray) -> pd.DataFrame:
    """`threshold, n, precision, recall`, one row per different probability, the highest first.

    n : number of exposures with a probability above `threshold`. The threshold is half-way to the next lower
    probability (for the lowest, 0), so that `>` and `>=` mean the same. Equal probabilities stay together.
    """
    order = np.argsort(-probability, kind="stable")
    values, hits = probability[order], np.cumsum(bad[order])
    last = np.flatnonzero(np.append(np.diff(values) != 0, True)) if len(values) else np.empty(0, int)
    below = np.append(values[last[:-1] + 1], -values[last[-1:]])
    return pd.DataFrame(
        {
            "threshold": (values[last] + below) / 2,
            "n": last + 1,
            "precision": hits[last] / (last + 1),
            "recall": hits[last] / max(int(bad.sum()), 1),
        }
    )


def average_precision(curve: pd.DataFrame) -> float:
    """Precision averaged over the steps in recall, from the highest probability down."""
    return float((np.diff(curve.recall, prepend=0.0) * curve.precision).sum())


def best_threshold(curve: pd.DataFrame) -> dict:
    """`threshold, precision, recall, n` where the smaller of precision and recall is largest; of ties, the highest."""
    if curve.empty:
        return {"threshold": 0.0, "precision": 0.0, "recall": 0.0, "n": 0}
    row = curve.loc[np.minimum(curve.precision, curve.recall).idxmax()]
    return {name: float(row[name]) for name in ("threshold", "precision", "recall")} | {"n": int(row.n)}


def thinned(curve: pd.DataFrame, points: int = POINTS) -> dict[str, list[float]]:
    """A curve as plain lists of at most `points` values, including its first and last."""
    rows = np.unique(np.linspace(0, len(curve) - 1, min(points, len(curve))).round().astype(int))
    return {name: curve[name].to_numpy()[rows].tolist() for name in ("threshold", "precision", "recall")}


def brier(probability: np.ndarray, bad: np.ndarray) -> float:
    """Brier's score (1950): mean squared difference between the probability and the truth. 0 is perfect."""
    return float(np.mean((probability - bad) ** 2)) if len(bad) else 0.0


def reasons_named(own: pd.DataFrame) -> dict:
    """Whether the reason that the rule names first is one that the exposure has, for the bad exposures that it sends.

    Returns their number `n`, how many are `right`, the `share`, and `by_reason`: reason -> `n` bad exposures with it,
    how many were `sent`, and of these how many had one of their reasons `named` first.
    """
    sent_bad = own[own.bad & own.sent]
    long = own[own.bad].explode("true_reasons")
    rows = {}
    for reason in REASONS:
        having = long[long.true_reasons == reason]
        if len(having):
            sent = int(having.sent.sum())
            rows[reason] = {"n": len(having), "sent": sent, "named": int((having.sent & having.named).sum())}
    right = int(sent_bad.named.sum())
    return {"n": len(sent_bad), "right": right, "share": right / max(len(sent_bad), 1), "by_reason": rows}
