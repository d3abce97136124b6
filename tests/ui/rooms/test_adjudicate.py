"""Adjudicate by keyboard: the votes side by side, a decision with its reason, saved and taken back."""

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import no_answer
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote

SPLIT, UNSURE, AGREED = 900003, 900005, 900007


@pytest.fixture(scope="module")
def voted(server):
    """The server's run with three votes on each of three exposures."""
    answers = {SPLIT: "bgu", UNSURE: "bbu", AGREED: "ggg"}
    with open_store(server) as store:
        for expnum, letters in answers.items():
            for name, letter in zip(("amy", "ben", "cai"), letters, strict=True):
                judgement = {"b": "bad", "g": "good", "u": "unsure"}[letter]
                vote = {"judgement": judgement, "plver": "V5.5LS", "reasons": ("PSF",) if letter == "b" else ()}
                store.cast(Vote(expnum=expnum, inspector=name, screen={"seconds": 3.5, "stretch": "sky"}, **vote))
    return server


def open_store(server):
    return LabelStore(Catalog.open(server.run).labels_url())


def decisions(server):
    with open_store(server) as store:
        return store.adjudications().to_dict("records")


@pytest.fixture
def room(open_page, voted):
    """The room of a lead, nothing decided yet."""
    with open_store(voted) as store:
        for left in store.adjudications().itertuples():
            store.retract_adjudication(left.adjudication_id, left.lead)
    page = open_page("lea", "/?room=adjudicate")
    expect(page.locator("article.vote")).to_have_count(3)
    return page


def wait_for(page, what, **more):
    page.wait_for_function(f"() => window.__adjudicate && window.__adjudicate.{what}", **more)


def test_an_earlier_step_does_not_come_back(room):
    """There and back before the server has heard of the first step: its answer must not lead there again."""
    seen = room.evaluate(
        """async () => {
            for (const key of ['ArrowRight', 'ArrowLeft'])
                document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
            const seen = new Set();
            const until = performance.now() + 2000;
            while (performance.now() < until) {
                seen.add(window.__adjudicate.shown());
                await new Promise(requestAnimationFrame);
            }
            return [...seen];
        }"""
    )
    assert seen == [SPLIT]
    room.wait_for_function(f"() => location.search.includes('focus={SPLIT}')")


def test_from_the_votes_to_a_decision_and_back(room, voted):
    assert set(room.evaluate("() => window.__adjudicate.queue()")) == {SPLIT, UNSURE}
    assert room.evaluate("() => window.__adjudicate.shown()") == SPLIT
    expect(room.locator("article.vote")).to_have_count(3)
    expect(room.locator("article.vote").first).to_contain_text("3.5 s")
    expect(room.locator(".summary")).to_contain_text("majority split")
    room.keyboard.press("b")
    room.keyboard.press("3")
    assert not decisions(voted), "a decision waits for its why"
    room.keyboard.press("1")
    wait_for(room, f"shown() === {UNSURE}")
    wait_for(room, "waiting() === 0")
    (made,) = decisions(voted)
    assert (made["expnum"], made["judgement"], made["reasons"]) == (SPLIT, "bad", ("PSF",))
    assert made["comment"]
    assert len(made["votes_seen"]) == 3
    expect(room.locator("[data-part=progress]")).to_contain_text("1 decided")
    room.keyboard.press("z")
    wait_for(room, f"shown() === {SPLIT}")
    assert not decisions(voted)


def test_words_of_ones_own_and_a_decision_from_an_address(open_page, voted):
    page = open_page("lea", f"/?room=adjudicate&focus={AGREED}")
    wait_for(page, f"shown() === {AGREED}")
    expect(page.locator("article.vote")).to_have_count(3)
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.keyboard.type("seen twice")
    page.keyboard.press("Enter")
    wait_for(page, "waiting() === 0")
    row = page.locator(".decisions button", has_text="seen twice")
    row.click()
    wait_for(page, f"shown() === {AGREED}")
    page.get_by_role("button", name="Take back").click()
    expect(row).to_have_count(0)
    assert not decisions(voted)


def test_words_that_were_begun_are_there_after_a_reload_until_they_are_thrown_away(room):
    words = room.locator("[data-part=words]")
    for text in ("two of three", ""):
        room.keyboard.press("g")
        expect(words).to_be_visible()
        if text:
            room.keyboard.press("w")
            room.keyboard.type(text)
        else:
            expect(words).to_have_value("two of three")
            room.keyboard.press("Escape")
            expect(words).to_be_hidden()
        room.reload()
        expect(room.locator("article.vote")).to_have_count(3)
    room.keyboard.press("g")
    expect(words).to_have_value("")


def test_a_decision_waits_for_a_server_that_is_away(room, voted):
    room.expected_problems += ["Failed to load", "ERR_FAILED"]
    with no_answer(room, "**/adjudicate/decision"):
        room.keyboard.press("g")
        room.keyboard.press("2")
        wait_for(room, "waiting() === 1")
        expect(room.locator("#saved")).to_contain_text("1 decision")
    wait_for(room, "waiting() === 0", timeout=30_000)
    assert len(decisions(voted)) == 1
    room.keyboard.press("z")
    expect(room.locator(".decisions")).to_contain_text("None yet")


def test_states_are_filters_and_an_empty_list_says_what_to_do(room):
    for state in ("split", "unsure", "differ", "posterior"):
        chip = room.locator(f"[data-state={state}]")
        if chip.get_attribute("aria-pressed") == "true":
            chip.click()
    expect(room.locator("[data-part=list]")).to_contain_text("None in the states chosen")
    room.locator("[data-state=split]").click()
    expect(room.locator("[data-part=list] button")).to_have_count(1)


def test_inspectors_have_no_such_room(open_page, voted):
    page = open_page("amy", "/?room=adjudicate")
    expect(page.locator("#rooms button", has_text="Adjudicate")).to_have_count(0)
    assert page.evaluate("() => document.body.dataset.room") == "explore"
    page.expected_problems.append("403")
    assert page.evaluate("async () => (await fetch('/adjudicate/queue')).status") == 403
