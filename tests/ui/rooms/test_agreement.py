"""The Agreement room in a real browser: what a lead, an inspector and a newcomer see, with the mouse and without."""

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import no_answer, serving
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import Vote, open_store

ROOM = "/?room=agreement"


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A run of 40 exposures that amy and ben judged alone and cai in part: (folder, expnums)."""
    catalog = survey.make(tmp_path_factory.mktemp("judged") / "run", exposures=40)
    exposures = catalog.exposures()
    with open_store(catalog) as store:
        for name, n, bad in (("amy", 40, 20), ("ben", 40, 14), ("cai", 30, 18)):
            store.cast_many(
                [
                    Vote(
                        expnum=int(row.expnum),
                        inspector=name,
                        judgement="bad" if place < bad else "good",
                        reasons=("PSF",) if place < bad else (),
                        plver=row.plver,
                        screen={"seconds": 2.5},
                    )
                    for place, row in enumerate(exposures.head(n).itertuples())
                ]
            )
    return catalog.path, exposures["expnum"].tolist()


@pytest.fixture(scope="module")
def judged_server(judged):
    with serving(judged[0], "--no-worker") as served:
        yield served


def test_a_lead_reads_the_figures_and_opens_what_splits(open_page, judged_server, judged):
    expnums = judged[1]
    page = open_page("lea", ROOM, server=judged_server)
    expect(page.get_by_role("region", name="Headline")).to_contain_text("Krippendorff’s alpha")
    standing = page.get_by_role("region", name="What it stands on")
    expect(standing).to_contain_text("110 blind votes of 3 inspectors on 40 exposures")
    expect(page.get_by_role("region", name="By pair")).to_contain_text("amy")
    expect(page.get_by_role("region", name="Inspectors")).to_contain_text("2.5 s")

    page.keyboard.press("3")
    expect(page.get_by_role("button", name="Dice on bad")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("region", name="By pair")).to_contain_text("0.82")  # amy and ben: 2 * 14 / (20 + 14)

    page.get_by_role("button", name="PSF 6").click()
    page.locator(f"[data-open='{expnums[14]}']").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"[data-open='{expnums[15]}']")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-room", "review")
    page.wait_for_function(f"() => location.search.includes('focus={expnums[15]}')")


def test_an_inspector_reads_his_own_figures_and_nobody_else_s(open_page, judged_server):
    page = open_page("cai", ROOM, server=judged_server)
    you = page.get_by_role("region", name="Inspectors")
    expect(you).to_contain_text("cai")
    expect(page.get_by_role("region", name="What it stands on")).to_contain_text("on 30 exposures")
    everything = page.locator(".agreement").inner_text()
    assert "amy" not in everything
    assert "ben" not in everything


def test_before_any_votes_the_room_says_what_is_needed(open_page):
    page = open_page("lea", ROOM)
    expect(page.locator(".agreement")).to_contain_text("Agreement needs 20 exposures or more")


def test_without_an_answer_the_room_says_so_and_can_ask_again(open_page):
    page = open_page("lea", "/?room=export")
    page.expected_problems += ["ERR_FAILED", "ERR_INTERNET_DISCONNECTED"]
    with no_answer(page, "**/agreement/report*"):
        page.keyboard.press("Shift+G")
        expect(page.get_by_text("The figures did not arrive.")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".agreement")).to_contain_text("Agreement needs 20 exposures or more")


def test_new_votes_are_counted_while_the_room_is_open(open_page, judged_server, judged):
    folder, expnums = judged
    page = open_page("lea", ROOM, server=judged_server)
    standing = page.get_by_role("region", name="What it stands on")
    expect(standing).to_contain_text("blind votes of 3 inspectors on 40 exposures")
    with open_store(Catalog.open(folder)) as store:
        for expnum, via in ((expnums[35], "single"), (expnums[36], "bulk")):
            own = {"judgement": "good", "plver": "V5.5LS", "via": via, "client_vote_id": f"later-{via}"}
            store.cast(Vote(expnum=expnum, inspector="cai", **own))
    expect(standing).to_contain_text("111 blind votes")
    expect(standing).to_contain_text("1 cast in bulk")
