"""Brings the label store's tables to the newest revision, with Alembic. The steps are in `migrations/versions`.

Alembic notes a store's revision in a table of its own. A store that is older than our use of Alembic has a number in
`store_state` instead; that number says where to start. Everything happens in one write transaction of the caller. So a
second process finds the work done, and a killed process leaves nothing behind.
"""

import threading
from pathlib import Path

import sqlalchemy as sa

from triptych.pipeline.errors import LabelError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")  # oldest first
BEFORE_ALEMBIC = {1: "0001", 2: "0002"}  # number in `store_state` -> the revision that it stands for
ALEMBIC = "alembic_version"

one_at_a_time = threading.Lock()  # a migration sets global names in the alembic package, which all threads share


def is_ready(connection: sa.Connection) -> bool:
    """Whether the tables have the newest revision. Reads one row and does not import Alembic, which is slow."""
    return _stamp(connection) == REVISIONS[-1]


def exists(connection: sa.Connection) -> bool:
    """Whether there is a store of any revision."""
    return bool(_stamp(connection) or _before_alembic(connection))


def upgrade(connection: sa.Connection) -> None:
    """Make the tables of a new store, or bring an older store up to date.

    connection : inside `writing`, with `one_at_a_time` held. LabelError if the store was made by a newer Triptych.
    """
    stamp = _stamp(connection)
    found = stamp or _before_alembic(connection)
    if found not in ("", *REVISIONS):
        raise LabelError(
            f"the label store has schema {found}, but this Triptych knows {REVISIONS[-1]}; update Triptych"
        )
    if stamp == REVISIONS[-1]:
        return
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    if found and not stamp:
        command.stamp(config, found)
    command.upgrade(config, "head")


def _stamp(connection: sa.Connection) -> str:
    """The revision that Alembic has noted; '' if Alembic has never seen this store."""
    schema = connection.dialect.default_schema_name
    if not sa.inspect(connection).has_table(ALEMBIC, schema=schema):
        return ""
    version = sa.table(ALEMBIC, sa.column("version_num"), schema=schema)
    return connection.execute(sa.select(version.c.version_num)).scalar() or ""


def _before_alembic(connection: sa.Connection) -> str:
    """The revision of a store that Alembic has never seen; '' for a new store."""
    schema = connection.dialect.default_schema_name
    if not sa.inspect(connection).has_table("store_state", schema=schema):
        return ""
    state = sa.table("store_state", sa.column("name"), sa.column("value"), schema=schema)
    number = connection.execute(sa.select(state.c.value).where(state.c.name == "schema")).scalar() or 0
    return BEFORE_ALEMBIC.get(number, str(number))
