"""Make a run with every stage in seconds, for tests of the dashboard and of everything else that reads a run.

Pixels are noise with planted glows, arcs and dim frames; vectors, maps and predictions are drawn so that bad images
cluster. Only the model and the candidates come from the real steps, so that a retraining can follow. All steps have
tests of their own.

    python -m tests.survey FOLDER [EXPOSURES]
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from tests import templates
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, model_files, train
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.store.store import LabelStore, Vote

DEAD = 61
USERS = {"amy": "inspector", "ben": "inspector", "cai": "inspector", "lea": "lead", "vic": "viewer"}
PASSWORD = "made up survey"
BAD_REASONS = ("Ghost_Scatter", "Clouds_transparency", "PSF", "Bad_CCD")
NY, NX = 64, 32


def decam_ccds() -> pd.DataFrame:
    """The 61 living DECam CCDs: ccdnum and ccdname (S1 to S31 are 25..1 in rows, N1 to N31 are 32..62)."""
    from triptych.pipeline.camera import CAMERAS

    ccds = [(ccd.number, ccd.name) for ccd in CAMERAS["decam"].ccds if ccd.number != DEAD]
    return pd.DataFrame(sorted(ccds), columns=["ccdnum", "ccdname"])


def make(folder: Path, *, exposures: int = 40, seed: int = 0) -> Catalog:
    """A whole run in `folder`: tables, previews, all stages, accounts and one imported label per old exposure.

    It is written once for all tests that ask for the same run, then copied.
    """
    templates.copy(f"survey-{exposures}-{seed}", partial(write, exposures=exposures, seed=seed), folder)
    return Catalog.open(folder)


def write(folder: Path, *, exposures: int, seed: int) -> Catalog:
    """Write such a run. See `make`."""
    rng = np.random.default_rng(seed)
    catalog = Catalog.create(folder, camera="decam")
    ccds = decam_ccds()
    expnums = np.arange(900001, 900001 + exposures)
    reason_of = {int(e): ("good" if i % 2 else BAD_REASONS[(i // 2) % 4]) for i, e in enumerate(expnums)}
    rows = pd.concat([ccds.assign(expnum=e) for e in expnums], ignore_index=True)
    rows["image_id"] = image_id_of(rows.expnum, rows.ccdnum)
    in_defect = rng.random(len(rows)) < 0.8
    rows["reason"] = [reason_of[e] if hit else "good" for e, hit in zip(rows.expnum, in_defect, strict=True)]
    _write_tables(catalog, rows, expnums, rng)
    _write_previews(catalog, rows, rng)
    _write_stages(catalog, rows, rng)
    _write_labels(catalog, rows, expnums)
    return catalog


def _write_tables(catalog, rows, expnums, rng) -> None:
    n = len(expnums)
    exposures = pd.DataFrame(
        {
            "expnum": expnums,
            "camera": "decam",
            "band": rng.choice(list("grizY"), n),
            "mjd_obs": 58000.1 + np.arange(n) // 10 + (np.arange(n) % 10) * 0.002,
            "night": 20170903 + np.arange(n) // 10,
            "exptime": 90.0,
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-60, 30, n),
            "airmass": rng.uniform(1, 2, n).round(2),
            "object": "field",
            "propid": "2017B-0001",
            "plver": "V5.5LS",
            "plprocid": "abc1234",
            "image_filename": [f"c4d_170903_{i:06d}_ooi_g_v1.fits.fz" for i in range(n)],
            "source": "",
            "n_ccds": 61,
        }
    )
    exposures["filter"] = exposures.band + " DECam SDSS c0001 4720.0 1520.0"
    ccd_rows = rows.assign(
        image_hdu=rows.ccdnum,
        hdu_name=rows.ccdname,
        naxis1=NX,
        naxis2=NY,
        bin=1,
        preview_ny=NY,
        preview_nx=NX,
        sampled=np.tile(np.arange(61) % 3 == 0, n) & np.tile(np.arange(61) < 60, n),
        sky_median_adu=1000.0,
        sky_sigma_adu=10.0,
        blank_fraction=np.where(rows.ccdnum == 31, 0.5, 0.0),
    ).drop(columns="reason")
    catalog.write_tables(exposures=exposures, ccds=ccd_rows, quarantine=pd.DataFrame())


def _write_previews(catalog, rows, rng) -> None:
    y, x = np.mgrid[0:NY, 0:NX]
    for expnum, images in rows.groupby("expnum"):
        pixels = rng.normal(1000, 10, (len(images), NY, NX)).astype(np.float32)
        for _ in range(3):
            cy, cx = rng.integers(0, NY, len(images)), rng.integers(0, NX, len(images))
            pixels[np.arange(len(images)), cy, cx] += 300
        for k, (reason, ccdnum) in enumerate(zip(images.reason, images.ccdnum, strict=True)):
            if reason == "Ghost_Scatter":
                pixels[k] += 60 * np.exp(-(((np.hypot(x - 16, y - 32) - 20) / 3) ** 2))
            elif reason == "Clouds_transparency":
                pixels[k] += 25 * np.sin(x / 9 + y / 17)
            elif reason == "PSF":
                pixels[k] = pixels[k] + np.roll(pixels[k] - 1000, 2, axis=0)
            elif reason == "Bad_CCD":
                pixels[k, :, : NX // 2] += 50
            if ccdnum == 31:
                pixels[k, :, NX // 2 :] = np.nan
        catalog.write_preview(expnum, images.ccdnum.to_numpy(), pixels)


def _write_stages(catalog, rows, rng) -> None:
    keys = rows[["image_id", "expnum", "ccdname"]]
    kinds = ["good", *BAD_REASONS]
    codes = rows.reason.map({r: i for i, r in enumerate(kinds)}).to_numpy()
    centres = rng.normal(0, 4, (len(kinds), 16))
    vectors = (centres[codes] + rng.normal(0, 1, (len(rows), 16))).astype(np.float32)
    with catalog.new_stage("embedding", "triptych", parameters={"backbone": "made-up"}) as writer:
        writer.write_array(vectors)
        writer.write_table(keys, "keys")
    embedding = writer.stage
    training = keys.assign(reasons=[(reason,) for reason in rows.reason], source="made-up", provenance="truth")
    fitted = train.fit(vectors, training, classifier=train.DEFAULT)
    model = model_files.write_model(catalog, embedding, fitted, {}, parameters={"policy": "majority"})
    right = rng.random(len(rows)) < 0.95
    probability = np.where(right, rng.uniform(0.85, 1, len(rows)), rng.uniform(0.4, 0.7, len(rows)))
    table = keys.assign(reason=rows.reason, probability=probability)
    for kind in kinds:
        table[f"p_{kind}"] = np.where(table.reason == kind, probability, (1 - probability) / (len(kinds) - 1))
    n_bad = ((table.reason != "good") & (table.probability > 0.8)).groupby(table.expnum).transform("sum")
    table["exposure_probability"] = np.clip((n_bad + 0.5) / 18, 0.01, 0.99)
    others = rng.integers(0, len(rows), (len(rows), 7))
    table["neighbour_ids"] = list(rows.image_id.to_numpy()[others])
    table["neighbour_distances"] = list(np.sort(rng.uniform(0.1, 0.5, (len(rows), 7)), axis=1))
    with catalog.new_stage("prediction", train.DEFAULT, parents=[embedding, model]) as writer:
        writer.write_table(table)
    candidates.find(catalog)
    with catalog.new_stage("cluster", "hdbscan", parents=[embedding]) as writer:
        cluster = np.where(rng.random(len(rows)) < 0.9, codes, -1)
        writer.write_table(keys[["image_id"]].assign(cluster=cluster, membership=0.9))
    for dims in (2, 3):
        places = centres[codes][:, :dims] * 6 + rng.normal(0, 5, (len(rows), dims))
        frame = keys[["image_id"]].assign(**{axis: places[:, i] for i, axis in enumerate("xyz"[:dims])})
        with catalog.new_stage(f"map{dims}d", "tsne", parents=[embedding], parameters={"dims": dims}) as writer:
            writer.write_table(frame)


def _write_labels(catalog, rows, expnums) -> None:
    store = LabelStore(catalog.labels_url())
    for name, role in USERS.items():
        store.add_user(name, PASSWORD, role)
        store.keep_setting("tour", "seen", owner=name)
    old = rows[rows.expnum < expnums[len(expnums) // 4]]
    frame = old[["expnum", "ccdname", "reason"]].assign(camera="decam", raw=old.reason)
    store.import_labels(frame, source="made-up", kind="truth")
    store.cast(Vote(camera="decam", expnum=int(expnums[-2]), inspector="ben", judgement="bad", reasons=("PSF",)))
    store.close()


def teach_by_votes(catalog, expnum: int, provenance: str = "ticked") -> None:
    """Change the training labels of one exposure, as if they came from inspectors. provenance : their origin."""
    path = catalog.stage("model").path / "training.parquet"
    training = pd.read_parquet(path)
    training.loc[training["expnum"] == expnum, "provenance"] = provenance
    training.to_parquet(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]), exposures=int(sys.argv[2]) if len(sys.argv) > 2 else 40, seed=0)
    print(f"wrote {sys.argv[1]}; users {', '.join(USERS)}; password {PASSWORD}")
