"""Stores of every age are brought up to date with all their rows, at once or after a kill; newer ones are left alone.

Tables that programs made before Alembic are written here as they were made, not as they are declared now.
"""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from tests import warm
from triptych.pipeline.errors import LabelError
from triptych.pipeline.store import migrate, schema
from triptych.pipeline.store.store import LabelStore, Vote

pytest_plugins = ["tests.postgres"]

ROOT = Path(__file__).parents[3]
SCHEMA_1 = """
CREATE TABLE store_state (
    name TEXT NOT NULL, value BIGINT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE votes (
    vote_id BIGINT NOT NULL, client_vote_id TEXT NOT NULL, camera TEXT NOT NULL, expnum BIGINT NOT NULL, ccdname
    TEXT NOT NULL, plver TEXT NOT NULL, inspector TEXT NOT NULL, judgement TEXT NOT NULL, reasons TEXT NOT NULL,
    comment TEXT NOT NULL, via TEXT NOT NULL, blind BOOLEAN NOT NULL, screen TEXT NOT NULL, created_utc TEXT NOT
    NULL, superseded_by BIGINT, retracted_utc TEXT,
    PRIMARY KEY (vote_id),
    CONSTRAINT votes_judgement CHECK (judgement in ('good', 'bad', 'unsure')),
    UNIQUE (client_vote_id)
);
CREATE UNIQUE INDEX votes_one_current ON votes (camera, expnum, ccdname, plver, inspector) WHERE superseded_by IS
    NULL AND retracted_utc IS NULL;
CREATE INDEX votes_inspector ON votes (inspector);
CREATE INDEX votes_expnum ON votes (expnum);
CREATE TABLE imported_labels (
    label_id BIGINT NOT NULL, camera TEXT NOT NULL, expnum BIGINT NOT NULL, ccdname TEXT NOT NULL, reason TEXT
    NOT NULL, raw TEXT NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL, imported_utc TEXT NOT NULL,
    PRIMARY KEY (label_id),
    CONSTRAINT imported_labels_once UNIQUE (camera, expnum, ccdname, reason, raw, source, kind)
);
CREATE TABLE imported_columns (
    row_id BIGINT NOT NULL, camera TEXT NOT NULL, expnum BIGINT NOT NULL, source TEXT NOT NULL, columns TEXT NOT
    NULL,
    PRIMARY KEY (row_id),
    CONSTRAINT imported_columns_once UNIQUE (camera, expnum, source)
);
CREATE TABLE users (
    name TEXT NOT NULL, password_hash TEXT NOT NULL, role TEXT NOT NULL, active BOOLEAN NOT NULL, failures
    INTEGER NOT NULL, locked_until FLOAT NOT NULL, created_utc TEXT NOT NULL, last_login_utc TEXT,
    PRIMARY KEY (name),
    CONSTRAINT users_role CHECK (role in ('viewer', 'inspector', 'lead'))
);
CREATE TABLE jobs (
    job_id BIGINT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT
    NULL, progress FLOAT NOT NULL, text TEXT NOT NULL, asked_by TEXT NOT NULL, asked_utc TEXT NOT NULL, worker
    TEXT NOT NULL, attempts INTEGER NOT NULL, heartbeat FLOAT NOT NULL, cancel_asked BOOLEAN NOT NULL,
    finished_utc TEXT, result TEXT, error TEXT NOT NULL,
    PRIMARY KEY (job_id),
    CONSTRAINT jobs_state CHECK (state in ('waiting', 'running', 'done', 'failed', 'cancelled'))
);
CREATE UNIQUE INDEX jobs_one_open ON jobs (run, kind, parameters) WHERE state in ('waiting', 'running') and not
    cancel_asked;
"""
ADDED_BY_2 = """
CREATE TABLE adjudications (
    adjudication_id BIGINT NOT NULL, client_vote_id TEXT NOT NULL, camera TEXT NOT NULL, expnum BIGINT NOT NULL,
    plver TEXT NOT NULL, lead TEXT NOT NULL, judgement TEXT NOT NULL, reasons TEXT NOT NULL, comment TEXT NOT
    NULL, votes_seen TEXT NOT NULL, created_utc TEXT NOT NULL, superseded_by BIGINT, retracted_utc TEXT,
    PRIMARY KEY (adjudication_id),
    CONSTRAINT adjudications_judgement CHECK (judgement in ('good', 'bad')),
    UNIQUE (client_vote_id)
);
CREATE UNIQUE INDEX adjudications_one_current ON adjudications (camera, expnum, plver) WHERE superseded_by IS NULL
    AND retracted_utc IS NULL;
CREATE TABLE repeats (
    repeat_id BIGINT NOT NULL, client_vote_id TEXT NOT NULL, vote_id BIGINT NOT NULL, inspector TEXT NOT NULL,
    judgement TEXT NOT NULL, reasons TEXT NOT NULL, screen TEXT NOT NULL, created_utc TEXT NOT NULL,
    PRIMARY KEY (repeat_id),
    UNIQUE (client_vote_id)
);
CREATE INDEX repeats_inspector ON repeats (inspector);
CREATE TABLE draws (
    draw_id BIGINT NOT NULL, camera TEXT NOT NULL, expnum BIGINT NOT NULL, kind TEXT NOT NULL, judgement TEXT
    NOT NULL, reasons TEXT NOT NULL, created_by TEXT NOT NULL, created_utc TEXT NOT NULL,
    PRIMARY KEY (draw_id),
    CONSTRAINT draws_kind CHECK (kind in ('known', 'control')),
    CONSTRAINT draws_once UNIQUE (camera, expnum, kind)
);
CREATE TABLE leases (
    camera TEXT NOT NULL, expnum BIGINT NOT NULL, inspector TEXT NOT NULL, until FLOAT NOT NULL,
    PRIMARY KEY (camera, expnum, inspector)
);
CREATE TABLE reveals (
    inspector TEXT NOT NULL, camera TEXT NOT NULL, expnum BIGINT NOT NULL, revealed_utc TEXT NOT NULL,
    PRIMARY KEY (inspector, camera, expnum)
);
CREATE TABLE settings (
    owner TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (owner, name)
);
"""
APPEND_ONLY_1 = {
    "votes": "vote_id, client_vote_id, camera, expnum, ccdname, plver, inspector, judgement, reasons, comment, via, "
    "blind, screen, created_utc",
}
APPEND_ONLY_2 = {
    "adjudications": "adjudication_id, client_vote_id, camera, expnum, plver, lead, judgement, reasons, comment, "
    "votes_seen, created_utc",
    "repeats": "repeat_id, client_vote_id, vote_id, inspector, judgement, reasons, screen, created_utc",
}
ROWS_1 = """
INSERT INTO store_state VALUES ('schema', 1), ('revision', 17);
INSERT INTO votes VALUES
    (1, 'a', 'decam', 5, '', 'v1', 'amy', 'bad', '["PSF"]', 'a "word"', 'single', true, '{}', 'then', 2, NULL),
    (2, 'b', 'decam', 5, '', 'v1', 'amy', 'good', '[]', '', 'bulk', false, '{"zoom": 2}', 'later', NULL, NULL),
    (3, 'c', 'decam', 5, 'N1', '', 'ben', 'unsure', '[]', '', 'import', false, '{}', 'later', NULL, 'then');
INSERT INTO imported_labels VALUES (1, 'decam', 5, 'N1', 'PSF', 'bad psf', 'a.txt', 'bad_expid', 'then');
INSERT INTO imported_columns VALUES (1, 'decam', 5, 'a.csv', '{"seeing": "1.2"}');
INSERT INTO users VALUES ('amy', 'hash', 'lead', true, 2, 1.5, 'then', NULL);
INSERT INTO jobs VALUES
    (1, 'run', 'retrain', '{}', 'done', 1.0, '', 'amy', 'then', 'host:1', 1, 2.5, false, 'later', '{"rows": 3}', ''),
    (2, 'run', 'retrain', '{}', 'waiting', 0.0, '', 'amy', 'then', '', 0, 0.0, false, NULL, NULL, '');
"""
ROWS_2 = """
UPDATE store_state SET value = 2 WHERE name = 'schema';
INSERT INTO adjudications VALUES (1, 'd', 'decam', 5, 'v1', 'lea', 'bad', '[]', 'twice', '[1, 2]', 'then', NULL, NULL);
INSERT INTO repeats VALUES (1, 'e', 2, 'amy', 'bad', '[]', '{}', 'then');
INSERT INTO draws VALUES (1, 'decam', 7, 'known', 'bad', '["PSF"]', 'lea', 'then');
INSERT INTO leases VALUES ('decam', 5, 'amy', 9.5);
INSERT INTO reveals VALUES ('amy', 'decam', 5, 'then');
INSERT INTO settings VALUES ('', 'queue', '["score"]');
"""


def engine_of(url: str) -> sa.Engine:
    address = sa.make_url(url)
    return sa.create_engine(address if "sqlite" in url else address.set(drivername="postgresql+psycopg"))


def guards(backend: str, table: str, fixed: str) -> list[str]:
    if backend == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
        return [
            f"CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table} {refuse}",
            f"CREATE TRIGGER {table}_never_changed BEFORE UPDATE OF {fixed} ON {table} {refuse}",
        ]
    return [
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} are append-only'; END $$",
        f"CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
        f"CREATE TRIGGER {table}_never_changed BEFORE UPDATE OF {fixed} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()",
    ]


def make_old(url: str, number: int) -> None:
    """A store of schema 1 or 2 as the programs of that time made it, with rows in every table."""
    if not number:
        return
    engine = engine_of(url)
    parts = [(SCHEMA_1, APPEND_ONLY_1, ROWS_1), (ADDED_BY_2, APPEND_ONLY_2, ROWS_2)]
    with engine.begin() as connection:
        for tables, append_only, rows in parts[:number]:
            triggers = [one for table in append_only.items() for one in guards(engine.dialect.name, *table)]
            for statement in [*tables.split(";\n"), *triggers, *rows.split(";\n")]:
                if statement.strip():
                    connection.exec_driver_sql(statement)
    engine.dispose()


def is_there(url: str) -> bool:
    """Whether there is a file to look at: SQLite would make one."""
    address = sa.make_url(url)
    return address.get_backend_name() != "sqlite" or Path(address.database).exists()


def state_of(rows: dict[str, list[tuple]]) -> dict[str, int]:
    """Take `store_state` out of the rows, without the identity, which every store has of its own."""
    state = dict(rows.pop("store_state"))
    assert 0 < state.pop("identity") < 2**63
    return state


def rows_of(url: str) -> dict[str, list[tuple]]:
    """Every row of every table except Alembic's."""
    if not is_there(url):
        return {}
    engine = engine_of(url)
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names()) - {migrate.ALEMBIC}
        found = {
            name: sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name}")), key=repr) for name in names
        }
    engine.dispose()
    return found


def shape_of(url: str) -> list[str]:
    """All that the database reports about its tables, constraints, indexes, triggers and functions."""
    engine = engine_of(url)
    with engine.connect() as connection:
        found = [
            " ".join(map(str, row)) for query in SHAPE[engine.dialect.name] for row in connection.exec_driver_sql(query)
        ]
    engine.dispose()
    return sorted(re.sub(r"labels_\w+\.|\s*([(),]|$)\s*", r"\1", re.sub(r"\s+", " ", one)) for one in found)


SHAPE = {
    "sqlite": ["SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"],
    "postgresql": [
        "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = current_schema()",
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = current_schema()::regnamespace",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()",
        "SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE c.relnamespace = current_schema()::regnamespace",
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
    ],
}


def declared(url: str) -> list:
    """Differences that Alembic finds between the database and `schema`."""
    engine = engine_of(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    engine.dispose()
    return found


@pytest.fixture
def fresh(new_store_url) -> str:
    """Address of an empty store that this program made."""
    url = new_store_url()
    LabelStore(url).close()
    return url


def set_stamp(url: str, revision: str) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()


def test_a_new_store_is_as_the_tables_are_declared(fresh, new_store_url):
    assert declared(fresh) == []
    url = new_store_url()
    engine = engine_of(url)
    schema.metadata.create_all(engine)
    engine.dispose()
    besides = re.compile("alembic_version|trigger|append_only", re.IGNORECASE)
    assert shape_of(url) == [one for one in shape_of(fresh) if not besides.search(one)]
    assert state_of(rows_of(fresh)) == {"revision": 0, "schema": 2}  # what programs of before Alembic read


def test_the_revisions_are_those_of_the_files():
    config = Config()
    config.set_main_option("script_location", str(ROOT / "pipeline/store/migrations"))
    script = ScriptDirectory.from_config(config)
    assert tuple(one.revision for one in script.walk_revisions())[::-1] == migrate.REVISIONS


@pytest.mark.parametrize("number", [1, 2])
def test_a_store_of_before_alembic_is_taken_over_with_all_its_rows(fresh, new_store_url, number):
    url = new_store_url()
    make_old(url, number)
    before = rows_of(url)
    with LabelStore(url) as store:
        assert store.revision() == 17
        assert store.votes().judgement.tolist() == ["good"]
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), schema.writing(store.engine) as connection:
            connection.exec_driver_sql("DELETE FROM votes")
    assert shape_of(url) == shape_of(fresh)
    assert declared(url) == []
    after = rows_of(url)
    assert set(after) == set(schema.metadata.tables)
    assert state_of(after) == {"revision": 17, "schema": 2}
    del before["store_state"]
    assert {name: rows for name, rows in after.items() if rows} == before
    LabelStore(url).close()
    assert shape_of(url) == shape_of(fresh)


def test_a_store_without_an_identity_gets_one_and_keeps_it(new_store_url):
    url = new_store_url()
    make_old(url, 2)
    states = []
    for _ in range(2):
        with LabelStore(url) as store:
            newest = int(store.votes(current=False)["vote_id"].max())
            states.append(store.state())
    assert states[0] == states[1]
    assert int(states[0].identity, 16) > 0
    assert (states[0].revision, states[0].last_vote) == (17, newest)


def test_two_stores_have_two_identities(new_store_url):
    with LabelStore(new_store_url()) as one, LabelStore(new_store_url()) as other:
        assert one.state().identity != other.state().identity


def test_a_store_of_a_newer_program_is_left_as_it_is(fresh, new_store_url):
    set_stamp(fresh, "0099")
    old = new_store_url()
    make_old(old, 2)
    engine = engine_of(old)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE store_state SET value = 99 WHERE name = 'schema'")
    engine.dispose()
    for url, found in ((fresh, "0099"), (old, "99")):
        before = rows_of(url), shape_of(url)
        with pytest.raises(
            LabelError, match=f"the label store has schema {found}, but this Triptych knows 0006; update Triptych"
        ):
            LabelStore(url)
        assert (rows_of(url), shape_of(url)) == before


def die_at(url: str, statement: str) -> None:
    """Runs in a process of its own: open the store; the process is killed before a statement with these words."""

    def before(_connection, _cursor, text, *_):
        if statement in text:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(sa.Engine, "before_cursor_execute", before)
    LabelStore(url)


@pytest.mark.parametrize(
    ("number", "statement"),
    [
        (0, "CREATE TABLE jobs"),
        (0, "CREATE TABLE reveals"),
        (1, "CREATE TABLE reveals"),
        (1, "alembic_version SET"),
        (2, "INSERT INTO"),
    ],
)
def test_killed_in_the_middle_and_opened_again_it_is_the_same(fresh, new_store_url, number, statement):
    url = new_store_url()
    make_old(url, number)
    before = rows_of(url)
    process = warm.process(die_at, url, statement)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert rows_of(url) == before
    LabelStore(url).close()
    assert shape_of(url) == shape_of(fresh)
    after = rows_of(url)
    assert state_of(after) == {"revision": 17 if number else 0, "schema": 2}
    before.pop("store_state", None)
    assert {name: rows for name, rows in after.items() if rows} == before


def open_and_vote(url: str, inspector: str) -> None:
    with LabelStore(url) as store:
        store.cast(Vote(expnum=1, inspector=inspector, judgement="good"))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_opened_by_many_at_once_it_is_made_once(fresh, new_store_url, number):
    url = new_store_url()
    make_old(url, number)
    processes = [warm.process(open_and_vote, url, f"process {i}") for i in range(3)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(open_and_vote, [url] * 3, [f"thread {i}" for i in range(3)]))
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    assert shape_of(url) == shape_of(fresh)
    with LabelStore(url) as store:
        assert len(store.votes()) == 6 + bool(number)


def test_several_new_stores_at_once_do_not_get_into_each_others_way(fresh, new_store_url):
    urls = [new_store_url() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(open_and_vote, urls, ["amy"] * 4))
    assert [shape_of(url) for url in urls] == [shape_of(fresh)] * 4


def test_another_programs_migrations_on_the_search_path_are_not_ours(new_store_url):
    other, own = new_store_url(), new_store_url()
    if "sqlite" in own:
        pytest.skip("a SQLite file has one schema")
    engine = engine_of(other)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('c0ffee')")
        further = connection.exec_driver_sql("SELECT current_schema()").scalar()
    engine.dispose()
    with LabelStore(f"{own}%2C{further}") as store:
        store.cast(Vote(expnum=1, inspector="amy", judgement="good"))
    assert rows_of(own)["votes"]
    assert rows_of(other) == {}


def test_opening_a_store_that_is_up_to_date_costs_next_to_nothing(fresh):
    said = []

    def before(_connection, _cursor, text, *_):
        said.append(text)

    event.listen(sa.Engine, "before_cursor_execute", before)
    LabelStore(fresh).close()
    event.remove(sa.Engine, "before_cursor_execute", before)
    assert len(said) <= 5, said
    assert not [statement for statement in said if "IMMEDIATE" in statement or "lock" in statement]


def test_alembic_is_not_loaded_for_a_store_that_is_up_to_date(tmp_path):
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    LabelStore(url).close()
    code = (
        "import sys; from triptych.pipeline.store.store import LabelStore; "
        f"LabelStore({url!r}).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stdout + done.stderr
