"""axe-core in every room: no serious violation of WCAG 2.2 AA, neither in a room nor in what opens over it."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.ui.conftest import wait_ready
from triptych.app.dashboard import ROOM_TABS

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
GRAVE = ("serious", "critical")


def violations(page):
    """Serious and critical findings as one line each, with the elements they concern."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: " + json.dumps([(node["target"], node["html"][:120]) for node in rule["nodes"]])
        for rule in found
        if rule["impact"] in GRAVE
    ]


def enter(page, room):
    """Open a room by its tab and wait until its components stand."""
    page.locator(f"#rooms button[data-room={room}]").click()
    page.locator(f"#{room} .fill[data-ready]").first.wait_for()
    page.requests.wait_for_answers()


@pytest.mark.slow
def test_no_serious_violation_in_any_room(open_page):
    page, found = open_page("lea", "/?focus=900001"), {}
    for room in ROOM_TABS:
        enter(page, room)
        found[room] = violations(page)
    assert found == {room: [] for room in ROOM_TABS}


@pytest.mark.slow
def test_no_serious_violation_where_an_inspector_chooses_a_reason_or_reads_the_keys(open_page):
    page = open_page("amy", "/?room=review")
    page.wait_for_function("() => window.__review?.shown()")
    page.keyboard.press("b")
    assert not violations(page), "\n".join(violations(page))
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert not violations(page), "\n".join(violations(page))


@pytest.mark.slow
def test_no_serious_violation_at_the_door(browser, server):
    page = browser.new_page()
    page.goto(f"{server.url}/login")
    assert not violations(page), "\n".join(violations(page))
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("user", ["amy", "lea"])
def test_every_room_is_reached_by_keyboard_alone_and_shows_where_the_focus_is(open_page, user):
    page = open_page(user)
    wait_ready(page)
    for room in page.locator("#rooms button").evaluate_all(
        "tabs => tabs.map(tab => [tab.dataset.room, tab.dataset.key])"
    ):
        name, key = room
        page.keyboard.press(f"Shift+{key}")
        expect(page.locator(f"#{name}")).to_be_visible()
        page.locator(f"#{name} .fill[data-ready]").first.wait_for()
        page.keyboard.press("Tab")
        outline = page.evaluate(
            """() => {
              let at = document.activeElement;
              while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
              const style = at && getComputedStyle(at);
              return at && at !== document.body ? style.outlineStyle + style.outlineWidth + style.boxShadow : null;
            }"""
        )
        assert outline is None or outline != "none0pxnone", f"{name}: the focus cannot be seen"
        page.evaluate("() => document.activeElement.blur()")
