"""Several people, a retraining, a cut and a restart: what each page may see, and that nothing is lost."""

import re

from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import wait_ready
from tests.ui.waiting import wait_until
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote

TRAINING_MILLISECONDS = 120_000


def test_two_people_do_not_share_a_tab(open_page):
    amy, ben = open_page("amy"), open_page("ben")
    amy.get_by_role("searchbox").fill("900002")
    amy.keyboard.press("Enter")
    amy.wait_for_function("() => location.search.includes('focus=900002')")
    assert "focus=900002" not in ben.url
    expect(ben.locator("#user > button")).to_contain_text("ben")
    expect(amy.locator("#user > button")).to_contain_text("amy")


def test_an_inspector_sees_no_retraining_and_a_lead_is_offered_the_result(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=8)
    server = serve_run(tmp_path / "run")
    lead, inspector = open_page("lea", server=server), open_page("amy", server=server)
    assert inspector.locator("#retrain").count() == 0
    lead.locator("#user > button").click()
    lead.get_by_role("button", name="Retrain from the votes").click()
    expect(lead.locator("#job")).to_contain_text("retrain")
    for page in (lead, inspector):
        expect(page.locator("#offer")).to_be_visible(timeout=TRAINING_MILLISECONDS)
        expect(page.locator("#run")).to_contain_text("mixed-001")
    lead.get_by_role("button", name="New predictions mixed-002: use them").click()
    expect(lead.locator("#run")).to_contain_text("mixed-002")
    expect(lead.locator("#offer")).to_be_hidden()
    expect(inspector.locator("#run")).to_contain_text("mixed-001")
    assert Catalog.open(tmp_path / "run").stage("prediction").stage_id == "mixed-002"


def test_nothing_that_the_browser_receives_holds_anothers_vote_before_ones_own(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=8)
    store = LabelStore(Catalog.open(tmp_path / "run").labels_url())
    secret = {"reasons": ("Out_of_focus",), "comment": "zebra crossing", "plver": "V5.5LS"}
    vote = store.cast(Vote(expnum=900003, inspector="ben", judgement="bad", **secret))
    store.close()
    page = open_page("amy", server=serve_run(tmp_path / "run", "--no-worker"))
    received = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(frame)))
    page.on("response", lambda answer: received.append(body_of(answer)))
    page.goto(page.url.split("?")[0] + "?focus=900003&q=900003&colour=verdict")
    wait_ready(page)
    page.locator("#mosaic-panel .fill[data-ready]").wait_for()
    page.get_by_role("tab", name="Review").click()
    page.locator("#review .fill[data-ready]").wait_for()
    page.wait_for_function("() => window.__review?.shown()")
    page.evaluate("() => window.__review.ahead()")
    page.requests.wait_for_answers()
    wait_until(page, lambda: len(received) > 30)
    texts = [frame if isinstance(frame, str) else bytes(frame).decode(errors="ignore") for frame in received]
    for told in ("zebra", '"ben"', vote.client_vote_id):
        assert not [text[:300] for text in texts if told in text], told


def body_of(answer):
    try:
        return answer.body() if "/static/" not in answer.url else b""
    except Exception:  # a redirect has no body
        return b""


def test_a_failed_job_says_why_and_can_be_dismissed(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    catalog = Catalog.open(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    store.ask_job("nonsense", {}, "lea", str(catalog.path))
    store.close()
    page = open_page("lea", server=serve_run(tmp_path / "run"))
    expect(page.locator("#job")).to_contain_text(re.compile("nonsense failed"), timeout=45_000)
    page.locator("#job button").click()
    expect(page.locator("#job")).to_be_hidden()


def test_a_restarted_server_brings_the_same_view_back(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    server = serve_run(tmp_path / "run", "--no-worker")
    page = open_page("amy", "/?room=review&focus=900003", server=server)
    page.locator("#review .fill[data-ready]").wait_for()
    page.expected_problems += ["ERR_CONNECTION", "WebSocket", "websocket", "bokeh", "ERR_EMPTY_RESPONSE"]
    page.evaluate("window.before = true")
    page.requests.wait_for_answers()  # one that the end of the server cuts short is no fault of the page
    server.stop()
    expect(page.locator("#saved")).to_have_text("waiting for the server · votes kept in browser")
    server.start()
    page.wait_for_function("() => window.before === undefined && document.body?.dataset.ready === '1'", timeout=30_000)
    wait_ready(page)
    assert "focus=900003" in page.url
    expect(page.locator("#review")).to_be_visible()
    expect(page.locator("#saved")).to_have_text("saved")
