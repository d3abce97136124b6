"""Exposures that were reprocessed with another pipeline version: which, from and to which version, how much changed.

`reprocessed.parquet` in the run has one row for each change of an exposure's version, in order. `ingest` writes the row
before it replaces anything, with the digest of the old pixels. So if it is killed and run again, it finds the row
there. `embed` then adds how far the exposure moved, from embedding stages on disk.

How far an exposure moved: for each of its CCDs, take the distance between its vectors before and now, in standardised
features. Divide it by the usual distance from that CCD to the nearest one of another exposure (the median over at most
SAMPLE exposures). The 90th percentile of these ratios is stored: a tenth of the CCDs moved that far or farther. A ratio
above MUCH, half-way to another exposure, counts as much: a judgement of the old picture may not hold for the new one.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_aside
from triptych.pipeline.catalog.stage import Stage, read_table
from triptych.pipeline.image_ids import ccdnum_of

FILE = "reprocessed.parquet"
COLUMNS = {
    "expnum": "int64",
    "camera": "str",
    "plver_before": "str",
    "plver_now": "str",
    "content_before": "str",
    "utc": "str",
    "moved": "float64",
    "moved_much": "bool",
}
SAMPLE = 400  # number of exposures from which the usual distance is measured
QUANTILE = 0.9
MUCH = 0.5


def read(catalog: Catalog) -> pd.DataFrame:
    """All changes of version, oldest first: COLUMNS. `moved` is NaN if it is not known yet."""
    path = catalog.path / FILE
    frame = read_table(path) if path.exists() else pd.DataFrame()
    return frame.reindex(columns=list(COLUMNS)).astype(COLUMNS)


def write(catalog: Catalog, rows: pd.DataFrame | list[dict]) -> None:
    """Replace the table in one step. rows : with COLUMNS."""
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    write_aside(catalog.path / FILE, lambda aside: table.to_parquet(aside, index=False))


def changes(catalog: Catalog, exposures: pd.DataFrame | None = None) -> dict[int, list[dict]]:
    """expnum -> its changes of version as dicts of COLUMNS, oldest first, up to the version that the run has now.

    A change that an ingest noted but never made is left out.
    """
    table = read(catalog)
    if table.empty:
        return {}
    present = catalog.exposures() if exposures is None else exposures
    now = dict(zip(present["expnum"], present["plver"], strict=True))
    found: dict[int, list[dict]] = {}
    for row in table.to_dict("records"):
        found.setdefault(int(row["expnum"]), []).append(row)
    kept = {expnum: _made(rows, now.get(expnum, "")) for expnum, rows in found.items()}
    return {expnum: rows for expnum, rows in kept.items() if rows}


def _made(rows: list[dict], plver: str) -> list[dict]:
    """The changes up to the one that led to `plver`; [] if none did."""
    while rows and rows[-1]["plver_now"] != plver:
        rows = rows[:-1]
    return rows


def moved_since(rows: list[dict], plver: str | None = None) -> tuple[float | None, bool | None]:
    """(how far, whether much) an exposure moved since it had version `plver`; None = since the last change.

    rows : from `changes`. Of several changes the largest counts. Unknown values are None, for example if the run never
    had that version. If one change was much, the answer is True even if others are unknown.
    """
    places = [place for place, row in enumerate(rows) if row["plver_before"] == plver]
    since = rows[-1:] if plver is None else rows[places[-1] :] if places else []
    if not since:
        return None, None
    moved = [float(row["moved"]) for row in since]
    known = [one for one in moved if not np.isnan(one)]
    much = any(row["moved_much"] for row in since)
    return (max(known) if known else None), (True if much else False if len(known) == len(moved) else None)


# ---- ingest


def note(catalog: Catalog, exposures: pd.DataFrame, coming: Iterable[tuple[int, str, str]], utc: str) -> None:
    """Note which exposures are about to change their version, before anything of them is replaced.

    exposures : the run's present table. coming : (expnum, camera, version) of what will be read.
    """
    now = dict(zip(exposures["expnum"], exposures["plver"], strict=True))
    wanted = [(int(e), camera, now.get(e, ""), plver) for e, camera, plver in coming]
    wanted = [row for row in wanted if row[2] and row[3] and row[2] != row[3]]
    if not wanted:
        return
    table = read(catalog)
    last = table.drop_duplicates("expnum", keep="last").reset_index().set_index("expnum")
    added = []
    for expnum, camera, before, after in wanted:
        if expnum in last.index and last.at[expnum, "plver_before"] == before:
            # noted before but not made: the pixels may be replaced already, so the earlier digest of them stays
            table.loc[last.at[expnum, "index"], "plver_now"] = after
            continue
        row = {"expnum": expnum, "camera": camera, "plver_before": before, "plver_now": after, "utc": utc}
        added.append({**row, "content_before": _content(catalog, expnum), "moved": np.nan, "moved_much": False})
    parts = [part for part in (table, pd.DataFrame(added)) if len(part)]
    write(catalog, pd.concat(parts, ignore_index=True))


def _content(catalog: Catalog, expnum: int) -> str:
    from triptych.pipeline.catalog.previews import content_of
    from triptych.pipeline.errors import CatalogError

    try:
        return content_of(catalog, expnum)
    except CatalogError:
        return ""


# ---- embed


def measure(catalog: Catalog, stage: Stage) -> None:
    """Add how far exposures moved, if an embedding of the same backbone has their old vectors.

    stage : the embedding of the run as it is now. Known values are not changed.
    """
    table = read(catalog)
    open_rows = table[table["moved"].isna() & (table["content_before"] != "")]
    if open_rows.empty or not (stage.path / "inputs.parquet").exists():
        return
    versions = dict(zip(*catalog.exposures()[["expnum", "plver"]].to_numpy().T, strict=True))
    open_rows = open_rows[open_rows["plver_now"] == open_rows["expnum"].map(versions)]
    open_rows = open_rows.drop_duplicates("expnum", keep="last")
    before = _stages_before(catalog, stage, open_rows)
    if not before:
        return
    now = _Vectors(stage)
    scale, usual = usual_distances(now.keys, now.vectors)
    for earlier, places in before:
        then = now if earlier is stage else _Vectors(earlier)
        for place in places:
            expnum = int(table.at[place, "expnum"])
            both = then.rows_of(expnum).join(now.rows_of(expnum), how="inner", lsuffix="_then", rsuffix="_now")
            if both.empty:
                continue
            difference = np.asarray(now.vectors[both["row_now"]], float) - then.vectors[both["row_then"]]
            distances = np.sqrt(((difference / scale) ** 2).sum(axis=1))
            moved = how_far(distances, usual.reindex(ccdnum_of(both.index)).to_numpy())
            table.loc[place, ["moved", "moved_much"]] = [moved, bool(moved > MUCH)]
    write(catalog, table)


class _Vectors:
    """The vectors of an embedding stage, by exposure."""

    def __init__(self, stage: Stage):
        self.keys, self.vectors = stage.table("keys"), stage.array()

    def rows_of(self, expnum: int) -> pd.DataFrame:
        """Row numbers of an exposure's images, indexed by image_id. The keys are sorted by image_id."""
        first, last = np.searchsorted(self.keys["expnum"], [expnum, expnum + 1])
        return pd.DataFrame({"row": np.arange(first, last)}, index=self.keys["image_id"].iloc[first:last].to_numpy())


def _stages_before(catalog: Catalog, stage: Stage, rows: pd.DataFrame) -> list[tuple[Stage, pd.Index]]:
    """Stages of the same backbone with the exposures' old pixels, and for each stage the index of those rows."""
    found, left = [], rows
    for earlier in [stage, *reversed(catalog.stages("embedding"))]:
        same_backbone = earlier.parameters.get("digest") == stage.parameters.get("digest")
        if left.empty or not same_backbone or not (earlier.path / "inputs.parquet").exists():
            continue
        content = earlier.table("inputs").set_index("expnum")["content"]
        same = (left["expnum"].map(content) == left["content_before"]).to_numpy()
        if same.any():
            found.append((earlier, left.index[same]))
            left = left[~same]
    return found


def usual_distances(keys: pd.DataFrame, vectors: np.ndarray) -> tuple[np.ndarray, pd.Series]:
    """(scale (dim,) of each feature, usual distance to the nearest other exposure, by CCD number).

    Measured on at most SAMPLE exposures, drawn with a fixed seed. NaN for a CCD number that only one of them has.
    """
    expnums = np.unique(keys["expnum"])
    if len(expnums) > SAMPLE:
        expnums = np.sort(np.random.default_rng(0).choice(expnums, SAMPLE, replace=False))
    rows = np.flatnonzero(keys["expnum"].isin(expnums))
    sample = np.asarray(vectors[rows], float)
    scale = sample.std(axis=0)
    scale[scale <= 0] = 1.0
    ccdnums = ccdnum_of(keys["image_id"].iloc[rows]).to_numpy()
    usual = {}
    for ccdnum in np.unique(ccdnums):
        own = sample[ccdnums == ccdnum] / scale
        squares = (own**2).sum(axis=1)
        apart = squares[:, None] + squares[None] - 2 * own @ own.T
        np.fill_diagonal(apart, np.inf)
        usual[int(ccdnum)] = float(np.median(np.sqrt(np.maximum(apart.min(axis=1), 0)))) if len(own) > 1 else np.nan
    return scale, pd.Series(usual)


def how_far(distances: np.ndarray, usual: np.ndarray) -> float:
    """The 90th percentile of (n,) distances divided by the usual ones; 0 if nothing moved, NaN if none is known."""
    if not distances.any():
        return 0.0
    known = np.isfinite(usual) & (usual > 0)
    return float(np.quantile(distances[known] / usual[known], QUANTILE)) if known.any() else float("nan")
