"""One stage of a run: its folder, what it was made from, and the writer that makes it."""

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triptych.pipeline.catalog.damage import read_json, reading
from triptych.pipeline.catalog.files import write_json
from triptych.pipeline.catalog.joined import (
    JoinedRows,
    Span,
    joined_batches,
    joined_rows_of,
    joined_table,
    spans_of_files,
)
from triptych.pipeline.errors import CatalogError, StageStale

if TYPE_CHECKING:
    from triptych.pipeline.catalog.catalog import Catalog

# two stages of a kind are the same result if these are equal
IDENTITY = ("name", "parents", "parameters", "versions", "rows", "digest", "extends")

VERSIONED = ("triptych", "numpy", "scikit-learn", "torch", "openTSNE", "hdbscan", "astropy")


def read_table(path: Path, columns: Sequence[str] | None = None, categories: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of a run. CatalogError if the file exists but cannot be read, FileNotFoundError if it is absent.

    columns : only these; None = all. categories : texts that repeat, to be kept as pandas categories.
    """
    with reading(path):
        if columns is None:
            return pd.read_parquet(path)
        repeated = [name for name in columns if name in categories]
        return pq.read_table(path, columns=list(columns), read_dictionary=repeated).to_pandas()


def rows_of(path: Path, expnums, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of a Parquet file whose `expnum` is among `expnums`; all columns unless some are named."""
    wanted = pc.field("expnum").isin(pa.array(np.asarray(expnums, np.int64)))
    with reading(path):
        return pq.read_table(path, columns=None if columns is None else list(columns), filters=wanted).to_pandas()


def read_array(path: Path, mmap: bool = True) -> np.ndarray:
    """Read an array of a run, memory-mapped unless `mmap` is false. CatalogError where it cannot be read."""
    with reading(path):
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)


def installed_versions() -> dict[str, str]:
    """Versions of the installed packages that affect results."""
    found = {}
    for package in VERSIONED:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@dataclass(frozen=True)
class Stage:
    """One immutable result of one step: a folder with `stage.json`, tables and arrays."""

    catalog: "Catalog"
    kind: str
    stage_id: str
    info: dict
    opened: float = field(default_factory=time.monotonic, compare=False, repr=False)

    @property
    def path(self) -> Path:
        """The folder of the stage."""
        return self.catalog.path / self.kind / self.stage_id

    @property
    def name(self) -> str:
        """What made it: a backbone, a classifier, a rule, as `stage.json` says."""
        return self.info["name"]

    @property
    def parents(self) -> list[dict]:
        """What it was made from: `kind`, `stage_id` and more of each, as `stage.json` says."""
        return self.info["parents"]

    @property
    def parameters(self) -> dict:
        """The settings it was made with."""
        return self.info["parameters"]

    @property
    def digest(self) -> str:
        """A short SHA-256 of the names and bytes of its files."""
        return self.info["digest"]

    def parent(self, kind: str) -> "Stage":
        """The parent of that kind, from which this stage was made. CatalogError if there is none."""
        for parent in self.parents:
            if parent["kind"] == kind:
                return self.catalog.stage(kind, parent["stage_id"], fresh=False)
        raise CatalogError(f"{self.kind}/{self.stage_id} has no {kind} among its parents")

    def has_parent(self, kind: str, stage_id: str) -> bool:
        """Whether it was made from this stage."""
        return any((parent["kind"], parent["stage_id"]) == (kind, stage_id) for parent in self.parents)

    @cached_property
    def base(self) -> "Stage | None":
        """The stage that this one extends (see `extension`), None if it is whole. StageStale if that has changed."""
        extends = self.info.get("extends")
        if not extends:
            return None
        base = self.catalog.stage(self.kind, extends["stage_id"], fresh=False)
        if base.digest != extends["digest"]:
            raise StageStale(f"{self.kind}/{base.stage_id} was changed since {self.stage_id}; make {self.kind} again")
        return base

    def _joined(self, name: str, ending: str = "parquet") -> tuple[Path, Path, bool] | None:
        """For a table or array whose rows are the base's and its own: both files, and whether the own come after."""
        extends = self.info.get("extends")
        if not extends or name not in extends["files"] or self.base is None:
            return None
        return self.base.path / f"{name}.{ending}", self.path / f"{name}.{ending}", extends["after"]

    def table(
        self, name: str = "table", columns: Sequence[str] | None = None, categories: Sequence[str] = ()
    ) -> pd.DataFrame:
        """One of its tables, whole or some columns: see `read_table`. CatalogError where it cannot be read."""
        if joined := self._joined(name):
            repeated = [column for column in columns or () if column in categories]
            return joined_table(*joined, columns, repeated).to_pandas()
        return read_table(self.path / f"{name}.parquet", columns, categories)

    def rows_of(self, expnums, columns: Sequence[str] | None = None, name: str = "table") -> pd.DataFrame:
        """The given columns of the rows that belong to `expnums`; None = all. Other rows are not read."""
        if joined := self._joined(name):
            return joined_rows_of(joined[0], joined[1], np.asarray(expnums, np.int64), columns).to_pandas()
        return rows_of(self.path / f"{name}.parquet", expnums, columns)

    def batches(self, size: int, columns: Sequence[str], name: str = "table") -> Iterator[pa.RecordBatch]:
        """Some columns of a table, at most `size` rows at once, so that it need not fit in memory."""
        if joined := self._joined(name):
            yield from joined_batches(*joined, size, columns)
            return
        path = self.path / f"{name}.parquet"
        with reading(path), pq.ParquetFile(path) as file:
            yield from file.iter_batches(size, columns=list(columns))

    def has_table(self, name: str = "table") -> bool:
        """Whether it has a table of this name."""
        return (self.path / f"{name}.parquet").exists()

    def columns(self, name: str = "table") -> list[str]:
        """The names of a table's columns, without reading its rows."""
        path = self.path / f"{name}.parquet"
        with reading(path):
            return pq.read_schema(path).names

    def array(self, name: str = "vectors", mmap: bool = True) -> np.ndarray:
        """One of its arrays; memory-mapped for reading, unless `mmap` is false.

        Where the stage extends another, the array is a `JoinedRows`, which is sliced and indexed by rows alike.
        """
        if joined := self._joined(name, "npy"):
            keys = self._joined("keys") or joined
            files = read_array(joined[0], mmap), read_array(joined[1], mmap)
            spans = [Span(False, 0, len(files[0])), Span(True, 0, len(files[1]))]
            rows = JoinedRows(*files, spans if joined[2] else spans_of_files(*keys))
            return cast(np.ndarray, rows)
        return read_array(self.path / f"{name}.npy", mmap)

    def has_arrays(self, name: str) -> bool:
        """Whether it has a set of arrays of this name."""
        return (self.path / f"{name}.npz").exists()

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """A set of small arrays that `StageWriter.write_arrays` has written, by name."""
        path = self.path / f"{name}.npz"
        with reading(path), np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def json(self, name: str):
        """What one of its JSON files holds."""
        return read_json(self.path / f"{name}.json")


class StageWriter:
    """Collects the files of one stage in a temporary folder. `Catalog.new_stage` moves it into place at the end."""

    stage: Stage  # set when the `with` block of `Catalog.new_stage` has ended

    def __init__(self, folder: Path):
        self.folder = folder
        self.late_parents: list[Stage] = []
        self.extends: dict | None = None  # what `stage.json` says of the base, see `extension`
        self._rows: dict[str, int] = {}

    @property
    def rows(self) -> int:
        """Number of rows of the main table, else of the largest table or array."""
        return self._rows.get("table", max(self._rows.values(), default=0))

    def write_table(self, frame: pd.DataFrame, name: str = "table") -> None:
        """Write a table, without its index."""
        frame.reset_index(drop=True).to_parquet(self.folder / f"{name}.parquet", index=False)
        self._rows[name] = len(frame)

    def write_array(self, values: np.ndarray, name: str = "vectors") -> None:
        """Write an array, (n, ...) of any dtype but objects."""
        np.save(self.folder / f"{name}.npy", values, allow_pickle=False)
        self._rows[name] = len(values)

    def write_arrays(self, arrays: Mapping[str, np.ndarray], name: str) -> None:
        """Write a set of small arrays, none of objects, into one file."""
        np.savez(self.folder / f"{name}.npz", **arrays)  # pyright: ignore[reportArgumentType]  # its names are not

    def add_parent(self, parent: Stage) -> None:
        """Add a parent that was written while this stage was: it comes after those given to `Catalog.new_stage`."""
        self.late_parents.append(parent)

    def note_rows(self, rows: int, name: str = "table") -> None:
        """Record the number of rows of a table that was written into `folder` by other means."""
        self._rows[name] = rows

    def write_json(self, value, name: str) -> None:
        """Write a value as JSON."""
        write_json(self.folder / f"{name}.json", value)


@contextlib.contextmanager
def gone_on_failure(folder: Path) -> Iterator[None]:
    """Delete the folder if what is done in this context fails."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def identity(info: Mapping) -> str:
    """What `stage.json` says of IDENTITY, as one text: equal where two stages are the same result."""
    return json.dumps([info.get(name) for name in IDENTITY], sort_keys=True)


def digest_of_folder(folder: Path) -> str:
    """SHA-256 of the names and bytes of a stage's files, first 16 hex digits."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(path.relative_to(folder).as_posix().encode())
        with open(path, "rb") as handle:
            total.update(hashlib.file_digest(handle, "sha256").digest())
    return total.hexdigest()[:16]
