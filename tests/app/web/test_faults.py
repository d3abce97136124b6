"""Which status an exception becomes: passing faults are 503, so that no vote is thrown away for them."""

import errno
import json
import sqlite3

import pytest
import sqlalchemy as sa
import tornado.web

from tests import survey
from tests.app.test_server import Browser
from tests.ui.conftest import serving
from triptych.app.web.fault_handler import answer_to
from triptych.app.web.faults import fault_of
from triptych.pipeline import errors

EXPNUM = 900002


def of_sqlite(said, kind=sqlite3.OperationalError, wrapped=sa.exc.OperationalError):
    return wrapped("INSERT", {}, kind(said))


PASSING = [
    errors.CatalogError("run.json cannot be read"),
    errors.StageMissing("no model yet"),
    errors.StageStale("made from a different embedding"),
    errors.StoreAway("the label store is gone"),
    errors.NotInstalled("install torch"),
    of_sqlite("database is locked"),
    of_sqlite("database or disk is full"),
    of_sqlite("file is not a database", sqlite3.DatabaseError, sa.exc.DatabaseError),
    of_sqlite("UNIQUE constraint failed", sqlite3.IntegrityError, sa.exc.IntegrityError),
    sa.exc.TimeoutError("QueuePool limit reached"),
    *[OSError(number, "no") for number in (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.ESTALE)],
    FileNotFoundError(errno.ENOENT, "No such file", "stage.json"),
    MemoryError(),
]
NEVER = [
    errors.BadInput("w is a width"),
    errors.LabelError("a vote needs an expnum"),
    errors.UnknownName("'badd' is not a judgement"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: f"{type(error).__name__} {error}")
def test_what_passes_is_503(error):
    fault = fault_of(error)
    assert fault.status == 503
    assert fault.text
    assert "\n" not in fault.text


@pytest.mark.parametrize("error", NEVER, ids=lambda error: type(error).__name__)
def test_what_can_never_be_done_is_4xx(error):
    assert 400 <= fault_of(error).status < 500


def test_a_fault_of_ours_says_so_without_a_traceback():
    fault = fault_of(KeyError("secret column"))
    assert fault.status == 500
    assert "secret" not in fault.text
    assert "log" in fault.text


@pytest.mark.parametrize("text", ["100% of it", "50%% of %s"])
def test_a_text_with_per_cent_stays_as_it_is(text):
    assert answer_to(tornado.web.HTTPError(400, "%s", text)).text == text
    assert answer_to(tornado.web.HTTPError(400, text)).text == text
    assert answer_to(errors.BadInput(text)).text == text


@pytest.fixture
def served(tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    with serving(tmp_path / "run", "--no-worker") as server:
        yield server


def vote(browser, name):
    body = {"expnum": EXPNUM, "judgement": "good", "client_vote_id": name}
    headers = {"Origin": browser.url, "X_Triptych_User": "amy", "Content_Type": "application/json"}
    return browser.ask("/api/vote", json.dumps(body).encode(), **headers)


def test_votes_while_the_run_and_its_store_are_damaged_wait_and_arrive_once(served):
    browser = Browser(served.url)
    browser.log_in("amy")
    run, store = served.run / "run.json", served.run / "labels.db"
    whole = run.read_bytes()
    run.write_bytes(whole[: len(whole) // 2])
    answer = browser.ask("/model/overview")
    assert answer.status == 503
    assert "run.json cannot be read" in answer.text
    assert answer.headers["Retry-After"].isdigit()
    run.write_bytes(whole)
    assert vote(browser, "first").status == 200
    with sqlite3.connect(store) as connection:
        connection.execute("ALTER TABLE votes RENAME TO votes_elsewhere")
    answers = [vote(browser, "second"), browser.ask("/api/queue"), browser.ask("/export/mine")]
    assert [answer.status for answer in answers] == [503] * 3
    for answer in answers:
        assert answer.text.startswith("503 the label store ")
        assert "cannot be used now (no such table: votes)" in answer.text
        assert answer.text.count("\n") == 1
        assert "Traceback" not in answer.text
    with sqlite3.connect(store) as connection:
        connection.execute("ALTER TABLE votes_elsewhere RENAME TO votes")
    for _ in range(2):
        assert vote(browser, "second").status == 200
    with sqlite3.connect(store) as connection:
        assert connection.execute("SELECT client_vote_id FROM votes WHERE inspector = 'amy'").fetchall() == [
            ("first",),
            ("second",),
        ]
    store_gone = Browser(served.url)
    with sqlite3.connect(store) as connection:
        connection.execute("ALTER TABLE users RENAME TO users_elsewhere")
    answer = store_gone.log_in("amy")
    assert answer.status == 503
    assert "try again" in answer.text
    with sqlite3.connect(store) as connection:
        connection.execute("ALTER TABLE users_elsewhere RENAME TO users")
    assert store_gone.log_in("amy").status == 302
