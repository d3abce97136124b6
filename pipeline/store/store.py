"""LabelStore: who judged what, when and how. Votes are never changed or deleted; a change of mind is a new row.

An inspector has one current vote on each thing (camera, expnum, ccdname, plver): the vote that is neither superseded
nor retracted. The database refuses a second one. A vote that is sent twice counts once, by its `client_vote_id`.
"""

import json
import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import sqlalchemy as sa

from triptych.pipeline.errors import LabelError, StoreAway, StoreMissing, choose
from triptych.pipeline.store import schema
from triptych.pipeline.store.accounts import Accounts, User
from triptych.pipeline.store.address import address_of, parse
from triptych.pipeline.store.decisions import Adjudications
from triptych.pipeline.store.jobs import Heard, Job, Jobs
from triptych.pipeline.store.known_stores import KnownStores, StoreState
from triptych.pipeline.store.logins import Login, Logins
from triptych.pipeline.store.queues import QueueStore
from triptych.pipeline.store.screens import read_screen, read_screens
from triptych.pipeline.store.settings import SettingsStore

__all__ = [
    "JUDGEMENTS",
    "VIAS",
    "ImportCounts",
    "Job",
    "LabelStore",
    "Login",
    "User",
    "Vote",
    "accept_store",
    "open_store",
]

log = logging.getLogger("triptych")

JUDGEMENTS = ("good", "bad", "unsure")
VIAS = ("single", "bulk", "import")
VOTE_COLUMNS = {
    "vote_id": "int64",
    "camera": "str",
    "expnum": "int64",
    "ccdname": "str",
    "plver": "str",
    "inspector": "str",
    "judgement": "str",
    "reasons": "object",
    "comment": "str",
    "via": "str",
    "blind": "bool",
    "screen": "object",
    "created_utc": "str",
    "superseded_by": "Int64",
    "retracted_utc": "object",
    "client_vote_id": "str",
}
LABEL_COLUMNS = ["camera", "expnum", "ccdname", "reason", "raw", "source", "kind", "imported_utc"]


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One inspector's judgement of one exposure (ccdname '') or of one CCD, at one time.

    `screen` says what was on screen: model stage and score shown or hidden, stretch, zoom, CCDs opened, seconds.
    The store fills in `vote_id`, `created_utc`, `superseded_by` and `retracted_utc`.
    """

    expnum: int
    inspector: str
    judgement: str
    camera: str = "decam"
    ccdname: str = ""
    plver: str = ""
    reasons: tuple[str, ...] = ()
    comment: str = ""
    via: str = "single"
    blind: bool = True
    screen: dict = field(default_factory=dict)
    client_vote_id: str = ""
    vote_id: int | None = None
    created_utc: str = ""
    superseded_by: int | None = None
    retracted_utc: str | None = None

    def __post_init__(self):
        choose(self.judgement, JUDGEMENTS, "judgement")
        choose(self.via, VIAS, "way to vote")
        if not self.inspector.strip():
            raise LabelError("a vote needs an inspector's name")
        if isinstance(self.reasons, str):
            raise LabelError(f"reasons must be a tuple of names, not the text {self.reasons!r}")
        object.__setattr__(self, "expnum", int(self.expnum))
        object.__setattr__(self, "reasons", tuple(self.reasons))

    @property
    def thing(self) -> tuple[str, int, str, str, str]:
        """The key of which only one vote is current: camera, expnum, ccdname, plver, inspector."""
        return (self.camera, self.expnum, self.ccdname, self.plver, self.inspector)


@dataclass(frozen=True)
class ImportCounts:
    """Counts of an import. added : new rows. known : rows already stored. kept : votes cast by hand that stay.

    changed : new votes that replace one of an earlier import.
    """

    added: int = 0
    known: int = 0
    kept: int = 0
    changed: int = 0


class LabelStore(Accounts, Logins, Jobs, SettingsStore, Adjudications, QueueStore):
    """Votes, decisions, labels, accounts, logins, settings, queues and jobs in one database (SQLite or PostgreSQL)."""

    def __init__(self, url: str, *, new: bool = True):
        """Open the store at an address and bring its tables up to date.

        new : make a store if there is none; otherwise StoreMissing. To open the store of a run, use `open_store`.
        """
        self.url = url
        self.engine = schema.open_engine(url, new=new)
        self.known: KnownStores | None = None
        self.heard = Heard()

    @property
    def address(self) -> str:
        """The address to show to people, with *** in place of a password."""
        return parse(self.url).render_as_string(hide_password=True)

    def close(self) -> None:
        """Tell the run how far the store has come, and close all connections to the database."""
        self.note_state()
        self.engine.dispose()

    def note_state(self) -> None:
        """Tell the run how far the store has come, if the run does not know it yet. It is cheap if nothing is new."""
        if self.known is None or self.known.noted == schema.guard_of(self.engine).revision:
            return
        try:
            self.known.note(self.url, self.state())
        except PermissionError:
            pass  # somebody who may only read the run
        except (StoreAway, OSError) as error:
            log.warning("%s does not know yet how far its label store has come: %s", self.known.run, error)

    def __enter__(self) -> "LabelStore":
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def revision(self) -> int:
        """A number that grows whenever votes or labels change. It is cheap to read."""
        guard = schema.guard_of(self.engine)
        least = guard.revision  # before the transaction, as another thread may count it up meanwhile
        with schema.reading(self.engine) as connection:
            row = schema.store_state.c.name == "revision"
            found = connection.execute(sa.select(schema.store_state.c.value).where(row)).scalar_one()
        guard.check_revision(found, least)
        guard.saw(found)
        return found

    def state(self) -> StoreState:
        """Which store this is and how far it has come, of one moment."""
        c = schema.votes.c
        newest = sa.select(c.vote_id, c.client_vote_id).order_by(c.vote_id.desc()).limit(1)
        with schema.reading(self.engine) as connection:
            found = dict(connection.execute(sa.select(schema.store_state)).tuples().all())
            vote = connection.execute(newest).first()
        return StoreState(
            identity=f"{found['identity']:016x}",
            revision=found["revision"],
            last_vote=vote.vote_id if vote else 0,
            client_vote_id=vote.client_vote_id if vote else "",
        )

    def has_vote(self, vote_id: int, client_vote_id: str) -> bool:
        """Whether there is a vote of this number and this client_vote_id."""
        c = schema.votes.c
        with schema.reading(self.engine) as connection:
            found = connection.execute(sa.select(c.client_vote_id).where(c.vote_id == vote_id)).scalar()
        return found == client_vote_id

    # ---- votes

    def cast(self, vote: Vote) -> Vote:
        """Store a vote and return it with its number. When this returns, the vote is on disk.

        It supersedes the inspector's current vote on the same thing. If a vote with this `client_vote_id` is stored
        already, that vote is returned and nothing changes.
        """
        return self.cast_many([vote])[0]

    def cast_many(self, votes: Sequence[Vote], take_back: Sequence[int] = ()) -> list[Vote]:
        """Store several votes in one transaction: all of them or none.

        take_back : numbers of current votes of the same inspectors to retract in the same transaction, such as votes
        on CCDs that are no longer ticked. If all of `votes` are stored already, nothing is retracted.
        """
        stored, _counts = self._store(votes, take_back)
        return stored

    def import_votes(self, votes: Sequence[Vote]) -> ImportCounts:
        """Store votes from a file in one transaction. A vote that an inspector cast by hand is not superseded."""
        _stored, counts = self._store(votes)
        return counts

    def _store(self, votes: Sequence[Vote], take_back: Sequence[int] = ()) -> tuple[list[Vote], ImportCounts]:
        votes = [replace(v, client_vote_id=v.client_vote_id or uuid.uuid4().hex) for v in votes]
        stored, new, changed, kept = [], {}, [], 0
        with schema.writing(self.engine) as connection:
            known = {vote.client_vote_id: vote for vote in self._by_client_id(connection, votes)}
            current = self._current(connection, {vote.expnum for vote in votes})
            next_id, now = schema.next_number(connection, schema.votes.c.vote_id), schema.now_utc()
            for vote in votes:
                twin = known.get(vote.client_vote_id)
                if twin is not None:
                    _check_twin(vote, twin)
                    stored.append(twin)
                    continue
                old_id, old_via = current.get(vote.thing, (None, ""))
                if vote.via == "import" and old_id is not None and old_via != "import":
                    kept += 1
                    continue
                vote = replace(vote, vote_id=next_id, created_utc=now, superseded_by=None, retracted_utc=None)
                if old_id in new:
                    new[old_id] = replace(new[old_id], superseded_by=next_id)
                elif old_id is not None:
                    changed.append({"old": old_id, "by": next_id})
                new[next_id] = known[vote.client_vote_id] = vote
                current[vote.thing] = (next_id, vote.via)
                stored.append(vote)
                next_id += 1
            self._write(connection, changed, new)
            superseded = {row["old"] for row in changed}
            for vote_id in take_back if new else ():
                if vote_id not in superseded:
                    _take_back(connection, vote_id, {vote.inspector for vote in votes})
        return stored, ImportCounts(len(new), len(stored) - len(new), kept, len(changed))

    def _write(self, connection: sa.Connection, changed: list[dict], new: dict[int, Vote]) -> None:
        if changed:
            update = schema.votes.update().where(schema.votes.c.vote_id == sa.bindparam("old"))
            connection.execute(update.values(superseded_by=sa.bindparam("by")), changed)
        if new:
            connection.execute(schema.votes.insert(), [_row(vote) for vote in new.values()])
            schema.bump_revision(connection)

    def _by_client_id(self, connection: sa.Connection, votes: Sequence[Vote]) -> Iterable[Vote]:
        column = schema.votes.c.client_vote_id
        for chunk in schema.chunks(vote.client_vote_id for vote in votes):
            for row in connection.execute(sa.select(schema.votes).where(column.in_(chunk))):
                yield _vote(row)

    def _current(self, connection: sa.Connection, expnums: set[int]) -> dict[tuple, tuple[int, str]]:
        """Current votes on some exposures: thing -> (vote_id, via)."""
        c = schema.votes.c
        wanted = sa.select(c.camera, c.expnum, c.ccdname, c.plver, c.inspector, c.vote_id, c.via)
        wanted = wanted.where(schema.is_current)
        found = {}
        for chunk in schema.chunks(sorted(expnums)):
            for *thing, vote_id, via in connection.execute(wanted.where(c.expnum.in_(chunk))):
                found[tuple(thing)] = (vote_id, via)
        return found

    def retract(self, vote_id: int | Sequence[int], inspector: str) -> None:
        """Retract one or several current votes of this inspector. They stay on record. Twice is no error."""
        with schema.writing(self.engine) as connection:
            changed = [_take_back(connection, one, {inspector}) for one in np.atleast_1d(vote_id)]
            if any(changed):
                schema.bump_revision(connection)

    def votes(
        self,
        inspector: str | None = None,
        expnum: int | Sequence[int] | None = None,
        current: bool = True,
        after: int = 0,
    ) -> pd.DataFrame:
        """Votes in the order they were cast: VOTE_COLUMNS. `reasons` is a tuple, `screen` a dict, `created_utc` a text.

        expnum : one exposure or several. With `current`, only votes that are neither superseded nor retracted; else
        all. after : only votes with a larger vote_id.
        """
        query = sa.select(*(schema.votes.c[name] for name in VOTE_COLUMNS)).order_by(schema.votes.c.vote_id)
        if inspector is not None:
            query = query.where(schema.votes.c.inspector == inspector)
        if expnum is not None:
            expnums = [int(one) for one in np.atleast_1d(expnum)]
            query = query.where(schema.votes.c.expnum.in_(expnums))
        if current:
            query = query.where(schema.is_current)
        if after:
            query = query.where(schema.votes.c.vote_id > after)
        with schema.reading(self.engine) as connection:
            rows = connection.execute(query).all()
        columns = zip(*rows, strict=True) if rows else [()] * len(VOTE_COLUMNS)
        values: dict[str, Sequence] = dict(zip(VOTE_COLUMNS, columns, strict=True))
        values["reasons"] = [_reasons(text) for text in values["reasons"]]
        values["screen"] = read_screens(values["screen"])
        return pd.DataFrame({name: pd.Series(values[name], dtype=kind) for name, kind in VOTE_COLUMNS.items()})

    def standing_votes(self) -> np.ndarray:
        """(n,) int64: the vote_id of every current vote, rising. Cheaper than to read the votes."""
        query = sa.select(schema.votes.c.vote_id).where(schema.is_current).order_by(schema.votes.c.vote_id)
        with schema.reading(self.engine) as connection:
            return np.array(connection.execute(query).scalars().all(), np.int64)

    # ---- labels that are not votes

    def import_labels(self, frame: pd.DataFrame, source: str, kind: str) -> ImportCounts:
        """Add the labels of a published list.

        frame : camera, expnum, ccdname ('' = whole exposure), reason ('' = not in our vocabulary), raw (as written).
        A row that this source and kind gave before is not added again.
        """
        keys = frame[["camera", "expnum", "ccdname", "reason", "raw"]].itertuples(index=False, name=None)
        keys = list(dict.fromkeys((str(c), int(e), str(n), str(r), str(w)) for c, e, n, r, w in keys))
        t = schema.imported_labels.c
        with schema.writing(self.engine) as connection:
            mine = sa.select(t.camera, t.expnum, t.ccdname, t.reason, t.raw).where(t.source == source, t.kind == kind)
            known = {tuple(row) for row in connection.execute(mine)}
            first, now = schema.next_number(connection, t.label_id), schema.now_utc()
            names = ["camera", "expnum", "ccdname", "reason", "raw"]
            added = [dict(zip(names, key, strict=True)) for key in keys if key not in known]
            for number, row in enumerate(added, start=first):
                row.update(label_id=number, source=source, kind=kind, imported_utc=now)
            if added:
                connection.execute(schema.imported_labels.insert(), added)
                schema.bump_revision(connection)
        return ImportCounts(added=len(added), known=len(frame) - len(added))

    def labels(self, after: int = 0) -> pd.DataFrame:
        """Imported labels in the order they were imported: LABEL_COLUMNS. after : only those with a larger number."""
        query = sa.select(*(schema.imported_labels.c[name] for name in LABEL_COLUMNS))
        query = query.where(schema.imported_labels.c.label_id > after)
        with schema.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(schema.imported_labels.c.label_id)).all()
        return pd.DataFrame([tuple(row) for row in rows], columns=LABEL_COLUMNS).astype({"expnum": "int64"})

    def last_label(self) -> int:
        """The number of the newest imported label, 0 before there is one. It is cheap to read."""
        with schema.reading(self.engine) as connection:
            return connection.execute(sa.select(sa.func.max(schema.imported_labels.c.label_id))).scalar() or 0

    def n_labels(self) -> int:
        """Number of imported labels. Cheaper than to read them."""
        with schema.reading(self.engine) as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(schema.imported_labels)).scalar_one()

    def import_columns(self, frame: pd.DataFrame, source: str) -> int:
        """Store the further columns of an inspection table: camera, expnum, columns (a dict).

        Return how many are new.
        """
        t = schema.imported_columns.c
        with schema.writing(self.engine) as connection:
            mine = sa.select(t.camera, t.expnum).where(t.source == source)
            known = {tuple(row) for row in connection.execute(mine)}
            first, rows = schema.next_number(connection, t.row_id), []
            for row in frame.itertuples(index=False):
                if (row.camera, int(row.expnum)) not in known:
                    known.add((row.camera, int(row.expnum)))
                    key = {"row_id": first + len(rows), "camera": row.camera, "expnum": int(row.expnum)}
                    rows.append({**key, "source": source, "columns": json.dumps(row.columns)})
            if rows:
                connection.execute(schema.imported_columns.insert(), rows)
                schema.bump_revision(connection)
        return len(rows)

    def imported_columns(self) -> pd.DataFrame:
        """Further columns of inspection tables, in file order: camera, expnum, source, columns (a dict)."""
        names = ["camera", "expnum", "source", "columns"]
        query = sa.select(*(schema.imported_columns.c[name] for name in names))
        with schema.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(schema.imported_columns.c.row_id)).all()
        frame = pd.DataFrame(rows, columns=names).astype({"expnum": "int64"})
        frame["columns"] = pd.Series([json.loads(text) for text in frame["columns"]], dtype=object)
        return frame


def open_store(catalog, labels: str = "") -> LabelStore:
    """The label store of a run: its own SQLite file, unless `run.json` has another address.

    labels : another address, or @FILE with one, named on purpose. LabelError if the store that the run has used there
    is gone, is now another one, or has come less far than the run knows: see `known_stores`.
    """
    known = KnownStores(catalog)
    url = address_of(catalog, labels)
    new = known.may_make(url, named=bool(labels))
    try:
        store = LabelStore(url, new=new)
    except StoreMissing:
        raise LabelError(known.why_missing(url)) from None
    try:
        known.check(url, store, named=bool(labels or catalog.info.get("labels")))
    except BaseException:
        store.engine.dispose()
        raise
    store.known = known
    store.note_state()
    return store


def accept_store(catalog, labels: str = "", by: str = "") -> tuple[dict | None, LabelStore]:
    """Let the run use the store that is at the address now; make one if there is none. It is recorded.

    Returns what the run knew of the store that was there (None = nothing) and the open store.
    """
    known, url = KnownStores(catalog), address_of(catalog, labels)
    store = LabelStore(url)
    before = known.accept(url, store.state(), by)
    store.known = known
    return before, store


def _take_back(connection: sa.Connection, vote_id: int, inspectors: set[str]) -> bool:
    """Retract one current vote of one of `inspectors`. False if it was retracted already."""
    this_vote = schema.votes.c.vote_id == int(vote_id)
    row = connection.execute(sa.select(schema.votes).where(this_vote)).first()
    if row is None or row.inspector not in inspectors:
        raise LabelError(
            f"{', '.join(sorted(inspectors))} has no vote {vote_id}; inspectors can retract only their own"
        )
    if row.retracted_utc is None and row.superseded_by is not None:
        raise LabelError(f"vote {vote_id} was superseded by {row.superseded_by}; retract that one instead")
    stamp = schema.votes.update().where(this_vote, schema.votes.c.retracted_utc.is_(None))
    return connection.execute(stamp.values(retracted_utc=schema.now_utc())).rowcount > 0


def _check_twin(vote: Vote, twin: Vote) -> None:
    if vote.thing != twin.thing:
        raise LabelError(f"client_vote_id {vote.client_vote_id!r} is taken by another vote; send a new one")


_NAMES = tuple(f.name for f in fields(Vote))


def _row(vote: Vote) -> dict:
    row = {name: getattr(vote, name) for name in _NAMES}
    row["reasons"] = json.dumps(vote.reasons)
    row["screen"] = json.dumps(vote.screen, sort_keys=True)
    return row


def _vote(row: sa.Row) -> Vote:
    values = {name: getattr(row, name) for name in _NAMES}
    return Vote(**{**values, "reasons": _reasons(row.reasons), "screen": read_screen(json.loads(row.screen))})


@lru_cache(maxsize=4096)
def _reasons(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
