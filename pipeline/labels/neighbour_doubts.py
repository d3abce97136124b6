"""Labels that nearly all labelled neighbours contradict, by confident learning; and what rows of doubtful labels share.

A label is doubted where nearly all labelled neighbours of its CCDs, those of its own exposure left out, carry others,
and a model that had not seen it is surer of another label than it usually is of that one. The second part is confident
learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", Journal of
Artificial Intelligence Research 70): the cut for each label is the mean probability that images with this label have of
it. A label of a whole exposure is doubted by its CCDs together, as a defect need not cross all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.reasons import GOOD, REASONS

KEY = ["camera", "expnum"]
AGREEING = 1 / 7  # of a CCD's neighbours, at most, where nearly all say otherwise
FEWEST_NEIGHBOURS = 5
NEARLY_ALL = 0.9  # of the CCDs of an exposure that is labelled bad as a whole
FEWEST_CCDS = 3  # of an exposure that is labelled good as a whole
WEAK = ("single_vote", "bulk_votes")  # what a label may rest on whose wrongness only looks can tell


@dataclass(frozen=True)
class _Seen:
    """What a model that had not seen the label says of labelled images, one row per image of `keys`.

    p : (n, n_labels) float64 over `names`. cuts : (n_labels,), the mean of p over the images with that label. near :
    per image the labels of its neighbours, each a tuple; exposure : probability of being bad, by expnum.
    """

    keys: pd.DataFrame
    names: tuple[str, ...]
    p: np.ndarray
    cuts: np.ndarray
    near: list[list[tuple[str, ...]]]
    exposure: pd.Series

    def doubt(self, row: int, says: tuple[str, ...]) -> tuple[float, str, int, int] | None:
        """(how sure, the other label, neighbours that say otherwise, neighbours) where an image's label is doubted."""
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
    """Labels that nearly all labelled neighbours contradict, one row per exposure, source and what it says.

    labels : frame of the label store. training : table of a training set; those of its rows that rest on single or bulk
    votes are looked at too, as their exposures may have no other label.
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
        sentence += f" nearly all that looks alike is labelled otherwise ({worst[2]} of the {worst[3]} nearest of the "
        sentence += "clearest CCD)"
        sentence += f", and a model that had not seen the label says {other}."
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
    """How sure it is that the label of a whole exposure is wrong, None where it is not doubted.

    n : of so many CCDs those whose label is doubted. bad : probability that the exposure is, from a model that had not
    seen the label; it must be against the label. sure : of the clearest CCD, where only the reason is in doubt.
    """
    if says == (GOOD,):
        return bad if n >= min(FEWEST_CCDS, of) and bad > 0.5 else None
    if n < NEARLY_ALL * of:
        return None
    if other != GOOD:
        return sure
    return 1 - bad if bad < 0.5 else None


def _units(catalog: Catalog, labels: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Labelled images: camera, expnum, image_id, source, says (a tuple), whole, weak (rests on few votes)."""
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
    """What the prediction says of some exposures; None where it does not know neighbours or probabilities."""
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


# ---- what rows of doubtful labels share


def rows_of(rows: list[tuple]) -> pd.DataFrame:
    """Rows of doubtful labels as a frame, with the right types where there are none."""
    names = ["camera", "expnum", "ccdnames", "says", "source", "why", "against", "sure", "sentence", "from_votes"]
    return pd.DataFrame(rows, columns=names).astype({"expnum": "int64", "sure": float, "from_votes": bool})


def reasons_of(reasons: Iterable[str]) -> str:
    """Reasons in the vocabulary's order, joined; '' where none is known."""
    said = set(reasons)
    return ", ".join(name for name in REASONS if name in said)


def few(names: Sequence[str], most: int = 4) -> str:
    """CCDs as words: S1, S2, and 3 more."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")
