"""Connections: readers wait for nobody, a server that is started again is found again, passwords stay hidden."""

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import LabelError, StoreAway
from triptych.pipeline.store import connections
from triptych.pipeline.store.store import LabelStore, Vote, open_store

pytest_plugins = ["tests.postgres"]


def vote(expnum: int, name: str = "") -> Vote:
    return Vote(expnum=expnum, inspector="amy", judgement="bad", client_vote_id=name)


def test_who_waits_too_long_to_write_is_told_to_try_again(store_url, monkeypatch):
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    with LabelStore(store_url) as one, LabelStore(store_url) as other:
        with connections.writing(other.engine):
            with pytest.raises(StoreAway, match="try again"):
                one.cast(vote(1, "one"))
            assert len(one.votes()) == 0
        assert one.cast(vote(1, "one")).vote_id == 1


# ---- SQLite


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_opening_to_read_does_not_wait_for_a_writer(tmp_path, monkeypatch, mode):
    """DELETE is the mode of a copy made by another program."""
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    with LabelStore(url) as store:
        store.cast(vote(1))
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0)  # whoever waits fails
    with closing(sqlite3.connect(tmp_path / "labels.db", isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode = {mode}")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE store_state SET value = value + 1 WHERE name = 'revision'")
        with LabelStore(url) as store:
            assert store.votes().expnum.tolist() == [1]
            with pytest.raises(StoreAway, match=r"locked.*try again"):
                store.cast(vote(2))
        writer.execute("ROLLBACK")


def test_a_store_that_lost_its_write_ahead_log_gets_one_again(tmp_path):
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    LabelStore(url).close()
    for mode in ("DELETE", None):
        with closing(sqlite3.connect(tmp_path / "labels.db")) as file:
            if mode:
                file.execute(f"PRAGMA journal_mode = {mode}")
            else:
                assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        LabelStore(url).close()


# ---- where it is


def test_the_address_can_be_in_a_file_or_in_the_environment(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from triptych.app.cli import app

    catalog = Catalog.create(tmp_path / "run")
    url = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "address").write_text(f"{url}\n# who may read this file may read the votes\n")
    with open_store(catalog, f"@{tmp_path / 'address'}") as store:
        assert store.url == url
        store.add_user("amy", "a password", "lead")
    assert (
        "amy"
        in CliRunner().invoke(app, ["user", "list", str(catalog.path), "--labels", f"@{tmp_path / 'address'}"]).stdout
    )
    monkeypatch.setenv("TRIPTYCH_LABELS", url)
    assert "amy" in CliRunner().invoke(app, ["user", "list", str(catalog.path)]).stdout
    catalog.set_info(labels=f"@{tmp_path / 'address'}")
    with open_store(catalog) as store:
        assert store.url == url


@pytest.mark.parametrize("text", [None, "\n"])
def test_a_file_without_an_address_is_an_error_that_says_so(tmp_path, text):
    if text is not None:
        (tmp_path / "address").write_text(text)
    with pytest.raises(LabelError, match="address"):
        open_store(Catalog.create(tmp_path / "run"), f"@{tmp_path / 'address'}")


@pytest.mark.parametrize(
    "url",
    ["postgresql//amy:secret@host/labels", "mysql://amy:secret@host/labels", "postgresql://amy:secret@[::1:x/labels"],
)
def test_no_message_repeats_a_password(tmp_path, url):
    catalog = Catalog.create(tmp_path / "run")
    open_store(catalog).close()
    with pytest.raises(LabelError) as refused:
        open_store(catalog, url)
    assert "secret" not in str(refused.value)


# ---- PostgreSQL, stopped and started again


def url_of(server, **changes) -> str:
    return sa.make_url(server.get_uri()).set(drivername="postgresql", **changes).render_as_string(hide_password=False)


def test_a_server_that_is_started_again_is_found_again(own_postgres):
    with LabelStore(url_of(own_postgres)) as store:
        store.cast(vote(1, "one"))
        own_postgres.stop()
        for _ in range(2):
            with pytest.raises(StoreAway, match="try again"):
                store.cast(vote(2, "two"))
            with pytest.raises(StoreAway, match="try again"):
                store.votes()
        own_postgres.start()
        assert store.votes().client_vote_id.tolist() == ["one"]
        assert store.cast(vote(2, "two")).vote_id == store.cast(vote(2, "two")).vote_id == 2


def test_a_vote_whose_connection_breaks_in_the_middle_is_stored_once(own_postgres):
    with LabelStore(url_of(own_postgres)) as store:
        for moment in ("UPDATE store_state", "pg_advisory_xact_lock"):
            with broken_at(store.engine, own_postgres, moment), pytest.raises(StoreAway):
                store.cast(vote(1, moment))
            store.cast(vote(1, moment))
        assert store.votes(current=False).client_vote_id.tolist() == ["UPDATE store_state", "pg_advisory_xact_lock"]


@contextmanager
def broken_at(engine: sa.Engine, server, statement: str):
    """The database ends the connection right before a statement with these words."""
    other = sa.create_engine(url_of(server).replace("postgresql:", "postgresql+psycopg:"))

    def before(connection, _cursor, text, *_):
        if statement in text:
            pid = connection.connection.dbapi_connection.info.backend_pid
            with other.connect() as connected:
                connected.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    event.listen(engine, "before_cursor_execute", before)
    yield
    event.remove(engine, "before_cursor_execute", before)
    other.dispose()


def test_a_database_that_was_dropped_is_not_made_anew_without_a_word(own_postgres, tmp_path):
    catalog, url = Catalog.create(tmp_path / "run"), url_of(own_postgres, database="labels")
    with LabelStore(url_of(own_postgres)) as store:
        admin = store.engine.execution_options(isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE labels"))
        with open_store(catalog, url) as used:
            used.cast(vote(1))
            used.note_state()  # as the server does each second
            with admin.connect() as connection:
                connection.execute(sa.text("DROP DATABASE labels WITH (FORCE)"))
                connection.execute(sa.text("CREATE DATABASE labels"))
            with pytest.raises(StoreAway):
                used.cast(vote(2))
        with pytest.raises(LabelError, match="is gone; it was at revision 1"):
            open_store(catalog, url)


def test_a_password_can_be_in_the_file_that_every_postgresql_program_reads(own_postgres, tmp_path, monkeypatch):
    with LabelStore(url_of(own_postgres)) as store, store.engine.connect() as connection:
        connection.execute(sa.text("CREATE ROLE amy LOGIN SUPERUSER PASSWORD 'secret'"))
        connection.commit()
        rules = Path(connection.execute(sa.text("SHOW hba_file")).scalar_one())
        rules.write_text(f"local all amy scram-sha-256\n{rules.read_text()}")
        connection.execute(sa.text("SELECT pg_reload_conf()"))
        connection.commit()
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:amy:secret\n")
    passwords.chmod(0o600)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(LabelError, match="no password supplied"):
        LabelStore(url_of(own_postgres, username="amy", password=None))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    LabelStore(url_of(own_postgres, username="amy", password=None)).close()
