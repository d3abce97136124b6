"""The frame in a real browser: login, rooms, search, address."""

import re

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import READY, log_in, log_out, log_out_by_menu, login_cookie
from tests.ui.firefox import firefox, firefox_path
from triptych.app.dashboard import ROOM_TABS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore


def test_a_wrong_password_says_so_and_a_right_one_opens_the_asked_page(open_page, server):
    page = open_page("amy", "/?room=export")
    expect(page.get_by_role("tab", name="Export")).to_have_attribute("aria-selected", "true")
    log_out(page, server)
    page.get_by_role("link", name="Log in").click()
    page.expected_problems.append("401")
    log_in(page, "amy", "wrong password")
    expect(page.get_by_role("alert")).to_contain_text("Unknown name or wrong password")


def test_rooms_change_by_click_and_key_without_reload(open_page):
    page = open_page("amy")
    page.evaluate("window.same = true")
    page.get_by_role("tab", name="Review").click()
    expect(page.locator("#review")).to_be_visible()
    expect(page.locator("#explore")).to_be_hidden()
    page.keyboard.press("Shift+X")
    expect(page.locator("#export")).to_be_visible()
    assert "room=export" in page.url
    page.go_back()
    expect(page.locator("#review")).to_be_visible()
    assert page.evaluate("window.same")


def test_a_step_back_leaves_the_way_forward_open_and_a_reload_the_candidates(open_page):
    page = open_page("amy")
    page.wait_for_url(re.compile("q=candidates"))
    n = page.locator("#thumbs-panel .how strong").inner_text()
    page.reload()
    expect(page.locator("#thumbs-panel .how")).to_contain_text("candidates, worst CCD of each")
    expect(page.locator("#thumbs-panel .how strong")).to_have_text(n)
    page.get_by_role("tab", name="Review").click()
    page.wait_for_function("() => location.search.includes('room=review') && window.__review?.shown()")
    page.keyboard.press("ArrowRight")  # another exposure than the one with which the room was opened
    page.wait_for_function("() => location.search.includes(`focus=${window.__review.shown()}`)")
    page.go_back()
    expect(page.locator("#explore")).to_be_visible()
    page.wait_for_function("() => location.search.includes('room=explore')")
    page.go_forward()
    expect(page.locator("#review")).to_be_visible()


def test_an_exposure_that_is_not_here_is_not_replaced_by_another(open_page):
    page = open_page("amy", "/?room=review&focus=123")
    expect(page.locator("#toast")).to_contain_text("no exposure 123")
    expect(page.locator("#review .empty")).to_contain_text("123 is not in this run")
    page.keyboard.press("g")
    assert page.evaluate("() => [window.__review.shown(), window.__review.waiting()]") == [None, 0]
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => window.__review.shown()")


@pytest.mark.skipif(firefox_path() is None, reason="no Firefox is installed")
def test_every_room_opens_in_firefox_and_a_key_votes(server, tmp_path):
    with firefox(tmp_path) as browser:
        browser.open(server.url, login_cookie(server, "lea"))
        browser.wait(f"({READY})()")
        browser.wait("deep('.grid img')?.naturalWidth")
        assert browser.say("getComputedStyle(deep('.grid')).scrollbarColor") != "auto", "a dark one"
        for room, (_name, letter) in ROOM_TABS.items():
            browser.press(f"Shift+{letter}")
            browser.wait(f"deep('.fill[data-ready]', document.querySelector('#{room}.shown') ?? document.head)")
        browser.press("Shift+R")
        browser.wait("__review.shown() && __review.ready()")
        first = browser.say("__review.shown()")
        browser.press("u")
        browser.wait(f"__review.shown() !== {first} && __review.waiting() === 0")
        browser.press("z")
        browser.wait(f"__review.shown() === {first} && __review.waiting() === 0")
        assert browser.problems == []
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        own = store.votes(inspector="lea", current=False)
    assert own["judgement"].tolist() == ["unsure"], "stored, then taken back"


def test_search_focuses_and_the_address_opens_the_same_view_again(open_page, server):
    page = open_page("amy")
    page.keyboard.press("/")
    page.keyboard.type("900003-S4")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^(?=.*focus=900003)(?=.*ccd=S4)(?=.*q=900003-S4)"))
    page.goto(page.url)
    page.wait_for_function("() => document.body?.dataset.ready === '1'")
    expect(page.get_by_role("searchbox")).to_have_value("900003-S4")


def test_a_search_without_result_says_what_can_be_searched(open_page):
    page = open_page("amy")
    page.get_by_role("searchbox").fill("nonsense")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("try an exposure number")


@pytest.mark.parametrize("size", [(1024, 700), (1440, 900), (1920, 1080)])
def test_the_window_never_scrolls(open_page, size):
    page = open_page("amy", size=size)
    for room in ("Explore", "Review", "Export"):
        page.get_by_role("tab", name=room).click()
        scrolled = page.evaluate(
            "[document.documentElement.scrollHeight - innerHeight, document.documentElement.scrollWidth - innerWidth]"
        )
        assert max(scrolled) <= 0


def test_question_mark_shows_the_keys(open_page):
    page = open_page("amy")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_first_page_shows_what_there_is_to_do(open_page, server):
    """Without an address the candidates are selected and the first is in the mosaic; an address changes that."""
    page = open_page("amy", "/")
    expect(page.locator("#thumbs-panel .head")).to_contain_text("candidates")
    page.wait_for_function("() => location.search.includes('focus=')")
    page = open_page("amy", "/?room=explore")
    expect(page.locator("#thumbs-panel .head")).to_contain_text("Nothing selected")


@pytest.fixture
def dora(server):
    """The store, with an account of whom no other test knows."""
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        if store.user("dora"):
            store.set_password("dora", "correct horse")
        else:
            store.add_user("dora", "correct horse", "inspector")
        store.keep_setting("tour", "seen", owner="dora")
        yield store


def in_menu(page, name):
    page.get_by_role("button", name="dora ▾").click()
    return page.get_by_role("button", name=name, exact=True)


def test_users_change_their_password_in_the_menu(open_page, dora):
    page = open_page("dora")
    page.expected_problems.append("400")
    dora.begin_login("dora")
    in_menu(page, "Change password").click()
    dialog = page.get_by_role("dialog")
    for old, again, says in (
        ("correct horse", "staple battery", "differ"),
        ("wrong horse", "battery staple", "the old password is wrong"),
    ):
        dialog.get_by_label("Old password").fill(old)
        dialog.get_by_label("New password", exact=True).fill("battery staple")
        dialog.get_by_label("New password again").fill(again)
        dialog.get_by_role("button", name="Change").click()
        expect(dialog.get_by_role("alert")).to_contain_text(says)
    dialog.get_by_label("Old password").fill("correct horse")
    dialog.get_by_role("button", name="Change").click()
    expect(page.locator("#toast")).to_have_text("Your password is changed. One login elsewhere ended.")
    expect(dialog).to_be_hidden()
    assert dora.check_password("dora", "battery staple")
    assert len(dora.logins("dora")) == 1


def test_log_out_everywhere_closes_the_pages_of_other_browsers(open_page, dora):
    here = open_page("dora")
    login = dora.begin_login("dora")
    log_out_by_menu(here, "Log out everywhere")
    assert login not in dora.logins("dora")


def test_a_page_whose_login_ends_goes_to_the_login_form(open_page, dora):
    page = open_page("dora", "/?room=review")
    page.expected_problems += ["403", "WebSocket", "websocket", "Lost"]
    dora.end_logins("dora")
    page.wait_for_url("**/login?next=%2F%3Froom%3Dreview*")


def test_a_page_of_a_demoted_lead_is_loaded_again_without_their_rooms(open_page, dora):
    dora.set_role("dora", "lead")
    page = open_page("dora", "/?room=lead")
    page.expected_problems += ["403", "WebSocket", "websocket", "Lost"]
    expect(page.get_by_role("tab", name="Lead")).to_be_visible()
    dora.set_role("dora", "viewer")
    expect(page.get_by_role("tab", name="Lead")).to_have_count(0)
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
