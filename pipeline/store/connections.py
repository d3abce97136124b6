"""Connections to the label store, in SQLite or PostgreSQL: how one is opened, and when it may be trusted.

Each write is one transaction that holds the only write lock from its first statement (`BEGIN IMMEDIATE` in SQLite, an
advisory lock in PostgreSQL). So a number that was read there is still right when it is written back, vote numbers
follow the order of commits, and a writer is never refused half-way.

A write is acknowledged only if the database that the address names holds it. A SQLite file that was deleted or replaced
stays open and takes writes that nobody will find. So each write looks whether its file is still the one at the path,
before and after the commit; and each new connection looks whether it leads to the same store, no older than before.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError, TimeoutError

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.errors import LabelError, StoreAway, StoreMissing
from triptych.pipeline.extras import need
from triptych.pipeline.store import migrate
from triptych.pipeline.store.address import parse

BUSY_SECONDS = 30
CONNECT_SECONDS = 10
PG_WRITE_LOCK = 7_414_957  # any constant: the key of the advisory lock that all writers of a database share
OWNER_ONLY = 0o600
STATE = "SELECT name, value FROM store_state WHERE name IN ('identity', 'revision')"


class Guard:
    """What this process knows of the store behind an engine: where it is, which one it is, how far it has come.

    place : the address to show. file : the SQLite file; None for PostgreSQL and for a store in memory.
    """

    def __init__(self, place: str, file: Path | None = None):
        self.place, self.file = place, file
        self.identity: int | None = None
        self.revision = 0
        self._lock = threading.Lock()

    def now(self) -> tuple[int, int] | None:
        """Device and number of the file that is at the path now; None if there is no file to look at."""
        if self.file is None:
            return None
        try:
            found = self.file.stat()
        except OSError:
            raise StoreAway(
                f"the label store {self.place} is gone, and nothing is stored until it is back; restore the file"
            ) from None
        return found.st_dev, found.st_ino

    def check_file(self, connection: sa.Connection) -> None:
        """StoreAway if the connection's file is no longer the one at the path."""
        opened = connection.info.get("file")
        if opened != self.now():
            connection.invalidate()
            raise StoreAway(f"the label store {self.place} was replaced while it was in use; send the same again")

    def check_state(self, found: dict[str, int]) -> None:
        """StoreAway if a new connection leads to another store, or to an older state of the store."""
        if self.identity is None:
            return
        if found.get("identity") != self.identity:
            raise StoreAway(
                f"{self.place} is now another label store than the one in use; put back the one that was there, or "
                "stop the server and see `triptych labels accept --help`"
            )
        self.check_revision(found.get("revision", 0), self.revision)

    def check_revision(self, found: int, least: int) -> None:
        """StoreAway if the store has come less far than it had before."""
        if found < least:
            raise StoreAway(
                f"the label store {self.place} is at revision {found} and was at {least}: an older state was restored; "
                "put back the newer one, or stop the server and see `triptych labels accept --help`"
            )

    def saw(self, revision: int) -> None:
        """Note a revision that is on disk."""
        with self._lock:
            self.revision = max(self.revision, revision)


def guard_of(engine: sa.Engine | sa.Connection) -> Guard:
    """The guard that `open_engine` gave to an engine."""
    return engine.get_execution_options()["guard"]


# ---- opening


def open_engine(url: str, *, new: bool = True) -> sa.Engine:
    """Return an engine for `url`, with its tables made or brought up to date.

    new : make a store if there is none; otherwise StoreMissing. LabelError if the database cannot be used.
    """
    address = parse(url)
    backend, shown = address.get_backend_name(), address.render_as_string(hide_password=True)
    if backend == "sqlite":
        engine = _sqlite(address, shown, new=new)
    elif backend == "postgresql":
        need("a label store in PostgreSQL", "psycopg")
        options = {"connect_timeout": CONNECT_SECONDS} if "connect_timeout" not in address.query else {}
        engine = sa.create_engine(
            address.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args=options
        )
        engine.update_execution_options(guard=Guard(shown))
    else:
        raise LabelError(f"labels can be in SQLite or PostgreSQL, not in {backend}; try sqlite:///labels.db")
    event.listen(engine, "do_connect", _connect(engine))
    try:
        found = _bring_up_to_date(engine, new=new)
    except StoreMissing:
        raise
    except (StoreAway, DBAPIError) as error:  # the user may not make tables, or the file is no database
        reason = getattr(error.__cause__ if isinstance(error, StoreAway) else error, "orig", error)
        advice = "; restore it from a backup" if _is_damaged(reason) else ""
        raise LabelError(f"cannot open the label store at {shown}: {reason}{advice}") from None
    guard_of(engine).identity = found["identity"]
    guard_of(engine).saw(found["revision"])
    return engine


def _sqlite(address: sa.URL, shown: str, *, new: bool) -> sa.Engine:
    if not address.database or address.database == ":memory:" or address.query.get("uri"):
        file = None
    else:
        file = Path(address.database).absolute()
        _find_file(file, new=new)
    return _sqlite_engine(address, shown, file)


def _sqlite_engine(address: sa.URL, shown: str, file: Path | None) -> sa.Engine:
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_SECONDS})
    engine.update_execution_options(guard=Guard(shown, file))
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", _forget_damaged)
    if file is not None:
        event.listen(engine, "checkout", _same_file(engine))
    return engine


def _is_damaged(error: BaseException | None) -> bool:
    """Whether SQLite says that its file is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and any(
        word in str(error) for word in ("malformed", "not a database")
    )


def _forget_damaged(context: sa.engine.ExceptionContext) -> None:
    """Open the file anew after it was damaged: a connection would go on saying so when it has been mended."""
    if _is_damaged(context.original_exception):
        context.is_disconnect = True


def _find_file(file: Path, *, new: bool) -> None:
    """Make the SQLite file if there is none. It gets its name when it is a whole store, so it is never empty."""
    if not file.exists():
        if not new:
            raise StoreMissing(f"there is no label store at {file}")
        try:
            with locks.wait_turn(file.with_name(f".{file.name}.lock")):
                if not file.exists():
                    _make_file(file)
        except OSError as error:
            raise LabelError(f"cannot make the label store {file}: {error.strerror or error}") from None
    if file.stat().st_size == 0:
        raise LabelError(
            f"the label store {file} is an empty file (0 bytes), which it never is by itself; restore it from a "
            "backup, or delete it to begin a new one"
        )


def _make_file(file: Path) -> None:
    left = file.with_name(f"{file.name}-wal")
    if left.exists() and left.stat().st_size:
        raise LabelError(f"{left} holds votes of a label store that is gone; restore {file}, or move {left} away first")
    for unfinished in file.parent.glob(f".{file.name}.*.aside*"):
        unfinished.unlink(missing_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}.aside")
    os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
    engine = _sqlite_engine(sa.URL.create("sqlite", database=str(aside)), str(file), aside)
    event.listen(engine, "do_connect", _connect(engine))
    try:
        _bring_up_to_date(engine, new=True)
    finally:
        engine.dispose()
    put_in_place(aside, file)


def _bring_up_to_date(engine: sa.Engine, *, new: bool) -> dict[str, int]:
    """Make the tables or bring them up to date; returns identity and revision. Only a store of today is not written."""
    with reading(engine) as connection:
        if migrate.is_ready(connection):
            return _state(connection)
        if not (new or migrate.exists(connection)):
            raise StoreMissing(f"there is no label store at {guard_of(engine).place}")
    with migrate.one_at_a_time, writing(engine) as connection:
        migrate.upgrade(connection)
        return _state(connection)


def _state(connection: sa.Connection) -> dict[str, int]:
    return dict(connection.execute(sa.text(STATE)).tuples().all())


def _connect(engine: sa.Engine):
    """How a new connection is made: never to a file that has to be made for it, nor to another store than before."""
    guard = guard_of(engine)

    def connect(dialect, record, arguments, options):
        if dialect.name == "sqlite" and guard.file is not None:
            arguments = (f"file:{quote(str(guard.file))}?mode=rw",)
            options = {**options, "uri": True}
        file = guard.now()
        connection = dialect.connect(*arguments, **options)
        try:
            if guard.now() != file:
                raise StoreAway(f"the label store {guard.place} is just being replaced; try again")
            record.info["file"] = file
            if guard.identity is not None:
                guard.check_state(_state_at(dialect, connection))
            if dialect.name == "sqlite":
                _prepare_sqlite(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _state_at(dialect, connection) -> dict[str, int]:
    """Identity and revision that a new connection finds; {} in a database without a store."""
    cursor = connection.cursor()
    try:
        return dict(cursor.execute(STATE).fetchall())
    except dialect.loaded_dbapi.Error as error:
        if not isinstance(error, dialect.loaded_dbapi.ProgrammingError) and "no such table" not in str(error):
            raise
        return {}
    finally:
        cursor.close()
        connection.rollback()


def _same_file(engine: sa.Engine):
    """A connection from the pool whose file is not the one at the path is closed, and a new one is made."""
    guard = guard_of(engine)

    def checkout(_connection, record, _proxy):
        if record.info.get("file") != guard.now():
            raise DisconnectionError

    return checkout


def _prepare_sqlite(connection) -> None:
    """Set up a new connection: no implicit BEGIN, write-ahead log, each commit is on disk before it returns.

    The switch to the write-ahead log is made once in the life of a file and needs it for itself. If somebody writes
    meanwhile, this connection does without, because who only reads must not wait; the next one tries again.
    """
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 0")
    with contextlib.suppress(connection.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# ---- transactions


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction. No other writer runs meanwhile. Committed when the block ends, undone if it fails.

    StoreAway if the store is busy for too long, gone or replaced: what was written is not acknowledged then.
    """
    guard = guard_of(engine)
    with _passing_faults(guard), engine.connect().execution_options(writes=True) as connection:
        with connection.begin():
            if engine.dialect.name == "postgresql":
                patience = sa.func.set_config("lock_timeout", f"{int(BUSY_SECONDS * 1000)}ms", True)
                connection.execute(sa.select(patience, sa.func.pg_advisory_xact_lock(PG_WRITE_LOCK)))
            guard.check_file(connection)
            yield connection
        guard.check_file(connection)
        guard.saw(connection.info.pop("revision", 0))


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One read transaction: everything read inside shows the same moment. StoreAway if the store cannot be used now."""
    with _passing_faults(guard_of(engine)), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextlib.contextmanager
def _passing_faults(guard: Guard) -> Iterator[None]:
    """Turn what may be over at the next try (busy, full, no connection) into StoreAway."""
    try:
        yield
    except (OperationalError, InterfaceError, TimeoutError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise StoreAway(f"the label store {guard.place} cannot be used now ({reason}); try again") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreAway(f"the connection to the label store {guard.place} was lost; try again") from error
