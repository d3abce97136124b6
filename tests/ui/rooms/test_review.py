"""Review by keyboard: one key votes, saves and goes on."""

import re

import pytest
from playwright.sync_api import expect

from tests.ui.waiting import painted, ready_to_vote, wait_until
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore


@pytest.fixture
def room(open_page):
    """Amy's Review room, with the first exposure on screen."""
    page = open_page("amy", "/?room=review")
    wait_for_exposure(page)
    return page


def wait_for_exposure(page, other_than=None):
    page.wait_for_function(
        "other => window.__review?.shown() && __review.shown() !== other && __review.ready()",
        arg=other_than,
    )


def shown(page):
    return page.evaluate("() => window.__review.shown()")


def wait_saved(page):
    page.wait_for_function("() => window.__review?.waiting() === 0")


def votes_of(server, inspector):
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        return store.votes(inspector=inspector).sort_values("vote_id")


def test_good_saves_and_goes_on(room, server):
    first = shown(room)
    room.keyboard.press("g")
    wait_for_exposure(room, first)
    wait_saved(room)
    last = votes_of(server, "amy").iloc[-1]
    assert (last.expnum, last.judgement, last.via) == (first, "good", "single")
    assert last.screen["seconds"] > 0
    assert last.screen["stretch"] in ("faint", "stars", "sky")


def test_bad_asks_for_a_reason_and_undo_takes_it_back(room, server):
    first = shown(room)
    room.keyboard.press("b")
    assert shown(room) == first, "bad waits for its reason"
    room.keyboard.press("7")
    hint = room.locator("[data-part=hint]")
    expect(hint).to_contain_text("Bad CCD")
    if "on which CCDs?" in hint.inner_text():
        room.locator(".review .mosaic").hover()
        room.keyboard.press("l")
    assert shown(room) == first, "and the CCDs, which are ticked beforehand if the model suspects some"
    room.keyboard.press("Enter")
    wait_for_exposure(room, first)
    wait_saved(room)
    own = votes_of(server, "amy")
    last = own[(own.expnum == first) & (own.ccdname == "")].iloc[-1]
    assert (last.judgement, last.reasons) == ("bad", ("Bad_CCD",))
    ticked = own.loc[(own.expnum == first) & (own.ccdname != ""), "ccdname"]
    assert 0 < len(ticked) < 61
    room.keyboard.press("z")
    room.wait_for_function("expnum => window.__review?.shown() === expnum", arg=first)
    wait_saved(room)
    assert first not in set(votes_of(server, "amy").expnum)


def test_several_reasons_and_a_note(room, server):
    first = shown(room)
    room.keyboard.press("w")
    room.keyboard.type("two of g and b")
    room.keyboard.press("Enter")
    room.keyboard.press("b")
    room.keyboard.press("Shift+Digit2")
    room.keyboard.press("Shift+Digit3")
    assert shown(room) == first
    room.keyboard.press("Enter")
    wait_for_exposure(room, first)
    wait_saved(room)
    last = votes_of(server, "amy").iloc[-1]
    assert last.reasons == ("Clouds_transparency", "PSF")
    assert last.comment == "two of g and b"


@pytest.fixture
def asked(open_page):
    """A page in Review that has kept nothing, opened by the tab."""
    page = open_page("amy", "/", fresh=True)
    page.get_by_role("tab", name="Review").click()
    wait_for_exposure(page)
    return page


def settle(page):
    """Wait until the page asks for nothing more: what comes next is there, and what is on screen."""
    page.locator(".evidence .neighbours").wait_for()
    page.evaluate("() => window.__review.ahead()")
    page.requests.wait_for_answers()
    ready_to_vote(page)


def test_what_comes_next_is_fetched_before_the_key(asked):
    page = asked
    for _ in range(3):
        settle(page)
        first, *after = page.evaluate("() => window.__review.queue()")
        for expnum in [first, *after[:3]]:
            assert any(f"/picture/mosaic/{expnum}.bin" in address for address in page.requests.addresses), expnum
        judged = shown(page)  # the first time that of Explore, which need not be the first of the queue
        page.keyboard.press("g")
        wait_for_exposure(page, judged)
        wait_saved(page)
    for _ in range(3):
        page.keyboard.press("z")
        wait_saved(page)


def test_nothing_is_asked_for_between_a_key_and_its_vote(asked):
    page, addresses = asked, asked.requests.addresses
    settle(page)
    assert any("/picture/thumb/" in address for address in addresses), "the evidence has pictures"
    first, n = shown(page), len(addresses)
    page.keyboard.press("g")
    wait_for_exposure(page, first)
    wait_saved(page)
    assert "/api/vote" in addresses[n], addresses[n:]
    page.keyboard.press("z")
    wait_saved(page)


def test_skip_is_not_a_vote(room, server):
    first, before = shown(room), len(votes_of(server, "amy"))
    room.keyboard.press("ArrowRight")
    wait_for_exposure(room, first)
    assert len(votes_of(server, "amy")) == before


def test_a_vote_survives_a_dead_server(room, server):
    first = shown(room)
    room.evaluate("() => window.__review.ahead()")
    room.requests.wait_for_answers()  # one that the end of the server cuts short is no fault of the page
    server.stop()
    room.expected_problems += [
        "Failed to fetch",
        "not connected",
        "ERR_CONNECTION",
        "ERR_EMPTY_RESPONSE",
        "WebSocket",
        "websocket",
        "Lost",
        "502",
        "500",
    ]
    room.keyboard.press("u")
    wait_for_exposure(room, first)
    assert room.evaluate("() => window.__review.waiting()") == 1
    server.start()
    room.wait_for_function("() => window.__review?.waiting() === 0", timeout=60_000)
    last = votes_of(server, "amy").iloc[-1]
    assert (last.expnum, last.judgement) == (first, "unsure")


def test_others_votes_come_after_ones_own(open_page, server):
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        theirs = store.votes(inspector="ben")
    expnum = int(theirs.expnum.iloc[0])
    bodies = []
    page = open_page("cai")
    page.on("response", lambda r: bodies.append(r.text()) if f"/api/exposure/{expnum}" in r.url else None)
    page.goto(f"{server.url}/?room=review&focus={expnum}")
    page.wait_for_function("expnum => window.__review?.shown() === expnum", arg=expnum)
    wait_until(page, lambda: bodies)
    page.locator(".evidence .neighbours").wait_for()
    ready_to_vote(page)
    assert not any('"ben"' in body for body in bodies)
    page.keyboard.press("g")
    wait_saved(page)
    answer = page.evaluate("async e => (await fetch(`/api/exposure/${e}?assisted=0`)).json()", expnum)
    assert [vote["inspector"] for vote in answer["others"]] == ["ben"]


def test_a_viewer_cannot_vote(open_page, server):
    page = open_page("vic", "/?room=review")
    wait_for_exposure(page)
    expect(page.locator("[data-part=votes]")).to_contain_text("your role does not vote")
    expect(page.locator("#review")).not_to_contain_text("One key")
    page.keyboard.press("g")
    expect(page.locator("#toast")).to_contain_text("do not vote")
    painted(page)
    assert not [address for address in page.requests.addresses if address.startswith("/api/vote")]
    assert len(votes_of(server, "vic")) == 0
    page.expected_problems.append("400")
    status = page.evaluate(
        """async () => (await fetch('/api/vote', {method: 'POST', headers: {'X-Triptych-User': 'vic'},
            body: JSON.stringify({expnum: window.__review.shown(), judgement: 'good'})})).status"""
    )
    assert status == 400


def test_in_a_blind_run_the_models_opinion_waits_for_the_vote(open_page, serve_run, fresh_survey):
    blind = serve_run(fresh_survey, "--blind", "--no-worker")
    page = open_page("amy", "/?room=review", server=blind)
    wait_for_exposure(page)
    expnum = shown(page)
    ask = "async e => (await (await fetch(`/api/exposure/${e}?assisted=1`)).json())"
    page.keyboard.press("h")
    before = page.evaluate(ask, expnum)
    assert before["model"] is None
    assert before["neighbours"] == []
    page.keyboard.press("g")
    wait_saved(page)
    assert page.evaluate(ask, expnum)["model"]["ccds"]


def test_the_exposures_probability_is_shown_and_hides_with_the_models_opinion(open_page, server):
    page = open_page("cai", "/?room=review")
    wait_for_exposure(page)
    chance = page.locator(".evidence .chance")
    expect(chance).to_contain_text(re.compile(r"exposure\s*(0\.[5-9]\d|1\.00) bad:"))
    # both in one step: the evidence is drawn again when the focal plane's geometry comes
    share, bar = page.locator(".evidence").evaluate(
        """evidence => {
            const meter = evidence.querySelector('.meter'), width = one => one.getBoundingClientRect().width;
            const share = Number(evidence.querySelector('.chance b').textContent);
            return [share, width(meter.querySelector('i')) / width(meter)];
        }"""
    )
    assert abs(bar - share) < 0.006, "the number is rounded to two digits"
    page.keyboard.press("h")
    expect(chance).to_have_count(0)
    expect(page.locator(".evidence .neighbours")).to_have_count(0)
    expect(page.locator(".evidence")).to_contain_text("hidden until you have voted")


def test_new_predictions_bring_their_own_evidence_and_a_vote_names_them(open_page, server):
    page = open_page("cai", "/?room=review")
    wait_for_exposure(page)
    chance = page.locator(".evidence .chance b")
    expect(chance).not_to_have_text("0.07")
    catalog, expnum = Catalog.open(server.run), shown(page)
    table = catalog.stage("prediction").table()
    with catalog.new_stage("prediction", "mixed", parents=[catalog.stage("embedding")]) as writer:
        writer.write_table(table.assign(exposure_probability=0.07))
    page.locator("#offer button").click()
    expect(chance).to_have_text("0.07")
    assert shown(page) == expnum
    page.keyboard.press("g")
    wait_for_exposure(page, expnum)
    wait_saved(page)
    last = votes_of(server, "cai").iloc[-1]
    assert (last.expnum, last.screen["stage"]) == (expnum, "mixed-002")
