"""Who is told what a retraining changed, and who may act: over real routes, with the votes of others kept apart."""

import json
import shutil

import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.testing
import tornado.web

from tests import survey
from tests.app.aside import run_aside
from tests.logins import cookie_header
from triptych.app.context import AppContext
from triptych.app.rooms.model.routes import routes
from triptych.app.web.auth import StoreAuth
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.retraining import retrain
from triptych.pipeline.store.store import LabelStore, Vote, open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run retrained after amy and ben called three unlabelled exposures bad: (folder, those expnums)."""
    catalog = survey.make(tmp_path_factory.mktemp("made") / "run", exposures=24)
    expnums = catalog.exposures()["expnum"].tolist()
    voted = expnums[8:14:2]
    plver = catalog.exposures()["plver"].iloc[0]
    with open_store(catalog) as store:
        retrain.retrain(catalog, store, classifier="knn")  # the made-up model says it was taught by everything
        for expnum in voted:
            own = {"expnum": expnum, "judgement": "bad", "reasons": ("Ghost_Scatter",), "plver": plver}
            store.cast_many([Vote(inspector=name, **own) for name in ("amy", "ben")])
        retrain.retrain(catalog, store, by="lea")
    return catalog.path, voted


@pytest.fixture
def app(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    catalog = Catalog.open(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


@pytest.fixture
def ask(app):
    """ask(user, path, body=None) -> (status, answer); user None = not logged in."""

    async def fetch(user, path, body):
        web = tornado.web.Application(routes(app), cookie_secret=app.secret)
        web.auth_provider = StoreAuth(app)
        socket, port = tornado.testing.bind_unused_port()
        server = tornado.httpserver.HTTPServer(web)
        server.add_socket(socket)
        cookie = cookie_header(app, user)
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        more = {} if body is None else {"method": "POST", "body": json.dumps(body)}
        try:
            address = f"http://127.0.0.1:{port}/model/{path}"
            headers = {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}", "X-Triptych-User": user or ""}
            return await client.fetch(address, headers=headers, raise_error=False, **more)
        finally:
            client.close()
            server.stop()

    def asked(user, path, body=None):
        answer = run_aside(fetch(user, path, body))
        return answer.code, json.loads(answer.body) if answer.code == 200 else answer.body.decode()

    return asked


def changed(ask, user, listed="moved"):
    _, overview = ask(user, "overview")
    status, found = ask(user, f"retraining?id={overview['retraining']}&list={listed}&assisted=1")
    assert status == 200, found
    return found


def causing(found):
    return {cause["expnum"] for row in found["rows"] for cause in row["causes"]}


def test_a_lead_sees_every_change_and_the_votes_behind_it(ask, made):
    found = changed(ask, "lea")
    assert found["seen"] == found["total"]
    assert found["report"]["labels"]["new"]["exposures"] == 3
    assert causing(found) & set(made[1])


def test_an_inspector_sees_no_change_and_no_cause_that_tells_others_votes(ask, app, made):
    first = changed(ask, "cai")["rows"][0]["expnum"]
    app.store.cast(Vote(expnum=first, inspector="amy", judgement="good"))
    voted = {*made[1], first}
    assert first in {row["expnum"] for row in changed(ask, "amy")["rows"]}
    found = changed(ask, "cai")
    assert not {row["expnum"] for row in found["rows"]} & voted
    assert not causing(found) & voted
    assert all(row["more_causes"] == 0 for row in found["rows"])  # not even how many there are
    assert found["seen"]["moved"] < found["total"]["moved"]
    _, overview = ask("cai", "overview")
    assert overview["news"] is None
    _, moved = ask("cai", f"moved?id={overview['retraining']}&list=moved&assisted=1")
    assert not {expnum_of(image_id) for image_id in moved["image_ids"]} & voted


def test_who_judged_them_sees_them(ask, made):
    assert causing(changed(ask, "amy")) & set(made[1])
    assert not causing(changed(ask, "vic")) & set(made[1])


def test_in_a_blind_run_a_candidate_waits_for_the_own_vote(app, ask):
    app.blind = True
    candidates = set(app.survey().candidates.index)
    assert not {row["expnum"] for row in changed(ask, "cai")["rows"]} & candidates


def test_only_a_lead_acts_and_two_requests_are_one_job(ask, app):
    for user in ("amy", "vic"):
        assert ask(user, "job", {"ask": "retrain"})[0] == 403
        assert ask(user, "use", {"model": "mixed-001"})[0] == 403
    assert ask(None, "overview")[0] in (302, 403)
    first, second = (ask("lea", "job", {"ask": "retrain"})[1]["job"]["job_id"] for _ in range(2))
    assert first == second
    assert ask("lea", "job", {"cancel": first})[1]["job"]["state"] == "cancelled"
    assert ask("lea", "job", {"cancel": 999})[0] == 400
    assert app.catalog.refresh().info["current"]["model"] == "knn-003"


def test_a_lead_goes_back_for_all_and_an_open_page_keeps_its_predictions(ask, app):
    amy = app.accounts.user("amy")
    app.page_opened(amy)
    assert app.survey_for(amy).prediction_id == "knn-003"
    status, overview = ask("lea", "use", {"model": "mixed-001"})
    assert status == 200
    assert [row["model"] for row in overview["models"] if row["current"]] == ["mixed-001"]
    assert overview["moves"][0]["by"] == "lea"
    _, hers = ask("amy", "overview")
    assert hers["mine"] == {"prediction": "knn-003", "model": "knn-003"}
    assert hers["offered"] == "mixed-001"
    assert ask("lea", "use", {"model": "nothing"})[0] == 400
