"""The page as Python builds it, and that a closed page leaves nothing behind."""

import asyncio
import gc
import shutil
import threading
import time

import pytest
from tornado.ioloop import IOLoop

from tests.app.test_server import Browser
from tests.ui.conftest import free_port
from triptych.app import dashboard, server
from triptych.app.dashboard import VIEWS, Placeholder, build_page, job_to_show
from triptych.app.session import Session
from triptych.app.site import site
from triptych.app.web.component import assets_base


@pytest.fixture
def app(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    app = server.make_app(tmp_path / "run")
    yield app
    app.store.close()


def test_an_address_opens_room_exposure_search_and_colour(app):
    address = {"room": "review", "focus": "900002", "ccd": "S4", "q": "ghost", "colour": "cluster", "dims": "3"}
    _page, session = build_page(app, app.accounts.user("amy"), address)
    assert (session.room, session.focus, session.focus_ccd) == ("review", 900002, "S4")
    assert (session.colour_by, session.dims, session.query) == ("cluster", 3, "ghost")
    assert len(session.selection)


def test_a_nonsense_address_opens_the_first_room(app):
    address = {"room": "cellar", "focus": "1e9", "q": "zebra", "colour": "taste", "dims": "4"}
    _page, session = build_page(app, app.accounts.user("amy"), address)
    assert (session.room, session.focus, session.colour_by, session.dims) == ("explore", None, "reason", 2)


def test_what_an_address_cannot_open_is_said_and_nothing_else_is_opened(app):
    def opened(name, **address):
        page, session = build_page(app, app.accounts.user(name), address)
        shell = page._render_items["shell"][0]
        assert (shell.notice, shell.said) == (session.notice, 1), "the page says it when it opens"
        return session

    assert "for leads only" in opened("amy", room="adjudicate").notice
    assert "no room 'cellar'" in opened("amy", room="cellar").notice
    session = opened("amy", room="review", focus="123")
    assert "no exposure 123" in session.notice
    assert (session.room, session.focus, session.not_here) == ("review", None, 123)
    session.focus_on(900001)
    assert session.not_here is None


def test_every_place_of_the_frame_has_its_view(app):
    page, _session = build_page(app, app.accounts.user("lea"))
    views = {name: view for name, (view, _tags) in page._render_items.items()}
    assert set(views) == {*VIEWS, "shell"}
    assert not [name for name, view in views.items() if isinstance(view, Placeholder)]
    assert {view.assets_base for view in views.values()} == {assets_base()}


def test_a_room_of_leads_is_not_part_of_anybody_else_s_page(app):
    for name in ("amy", "vic"):
        page, session = build_page(app, app.accounts.user(name), {"room": "adjudicate"})
        assert session.room == "explore"
        assert not {"adjudicate", "lead"} & set(page._render_items)


def test_the_top_bar_shows_the_open_job_else_a_failure_not_yet_dismissed():
    done = {"job_id": 1, "kind": "retrain", "state": "done", "text": "", "progress": 1.0, "error": ""}
    failed = {**done, "job_id": 2, "state": "failed", "error": "no labels yet"}
    running = {**done, "job_id": 3, "state": "running", "text": "fitting", "progress": 0.25, "cancel_asked": False}
    waiting = {**running, "state": "waiting", "text": "", "asked_utc": "2026-11-30T14:03:59.000000Z"}
    assert job_to_show([]) == job_to_show([done]) == job_to_show([failed, done]) == {}
    assert "no labels yet" in job_to_show([done, failed])["text"]
    assert job_to_show([done, failed], {2}) == {}
    assert job_to_show([done, failed, running])["text"] == "retrain: fitting"
    assert job_to_show([{**running, "cancel_asked": True}])["text"] == "retrain: stopping"
    assert job_to_show([waiting])["text"] == "retrain: waiting for the worker since 14:03 UTC"
    assert "triptych retrain RUN does the same" in job_to_show([waiting])["error"], "what to do if it goes on waiting"


def test_a_job_that_ended_before_the_page_was_opened_is_shown(app):
    app.store.ask_job("nonsense", {}, "lea", app.run_key)
    app.store.finish_job(app.store.claim_job("worker", run=app.run_key).job_id, error="no such job", worker="worker")
    page, _session = build_page(app, app.accounts.user("lea"))
    shell = page._render_items["shell"][0]
    assert shell.job["text"] == "nonsense failed: no such job"


def test_a_closed_page_leaves_no_session_behind_and_follows_nothing(app, monkeypatch):
    monkeypatch.setattr(site, "AWAY_SECONDS", 1.5)
    monkeypatch.setattr(site, "UNUSED_CHECK_SECONDS", 0.2)
    monkeypatch.setattr(dashboard, "POLL_MILLISECONDS", 100)
    read, pulse = [], app.pulse
    monkeypatch.setattr(app, "pulse", lambda: read.append(1) or pulse())
    port, started, before = free_port(), threading.Event(), alive()
    loops = []

    def run():
        asyncio.set_event_loop(asyncio.new_event_loop())
        server.make_server(app, port=port).start()
        loops.append(IOLoop.current())
        loops[0].add_callback(started.set)
        loops[0].start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(30)
    door = Browser(f"http://localhost:{port}")
    door.log_in("amy")
    for _ in range(3):
        assert door.ask("/?focus=900001").status == 200
    assert alive() == before + 3
    give_up = time.monotonic() + 20
    while alive() > before and time.monotonic() < give_up:
        time.sleep(0.3)
    loops[0].add_callback(loops[0].stop)
    thread.join(10)
    assert alive() <= before
    assert not app._pages
    assert len(read) == 2 * 3, "as each page was asked for, and as it was built"


def alive():
    gc.collect()
    return sum(isinstance(thing, Session) for thing in gc.get_objects())
