"""Rows of a stage's table that are asked for again and again, some exposures at a time, each read once per process."""

import threading
from collections.abc import Sequence

import numpy as np
import pandas as pd
from cachetools import LRUCache, cached

from triptych.pipeline.catalog.stage import Stage

TABLES_KEPT = 6


class KeptRows:
    """Some columns of a stage's table, for the exposures that were asked for. Stages never change. Thread-safe."""

    def __init__(self, stage: Stage, columns: Sequence[str]):
        self._stage, self._columns = stage, list(columns)
        self._lock = threading.Lock()
        self._known: pd.Index = pd.Index([], dtype="int64")
        self._rows = stage.rows_of([], columns)

    def of(self, expnums) -> pd.DataFrame:
        """The rows of these exposures, in the order of the table. Only those not yet known are read."""
        wanted = pd.Index(np.asarray(expnums, np.int64))
        with self._lock:
            missing = wanted.difference(self._known)
            if len(missing):
                more = self._stage.rows_of(missing, self._columns)
                rows = pd.concat([self._rows, more]) if len(self._rows) else more
                self._rows = rows.sort_values("image_id", kind="stable", ignore_index=True)
                self._known = self._known.union(missing)
            rows = self._rows
        return rows[rows.expnum.isin(wanted)].reset_index(drop=True)


@cached(
    LRUCache(TABLES_KEPT), key=lambda stage, columns: (stage.path, stage.digest, tuple(columns)), lock=threading.Lock()
)
def kept_rows(stage: Stage, columns: Sequence[str]) -> KeptRows:
    """The KeptRows of a stage, shared by all who ask for the same columns; these hold `image_id` and `expnum`."""
    return KeptRows(stage, columns)
