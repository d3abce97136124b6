"""Small simulated surveys that tests share. Each is drawn and embedded once per test run; a copy takes milliseconds."""

import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from tests import templates
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import embed
from triptych.pipeline.ingest import ingest
from triptych.pipeline.simulation import simulate

BINNING = 16
EIGHT = (8, 1)  # exposures and seed
FORTY = (40, 9003)  # exposures and seed; every kind of defect occurs twice


def sky(exposures: int, seed: int) -> Path:
    """Folder with the files and the truth of a simulated survey. Do not write to it."""
    draw = partial(simulate.simulate, exposures=exposures, seed=seed, binning=BINNING, workers=1)
    return templates.made(f"sky-{exposures}-{seed}", draw)


def copied(exposures: int, seed: int, folder: Path) -> pd.DataFrame:
    """The same survey, copied to a folder that the test may write to. Returns the truth."""
    shutil.copytree(sky(exposures, seed), folder)
    return truth(folder)


def truth(folder: Path) -> pd.DataFrame:
    """The truth of a simulated survey: expnum, ccdname, reason."""
    return pd.read_csv(folder / "truth.csv")


def embedded(exposures: int, seed: int) -> Path:
    """A run of the survey: ingested and embedded, without labels. Do not write to it."""

    def make(folder: Path) -> None:
        catalog = Catalog.create(folder)
        ingest.ingest(catalog, [sky(exposures, seed)], workers=1)
        embed.embed(catalog.refresh(), workers=1)

    return templates.made(f"embedded-{exposures}-{seed}", make)
