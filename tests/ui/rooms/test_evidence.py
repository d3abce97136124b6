"""Evidence, help and keys in Review: what is beside the exposure, and what a person may change."""

import pytest
from playwright.sync_api import expect

from tests.ui.waiting import ready_to_vote
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

NEIGHBOUR = "button[data-look-at]:not(.origin):not([aria-current=true])"


def store_of(server):
    return LabelStore(Catalog.open(server.run).labels_url())


@pytest.fixture
def room(open_page):
    """Ben's Review room, with the first exposure and its evidence on screen."""
    page = open_page("ben", "/?room=review")
    page.locator(".strip button").first.wait_for()
    return page


def shown(page):
    return page.evaluate("() => window.__review.shown()")


def wait_shown(page, expnum):
    page.wait_for_function("expnum => window.__review?.shown() === expnum", arg=expnum)


@pytest.mark.parametrize("size", [(1440, 900), (1920, 1080)])
def test_the_exposure_has_seven_tenths_of_the_screen(open_page, size):
    page = open_page("ben", "/?room=review", size=size)
    page.locator(".strip button").first.wait_for()
    stage = page.locator(".review .stage").bounding_box()
    assert stage["width"] * stage["height"] >= 0.7 * size[0] * size[1]


def test_the_focal_plane_names_and_enlarges_the_ccds_that_drove_it(room):
    room.expected_problems.append("410")  # a made-up run has previews and no files
    caption = room.locator("[data-part=caption]")
    expect(caption).to_contain_text("of 61")
    expect(room.locator(".plane g[data-ccd]")).to_have_count(61)
    room.locator(".plane g[data-ccd=S4]").hover()
    expect(caption).to_contain_text("S4")
    driver = room.locator(".drivers button").first
    name = driver.get_attribute("data-ccd")
    driver.focus()
    room.keyboard.press("Enter")
    expect(room.locator(f"[data-ccd={name}][data-state]")).to_have_count(1)
    room.keyboard.press("Escape")


def test_too_few_labels_are_said_in_words(room):
    expect(room.locator(".evidence .warning")).to_contain_text("Not calibrated")


def test_a_look_around_in_time_comes_back(room):
    first = shown(room)
    room.keyboard.press(".")
    room.wait_for_function("first => window.__review.shown() !== first", arg=first)
    expect(room.locator(".facts .state")).to_contain_text(f"around {first}")
    room.keyboard.press("Escape")
    wait_shown(room, first)


def test_one_vote_for_a_run_takes_what_was_looked_at_and_is_undone_as_one(room, server):
    first = shown(room)
    room.locator(f"button[data-look-at='{first}'].seen").wait_for()  # whoever leaves at once has not looked
    room.locator(NEIGHBOUR).first.click()
    room.wait_for_function("first => window.__review.shown() !== first", arg=first)
    other = shown(room)
    room.locator(f"button[data-look-at='{other}'].seen").wait_for()
    room.keyboard.press("Escape")
    wait_shown(room, first)
    expect(room.locator("[data-verb=run]")).to_contain_text("2")
    room.keyboard.press("a")
    sheet = room.locator("dialog.contact-sheet")
    expect(sheet.locator(".tile")).to_have_count(2)
    room.keyboard.press("u")
    room.keyboard.press("Enter")
    expect(sheet).to_have_count(0)
    with store_of(server) as store:
        votes = store.votes(inspector="ben")
        run = votes[votes["via"] == "bulk"]
        assert set(run["expnum"]) == {first, other}
        assert {screen["how"] for screen in run["screen"]} == {"run"}
        assert all(screen["look_seconds"] > 0 for screen in run["screen"])
        expect(room.locator(".votes button").first).to_contain_text("unsure")
        room.keyboard.press("z")
        room.wait_for_function("() => window.__review.waiting() === 0")
        votes = store.votes(inspector="ben")
        assert not set(votes["expnum"]) & {first, other}


def test_a_run_that_was_not_looked_at_is_refused(open_page):
    page = open_page("cai", "/?room=review")
    unseen = 900016  # no candidate: nothing asks for it ahead of time
    answer = page.evaluate(
        """async expnum => (await fetch('/api/votes', {method: 'POST', headers: {'X-Triptych-User': 'cai'},
            body: JSON.stringify({expnums: [expnum], judgement: 'good',
            batch_id: 'forged', how: 'run', screen: {looks: {[expnum]: 9}}})})).json()""",
        unseen,
    )
    assert (answer["n"], answer["skipped"][0]["expnum"]) == (0, unseen)


def test_rules_and_examples_beside_the_form(room):
    room.keyboard.press("r")
    rules = room.locator(".rules")
    expect(rules).to_contain_text("Bad when")
    expect(rules).to_contain_text("No reason")
    before = rules.locator("h2").inner_text()
    room.keyboard.press("ArrowDown")
    expect(rules.locator("h2")).not_to_have_text(before)
    rules.get_by_role("button", name="Ghost Scatter").click()
    expect(rules.locator("figure").first).to_contain_text("listed in made-up")
    room.keyboard.press("Escape")
    expect(rules).to_be_hidden()


def test_a_changed_key_works_shows_and_comes_back(room, server):
    first = shown(room)
    room.keyboard.press("?")
    room.get_by_role("button", name="Change keys").click()
    room.get_by_role("button", name="u: unsure").click()
    room.keyboard.press("b")
    expect(room.locator("#keys .words")).to_contain_text("bad; then a reason")
    room.get_by_role("button", name="u: unsure").click()
    room.keyboard.press("y")
    expect(room.locator("#keys .words")).to_contain_text("Astrometry")
    room.get_by_role("button", name="u: unsure").click()
    room.keyboard.press("]")
    expect(room.locator("#keys .words")).to_contain_text("] it is.")
    room.keyboard.press("Escape")
    expect(room.locator("[data-verb=unsure] .key")).to_have_text("]")
    room.keyboard.press("u")
    assert shown(room) == first
    room.reload()
    room.locator(".strip button").first.wait_for()
    expect(room.locator("[data-verb=unsure] .key")).to_have_text("]")
    here = shown(room)
    ready_to_vote(room)
    room.keyboard.press("]")
    room.wait_for_function("here => window.__review.shown() !== here", arg=here)
    room.wait_for_function("() => window.__review.waiting() === 0")
    with store_of(server) as store:
        assert store.votes(inspector="ben", expnum=here)["judgement"].tolist() == ["unsure"]
        store.keep_setting("keys", {}, owner="ben")


def test_the_tour_is_shown_once_and_covers_nothing_that_it_explains(open_page, server):
    with store_of(server) as store:
        store.keep_setting("tour", "", owner="cai")
    page = open_page("cai", "/?room=review")
    card, ring = page.locator(".tour"), page.locator(".tour-ring")
    for step in range(1, 5):
        expect(card).to_contain_text(f"{step} of 4")
        page.wait_for_function("() => document.activeElement?.dataset.verb === 'on'")
        a, b = card.bounding_box(), ring.bounding_box()
        apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        assert apart or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        page.keyboard.press("Enter")
    expect(card).to_have_count(0)
    page.wait_for_function("async () => (await (await fetch('/api/settings')).json()).tour === 'seen'")
    page.reload()
    page.locator(".strip button").first.wait_for()
    expect(card).to_have_count(0)
    page.keyboard.press("?")
    page.get_by_role("button", name="Show the tour").click()
    expect(card).to_contain_text("1 of 4")
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
