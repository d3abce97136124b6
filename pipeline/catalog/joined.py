"""Two files read as one: the rows of a stage's base, and its own rows, which replace those of the same exposures.

Both are sorted by `image_id`, and so is what comes out. Own exposures mostly come after all of the base's, so the two
are mostly read one after the other. Spans say which rows come in which order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.image_ids import expnum_of, image_id_of

KEY = "image_id"
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Span:
    """Rows that follow each other: those from `start` to before `stop` of the own file, or of the base's."""

    own: bool
    start: int
    stop: int


def spans_of(base_ids: np.ndarray, own_ids: np.ndarray, gone: np.ndarray = NONE) -> list[Span]:
    """In which order rows of two files are read.

    base_ids, own_ids : (n,), (m,) int64, image_ids, rising. gone : expnums whose rows in the base are left out.
    """
    found: list[Span] = []

    def add(own: bool, start: int, stop: int) -> None:
        if start == stop:
            return
        if found and found[-1].own == own and found[-1].stop == start:
            found[-1] = Span(own, found[-1].start, stop)
        else:
            found.append(Span(own, start, stop))

    expnums = np.array(sorted({*expnum_of(own_ids).tolist(), *gone.tolist()}), np.int64)
    starts, stops = first_id(expnums), first_id(expnums + 1)
    places = (np.searchsorted(ids, ends).tolist() for ids in (base_ids, own_ids) for ends in (starts, stops))
    done = 0
    for replaced_from, replaced_to, start, stop in zip(*places, strict=True):
        add(False, done, replaced_from)
        add(True, start, stop)
        done = replaced_to
    add(False, done, len(base_ids))
    return found


def first_id(expnums: np.ndarray) -> np.ndarray:
    """The lowest image_id that each exposure may have."""
    return image_id_of(expnums, 0)


class JoinedRows:
    """Rows of two arrays as one, read where they are. It is sliced and indexed by rows as a memory-mapped array is.

    files : the base's array (n, ...) and the own one (m, ...), of the same dtype.
    """

    def __init__(self, base: np.ndarray, own: np.ndarray, spans: Sequence[Span]):
        self.files = (base, own)
        self._own = np.array([span.own for span in spans], bool)
        self._from = np.array([span.start for span in spans], np.int64)
        lengths = np.array([span.stop - span.start for span in spans], np.int64)
        self._first = np.r_[0, lengths.cumsum()]  # row of each span's start, and the number of rows
        self.dtype, self.ndim = base.dtype, base.ndim
        self.shape = (int(self._first[-1]), *base.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, tuple):
            return self[key[0]][(slice(None), *key[1:])]
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._slice(start, max(start, stop))
            key = np.arange(start, stop, step)
        rows = np.asarray(key)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return self._rows(rows.reshape(-1)).reshape(*rows.shape, *self.shape[1:])

    def _slice(self, start: int, stop: int) -> np.ndarray:
        first = np.searchsorted(self._first, start, side="right") - 1
        last = np.searchsorted(self._first, stop, side="left")
        pieces = []
        for span in range(max(int(first), 0), int(last)):
            shift = self._from[span] - self._first[span]
            source = self.files[int(self._own[span])]
            pieces.append(source[max(start, self._first[span]) + shift : min(stop, self._first[span + 1]) + shift])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces) if pieces else self.files[0][:0]

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise IndexError(f"row {rows.max()} of an array of {len(self)}")
        rows = np.where(rows < 0, rows + len(self), rows)
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        span = np.searchsorted(self._first, rows, side="right") - 1
        places, own = rows - self._first[span] + self._from[span], self._own[span]
        for source, wanted in zip(self.files, (~own, own), strict=True):
            if wanted.any():
                found[wanted] = source[places[wanted]]
        return found


def own_come_after(base: Path, own_ids: np.ndarray) -> bool:
    """Whether all own image_ids (m,) are larger than the base's, so that nothing need be interleaved."""
    with reading(base):
        metadata = pq.read_metadata(base)
    place = metadata.schema.names.index(KEY)
    last = metadata.row_group(metadata.num_row_groups - 1).column(place).statistics if metadata.num_rows else None
    if last is None or not last.has_min_max:
        return not metadata.num_rows
    return not len(own_ids) or int(own_ids.min()) > last.max


def spans_of_files(base: Path, own: "pa.Table | Path", after: bool, gone: np.ndarray = NONE) -> list[Span]:
    """The spans of a base's Parquet file and own rows, both with `image_id`.

    after : whether all own rows, and those that are `gone`, come after all of the base's; then no image_id is read.
    """
    if after:
        n_own = n_rows_of(own) if isinstance(own, Path) else len(own)
        return [Span(False, 0, n_rows_of(base)), Span(True, 0, n_own)]
    own_ids = ids_of_file(own) if isinstance(own, Path) else own.column(KEY).to_numpy()
    return spans_of(ids_of_file(base), own_ids, gone)


def n_rows_of(path: Path) -> int:
    """The number of rows of a Parquet file."""
    with reading(path):
        return pq.read_metadata(path).num_rows


def ids_of_file(path: Path) -> np.ndarray:
    """The image_ids of a Parquet file, (n,) int64."""
    return read(path, [KEY]).column(KEY).to_numpy()


def read(path: Path, columns: Sequence[str] | None = None, dictionaries: Sequence[str] = ()) -> pa.Table:
    """A Parquet file as it is. columns : only these, None = all. dictionaries : texts to be read as categories."""
    with reading(path):
        return pq.read_table(
            path, columns=None if columns is None else list(columns), read_dictionary=list(dictionaries)
        )


def joined_table(
    base: Path, own: Path, after: bool, columns: Sequence[str] | None = None, dictionaries: Sequence[str] = ()
) -> pa.Table:
    """Both files' rows as one table. columns, dictionaries : see `read`."""
    tables = [read(path, columns, dictionaries) for path in (base, own)]
    tables[1] = tables[1].select(tables[0].column_names).cast(tables[0].schema)
    spans = spans_of_files(base, own, after)
    found = pa.concat_tables([tables[span.own].slice(span.start, span.stop - span.start) for span in spans])
    return found.unify_dictionaries() if dictionaries else found


def joined_rows_of(base: Path, own: Path, expnums: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of both files that belong to `expnums`, (n,) int64. Other rows are not read."""
    replaced = np.isin(expnums, pc.unique(read(own, ["expnum"]).column("expnum")).to_numpy())
    names = None if columns is None else list(dict.fromkeys([*columns, "expnum"]))
    found = []
    for path, wanted in ((base, expnums[~replaced]), (own, expnums[replaced])):
        asked = pc.field("expnum").isin(pa.array(wanted, pa.int64()))
        with reading(path):
            found.append(pq.read_table(path, columns=names, filters=asked))
    found[1] = found[1].select(found[0].column_names).cast(found[0].schema)
    both = pa.concat_tables(found)
    if len(found[0]) and len(found[1]):  # stable, so the rows of an exposure stay in their order
        both = both.take(pa.array(np.argsort(both.column("expnum").to_numpy(), kind="stable")))
    return both if columns is None else both.select(list(columns))


def joined_batches(
    base: Path, own: pa.Table | Path, after: bool, size: int, columns: Sequence[str], gone: np.ndarray = NONE
) -> Iterator[pa.RecordBatch]:
    """Both files' rows in order, at most `size` at once. own : its file, or its rows. gone : expnums to leave out."""
    spans = spans_of_files(base, own, after, gone)
    mine = read(own, columns) if isinstance(own, Path) else own
    with reading(base), pq.ParquetFile(base) as file:
        batches, batch, first = file.iter_batches(size, columns=list(columns)), None, 0
        schema = pa.schema([file.schema_arrow.field(name) for name in columns])
        for span in spans:
            if span.own:
                rows = mine.slice(span.start, span.stop - span.start).select(list(columns)).cast(schema)
                yield from rows.to_batches(max_chunksize=size)
                continue
            at = span.start
            while at < span.stop:
                while batch is None or at >= first + len(batch):
                    first += 0 if batch is None else len(batch)
                    batch = next(batches)
                stop = min(span.stop, first + len(batch))
                yield batch.select(list(columns)).slice(at - first, stop - at)
                at = stop
