"""An ingest that many machines share: parts without a scheduler, or the workers of a Dask cluster, then one join.

A file belongs to the part that a hash of its name says, so it stays there when others arrive. A part reads its files in
units, and keeps each unit in a file of its own; it waits for no other part and writes nothing that another one writes.
The join makes the run's tables by the same steps as an ingest on one machine. It only takes from the units what it
would have to read itself, so the tables are the same, byte for byte.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from os.path import realpath
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triptych.pipeline import clock
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.parts import Part, PartsFolder
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.extras import need
from triptych.pipeline.ingest import units
from triptych.pipeline.ingest.exposure_files import ExposurePlan
from triptych.pipeline.ingest.exposure_pixels import ExposureRead
from triptych.pipeline.ingest.ingest import (
    ALONE_BYTES,
    IngestReport,
    forget_gone,
    make_tables,
    only_one,
    report_of,
    size_of,
)
from triptych.pipeline.ingest.manifest import Manifest
from triptych.pipeline.ingest.shape_tables import measure_again, unmeasured
from triptych.pipeline.ingest.sources import FileRecord, digest_of, find_files
from triptych.pipeline.ingest.units import Order, Unit
from triptych.pipeline.parallel import WorkerLost, cores, processes_for, unordered
from triptych.pipeline.pixels import compressed_tiles
from triptych.pipeline.pixels.file_paths import written

MOST_PARTS = 100_000
NAMED = 8  # most parts that one message names
Progress = Callable[..., None]


@dataclass(frozen=True)
class PartReport:
    """What one call for a part did: numbers of exposures and CCDs read, and of units that were kept already."""

    name: str
    n_new: int
    n_ccds: int
    n_kept: int

    def __str__(self) -> str:
        return f"part {self.name}: exposures read: {self.n_new} ({self.n_ccds} CCDs), read before: {self.n_kept}"


def part_of(text: str) -> tuple[int, int]:
    """(3, 100) of `3/100`: number of the part, from 1, and how many there are. BadInput if it is nothing like that."""
    number, slash, of = text.partition("/")
    if not (slash and number.strip().isdecimal() and of.strip().isdecimal()):
        raise BadInput(f"{text!r} names no part; write it like 3/100, for the third of a hundred")
    if not 1 <= int(number) <= int(of) <= MOST_PARTS:
        raise BadInput(f"there is no part {text}; parts go from 1/{of} to {of}/{of}, of {MOST_PARTS} at most")
    return int(number), int(of)


def ingest_part(
    catalog: Catalog,
    sources: str | Path | Iterable[str | Path],
    part: tuple[int, int],
    *,
    sample: int = 20,
    seed: int = 0,
    workers: int | None = None,
    add_shapes: bool = False,
    progress: Progress | None = None,
) -> PartReport:
    """Read one part of the files, and keep what was read for `join`. A second call reads what is new or missing.

    part : its number from 1, and how many parts there are. Other arguments as in `ingest`; every part needs the same
    ones. Other parts may run at the same time, on other machines. BadInput if a source does not exist.
    """
    progress = progress or (lambda done, total, text="": None)
    own, todo = _start(catalog, sources, part, sample, seed, add_shapes)
    size = size_of(path for unit in todo for path in unit.paths)
    workers = workers or (1 if size < ALONE_BYTES else cores())
    processes = processes_for(len(todo), workers)
    # of a packed file, a byte is about a pixel
    order = Order.of(catalog, fast=compressed_tiles.pays(size, processes), threads=max(1, workers // processes))
    done = _follow(order, unordered(partial(units.read_unit, order), todo, workers), len(todo), progress)
    return _end(catalog, own, done)


def ingest_on_cluster(
    catalog: Catalog,
    sources: str | Path | Iterable[str | Path],
    scheduler: str,
    *,
    sample: int = 20,
    seed: int = 0,
    workers: int | None = None,
    add_shapes: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """The same as `ingest`, with the pixels read by the workers of a Dask cluster.

    scheduler : see `dask_cluster.connect`; workers : processes of a cluster that is `local`. Other arguments as in
    `ingest`. What a stopped call has finished is kept for the next one, also for one without a cluster.
    """
    need("a Dask cluster", "distributed")
    from triptych.pipeline.dask_cluster import connect

    progress = progress or (lambda done, total, text="": None)
    with connect(scheduler, workers) as cluster:
        own, todo = _start(catalog, sources, (1, 1), sample, seed, add_shapes)
        size = size_of(path for unit in todo for path in unit.paths)
        order = Order.of(catalog, fast=compressed_tiles.pays(size, cores()))
        results = cluster.unordered(lambda unit: (units.read_unit_elsewhere, order, unit), todo, key=lambda unit: None)
        _end(catalog, own, _follow(order, results, len(todo), progress))
    return join(catalog, workers=workers, progress=progress)


def join(catalog: Catalog, *, workers: int | None = None, progress: Progress | None = None) -> IngestReport:
    """Make the run's tables and previews of all parts: the same as one ingest of the same files makes.

    workers : number of processes for exposures that no part has read whole. Nothing is done if no part has started
    since the last join. CatalogError if a part is missing or has not finished, or if another ingest of the run is
    running. If it is killed, run it again.
    """
    progress = progress or (lambda done, total, text="": None)
    folder = PartsFolder(catalog)
    with only_one(catalog):
        catalog.clear_unfinished()
        if folder.was_joined():
            folder.close()
            return report_of(catalog)
        parts = _complete(catalog, folder)
        manifest = Manifest(catalog.path / "ingested.parquet")
        touched = forget_gone(manifest, parts[0].sources, {path for part in parts for path in part.paths})
        for part in parts:
            manifest.files |= {record["path"]: FileRecord(**record) for record in part.folders}
        found: dict[tuple[int, str], str] = {}
        without = unmeasured(catalog)
        for part in parts:
            touched |= _take_records(catalog, manifest, part, found, without)
        report = make_tables(
            catalog,
            manifest,
            touched,
            sample=parts[0].sampling["sample"],
            seed=parts[0].sampling["seed"],
            workers=workers,
            progress=progress,
            ready=partial(_ready, catalog, found),
        )
        folder.close()
    return report


# ---- a part


def _start(
    catalog: Catalog, sources, place: tuple[int, int], sample: int, seed: int, add_shapes: bool
) -> tuple[Part, list[Unit]]:
    """Say that a part has started. Return what it covers, and the units with new or changed files."""
    sources = [sources] if isinstance(sources, str | Path) else list(sources)
    number, of = place
    paths, folders = find_files(sources)
    own = [path for path in paths if int(units.key_of(path), 16) % of == number - 1]
    todo = _changed(catalog, units.units_of(own), unmeasured(catalog) if add_shapes else set())
    part = Part(
        number=number,
        of=of,
        started=clock.utc_exactly(),
        sources=sorted(realpath(source) for source in sources),
        sampling={"sample": int(sample), "seed": int(seed)},
        paths=own,
        folders=[record.as_dict() for record in folders],
        units=[unit.key for unit in todo],
    )
    PartsFolder(catalog).write(part)
    return part, todo


def _changed(catalog: Catalog, found: list[Unit], again: set[int]) -> list[Unit]:
    """The units that the run does not have, or not as their files are now. again : exposures to be read anyhow."""
    path = catalog.path / "ingested.parquet"
    if not path.exists():
        return found
    own = pa.array([written(path) for unit in found for path in unit.paths], pa.string())
    kind = pc.field("kind")
    wanted = (kind == "exposure") | ((kind == "file") & pc.field("key").isin(own))
    table = pq.read_table(path, columns=["kind", "key", "digest", "record"], filters=wanted).to_pandas()
    exposures = table[table.kind == "exposure"]
    read = set(pd.to_numeric(exposures.key[exposures.digest != ""])) - again
    files = table[table.kind == "file"]
    known = {key: json.loads(record) for key, record in zip(files.key, files.record, strict=True)}

    def has(path: str) -> bool:
        record = known.get(written(path))
        if not record or not record["digest"] or record["digest"] != digest_of(path):
            return False
        return record["product"] not in ("image", "picture") or FileRecord(**record).expnums <= read

    return [unit for unit in found if not all(has(path) for path in unit.paths)]


def _follow(order: Order, results: Iterator[tuple], total: int, progress: Progress) -> list[units.Done]:
    """What came of each unit, while progress is told. A unit that killed its reader goes to quarantine."""
    done = []
    for unit, result in results:
        done.append(units.give_up(order, unit, result) if isinstance(result, WorkerLost) else result)
        progress(len(done), total, Path(written(unit.paths[0])).name)
    return done


def _end(catalog: Catalog, part: Part, done: list[units.Done]) -> PartReport:
    """Say that a part has finished."""
    part.finished = True
    PartsFolder(catalog).write(part)
    return PartReport(
        part.name,
        n_new=sum(own.exposures for own in done),
        n_ccds=sum(own.ccds for own in done),
        n_kept=sum(not own.read for own in done),
    )


# ---- the join


def _complete(catalog: Catalog, folder: PartsFolder) -> list[Part]:
    """All parts, by number, of the number of parts that was started last. CatalogError if one is not finished."""
    again = f"run `triptych ingest {catalog.path} SOURCE... --part"
    started = folder.parts()
    if not started:
        raise CatalogError(f"{catalog.name} has no parts; {again} K/N` for each K from 1 to N first")
    of = max(started, key=lambda part: part.started).of
    parts = {part.number: part for part in started if part.of == of}
    absent = [number for number in range(1, of + 1) if number not in parts]
    unfinished = sorted(number for number, part in parts.items() if not part.finished)
    wrong = [f"{_named(absent)} of {of} missing"] if absent else []
    wrong += [f"{_named(unfinished)} of {of} not finished"] if unfinished else []
    if wrong:
        first = (absent + unfinished)[0]
        raise CatalogError(f"{' and '.join(wrong)}; {again} {first}/{of}` and so on, then join again")
    ordered = [parts[number] for number in sorted(parts)]
    for part in ordered[1:]:
        if (part.sources, part.sampling) != (ordered[0].sources, ordered[0].sampling):
            raise CatalogError(
                f"parts {ordered[0].name} and {part.name} had different sources, --sample or --seed; {again} "
                f"{part.name}` with those of part {ordered[0].name}, then join again"
            )
    return ordered


def _named(numbers: list[int]) -> str:
    """`part 3`, `parts 3, 4`, or the first few and how many more."""
    few = ", ".join(map(str, numbers[:NAMED])) + (f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else "")
    return f"part{'s' if len(numbers) > 1 else ''} {few}"


def _take_records(catalog: Catalog, manifest: Manifest, part: Part, found: dict, without: set[int]) -> set[int]:
    """Put the records of a part's new and changed files into the manifest. Return the exposures affected.

    found : gets the unit that has read each exposure, by exposure number and digest of the plan. without : exposures
    of the run that have no star shapes; if the part has read them again, its records replace those of before.
    """
    touched = set()
    for key in part.units:
        kept = units.load(catalog, key)
        if kept is None:
            raise CatalogError(
                f"part {part.name} is damaged: a file of it is missing or cannot be read; run `triptych ingest "
                f"{catalog.path} SOURCE... --part {part.name}` again, then join again"
            )
        again = without & {expnum for record in kept.records for expnum in record.expnums}
        measure_again(manifest, again, {record.path for record in kept.records})
        for record in kept.records:
            before = manifest.files.get(record.path)
            if before and before.digest and before.digest == record.digest:
                continue
            touched |= record.expnums | (before.expnums if before else set())
            manifest.files[record.path] = record
        found |= dict.fromkeys(kept.reads, key)
    return touched


def _ready(catalog: Catalog, found: dict, plan: ExposurePlan) -> ExposureRead | None:
    """What a unit has read of an exposure, with its preview put in place; None if none has read the same files."""
    key = found.get((plan.expnum, plan.digest))
    kept = units.load(catalog, key) if key else None
    if kept is None:
        return None
    read, preview = kept.reads[plan.expnum, plan.digest]
    if preview:
        with contextlib.suppress(FileNotFoundError):
            catalog.take_preview(plan.expnum, preview)
            return read
        return None
    return read
