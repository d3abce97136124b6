"""Reads files into the run's tables, previews and quarantine.

First the headers of new and changed files are read. Then files are joined to exposures. Then each exposure's pixels are
read once. The tables depend only on the files, not on the order or number of calls, so a killed ingest is completed by
running it again. What cannot be used goes to quarantine with the reason, and costs only that file or CCD.
"""

import contextlib
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline import clock
from triptych.pipeline.camera import camera
from triptych.pipeline.catalog import locks, previews
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import CatalogError
from triptych.pipeline.image_ids import CCDS
from triptych.pipeline.ingest import reprocessed
from triptych.pipeline.ingest.exposure_files import ExposurePlan, plan_exposure
from triptych.pipeline.ingest.exposure_pixels import ExposureRead, read_exposure
from triptych.pipeline.ingest.manifest import Manifest
from triptych.pipeline.ingest.shape_tables import ShapeTables, measure_again, replace_rows, unmeasured
from triptych.pipeline.ingest.sources import PROBLEMS, FileRecord, digest_of, find_files, read_record
from triptych.pipeline.parallel import WorkerLost, cores, processes_for, unordered
from triptych.pipeline.pixels import compressed_tiles

SAVE_EVERY_SECONDS = 60.0
SAVE_SHARE = 0.05  # most of the time that goes into saving; a save writes all tables, and takes longer as they grow
ALONE_BYTES = 100_000_000  # for less than this, or for fewer headers than ALONE_FILES, starting processes does not pay
ALONE_FILES = 300
FEW_TABLES = 500  # small tables of one exposure each; more are put together, as each takes memory of its own
MOSTLY_BLANK = 0.98  # share of a CCD's pixels; such a CCD is not sampled if there are others


@dataclass(frozen=True)
class IngestReport:
    """What one call did: numbers of exposures read and unchanged, and what is in quarantine now.

    n_unmeasured : exposures that an earlier version read, without star shapes.
    """

    n_new: int
    n_skipped: int
    n_quarantined: int
    problems: Counter
    n_ccds: int = 0
    n_unmeasured: int = 0

    def __str__(self) -> str:
        read = f"exposures read: {self.n_new} ({self.n_ccds} CCDs), unchanged: {self.n_skipped}"
        if self.n_unmeasured:
            read += f", without star shapes: {self.n_unmeasured} (the same command with --add-shapes adds them)"
        if not self.n_quarantined:
            return f"{read}, in quarantine: nothing"
        listed = "\n".join(f"  {count:6d}  {name}: {PROBLEMS[name]}" for name, count in self.problems.most_common())
        return f"{read}, in quarantine: {self.n_quarantined} (quarantine.parquet says which)\n{listed}"


def ingest(
    catalog: Catalog,
    sources: str | Path | Iterable[str | Path],
    *,
    sample: int = 20,
    seed: int = 0,
    workers: int | None = None,
    waiting: Collection[str] = (),
    add_shapes: bool = False,
    progress: Callable[..., None] | None = None,
) -> IngestReport:
    """Read files and folders (with subfolders) into the run. A second call reads only what is new or changed.

    sample : number of CCDs per exposure to mark as `sampled`, chosen by `seed` and the exposure number. workers :
    number of processes, None = one per core. waiting : absolute paths to leave alone, because they are still being
    written. add_shapes : read again what has no star shapes yet, because an earlier version read it. progress : called
    with (done, total, text). BadInput if a source does not exist, CatalogError if another
    ingest of the run is running.
    """
    progress = progress or (lambda done, total, text="": None)
    sources = [sources] if isinstance(sources, str | Path) else list(sources)
    paths, folders = find_files(sources)
    with only_one(catalog):
        catalog.clear_unfinished()
        manifest = Manifest(catalog.path / "ingested.parquet")
        touched = forget_gone(manifest, sources, set(paths))
        manifest.files |= {record.path: record for record in folders}
        paths = [path for path in paths if path not in waiting]
        if add_shapes:
            measure_again(manifest, unmeasured(catalog), set(paths))
        touched |= _read_headers(catalog, manifest, paths, workers, progress)
        return make_tables(catalog, manifest, touched, sample=sample, seed=seed, workers=workers, progress=progress)


def make_tables(
    catalog: Catalog,
    manifest: Manifest,
    touched: set[int],
    *,
    sample: int,
    seed: int,
    workers: int | None,
    progress: Callable[..., None],
    ready: Callable[[ExposurePlan], ExposureRead | None] = lambda plan: None,
) -> IngestReport:
    """Join files to exposures, read what is new of them, and write the run's tables. The caller has `only_one`.

    touched : exposures whose files have changed. ready : gives what was read of an exposure elsewhere, after it has put
    its preview in place; None if it must be read now.
    """
    tables = _Tables(catalog, manifest, sample, seed)
    plans = _plan(catalog, manifest, tables, touched)
    coming = [(plan.expnum, plan.camera, plan.facts.get("plver", "")) for plan in plans]
    reprocessed.note(catalog, tables.exposures, coming, clock.utc())
    n_new = n_ccds = 0
    left = []
    for plan in plans:
        read = ready(plan)
        if read is None:
            left.append(plan)
            continue
        tables.add(plan, read)
        n_new += bool(read.rows)
        n_ccds += len(read.rows)
        progress(n_new, len(plans), f"exposure {plan.expnum}")
    n_read, n_ccds_read = _read_pixels(catalog, tables, left, workers, progress)
    tables.save()
    return report_of(catalog, n_new + n_read, n_ccds + n_ccds_read)


def report_of(catalog: Catalog, n_new: int = 0, n_ccds: int = 0) -> IngestReport:
    """The report of an ingest that has just read so many exposures and CCDs."""
    quarantine = catalog.quarantine()
    return IngestReport(
        n_new=n_new,
        n_skipped=len(catalog.exposures()) - n_new,
        n_quarantined=len(quarantine),
        problems=Counter(quarantine.problem),
        n_ccds=n_ccds,
        n_unmeasured=len(unmeasured(catalog)),
    )


@contextmanager
def only_one(catalog: Catalog) -> Iterator[None]:
    """Hold the run's ingest lock, which the system releases when the process ends."""
    with locks.try_exclusive(catalog.path / ".ingest.lock") as own:
        if not own:
            raise CatalogError(f"another ingest of {catalog.path} is running; wait until it has ended")
        yield


def forget_gone(manifest: Manifest, sources: Iterable[str | Path], paths: set[str]) -> set[int]:
    """Drop records of files that are gone, except images that may make up an exposure.

    Return the exposures affected.
    """
    tops = [os.path.realpath(source) for source in sources]
    touched = set()
    for path, record in list(manifest.files.items()):
        inside = any(path == top or path.startswith(top + os.sep) for top in tops)
        if not inside or path in paths or (os.path.lexists(path) and record.product != "folder"):
            continue
        touched |= record.expnums
        if record.product not in ("image", "picture"):
            del manifest.files[path]
    return touched


def _read_headers(catalog, manifest: Manifest, paths: list[str], workers, progress) -> set[int]:
    """Make records of new and changed files. Return the exposure numbers that they had and have now."""
    changed = [path for path in paths if path not in manifest.files or manifest.files[path].digest != digest_of(path)]
    workers = workers or (1 if len(changed) < ALONE_FILES else None)
    touched = set()
    for done, (path, record) in enumerate(unordered(partial(read_record, default=catalog.camera), changed, workers)):
        if isinstance(record, WorkerLost):
            record = FileRecord(path, digest_of(path), problems=[["", "unreadable", str(record)]])
        if path in manifest.files:
            touched |= manifest.files[path].expnums
        touched |= record.expnums
        manifest.files[path] = record
        progress(done + 1, len(changed), "headers")
    return touched


def _plan(catalog: Catalog, manifest: Manifest, tables: "_Tables", touched: set[int]) -> list[ExposurePlan]:
    """Join files to exposures wherever something changed. Return the exposures whose pixels must be read."""
    files = manifest.by_expnum()
    again = {expnum for expnum, kept in manifest.exposures.items() if not kept["digest"]}
    touched = (touched | again | (files.keys() - manifest.exposures.keys())) - {-1}
    plans = []
    for expnum in sorted(touched):
        records = _present(manifest, files.get(expnum, []))
        plan = plan_exposure(expnum, records, catalog.camera)
        kept = manifest.exposures.get(expnum)
        if not plan.ccds:
            tables.add(plan, ExposureRead())
        elif kept and kept["digest"] == plan.digest and catalog.has_preview(expnum):
            manifest.note_exposure(expnum, plan.digest, plan.problems, kept["pixels"])
        else:
            plans.append(plan)
    return plans


def _present(manifest: Manifest, records: list[FileRecord]) -> list[FileRecord]:
    """Drop records of files that are gone and return the others. If no image is left, drop none and return all."""
    present = [record for record in records if os.path.exists(record.path)]
    if not any(record.product != "mask" for record in present):
        return records
    for record in records:
        if record not in present:
            manifest.files.pop(record.path, None)
    return present


def _read_pixels(catalog, tables: "_Tables", plans: list[ExposurePlan], workers, progress) -> tuple[int, int]:
    """Read the planned exposures and save from time to time. Return how many exposures and CCDs were read."""
    n_new = n_ccds = 0
    size = size_of({ccd["source"] for plan in plans for ccd in plan.ccds})
    workers = workers or (1 if size < ALONE_BYTES else cores())
    processes = processes_for(len(plans), workers)
    fast = compressed_tiles.pays(sum(math.prod(ccd["shape"]) for plan in plans for ccd in plan.ccds), processes)
    timer = SaveTimer()
    function = partial(read_exposure, catalog, fast=fast, threads=max(1, workers // processes))
    tasks = unordered(function, plans, workers)
    for done, (plan, read) in enumerate(tasks):
        if isinstance(read, WorkerLost):
            read = ExposureRead(problems=[[plan.facts["source"], "", "unreadable", str(read)]])
        tables.add(plan, read)
        n_new += bool(read.rows)
        n_ccds += len(read.rows)
        progress(done + 1, len(plans), f"exposure {plan.expnum}")
        if timer.due():
            with timer.saving():
                tables.save()
    return n_new, n_ccds


def size_of(paths: Iterable[str]) -> int:
    """Bytes of files; those that are gone count as 0."""
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            size += os.path.getsize(path)
    return size


class SaveTimer:
    """Says when to save: after SAVE_EVERY_SECONDS, or later if the last save took more than SAVE_SHARE of that."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._saved, self._took = clock(), 0.0

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._clock() - self._saved > max(SAVE_EVERY_SECONDS, self._took / SAVE_SHARE)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Save in this block."""
        started = self._clock()
        yield
        self._saved = self._clock()
        self._took = self._saved - started


def choose_sample(ccds: pd.DataFrame, sample: int, seed: int) -> np.ndarray:
    """Which CCDs of one exposure are sampled: (n_ccd,) bool.

    ccds : rows of one exposure. Every CCD number gets a rank from `seed` and the exposure number, and the `sample`
    lowest ranks are chosen. So the choice depends on nothing else, and changes little if a CCD is missing. Dead and
    blank CCDs are chosen only if there are no others.
    """
    expnum = int(ccds.expnum.iloc[0])
    rank = np.random.default_rng([seed, expnum]).permutation(CCDS)[ccds.ccdnum.to_numpy()]
    found = camera(ccds.camera.iloc[0])
    dead = np.array([found.missing(name) == "dead" for name in ccds.ccdname])
    useless = dead | (ccds.blank_fraction.to_numpy() >= MOSTLY_BLANK)
    rank = rank + 100 * (useless & ~useless.all())
    chosen = np.zeros(len(ccds), dtype=bool)
    chosen[np.argsort(rank, kind="stable")[: min(sample, np.count_nonzero(~useless) or len(ccds))]] = True
    return chosen


class _Tables:
    """The run's tables while an ingest changes them. `save` writes them, and the manifest last."""

    def __init__(self, catalog: Catalog, manifest: Manifest, sample: int, seed: int):
        self.catalog = catalog
        self.manifest = manifest
        self.sampling = {"sample": int(sample), "seed": int(seed)}
        self.exposures = previews.with_digests(catalog, catalog.exposures())
        self.shapes = ShapeTables(catalog)
        self.quarantine = catalog.quarantine()
        self._changed: set[int] = set()
        self._exposures: list[dict] = []
        self._ccds: list[pd.DataFrame] = []
        self._more_ccds: list[pd.DataFrame] = []
        if catalog.info.get("ingest", self.sampling) != self.sampling:
            ccds = catalog.ccds()
            for _, rows in ccds.groupby("expnum"):
                ccds.loc[rows.index, "sampled"] = choose_sample(rows, sample, seed)
            catalog.write_tables(ccds=ccds)

    def add(self, plan: ExposurePlan, read: ExposureRead) -> None:
        """Add one exposure. Its rows replace earlier ones."""
        self._changed.add(plan.expnum)
        if read.rows:
            rows = pd.DataFrame(read.rows)
            self._ccds.append(rows.assign(sampled=choose_sample(rows, **self.sampling)))
            if len(self._ccds) >= FEW_TABLES:
                self._more_ccds.append(pd.concat(self._ccds, ignore_index=True))
                self._ccds = []
            content = previews.content_of(self.catalog, plan.expnum)
            self._exposures.append({**plan.facts, "n_ccds": len(rows), "preview_digest": content})
            self.shapes.add(plan, read.shapes)
        else:
            self.catalog.preview_path(plan.expnum).unlink(missing_ok=True)
        if any(problem == "unreadable" for _, _, problem, _ in read.problems):
            plan.digest = ""  # so that the next ingest tries again
        if plan.ccds or plan.problems:
            self.manifest.note_exposure(plan.expnum, plan.digest, plan.problems, read.problems)
        else:
            self.manifest.exposures.pop(plan.expnum, None)

    def save(self) -> None:
        """Write the tables, then the manifest, so that the manifest never claims more than the tables hold."""
        changed = list(self._changed)
        replaced = int(self.exposures.expnum.isin(changed).any())
        rows = [*self._more_ccds, *self._ccds]
        self.exposures = replace_rows(self.exposures, changed, [pd.DataFrame(self._exposures)])
        self.quarantine = self.manifest.quarantine()
        if changed or not (self.catalog.path / "ccds.parquet").exists():
            self.catalog.replace_rows("ccds", changed, pd.concat(rows, ignore_index=True) if rows else pd.DataFrame())
        self.shapes.save(changed, self.exposures)  # before the exposures, whose change makes a server read both
        self.catalog.write_tables(exposures=self.exposures, quarantine=self.quarantine)
        # browsers keep pictures for ever, until this number grows
        self.catalog.set_info(ingest=self.sampling, replaced=self.catalog.info.get("replaced", 0) + replaced)
        self.manifest.save()
        self._changed, self._exposures, self._ccds, self._more_ccds = set(), [], [], []
