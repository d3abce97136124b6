"""Divides votes and decisions by the pipeline version of the exposure that they are about."""

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.decisions import ADJUDICATION_COLUMNS
from triptych.pipeline.votes.sorted_votes import values_of


def by_version(catalog: Catalog, votes: pd.DataFrame, decisions: pd.DataFrame | None = None) -> tuple:
    """((fresh, old) votes, (fresh, old) decisions) of the run's cameras, each with a new column in_run.

    Fresh ones are about the run's pipeline version, or a version is unknown. Old ones are about another version, of
    exposures that have no fresh vote and no fresh decision.
    """
    none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in ADJUDICATION_COLUMNS.items()})
    exposures = catalog.exposures()[["camera", "expnum", "plver"]].rename(columns={"plver": "plver_now"})
    cameras = {catalog.camera, *exposures.camera.unique()}
    both = votes, none if decisions is None else decisions
    exposures = exposures[exposures.expnum.isin(pd.concat([given.expnum for given in both]))]
    parts, judged = [], set()
    for given in both:
        rows = given[given.camera.isin(cameras)].merge(exposures, on=["camera", "expnum"], how="left")
        rows["in_run"] = rows.plver_now.notna()
        stale = rows.in_run & (rows.plver != "") & (rows.plver_now != "") & (rows.plver != rows.plver_now)
        parts.append((rows[~stale], rows[stale]))
        judged.update(zip(*values_of(rows[~stale], ["camera", "expnum"]), strict=True))
    return tuple((fresh, old[~_among(old, judged)]) for fresh, old in parts)


def _among(rows: pd.DataFrame, keys: set) -> np.ndarray:
    return np.array([key in keys for key in zip(*values_of(rows, ["camera", "expnum"]), strict=True)], dtype=bool)
