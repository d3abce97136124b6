"""Which votes were cast on which processing of an exposure."""

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.decisions import ADJUDICATION_COLUMNS


def by_version(catalog: Catalog, votes: pd.DataFrame, decisions: pd.DataFrame | None = None) -> tuple:
    """((fresh, old) votes, (fresh, old) decisions) of the run's cameras; a column in_run is added.

    Fresh are those on the run's pipeline version (or none known); old, of exposures that have neither such votes nor
    such a decision, those on another.
    """
    none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in ADJUDICATION_COLUMNS.items()})
    exposures = catalog.exposures()[["camera", "expnum", "plver"]].rename(columns={"plver": "plver_now"})
    cameras = {catalog.camera, *exposures.camera}
    parts, judged = [], set()
    for given in (votes, none if decisions is None else decisions):
        rows = given[given.camera.isin(cameras)].merge(exposures, on=["camera", "expnum"], how="left")
        rows["in_run"] = rows.plver_now.notna()
        stale = rows.in_run & (rows.plver != "") & (rows.plver_now != "") & (rows.plver != rows.plver_now)
        parts.append((rows[~stale], rows[stale]))
        judged.update(zip(rows.camera[~stale], rows.expnum[~stale], strict=True))
    return tuple((fresh, old[~_among(old, judged)]) for fresh, old in parts)


def _among(rows: pd.DataFrame, keys: set) -> np.ndarray:
    return np.array([key in keys for key in zip(rows.camera, rows.expnum, strict=True)], dtype=bool)
