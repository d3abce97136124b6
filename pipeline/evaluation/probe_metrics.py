"""Figures of merit of probes. Pure functions.

A CCD is called good or bad by its likeliest label; a number is one value. An exposure is called bad if at least
BAD_CCDS of its CCDs are, with the reason that most of these have. Its number is the median of its CCDs' numbers. A
probe that is asked per exposure answers for itself. `average_precision` is about bad exposures at all cuts. Its score
is the mean probability of bad of the BAD_CCDS worst CCDs, or the probe's own.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from triptych.pipeline.classifier.metrics import ccd_metrics, rates, reliability
from triptych.pipeline.evaluation.probe_targets import BAD, Target
from triptych.pipeline.reasons import GOOD

BAD_CCDS = 2


def truth_of(target: Target, table: pd.DataFrame, level: str) -> pd.Series:
    """True values in the order of the rows of a prediction table."""
    if level == "ccd":
        return target.table.set_index("image_id").value.loc[table.image_id].reset_index(drop=True)
    return target.exposures().set_index("expnum").value.loc[table.expnum].reset_index(drop=True)


def figures(target: Target, table: pd.DataFrame, level: str) -> dict:
    """All figures of predictions `table` (from `ask_probe`, a classifier, or a prediction stage).

    Keys: `ccd` (only if asked per CCD) and `exposure`. Each has figures of labels (see `metrics.ccd_metrics` and
    `reliability`) or of numbers (see `number_figures`). For labels, `exposure` also has `average_precision`.
    """
    found = {}
    if level == "ccd":
        known = table[table.image_id.isin(target.table.image_id)].reset_index(drop=True)
        found["ccd"] = _of_rows(target, truth_of(target, known, "ccd"), known)
    exposures = exposures_of(table, target) if level == "ccd" else table
    exposures = exposures[exposures.expnum.isin(target.table.expnum)].reset_index(drop=True)
    found["exposure"] = _of_rows(target, truth_of(target, exposures, "exposure"), exposures)
    if target.labels:
        bad = truth_of(target, exposures, "exposure").map(lambda own: own != (GOOD,)).to_numpy(bool)
        score = exposures["bad_score"] if "bad_score" in exposures else 1 - exposures.p_good
        cut_free = float(average_precision_score(bad, score)) if bad.any() else 0.0
        found["exposure"]["average_precision"] = cut_free
    return found


def exposures_of(table: pd.DataFrame, target: Target) -> pd.DataFrame:
    """What predictions of CCDs say about their exposures: `expnum, reason, bad_score` or `expnum, predicted`."""
    if not target.labels:
        return table.groupby("expnum").predicted.median().reset_index()
    rows = []
    for expnum, own in table.groupby("expnum"):
        bad_reasons = own.reason[own.reason != GOOD]
        is_bad = len(bad_reasons) >= min(BAD_CCDS, len(own))
        worst = np.sort(1 - own.p_good.to_numpy())[-BAD_CCDS:].mean()
        rows.append((expnum, bad_reasons.value_counts().index[0] if is_bad else GOOD, worst))
    return pd.DataFrame(rows, columns=["expnum", "reason", "bad_score"])


def _of_rows(target: Target, truth: pd.Series, table: pd.DataFrame) -> dict:
    if not target.labels:
        return number_figures(truth.to_numpy(float), table.predicted.to_numpy(float), logarithm=target.logarithm)
    found = good_or_bad(truth, table) if BAD in target.labels else ccd_metrics(truth, table)
    return {**found, "reliability": reliability(truth, table)} if "p_good" in table else found


def good_or_bad(truth: pd.Series, table: pd.DataFrame) -> dict:
    """The figures of `metrics.ccd_metrics` if the only labels are bad and good."""
    bad = np.array([own != (GOOD,) for own in truth], dtype=bool)
    called_bad = (table.reason != GOOD).to_numpy()
    rows = {BAD: rates(bad, called_bad), GOOD: rates(~bad, ~called_bad)}
    counts = [
        [int((bad & called_bad).sum()), int((bad & ~called_bad).sum())],
        [int((~bad & called_bad).sum()), int((~bad & ~called_bad).sum())],
    ]
    occurring = [row["f1"] for row in rows.values() if row["support"]]
    return {
        "reasons": rows,
        "macro_f1": float(np.mean(occurring)) if occurring else 0.0,
        "accuracy": float((bad == called_bad).mean()) if len(bad) else 0.0,
        "confusion": {"labels": [BAD, GOOD], "counts": counts},
        "bad": rows[BAD],
        "n": len(truth),
    }


def number_figures(truth: np.ndarray, predicted: np.ndarray, *, logarithm: bool) -> dict:
    """`r2, rmse, mae` on the scale that was learned (dex if `logarithm`), `rank` (Spearman) and `n`.

    r2 is 1 - squared error / variance. 0 is no better than the mean of the true values, and r2 can be negative.
    """
    differ = len(np.unique(truth)) > 1 and len(np.unique(predicted)) > 1
    rank = float(pd.Series(truth).corr(pd.Series(predicted), method="spearman")) if differ else 0.0
    if logarithm:
        truth, predicted = np.log10(truth), np.log10(predicted)
    error, variance = predicted - truth, float(np.var(truth))
    return {
        "r2": 1 - float((error**2).mean()) / variance if variance > 0 else 0.0,
        "rmse": float(np.sqrt((error**2).mean())),
        "mae": float(np.abs(error).mean()),
        "rank": rank,
        "n": len(truth),
    }
