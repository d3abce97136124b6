"""A run as the training set reads it, with only the rows of exposures that have a vote, label or decision.

To read all CCDs and predictions of a survey for every vote would take longer than everything else. So the rows are kept
in memory, and only those of newly labelled exposures are read.
"""

from collections.abc import Sequence

import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage


class LabelledRows:
    """A stand-in for a Catalog, for `read_training_set`. It reads only the needed rows of `ccds` and predictions."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        self._version, self._rows = None, {}
        self._wanted = pd.Index([], dtype="int64")

    def __getattr__(self, name: str):
        return getattr(self.catalog, name)

    def follow(self, store) -> None:
        """Note which exposures are labelled now. Forget all rows if the tables or the prediction have changed."""
        columns = [frame.expnum for frame in (store.votes(), store.labels(), store.adjudications()) if len(frame)]
        self._wanted = pd.Index(
            pd.concat(columns).astype("int64").unique() if columns else [], dtype="int64"
        ).sort_values()
        version = (self.catalog.tables_version(), self.catalog.info["current"].get("prediction"))
        if version != self._version:
            self._version, self._rows = version, {}

    def ccds_of(self, expnums, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """See `Catalog.ccds_of`; only of labelled exposures."""
        rows = self._of("ccds", self.catalog.ccds_of)
        rows = rows[rows.expnum.isin(expnums)]
        return rows if columns is None else rows[list(columns)]

    def stage(self, kind: str, stage_id: str | None = None, fresh: bool = True):
        """See `Catalog.stage`; the current prediction gives only rows of labelled exposures."""
        stage = self.catalog.stage(kind, stage_id, fresh=fresh)
        return _Predicted(self, stage) if kind == "prediction" and stage_id is None else stage

    def _of(self, name: str, read) -> pd.DataFrame:
        """Rows of the wanted exposures, sorted by image_id. read : function expnums -> rows."""
        known, rows = self._rows.get(name, (pd.Index([], dtype="int64"), None))
        missing = self._wanted.difference(known)
        if rows is None or len(missing):
            more = read(missing.to_numpy())
            rows = more if rows is None else pd.concat([rows, more], ignore_index=True)
            rows = rows.sort_values("image_id", kind="stable", ignore_index=True)
            self._rows[name] = (known.union(missing), rows)
        return rows[rows.expnum.isin(self._wanted)].reset_index(drop=True)


class _Predicted:
    """A stand-in for a prediction stage, which reads each row once, without neighbours."""

    def __init__(self, rows: LabelledRows, stage: Stage):
        self._kept, self._stage = rows, stage

    def __getattr__(self, name: str):
        return getattr(self._stage, name)

    def rows_of(self, expnums, columns: Sequence[str]) -> pd.DataFrame:
        own = [name for name in self._stage.columns() if not name.startswith("neighbour_")]
        rows = self._kept._of("prediction", lambda some: self._stage.rows_of(some, own))
        return rows.loc[rows.expnum.isin(expnums), list(columns)]
