"""Runs of any size for benchmarks of the map, written straight from arrays in blocks: no pixels, no training.

The points of `real` are published t-SNE points, where the folder of real data holds them; its flat map is their first
two axes. All other points are drawn: 40 groups of unequal size and width in three dimensions.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.store.store import LabelStore

BLOCK = 500_000
GROUPS = 40
PASSWORD = "made up survey"
FIRST = 300_001
REAL = Path(os.environ.get("TRIPTYCH_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL_POINTS = REAL / "maps" / "tsne3d_labels.csv.gz"


def real_points():
    """(14078, 3) float32 places and (14078,) reasons of the published map."""
    frame = pd.read_csv(REAL_POINTS)
    return frame[["x", "y", "z"]].to_numpy(np.float32), frame["label"].to_numpy(object)


def drawn_points(n, seed=0):
    """(n, 3) float32 places and (n,) reasons of a made-up survey: one point in twelve lies in a bad group."""
    rng = np.random.default_rng(seed)
    share = np.sort(rng.dirichlet(np.ones(GROUPS)))[::-1]
    group = rng.choice(GROUPS, n, p=share)
    middles, widths = rng.normal(0, 12, (GROUPS, 3)), rng.uniform(0.8, 4, GROUPS)
    places = (middles[group] + rng.normal(0, 1, (n, 3)) * widths[group, None]).astype(np.float32)
    names = np.array(["good", *REASONS][:12], object)
    bad = (np.arange(GROUPS) > GROUPS // 2) * (1 + np.arange(GROUPS) % 11)
    return places, names[bad[group]]


def make_run(folder, places, reasons, *, seed=0, previews=None):
    """Write a run of len(places) CcdImages: tables, prediction, candidates, clusters, both maps, one inspector.

    previews : (ny, nx) of each CCD's noise, None = no pixels
    """
    rng = np.random.default_rng(seed)
    ccds = sorted((ccd.number, ccd.name) for ccd in CAMERAS["decam"].ccds if ccd.number != 61)
    numbers, names = np.array([number for number, _ in ccds]), np.array([name for _, name in ccds], object)
    n = len(places)
    expnums = FIRST + np.arange(n) // len(ccds)
    ccd = np.arange(n) % len(ccds)
    keys = {"image_id": image_id_of(expnums, numbers[ccd]), "expnum": expnums, "ccdname": names[ccd]}
    catalog = Catalog.create(folder)
    catalog.write_tables(exposures=exposures(np.unique(expnums), rng), ccds=ccd_rows(keys, numbers[ccd], previews))
    bad = reasons != "good"
    p_good = np.where(bad, rng.beta(1, 8, n), rng.beta(12, 1, n)).astype(np.float32)
    predicted = {**keys, "reason": reasons, "probability": np.maximum(p_good, 1 - p_good), "p_good": p_good}
    stage = write_stage(catalog, "prediction", "made-up", predicted)
    write_candidates(catalog, stage, expnums, p_good)
    labels = (np.abs(places).sum(axis=1) * 3).astype(np.int64) % GROUPS
    write_stage(catalog, "cluster", "made-up", {"image_id": keys["image_id"], "cluster": labels}, membership=0.9)
    for dims in (2, 3):
        axes = {axis: places[:, k] for k, axis in enumerate("xyz"[:dims])}
        write_stage(catalog, f"map{dims}d", "made-up", {"image_id": keys["image_id"], **axes})
    if previews:
        write_previews(catalog, np.unique(expnums), numbers, previews, rng)
    store = LabelStore(catalog.labels_url())
    store.add_user("amy", PASSWORD, "inspector")
    few = slice(0, n, max(1, n // 20_000))
    labelled = pd.DataFrame({name: values[few] for name, values in keys.items()}).assign(
        camera="decam", reason=reasons[few], raw=reasons[few]
    )
    store.import_labels(labelled, source="made-up", kind="truth")
    store.close()
    return catalog


def exposures(expnums, rng):
    n = len(expnums)
    bands = rng.choice(list("grizY"), n)
    return pd.DataFrame(
        {
            "expnum": expnums,
            "camera": "decam",
            "band": bands,
            "filter": bands,
            "mjd_obs": 57000 + np.arange(n) / 200,
            "night": pd.to_datetime(57000 + np.arange(n) // 200 - 40587, unit="D").strftime("%Y%m%d").astype(int),
            "exptime": 90.0,
            "plver": "V5.5LS",
            "n_ccds": 61,
        }
    )


def ccd_rows(keys, ccdnum, previews):
    ny, nx = previews or (64, 32)
    return pd.DataFrame({**keys, "ccdnum": ccdnum, "image_hdu": ccdnum, "sampled": ccdnum % 3 == 0}).assign(
        naxis1=nx,
        naxis2=ny,
        bin=1,
        preview_ny=ny,
        preview_nx=nx,
        sky_median_adu=1000.0,
        sky_sigma_adu=10.0,
        preview_sky_adu=1000.0,
        preview_sigma_adu=10.0,
    )


def write_stage(catalog, kind, name, columns, **constant):
    """A stage whose table is written block by block."""
    n = len(next(iter(columns.values())))
    with catalog.new_stage(kind, name, parameters={}) as writer:
        parquet = None
        for start in range(0, n, BLOCK):
            frame = pd.DataFrame({name: values[start : start + BLOCK] for name, values in columns.items()})
            table = pa.Table.from_pandas(frame.assign(**constant), preserve_index=False)
            parquet = parquet or pq.ParquetWriter(writer.folder / "table.parquet", table.schema)
            parquet.write_table(table)
        parquet.close()
        writer.note_rows(n)
    return writer.stage


def write_candidates(catalog, prediction, expnums, p_good):
    """One exposure in twenty-five: those with the largest mean probability of being bad."""
    first = np.flatnonzero(np.diff(expnums, prepend=-1))
    scores = 1 - np.add.reduceat(p_good, first) / np.diff(np.append(first, len(p_good)))
    order = np.argsort(-scores, kind="stable")
    chosen = order[: max(1, len(order) // 25)]
    table = pd.DataFrame(
        {
            "expnum": expnums[first][chosen],
            "rank": np.arange(1, len(chosen) + 1),
            "n_bad_ccds": 20,
            "n_ccds": 61,
            "max_probability": 1.0,
            "bad_probability": scores[chosen],
            "reasons": "PSF",
            "rule": "made-up",
        }
    )
    with catalog.new_stage("candidates", "made-up", parents=[prediction], parameters={}) as writer:
        writer.write_table(table)


def write_previews(catalog, expnums, numbers, shape, rng):
    noise = rng.normal(1000, 10, (len(numbers), *shape)).astype(np.float32)
    for k, expnum in enumerate(expnums):
        catalog.write_preview(int(expnum), numbers, np.roll(noise, k, axis=2))
