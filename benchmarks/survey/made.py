"""Runs of any size, written block by block through the run folder's own functions: no pixels are read, nothing learnt.

One exposure in 76 is bad. Its images lie in a group of their kind, those of good exposures in 40 others, and all
have the default backbone's number of features. Labels, votes and their disagreement follow the real inspection:
245,316 exposures listed as good of 283,633, 3,737 candidates with three votes each, and 64 % of the exposures that
anybody calls bad called so by one inspector alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding.backbones import TriptychBackbone
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.store.store import LabelStore, Vote

FIRST = 300_001
CCDS = 20  # sampled of each exposure
BLOCK = 10_000  # exposures
GROUPS = 40
LATENT = 15
LISTED_GOOD = 245_316 / 283_633
BAD_SHARE = 3_737 / 283_633  # as many as the candidates of the real survey
ONE_ONLY = 0.64  # of the exposures that somebody calls bad
PER_NIGHT = 250
INSPECTORS = ("ana", "bo", "cyd")
LEAD = "lee"
PASSWORD = "made up survey"
PICTURE = (64, 32)
CONTENT = "made up"
KINDS = ("good", *tuple(REASONS)[:10])


def inspectors(n: int) -> list[str]:
    """Names of n inspectors; the first three are those who have voted."""
    return [*INSPECTORS, *(f"inspector-{number}" for number in range(4, n + 1))][:n]


@dataclass(frozen=True)
class Plan:
    """A survey to make. exposures : number of them; pictures : number of exposures that get a picture, -1 = all"""

    exposures: int
    pictures: int = 400
    seed: int = 0

    @property
    def images(self) -> int:
        return self.exposures * CCDS

    def expnums(self) -> np.ndarray:
        """(exposures,) int64, rising."""
        return np.arange(FIRST, FIRST + self.exposures)

    def kinds(self) -> np.ndarray:
        """(exposures,) int64: index in KINDS of what each exposure is."""
        rng = np.random.default_rng(self.seed)
        bad = rng.random(self.exposures) < BAD_SHARE
        return np.where(bad, rng.integers(1, len(KINDS), self.exposures), 0)

    def called(self) -> np.ndarray:
        """(exposures, 3) bool: whether each inspector would call each exposure bad."""
        rng = np.random.default_rng([self.seed, 1])
        bad = self.kinds() > 0
        alone = rng.random(self.exposures) < ONE_ONLY
        order = rng.permuted(np.tile(np.arange(3), (self.exposures, 1)), axis=1)
        many = np.where(alone, 1, rng.integers(2, 4, self.exposures))
        return (order < many[:, None]) & bad[:, None]


def images_of(expnums: np.ndarray) -> pd.DataFrame:
    """Keys of every image of these exposures: image_id, expnum, ccdname, ccdnum."""
    ccds = sorted((ccd.number, ccd.name) for ccd in CAMERAS["decam"].ccds if ccd.number not in (2, 31, 61))[::3][:CCDS]
    numbers, names = np.array([n for n, _ in ccds]), np.array([name for _, name in ccds], object)
    own = np.repeat(expnums, CCDS)
    ccdnum = np.tile(numbers, len(expnums))
    return pd.DataFrame(
        {
            "image_id": image_id_of(own, ccdnum),
            "expnum": own,
            "ccdname": np.tile(names, len(expnums)),
            "ccdnum": ccdnum,
        }
    )


def make(folder: Path, plan: Plan) -> Catalog:
    """Write the tables, the embedding, labels and accounts of a survey. What follows is made by the commands."""
    catalog = Catalog.create(folder)
    if catalog.has("embedding"):
        return catalog
    expnums = plan.expnums()
    catalog.write_tables(exposures=_exposures(expnums, plan), ccds=_ccds(expnums))
    _pictures(catalog, plan)
    _embedding(catalog, plan)
    with LabelStore(catalog.labels_url()) as store:
        for name in (*INSPECTORS, LEAD):
            store.add_user(name, PASSWORD, "lead" if name == LEAD else "inspector")
            store.keep_setting("tour", "seen", owner=name)
        _labels(store, plan)
    return catalog


def _exposures(expnums: np.ndarray, plan: Plan) -> pd.DataFrame:
    rng, n = np.random.default_rng([plan.seed, 2]), len(expnums)
    night, within = np.arange(n) // PER_NIGHT, np.arange(n) % PER_NIGHT
    dates = (pd.Timestamp("2013-01-01") + pd.to_timedelta(night, unit="D")).strftime("%Y%m%d").astype(int)
    bands = rng.choice(list("grizY"), n)
    fields = rng.integers(0, 4000, n)
    return pd.DataFrame(
        {
            "expnum": expnums,
            "camera": "decam",
            "band": bands,
            "filter": pd.Series(bands) + " DECam SDSS c0001 4720.0 1520.0",
            "mjd_obs": 56293.0 + night + 0.1 + within * 0.0012,
            "night": dates,
            "exptime": rng.choice([60.0, 90.0, 120.0], n),
            "ra": (fields * 7.31) % 360 + rng.normal(0, 0.05, n),
            "dec": (fields * 3.17) % 90 - 60 + rng.normal(0, 0.05, n),
            "airmass": rng.uniform(1, 2, n).round(2),
            "object": "DECaLS_" + pd.Series(fields).astype(str),
            "propid": "2014B-0404",
            "plver": "V5.5LS",
            "plprocid": "abc1234",
            "image_filename": "c4d_" + pd.Series(expnums).astype(str) + "_ooi_g_v1.fits.fz",
            "source": "/archive/" + pd.Series(expnums).astype(str) + ".fits.fz",
            "n_ccds": CCDS,
            "preview_digest": CONTENT,
        }
    )


def _ccds(expnums: np.ndarray) -> pd.DataFrame:
    keys = images_of(expnums)
    ny, nx = PICTURE
    return keys.assign(
        image_hdu=keys.ccdnum,
        hdu_name=keys.ccdname,
        naxis1=nx,
        naxis2=ny,
        bin=1,
        preview_ny=ny,
        preview_nx=nx,
        sampled=True,
        sky_median_adu=1000.0,
        sky_sigma_adu=10.0,
        blank_fraction=0.0,
        fwhm_pix=4.0,
        preview_sky_adu=1000.0,
        preview_sigma_adu=10.0,
    )


def pictured(plan: Plan) -> np.ndarray:
    """The exposures that get a picture: bad ones first, as those come first in a queue."""
    order = plan.expnums()[np.argsort(plan.kinds() == 0, kind="stable")]
    return order if plan.pictures < 0 else order[: plan.pictures]


def _pictures(catalog: Catalog, plan: Plan) -> None:
    rng = np.random.default_rng([plan.seed, 3])
    numbers = images_of(plan.expnums()[:1]).ccdnum.to_numpy()
    noise = rng.normal(1000, 10, (CCDS, *PICTURE)).astype(np.float32)
    for place, expnum in enumerate(pictured(plan)):
        catalog.write_preview(int(expnum), numbers, np.roll(noise, place, axis=2))


def _vectors(plan: Plan) -> Iterator[np.ndarray]:
    """Vectors (n, dim) float32 of the images, block after block."""
    rng = np.random.default_rng([plan.seed, 4])
    dim = TriptychBackbone().dim
    good, bad = rng.normal(0, 2, (GROUPS, LATENT)), rng.normal(0, 4, (len(KINDS), LATENT))
    axes = rng.normal(0, 1, (LATENT, dim)) * rng.uniform(0.2, 1, dim)
    kinds = plan.kinds()
    for start in range(0, plan.exposures, BLOCK):
        own = kinds[start : start + BLOCK]
        group = rng.integers(0, GROUPS, len(own))
        of_exposure = np.where((own > 0)[:, None], good[group] * 0.3 + bad[own], good[group])
        spared = rng.random((len(own), CCDS)) < 0.2  # CCDs of a bad exposure that look good
        middle = np.where((spared & (own > 0)[:, None])[..., None], good[group][:, None], of_exposure[:, None])
        latent = (middle + rng.normal(0, 0.8, middle.shape)).reshape(-1, LATENT).astype(np.float32)
        noise = rng.standard_normal((len(latent), axes.shape[1]), np.float32) * np.float32(0.3)
        yield latent @ axes.astype(np.float32) + noise


def _embedding(catalog: Catalog, plan: Plan) -> None:
    backbone = TriptychBackbone()
    parameters = {"backbone": "triptych", "model": "", "digest": backbone.digest, "only_sampled": False}
    keys = images_of(plan.expnums())
    inputs = pd.DataFrame({"expnum": plan.expnums(), "n_images": CCDS, "content": CONTENT, "camera": "decam"})
    with catalog.new_stage("embedding", "triptych", parameters=parameters) as writer:
        path = writer.folder / "vectors.npy"
        vectors = np.lib.format.open_memmap(path, "w+", np.float32, (plan.images, backbone.dim))
        at = 0
        for block in _vectors(plan):
            vectors[at : at + len(block)] = block
            at += len(block)
        vectors.flush()
        writer.note_rows(plan.images, "vectors")
        writer.write_table(keys[["image_id", "expnum", "ccdname"]], "keys")
        writer.write_table(inputs, "inputs")


def _labels(store: LabelStore, plan: Plan) -> None:
    """Import the lists: most good exposures by name, and a fifth of the bad ones with their reasons."""
    rng, kinds, expnums = np.random.default_rng([plan.seed, 5]), plan.kinds(), plan.expnums()
    listed = np.where(kinds == 0, rng.random(len(kinds)) < LISTED_GOOD, rng.random(len(kinds)) < 0.2)
    for good, source in ((True, "good-exposures"), (False, "bad-exposures")):
        own = listed & ((kinds == 0) == good)
        words = np.array(KINDS, object)[kinds[own]]
        frame = pd.DataFrame({"camera": "decam", "expnum": expnums[own], "ccdname": "", "reason": words, "raw": words})
        store.import_labels(frame, source=source, kind="label_list")


def vote(catalog: Catalog, plan: Plan, share: float = 1.0, block: int = 2_000) -> int:
    """Three votes on a share of the candidates, best candidate first; the number of votes."""
    table = catalog.stage("candidates", fresh=False).table().sort_values("rank")
    wanted = max(1, round(share * len(table)))
    called, kinds = plan.called(), plan.kinds()
    votes = []
    for expnum in table.expnum.head(wanted):
        place = int(expnum) - FIRST
        reason = KINDS[kinds[place]] if kinds[place] else "PSF"
        for who, bad in zip(INSPECTORS, called[place], strict=True):
            votes.append(
                Vote(
                    expnum=int(expnum),
                    inspector=who,
                    judgement="bad" if bad else "good",
                    reasons=(reason,) if bad else (),
                    plver="V5.5LS",
                    screen={"stage": "", "seconds": 4.0},
                    client_vote_id=f"{who}-{expnum}",
                )
            )
    with LabelStore(catalog.labels_url()) as store:
        for start in range(0, len(votes), block):
            store.cast_many(votes[start : start + block])
    return len(votes)


def stand_ins(catalog: Catalog, plan: Plan) -> None:
    """Clusters and both maps, drawn instead of computed, where the run has none: 50 groups of unequal size."""
    rng, kinds = np.random.default_rng([plan.seed, 6]), plan.kinds()
    share = np.sort(rng.dirichlet(np.ones(GROUPS)))[::-1]
    group = np.where(kinds > 0, GROUPS + kinds, rng.choice(GROUPS, plan.exposures, p=share))
    middles, widths = rng.normal(0, 12, (GROUPS + len(KINDS), 3)), rng.uniform(0.8, 4, GROUPS + len(KINDS))
    embedding = catalog.stage("embedding")
    image_ids, group = images_of(plan.expnums()).image_id, np.repeat(group, CCDS)
    if not catalog.has("cluster"):
        labels = np.where(rng.random(plan.images) < 0.9, group, -1)
        with catalog.new_stage("cluster", "made-up", parents=[embedding]) as writer:
            writer.write_table(pd.DataFrame({"image_id": image_ids, "cluster": labels, "membership": 0.9}))
    for dims in (2, 3):
        if not catalog.has(f"map{dims}d"):
            spread = rng.normal(0, 1, (plan.images, dims)) * widths[group, None]
            places = (middles[group, :dims] + spread).astype(np.float32)
            axes = {axis: places[:, place] for place, axis in enumerate("xyz"[:dims])}
            with catalog.new_stage(f"map{dims}d", "made-up", parents=[embedding], parameters={"dims": dims}) as writer:
                writer.write_table(pd.DataFrame({"image_id": image_ids, **axes}))
