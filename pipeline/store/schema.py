"""The tables of the label store and how to open them: the same schema in SQLite and PostgreSQL.

The database refuses to delete a vote, decision or repeated judgement. In an existing one, only `superseded_by` and
`retracted_utc` can change. If you change a table here, add a step in `migrations`.

Each write is one transaction that holds the only write lock from its first statement (`BEGIN IMMEDIATE` in SQLite, an
advisory lock in PostgreSQL). So a number that was read there is still right when it is written back, vote numbers
follow the order of commits, and a writer is never refused half-way.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from triptych.pipeline.errors import LabelError
from triptych.pipeline.extras import need
from triptych.pipeline.store import migrate

BUSY_SECONDS = 30
PG_WRITE_LOCK = 7_414_957  # any constant: the key of the advisory lock that all writers of a database share

metadata = sa.MetaData()

store_state = sa.Table(
    "store_state",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("vote_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("client_vote_id", sa.Text, nullable=False, unique=True),
    sa.Column("camera", sa.Text, nullable=False),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("ccdname", sa.Text, nullable=False),
    sa.Column("plver", sa.Text, nullable=False),
    sa.Column("inspector", sa.Text, nullable=False),
    sa.Column("judgement", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("via", sa.Text, nullable=False),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("screen", sa.Text, nullable=False),
    sa.Column("created_utc", sa.Text, nullable=False),
    sa.Column("superseded_by", sa.BigInteger),
    sa.Column("retracted_utc", sa.Text),
    sa.CheckConstraint("judgement in ('good', 'bad', 'unsure')", name="votes_judgement"),
)
is_current = sa.and_(votes.c.superseded_by.is_(None), votes.c.retracted_utc.is_(None))
sa.Index(
    "votes_one_current",
    votes.c.camera,
    votes.c.expnum,
    votes.c.ccdname,
    votes.c.plver,
    votes.c.inspector,
    unique=True,
    sqlite_where=is_current,
    postgresql_where=is_current,
)
sa.Index("votes_expnum", votes.c.expnum)
sa.Index("votes_inspector", votes.c.inspector)

imported_labels = sa.Table(
    "imported_labels",
    metadata,
    sa.Column("label_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("camera", sa.Text, nullable=False),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("ccdname", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("imported_utc", sa.Text, nullable=False),
    sa.UniqueConstraint("camera", "expnum", "ccdname", "reason", "raw", "source", "kind", name="imported_labels_once"),
)

imported_columns = sa.Table(
    "imported_columns",
    metadata,
    sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("camera", sa.Text, nullable=False),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("columns", sa.Text, nullable=False),
    sa.UniqueConstraint("camera", "expnum", "source", name="imported_columns_once"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", sa.Float, nullable=False),
    sa.Column("created_utc", sa.Text, nullable=False),
    sa.Column("last_login_utc", sa.Text),
    sa.CheckConstraint("role in ('viewer', 'inspector', 'lead')", name="users_role"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_utc", sa.Text, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("heartbeat", sa.Float, nullable=False),
    sa.Column("cancel_asked", sa.Boolean, nullable=False),
    sa.Column("finished_utc", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text, nullable=False),
    sa.CheckConstraint("state in ('waiting', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
)
_is_open = sa.text("state in ('waiting', 'running') and not cancel_asked")
sa.Index(
    "jobs_one_open",
    jobs.c.run,
    jobs.c.kind,
    jobs.c.parameters,
    unique=True,
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)

adjudications = sa.Table(
    "adjudications",
    metadata,
    sa.Column("adjudication_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("client_vote_id", sa.Text, nullable=False, unique=True),
    sa.Column("camera", sa.Text, nullable=False),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("plver", sa.Text, nullable=False),
    sa.Column("lead", sa.Text, nullable=False),
    sa.Column("judgement", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("votes_seen", sa.Text, nullable=False),  # JSON list of vote_id: the votes that the lead saw
    sa.Column("created_utc", sa.Text, nullable=False),
    sa.Column("superseded_by", sa.BigInteger),
    sa.Column("retracted_utc", sa.Text),
    sa.CheckConstraint("judgement in ('good', 'bad')", name="adjudications_judgement"),
)
is_decided = sa.and_(adjudications.c.superseded_by.is_(None), adjudications.c.retracted_utc.is_(None))
sa.Index(
    "adjudications_one_current",
    adjudications.c.camera,
    adjudications.c.expnum,
    adjudications.c.plver,
    unique=True,
    sqlite_where=is_decided,
    postgresql_where=is_decided,
)

# A judgement asked for a second time, to learn how consistent an inspector is. It is not a vote and supersedes none.
repeats = sa.Table(
    "repeats",
    metadata,
    sa.Column("repeat_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("client_vote_id", sa.Text, nullable=False, unique=True),
    sa.Column("vote_id", sa.BigInteger, nullable=False),  # the vote that it repeats
    sa.Column("inspector", sa.Text, nullable=False),
    sa.Column("judgement", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("screen", sa.Text, nullable=False),
    sa.Column("created_utc", sa.Text, nullable=False),
)
sa.Index("repeats_inspector", repeats.c.inspector)

# What a queue mixes in: exposures with a known answer, and a random control on which the whole panel votes.
draws = sa.Table(
    "draws",
    metadata,
    sa.Column("draw_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("camera", sa.Text, nullable=False),
    sa.Column("expnum", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("judgement", sa.Text, nullable=False),  # of a known answer; '' for a control exposure
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_utc", sa.Text, nullable=False),
    sa.CheckConstraint("kind in ('known', 'control')", name="draws_kind"),
    sa.UniqueConstraint("camera", "expnum", "kind", name="draws_once"),
)

# Who has an exposure on screen. Others get a different exposure first. A lease ends by itself at `until`.
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("camera", sa.Text, primary_key=True),
    sa.Column("expnum", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("inspector", sa.Text, primary_key=True),
    sa.Column("until", sa.Float, nullable=False),
)

# Who was shown the votes of others on an exposure. Their later votes on it are not blind.
reveals = sa.Table(
    "reveals",
    metadata,
    sa.Column("inspector", sa.Text, primary_key=True),
    sa.Column("camera", sa.Text, primary_key=True),
    sa.Column("expnum", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("revealed_utc", sa.Text, nullable=False),
)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),  # an account; '' = all accounts
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


def now_utc() -> str:
    """The present time as ISO text in UTC, with microseconds. Such texts sort by time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def open_engine(url: str) -> sa.Engine:
    """Return an engine for `url` and bring its tables up to date. LabelError if the database cannot be used."""
    try:
        address = sa.make_url(url)
    except SQLAlchemyError:
        raise LabelError(f"{url!r} is not a database address; try sqlite:///labels.db or postgresql://...") from None
    backend = address.get_backend_name()
    if backend == "sqlite":
        engine = sa.create_engine(address, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif backend == "postgresql":
        need("a label store in PostgreSQL", "psycopg")
        engine = sa.create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    else:
        raise LabelError(f"labels can be in SQLite or PostgreSQL, not in {backend}; try sqlite:///labels.db")
    try:
        _bring_up_to_date(engine)
    except (OperationalError, ProgrammingError) as error:  # ProgrammingError if the user may not make tables
        raise LabelError(f"cannot open the label store at {address!r}: {error.orig}") from None
    return engine


def _bring_up_to_date(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        ready = migrate.is_ready(connection)
    if not ready:
        with migrate.one_at_a_time, writing(engine) as connection:
            migrate.upgrade(connection)


def _prepare_sqlite(connection, _record) -> None:
    """Set up a new connection: no implicit BEGIN, write-ahead log, each commit is on disk before it returns."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    give_up = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        try:  # the switch to WAL does not itself wait for other processes that open the file
            connection.execute("PRAGMA journal_mode = WAL")
        except Exception:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction. No other writer runs meanwhile. Committed when the block ends, undone if it fails."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PG_WRITE_LOCK)))
        yield connection


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One read transaction: everything read inside shows the same moment."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def next_number(connection: sa.Connection, column: sa.Column) -> int:
    """The next free number of an integer key. Only valid inside `writing`."""
    return (connection.execute(sa.select(sa.func.max(column))).scalar() or 0) + 1


def bump_revision(connection: sa.Connection) -> None:
    """Count up the store's revision: votes or labels have changed."""
    row = store_state.c.name == "revision"
    connection.execute(store_state.update().where(row).values(value=store_state.c.value + 1))
