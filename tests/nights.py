"""A tiny run of four-CCD exposures, read from files, with every stage; and more such files that arrive later."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests import fits_makers as make
from triptych.pipeline import run
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store

FIRST = range(101, 113)
BAD = 3  # a bright bar crosses all CCDs of every third exposure


def write(folder: Path, expnum: int) -> Path:
    """The file of one exposure. The same number always gives the same bytes."""
    images = []
    for name in make.CCDS:
        pixels = make.pixels(name, expnum)
        if expnum % BAD == 0:
            pixels[20:24] += 60 + 10 * np.sin(expnum)
        images.append(make.image(name, pixels))
    return make.write(folder / f"{expnum}.fits", make.primary(expnum), *images)


def teach(catalog: Catalog, expnums) -> None:
    rows = [("mosaic3", e, name, "PSF" if e % BAD == 0 else "good", "") for e in expnums for name in make.CCDS]
    with open_store(catalog) as store:
        frame = pd.DataFrame(rows, columns=["camera", "expnum", "ccdname", "reason", "raw"])
        store.import_labels(frame, source="truth", kind="truth")


def first_season(folder: Path, *, places: bool = True) -> Catalog:
    """Make the run `folder`/run from the exposures in `folder`/sky. Without `places` it has no clusters and no maps."""
    for expnum in FIRST:
        write(folder / "sky", expnum)
    catalog = Catalog.create(folder / "run", camera="mosaic3")
    teach(catalog, FIRST)
    with open_store(catalog) as store:
        if places:
            run.run(catalog, store, [folder / "sky"])
    return catalog.refresh()
