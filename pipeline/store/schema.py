"""The tables of the label store: the same schema in SQLite and PostgreSQL.

The database refuses to delete a vote, decision, annulment, repeated judgement or event of an account. In an existing
one, only `superseded_by` and `retracted_utc` can change. If you change a table here, add a step in `migrations`.
"""

from collections.abc import Iterable, Sequence

import pandas as pd
import sqlalchemy as sa

from triptych.pipeline import clock

# Whoever needs tables needs transactions too: they have both from here.
from triptych.pipeline.store.connections import guard_of
from triptych.pipeline.store.connections import open_engine as open_engine
from triptych.pipeline.store.connections import reading as reading
from triptych.pipeline.store.connections import writing as writing

metadata = sa.MetaData()
_CHUNK = 500

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

logins = sa.Table(
    "logins",
    metadata,
    sa.Column("login_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_utc", sa.Text, nullable=False),
    sa.Column("last_seen_utc", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("ended_utc", sa.Text),
)
sa.Index("logins_name", logins.c.name)

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

# Accounts that were leads until some moment. They could read all votes that there were then.
former_leads = sa.Table(
    "former_leads",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("until_utc", sa.Text, nullable=False),
)

# A lead's word that a judgement does not count. The votes that it names are retracted in the same transaction.
annulments = sa.Table(
    "annulments",
    metadata,
    sa.Column("annulment_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("vote_id", sa.BigInteger, nullable=False, unique=True),  # the vote on the whole exposure, or on one CCD
    sa.Column("lead", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("created_utc", sa.Text, nullable=False),
)

# What happened to an account: see logins.EVENTS. Written in the transaction of the change.
account_events = sa.Table(
    "account_events",
    metadata,
    sa.Column("event_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("created_utc", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),  # of the account; '' = there is none of the name that was typed
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),  # of the browser; '' = the command line
    sa.Column("details", sa.Text, nullable=False),
)
sa.Index("account_events_name", account_events.c.name)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),  # an account; '' = all accounts
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


def now_utc() -> str:
    """The present time as ISO text in UTC, with microseconds. Such texts sort by time."""
    return clock.utc_exactly()


def frame_of(rows: Sequence[sa.Row], columns: Iterable[str]) -> pd.DataFrame:
    """Rows of a query as a frame. Column by column takes a fifth of the time that pandas takes for such rows."""
    columns = list(columns)
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def chunks(values: Iterable) -> Iterable[list]:
    """Lists of at most so many values as one SQL `IN (...)` takes."""
    values = list(values)
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def next_number(connection: sa.Connection, column: sa.Column) -> int:
    """The next free number of an integer key. Only valid inside `writing`."""
    return (connection.execute(sa.select(sa.func.max(column))).scalar() or 0) + 1


def bump_revision(connection: sa.Connection) -> None:
    """Count up the store's revision: votes or labels have changed. Only inside `writing`.

    StoreAway if it is not above every revision seen before: then somebody has put an older state in its place.
    """
    row = store_state.c.name == "revision"
    counted = store_state.update().where(row).values(value=store_state.c.value + 1).returning(store_state.c.value)
    revision, guard = connection.execute(counted).scalar_one(), guard_of(connection)
    guard.check_revision(revision - 1, guard.revision)
    connection.info["revision"] = revision
