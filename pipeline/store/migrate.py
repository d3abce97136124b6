"""The label store's tables brought to the newest revision, by Alembic; the steps are in `migrations/versions`.

A store says in Alembic's own table which revision it has. One of before Alembic says it as a number in `store_state`,
and is taken over from there. All happens in one write transaction of the caller: whoever comes second finds it done,
and of a process that is killed nothing is left.
"""

import threading
from pathlib import Path

import sqlalchemy as sa

from triptych.pipeline.errors import LabelError

REVISIONS = ("0001", "0002")  # oldest first
BEFORE_ALEMBIC = {1: "0001", 2: "0002"}  # number in `store_state` -> revision
ALEMBIC = "alembic_version"

one_at_a_time = threading.Lock()  # a migration sets names inside the package alembic, which threads would share


def is_ready(connection: sa.Connection) -> bool:
    """Whether the tables are at the newest revision; reads one row, and loads no Alembic, which takes a while."""
    return _stamp(connection) == REVISIONS[-1]


def upgrade(connection: sa.Connection) -> None:
    """Make the tables of a new store, or what an older one lacks. LabelError if a newer program made it.

    connection : inside `writing`, with `one_at_a_time` held.
    """
    stamp = _stamp(connection)
    found = stamp or _before_alembic(connection)
    if found not in ("", *REVISIONS):
        raise LabelError(f"the label store has schema {found}, this program reads {REVISIONS[-1]}; update it")
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
    """The revision that Alembic has noted, '' of a store that it has not seen."""
    schema = connection.dialect.default_schema_name
    if not sa.inspect(connection).has_table(ALEMBIC, schema=schema):
        return ""
    version = sa.table(ALEMBIC, sa.column("version_num"), schema=schema)
    return connection.execute(sa.select(version.c.version_num)).scalar() or ""


def _before_alembic(connection: sa.Connection) -> str:
    """The revision of a store that Alembic has not seen, '' of a new one."""
    schema = connection.dialect.default_schema_name
    if not sa.inspect(connection).has_table("store_state", schema=schema):
        return ""
    state = sa.table("store_state", sa.column("name"), sa.column("value"), schema=schema)
    number = connection.execute(sa.select(state.c.value).where(state.c.name == "schema")).scalar() or 0
    return BEFORE_ALEMBIC.get(number, str(number))
