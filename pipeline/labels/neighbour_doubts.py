"""Labels that nearly all labelled neighbours contradict, found by confident learning; and helpers for such rows.

A label is doubted if two things are true. Nearly all labelled neighbours of its CCDs (those of its own exposure do not
count) have other labels. And a model that was not trained on the label gives another label a higher probability than
that label usually gets. The second part is confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning:
estimating uncertainty in dataset labels", Journal of Artificial Intelligence Research 70): the cut for each label is
the mean probability that training images with this label get for it. The label of a whole exposure is doubted by its
CCDs together, because a defect need not cross all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.kept_rows import kept_rows
from triptych.pipeline.reasons import GOOD, REASONS

KEY = ["camera", "expnum"]
AGREEING = 1 / 7  # at most this share of a CCD's neighbours may have its label
FEWEST_NEIGHBOURS = 5
NEARLY_ALL = 0.9  # of the CCDs must be doubted, where a whole exposure is labelled bad
FEWEST_CCDS = 3  # must be doubted, where a whole exposure is labelled good
CALLED_BAD = 0.5
SEPARATOR = "|"  # of the labels of an image; no label holds it
WEAK = ("single_vote", "bulk_votes")  # labels with such a basis are checked too


@dataclass(frozen=True)
class _Seen:
    """What a model that was not trained on these labels says about labelled images, one row per image of `keys`.

    p : (n, n_labels) float64, probabilities of the labels in `names`. cuts : (n_labels,), the mean of p over the
    images that taught the label. near : (n, k) rows of their neighbours in `carried`, -1 if there are fewer. carried :
    (m, n_labels) bool, which training image has which label. exposure : probability that an exposure is bad, by expnum.
    """

    keys: pd.DataFrame
    names: tuple[str, ...]
    p: np.ndarray
    cuts: np.ndarray
    near: np.ndarray
    carried: np.ndarray
    exposure: pd.Series

    def doubts(self, units: pd.DataFrame) -> pd.DataFrame:
        """The units whose label is doubted, with `sure`, `other` label, `n_against` and `n_near` of the neighbours."""
        rows = pd.Index(self.keys.image_id).get_indexer(units.image_id)
        units, rows = units[rows >= 0], rows[rows >= 0]
        kinds, kind = np.unique([SEPARATOR.join(own) for own in units.says], return_inverse=True)
        says = np.array([[name in own.split(SEPARATOR) for name in self.names] for own in kinds], bool)
        says = says.reshape(len(kinds), len(self.names))[kind]
        near, p = self.near[rows], self.p[rows]
        n_near = (near >= 0).sum(axis=1)
        agreeing = np.zeros(len(rows), np.int64)
        for place in range(near.shape[1]):
            agreeing += ((self.carried[near[:, place]] & says).any(axis=1)) & (near[:, place] >= 0)
        mine = np.where(says, p, 0.0).max(axis=1, initial=0.0)
        other = (p >= self.cuts) & ~says & (p > mine[:, None])
        doubted = (n_near >= FEWEST_NEIGHBOURS) & (agreeing <= AGREEING * n_near + 1e-9) & other.any(axis=1)
        best = np.where(other, p, -1).argmax(axis=1)
        found = units.assign(
            sure=(1 + p[np.arange(len(p)), best] - mine) / 2,
            other=np.array(self.names, object)[best],
            n_against=n_near - agreeing,
            n_near=n_near,
            ccdname=self.keys.ccdname.to_numpy(object)[rows],
        )
        return found[doubted]


def against_neighbours(catalog: Catalog, labels: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Labels that nearly all labelled neighbours contradict, one row per exposure, source and label.

    labels : frame of the label store. training : table of a training set. Its rows that rest on a single vote or on
    bulk votes are checked too, because their exposures may have no other label.
    """
    prediction = catalog.stage("prediction", fresh=False)
    taught = prediction.parent("model").table("training")
    if taught.empty:
        return rows_of([])
    units = _units(catalog, labels, training, _called_good(prediction))
    if units.empty:
        return rows_of([])
    seen = _seen(prediction, taught, units.expnum.unique())
    if seen is None:
        return rows_of([])
    n_ccds = seen.keys.groupby("expnum").size()
    carriers = taught[["expnum", "reasons"]].explode("reasons").groupby("reasons").expnum.agg(set).to_dict()
    rows = []
    for (camera, expnum, source, says, whole, weak), part in seen.doubts(units).groupby(
        [*KEY, "source", "says", "whole", "weak"], sort=True
    ):
        if not any(carriers.get(name, set()) - {expnum} for name in says):
            continue  # no other exposure could agree
        worst = part.loc[part.sure.idxmax()]
        other, sure, ccds = part.other.value_counts().index[0], float(worst.sure), sorted(part.ccdname)
        if whole:
            sure = _sure_of_whole(len(part), int(n_ccds[expnum]), says, other, seen.exposure[expnum], sure)
            if sure is None:
                continue
        text = ", ".join(says)
        sentence = f"{source} says {text}{'' if whole else ' of ' + few(ccds)}; "
        sentence += f"for {len(part)} of its {int(n_ccds[expnum])} CCDs" if whole else "there"
        sentence += f" nearly all similar images have another label ({worst.n_against} of the {worst.n_near} nearest "
        sentence += f"of the clearest CCD), and a model that was not trained on this label says {other}."
        where = "" if whole else ",".join(ccds)
        rows.append((camera, int(expnum), where, text, source, "neighbours", other, sure, sentence, weak))
    return rows_of(rows)


def _sure_of_whole(n: int, of: int, says, other: str, bad: float, sure: float) -> float | None:
    """How sure we are that the label of a whole exposure is wrong; None if it is not doubted.

    n, of : the number of CCDs whose label is doubted, and of all CCDs. bad : probability that the exposure is bad, from
    a model that was not trained on the label; it must contradict the label. sure : of the clearest CCD, used if only
    the reason is doubted.
    """
    if says == (GOOD,):
        return bad if n >= min(FEWEST_CCDS, of) and bad > CALLED_BAD else None
    if n < NEARLY_ALL * of:
        return None
    if other != GOOD:
        return sure
    return 1 - bad if bad < 0.5 else None


def _units(catalog: Catalog, labels: pd.DataFrame, training: pd.DataFrame, called_good) -> pd.DataFrame:
    """Labelled images: camera, expnum, image_id, source, says (a tuple), whole, weak (has a basis in WEAK).

    called_good : expnums that the model calls good. A label that says so of a whole exposure cannot be doubted there,
    and is left out; of a survey's long list of good exposures nearly all are.
    """
    names = ["camera", "expnum", "image_id", "source", "says", "whole", "weak"]
    own = labels[labels.reason != ""].merge(catalog.exposures()[KEY], on=KEY)
    bad = (own.ccdname != "") | (own.reason != GOOD)
    own = own[bad | own.expnum.isin(own.expnum[bad]) | ~own.expnum.isin(called_good)]
    weak = training[training.basis.isin(WEAK)] if "basis" in training else training
    places = catalog.ccds_of(pd.unique(own.expnum), ["image_id", "expnum", "ccdname"])
    says = (
        own.groupby([*KEY, "ccdname", "source"])
        .reason.agg(lambda all: tuple(sorted(set(all))))
        .rename("says")
        .reset_index()
    )
    whole = says[says.ccdname == ""].drop(columns="ccdname").merge(places, on="expnum").assign(whole=True)
    single = says[says.ccdname != ""].merge(places, on=["expnum", "ccdname"]).assign(whole=False)
    parts = [whole.assign(weak=False)[names], single.assign(weak=False)[names]]
    if len(weak):
        voted = weak.merge(catalog.exposures()[KEY], on="expnum")
        voted = voted.assign(says=voted.reasons.map(tuple), whole=voted.provenance != "ticked", weak=True)
        parts.append(voted[names])
    return pd.concat(parts, ignore_index=True)


def _called_good(prediction) -> np.ndarray:
    """expnums (n,) int64 that the model does not call bad; none where the prediction does not say it of exposures."""
    if "exposure_probability" not in prediction.columns():
        return np.empty(0, np.int64)
    table = prediction.table(columns=["expnum", "exposure_probability"])
    return pd.unique(table.expnum[~(table.exposure_probability > CALLED_BAD)])


def _seen(prediction, taught: pd.DataFrame, expnums: np.ndarray) -> _Seen | None:
    """What the prediction says about some exposures; None if it has no neighbours or no probabilities."""
    wanted = ("image_id", "expnum", "ccdname", "neighbour_ids", "exposure_probability")
    known = prediction.columns()
    if "neighbour_ids" not in known or "p_good" not in known:
        return None
    names = tuple(name for name in (*REASONS, GOOD) if f"p_{name}" in known)
    chances = [f"p_{name}" for name in names]
    table = kept_rows(prediction, [name for name in known if name in wanted or name in chances]).of(expnums)
    if table.empty:
        return None
    p = table[chances].to_numpy(float)
    once = taught.drop_duplicates("image_id")
    carried = np.zeros((len(once), len(names)), bool)
    for row, own in enumerate(once.reasons):
        carried[row, [names.index(name) for name in own if name in names]] = True
    teach = kept_rows(prediction, ["image_id", "expnum", *chances]).of(pd.unique(once.expnum))
    mine = pd.Index(once.image_id).get_indexer(teach.image_id)
    teach, having = teach[chances].to_numpy(float)[mine >= 0], carried[mine[mine >= 0]]
    total = having.sum(axis=0)
    cuts = np.where(total > 0, np.where(having, teach, 0.0).sum(axis=0) / np.maximum(total, 1), 1.0)
    lengths = np.array([len(ids) for ids in table.neighbour_ids], np.int64)
    found = pd.Index(once.image_id).get_indexer(np.concatenate([*table.neighbour_ids, np.empty(0, np.int64)]))
    near = np.full((len(table), max(1, lengths.max(initial=0))), -1)
    near[np.arange(near.shape[1]) < lengths[:, None]] = found
    chance = table.get("exposure_probability", 1 - table.groupby("expnum").p_good.transform("min"))
    exposure = chance.groupby(table.expnum).first()
    return _Seen(table[["image_id", "expnum", "ccdname"]], names, p, cuts, near, carried, exposure)


# ---- helpers for rows of doubtful labels


def rows_of(rows: list[tuple]) -> pd.DataFrame:
    """Rows of doubtful labels as a frame; the column types are right even without rows."""
    names = ["camera", "expnum", "ccdnames", "says", "source", "why", "against", "sure", "sentence", "from_votes"]
    return pd.DataFrame(rows, columns=names).astype({"expnum": "int64", "sure": float, "from_votes": bool})


def reasons_of(reasons: Iterable[str]) -> str:
    """Reasons in vocabulary order, joined by commas; '' if none is known."""
    present = set(reasons)
    return ", ".join(name for name in REASONS if name in present)


def few(names: Sequence[str], most: int = 4) -> str:
    """CCDs as text: "S1, S2, S3, S4 and 3 more"."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")
