"""The run folder: tables, previews, stages and `run.json`. Only this file knows where each of them is.

A run is a folder that you can read without Triptych: Parquet tables, `.npy` and `.npz` arrays, and JSON. Each table
and each stage is first written under a temporary name and then renamed, so it is either complete or absent.
"""

import contextlib
import functools
import logging
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from triptych.pipeline import clock
from triptych.pipeline.catalog import damage, locks, preview_files
from triptych.pipeline.catalog.files import make_folder, put_in_place, write_aside, write_json
from triptych.pipeline.catalog.stage import (
    Stage,
    StageWriter,
    digest_of_folder,
    gone_on_failure,
    identity,
    installed_versions,
    read_table,
    rows_of,
)
from triptych.pipeline.catalog.tables import replace_exposures, write_table
from triptych.pipeline.errors import CatalogError, StageMissing, StageStale, choose

log = logging.getLogger("triptych")

# kind of stage -> the command that makes one
STAGE_COMMANDS: dict[str, str] = {
    "embedding": "triptych embed",
    "model": "triptych train",
    "prediction": "triptych predict",
    "candidates": "triptych candidates",
    "cluster": "triptych cluster",
    "map2d": "triptych map --dims 2",
    "map3d": "triptych map --dims 3",
    "evaluation": "triptych evaluate",
    "probe": "triptych probe",
    "retraining": "triptych retrain",
}

EXPOSURE_COLUMNS: dict[str, str] = {
    "expnum": "int64",
    "camera": "str",
    "filter": "str",
    "band": "str",
    "mjd_obs": "float64",
    "night": "int64",
    "exptime": "float64",
    "ra": "float64",
    "dec": "float64",
    "airmass": "float64",
    "object": "str",
    "propid": "str",
    "plver": "str",
    "plprocid": "str",
    "image_filename": "str",
    "source": "str",
    "n_ccds": "int64",
    "preview_digest": "str",
}
CCD_COLUMNS: dict[str, str] = {
    "image_id": "int64",
    "expnum": "int64",
    "ccdname": "str",
    "ccdnum": "int64",
    "image_hdu": "int64",
    "hdu_name": "str",
    "source": "str",
    "mask_source": "str",
    "mask_hdu": "int64",
    "naxis1": "int64",
    "naxis2": "int64",
    "bin": "int64",
    "preview_ny": "int64",
    "preview_nx": "int64",
    "sampled": "bool",
    "sky_median_adu": "float64",
    "sky_sigma_adu": "float64",
    "blank_fraction": "float64",
    "fwhm_pix": "float64",
    "preview_sky_adu": "float64",
    "preview_sigma_adu": "float64",
}
QUARANTINE_COLUMNS: dict[str, str] = {
    "path": "str",
    "expnum": "int64",
    "ccdname": "str",
    "problem": "str",
    "detail": "str",
}
STAR_SHAPE_COLUMNS: dict[str, str] = {"image_id": "int64", "expnum": "int64", "ccdname": "str"}  # then float64
EXPOSURE_SHAPE_COLUMNS: dict[str, str] = {"expnum": "int64"}  # then float64
TABLES = {
    "exposures": EXPOSURE_COLUMNS,
    "ccds": CCD_COLUMNS,
    "quarantine": QUARANTINE_COLUMNS,
    "star_shapes": STAR_SHAPE_COLUMNS,
    "exposure_shapes": EXPOSURE_SHAPE_COLUMNS,
}


@functools.lru_cache(maxsize=2)
def _kept_table(path: Path, _stamp: tuple) -> pd.DataFrame:
    return read_table(path)


def _conform(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return `frame` with `columns` first, in their order and with their types. Other columns follow."""
    frame = frame.copy()
    for name, kind in columns.items():
        if name not in frame:
            frame[name] = {"str": "", "float64": np.nan, "int64": -1, "bool": False}[kind]
        frame[name] = frame[name].fillna("").astype(str) if kind == "str" else frame[name].astype(kind)
    return frame[[*columns, *(name for name in frame if name not in columns)]].reset_index(drop=True)


class Catalog:
    """One run folder. `Catalog.open` opens it, `Catalog.create` makes it."""

    def __init__(self, path: Path, info: dict):
        self.path = path
        self.info = info

    @classmethod
    def create(cls, path: str | Path, camera: str = "decam", panel: int | None = None) -> Self:
        """Open the run at `path`. Make it first if there is none. panel : number of inspectors, None = the default."""
        path = Path(path).resolve()
        if (path / "run.json").exists():
            return cls.open(path)
        # a `create` that was killed may have left a temporary file of run.json
        other = path.exists() and (not path.is_dir() or any(not p.name.startswith(".run.") for p in path.iterdir()))
        if other and not (path / "run.json").exists():  # another process may have made it just now
            raise CatalogError(f"{path} exists and is not a run folder; name a new or empty folder")
        make_folder(path)
        with locks.exclusive(path / ".run.lock"):  # several parts of an ingest may start at once
            if not (path / "run.json").exists():
                info = {"camera": camera, "created": clock.utc(), "current": {}, "panel": panel, "format": 1}
                write_json(path / "run.json", info)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run at `path`. CatalogError where there is none, or its `run.json` cannot be read."""
        path = Path(path).resolve()
        try:
            return cls(path, damage.read_run(path / "run.json"))
        except (FileNotFoundError, NotADirectoryError):
            raise CatalogError(f"{path} is not a run folder; make one with `triptych ingest {path} SOURCE`") from None

    @property
    def camera(self) -> str:
        """Name of the camera, one of CAMERAS."""
        return self.info["camera"]

    @property
    def panel(self) -> int:
        """Number of inspectors whose votes count for a verdict: 3 unless `run.json` has another number."""
        return self.info.get("panel") or 3

    @property
    def about(self) -> str:
        """What whoever looks at this run must know of it, as a sentence; '' of a survey like any other."""
        return self.info.get("about", "")

    @property
    def name(self) -> str:
        """Name of the run: that of its folder."""
        return self.path.name

    def refresh(self) -> "Catalog":
        """Read `run.json` again, because another process may have changed it."""
        self.info = Catalog.open(self.path).info
        return self

    def set_info(self, **values) -> None:
        """Change keys of `run.json` in one step. Pointers in `current` are added to those that exist.

        A lock protects changes that another process makes at the same time.
        """
        with locks.exclusive(self.path / ".run.lock"):
            for left in self.path.glob(".run.json.*.aside"):
                left.unlink(missing_ok=True)
            self.refresh()
            current = {**self.info["current"], **values.get("current", {})}
            self.info = {**self.info, **values, "current": current}
            write_json(self.path / "run.json", self.info)

    def labels_url(self) -> str:
        """Address of the label store: a SQLite file in the run folder, unless `run.json` has another address."""
        return self.info.get("labels") or f"sqlite:///{self.path / 'labels.db'}"

    @property
    def known_stores(self) -> Path:
        """File that says which label stores the run has used, and how far each had come."""
        return self.path / "labels.json"

    # ---- tables

    def _table(self, name: str) -> pd.DataFrame:
        path = self.path / f"{name}.parquet"
        if not path.exists():
            return _conform(pd.DataFrame(), TABLES[name])
        return read_table(path)

    def tables_version(self) -> tuple:
        """Return a value that changes whenever `ccds` or `exposures` is written."""
        paths = [self.path / f"{name}.parquet" for name in ("ccds", "exposures")]
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)

    def exposures(self) -> pd.DataFrame:
        """One row per exposure, sorted by `expnum`. A process reads the file once as long as it does not change."""
        path = self.path / "exposures.parquet"
        try:
            seen = path.stat()
        except FileNotFoundError:
            return self._table("exposures")
        return _kept_table(path, (seen.st_ino, seen.st_mtime_ns, seen.st_size)).copy(deep=False)

    def ccds(self, columns: Sequence[str] | None = None, categories: Sequence[str] = ()) -> pd.DataFrame:
        """One row per CCD image, sorted by `image_id`.

        columns : only these, without the others' cost; None = all. categories : see `read_table`.
        """
        path = self.path / "ccds.parquet"
        if columns is None:
            return self._table("ccds")
        return read_table(path, columns, categories) if path.exists() else self._table("ccds")[list(columns)]

    def ccds_of(self, expnums, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows of `ccds` that belong to `expnums`, all columns unless some are named. Other rows are not read."""
        wanted = dict(CCD_COLUMNS) if columns is None else {name: CCD_COLUMNS[name] for name in columns}
        path = self.path / "ccds.parquet"
        if not path.exists():
            return _conform(pd.DataFrame(), wanted)
        return _conform(rows_of(path, expnums, None if columns is None else list(columns)), wanted)

    def quarantine(self) -> pd.DataFrame:
        """One row per file or CCD that could not be used, with the reason."""
        return self._table("quarantine")

    def star_shapes(self) -> pd.DataFrame:
        """One row per CCD image whose stars were looked at, sorted by `image_id`. NaN = unknown.

        Runs of earlier versions have none.
        """
        return self._table("star_shapes")

    def exposure_shapes(self) -> pd.DataFrame:
        """One row per exposure of `star_shapes`, sorted by `expnum`: what its CCDs have in common. NaN = unknown."""
        return self._table("exposure_shapes")

    def write_tables(self, exposures=None, ccds=None, quarantine=None, exposure_shapes=None) -> None:
        """Replace the given tables. Each table is replaced in one step."""
        if exposure_shapes is not None:
            shapes = _conform(exposure_shapes, EXPOSURE_SHAPE_COLUMNS).sort_values("expnum", kind="stable")
            write_table(self.path / "exposure_shapes.parquet", shapes)
        if ccds is not None:
            ccds = _conform(ccds, CCD_COLUMNS).sort_values("image_id", kind="stable")
            write_table(self.path / "ccds.parquet", ccds)
        if exposures is not None:
            exposures = _conform(exposures, EXPOSURE_COLUMNS).sort_values("expnum", kind="stable")
            write_table(self.path / "exposures.parquet", exposures)
        if quarantine is not None:
            quarantine = _conform(quarantine, QUARANTINE_COLUMNS).sort_values(["path", "ccdname"], kind="stable")
            write_table(self.path / "quarantine.parquet", quarantine)

    def replace_rows(self, name: str, changed: Collection[int], rows: pd.DataFrame) -> None:
        """Replace the rows of a table of CCDs that belong to some exposures, without holding the others in memory.

        name : of a table in TABLES with `image_id`. changed : expnums; those without `rows` lose theirs.
        """
        rows, path = _conform(rows, TABLES[name]), self.path / f"{name}.parquet"
        if replace_exposures(path, changed, rows):
            return
        others = _conform(self._table(name), TABLES[name])
        both = pd.concat([others[~others.expnum.isin(list(changed))], rows], ignore_index=True)
        write_table(path, _conform(both, TABLES[name]).sort_values("image_id", kind="stable"))

    def clear_unfinished(self) -> None:
        """Remove half-written tables and previews that a killed process left.

        Only their single writer may call this.
        """
        for left in [*self.path.glob(".*.parquet.*.aside"), *self.path.glob("previews/*/.*.aside")]:
            left.unlink(missing_ok=True)

    # ---- previews

    def preview_path(self, expnum: int) -> Path:
        """Where the preview of an exposure is, whether or not it exists."""
        return self.path / "previews" / f"{int(expnum) // 1000:05d}" / f"{int(expnum):08d}.npz"

    def has_preview(self, expnum: int) -> bool:
        """Whether an exposure has a preview."""
        return self.preview_path(expnum).exists()

    def previewed(self) -> np.ndarray:
        """Return the expnums that have a preview: (n,) int64, ascending."""
        names = [name for folder in self.path.glob("previews/*") for name in os.listdir(folder)]
        found = [int(name.removesuffix(".npz")) for name in names if name[:1].isdigit() and name.endswith(".npz")]
        return np.sort(np.array(found, dtype=np.int64))

    def write_preview(self, expnum: int, ccdnums: Sequence[int], pixels: np.ndarray, path: Path | None = None) -> None:
        """Store one exposure's preview, rounded to a part of its noise: see `preview_files`.

        ccdnums : (n_ccd,) CCD numbers, in any order; they are stored in ascending order.
        pixels : (n_ccd, ny, nx) float32, ADU, array orientation. NaN where nothing was recorded, and outside a CCD's
        own area where CCDs differ in size. path : write it there, for `take_preview` to put it in its place later.
        """
        order = np.argsort(ccdnums, kind="stable")
        numbers = np.asarray(ccdnums, dtype=np.int16)[order]
        pixels = np.ascontiguousarray(np.asarray(pixels, dtype=np.float32)[order])

        write_aside(path or self.preview_path(expnum), lambda aside: preview_files.write(aside, numbers, pixels))

    def take_preview(self, expnum: int, path: Path) -> None:
        """Make the file at `path`, in the run folder, the preview of an exposure. The file itself stays."""
        place = self.preview_path(expnum)
        if place.exists() and place.samefile(path):
            return

        def link(aside: Path) -> None:
            try:
                os.link(path, aside)
            except OSError:  # some file systems have no hard links
                shutil.copyfile(path, aside)

        write_aside(place, link)

    def preview(self, expnum: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one exposure's preview: ccdnums (n_ccd,) int16; pixels (n_ccd, ny, nx) float32, ADU, NaN = blank.

        CatalogError if the run has no preview of this exposure.
        """
        path = self.preview_path(expnum)
        try:
            return preview_files.read(path)
        except FileNotFoundError:
            raise CatalogError(
                f"{self.name} has no exposure {expnum}; `triptych status {self.path}` lists what it has"
            ) from None

    def ccd_preview(self, expnum: int, ccdnum: int) -> np.ndarray:
        """Return one CCD of a preview, (ny, nx) float32, without reading the other CCDs.

        KeyError if it is not there.
        """
        found = preview_files.read_ccd(self.preview_path(expnum), ccdnum)
        if found is None:
            raise KeyError(f"exposure {expnum} has no CCD number {ccdnum}")
        return found

    # ---- stages

    def has(self, kind: str) -> bool:
        """Whether there is a current stage of a kind."""
        return bool(self.info["current"].get(kind))

    def stages(self, kind: str) -> list[Stage]:
        """All stages of a kind, oldest first. Stages that are still being written are left out."""
        choose(kind, STAGE_COMMANDS, "kind of stage")
        stages = []
        for path in self._stage_folders(kind):
            if not (path / "stage.json").exists():
                continue
            try:
                stages.append(Stage(self, kind, path.name, damage.read_stage(path / "stage.json")))
            except (CatalogError, FileNotFoundError) as error:  # a damaged stage hides no other; removed meanwhile
                log.warning("%s", error)
        return sorted(stages, key=lambda stage: stage.info["number"])

    def _stage_folders(self, kind: str) -> list[Path]:
        """The folders of all stages of a kind, also damaged ones, but none that is still being written."""
        # "[!.]" because "*" in pathlib also matches names that start with a dot
        found = (self.path / kind).glob("[!.]*-[0-9]*")
        return [path for path in found if path.name.rpartition("-")[2].isdecimal()]

    def stage(self, kind: str, stage_id: str | None = None, fresh: bool = True) -> Stage:
        """Open a stage: the named one, or the current one of its kind.

        With `fresh`, the parents of the current stage must themselves be current; otherwise StageStale says what to
        run. If a parent was changed on disk, StageStale is raised in any case. StageMissing if there is no such stage.
        """
        choose(kind, STAGE_COMMANDS, "kind of stage")
        wanted = stage_id or self.info["current"].get(kind)
        if not wanted:
            raise StageMissing(f"{self.name} has no {kind} yet; run `{STAGE_COMMANDS[kind]} {self.path}`")
        path = self.path / kind / wanted / "stage.json"
        if not path.exists():
            raise StageMissing(f"{self.name} has no {kind}/{wanted}; run `{STAGE_COMMANDS[kind]} {self.path}`")
        stage = Stage(self, kind, wanted, damage.read_stage(path))
        self._check_parents(stage, fresh=fresh and stage_id is None)
        return stage

    def made_from(self, kind: str, parent: str, stage_id: str) -> Stage | None:
        """The stage of a kind to be shown with a parent stage: the current one if it was made from that parent.

        Otherwise the newest that was; None if there is none.
        """
        own = [stage for stage in self.stages(kind) if stage.has_parent(parent, stage_id)]
        current = self.info["current"].get(kind)
        return next((stage for stage in own if stage.stage_id == current), own[-1] if own else None)

    def _check_parents(self, stage: Stage, fresh: bool) -> None:
        command = f"run `{STAGE_COMMANDS[stage.kind]} {self.path}` again"
        for parent in stage.parents:
            label = f"{parent['kind']}/{parent['stage_id']}"
            path = self.path / parent["kind"] / parent["stage_id"] / "stage.json"
            if not path.exists() or damage.read_stage(path)["digest"] != parent["digest"]:
                raise StageStale(f"{stage.kind}/{stage.stage_id} was made from a different {label}; {command}")
            current = self.info["current"].get(parent["kind"])
            if fresh and current and current != parent["stage_id"]:
                raise StageStale(
                    f"{stage.kind}/{stage.stage_id} was made from {label}, but {current} is current now; {command}"
                )

    def make_current(self, stage: Stage) -> None:
        """Make `stage` the current one of its kind. Nothing is deleted: make the old stage current again to undo it."""
        self.set_info(current={stage.kind: stage.stage_id})

    @contextlib.contextmanager
    def new_stage(
        self,
        kind: str,
        name: str,
        parents: Sequence[Stage] = (),
        parameters: Mapping | None = None,
        make_current: bool = True,
    ) -> Iterator[StageWriter]:
        """Write a new stage inside a `with` block. The stage appears when the block ends; if it fails, nothing stays.

        If an equal stage exists already (same parents, parameters and contents), that stage is returned instead.
        The stage's `seconds` count from the moment when the first of its parents was opened: that is when the work
        began.
        """
        choose(kind, STAGE_COMMANDS, "kind of stage")
        started = min([time.monotonic(), *(parent.opened for parent in parents)])
        folder = self.path / kind
        make_folder(folder)
        locks.clear_unfinished(folder)
        aside = folder / f".aside-{name}-{os.getpid()}-{time.monotonic_ns()}"
        writer = StageWriter(aside)
        with locks.hold_folder(aside), gone_on_failure(aside):
            aside.mkdir()
            yield writer
            info = {
                "kind": kind,
                "name": name,
                "parents": [
                    {"kind": p.kind, "stage_id": p.stage_id, "digest": p.digest}
                    for p in (*parents, *writer.late_parents)
                ],
                "parameters": dict(parameters or {}),
                "versions": installed_versions(),
                "rows": writer.rows,
                "seconds": round(time.monotonic() - started, 3),
                "created": clock.utc(),
                "digest": digest_of_folder(aside),
            }
            if writer.extends:
                info["extends"] = writer.extends
            writer.stage = self._place(aside, kind, name, info)
        if make_current:
            self.make_current(writer.stage)

    def _place(self, aside: Path, kind: str, name: str, info: dict) -> Stage:
        """Rename the finished folder to the next free number. Another process may take the number first; then retry."""
        while True:
            stages = self.stages(kind)
            for stage in stages:
                if identity(stage.info) == identity(info):
                    shutil.rmtree(aside)
                    return stage
            # a folder with a damaged or missing stage.json keeps its number
            taken = [int(path.name.rpartition("-")[2]) for path in self._stage_folders(kind)]
            info["number"] = max([*taken, *(stage.info["number"] for stage in stages)], default=0) + 1
            stage_id = f"{name}-{info['number']:03d}"
            write_json(aside / "stage.json", info)
            with contextlib.suppress(OSError):
                put_in_place(aside, self.path / kind / stage_id)
                return Stage(self, kind, stage_id, info)
            if not aside.exists() or not (self.path / kind / stage_id).exists():
                raise CatalogError(f"cannot write {self.path / kind / stage_id}; is the disk full or read-only?")
