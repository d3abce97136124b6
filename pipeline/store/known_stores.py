"""What a run knows of its label stores, so that votes that are gone do not go unnoticed.

`labels.json` in the run folder has a line for each address at which the run has used a store: the store's identity, the
highest revision that was seen, and the newest vote. The file is separate from `run.json` because it changes with the
votes. Whoever serves writes it at most once a second, and everybody on closing; never while a vote waits.

The rules, each for the address that is being opened:

- known: the store must be there, must be the same one, and must hold what the run has seen of it;
- not known, but the same store is known from another address (it was moved): it must hold what the run has seen of it;
- not known, and somebody named it: the run begins to use it. So several runs can share a store, and a run can be given
  another one;
- not known, and nobody named it: a store that is there is used. A new one is made only if the run has never had one.

Where nobody named a store and the run has used another one, too, a line in the log says which it is: a backup of the
wrong store looks like any other.

`accept` sets all of this aside once, and records it.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from triptych.pipeline import clock
from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.damage import read_json, reading
from triptych.pipeline.catalog.files import write_json
from triptych.pipeline.errors import LabelError
from triptych.pipeline.store.address import address_of, parse

log = logging.getLogger("triptych")
LOCK = ".labels.lock"


@dataclass(frozen=True)
class StoreState:
    """Which store it is and how far it has come. last_vote, client_vote_id : the newest vote; 0 and '' if none."""

    identity: str
    revision: int
    last_vote: int
    client_vote_id: str


class KnownStores:
    """The stores that one run has used. noted : the revision that was written last, -1 before that."""

    def __init__(self, catalog):
        self.run, self.path, self.own = catalog.path, catalog.known_stores, address_of(catalog)
        self.noted = -1
        self._one_at_a_time = threading.Lock()

    def key(self, url: str) -> str:
        """The address without user and password; of a SQLite file, its path, relative if it is in the run folder.

        So it stays the same for another user, and for a copied or moved run.
        """
        address = parse(url)
        if address.get_backend_name() != "sqlite":
            plain = sa.URL.create(address.get_backend_name(), host=address.host, port=address.port, query=address.query)
            return plain.set(database=address.database).render_as_string()
        file = Path(address.database or "").absolute()
        inside = file.resolve().is_relative_to(self.run)
        return file.resolve().relative_to(self.run).as_posix() if inside else str(file)

    def read(self) -> dict:
        """{"stores": {key: state}, "accepted": [...]}. CatalogError if the file is damaged."""
        try:
            found = read_json(self.path)
        except FileNotFoundError:
            return {"stores": {}, "accepted": []}
        with reading(self.path):
            if not (isinstance(found, dict) and isinstance(found.get("stores"), dict)):
                raise ValueError("it holds no stores")
        return found

    def may_make(self, url: str, *, named: bool) -> bool:
        """Whether a store may be made if there is none at this address. named : somebody gave the address."""
        stores = self.read()["stores"]
        return not stores or (named and self.key(url) not in stores)

    def why_missing(self, url: str) -> str:
        """One line for somebody whose run has used a store, and there is none at the address now."""
        stores, key = self.read()["stores"], self.key(url)
        if key in stores:
            return (
                f"the label store {key} of {self.run} is gone; it was at revision {stores[key]['revision']}. "
                f"Restore it from a backup, or begin a new one with `{self._accept(url)}`"
            )
        return (
            f"{self.run} has no label store {key}; its votes are in {', '.join(stores)}. Name that one with --labels, "
            f"or begin a new one with `{self._accept(url)}`"
        )

    def check(self, url: str, store, *, named: bool = True) -> None:
        """LabelError if the open store is not the one that the run knows at this address, or is older than that one.

        Where a run knows another store, too, and begins to use this one or was not told to, a line in the log says so.
        named : somebody gave the address
        """
        stores, key, now = self.read()["stores"], self.key(url), store.state()
        if key not in stores:
            same = [known for known in stores.values() if known["identity"] == now.identity]
            known = max(same, key=lambda one: one["revision"], default=None)
            if known is None and stores:
                log.warning("%s uses the label store %s from now on; before: %s", self.run, key, ", ".join(stores))
        else:
            known = stores[key]
            others = [name for name, one in stores.items() if one["identity"] != now.identity]
            if others and not named:
                log.warning("this is the label store %s; %s has also used %s", key, self.run, ", ".join(others))
                log.warning("if that is meant, name it: --labels ADDRESS, or TRIPTYCH_LABELS in the environment")
        if known is None:
            return
        if known["identity"] != now.identity:
            raise LabelError(
                f"{key} is another label store than the one that {self.run} has used there. Put that one back, or use "
                f"this one from now on with `{self._accept(url)}`"
            )
        lacks = known["last_vote"] and not store.has_vote(known["last_vote"], known["client_vote_id"])
        if now.revision < known["revision"] or lacks:
            raise LabelError(
                f"the label store {key} is older than {self.run} knows it: it is at revision {now.revision}, was at "
                f"{known['revision']}, and lacks votes. Restore the newest backup, or go on with this one with "
                f"`{self._accept(url)}`"
            )

    def note(self, url: str, now: StoreState) -> None:
        """Write down how far the store has come. What another process has written stays if it is further."""
        with self._one_at_a_time, self._changing() as (held, stores):
            before = stores.get(self.key(url))
            newer = before is None or before["identity"] != now.identity or before["revision"] < now.revision
            if newer:
                stores[self.key(url)] = asdict(now)
                write_json(self.path, held)
            self.noted = now.revision

    def accept(self, url: str, now: StoreState, by: str) -> dict | None:
        """Use this store from now on, whatever the run knew; returns what it knew. It is recorded."""
        with self._changing() as (held, stores):
            before = stores.get(self.key(url))
            stores[self.key(url)] = asdict(now)
            what = {"utc": clock.utc(), "by": by, "address": self.key(url), "was": before, "is": asdict(now)}
            held["accepted"].append(what)
            write_json(self.path, held)
            self.noted = now.revision
        return before

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[dict, dict]]:
        with locks.exclusive(self.run / LOCK):
            held = self.read()
            yield held, held["stores"]

    def _accept(self, url: str) -> str:
        named = "" if url == self.own else " --labels ..."
        return f"triptych labels accept {self.run}{named}"
