"""Units of an ingest: the files that probably make up one exposure, read by themselves and kept in a file.

Any process that sees the run and the exposures can read a unit: a part of the ingest, or a worker of a cluster. The
names of files say which belong together. Where they mislead, nothing is lost: `join` decides by the headers, and reads
again what was read with too few files.
"""

import functools
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from triptych.pipeline.catalog import damage
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_aside
from triptych.pipeline.catalog.parts import PartsFolder
from triptych.pipeline.catalog.stage import installed_versions
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.ingest.exposure_files import ExposurePlan, plan_exposure
from triptych.pipeline.ingest.exposure_pixels import ExposureRead, read_exposure
from triptych.pipeline.ingest.sources import FileRecord, digest_of, read_record
from triptych.pipeline.parallel import WorkerLost, alone

FORMAT = 2
ARCHIVE = re.compile(r"^(.*[a-z0-9]{3}_\d{6}_\d{6})_[a-z][a-z][a-z][_.]")  # what all products of one exposure share
OF_ONE_CCD = re.compile(r"^(.*\d{5}.*?)[._-](?:ccd)?_?[ns]?\d{1,2}$")


@dataclass(frozen=True)
class Unit:
    """Files that are read together. key : of their names, 16 hex digits. paths : absolute, sorted."""

    key: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """What a process must know to read units, small enough to be sent with each.

    run : a folder that every process sees under the same path. fast, threads : as in `read_exposure`. versions : of
    the packages that affect results.
    """

    run: str
    fast: bool
    threads: int
    versions: tuple = ()

    @classmethod
    def of(cls, catalog: Catalog, *, fast: bool, threads: int = 1) -> "Order":
        """The order for a run, with the packages of this process."""
        return cls(str(catalog.path), fast, threads, tuple(sorted(installed_versions().items())))


@dataclass(frozen=True)
class Done:
    """What came of a unit: whether it was read, or else kept already; numbers of exposures and CCDs read."""

    read: bool
    exposures: int = 0
    ccds: int = 0


@dataclass(frozen=True)
class Kept:
    """The file of a finished unit.

    stamps : path -> digest of the file when it was read; '' if it must be tried again. reads : what was read of each
    exposure, with its preview's path or None, by exposure number and digest of the plan.
    """

    stamps: dict[str, str]
    records: list[FileRecord]
    reads: dict[tuple[int, str], tuple[ExposureRead, Path | None]]


def key_of(path: str) -> str:
    """Key of the unit of a file, 16 hex digits.

    Files of one exposure share it: the products of the archive, and files named like `D00123456_N4.fits` by CCD.
    """
    name = os.path.basename(path).lower()
    stem = name.split(".fits")[0].split(".fit")[0].removesuffix(".fz")
    found = ARCHIVE.match(name) or OF_ONE_CCD.match(stem)
    return hashlib.sha256((found.group(1) if found else stem).encode(errors="surrogateescape")).hexdigest()[:16]


def units_of(paths: Iterable[str]) -> list[Unit]:
    """The units that files make up, in order of their first path."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(key_of(path), []).append(path)
    return [Unit(key, tuple(own)) for key, own in found.items()]


def read_unit(order: Order, unit: Unit) -> Done:
    """Read one unit and keep it, unless it is kept already and no file of it has changed."""
    catalog = Catalog.open(order.run)
    kept = load(catalog, unit.key)
    if kept and _settled(kept, unit):
        return Done(read=False)
    records = _records(catalog.camera, unit)
    folder, reads = PartsFolder(catalog), []
    for plan in _plans(catalog, records):
        place = folder.preview_path(unit.key, plan.expnum, plan.digest)
        reads.append((plan, read_exposure(catalog, plan, fast=order.fast, threads=order.threads, preview=place)))
    return _keep(catalog, unit, records, reads)


def read_unit_elsewhere(order: Order, unit: Unit) -> Done:
    """The same on another machine, which must see the files and have the same packages. BadInput if it does not."""
    _check(order)
    host = socket.gethostname()
    for path in unit.paths:
        if not os.path.lexists(path):
            raise BadInput(f"{host} does not see {path}; exposures must be in a folder that every worker shares")
    return read_unit(order, unit)


def give_up(order: Order, unit: Unit, lost: WorkerLost) -> Done:
    """Keep a unit whose reader died: its files go to quarantine, and are tried again the next time."""
    catalog = Catalog.open(order.run)
    records = alone(partial(_records, catalog.camera), unit)
    if isinstance(records, WorkerLost):
        records = [FileRecord(path, "", problems=[["", "unreadable", str(lost)]]) for path in unit.paths]
    problem = ["", "unreadable", str(lost)]
    reads = [(plan, ExposureRead(problems=[[plan.facts["source"], *problem]])) for plan in _plans(catalog, records)]
    return _keep(catalog, unit, records, reads)


def load(catalog: Catalog, key: str) -> Kept | None:
    """What is kept of a unit; None if it is not there whole."""
    path = PartsFolder(catalog).unit_path(key)
    try:
        found = damage.read_json(path)
    except (FileNotFoundError, CatalogError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return None
    reads = {
        (own["expnum"], own["digest"]): (
            ExposureRead(own["rows"], own["problems"], own["shapes"]),
            path.with_name(own["preview"]) if own["preview"] else None,
        )
        for own in found["reads"]
    }
    return Kept(found["stamps"], [FileRecord(**record) for record in found["records"]], reads)


@functools.lru_cache(maxsize=4)
def _check(order: Order) -> None:
    """Raise BadInput if this machine cannot help with an order."""
    host = socket.gethostname()
    if not (Path(order.run) / "run.json").exists():
        raise BadInput(f"{host} does not see {order.run}; the run must be in a folder that every worker shares")
    if dict(order.versions) != installed_versions():
        raise BadInput(f"{host} has other versions of triptych or its packages; give every worker the same environment")


def _records(camera: str, unit: Unit) -> list[FileRecord]:
    return [read_record(path, camera) for path in unit.paths]


def _settled(kept: Kept, unit: Unit) -> bool:
    """Whether a kept unit need not be read again."""
    if kept.stamps != {path: digest_of(path) for path in unit.paths} or not all(kept.stamps.values()):
        return False
    previews = [preview for _, preview in kept.reads.values() if preview]
    problems = [problem for read, _ in kept.reads.values() for _, _, problem, _ in read.problems]
    return "unreadable" not in problems and all(preview.exists() for preview in previews)


def _plans(catalog: Catalog, records: list[FileRecord]) -> list[ExposurePlan]:
    """The exposures that the records of a unit make up, without those that have no image."""
    found: dict[int, list[FileRecord]] = {}
    for record in records:
        for part in record.parts() if record.product in ("image", "picture", "mask") else []:
            if part.expnum > 0:
                found.setdefault(part.expnum, []).append(part)
    plans = [plan_exposure(expnum, own, catalog.camera) for expnum, own in sorted(found.items())]
    return [plan for plan in plans if plan.ccds]


def _keep(catalog: Catalog, unit: Unit, records: list[FileRecord], reads: list) -> Done:
    """Write the file of a unit, after its previews."""
    folder = PartsFolder(catalog)
    found = {
        "format": FORMAT,
        "stamps": {record.path: record.digest for record in records},
        "records": [record.as_dict() for record in records],
        "reads": [
            {
                "expnum": plan.expnum,
                "digest": plan.digest,
                "rows": read.rows,
                "problems": read.problems,
                "shapes": read.shapes,
                "preview": folder.preview_path(unit.key, plan.expnum, plan.digest).name if read.rows else "",
            }
            for plan, read in reads
        ],
    }
    text = json.dumps(found, default=_plain)
    write_aside(folder.unit_path(unit.key), lambda aside: aside.write_text(text))
    return Done(True, sum(bool(read.rows) for _, read in reads), sum(len(read.rows) for _, read in reads))


def _plain(value):
    """A number of NumPy as JSON can hold it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept")
