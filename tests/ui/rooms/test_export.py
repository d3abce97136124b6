"""The Export room: policies and what differs, some reasons, the paper, the file."""

import hashlib
import json

import pytest
from playwright.sync_api import expect

from tests.ui.waiting import painted
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote


@pytest.fixture(scope="module")
def voted(server):
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        for expnum, reason in ((900003, "PSF"), (900005, "Noise")):
            for name in ("amy", "ben"):
                vote = {"judgement": "bad", "reasons": (reason,), "plver": "V5.5LS"}
                store.cast(Vote(expnum=expnum, inspector=name, **vote))
        store.cast(Vote(expnum=900007, inspector="amy", judgement="bad", reasons=("PSF",), plver="V5.5LS"))
        store.cast(Vote(expnum=900009, inspector="amy", judgement="bad", reasons=("PSF",), plver="V4.8"))
        store.adjudicate("decam", 900005, "lea", "good", plver="V5.5LS", comment="normal")
    return server


def listed(page, policy):
    return page.locator(f"[data-policy={policy}] .listed")


def test_what_the_lists_say_and_what_differs(open_page, voted):
    page = open_page("lea", "/?room=export")
    expect(listed(page, "majority")).to_have_text("1")
    expect(listed(page, "any")).to_have_text("3")  # and the one that the made-up run begins with
    expect(page.locator(".difference .fewer")).to_contain_text("−2")
    expect(page.locator("pre")).to_contain_text("900003 PSF # 2 of 3 bad")
    page.keyboard.press("ArrowUp")
    expect(page.locator("[data-policy=any]")).to_have_attribute("aria-checked", "true")
    expect(page.locator("pre")).to_contain_text("# bad by one vote: 2")
    page.locator("[data-old]").check()
    expect(listed(page, "any")).to_have_text("4")
    expect(page.locator("pre")).to_contain_text("judged on V4.8")
    page.locator("[data-old]").uncheck()
    page.locator("[data-reason=PSF]").click()
    expect(page.locator("pre")).to_contain_text("# reasons: PSF")
    page.locator("[data-format=csv]").click()
    expect(page.locator("pre")).to_contain_text("adjudicated,lead,why")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    content = download.value.path().read_bytes()
    expect(page.locator("[data-part=sha]")).to_have_text(hashlib.sha256(content).hexdigest())
    expect(page.locator("[data-part=command]")).to_contain_text("--format csv --policy any --reason PSF")


def test_a_click_counts_though_new_figures_come_before_the_button_is_let_go(open_page, voted):
    page = open_page("lea", "/?room=export")
    expect(page.locator("pre")).to_contain_text("# reasons: all")
    page.locator("[data-reason=PSF]").hover()
    page.mouse.down()
    with page.expect_response("**/export/summary?*") as answer:
        page.locator("[data-old]").evaluate("box => box.click()")
    answer.value.finished()
    painted(page)
    page.mouse.up()
    expect(page.locator("pre")).to_contain_text("# reasons: PSF")


def test_a_difference_leads_to_the_exposure(open_page, voted):
    page = open_page("lea", "/?room=export")
    page.locator(".difference [data-expnum='900007']").click()
    page.wait_for_function("() => window.__adjudicate && window.__adjudicate.shown() === 900007")


def test_others_get_their_own_votes(open_page, voted):
    page = open_page("amy", "/?room=export")
    expect(page.locator(".own table")).to_contain_text("900003")
    found = page.evaluate("async () => (await fetch('/export/mine/summary')).json()")
    assert found["counts"]["bad"] == 4
    assert '"ben"' not in json.dumps(found)
    page = open_page("vic", "/?room=export")
    expect(page.locator(".own")).to_contain_text("A viewer does not vote")
