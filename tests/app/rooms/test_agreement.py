"""Who is told what about agreement: over which exposures, and whose names."""

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
from triptych.app.rooms.agreement.routes import routes
from triptych.app.web.auth import StoreAuth
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return survey.make(tmp_path_factory.mktemp("made") / "run", exposures=40).path


@pytest.fixture
def app(made, tmp_path):
    shutil.copytree(made, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    catalog = Catalog.open(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


@pytest.fixture
def ask(app):
    """ask(user, query="") -> (status, answer); user None = not logged in. The routes, and what they keep, stay."""
    served = routes(app)

    async def fetch(user, query):
        web = tornado.web.Application(served, cookie_secret=app.secret)
        web.auth_provider = StoreAuth(app)
        socket, port = tornado.testing.bind_unused_port()
        server = tornado.httpserver.HTTPServer(web)
        server.add_socket(socket)
        cookie = cookie_header(app, user)
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        try:
            address = f"http://127.0.0.1:{port}/agreement/report{query}"
            return await client.fetch(address, headers={"Cookie": cookie}, raise_error=False)
        finally:
            client.close()
            server.stop()

    def asked(user, query=""):
        answer = run_aside(fetch(user, query))
        return answer.code, json.loads(answer.body) if answer.code == 200 else answer.body.decode()

    return asked


@pytest.fixture
def judged(app):
    """amy on 30 exposures, ben on the first 25, cai on the first 5: expnums in order."""
    expnums = app.catalog.exposures()["expnum"].tolist()
    plver = app.catalog.exposures()["plver"].iloc[0]
    for name, n, bad in (("amy", 30, 15), ("ben", 25, 10), ("cai", 5, 1)):
        app.store.cast_many(
            [
                Vote(
                    expnum=expnum,
                    inspector=name,
                    judgement="bad" if place < bad else "good",
                    reasons=("PSF",) if place < bad else (),
                    plver=plver,
                )
                for place, expnum in enumerate(expnums[:n])
            ]
        )
    return expnums


def test_a_lead_sees_everybody_by_name(ask, judged):
    _, found = ask("lea")
    assert found["scope"] == "all"
    assert found["inspectors"] == ["amy", "ben", "cai"]
    assert found["n_votes"] == 61  # and one that the made-up run holds
    assert len(found["pairs"]) == 3
    splits = {row["expnum"]: row["bad_by"] for row in found["listed"] if row["kind"] == "divided"}
    assert splits[judged[10]] == ["amy"]


def test_an_inspector_sees_his_own_exposures_and_nobody_by_name(app, ask, judged):
    _, found = ask("ben")
    text = json.dumps(found)
    assert found["scope"] == "own"
    assert found["n_units"] == 26
    assert "amy" not in text
    assert "cai" not in text
    assert [row["inspector"] for row in found["people"]] == ["ben"]
    assert {row["expnum"] for row in found["listed"]} <= set(judged[:25]) | {judged[-2]}
    assert not any(str(expnum) in text for expnum in judged[25:30])


def test_what_an_inspector_was_shown_here_he_did_not_judge_blind_later(app, ask, judged):
    camera = app.catalog.camera
    assert judged[10] not in app.store.revealed("ben", camera)
    ask("ben")
    assert judged[10] in app.store.revealed("ben", camera)
    assert judged[28] not in app.store.revealed("ben", camera)


def test_nothing_of_an_exposure_reaches_who_has_not_judged_it(ask, app, judged):
    """A vote on another exposure changes no byte of what this inspector gets, but for the revision."""
    _, before = ask("cai")
    app.store.cast(Vote(expnum=judged[20], inspector="amy", judgement="bad", plver="V5.5LS"))
    _, after = ask("cai")
    assert after.pop("revision") == before.pop("revision") + 1
    assert after == before


def test_a_viewer_sees_what_the_whole_panel_has_judged_and_no_name(ask, judged):
    _, found = ask("vic")
    text = json.dumps(found)
    assert found["scope"] == "complete"
    assert found["n_units"] == 5
    assert not any(name in text for name in ("amy", "ben", "cai"))
    assert found["people"] == found["pairs"] == []


def test_figures_are_kept_until_a_vote_comes_in(app, ask, judged, monkeypatch):
    from triptych.app.rooms.agreement import routes as agreement_routes

    made = []
    report = agreement_routes.of_run
    monkeypatch.setattr(agreement_routes, "of_run", lambda *a, **k: made.append(1) or report(*a, **k))
    first, again = ask("lea"), ask("lea")
    assert first == again
    assert len(made) == 1
    app.store.cast(Vote(expnum=judged[30], inspector="ben", judgement="good"))
    assert ask("lea")[1]["n_votes"] == first[1]["n_votes"] + 1
    assert len(made) == 2


def test_strangers_and_unknown_units_are_refused(ask):
    assert ask(None)[0] == 403
    status, text = ask("lea", "?unit=amplifier")
    assert status == 400
    assert "exposure" in text
