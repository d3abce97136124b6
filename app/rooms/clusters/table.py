"""All HDBSCAN clusters in numbers, as far as one user may know them.

What votes cannot change is counted once for each state of the survey. The rest is counted once for each user and
revision of the store.

Blindness holds for sums as well, because a sum over a small cluster, or two sums a minute apart, tells single votes.
Sums of labels and of the model's opinion take only images whose colour on the map this user may see. An inspector gets
no count of others' votes. A lead who votes and the role "viewer" get the number of exposures that the whole panel has
judged. A lead who has not voted gets the number that anybody has judged.
"""

import threading
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from cachetools import LRUCache, cached

from triptych.app import palette
from triptych.app.colours.colours import REASON_CODES, Scene, by_prediction, by_reason
from triptych.app.judging.viewer import Knowledge, Viewer
from triptych.app.survey.image_set import ImageSet
from triptych.app.survey.survey import open_stage
from triptych.pipeline.image_ids import expnum_of

NOISE = -1
PICTURES = 6  # most pictures of a cluster
PICTURE_CHOICE = 400  # pictures are chosen among this many members
NIGHTS_NAMED = 3


@dataclass(frozen=True, eq=False)
class Groups:
    """The images of one cluster stage in order of cluster, noise first.

    image_ids, membership : (n,) int64 and float64, in order of cluster, then of image_id
    labels : (k,) int64, rising: the clusters
    starts : (k + 1,) index in image_ids where each cluster begins
    places : (n, 2) float64: position on the 2-D map, NaN for an image that is not on it
    pair_label, pair_expnum, pair_images : (m,) each pair of a cluster (its index in labels) and an exposure, with the
    number of images that they share
    """

    image_ids: np.ndarray
    membership: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    places: np.ndarray
    pair_label: np.ndarray
    pair_expnum: np.ndarray
    pair_images: np.ndarray

    @classmethod
    def of(cls, survey) -> "Groups":
        ids = survey.cluster.index.to_numpy(np.int64)
        cluster = survey.cluster["cluster"].to_numpy(np.int64)
        order = np.lexsort((ids, cluster))
        ids, cluster = ids[order], cluster[order]
        labels, first = np.unique(cluster, return_index=True)
        number = np.repeat(np.arange(len(labels)), np.diff([*first, len(ids)]))
        pair = number * (expnum_of(ids.max(initial=0)) + 1) + expnum_of(ids)
        begins = np.flatnonzero(np.diff(pair, prepend=-1))
        membership = survey.cluster["membership"].to_numpy(float)[order]
        on_map = survey.map2d[["x", "y"]].reindex(ids).to_numpy(float)
        images = np.diff(begins, append=len(ids))
        starts = np.append(first, len(ids))
        return cls(ids, membership, labels, starts, on_map, number[begins], expnum_of(ids[begins]), images)

    @cached_property
    def images(self) -> ImageSet:
        return ImageSet(self.image_ids)

    @cached_property
    def numbers(self) -> np.ndarray:
        """(n,) int64: index in labels of each image's cluster."""
        return np.repeat(np.arange(len(self.labels)), np.diff(self.starts))

    def number_of(self, label: int) -> int | None:
        """Index of a cluster in labels, None if there is no such cluster."""
        place = int(np.searchsorted(self.labels, label))
        return place if place < len(self.labels) and self.labels[place] == label else None

    def members(self, label: int) -> np.ndarray:
        """(m,) int64: image_ids of a cluster, strongest membership first."""
        number = self.number_of(label)
        if number is None:
            return np.empty(0, np.int64)
        here = slice(self.starts[number], self.starts[number + 1])
        return self.image_ids[here][np.argsort(-self.membership[here], kind="stable")]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(k,) float64: sum over each cluster. values : (n,) one value per image"""
        return np.bincount(self.numbers, weights=values, minlength=len(self.labels))

    def exposures_in(self, expnums) -> np.ndarray:
        """(k,) int64: how many of these exposures have an image in each cluster."""
        here = np.isin(self.pair_expnum, np.fromiter(expnums, np.int64, len(expnums)))
        return np.bincount(self.pair_label[here], minlength=len(self.labels))

    @cached_property
    def pictures(self) -> list[list[int]]:
        """image_ids of the pictures that stand for each cluster.

        The first is the image in its middle; each further one is the image farthest from those chosen before. They are
        chosen among the members with the strongest membership, one of each exposure if there are enough exposures.
        Distances are those on the 2-D map, because users look at the map. Without places on the map, the images with
        the strongest membership are taken.
        """
        return [self._spread_out(number) for number in range(len(self.labels))]

    def _spread_out(self, number: int) -> list[int]:
        here = np.arange(self.starts[number], self.starts[number + 1])
        here = here[np.argsort(-self.membership[here], kind="stable")][: 8 * PICTURE_CHOICE]
        _, one_each = np.unique(expnum_of(self.image_ids[here]), return_index=True)
        here = (here[np.sort(one_each)] if len(one_each) >= PICTURES else here)[:PICTURE_CHOICE]
        placed = here[np.isfinite(self.places[here]).all(axis=1)]
        if not len(placed):
            return self.image_ids[here[:PICTURES]].tolist()
        places = self.places[placed]
        chosen = [int(np.argmin(np.hypot(*(places - np.median(places, axis=0)).T)))]
        nearest = np.hypot(*(places - places[chosen[0]]).T)
        while len(chosen) < min(PICTURES, len(placed)):
            chosen.append(int(np.argmax(nearest)))
            nearest = np.minimum(nearest, np.hypot(*(places - places[chosen[-1]]).T))
        return self.image_ids[placed[chosen]].tolist()


_groups = LRUCache(2)
_unvoted = LRUCache(2)
_tallies = LRUCache(64)
_lock = threading.Lock()


@cached(_groups, key=lambda survey: survey.version, condition=threading.Condition())
def groups_of(survey) -> Groups:
    """The Groups of a survey, made once."""
    return Groups.of(survey)


def cluster_list(viewer: Viewer, *, assisted: bool) -> dict:
    """Everything that the room's list needs, as plain values. It is kept until the store or the survey changes.

    Returns {clusters: [see `_rows`], noise: a row or None, stage, n_images, n_clustered, n_exposures, judged_means,
    colours, letters, band_colours}. n_clustered : see `_n_clustered`. judged_means : see `judged_means`
    """
    asked_again = tuple(sorted(viewer.asked_again()))
    state = (viewer.app.boot_id, viewer.survey.version, int(viewer.store.revision()), viewer.catalog.panel)
    key = (*state, viewer.name, viewer.role, bool(assisted), asked_again)
    with _lock:
        if key not in _tallies:
            _tallies[key] = _cluster_list(viewer, assisted)
        return _tallies[key]


def _cluster_list(viewer: Viewer, assisted) -> dict:
    groups, knowledge = groups_of(viewer.survey), viewer.knowledge()
    scene = Scene(viewer, knowledge, groups.images, assisted)
    rows = _rows(scene, groups)
    return {
        "clusters": [row for row in rows if row["cluster"] != NOISE],
        "noise": next((row for row in rows if row["cluster"] == NOISE), None),
        "stage": viewer.survey.stages.get("cluster", ""),
        "n_images": len(groups.image_ids),
        "n_clustered": _n_clustered(viewer.survey),
        "n_exposures": len(groups.images.exposures[0]),
        "judged_means": judged_means(knowledge),
        "colours": palette.REASON_COLOURS,
        "letters": palette.REASON_LETTERS,
        "band_colours": palette.BAND_COLOURS,
    }


def _n_clustered(survey) -> int | None:
    """How many images were clustered, if the others were placed among them; None if all were."""
    stage = open_stage(survey.catalog, "cluster", survey.stages.get("cluster"))
    return stage.parameters.get("sampled") if stage else None


def judged_means(knowledge: Knowledge) -> str:
    """Which exposures `judged` counts for this user: those judged by "anybody", or by the whole "panel". '' = no
    count."""
    if knowledge.everything:
        return "anybody"
    return "" if knowledge.viewer.is_inspector else "panel"


@dataclass(frozen=True, eq=False)
class Unvoted:
    """What votes cannot change, for each cluster.

    bands, nights : of its exposures; predicted : {reason: number of images}
    n_known : (k,) images that have a prediction; p_bad : (k,) sum of 1 - p_good over them
    """

    bands: list[dict]
    nights: list[dict]
    predicted: list[dict]
    n_known: np.ndarray
    p_bad: np.ndarray


@cached(_unvoted, key=lambda scene, groups: scene.viewer.survey.version, condition=threading.Condition())
def _unvoted_of(scene, groups) -> Unvoted:
    everything = replace(scene, assisted=True)
    return Unvoted(*_bands_and_nights(scene.viewer.survey, groups), *_opinion(everything, groups))


def _opinion(scene, groups) -> tuple[list[dict], np.ndarray, np.ndarray]:
    """(predicted, n_known, p_bad) as in Unvoted, of the images whose opinion this user may know."""
    p_good = scene.viewer.survey.prediction["p_good"].to_numpy(float)
    rows = scene.images.rows_in(scene.viewer.survey.prediction.index)
    p_good = np.append(p_good, np.nan)[rows]  # row -1 (no prediction) takes the last value, NaN
    known = np.isfinite(p_good) & scene.opinion_shown()
    n_known, p_bad = groups.sums(known), groups.sums(np.where(known, 1 - p_good, 0))
    return _by_reason(groups, by_prediction(scene).codes), n_known, p_bad


def _rows(scene, groups) -> list[dict]:
    """One dict per cluster.

    cluster, colour, n_images, n_exposures, pictures (image_ids)
    labels, predicted : {reason: number of images}
    p_bad : mean of 1 - p_good over n_opinions images, None if there are none
    bands : {band: number of exposures}; nights : {n, first, last, most: [[night, number of exposures]]}
    mine : exposures that this user has judged; judged : see `judged_means`, None if this user may not know
    """
    knowledge, unvoted = scene.knowledge, _unvoted_of(scene, groups)
    labels = _by_reason(groups, by_reason(scene).codes)
    predicted, n_known, p_bad = unvoted.predicted, unvoted.n_known, unvoted.p_bad
    if not knowledge.of_opinion(groups.images.exposures[0], scene.assisted).all():
        predicted, n_known, p_bad = _opinion(scene, groups)
    bands, nights = unvoted.bands, unvoted.nights
    mine = groups.exposures_in(knowledge.own)
    others = {"anybody": frozenset(knowledge.votes["expnum"]), "panel": knowledge.complete}.get(judged_means(knowledge))
    judged = None if others is None else groups.exposures_in(others)
    n_exposures = np.bincount(groups.pair_label, minlength=len(groups.labels))
    return [
        {
            "cluster": int(label),
            "colour": palette.cluster_colour(int(label)),
            "n_images": int(groups.starts[k + 1] - groups.starts[k]),
            "n_exposures": int(n_exposures[k]),
            "pictures": groups.pictures[k],
            "labels": labels[k],
            "predicted": predicted[k],
            "p_bad": round(float(p_bad[k] / n_known[k]), 4) if n_known[k] else None,
            "n_opinions": int(n_known[k]),
            "bands": bands[k],
            "nights": nights[k],
            "mine": int(mine[k]),
            "judged": None if judged is None else int(judged[k]),
        }
        for k, label in enumerate(groups.labels)
    ]


def _by_reason(groups, codes) -> list[dict[str, int]]:
    """{reason: number of images} of each cluster, largest first. codes : (n,) uint8 of REASON_CODES; others are left
    out"""
    table = np.bincount(groups.numbers * 256 + codes, minlength=256 * len(groups.labels)).reshape(-1, 256)
    names = {code: name for name, code in REASON_CODES.items()}
    return [
        {
            names[code]: int(row[code])
            for code in np.argsort(-row, kind="stable").tolist()
            if code in names and row[code]
        }
        for row in table
    ]


def _bands_and_nights(survey, groups) -> tuple[list[dict], list[dict]]:
    known = survey.exposures[["band", "night"]].reindex(groups.pair_expnum)
    pairs = pd.DataFrame(
        {"label": groups.pair_label, "band": known["band"].to_numpy(), "night": known["night"].to_numpy()}
    )
    bands = [{} for _ in groups.labels]
    for (label, band), count in pairs.groupby(["label", "band"]).size().items():
        bands[label][str(band) or "?"] = int(count)
    nights = [{"n": 0, "first": 0, "last": 0, "most": []} for _ in groups.labels]
    dated = pairs[pairs["night"] > 0].astype({"night": "int64"})
    for label, own in dated.groupby("label")["night"]:
        counts = own.value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
        most = [[int(night), int(count)] for night, count in counts.head(NIGHTS_NAMED).items()]
        nights[label] = {"n": len(counts), "first": int(own.min()), "last": int(own.max()), "most": most}
    return bands, nights
