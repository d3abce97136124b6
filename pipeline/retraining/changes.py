"""What a retraining changed: exposures, the changed labels near them, and counts.

Everything here compares two predictions of the same images. A cause is a label that is new, changed or gone since the
last model, and that is among the nearest labelled images of a CCD whose answer changed (in the new prediction or, for a
label that is gone, in the old one). If learners give the answer, a label also acts on images that are not near it. An
exposure that changed without a changed neighbour has an empty list: no cause is invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier import candidates
from triptych.pipeline.classifier.prediction_parts import Parts, among, parts_of
from triptych.pipeline.image_ids import expnum_of

# A prediction: its table, its stage, its file, or parts of it.
Prediction = pd.DataFrame | Stage | Path | Parts

ANSWER = ("image_id", "expnum", "reason", "p_good")
CHANGES = ("entered", "left", "reasons", "ccds", "probability")
KINDS = ("model", "prediction", "candidates")
COLUMNS = (
    "expnum",
    "change",
    "was_candidate",
    "is_candidate",
    "side_before",
    "side_after",
    "reasons_before",
    "reasons_after",
    "bad_probability_before",
    "bad_probability_after",
    "rank_before",
    "rank_after",
    "n_changed_ccds",
    "changed_ids",
    "causes",
    "n_causes",
)
LABEL_COLUMNS = ("image_id", "expnum", "ccdname", "what", "reasons_before", "reasons_after", "provenance", "basis")
MOVED = 0.05  # an exposure whose bad probability moved less, without another change, is not listed
CCD_MOVED = 0.2  # a CCD whose p_good moved at least so much counts as changed, even if its reason is the same
WEIGHT_MOVED = 0.1  # a label whose weight moved more than this counts as changed
SIDE_ABOVE = 0.5
MOST_CAUSES = 8  # largest number of causing exposures in the list of one exposure


@dataclass(frozen=True)
class Diff:
    """table : COLUMNS, one row per changed exposure, those that moved most first. labels : LABEL_COLUMNS, one row per
    training image whose label is new, changed or gone."""

    table: pd.DataFrame
    labels: pd.DataFrame

    def counts(self) -> dict[str, int]:
        """Number of exposures with each kind of change, as plain values."""
        table = self.table
        sided = (table.side_before != "") & (table.side_before != table.side_after)
        return {name: int((table.change == name).sum()) for name in CHANGES} | {
            "changed": len(table),
            "changed_side": int(sided.sum()),
            "unexplained": int((table.n_causes == 0).sum()),
        }

    def label_counts(self) -> dict[str, dict[str, int]]:
        """new, changed, gone -> numbers of images and exposures."""
        return {
            what: {"images": int(own.sum()), "exposures": int(self.labels.expnum[own].nunique())}
            for what in ("new", "changed", "gone")
            for own in [(self.labels.what == what).to_numpy()]
        }


def compare(old: pd.DataFrame | None, new: pd.DataFrame, n_changed_ccds: pd.Series) -> pd.DataFrame:
    """Exposures whose answer differs between two scored tables, those that moved most first.

    old, new : `exposures_scored` tables; old is None before the first prediction. n_changed_ccds : expnum -> number of
    CCDs whose reason changed. Returns the first columns of COLUMNS without `side_*`. `change` is the first of CHANGES
    that applies: the exposure entered or left the candidates, its reasons changed, reasons of some CCDs changed, or its
    probability moved by MOVED or more.
    """
    first = old is None
    before = new.iloc[:0] if old is None else old
    columns = ["reasons", "bad_probability", "rank"]
    both = new.set_index("expnum")[columns].join(
        before.set_index("expnum")[columns], lsuffix="_after", rsuffix="_before", how="left"
    )
    both["is_candidate"] = both.index.isin(candidates.chosen(new).expnum)
    both["was_candidate"] = both.index.isin(candidates.chosen(before).expnum)
    both["n_changed_ccds"] = n_changed_ccds.reindex(both.index).fillna(0).astype("int64")
    both["reasons_before"] = both.reasons_before.astype(object).fillna("")
    both["rank_before"] = both.rank_before.astype("Int64")
    both["moved"] = (both.bad_probability_after - both.bad_probability_before.fillna(0)).abs()
    tests = [
        both.is_candidate & ~both.was_candidate,
        both.was_candidate & ~both.is_candidate,
        both.reasons_after.astype(object) != both.reasons_before,
        both.n_changed_ccds > 0,
        (both.moved >= MOVED) & (not first),
    ]
    both["change"] = np.select(tests, CHANGES, default="")
    both = both[both.change != ""].reset_index()
    both = both.sort_values(["moved", "expnum"], ascending=[False, True], kind="stable", ignore_index=True)
    names = [f"{name}_{when}" for name in ("reasons", "bad_probability", "rank") for when in ("before", "after")]
    return both[["expnum", "change", "was_candidate", "is_candidate", *names, "n_changed_ccds"]]


def changed_ccds(old: Prediction | None, new: Prediction) -> pd.Series:
    """expnum -> number of CCDs whose reason changed."""
    images = changed_images(old, new)
    return images[images.renamed].groupby("expnum").size()


def changed_images(old: Prediction | None, new: Prediction) -> pd.DataFrame:
    """CCDs whose answer changed between two predictions: `image_id, expnum, renamed, moved`.

    renamed : whether the reason changed. moved : by how much p_good moved; CCD_MOVED or more is enough to be listed.
    """
    if old is None:
        return pd.DataFrame({"image_id": [], "expnum": [], "renamed": [], "moved": []}).astype(
            {"image_id": "int64", "expnum": "int64", "renamed": bool, "moved": float}
        )
    before = _Answers.of(parts_of(old))
    return pd.concat([before.changed(block) for block in parts_of(new).blocks(ANSWER)], ignore_index=True)


@dataclass(frozen=True)
class _Answers:
    """The answers of a prediction in little memory.

    image_ids : (n,) int64, rising. reasons : (n,) int16, index of each reason in `names`. p_good : (n,) float64.
    """

    image_ids: np.ndarray
    reasons: np.ndarray
    p_good: np.ndarray
    names: dict[str, int]

    @classmethod
    def of(cls, prediction: Parts) -> "_Answers":
        names: dict[str, int] = {}
        found = []
        for block in prediction.blocks(ANSWER):
            for name in block.reason.unique():
                names.setdefault(name, len(names))
            found.append((block.image_id.to_numpy(), cls._codes(block.reason, names), block.p_good.to_numpy(float)))
        image_ids, reasons, p_good = (np.concatenate(own) for own in zip(*found, strict=True))
        order = np.argsort(image_ids, kind="stable")
        return cls(image_ids[order], reasons[order], p_good[order], names)

    @staticmethod
    def _codes(reasons: pd.Series, names: dict[str, int]) -> np.ndarray:
        return reasons.astype(object).map(names).fillna(-1).to_numpy(np.int16)

    def changed(self, new: pd.DataFrame) -> pd.DataFrame:
        """The rows of `changed_images` for one block of the new prediction."""
        known = new[among(new.image_id.to_numpy(), self.image_ids)]
        at = np.searchsorted(self.image_ids, known.image_id.to_numpy())
        renamed = self._codes(known.reason, self.names) != self.reasons[at]
        moved = np.abs(known.p_good.to_numpy(float) - self.p_good[at])
        found = known[["image_id", "expnum"]].assign(renamed=renamed, moved=moved)
        return found[renamed | (moved >= CCD_MOVED)]


def label_changes(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.DataFrame:
    """Training images whose label is new, changed or gone: LABEL_COLUMNS, sorted by image_id.

    old, new : training tables of two models, in which an image may have several rows; old is None before the first
    model. `what` is new, gone, or changed (other reasons, or a weight that moved by more than WEIGHT_MOVED). Reasons
    are texts, separated by commas, '' without a label. provenance and basis are of the new label; of the old one if it
    is gone.
    """
    new = _one_per_image(new)
    old = _one_per_image(new.iloc[:0] if old is None else old)
    both = new.merge(old, on="image_id", how="outer", suffixes=("_after", "_before"), indicator=True)
    other = both.reasons_after.ne(both.reasons_before) | ((both.weight_after - both.weight_before).abs() > WEIGHT_MOVED)
    both["what"] = np.select(
        [both._merge == "left_only", both._merge == "right_only", other], ["new", "gone", "changed"], ""
    )
    both = both[both.what != ""]
    for name in ("expnum", "ccdname", "provenance", "basis"):
        both[name] = both[f"{name}_after"].where(both.what != "gone", both[f"{name}_before"])
    for name in ("reasons_before", "reasons_after"):
        both[name] = both[name].astype(object).fillna("")
    both = both.astype({"image_id": "int64", "expnum": "int64"}).sort_values("image_id", ignore_index=True)
    return both[list(LABEL_COLUMNS)]


def _one_per_image(training: pd.DataFrame) -> pd.DataFrame:
    """One row per image, with reasons as one text. Older models lack `basis` and `weight`."""
    texts = [
        own if isinstance(own, str) else ",".join(sorted(map(str, own))) for own in training.get("reasons", pd.Series())
    ]
    rows = pd.DataFrame(
        {
            "image_id": training.image_id.astype("int64"),
            "expnum": training.expnum.astype("int64"),
            "ccdname": training.ccdname.astype(object),
            "reasons": pd.Series(texts, index=training.index, dtype=object),
            "provenance": training.provenance.astype(object) if "provenance" in training else "",
            "basis": training.basis.astype(object) if "basis" in training else "",
            "weight": training.weight.astype(float) if "weight" in training else np.nan,
        }
    )
    if rows.image_id.is_unique:
        return rows
    joined = rows.groupby("image_id").reasons.agg(lambda own: ",".join(sorted(set(",".join(own).split(",")))))
    return rows.drop_duplicates("image_id").assign(reasons=lambda one: one.image_id.map(joined))


def causes(images: pd.DataFrame, old: Prediction | None, new: Prediction, labels: pd.DataFrame) -> pd.DataFrame:
    """The changed labels among the neighbours of changed CCDs: indexed by expnum, `causes` and `n_causes`.

    images : see `changed_images`. old, new : predictions. labels : see `label_changes`. causes : for each causing
    exposure the image_id with the nearest label, at most MOST_CAUSES; those near most of the exposure's changed CCDs
    come first. n_causes : number of causing exposures.
    """
    links = [_links(new, images, labels.image_id[labels.what != "gone"])]
    if old is not None:
        links.append(_links(old, images, labels.image_id[labels.what != "new"]))
    links = pd.concat(links, ignore_index=True)
    links = links.sort_values(["distance", "cause"], kind="stable").drop_duplicates(["image_id", "cause"])
    links["expnum"], links["from"] = expnum_of(links.image_id), expnum_of(links.cause)
    near = links.groupby(["expnum", "from"], sort=True).agg(
        n=("image_id", "nunique"), distance=("distance", "first"), cause=("cause", "first")
    )
    near = near.reset_index().sort_values(["expnum", "n", "distance", "from"], ascending=[True, False, True, True])
    groups = near.groupby("expnum")
    return pd.DataFrame({"causes": groups.cause.agg(lambda own: list(own[:MOST_CAUSES])), "n_causes": groups.size()})


def _links(prediction: Prediction, images: pd.DataFrame, wanted: pd.Series) -> pd.DataFrame:
    """Pairs of a changed CCD and a wanted label among its neighbours: `image_id, cause, distance`."""
    found = [
        pd.DataFrame({"image_id": [], "cause": [], "distance": []}).astype({"image_id": "int64", "cause": "int64"})
    ]
    parts, sought = parts_of(prediction), np.sort(wanted.to_numpy(np.int64))
    changed = np.sort(images.image_id.to_numpy(np.int64))
    if "neighbour_ids" not in parts.columns or not len(changed) or not len(sought):
        return found[0]
    for own in parts.rows(changed, ("image_id", "neighbour_ids", "neighbour_distances")):
        lengths = [len(ids) for ids in own["neighbour_ids"]]
        if not sum(lengths):
            continue
        pairs = pd.DataFrame(
            {
                "image_id": np.repeat(own.image_id.to_numpy(np.int64), lengths),
                "cause": np.concatenate([np.asarray(ids, np.int64) for ids in own["neighbour_ids"]]),
                "distance": np.concatenate([np.asarray(far, float) for far in own["neighbour_distances"]]),
            }
        )
        found.append(pairs[among(pairs.cause.to_numpy(), sought)])
    return pd.concat(found[1:] or found, ignore_index=True)


def _chances(prediction: Prediction) -> pd.Series:
    """expnum -> probability that the exposure is bad."""
    blocks = parts_of(prediction).blocks(("expnum", "exposure_probability"))
    return pd.concat([block.groupby("expnum").exposure_probability.first() for block in blocks])


def scores(old: Prediction | None, new: Prediction, sampled, rule: str) -> dict[str, pd.DataFrame | None]:
    """`before` and `after`: what `candidates.score` gives for two predictions; None for none."""
    return {
        "before": None if old is None else candidates.score(old, sampled, rule=rule),
        "after": candidates.score(new, sampled, rule=rule),
    }


def diff(
    old: Prediction | None,
    new: Prediction,
    *,
    taught_before: pd.DataFrame | None,
    taught_after: pd.DataFrame,
    sampled,
    rule: str,
    scored: Mapping[str, pd.DataFrame | None] | None = None,
) -> Diff:
    """Compare two predictions of the same images under one rule.

    old, new : predictions, read a part at a time unless they are tables; old is None before the first. taught_before,
    taught_after : the training tables of their models. sampled : image_ids of the CCDs that count for the rule. scored
    : `before` and `after`, what `candidates.score` gives for old and new; it is computed if it is not given.
    """
    scored = scored or scores(old, new, sampled, rule)
    images = changed_images(old, new)
    table = compare(scored["before"], scored["after"], images[images.renamed].groupby("expnum").size())
    labels = label_changes(taught_before, taught_after)
    for when, prediction in (("before", old), ("after", new)):
        is_bad = table["was_candidate" if when == "before" else "is_candidate"]
        if prediction is not None and "exposure_probability" in parts_of(prediction).columns:
            is_bad = table.expnum.map(_chances(prediction)) > SIDE_ABOVE
        table[f"side_{when}"] = "" if prediction is None else np.where(is_bad, "bad", "good")
    found = causes(images, old, new, labels).reindex(table.expnum)
    table["causes"] = [own if isinstance(own, list) else [] for own in found.causes]
    table["n_causes"] = found.n_causes.fillna(0).astype("int64").to_numpy()
    own_images = images.sort_values(["renamed", "moved", "image_id"], ascending=[False, False, True])
    own_images = own_images.groupby("expnum").image_id.agg(list).reindex(table.expnum)
    table["changed_ids"] = [own if isinstance(own, list) else [] for own in own_images]
    return Diff(table[list(COLUMNS)], labels)
