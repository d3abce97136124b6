"""The label store goes away while the dashboard is served: 503, nothing acknowledged falsely, nothing stored twice."""

import json
import os
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests import survey
from tests.app.test_server import Browser
from tests.app.test_worker import wait_until
from tests.ui.conftest import serving
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store

pytest_plugins = ["tests.postgres"]

EXPNUM = 900002


@pytest.fixture
def served(tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    with serving(tmp_path / "run", "--no-worker") as server:
        yield server


@pytest.fixture
def amy(served):
    browser = Browser(served.url)
    assert browser.log_in("amy").status == 302
    return browser


def vote(browser, name, judgement="good"):
    body = {"expnum": EXPNUM, "judgement": judgement, "client_vote_id": name}
    return browser.ask("/api/vote", json.dumps(body).encode(), Origin=browser.url)


def names(run, labels=""):
    with open_store(Catalog.open(run), labels) as store:
        votes = store.votes(inspector="amy", current=False)
    return votes.client_vote_id.tolist()


def test_a_vote_into_a_store_that_is_gone_is_503_and_arrives_once_when_it_is_back(served, amy):
    assert vote(amy, "first").status == 200
    away = served.run.parent / "away"
    away.mkdir()
    for path in served.run.glob("labels.db*"):
        path.rename(away / path.name)
    for _ in range(2):
        answer = vote(amy, "second")
        assert answer.status == 503
        assert "is gone" in answer.text
    assert amy.ask("/api/queue").status == 503
    assert not list(served.run.glob("labels.db*"))
    for path in away.iterdir():
        os.replace(path, served.run / path.name)
    for _ in range(2):
        assert vote(amy, "second").status == 200
    assert names(served.run) == ["first", "second"]


def test_a_vote_while_postgresql_is_started_again_is_503_and_arrives_once(tmp_path, own_postgres):
    survey.make(tmp_path / "run", exposures=4)
    url = sa.make_url(own_postgres.get_uri()).set(drivername="postgresql").render_as_string(hide_password=False)
    with open_store(Catalog.open(tmp_path / "run"), url) as store:
        store.add_user("amy", survey.PASSWORD)
    with serving(tmp_path / "run", "--labels", url, "--no-worker") as served:
        amy = Browser(served.url)
        assert amy.log_in("amy").status == 302
        assert vote(amy, "first").status == 200
        own_postgres.stop()
        for _ in range(2):
            answer = vote(amy, "second")
            assert answer.status == 503
            assert "try again" in answer.text
        own_postgres.start()
        for _ in range(2):
            assert vote(amy, "second").status == 200
        assert names(tmp_path / "run", url) == ["first", "second"]


def test_a_server_does_not_start_on_a_store_that_is_gone(served, amy):
    assert vote(amy, "first").status == 200
    served.stop()
    for path in served.run.glob("labels.db*"):
        path.unlink()
    with pytest.raises(RuntimeError, match="is gone; it was at revision"):
        served.start()
    assert not list(served.run.glob("labels.db*"))


def test_the_run_knows_within_a_second_or_two_how_far_the_store_is(served, amy):
    """Without the end of the server, which a power cut does not wait for."""
    assert vote(amy, "first").status == 200
    with closing(sqlite3.connect(served.run / "labels.db")) as store:
        (revision,) = store.execute("SELECT value FROM store_state WHERE name = 'revision'").fetchone()
    wait_until(lambda: known(served.run)["revision"] == revision)
    assert known(served.run)["client_vote_id"] == "first"


def known(run):
    return json.loads((run / "labels.json").read_text())["stores"]["labels.db"]
