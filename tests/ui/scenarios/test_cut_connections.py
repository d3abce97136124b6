"""A connection that is cut or goes silent comes back by itself, and nothing that the user did is lost."""

from contextlib import ExitStack
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import free_port, log_in, no_answer, wait_ready
from tests.ui.cutting import Network
from tests.ui.scenarios.test_lost_votes import judge, record_of, votes_of
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

NETWORK = [
    "ERR_CONNECTION",
    "ERR_EMPTY_RESPONSE",
    "ERR_TIMED_OUT",
    "WebSocket connection to",
]  # the browser's own words
CUT = "waiting for the server"
BACK_MILLISECONDS = 10_000  # after the connection has come back


class Place:
    """A server behind a network that can be cut. served : what open_page takes"""

    def __init__(self, served, network):
        self.network = network
        self.served = replace(served, url=f"http://localhost:{network.port}")
        self.run = served.run


@pytest.fixture
def place_of(serve_run, tmp_path):
    """place_of(*options of the server) -> Place"""
    with ExitStack() as opened:

        def make(*options):
            survey.make(tmp_path / "run", exposures=16)
            network = opened.enter_context(Network(free_port()))
            origin = ("--origin", f"localhost:{network.port}")
            served = serve_run(tmp_path / "run", "--no-worker", *origin, *options)
            network.server_port = served.port
            return Place(served, network)

        yield make


@pytest.fixture
def review_of(place_of, open_page):
    """review_of(place) -> a page in Review, that knows whether it was loaded again.

    It rests on place_of, so that pages close before their network does.
    """

    def opened(place, path="/?room=review&q=g"):
        page = open_page("amy", path, server=place.served)
        page.expected_problems += NETWORK
        page.locator(".evidence h3").first.wait_for()
        page.wait_for_function("() => window.__review?.shown() && location.search.includes('focus=')")
        page.evaluate("() => window.__review.ahead()")
        page.requests.wait_for_answers()
        page.evaluate("window.before = true")
        return page

    return opened


def was_kept(page):
    return page.evaluate("window.before === true")


def wait_whole(page, again=False):
    """Wait until the page is whole: as it was, or loaded again."""
    was = "window.before === undefined" if again else "window.before === true"
    page.wait_for_function(
        f"() => {was} && document.querySelector('#saved')?.textContent === 'saved'", timeout=BACK_MILLISECONDS
    )
    wait_ready(page)


def search(page, text):
    page.get_by_role("searchbox").fill(text)
    page.keyboard.press("Enter")


def judge_away(page, place, keys):
    """Cast votes while the page has no connection. Exposure -> key"""
    said = {judge(page, key): key for key in keys}
    expect(page.locator("#saved")).to_have_text(f"{CUT} · {len(said)} votes kept in browser")
    assert not set(said) & set(votes_of(place.served, "amy")["expnum"])
    return said


def begin_note(page, text):
    page.keyboard.press("w")
    page.keyboard.type(text)


def check_stored(place, said):
    """The votes are on disk, each once."""
    assert record_of(place.served, "amy")["expnum"].value_counts()[list(said)].tolist() == [1] * len(said)
    votes = votes_of(place.served, "amy").set_index("expnum")["judgement"]
    assert {expnum: votes[expnum][0] for expnum in said} == said


def check_same(page, shown, note):
    """The room, the exposure, the search and what was being typed are those of before."""
    page.wait_for_function("shown => location.search.includes(`focus=${shown}`)", arg=shown)
    page.wait_for_function("shown => window.__review?.shown() === shown", arg=shown)
    assert "room=review" in page.url
    assert "q=g" in page.url
    expect(page.locator("#review")).to_be_visible()
    expect(page.get_by_role("searchbox", include_hidden=True)).to_have_value("g")
    expect(page.get_by_label("note", exact=True)).to_have_value(note)


def test_a_cut_connection_comes_back_with_all_that_was_done_meanwhile(review_of, place_of):
    place = place_of()
    page = review_of(place)
    place.network.cut()
    expect(page.locator("#saved")).to_have_text(f"{CUT} · votes kept in browser")
    said = judge_away(page, place, "gu")
    shown = page.evaluate("() => window.__review.shown()")
    begin_note(page, "a ghost at the")
    assert f"focus={shown}" not in page.url, "the server does not know it yet"
    place.network.mend()
    wait_whole(page)
    check_same(page, shown, "a ghost at the")
    check_stored(place, said)


def test_what_is_asked_for_without_a_connection_comes_when_it_is_back(place_of, open_page):
    place = place_of()
    page = open_page("amy", "/?room=explore", server=place.served)
    page.expected_problems += NETWORK
    page.locator("#thumbs-panel .fill[data-ready]").wait_for()
    page.requests.wait_for_answers()
    page.evaluate("window.before = true")
    place.network.cut()
    expect(page.locator("#saved")).to_have_text(f"{CUT} · votes kept in browser")
    search(page, "900002")
    place.network.mend()
    wait_whole(page)
    page.wait_for_function("() => location.search.includes('focus=900002') && location.search.includes('q=900002')")


def test_a_room_whose_code_is_lost_on_its_way_opens(open_page, server):
    page, lost = open_page("amy", "/?room=explore", fresh=True), []
    page.expected_problems.append("ERR_FAILED")
    page.route("**/rooms/export/export.js", lambda route: route.continue_() if lost else lost.append(route.abort()))
    page.get_by_role("tab", name="Export").click()
    expect(page.locator("#export")).to_contain_text("votes")
    assert lost


def test_a_connection_that_went_silent_is_noticed_and_left(review_of, place_of):
    place = place_of()
    page = review_of(place)
    place.network.silence()
    expect(page.locator("#saved")).to_have_text(f"{CUT} · votes kept in browser")
    said = judge_away(page, place, "gg")
    place.network.mend()
    wait_whole(page)
    check_stored(place, said)
    page.wait_for_function("() => location.search.includes(`focus=${window.__review.shown()}`)")


def test_a_silent_connection_is_left_though_the_network_was_back_before_anybody_noticed(review_of, place_of):
    place = place_of()
    page = review_of(place)
    place.network.silence()
    place.network.mend()
    page.keyboard.press("Shift+E")
    search(page, "900005")
    page.wait_for_function("() => location.search.includes('focus=900005')", timeout=BACK_MILLISECONDS)
    wait_whole(page)


def test_a_page_that_was_away_too_long_is_loaded_again_as_it_was(review_of, place_of):
    place = place_of("--away-seconds", "0")
    page = review_of(place)
    place.network.cut()
    said = judge_away(page, place, "gu")
    shown = page.evaluate("() => window.__review.shown()")
    begin_note(page, "a ghost at the")
    place.network.mend()
    wait_whole(page, again=True)
    check_same(page, shown, "a ghost at the")
    check_stored(place, said)
    page.keyboard.type(" edge")
    page.keyboard.press("Enter")
    assert judge(page, "g") == shown
    page.wait_for_function("() => window.__review.waiting() === 0")
    assert votes_of(place.served, "amy").set_index("expnum")["comment"][shown] == "a ghost at the edge"


def test_the_selection_of_the_map_survives(place_of, open_page):
    place = place_of("--away-seconds", "0")
    page = open_page("amy", "/?room=explore&q=900002&colour=cluster&dims=3", server=place.served)
    page.expected_problems += NETWORK
    page.locator("#thumbs-panel .fill[data-ready]").wait_for()
    page.wait_for_function("() => location.search.includes('focus=900002')")
    page.requests.wait_for_answers()
    page.evaluate("window.before = true")
    address, heading = page.url, page.locator("#thumbs-panel h2, #thumbs-panel .how").first.text_content()
    place.network.cut()
    expect(page.locator("#saved")).to_have_text(f"{CUT} · votes kept in browser")
    place.network.mend()
    wait_whole(page, again=True)
    page.locator("#thumbs-panel .fill[data-ready]").wait_for()
    expect(page.locator("#thumbs-panel h2, #thumbs-panel .how").first).to_have_text(heading)
    assert page.url == address


def test_a_vote_that_the_browser_cannot_store_holds_the_page(review_of, place_of):
    place = place_of("--away-seconds", "0")
    page = review_of(place)
    page.expected_problems.append("ERR_FAILED")  # of the requests that this test stops
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('no storage'); }; }")
    with no_answer(page, "**/api/vote"):
        place.network.cut()
        (said,) = [judge(page, "g")]
        expect(page.locator("#saved")).to_have_text(f"{CUT} · 1 vote only in this page")
        place.network.mend()
        expect(page.locator("#saved")).to_have_text("loading the page again · 1 vote only in this page")
        assert was_kept(page)
    wait_whole(page, again=True)
    check_stored(place, {said: "g"})


def test_an_open_dialog_holds_the_page_until_it_is_closed(review_of, place_of):
    place = place_of("--away-seconds", "0")
    page = review_of(place)
    page.locator("#user > button").click()
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("Old password").fill("half typed")
    place.network.cut()
    expect(page.locator("#saved")).to_have_text(f"{CUT} · votes kept in browser")
    place.network.mend()
    expect(page.locator("#saved")).to_have_text("loading the page again · finish or close what is open")
    assert was_kept(page)
    page.keyboard.press("Escape")
    wait_whole(page, again=True)


def test_a_login_that_ended_meanwhile_leads_to_the_form_and_back(review_of, place_of):
    place = place_of()
    page = review_of(place)
    page.expected_problems.append("403")
    place.network.cut()
    said = judge_away(page, place, "gu")
    shown = page.evaluate("() => window.__review.shown()")
    begin_note(page, "a ghost")
    with LabelStore(Catalog.open(place.run).labels_url()) as store:
        store.end_logins("amy")
    place.network.mend()
    page.wait_for_url("**/login?next=*")
    log_in(page, "amy")
    wait_ready(page)
    check_same(page, shown, "a ghost")
    expect(page.locator("#saved")).to_have_text("saved")
    check_stored(place, said)
