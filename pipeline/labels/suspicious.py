"""Good exposures that a classifier may take for bad ones, counted separately for each kind.

Satellite trails, bright stars, crowded fields and thin cirrus look odd but are good. A list of such exposures (`expnum,
kind`) is imported as labels of kind `suspicious`. These labels do not teach and do not contradict others. They only
say which good exposures to count separately. Plain good exposures, which are in no such list, are for comparison.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.reasons import GOOD

# The kind of these labels in the label store.
SUSPICIOUS = "suspicious"
PLAIN = "plain good"


@dataclass(frozen=True)
class SuspiciousList:
    """What a run's suspicious lists say.

    table : `expnum, kind`, one row each. judged_bad : number of exposures that are listed but known to be bad.
    """

    table: pd.DataFrame
    judged_bad: int = 0

    @property
    def expnums(self) -> np.ndarray:
        """The listed exposures, each once: int64, sorted."""
        return np.unique(self.table.expnum.to_numpy(dtype=np.int64))


def suspicious(labels: pd.DataFrame, exposures: pd.DataFrame, answers: dict[int, bool]) -> SuspiciousList:
    """The suspicious exposures of a run that are not known to be bad.

    labels : frame of the label store. exposures : table of the run. answers : expnum -> truly bad, if known.
    """
    own = labels[labels.kind == SUSPICIOUS].merge(exposures[["camera", "expnum"]], on=["camera", "expnum"])
    table = pd.DataFrame({"expnum": own.expnum, "kind": own.raw.astype(object)}).drop_duplicates()
    bad = table.expnum.map(lambda expnum: answers.get(expnum, False)).astype(bool)
    table = table[~bad].sort_values(["kind", "expnum"], ignore_index=True)
    return SuspiciousList(table, int(own.expnum[own.expnum.isin([e for e, hit in answers.items() if hit])].nunique()))


def false_alarms(
    prediction: pd.DataFrame, scored: dict[str, pd.DataFrame], listed: SuspiciousList, answers: dict[int, bool]
) -> dict:
    """How often good exposures are taken for bad ones, by kind.

    prediction : held-out predictions of all their CCDs. scored : rule -> `expnum, bad_probability, sent` of every
    predicted exposure. Returns `kinds` (kind -> row), `any` (all suspicious ones), `plain` (good exposures in no
    suspicious list), and the numbers of exposures that were listed but left out, `judged_bad` and `not_predicted`. A
    row has `n_exposures, n_ccds, ccds_called_bad` (a share) and, for each rule, how many exposures it `sent`, their
    `share`, and the `mean_bad_probability`. Shares of nothing are 0.
    """
    known = np.unique(prediction.expnum)
    plain = np.array([expnum for expnum, bad in answers.items() if not bad], dtype=np.int64)
    groups = {kind: own.expnum.to_numpy() for kind, own in listed.table.groupby("kind")}
    return {
        "kinds": {kind: _row(prediction, scored, own) for kind, own in groups.items()},
        "any": _row(prediction, scored, listed.expnums),
        "plain": _row(prediction, scored, np.setdiff1d(plain, listed.expnums)),
        "judged_bad": listed.judged_bad,
        "not_predicted": int((~np.isin(listed.expnums, known)).sum()),
    }


def _row(prediction: pd.DataFrame, scored: dict[str, pd.DataFrame], expnums: np.ndarray) -> dict:
    own = prediction[prediction.expnum.isin(expnums)]
    called_bad = own.reason != GOOD
    rules = {}
    for name, table in scored.items():
        table = table[table.expnum.isin(expnums)]
        rules[name] = {
            "sent": int(table.sent.sum()),
            "share": float(table.sent.mean()) if len(table) else 0.0,
            "mean_bad_probability": float(table.bad_probability.mean()) if len(table) else 0.0,
        }
    return {
        "n_exposures": int(own.expnum.nunique()),
        "n_ccds": len(own),
        "ccds_called_bad": float(called_bad.mean()) if len(own) else 0.0,
        "rules": rules,
    }
