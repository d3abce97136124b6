"""How much the figures of an evaluation would change with other exposures: a bootstrap over exposures.

As many exposures are drawn with replacement as there are, each with all its CCDs. CCDs of one exposure are nearly
copies of each other, so drawing single CCDs would give intervals that are too small. The interval is from percentiles
(Efron 1979). The classifier is not fitted again, so the luck of the training set is not included.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.metrics import predicted_sets
from triptych.pipeline.reasons import GOOD, REASONS

RESAMPLES = 1000
INTERVAL = 0.95


def draws(n_exposures: int, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return (resamples, n_exposures) float64: how often each exposure is drawn. Every row sums to n_exposures."""
    shares = np.full(n_exposures, 1 / max(n_exposures, 1))
    return np.random.default_rng(seed).multinomial(n_exposures, shares, size=resamples).astype(float)


def resampled(
    truth: pd.DataFrame, prediction: pd.DataFrame, found: dict[str, pd.DataFrame], *, seed: int = 0
) -> dict[str, np.ndarray]:
    """Every figure on the exposures themselves (first) and on each resample: name -> (1 + resamples,) float64.

    truth : rows of the training table. prediction : the same images in the same order. found : rule -> exposures, from
    `exposure_metrics.judged`. Names: `macro_f1`, `bad_f1` (both of CCDs), and for each rule `precision`, `recall` and
    `best`, such as `published.recall`. `best` is the smaller of precision and recall at the threshold where that is
    largest, which is searched again in every resample. The same seed draws the same exposures, so differences between
    classifiers are paired.
    """
    expnums = np.unique(np.concatenate([truth.expnum, *(own.expnum for own in found.values())]))
    weights = np.vstack([np.ones(len(expnums)), draws(len(expnums), seed=seed)])
    seen = {label for own in truth.reasons for label in own} | set(prediction.reason)
    classes = tuple(name for name in (*REASONS, GOOD) if name in seen)
    true, predicted = indicators(truth.reasons, classes), predicted_sets(prediction, classes)
    is_bad = np.array([own != (GOOD,) for own in truth.reasons], dtype=bool)[:, None]
    place = np.searchsorted(expnums, truth.expnum)
    f1 = _f1(weights, place, true, predicted)
    occurs = np.isfinite(f1[1])
    figures = {
        "macro_f1": np.where(occurs, f1[0], 0).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1),
        "bad_f1": _f1(weights, place, is_bad, (prediction.reason != GOOD).to_numpy()[:, None])[0][:, 0],
    }
    for name, own in found.items():
        drawn = weights[:, np.searchsorted(expnums, own.expnum)]
        bad, sent = own.bad.to_numpy(dtype=float), own.sent.to_numpy(dtype=float)
        hits = drawn @ (bad * sent)
        figures[f"{name}.precision"] = hits / np.maximum(drawn @ sent, 1)
        figures[f"{name}.recall"] = hits / np.maximum(drawn @ bad, 1)
        figures[f"{name}.best"] = _best(drawn, own.bad_probability.to_numpy(dtype=float), bad)
    return figures


def _f1(
    weights: np.ndarray, place: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """F1 per label on every resample, and the same with NaN if the label is not in the truth of that resample.

    weights : (r, n_exposures). place : (n,) exposure of each image. true, predicted : (n, n_labels) bool.
    """
    counts = []
    for marks in (true & predicted, true, predicted):
        per_exposure = np.zeros((weights.shape[1], marks.shape[1]))
        np.add.at(per_exposure, place, marks)
        counts.append(weights @ per_exposure)
    hits, n_true, n_said = counts
    f1 = 2 * hits / np.maximum(n_true + n_said, 1)
    return f1, np.where(n_true > 0, f1, np.nan)


def _best(drawn: np.ndarray, probability: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """The largest value, over all thresholds, of the smaller one of precision and recall, on every resample."""
    order = np.argsort(-probability, kind="stable")
    bad, values = bad[order], probability[order]
    last = np.append(np.diff(values) != 0, True)[: len(values)]
    found = np.zeros(len(drawn))
    for place, own in enumerate(drawn[:, order]):
        hits, sent = np.cumsum(own * bad)[last], np.cumsum(own)[last]
        both = np.minimum(hits / np.maximum(sent, 1), hits / max(own @ bad, 1))
        found[place] = both.max(initial=0)
    return found


def interval(values: np.ndarray) -> dict:
    """`value` on the exposures themselves, `standard_error`, and `low` and `high` of the 95 % interval."""
    tail = 100 * (1 - INTERVAL) / 2
    low, high = np.percentile(values[1:], [tail, 100 - tail])
    return {
        "value": float(values[0]),
        "standard_error": float(values[1:].std(ddof=1)),
        "low": float(low),
        "high": float(high),
    }


def spread(figures: dict[str, np.ndarray], *, n_exposures: int, seed: int = 0) -> dict:
    """Intervals of all figures as plain values, and how they were computed."""
    made = {"resamples": RESAMPLES, "interval": INTERVAL, "of": "exposures", "n": n_exposures, "seed": seed}
    return {**made, "figures": {name: interval(values) for name, values in figures.items()}}
