"""Reads files of vectors, and says which image each row is.

Formats, by the ending of the file name:

- `.h5`, `.hdf5`: the format of the published code: a group `images` with one dataset (1, dim) per image, named
  `idx_<row>_label_<n>`. The row is that of the sample table, counted from 0. The file says nothing else about the
  image, so it needs the table beside it.
- `.npy`: (n, dim), one row for each row of the table beside it.
- `.parquet`: the keys, and either one column of lists or one numeric column per feature, in the same table.
- a folder: all its `.h5` files, as several workers wrote them, or else all its files of one of the other kinds.

The table beside `NAME.npy` or `NAME.h5` is `NAME.keys.parquet`, `NAME.keys.csv`, `NAME.parquet` or `NAME.csv`, or the
only CSV file in the folder. It has `image_id`, or `expnum` and either `ccdname` or `ccdnum`.

Of a Parquet file with a column for each number, the features are the columns that share a name and are numbered (`f0`,
`f1`, ...), or those that the caller names. Where several such groups of columns may be meant, the file is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from triptych.pipeline.errors import BadInput
from triptych.pipeline.extras import need
from triptych.pipeline.memory import must_fit
from triptych.pipeline.text_files import open_text

KEYS = ("image_id", "expnum", "ccdname", "ccdnum")
# Numeric columns of a sample table that are not features.
NOT_FEATURES = {
    *KEYS,
    "image_hdu",
    "label",
    "reasons",
    "vi_source",
    "ml_label",
    "ml_prob",
    "index",
    "__index_level_0__",
}
DATASET = re.compile(r"idx_(\d+)_label_(.*)")
EVERY = 5_000
FEATURES = 1_000_000  # of one vector; the largest models give some thousands
BLOCK_VALUES = 1 << 23  # numbers that are read at a time
# of HDF5: a chunk is unpacked as a whole, and zlib unpacks a byte to 1032 at most
CHUNK_BYTES = 64 << 20
PACKED_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class External:
    """vectors : (n, dim) float32.

    keys : their rows, with some of KEYS. missing : number of table rows without vector. taken, left : the names of the
    columns of a Parquet file that are features, and of its other numeric columns.
    """

    vectors: np.ndarray
    keys: pd.DataFrame
    missing: int = 0
    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def read_hdf5(path: Path, keys: Path | None, progress: Callable, features: str = "") -> External:
    """Vectors of an HDF5 file. keys : table of what each row is, None = the one beside the file. BadInput as a line."""
    need(f"reading {path}", "h5py")
    import h5py

    table = read_keys(keys or beside(path))
    rows, vectors, dim = [], np.empty((0, 0), np.float32), None
    try:
        with h5py.File(path, "r") as file:
            images = file.get("images")
            if not isinstance(images, h5py.Group):
                raise BadInput(f"{path} has no group `images`, where the published code puts its vectors")
            for done, (name, stored) in enumerate(images.items(), 1):
                match = DATASET.fullmatch(name)
                if not match:
                    raise BadInput(f"{path} has a dataset {name!r}; expected idx_<row>_label_<n>")
                _check_dataset(stored, path, name)
                if dim is None:
                    dim = stored.size
                    must_fit(4 * dim * len(images), path)
                    vectors = np.empty((len(images), dim), np.float32)
                if stored.size != dim:
                    raise BadInput(f"{path} has vectors of different lengths; vectors must come from one model")
                rows.append(int(match[1]))
                vectors[done - 1] = np.asarray(stored, dtype=np.float32).reshape(-1)
                if done % EVERY == 0 or done == len(images):
                    progress(done, len(images), path.name)
    except (BadInput, MemoryError):
        raise
    except Exception as error:  # on a damaged file h5py and HDF5 may raise anything
        raise BadInput(f"{path} cannot be read as HDF5: {first_line(error)}; copy it again") from None
    if not rows:
        raise BadInput(f"{path} has no vector in its group `images`; write one dataset for each image")
    if max(rows) >= len(table):
        raise BadInput(
            f"{path} has a vector for row {max(rows)}, but its table has only {len(table)} rows; give the right table"
        )
    return External(vectors, table.iloc[rows], len(table) - len(set(rows)))


def _check_dataset(stored, path: Path, name: str) -> None:
    """BadInput if a dataset of an HDF5 file is no vector, or could fill the memory when it is unpacked."""
    import h5py

    if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "iuf" or stored.shape is None:
        raise BadInput(f"{path}: {name} is no vector of numbers")
    if stored.size > FEATURES:
        raise BadInput(f"{path}: {name} has shape {stored.shape}; a vector has at most {FEATURES:,} features")
    if stored.chunks is None:
        return
    unpacked = int(np.prod(stored.chunks, dtype=np.float64)) * stored.dtype.itemsize
    found = (stored.id.get_chunk_info(place).size for place in range(stored.id.get_num_chunks()))
    if unpacked > CHUNK_BYTES or (stored.compression and max(found, default=0) > PACKED_CHUNK_BYTES):
        raise BadInput(f"{path}: {name} is stored in too large chunks; write it without chunks or compression")


def read_npy(path: Path, keys: Path | None, progress: Callable, features: str = "") -> External:
    """Vectors of a NumPy file, see `read_hdf5`."""
    try:
        vectors = np.load(path, allow_pickle=False, mmap_mode="r")  # maps no more than the file has
    except Exception as error:  # on a damaged header NumPy may raise anything, also errors of Python's own parser
        raise BadInput(f"{path} cannot be read as an array: {first_line(error)}") from None
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind not in "iuf":
        raise BadInput(f"{path} is no array of numbers; write the vectors with numpy.save")
    must_fit(4 * vectors.size, path)
    table = read_keys(keys or beside(path))
    if vectors.ndim != 2 or len(vectors) != len(table):
        raise BadInput(f"{path} has shape {vectors.shape}, but its table has {len(table)} rows; give the right table")
    with np.errstate(over="ignore"):  # too large a number is not finite, and its row is left out
        return External(np.asarray(vectors, np.float32), table)


def read_parquet(path: Path, keys: Path | None, progress: Callable, features: str = "") -> External:
    """Vectors of a Parquet file, in one column of lists or a column for each number; see `read_hdf5`.

    features : which columns: the name that they share, or names with commas between them; '' = see `feature_columns`.
    """
    try:
        with pa.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            lists = [field.name for field in schema if _is_list(field.type)]
            numbers = [f.name for f in schema if _is_number(f.type) and f.name not in NOT_FEATURES]
            if features in lists:
                lists = [features]
            taken = [] if lists and not features else feature_columns([*lists, *numbers], features, path)
            lists = [name for name in lists if name in taken] if features else lists
            if len(lists) > 1:
                raise BadInput(
                    f"{path} has several columns of lists ({', '.join(lists)}); name one: --features {lists[0]}"
                )
            frame = read_keys(keys) if keys else _parquet_keys(file, path)
            n = file.metadata.num_rows
            if len(frame) != n:
                raise BadInput(f"{path} has {n} rows, but its table has {len(frame)}; give the right table")
            vectors = _lists(file, lists[0], path) if lists else _columns(file, taken, path)
    except (BadInput, MemoryError):
        raise
    except Exception as error:  # on a damaged file pyarrow may raise anything
        raise BadInput(f"{path} cannot be read as Parquet: {first_line(error)}; copy it again") from None
    taken = lists or taken
    return External(vectors, frame, taken=tuple(taken), left=tuple(name for name in numbers if name not in taken))


def feature_columns(names: list[str], wanted: str, path: Path) -> list[str]:
    """Which of the numeric columns of a table are features, in order of their numbers. BadInput if it is not clear.

    wanted : the name that they share, or names with commas between them; '' = the only group of two or more columns
    that share a name and are numbered.
    """
    if not names:
        raise BadInput(f"{path} has neither a column of lists nor numeric columns besides its keys")
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if match := re.fullmatch(r"(.*?)(\d{1,9})", name, re.ASCII | re.DOTALL):
            groups.setdefault(match[1], []).append((int(match[2]), name))
    known = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    if wanted:
        own = [name.strip() for name in wanted.split(",")]
        found = own if set(own) <= set(names) else [name for _, name in sorted(groups.get(wanted, []))]
        if not found:
            raise BadInput(f"{path} has no columns {wanted!r}; its numeric columns are {known}")
        return found
    several = {shared: own for shared, own in groups.items() if len(own) > 1}
    if len(several) != 1:
        what = f"several groups of numbered columns ({', '.join(several)})" if several else "no numbered columns"
        raise BadInput(
            f"{path} has {what}, so it is not clear which are features; its numeric columns are {known}; name them: "
            "--features, with the name that they share or with commas between them"
        )
    return [name for _, name in sorted(next(iter(several.values())))]


def _parquet_keys(file: pa.parquet.ParquetFile, path: Path) -> pd.DataFrame:
    """The key columns of a Parquet file. BadInput if it says that it has more rows than can be held, or has no keys."""
    own = [name for name in KEYS if name in file.schema_arrow.names]
    must_fit(8 * len(own) * file.metadata.num_rows, path)
    return _checked(file.read(columns=own).to_pandas(), path)


def _columns(file: pa.parquet.ParquetFile, names: list[str], path: Path) -> np.ndarray:
    """Vectors from one numeric column per feature, (n, dim) float32, read a block of rows at a time."""
    n = file.metadata.num_rows
    must_fit(4 * n * len(names), path)
    vectors, at = np.empty((n, len(names)), np.float32), 0
    for batch in file.iter_batches(max(1, BLOCK_VALUES // len(names)), columns=names):
        for place, name in enumerate(names):
            vectors[at : at + len(batch), place] = batch.column(name).to_numpy(zero_copy_only=False)
        at += len(batch)
    return vectors


def _lists(file: pa.parquet.ParquetFile, name: str, path: Path) -> np.ndarray:
    """Vectors from one column of lists, (n, dim) float32, read a block of rows at a time."""
    n, total = file.metadata.num_rows, _n_values(file, name)
    must_fit(4 * total, path)
    if total > FEATURES * n:
        raise BadInput(
            f"{path}: {name} has {total // n:,} numbers in a row; a vector has at most {FEATURES:,} features"
        )
    vectors, at = np.empty((n, 0), np.float32), 0
    for batch in file.iter_batches(max(1, BLOCK_VALUES // max(1, total // max(1, n))), columns=[name]):
        column = batch.column(0)
        lengths = np.asarray(pa.compute.list_value_length(column).fill_null(0))
        if not at:
            vectors = np.empty((n, int(lengths[0])), np.float32)
        if (lengths != vectors.shape[1]).any():
            raise BadInput(f"{path}: {name} has vectors of different lengths; vectors must come from one model")
        values = column.flatten().to_numpy(zero_copy_only=False)
        vectors[at : at + len(batch)] = values.reshape(len(batch), -1)
        at += len(batch)
    return vectors


def _n_values(file: pa.parquet.ParquetFile, name: str) -> int:
    """How many numbers a column of lists has, as the file says."""
    found, total = file.metadata, 0
    for group in range(found.num_row_groups):
        parts = [found.row_group(group).column(place) for place in range(found.num_columns)]
        total += sum(part.num_values for part in parts if part.path_in_schema.split(".")[0] == name)
    return total


def first_line(error: Exception) -> str:
    """What an error says, in one line of at most 200 characters."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _is_list(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return lists and _is_number(kind.value_type)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


# ending -> function (path, table of keys or None, progress) -> External
READERS: dict[str, Callable[..., External]] = {
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".npy": read_npy,
    ".parquet": read_parquet,
}


def beside(path: Path) -> Path:
    """The table of keys beside a file of vectors. BadInput if there is none."""
    for ending in (".keys.parquet", ".keys.csv", ".parquet", ".csv"):
        if (candidate := path.with_name(path.stem + ending)).is_file():
            return candidate
    tables = sorted(path.parent.glob("*.csv"))
    if len(tables) == 1:
        return tables[0]
    found = f"there are {len(tables)} CSV files" if tables else "there is none"
    raise BadInput(f"{path} needs a table that says which image each row is; {found} beside it; write {path.stem}.csv")


def read_keys(path: Path) -> pd.DataFrame:
    """The key columns of a CSV or Parquet table, with rows in file order. BadInput if it has no keys."""
    try:
        if path.suffix == ".parquet":
            with pa.parquet.ParquetFile(path) as file:
                return _parquet_keys(file, path)
        with open_text(path, newline="") as handle:
            first = handle.readline()
        separator = next((one for one in "\t;" if one in first and "," not in first), ",")
        with open_text(path, newline="") as handle:
            frame = pd.read_csv(handle, low_memory=False, sep=separator, usecols=lambda name: name in KEYS)
    except (BadInput, MemoryError):
        raise
    except Exception as error:  # on a damaged table pandas and pyarrow may raise anything
        raise BadInput(f"{path} cannot be read as a table: {first_line(error)}") from None
    return _checked(frame, path)


def _checked(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    names = set(frame.columns)
    if "image_id" not in names and not ("expnum" in names and names & {"ccdname", "ccdnum"}):
        raise BadInput(f"{path} does not say which image a row is; it needs image_id, or expnum and ccdname or ccdnum")
    return frame[[name for name in KEYS if name in names]].reset_index(drop=True)
