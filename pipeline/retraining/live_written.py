"""Reads and writes what the votes since the last training change. Reading is quick, because nothing is computed."""

import json
import time
from dataclasses import dataclass

import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_aside, write_json
from triptych.pipeline.errors import TriptychError

COLUMNS = {
    "expnum": "int64",
    "n_ccds": "int64",
    "n_bad_before": "int64",
    "n_bad_after": "int64",
    "reason_before": "object",
    "reason_after": "object",
    "bad_probability_before": "float64",
    "bad_probability_after": "float64",
    "causes": "object",
    "image_ids": "object",
}
KEPT = 3
LABEL_COLUMNS = (
    "image_id",
    "expnum",
    "ccdname",
    "what",
    "reasons_before",
    "reasons_after",
    "basis",
    "provenance",
)


@dataclass(frozen=True)
class LiveChanges:
    """What changed since the last training.

    table : COLUMNS, one row per exposure with a CCD whose answer from its neighbours changed, those that moved most
    first. n_ccds : number of changed CCDs. n_bad : number of all its CCDs that are called bad. reason : the commonest
    among those, "good" if there are none. bad_probability : share of neighbours that do not call a CCD good, averaged
    over its CCDs. causes : image_ids of labels that are new, gone or different, among the neighbours of its changed
    CCDs; without any of these, labels with a new weight. image_ids : of its changed CCDs.
    labels : LABEL_COLUMNS, one row per cause. what : new, gone or changed (reasons or weight). Reasons are separated by
    commas.
    info : revision of the store, model, prediction, learners (whether the model has any), neighbours, seconds, made
    (whether the state had to be made again), images, exposures (numbers of changed ones), added, removed, relabelled,
    reweighted (training images, compared with the model's), error.
    """

    table: pd.DataFrame
    labels: pd.DataFrame
    info: dict


def failed(catalog: Catalog, store, error: TriptychError) -> None:
    """Write down why the changes cannot be computed. The earlier table stays."""
    catalog.live_folder.mkdir(exist_ok=True)
    known = written(catalog)
    before = known.info if known else {}
    info = {**before, "revision": int(store.revision()), "error": str(error)}
    write_json(catalog.live_folder / "changes.json", info)


def written(catalog: Catalog) -> LiveChanges | None:
    """What was written last; None if there is nothing or it cannot be read."""
    try:
        info = json.loads((catalog.live_folder / "changes.json").read_text())
        if not info.get("table"):
            return LiveChanges(no_changes(), pd.DataFrame(columns=list(LABEL_COLUMNS)), info)
        changes, labels = (catalog.live_folder / f"{name}-{info['table']}.parquet" for name in ("changes", "labels"))
        return LiveChanges(pd.read_parquet(changes), pd.read_parquet(labels), info)
    except (OSError, ValueError):
        return None


def write(catalog: Catalog, found: LiveChanges) -> None:
    """Write the tables under new names, then the file that names them, so that a reader gets tables that match."""
    folder = catalog.live_folder
    found.info["table"] = f"{found.info['revision']}-{time.time_ns()}"
    for name, table in (("changes", found.table), ("labels", found.labels)):
        path = folder / f"{name}-{found.info['table']}.parquet"
        write_aside(path, lambda aside, own=table: own.to_parquet(aside, index=False))
    write_json(folder / "changes.json", found.info)
    for name in ("changes", "labels"):
        older = sorted(folder.glob(f"{name}-*.parquet"), key=lambda one: one.stat().st_mtime_ns)
        for one in older[:-KEPT]:  # keep a few, because somebody may be about to read an older name
            one.unlink(missing_ok=True)


def no_changes() -> pd.DataFrame:
    """A table of changes without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
