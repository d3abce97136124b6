"""Who is told what of the changes that votes make between two fits."""

import json
import shutil

import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.testing
import tornado.web

from tests import vectors
from tests.app.aside import run_aside
from tests.logins import cookie_header
from triptych.app.context import AppContext
from triptych.app.rooms.model.live_report import routes
from triptych.app.web.auth import StoreAuth
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.retraining import live_changes
from triptych.pipeline.store.store import LabelStore, Vote

USERS = {"amy": "inspector", "ben": "inspector", "lea": "lead", "vic": "viewer"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A predicted run with accounts, whose labels know nothing of ghosts: the run and its ghosts' expnums."""
    catalog, truth = vectors.make(tmp_path_factory.mktemp("made") / "run", exposures=30)
    ghosts = sorted(int(expnum) for expnum in truth.expnum[truth.reason == "Ghost_Scatter"].unique())
    with LabelStore(catalog.labels_url()) as store:
        vectors.teach(store, truth[~truth.expnum.isin(ghosts)])
        for name, role in USERS.items():
            store.add_user(name, "a long password", role)
        train.train(catalog, store, classifier="knn")
    predict.predict(catalog)
    candidates.find(catalog)
    return catalog.path, ghosts


@pytest.fixture
def app(made, tmp_path):
    catalog = Catalog.open(shutil.copytree(made[0], tmp_path / "run"))
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


@pytest.fixture
def ghosts(made):
    return made[1]


@pytest.fixture
def ask(app):
    """ask(user, address="/model/live") -> (status, answer); user None = not logged in."""

    async def fetch(user, address):
        web = tornado.web.Application(routes(app), cookie_secret=app.secret)
        web.auth_provider = StoreAuth(app)
        socket, port = tornado.testing.bind_unused_port()
        server = tornado.httpserver.HTTPServer(web)
        server.add_socket(socket)
        cookie = cookie_header(app, user)
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        try:
            headers = {"Cookie": cookie}
            return await client.fetch(f"http://127.0.0.1:{port}{address}", headers=headers, raise_error=False)
        finally:
            client.close()
            server.stop()

    def asked(user, address="/model/live?assisted=1"):
        answer = run_aside(fetch(user, address))
        return answer.code, json.loads(answer.body) if answer.code == 200 else answer.body.decode()

    return asked


def vote(store, expnum, *names, judgement="bad"):
    for name in names:
        reasons = ("Ghost_Scatter",) if judgement == "bad" else ()
        store.cast(Vote(expnum=expnum, inspector=name, judgement=judgement, reasons=reasons))


def test_nobody_without_a_login(ask):
    assert ask(None)[0] == 403
    assert ask(None, "/model/live/moved")[0] == 403


def test_from_waiting_to_behind_to_current(ask, app, ghosts):
    assert ask("lea")[1]["state"] == "waiting"
    live_changes.follow(app.catalog, app.store)
    status, told = ask("lea")
    assert (status, told["state"], told["rows"], told["total"]) == (200, "current", [], 0)
    vote(app.store, ghosts[0], "amy", "ben")
    assert ask("lea")[1]["state"] == "behind"
    live_changes.follow(app.catalog, app.store)
    told = ask("lea")[1]
    assert told["state"] == "current"
    assert told["followed"] == told["revision"] == app.store.revision()
    assert told["added"] == 6
    assert set(ghosts[1:]) <= {row["expnum"] for row in told["rows"]}
    row = next(row for row in told["rows"] if row["expnum"] == ghosts[1])
    assert row["after"]["reasons"] == ["Ghost_Scatter"]
    assert row["after"]["probability"] > row["before"]["probability"]
    assert {cause["expnum"] for cause in row["causes"]} == {ghosts[0]}
    assert {cause["what"] for cause in row["causes"]} == {"new"}


def test_a_failure_is_told_to_leads_in_words(ask, app):
    live_changes.follow(app.catalog, app.store)
    app.catalog.set_info(current={"embedding": "drawn-007"})
    from triptych.app.worker import LiveWork

    assert LiveWork(app.catalog, app.store).look()
    assert "triptych retrain" in ask("lea")[1]["error"]
    assert ask("amy")[1]["error"] == "ask a lead"


def test_an_inspector_sees_what_nobody_voted_on_and_no_cause_in_others_votes(ask, app, ghosts):
    vote(app.store, ghosts[0], "ben", "cai")
    vote(app.store, ghosts[1], "ben")
    live_changes.follow(app.catalog, app.store)
    everything = {row["expnum"] for row in ask("lea")[1]["rows"]}
    assert set(ghosts[1:]) <= everything
    for name in ("amy", "vic"):
        status, told = ask(name)
        assert status == 200
        seen = {row["expnum"] for row in told["rows"]}
        assert ghosts[1] not in seen
        assert set(ghosts[2:]) <= seen
        assert all(row["causes"] == [] and row["more_causes"] == 0 for row in told["rows"])
        assert "added" not in told
        assert told["total"] == told["seen"] == len(seen)
    vote(app.store, ghosts[0], "amy")
    vote(app.store, ghosts[1], "amy")
    live_changes.follow(app.catalog, app.store)
    told = ask("amy")[1]
    row = next(row for row in told["rows"] if row["expnum"] == ghosts[2])
    assert {cause["expnum"] for cause in row["causes"]} <= {ghosts[0], ghosts[1]}
    assert row["causes"]


def test_images_for_the_map_are_those_that_may_be_seen(ask, app, ghosts):
    vote(app.store, ghosts[0], "ben", "cai")
    vote(app.store, ghosts[1], "ben")
    live_changes.follow(app.catalog, app.store)
    lead, amy = ask("lea", "/model/live/moved?assisted=1")[1], ask("amy", "/model/live/moved?assisted=1")[1]
    assert {expnum_of(image_id) for image_id in lead["image_ids"]} >= set(ghosts[1:])
    assert ghosts[1] not in {expnum_of(image_id) for image_id in amy["image_ids"]}
    assert set(amy["image_ids"]) < set(lead["image_ids"])


def test_in_blind_mode_candidates_stay_hidden_until_the_own_vote(ask, app, ghosts):
    vote(app.store, ghosts[0], "ben", "cai")
    live_changes.follow(app.catalog, app.store)
    waiting = set(app.survey().candidates.index)
    app.blind = True
    told = ask("amy")[1]
    assert waiting
    assert not waiting & {row["expnum"] for row in told["rows"]}
