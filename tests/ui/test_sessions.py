"""Several people, a retraining, a cut and a restart: what each page may see, and that nothing is lost."""

import re

from playwright.sync_api import expect

from pipeline.catalog import Catalog
from pipeline.labels import LabelStore
from tests import survey
from tests.ui.conftest import wait_ready

TRAINING_MILLISECONDS = 120_000


def test_two_people_do_not_share_a_tab(open_page):
    amy, ben = open_page("amy"), open_page("ben")
    amy.get_by_role("searchbox").fill("900002")
    amy.keyboard.press("Enter")
    amy.wait_for_function("location.search.includes('focus=900002')")
    assert "focus" not in ben.url
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
        expect(page.locator("#run")).to_contain_text("knn-001")
    lead.get_by_role("button", name="New predictions knn-002: use them").click()
    expect(lead.locator("#run")).to_contain_text("knn-002")
    expect(lead.locator("#offer")).to_be_hidden()
    expect(inspector.locator("#run")).to_contain_text("knn-001")
    assert Catalog.open(tmp_path / "run").stage("prediction").stage_id == "knn-002"


def test_a_failed_job_says_why_and_can_be_dismissed(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    catalog = Catalog.open(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    store.ask_job("nonsense", {}, "lea", str(catalog.path))
    store.close()
    page = open_page("lea", server=serve_run(tmp_path / "run"))
    expect(page.locator("#job")).to_contain_text(re.compile("nonsense failed"), timeout=20_000)
    page.locator("#job button").click()
    expect(page.locator("#job")).to_be_hidden()


def test_a_restarted_server_brings_the_same_view_back(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    server = serve_run(tmp_path / "run", "--no-worker")
    page = open_page("amy", "/?room=review&focus=900003", server=server)
    page.locator("#review .fill[data-ready]").wait_for()
    page.expected_problems += ["ERR_CONNECTION", "WebSocket", "websocket", "bokeh", "ERR_EMPTY_RESPONSE"]
    page.evaluate("window.before = true")
    server.stop()
    expect(page.locator("#saved")).to_contain_text("no connection")
    server.start()
    page.wait_for_function("window.before === undefined && document.body?.dataset.ready === '1'", timeout=30_000)
    wait_ready(page)
    assert "focus=900003" in page.url
    expect(page.locator("#review")).to_be_visible()
    expect(page.locator("#saved")).to_have_text("saved")
