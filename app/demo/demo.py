"""The demonstration: a simulated survey. Its older exposures have labels; made-up people have judged some.

Stopped at any moment and called again, it goes on and ends the same; what is finished is left alone.
"""

import time
from pathlib import Path

from triptych.app.demo.past import DAYS, live_through
from triptych.app.demo.people import ACCOUNTS, LEAD, PASSWORD, rows_of
from triptych.pipeline import clock, run
from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.csv_tables import csv_text
from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels import readers
from triptych.pipeline.simulation import simulate
from triptych.pipeline.store.store import open_store

__all__ = ["ACCOUNTS", "LEAD", "PASSWORD", "prepare", "welcome"]

LABELLED_SHARE = 0.6
BINNING = 8
COMPLETE = "demo-complete"
ABOUT = "A demonstration: the survey is simulated, its people and their votes are made up."
ABOUT_EMPTY = "A demonstration: the survey is simulated, its people are made up."


def prepare(folder: Path, *, exposures: int = 64, seed: int = 0, past: bool = True, bar) -> Catalog:
    """Make what is missing of the demonstration run. What exists is kept, so that a second call takes seconds.

    past : whether the made-up people have worked on it, see `triptych.app.demo.past`; without, nobody has voted, and a
        run on which they have is refused
    """
    with clock.telling(clock.from_then(time.time() - DAYS * 86400)):
        catalog = Catalog.create(folder, camera="decam")
    if not (catalog.path / COMPLETE).exists():
        with locks.wait_turn(catalog.path / ".demo.lock"):
            if not (catalog.path / COMPLETE).exists():
                _make(catalog.refresh(), exposures, seed, past, bar)
    if not past and catalog.refresh().about == ABOUT:
        raise BadInput(f"{catalog.path} is finished, with the votes of its made-up people; name another folder")
    return catalog.refresh()


def _make(catalog: Catalog, exposures: int, seed: int, past: bool, bar) -> None:
    survey = catalog.path / "exposures"
    begun = min(clock.seconds_of(catalog.info["created"]), time.time() - DAYS * 86400)
    with open_store(catalog) as store:
        with clock.telling(clock.from_then(begun)):
            catalog.set_info(about=ABOUT if past else ABOUT_EMPTY)
            with bar("simulate") as progress:
                simulate.simulate(
                    survey, exposures=exposures, seed=seed, binning=BINNING, masks=True, progress=progress
                )
            for path in last_season(survey, catalog.path):
                readers.import_file(store, path, camera="decam", catalog=catalog)
            existing = {user.name for user in store.users()}
            for name, role in ACCOUNTS.items():
                if name not in existing:
                    store.add_user(name, PASSWORD, role, any_password=True)
            if store.votes(current=False).empty:  # the first model learns from the labels alone
                run.run(catalog, store, [survey], seed=seed, bar=bar)
        if past:
            live_through(catalog, store, survey, begun=begun, seed=seed, bar=bar)
    (catalog.path / COMPLETE).touch()


def last_season(survey: Path, folder: Path) -> list[Path]:
    """Write the labels of the older exposures, and return the paths of the two lists.

    These are the labels that a survey has when it starts: the truth of each exposure, and which good ones look odd.
    """
    expnums = sorted({int(row[0]) for row in rows_of(survey / "truth.csv")[1]})
    last = expnums[int(LABELLED_SHARE * len(expnums)) - 1]
    paths = []
    for source, name in (("truth.csv", "last_season.csv"), ("suspicious.csv", "last_season_suspicious.csv")):
        header, rows = rows_of(survey / source)
        paths.append(folder / name)
        paths[-1].write_text(csv_text([header, *(row for row in rows if int(row[0]) <= last)]))
    return paths


def welcome(port: int, catalog: Catalog) -> str:
    """The address, names and password, for somebody who starts the demonstration for the first time."""
    inspectors = ", ".join(name for name, role in ACCOUNTS.items() if role == "inspector")
    about = f"{catalog.about}\n" if catalog.about else ""
    return (
        f"\nTriptych is at  http://localhost:{port}\n"
        f"  inspectors    {inspectors}\n  lead          {LEAD}\n  password      {PASSWORD} (for each of them)\n"
        f"{about}"
        "Stop it with Ctrl-C; the same command starts it again in seconds.\n"
    )
