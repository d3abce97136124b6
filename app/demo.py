"""The demonstration: a simulated survey. Its older exposures have labels; three inspectors can judge the newer ones."""

import csv
from pathlib import Path

from triptych.pipeline import run
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.labels import readers
from triptych.pipeline.simulation import simulate
from triptych.pipeline.store.store import open_store

# The demonstration is served on localhost only, so its password may be known.
PASSWORD = "triptych"
ACCOUNTS = {"vera": "inspector", "henrietta": "inspector", "annie": "inspector", "cecilia": "lead"}
STAGES = ("embedding", "model", "prediction", "candidates", "cluster", "map2d", "map3d")
LABELLED_SHARE = 0.6
BINNING = 8


def prepare(folder: Path, *, exposures: int = 64, seed: int = 0, bar) -> Catalog:
    """Make what is missing of the demonstration run. What exists is kept, so that a second call takes seconds."""
    catalog = Catalog.create(folder, camera="decam")
    survey = folder / "exposures"
    store = open_store(catalog)
    try:
        if not (folder / "demo-complete").exists():
            with bar("simulate") as progress:
                simulate.simulate(
                    survey, exposures=exposures, seed=seed, binning=BINNING, masks=True, progress=progress
                )
            for path in last_season(survey, folder):
                readers.import_file(store, path, camera="decam", catalog=catalog)
            run.run(catalog, store, [survey], seed=seed, bar=bar)
            existing = {user.name for user in store.users()}
            for name, role in ACCOUNTS.items():
                if name not in existing:
                    store.add_user(name, PASSWORD, role)
            (folder / "demo-complete").touch()
    finally:
        store.close()
    return catalog.refresh()


def last_season(survey: Path, folder: Path) -> list[Path]:
    """Write the labels of the older exposures, and return the paths of the two lists.

    These are the labels that a survey has when it starts: the truth of each exposure, and which good ones look odd.
    """
    expnums = sorted({int(row[0]) for row in _rows(survey / "truth.csv")[1]})
    last = expnums[int(LABELLED_SHARE * len(expnums)) - 1]
    paths = []
    for source, name in (("truth.csv", "last_season.csv"), ("suspicious.csv", "last_season_suspicious.csv")):
        header, rows = _rows(survey / source)
        paths.append(folder / name)
        with open(paths[-1], "w", newline="") as handle:
            csv.writer(handle).writerows([header, *(row for row in rows if int(row[0]) <= last)])
    return paths


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of the simulated survey. The exposure number comes first in each row."""
    with open(path, newline="") as handle:
        header, *rows = csv.reader(line for line in handle if not line.startswith("#"))
    return header, rows


def welcome(port: int) -> str:
    """The address, names and password, for somebody who starts the demonstration for the first time."""
    inspectors = ", ".join(name for name, role in ACCOUNTS.items() if role == "inspector")
    lead = next(name for name, role in ACCOUNTS.items() if role == "lead")
    return (
        f"\nTriptych is at  http://localhost:{port}\n"
        f"  inspectors    {inspectors}\n  lead          {lead}\n  password      {PASSWORD} (for each of them)\n"
        "Stop it with Ctrl-C; the same command starts it again in seconds.\n"
    )
