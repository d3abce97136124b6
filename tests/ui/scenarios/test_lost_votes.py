"""No vote is lost and none arrives twice: no connection, a closed tab, another tab, another person, an undo."""

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import log_in, log_out, no_answer, serving, wait_ready
from tests.ui.waiting import ready_to_vote
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

OFFLINE = ["Failed to fetch", "ERR_INTERNET", "ERR_NETWORK", "ERR_FAILED", "WebSocket", "websocket", "Lost"]
WAITING = "() => window.__review?.waiting() === {n}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a queue that is long enough for all tests of this file."""
    folder = tmp_path_factory.mktemp("served")
    survey.make(folder / "run", exposures=48)
    with serving(folder / "run", "--no-worker") as served:
        yield served


def votes_of(server, inspector):
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        return store.votes(inspector=inspector)


def record_of(server, inspector):
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        return store.votes(inspector=inspector, current=False)


def judge(page, key):
    """Press one key and return the exposure that was judged."""
    ready_to_vote(page)
    before = page.evaluate("() => window.__review.shown()")
    page.keyboard.press(key)
    page.wait_for_function("before => window.__review.shown() !== before", arg=before)
    return before


def wait_for(page, n):
    page.wait_for_function(WAITING.format(n=n), timeout=60_000)


@pytest.fixture
def room(open_page):
    page = open_page("amy", "/?room=review")
    page.locator(".evidence h3").first.wait_for()
    page.evaluate("() => window.__review.ahead()")  # without a connection only what was fetched can be judged
    page.requests.wait_for_answers()
    return page


def test_a_vote_leaves_at_once_though_another_tab_sends_and_those_after_it_keep_their_order(room, server):
    lock = "triptych-outbox-amy"
    room.evaluate(
        "name => { navigator.locks.request(name, () => new Promise(done => { window.__done = done; })); }", lock
    )
    room.wait_for_function(
        "async name => (await navigator.locks.query()).held.some(own => own.name === name)", arg=lock
    )
    first = judge(room, "g")
    wait_for(room, 0)
    assert votes_of(server, "amy")["expnum"].tolist()[-1] == first
    answers = []
    room.route("**/api/vote", lambda route: answers.append(route))
    later = [judge(room, key) for key in "ug"]
    wait_for(room, 2)
    room.keyboard.press("z")  # the second has not left: it is dropped
    wait_for(room, 1)
    assert len(answers) == 1
    answers[0].continue_()
    wait_for(room, 0)
    room.evaluate("window.__done()")
    assert votes_of(server, "amy")["expnum"].tolist()[-2:] == [first, later[0]]
    assert record_of(server, "amy")["expnum"].value_counts()[[first, later[0]]].tolist() == [1, 1]
    assert later[1] not in set(record_of(server, "amy")["expnum"])


def test_votes_without_a_connection_wait_and_arrive_once(room, server):
    room.expected_problems += OFFLINE
    room.context.set_offline(True)
    said = {judge(room, key): key for key in "gugug"}
    wait_for(room, 5)
    room.locator("#saved", has_text="5 votes kept in browser").wait_for()
    assert not set(said) & set(votes_of(server, "amy")["expnum"])
    room.context.set_offline(False)
    wait_for(room, 0)
    room.locator("#saved", has_text="saved").wait_for()
    votes = votes_of(server, "amy").set_index("expnum")["judgement"]
    assert {expnum: votes[expnum][0] for expnum in said} == said
    assert record_of(server, "amy")["expnum"].value_counts()[list(said)].tolist() == [1] * 5


def test_votes_survive_a_closed_tab_and_leave_from_any_room(room, server):
    room.expected_problems += OFFLINE
    room.context.set_offline(True)
    said = [judge(room, key) for key in "gg"]
    wait_for(room, 2)
    context = room.context
    room.close()
    context.set_offline(False)
    again = context.new_page()
    again.goto(server.url + "/?room=explore")
    wait_ready(again)
    again.locator("#saved[data-state=saved]").wait_for()
    again.wait_for_function("() => !Object.keys(localStorage).some(key => key.startsWith('triptych-outbox'))")
    assert set(said) <= set(votes_of(server, "amy")["expnum"])


def test_an_undo_without_a_connection_waits_its_turn(room, server):
    first = judge(room, "g")
    wait_for(room, 0)
    room.expected_problems += OFFLINE
    room.context.set_offline(True)
    second = judge(room, "u")
    wait_for(room, 1)
    room.keyboard.press("z")
    room.wait_for_function("second => window.__review.shown() === second", arg=second)
    room.keyboard.press("z")
    room.wait_for_function("first => window.__review.shown() === first", arg=first)
    room.context.set_offline(False)
    wait_for(room, 0)
    assert not {first, second} & set(votes_of(server, "amy")["expnum"])
    assert first in set(record_of(server, "amy")["expnum"]), "a vote that was taken back stays on record"


def test_undo_goes_on_after_a_reload_and_brings_a_changed_mind_back(room, server):
    first, second = judge(room, "g"), judge(room, "g")
    room.locator(f".votes button[data-expnum='{first}']").click()
    room.wait_for_function("first => window.__review.shown() === first", arg=first)
    expect(room.locator(".facts")).to_contain_text("you said good")
    ready_to_vote(room)
    room.keyboard.press("u")
    wait_for(room, 0)
    room.reload()
    room.locator(".votes button[data-expnum]").first.wait_for()
    room.keyboard.press("z")
    room.wait_for_function("first => window.__review.shown() === first", arg=first)
    wait_for(room, 0)
    said = votes_of(server, "amy").set_index("expnum")["judgement"]
    assert (said[first], said[second]) == ("good", "good")
    room.keyboard.press("z")
    room.wait_for_function("second => window.__review.shown() === second", arg=second)
    wait_for(room, 0)
    assert second not in set(votes_of(server, "amy")["expnum"])


def test_two_tabs_share_one_box(room, server):
    room.expected_problems += OFFLINE
    other = room.context.new_page()
    other.goto(server.url + "/?room=review")
    wait_ready(other)
    other.wait_for_function("() => window.__review?.shown()")
    before = record_of(server, "amy")["expnum"].value_counts()
    room.context.set_offline(True)
    said = [judge(room, "g"), judge(room, "g")]
    other.keyboard.press("ArrowRight")
    other.wait_for_function(WAITING.format(n=2))
    room.context.set_offline(False)
    wait_for(room, 0)
    wait_for(other, 0)
    after = record_of(server, "amy")["expnum"].value_counts()
    assert (after[said] - before.reindex(said, fill_value=0)).tolist() == [1, 1]
    for tab in (room, other):
        assert not set(said) & set(tab.evaluate("() => window.__review.queue()")), "one queue"
    counted = room.locator("[data-part=progress]").inner_text()
    expect(other.locator("[data-part=progress]")).to_have_text(counted, use_inner_text=True)
    expect(other.locator(".votes li").first).to_contain_text(str(said[1]))


def test_somebody_else_at_the_same_browser_sends_nothing_of_mine(room, server):
    room.expected_problems += [*OFFLINE, "409", "403"]
    with no_answer(room, "**/api/vote"):
        expnum = judge(room, "g")
        wait_for(room, 1)
        other = room.context.new_page()
        log_out(other, server)
        room.wait_for_url("**/login?next=*")  # it shows nothing of mine to whoever comes next
    other.goto(server.url + "/login?next=%2F%3Froom%3Dexplore")
    log_in(other, "ben")
    wait_ready(other)
    assert expnum not in set(votes_of(server, "ben")["expnum"]) | set(votes_of(server, "amy")["expnum"])
    log_out(other, server)
    log_in(room, "amy")
    wait_ready(room)
    wait_for(room, 0)
    assert expnum in set(votes_of(server, "amy")["expnum"])
    assert expnum not in set(votes_of(server, "ben")["expnum"])


def test_a_refused_vote_stays_on_screen_with_why_until_it_is_dismissed(room, server):
    room.expected_problems.append("400")
    room.route("**/api/vote", lambda route: route.fulfill(status=400, body="400 exposure is not in this run\n"))
    n = len(record_of(server, "amy"))
    expnum = judge(room, "g")
    expect(room.locator("#refused")).to_have_text("1 refused")
    room.unroute("**/api/vote")
    room.reload()
    expect(room.locator("#refused")).to_have_text("1 refused")
    room.locator("#refused").click()
    expect(room.locator("#refusals li")).to_contain_text(f"Vote on {expnum}: good")
    expect(room.locator("#refusals .why")).to_have_text("exposure is not in this run")
    room.locator("#refusals [data-dismiss]").click()
    expect(room.locator("#refusals")).to_be_hidden()
    expect(room.locator("#refused")).to_be_hidden()
    room.reload()
    expect(room.locator("#saved")).to_have_text("saved")
    expect(room.locator("#refused")).to_be_hidden()
    assert len(record_of(server, "amy")) == n
