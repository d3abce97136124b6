"""Figures of merit of predictions whose truth is known. Pure functions.

The predicted labels of an image are its likeliest label, and every other label with a probability above one half. On
data with one label per image that is the likeliest label alone. Precision, recall and F1 compare these sets, label by
label. `accuracy` is the share of images whose likeliest label is one of their true labels. The macro average is over
the labels that occur in the truth, including good. In the confusion matrix every image counts once: its column is the
likeliest label; its row is the same label if that is true, else the first true label.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.reasons import GOOD, REASONS

BINS = 10


def predicted_sets(prediction: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Return (n, n_classes) bool: the likeliest label, and every other label above one half."""
    likeliest = prediction.reason.to_numpy()[:, None] == np.array(classes, dtype=object)
    columns = [prediction.get(f"p_{name}", pd.Series(0.0, prediction.index)).to_numpy() for name in classes]
    return likeliest | (np.reshape(columns, (len(classes), len(prediction))).T > 0.5)


def rates(truth: np.ndarray, predicted: np.ndarray) -> dict:
    """Precision, recall, F1 and support of one label. truth, predicted : (n,) bool. A ratio with divisor 0 is 0."""
    hits = int((truth & predicted).sum())
    precision = hits / max(int(predicted.sum()), 1)
    recall = hits / max(int(truth.sum()), 1)
    f1 = 2 * hits / max(int(truth.sum() + predicted.sum()), 1)
    return {"precision": precision, "recall": recall, "f1": f1, "support": int(truth.sum())}


def ccd_metrics(truth: pd.Series, prediction: pd.DataFrame) -> dict:
    """Compare true labels with predictions, CCD by CCD.

    truth : tuples of labels, in the order of `prediction`'s rows.
    """
    seen = {label for own in truth for label in own} | set(prediction.reason)
    classes = tuple(name for name in (*REASONS, GOOD) if name in seen)
    true = indicators(truth, classes)
    predicted = predicted_sets(prediction, classes)
    reasons = {name: rates(true[:, place], predicted[:, place]) for place, name in enumerate(classes)}
    likeliest = np.array([classes.index(name) for name in prediction.reason], dtype=int)
    right = true[np.arange(len(true)), likeliest]
    rows = np.where(right, likeliest, true.argmax(axis=1) if classes else likeliest)
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (rows, likeliest), 1)
    occurring = [row["f1"] for row in reasons.values() if row["support"]]
    is_good = np.array([own == (GOOD,) for own in truth], dtype=bool)
    return {
        "reasons": reasons,
        "macro_f1": float(np.mean(occurring)) if occurring else 0.0,
        "accuracy": float(right.mean()) if len(right) else 0.0,
        "confusion": {"labels": list(classes), "counts": counts.tolist()},
        "bad": rates(~is_good, (prediction.reason != GOOD).to_numpy()),
        "n": len(truth),
    }


def cut_metrics(truth: pd.Series, prediction: pd.DataFrame, above: float) -> dict:
    """The same figures, only for images whose likeliest label has a probability above the cut.

    Also `above`, the `share` of images that pass, and `surviving`, that share for each true label. Published figures
    are of this kind. They say nothing about the images that do not pass.
    """
    kept = (prediction.probability > above).to_numpy()
    labels = tuple(name for name in (*REASONS, GOOD) if any(name in own for own in truth))
    carried = indicators(truth, labels)
    surviving = {name: float(kept[carried[:, place]].mean()) for place, name in enumerate(labels)}
    found = ccd_metrics(truth[kept].reset_index(drop=True), prediction[kept].reset_index(drop=True))
    return {"above": above, "share": float(kept.mean()) if len(kept) else 0.0, "surviving": surviving, **found}


def calibration(probability: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict:
    """How far the stated probabilities can be trusted.

    probability : (n,) float in [0, 1]. right : (n,) bool, whether the statement was true. Returns `bins`, the non-empty
    ones of equal width (`low, high, n, mean_probability, share_right`), and `expected_calibration_error`, the mean
    distance between the last two, weighted by n.
    """
    place = np.minimum((np.asarray(probability) * bins).astype(int), bins - 1)
    rows = [
        {
            "low": own / bins,
            "high": (own + 1) / bins,
            "n": int((place == own).sum()),
            "mean_probability": float(probability[place == own].mean()),
            "share_right": float(right[place == own].mean()),
        }
        for own in np.unique(place)
    ]
    error = sum(row["n"] * abs(row["mean_probability"] - row["share_right"]) for row in rows) / max(len(place), 1)
    return {"bins": rows, "expected_calibration_error": float(error), "n": len(place)}


def reliability(truth: pd.Series, prediction: pd.DataFrame) -> dict:
    """Calibration of the likeliest label's probability (`label`), and of 1 - p_good as probability of bad (`bad`)."""
    right = np.array([name in own for own, name in zip(truth, prediction.reason, strict=True)], dtype=bool)
    is_good = np.array([own == (GOOD,) for own in truth], dtype=bool)
    return {
        "label": calibration(prediction.probability.to_numpy(), right),
        "bad": calibration(1 - prediction.p_good.to_numpy(), ~is_good),
    }
