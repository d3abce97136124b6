"""The points of the map as the browser gets them, with coordinates as 16-bit numbers.

All arrays for the browser (places in 2-D and 3-D, ids, colour codes) have one entry per point in the same order:
image_ids shuffled by a fixed hash. So the order can be found again without a table, and the first part of an array is a
fair sample of the points. A long map can be drawn while it arrives.

A long map is encoded once for each set of stages and kept as files in the run's folder `.map`. The server maps these
files into memory and sends them in pieces, so that a request reads no table.
"""

import hashlib
import json
import os
import shutil
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from cachetools import LRUCache, cached

from triptych.app.survey.image_set import ImageSet
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.image_ids import ccdnum_of, expnum_of, mixed

FOLDER = ".map"
LONG = 200_000  # the encoded arrays of a map with at least this many points are kept as files
HALF_RANGE = 32500  # coordinates -1..1 are sent as 0..65000
NOWHERE = 65535  # coordinate of a point that is not on this map
KINDS = {2: "map2d", 3: "map3d"}


@dataclass(frozen=True, eq=False)
class MapTable:
    """Points in drawing order.

    image_ids : (n,) int64
    places : dims (2 or 3) -> (n, dims) little-endian uint16, for the maps that exist
    half : dims -> half the width of the cloud along each axis, in units in which the map reaches from -1 to 1
    version : new whenever any of this changes
    """

    image_ids: np.ndarray
    places: dict
    half: dict
    version: str

    def __len__(self):
        return len(self.image_ids)

    @cached_property
    def images(self):
        """The points as an app.survey.image_set.ImageSet, in drawing order."""
        return ImageSet(self.image_ids)

    def index_of(self, image_ids):
        """(m,) uint32, sorted: indices of the points of these image_ids, without images that are not on the map."""
        return self.images.index_of(image_ids).astype(np.uint32)

    @cached_property
    def ids(self):
        """(5 n,) uint8: expnum (n,) uint32, then ccdnum (n,) uint8."""
        expnum, ccdnum = expnum_of(self.image_ids), ccdnum_of(self.image_ids)
        return np.concatenate([expnum.astype("<u4").view(np.uint8), ccdnum.astype("u1")])


def drawing_order(image_ids):
    """(n,) int64: the same image_ids in the fixed shuffled order."""
    ids = np.sort(np.asarray(image_ids, np.int64))  # np.unique hashes, which takes seconds for millions
    ids = ids[np.diff(ids, prepend=-1) > 0]
    return ids[np.argsort(mixed(ids), kind="stable")]


def scaled(coordinates):
    """Coordinates as 16-bit numbers. All axes have the same scale.

    coordinates : (n, dims) float; NaN for a point that is not on the map
    Returns (n, dims) uint16, and the list of the dims half widths of the cloud on the scale -1..1. In 3-D the sphere
    around the cloud has radius 1, so that no point leaves the picture when the cloud is turned.
    """
    placed = np.isfinite(coordinates).all(axis=1)
    known = coordinates[placed]
    low, high = (known.min(axis=0), known.max(axis=0)) if len(known) else (np.zeros(coordinates.shape[1]),) * 2
    middle, half = (low + high) / 2, (high - low) / 2
    reach = half.max(initial=0)
    if coordinates.shape[1] == 3 and len(known):
        reach = np.sqrt(((known - middle) ** 2).sum(axis=1).max())
    reach = float(reach) or 1.0
    numbers = np.full(coordinates.shape, NOWHERE, "<u2")
    numbers[placed] = np.rint((known - middle) / reach * HALF_RANGE + HALF_RANGE)
    return numbers, [max(float(width), 0.05) for width in half / reach]


def map_table(survey):
    """The MapTable of a survey, made once and kept. It has no points while there is no map."""
    stages = []
    for kind in KINDS.values():
        if survey.stages.get(kind):
            stage = survey.catalog.stage(kind, survey.stages[kind], fresh=False)
            stages.append((kind, stage.stage_id, stage.digest))
    return table_of(tuple(stages), survey)


@cached(LRUCache(4), key=lambda stages, survey: (str(survey.catalog.path), stages), lock=threading.Lock())
def table_of(stages, survey):
    n = len(survey.image_ids) if stages else 0
    version = hashlib.sha256(repr((stages, n)).encode()).hexdigest()[:12]
    if n < LONG:
        return encoded(survey, version)
    folder = Path(survey.catalog.path) / FOLDER / version
    if not folder.exists():
        try:
            save_table(encoded(survey, version), folder)
        except OSError:  # this user may not write to the run folder
            return encoded(survey, version)
    return kept(folder, version)


def encoded(survey, version):
    """A MapTable made from the survey's tables."""
    frames = {dims: getattr(survey, kind) for dims, kind in KINDS.items() if len(getattr(survey, kind))}
    images = ImageSet(drawing_order(survey.image_ids) if frames else np.empty(0, np.int64))
    places, half = {}, {}
    for dims, frame in frames.items():
        rows = images.rows_in(frame.index)
        coordinates = np.full((len(images), dims), np.nan, np.float32)
        for axis, name in enumerate("xyz"[:dims]):
            coordinates[:, axis] = frame[name].to_numpy()[rows]
        coordinates[rows < 0] = np.nan
        places[dims], half[dims] = scaled(coordinates)
    return MapTable(images.image_ids, places, half, version)


def save_table(table, folder):
    """Write the arrays of a MapTable to a temporary folder and rename it. Other maps beside it are removed."""
    aside = folder.with_name(f"{folder.name}.{os.getpid()}")
    aside.mkdir(parents=True, exist_ok=True)
    np.save(aside / "image_ids.npy", table.image_ids)
    np.save(aside / "by_id.npy", table.images.by_id)
    np.save(aside / "ids.npy", table.ids)
    for dims, places in table.places.items():
        np.save(aside / f"places-{dims}.npy", places)
    (aside / "half.json").write_text(json.dumps(table.half))
    for other in folder.parent.iterdir():
        if other != aside:
            shutil.rmtree(other, ignore_errors=True)
    put_in_place(aside, folder)


def kept(folder, version):
    """A MapTable whose arrays are the files of `save_table`, mapped into memory."""

    def array(name):
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    half = {int(dims): widths for dims, widths in json.loads((folder / "half.json").read_text()).items()}
    table = MapTable(array("image_ids"), {dims: array(f"places-{dims}") for dims in half}, half, version)
    vars(table)["ids"] = array("ids")
    vars(table.images)["by_id"] = array("by_id")
    return table
