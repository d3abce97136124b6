"""Backups of a run's label store while people vote, and putting one back.

A backup is one zip file: `labels.db` as of one moment, `run.json`, and `backup.json` with what it is. The rest of a run
folder is made from the exposures and the labels, and its files never change once they are there: copy them as files.
"""

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import zipfile
from dataclasses import asdict
from pathlib import Path

from triptych.pipeline import clock
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import put_in_place, write_aside
from triptych.pipeline.catalog.stage import installed_versions
from triptych.pipeline.errors import BadInput
from triptych.pipeline.store.address import address_of, parse, without_password
from triptych.pipeline.store.known_stores import StoreState
from triptych.pipeline.store.store import LabelStore, accept_store, open_store

FORMAT = 1
DATABASE, ABOUT = "labels.db", "backup.json"
PAGES = 2000  # copied at a time; a vote may come in between


def back_up(catalog: Catalog, out: Path, labels: str = "") -> StoreState:
    """Write a backup of the run's label store and return which state of it that is. People may vote meanwhile.

    out : the file to write; one that is there is replaced when the new one is whole
    labels : address of the store, or @FILE with one; '' = the run's own
    BadInput for PostgreSQL, which has a program of its own for this.
    """
    database = _file_of(address_of(catalog, labels), "pg_dump --format=custom --file=FILE")
    with open_store(catalog, labels):  # it is whole, and the one that the run knows
        pass

    def write(aside: Path) -> None:
        copy = aside.with_name(f"{aside.name}.db")
        try:
            _copy(database, copy)
            with LabelStore(f"sqlite:///{copy}", new=False) as store:
                state.append(store.state())
            about = {"format": FORMAT, "utc": clock.utc(), "run": catalog.name, "store": asdict(state[-1])}
            about["versions"] = installed_versions()
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr(ABOUT, json.dumps(about, indent=1) + "\n")
                packed.write(catalog.path / "run.json", "run.json")
                packed.write(copy, DATABASE)
            aside.chmod(0o600)
        finally:
            _remove(copy)

    state: list[StoreState] = []
    write_aside(out, write)
    return state[-1]


def restore(catalog: Catalog, file: Path, by: str = "", labels: str = "") -> tuple[StoreState, Path | None]:
    """Put the label store of a backup in the place of the run's, and record that it was accepted.

    Returns its state, and where the store that was there is now; None if there was none. A server that runs takes no
    vote from then on: start it again. If this is stopped in the middle, do it again.
    BadInput if the file is no whole backup; then nothing has changed.
    """
    database = _file_of(address_of(catalog, labels), "pg_restore --clean")
    aside = database.with_name(f".{database.name}.restored")
    try:
        state = _unpack(file, aside)
        before = _set_aside(database)
        put_in_place(aside, database)
    finally:
        _remove(aside)
    _was, store = accept_store(catalog, labels, by=by)
    store.close()
    return state, before


def _file_of(url: str, program: str) -> Path:
    address = parse(url)
    if address.get_backend_name() != "sqlite":
        named = f"{program} --dbname={without_password(address)}"
        raise BadInput(f"these labels are in PostgreSQL, which makes its own backups: {named}")
    return Path(address.database or "").absolute()


def _copy(database: Path, copy: Path) -> None:
    """Copy a SQLite database as it is at one moment, with what is still in its -wal file."""
    _remove(copy)
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target, pages=PAGES)


def _unpack(file: Path, aside: Path) -> StoreState:
    """Write the database of a backup to `aside`; BadInput if it is not whole."""
    try:
        with zipfile.ZipFile(file) as packed:
            about = json.loads(packed.read(ABOUT))
            if about["format"] > FORMAT:
                raise BadInput(f"{file} was made by a newer Triptych (format {about['format']}); update Triptych")
            _remove(aside)
            os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with packed.open(DATABASE) as source, open(aside, "wb") as target:
                shutil.copyfileobj(source, target)
        with contextlib.closing(sqlite3.connect(aside)) as database:
            if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise ValueError("its database is damaged")
        with LabelStore(f"sqlite:///{aside}", new=False) as store:  # an older one is brought up to date here
            return store.state()
    except FileNotFoundError:
        raise BadInput(f"there is no file {file}") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, sqlite3.DatabaseError) as error:
        raise BadInput(f"{file} is no whole backup of Triptych ({error}); use another one") from None


def _set_aside(database: Path) -> Path | None:
    """Give the store that is there another name, together with its -wal file; None if there is none."""
    name = f"{database.name}.replaced-{clock.utc().replace(':', '')}"
    names = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
    kept = next(path for path in map(database.with_name, names) if not path.exists())
    if database.exists():
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(database)) as store:
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    found = None
    for ending in ("", "-wal"):
        part = database.with_name(database.name + ending)
        if part.exists():
            put_in_place(part, kept.with_name(kept.name + ending))
            found = kept
    database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
    return found


def _remove(database: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
