"""A prediction read a part at a time: some columns, some thousand images, always whole exposures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.vectors.rows import among

BLOCK = 65_536  # images read at once


@dataclass(frozen=True)
class Parts:
    """columns : names of the table's columns. read : function (columns, image_ids) -> frames.

    With image_ids (m,) int64, rising, it gives their rows only, else frames of whole exposures.
    """

    columns: tuple[str, ...]
    read: Callable[[Sequence[str], np.ndarray | None], Iterator[pd.DataFrame]]

    def blocks(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Yield whole exposures, block by block in the order of the table, with those of the columns that it has."""
        return self.read([name for name in columns if name in self.columns], None)

    def rows(self, image_ids: np.ndarray, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Yield the rows of some images, block by block. image_ids : (m,) int64, rising."""
        return self.read([name for name in columns if name in self.columns], image_ids)


def parts_of(prediction: "Parts | pd.DataFrame | Stage | Path") -> Parts:
    """The parts of a prediction: of a table in memory (one part), of a stage, or of a Parquet file.

    The rows of an exposure must follow each other. CatalogError where a file cannot be read.
    """
    if isinstance(prediction, Parts):
        return prediction
    if isinstance(prediction, Stage):
        stage = prediction
        return _parts_of(stage.columns(), lambda columns: stage.batches(BLOCK, columns))
    if isinstance(prediction, Path):
        return _parts_of_file(prediction)
    return Parts(tuple(prediction), lambda columns, image_ids: _of_frame(prediction, columns, image_ids))


def _parts_of_file(path: Path) -> Parts:
    with reading(path):
        names = pq.read_schema(path).names

    def batches(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with reading(path), pq.ParquetFile(path) as file:
            yield from file.iter_batches(BLOCK, columns=list(columns))

    return _parts_of(names, batches)


def _parts_of(names: Sequence[str], batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]) -> Parts:
    return Parts(tuple(names), lambda columns, image_ids: _of_batches(batches, columns, image_ids))


def _of_frame(frame: pd.DataFrame, columns: Sequence[str], image_ids: np.ndarray | None) -> Iterator[pd.DataFrame]:
    own = frame if image_ids is None else frame[among(frame.image_id.to_numpy(), image_ids)]
    yield own[list(columns)]


def _of_batches(
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]], columns: Sequence[str], image_ids: np.ndarray | None
) -> Iterator[pd.DataFrame]:
    key = "expnum" if image_ids is None else "image_id"
    left: list[pa.RecordBatch] = []
    for batch in batches(list(dict.fromkeys([*columns, key]))):
        keys = batch.column(key).to_numpy()
        if image_ids is not None:
            if (hit := among(keys, image_ids)).any():
                yield _frame([batch.filter(pa.array(hit))], columns)
            continue
        others = np.flatnonzero(keys != keys[-1])
        whole = int(others[-1]) + 1 if len(others) else 0  # the last exposure may go on in the next batch
        if whole or (left and left[-1].column(key)[-1].as_py() != keys[0]):
            yield _frame([*left, batch.slice(0, whole)], columns)
            left = []
        left.append(batch.slice(whole))
    if left:
        yield _frame(left, columns)


def _frame(batches: list[pa.RecordBatch], columns: Sequence[str]) -> pd.DataFrame:
    return pa.Table.from_batches(batches).select(list(columns)).to_pandas()
