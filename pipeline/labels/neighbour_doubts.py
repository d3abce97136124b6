"""Labels that nearly all labelled neighbours contradict, found by confident learning; and helpers for such rows.

A label is doubted if two things are true. Nearly all labelled neighbours of its CCDs (those of its own exposure do not
count) have other labels. And a model that was not trained on the label gives another label a higher probability than
that label usually gets. The second part is confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning:
estimating uncertainty in dataset labels", Journal of Artificial Intelligence Research 70): the cut for each label is
the mean probability that images with this label get for it. The label of a whole exposure is doubted by its CCDs
together, because a defect need not cross all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.reasons import GOOD, REASONS

KEY = ["camera", "expnum"]
AGREEING = 1 / 7  # at most this share of a CCD's neighbours may have its label
FEWEST_NEIGHBOURS = 5
NEARLY_ALL = 0.9  # of the CCDs must be doubted, where a whole exposure is labelled bad
FEWEST_CCDS = 3  # must be doubted, where a whole exposure is labelled good
WEAK = ("single_vote", "bulk_votes")  # labels with such a basis are checked too


@dataclass(frozen=True)
class _Seen:
    """What a model that was not trained on these labels says about labelled images, one row per image of `keys`.

    p : (n, n_labels) float64, probabilities of the labels in `names`. cuts : (n_labels,), the mean of p over the
    images that have the label. near : for each image the labels of its neighbours, each a tuple. exposure :
    probability that an exposure is bad, by expnum.
    """

    keys: pd.DataFrame
    names: tuple[str, ...]
    p: np.ndarray
    cuts: np.ndarray
    near: list[list[tuple[str, ...]]]
    exposure: pd.Series

    def doubt(self, row: int, says: tuple[str, ...]) -> tuple[float, str, int, int] | None:
        """(how sure, other label, neighbours with other labels, neighbours) if the label is doubted, else None."""
        near = self.near[row]
        agreeing = sum(bool(set(own) & set(says)) for own in near)
        if len(near) < FEWEST_NEIGHBOURS or agreeing > AGREEING * len(near) + 1e-9:
            return None
        own = np.array([name in says for name in self.names])
        mine = float(self.p[row, own].max(initial=0.0))
        other = (self.p[row] >= self.cuts) & ~own & (self.p[row] > mine)
        if not other.any():
            return None
        best = int(np.where(other, self.p[row], -1).argmax())
        return (1 + self.p[row, best] - mine) / 2, self.names[best], len(near) - agreeing, len(near)


def against_neighbours(catalog: Catalog, labels: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Labels that nearly all labelled neighbours contradict, one row per exposure, source and label.

    labels : frame of the label store. training : table of a training set. Its rows that rest on a single vote or on
    bulk votes are checked too, because their exposures may have no other label.
    """
    prediction = catalog.stage("prediction", fresh=False)
    taught = prediction.parent("model").table("training")
    units = _units(catalog, labels, training)
    if units.empty or taught.empty:
        return rows_of([])
    seen = _seen(prediction, taught, units.expnum.unique())
    if seen is None:
        return rows_of([])
    at = pd.Series(np.arange(len(seen.keys)), index=seen.keys.image_id.to_numpy())
    n_ccds = seen.keys.groupby("expnum").size()
    carriers = taught[["expnum", "reasons"]].explode("reasons").groupby("reasons").expnum.agg(set).to_dict()
    rows = []
    for (camera, expnum, source, says, whole, weak), part in units.groupby(
        [*KEY, "source", "says", "whole", "weak"], sort=True
    ):
        if not any(carriers.get(name, set()) - {expnum} for name in says):
            continue  # no other exposure could agree
        places = at.reindex(part.image_id).dropna().astype(int)
        doubts = {name: seen.doubt(row, says) for name, row in zip(seen.keys.ccdname.iloc[places], places, strict=True)}
        doubts = {name: doubt for name, doubt in doubts.items() if doubt}
        if not doubts:
            continue
        other = pd.Series([doubt[1] for doubt in doubts.values()]).value_counts().index[0]
        sure, ccds = max(doubt[0] for doubt in doubts.values()), sorted(doubts)
        if whole:
            sure = _sure_of_whole(len(doubts), int(n_ccds[expnum]), says, other, seen.exposure[expnum], sure)
            if sure is None:
                continue
        worst = max(doubts.values(), key=lambda doubt: doubt[0])
        text = ", ".join(says)
        sentence = f"{source} says {text}{'' if whole else ' of ' + few(ccds)}; "
        sentence += f"for {len(doubts)} of its {int(n_ccds[expnum])} CCDs" if whole else "there"
        sentence += f" nearly all similar images have another label ({worst[2]} of the {worst[3]} nearest of the "
        sentence += "clearest CCD)"
        sentence += f", and a model that was not trained on this label says {other}."
        rows.append(
            (
                camera,
                int(expnum),
                "" if whole else ",".join(ccds),
                text,
                source,
                "neighbours",
                other,
                sure,
                sentence,
                weak,
            )
        )
    return rows_of(rows)


def _sure_of_whole(n: int, of: int, says, other: str, bad: float, sure: float) -> float | None:
    """How sure we are that the label of a whole exposure is wrong; None if it is not doubted.

    n, of : the number of CCDs whose label is doubted, and of all CCDs. bad : probability that the exposure is bad, from
    a model that was not trained on the label; it must contradict the label. sure : of the clearest CCD, used if only
    the reason is doubted.
    """
    if says == (GOOD,):
        return bad if n >= min(FEWEST_CCDS, of) and bad > 0.5 else None
    if n < NEARLY_ALL * of:
        return None
    if other != GOOD:
        return sure
    return 1 - bad if bad < 0.5 else None


def _units(catalog: Catalog, labels: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Labelled images: camera, expnum, image_id, source, says (a tuple), whole, weak (has a basis in WEAK)."""
    names = ["camera", "expnum", "image_id", "source", "says", "whole", "weak"]
    places = catalog.ccds()[["image_id", "expnum", "ccdname"]].merge(catalog.exposures()[KEY], on="expnum")
    own = labels[labels.reason != ""].merge(places[KEY].drop_duplicates(), on=KEY)
    says = (
        own.groupby([*KEY, "ccdname", "source"])
        .reason.agg(lambda all: tuple(sorted(set(all))))
        .rename("says")
        .reset_index()
    )
    whole = says[says.ccdname == ""].drop(columns="ccdname").merge(places, on=KEY).assign(whole=True)
    single = says[says.ccdname != ""].merge(places, on=[*KEY, "ccdname"]).assign(whole=False)
    parts = [whole.assign(weak=False)[names], single.assign(weak=False)[names]]
    if "basis" in training:
        voted = training[training.basis.isin(WEAK)].merge(places[["image_id", "camera"]], on="image_id")
        voted = voted.assign(says=voted.reasons.map(tuple), whole=voted.provenance != "ticked", weak=True)
        parts.append(voted[names])
    return pd.concat(parts, ignore_index=True)


def _seen(prediction, taught: pd.DataFrame, expnums: np.ndarray) -> _Seen | None:
    """What the prediction says about some exposures; None if it has no neighbours or no probabilities."""
    wanted = ("image_id", "expnum", "ccdname", "neighbour_ids", "exposure_probability")
    columns = [name for name in prediction.columns() if name in wanted or name.startswith("p_")]
    table = prediction.rows_of(expnums, columns)
    if "neighbour_ids" not in table or "p_good" not in table or table.empty:
        return None
    names = tuple(name for name in (*REASONS, GOOD) if name == GOOD or f"p_{name}" in table)
    p = table[["p_good" if name == GOOD else f"p_{name}" for name in names]].to_numpy(float)
    carried = taught.drop_duplicates("image_id").set_index("image_id").reasons.map(tuple)
    mine = carried.reindex(table.image_id)
    cuts = np.ones(len(names))
    for place, name in enumerate(names):
        having = np.array([isinstance(own, tuple) and name in own for own in mine], bool)
        if having.any():
            cuts[place] = p[having, place].mean()
    known = carried.to_dict()
    near = [[known[int(one)] for one in ids if int(one) in known] for ids in table.neighbour_ids]
    chance = table.get("exposure_probability", 1 - table.groupby("expnum").p_good.transform("min"))
    exposure = chance.groupby(table.expnum).first()
    return _Seen(table[["image_id", "expnum", "ccdname"]], names, p, cuts, near, exposure)


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
