"""The run's tables as Parquet files: written a row group at a time, and changed without being held in memory.

Whatever led to a table, the same rows give the same bytes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.pipeline.catalog import joined
from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.catalog.files import write_aside

ROW_GROUP = 65_536


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """Replace a table in one step. The frame's index is not written."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    write_aside(path, lambda aside: write_batches(aside, table.schema, table.to_batches(ROW_GROUP)))


def replace_exposures(path: Path, changed: Iterable[int], rows: pd.DataFrame) -> bool:
    """Replace the rows of some exposures in a table with `image_id`, which is sorted by it, in one step.

    changed : expnums; those without `rows` are dropped. rows : theirs, with all columns of the table, in any order.
    The others are copied a row group at a time. False, and nothing is done, if the file is not there or its columns
    are of other types.
    """
    if not path.exists():
        return False
    with reading(path):
        schema = pq.read_schema(path)
    own = pa.Table.from_pandas(rows, schema=None, preserve_index=False).sort_by(joined.KEY)
    if not own.schema.equals(schema, check_metadata=False):
        return False
    own = own.cast(schema)
    gone = np.array(sorted(changed), np.int64)
    after = joined.own_come_after(path, np.r_[joined.first_id(gone), own.column(joined.KEY).to_numpy()])
    batches = joined.joined_batches(path, own, after, ROW_GROUP, schema.names, gone)
    write_aside(path, lambda aside: write_batches(aside, schema, batches))
    return True


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches as row groups of ROW_GROUP rows, wherever the batches end. Return the number of rows."""
    n_rows = 0
    with pq.ParquetWriter(path, schema) as writer:
        for group in _groups(batches):
            writer.write_table(group, row_group_size=ROW_GROUP)
            n_rows += len(group)
        if not n_rows:
            writer.write_table(schema.empty_table())
    return n_rows


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of ROW_GROUP rows each, the last of fewer, each in one piece."""
    waiting: list[pa.RecordBatch] = []
    n_waiting = 0
    for batch in batches:
        while n_waiting + len(batch) >= ROW_GROUP:
            taken = ROW_GROUP - n_waiting
            yield pa.Table.from_batches([*waiting, batch.slice(0, taken)]).combine_chunks()
            waiting, n_waiting, batch = [], 0, batch.slice(taken)
        if len(batch):
            waiting.append(batch)
            n_waiting += len(batch)
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()
