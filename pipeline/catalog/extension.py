"""Stages that hold only what came after another stage of their kind, their base.

A survey grows by some exposures a pass. Writing millions of unchanged rows again would cost more than all else. So a
stage may extend a base: its own files hold the rows of the new and changed exposures, and whoever reads it gets the
base's rows and its own as one table or array, in the order of `image_id`. An own exposure replaces that of the base,
whole. A base extends nothing itself. When a stage has outgrown its base, the next one is written whole, and becomes
the base of those that follow. `stage.json` says `extends`: the base's `stage_id` and `digest`, which `files` are
joined, how many own `rows` there are, and whether they all come `after` those of the base.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.pipeline.catalog import joined
from triptych.pipeline.catalog.stage import Stage, StageWriter, read_array
from triptych.pipeline.catalog.tables import ROW_GROUP, write_batches
from triptych.pipeline.image_ids import expnum_of

# A stage of fewer rows is always written whole: that is quick, and others can read its files as they are.
LEAST = 200_000
# Own rows may be so many of the base's. With 2 in 100, writing whole again costs each new exposure as much as 50 do.
SHARE = 0.02
SAME = ["expnum", "n_images", "content", "camera"]


def changed_exposures(before: Stage, after: Stage | pd.DataFrame) -> tuple[np.ndarray, np.ndarray] | None:
    """Exposures in which two embeddings of one backbone differ: the new or changed ones, and those that are gone.

    after : an embedding stage, or what its table `inputs` will be. Returns two rising arrays of expnums, int64; None
    if that cannot be known, because vectors were computed elsewhere or by different backbones.
    """
    if not before.parameters.get("digest") or not before.has_table("inputs"):
        return None
    if isinstance(after, Stage):
        if before.parameters["digest"] != after.parameters.get("digest") or not after.has_table("inputs"):
            return None
        inputs = after.table("inputs")
    else:
        inputs = after
    earlier = before.table("inputs")
    both = inputs[SAME].merge(earlier[SAME], on="expnum", how="left", suffixes=("", "_before"))
    same = np.logical_and.reduce([both[name] == both[f"{name}_before"] for name in SAME[1:]])
    gone = earlier.expnum[~earlier.expnum.isin(inputs.expnum)]
    return np.sort(both.expnum[~same].to_numpy(np.int64)), np.sort(gone.to_numpy(np.int64))


def differing(one: Stage, other: Stage, name: str = "table") -> np.ndarray | None:
    """Exposures whose rows of a table may differ between two stages, rising int64; None if they share no base."""
    base = one.base or one
    if (other.base or other).stage_id != base.stage_id:
        return None
    own = [joined.ids_of_file(stage.path / f"{name}.parquet") for stage in (one, other) if stage.base]
    return np.array(sorted(set(expnum_of(np.concatenate(own)).tolist())), np.int64) if own else np.empty(0, np.int64)


@dataclass(frozen=True)
class Following:
    """How a stage follows an earlier one of its kind, in which some exposures were changed or not there.

    previous : the earlier stage. changed : expnums, (n,) int64. whole : whether all rows are written, or only those
    that the base lacks.
    """

    previous: Stage
    changed: np.ndarray
    whole: bool

    @classmethod
    def of(cls, previous: Stage, changed: np.ndarray, n_rows: int) -> "Following":
        """n_rows : how many rows the changed exposures will have."""
        base = previous.base or previous
        n_own = n_rows + (previous.info["extends"]["rows"] if previous.base else 0)
        return cls(previous, changed, base.info["rows"] < LEAST or n_own > SHARE * base.info["rows"])

    @property
    def base(self) -> Stage:
        """The stage whose rows are read together with the own ones."""
        return self.previous.base or self.previous

    def write_table(self, writer: StageWriter, rows: pd.DataFrame | pa.Table, name: str = "table") -> None:
        """Write a table.

        rows : those of the changed exposures, with `image_id` and all columns of the earlier table.
        """
        path = self.base.path / f"{name}.parquet"
        with joined.reading(path):
            schema = pq.read_schema(path)
        if isinstance(rows, pd.DataFrame):
            rows = pa.Table.from_pandas(rows, preserve_index=False)
        rows = rows.select(schema.names).cast(schema)
        if self.previous.base:
            before = joined.read(self.previous.path / f"{name}.parquet").select(schema.names).cast(schema)
            rows = pa.concat_tables([before.filter(pa.array(self._stays(before.column(joined.KEY)))), rows])
        rows = rows.sort_by(joined.KEY)
        after = joined.own_come_after(path, rows.column(joined.KEY).to_numpy())
        target = writer.folder / f"{name}.parquet"
        if self.whole:
            batches = joined.joined_batches(path, rows, after, ROW_GROUP, schema.names)
            writer.note_rows(write_batches(target, schema, batches), name)
            return
        pq.write_table(rows, target)
        n_rows = sum(span.stop - span.start for span in joined.spans_of_files(path, rows, after))
        writer.note_rows(n_rows, name)
        self._note(writer, name, len(rows), after)

    def write_array(self, writer: StageWriter, values: np.ndarray, keys: pd.DataFrame, name: str = "vectors") -> None:
        """Write an array whose rows are those of the table `keys`.

        values : (m, ...) of the changed exposures, in the order of keys. keys : their rows of that table.
        """
        ids, base_keys = keys[joined.KEY].to_numpy(), self.base.path / "keys.parquet"
        base = self.base.array(name)
        values = np.asarray(values, base.dtype)
        if self.previous.base:
            before = joined.ids_of_file(self.previous.path / "keys.parquet")
            stays = self._stays(before)
            own = read_array(self.previous.path / f"{name}.npy")
            ids, values = np.r_[before[stays], ids], np.concatenate([own[stays], values])
        order = np.argsort(ids, kind="stable")
        ids, values = ids[order], values[order]
        after = joined.own_come_after(base_keys, ids)
        target = writer.folder / f"{name}.npy"
        if not self.whole:
            np.save(target, values, allow_pickle=False)
            self._note(writer, name, len(values), after)
            return
        spans = joined.spans_of_files(base_keys, pa.table({joined.KEY: ids}), after)
        rows = joined.JoinedRows(base, values, spans)
        written = np.lib.format.open_memmap(target, "w+", rows.dtype, rows.shape)
        for start in range(0, len(rows), ROW_GROUP):
            written[start : start + ROW_GROUP] = rows[start : start + ROW_GROUP]
        written.flush()
        writer.note_rows(len(rows), name)

    def _stays(self, image_ids) -> np.ndarray:
        """(n,) bool: which own rows of the earlier stage are not among the changed exposures."""
        return ~np.isin(expnum_of(np.asarray(image_ids)), self.changed)

    def _note(self, writer: StageWriter, name: str, n_rows: int, after: bool) -> None:
        files = [*(writer.extends["files"] if writer.extends else []), name]
        writer.extends = {
            "stage_id": self.base.stage_id,
            "digest": self.base.digest,
            "files": sorted(files),
            "rows": n_rows,
            "after": after,
        }
