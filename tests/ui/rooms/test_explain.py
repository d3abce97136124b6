"""Where a verdict comes from, in a browser: from a line of the list, from Review and Adjudicate, from an address."""

import json

import pytest
from playwright.sync_api import expect

from tests.ui.waiting import ready_to_vote
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest import reprocessed
from triptych.pipeline.store.store import LabelStore, Vote

NOW = "V5.5LS"


@pytest.fixture(scope="module")
def voted(server):
    """900003 is bad by amy and ben; 900005 came back from V4.8, where amy called it bad, and looks different."""
    catalog = Catalog.open(server.run)
    with LabelStore(catalog.labels_url()) as store:
        screen = {"stage": catalog.stage("prediction").stage_id, "seconds": 7.5, "stretch": "sky"}
        for name in ("amy", "ben"):
            vote = {"judgement": "bad", "reasons": ("PSF",), "plver": NOW, "comment": "zebra", "screen": screen}
            store.cast(Vote(expnum=900003, inspector=name, **vote))
        store.cast(Vote(expnum=900005, inspector="amy", judgement="bad", reasons=("PSF",), plver="V4.8"))
        store.cast(Vote(expnum=900005, inspector="ben", judgement="good", plver="V4.8", comment="zebra"))
    row = {"expnum": 900005, "camera": "decam", "plver_before": "V4.8", "plver_now": NOW, "content_before": ""}
    row |= {"utc": "2026-11-20T03:00:00Z", "moved": 1.75, "moved_much": True}
    reprocessed.write(catalog, [row])
    return server


def panel(page, expnum):
    found = page.locator("dialog.explain")
    expect(found).to_have_attribute("data-shown", str(expnum))
    return found


def test_from_a_line_of_the_list_to_the_votes_and_the_file(open_page, voted):
    page = open_page("lea", "/?room=export")
    page.locator("pre [data-expnum='900003']").click()
    found = panel(page, 900003)
    expect(found.locator(".line [aria-current=true]")).to_contain_text("900003 PSF # 2 of 3 bad")
    expect(found.locator(".vote")).to_have_count(2)
    expect(found.locator(".vote").first).to_contain_text("7.5 s")
    expect(found.locator(".taught")).to_contain_text("made-up")
    expect(found.locator(".file")).to_contain_text("c4d_170903_000002")
    assert "explain=900003" in page.url
    found.locator("select").select_option("unanimous")
    expect(found.locator("[data-part=verdict]")).to_contain_text("open")
    found.locator("[data-explain]").first.click()  # a labelled neighbour has a way of its own
    expect(found).not_to_have_attribute("data-shown", "900003")
    page.keyboard.press("Escape")
    expect(found).to_have_count(0)
    assert "explain" not in page.url


def test_a_line_is_reached_by_keys(open_page, voted):
    page = open_page("lea", "/?room=export")
    expect(page.locator("pre [data-expnum]").first).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("pre [aria-current=true]")).to_have_count(1)
    page.keyboard.press("i")
    panel(page, 900003)


def test_an_address_opens_it_for_each_as_he_may_see_it(open_page, voted):
    page = open_page("cai", "/?room=review&explain=900003")
    found = panel(page, 900003)
    expect(found.locator(".votes")).to_contain_text("once you have voted")
    assert "zebra" not in page.content()
    answer = page.evaluate("async () => (await fetch('/explain/900003?assisted=1')).json()")
    assert "zebra" not in json.dumps(answer)
    page = open_page("vic", "/?room=review&explain=900003")
    expect(panel(page, 900003).locator(".model")).to_contain_text("CCDs more likely bad than good")
    assert "zebra" not in page.content()


def test_a_lead_annuls_a_vote_and_says_why(open_page, voted):
    with LabelStore(Catalog.open(voted.run).labels_url()) as store:
        store.cast(Vote(expnum=900004, inspector="ben", judgement="bad", reasons=("PSF",), plver=NOW))
    page = open_page("lea", "/?room=review&explain=900004")
    vote = panel(page, 900004).locator(".vote")
    vote.get_by_role("button", name="annul…").click()
    page.keyboard.press("g")  # it goes into the line, and is no vote
    expect(vote.get_by_label("Why it does not count")).to_have_value("g")
    vote.get_by_role("button", name="Keep it").click()
    vote.get_by_role("button", name="annul…").click()
    vote.get_by_label("Why it does not count").fill("pressed the wrong key")
    page.keyboard.press("Enter")
    expect(vote).to_contain_text("annulled")
    expect(vote).to_contain_text("by lea: “pressed the wrong key”")
    expect(vote.get_by_role("button", name="annul…")).to_have_count(0)
    with LabelStore(Catalog.open(voted.run).labels_url()) as store:
        assert store.votes(expnum=900004).empty
    page = open_page("ben", "/?room=review&explain=900004")
    expect(panel(page, 900004).locator(".vote")).to_contain_text("pressed the wrong key")


def test_what_came_back_is_first_in_review_and_says_why(open_page, voted):
    page = open_page("amy", "/?room=review")
    page.wait_for_function("() => window.__review && window.__review.shown() === 900005")
    facts = page.locator("[data-part=facts]").filter(has_text="900005")
    expect(facts).to_contain_text("processed again: V4.8 → V5.5LS")
    expect(facts).to_contain_text("looks different")
    expect(facts).to_contain_text("of the old version V4.8 you said bad: PSF")
    assert "zebra" not in page.content()
    page.keyboard.press("i")
    expect(panel(page, 900005).locator(".changed")).to_contain_text("looks different")
    expect(page.locator("dialog.explain .vote")).to_have_count(1)
    page.keyboard.press("Escape")
    ready_to_vote(page)
    page.keyboard.press("g")
    page.wait_for_function("() => window.__review.shown() !== 900005 && window.__review.waiting() === 0")
    page.locator("[data-part=votes] [data-expnum='900005']").click()
    expect(page.locator("[data-part=evidence]").first).to_contain_text("Of the old version V4.8")
    expect(facts.locator("[data-verb=where]")).to_be_visible()


def test_adjudicate_has_it_and_shows_votes_on_the_old_version_apart(open_page, voted):
    page = open_page("lea", "/?room=adjudicate&focus=900005")
    page.wait_for_function("() => window.__adjudicate && window.__adjudicate.shown() === 900005")
    expect(page.get_by_label("votes side by side")).to_contain_text("Of the old version")
    page.keyboard.press("i")
    expect(panel(page, 900005).locator(".vote .old").first).to_contain_text("of the old version V4.8")
