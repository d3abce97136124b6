"""A run with tables and an embedding only. Vectors of exposures with the same reason lie close together."""

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import ccdnum_of, image_id_of

NAMES = ("N1", "N2", "N3", "N4", "S1", "S2")
KINDS = ("good", "PSF", "good", "Ghost_Scatter", "good", "Clouds_transparency")


def make(
    folder, *, exposures: int = 24, dim: int = 40, seed: int = 0, spread: float = 1.0
) -> tuple[Catalog, pd.DataFrame]:
    """Write the run to `folder`; return it and its truth (image_id, expnum, ccdname, reason).

    Exposure i has the reason KINDS[i % 6] on its first four CCDs and is good on the others. Each exposure also has its
    own offset, as real exposures do.
    """
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame(
        [
            (image_id_of(e, c + 1), e, name, KINDS[e % 6] if c < 4 else "good")
            for e in range(1, exposures + 1)
            for c, name in enumerate(NAMES)
        ],
        columns=["image_id", "expnum", "ccdname", "reason"],
    )
    centres = dict(zip(dict.fromkeys(KINDS), rng.normal(0, 3, (4, dim)), strict=True))
    own = rng.normal(0, 0.5 * spread, (exposures + 1, dim))
    vectors = (
        np.stack([centres[r] for r in truth.reason]) + own[truth.expnum] + rng.normal(0, spread, (len(truth), dim))
    )
    catalog = Catalog.create(folder)
    frame = truth.assign(ccdnum=ccdnum_of(truth.image_id), image_hdu=1, sampled=True).drop(columns="reason")
    exposure_table = pd.DataFrame({"expnum": range(1, exposures + 1), "camera": "decam", "n_ccds": len(NAMES)})
    catalog.write_tables(exposures=exposure_table, ccds=frame)
    with catalog.new_stage("embedding", "drawn") as writer:
        writer.write_array(vectors.astype(np.float32))
        writer.write_table(truth[["image_id", "expnum", "ccdname"]], "keys")
    return catalog, truth


def teach(store, truth: pd.DataFrame) -> None:
    """Import the truth as labels."""
    store.import_labels(truth.assign(camera="decam", raw=truth.reason), source="truth.csv", kind="truth")
