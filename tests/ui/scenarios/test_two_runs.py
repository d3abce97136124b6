"""Two runs behind one port, in a browser: the list leads to both, and nothing of one comes to the other."""

import shutil

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import log_in, no_answer, serving, wait_ready
from tests.ui.waiting import ready_to_vote, wait_until
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    survey.make(folder / "dr9", exposures=8)
    shutil.copytree(folder / "dr9", folder / "dr10")
    with serving(folder / "dr9", "--no-worker", beside=[folder / "dr10"]) as served:
        yield served


def votes_of(run, name):
    with LabelStore(Catalog.open(run).labels_url()) as store:
        votes = store.votes(current=False)
        return len(votes[votes.inspector == name])


def test_from_the_list_to_a_run_and_back(open_page, server):
    page = open_page("amy", "/dr9/", fresh=True)
    page.goto(f"{server.url}/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="dr9"))
    expect(row).to_contain_text("DECam")
    expect(row).to_contain_text("amy")
    page.get_by_role("row").filter(has=page.get_by_role("link", name="dr10")).get_by_role("link", name="log in").click()
    log_in(page, "lea")
    wait_ready(page)
    assert page.url.startswith(f"{server.url}/dr10/")
    page.locator("#user > button").click()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_role("row").filter(has=page.get_by_role("link", name="dr10"))).to_contain_text("lea")
    page.get_by_role("link", name="dr9").click()
    wait_ready(page)
    expect(page.locator("#run")).to_contain_text("run dr9")
    expect(page.locator("#user > button")).to_contain_text("amy")


def test_a_vote_that_waits_for_one_run_is_not_sent_to_the_other(open_page, server):
    here, there = server.run, server.beside[0]
    page = open_page("amy", "/dr9/?room=review&focus=900002", fresh=True)
    page.expected_problems += ["ERR_FAILED", "net::"]
    page.wait_for_function("() => window.__review?.shown() === 900002")
    ready_to_vote(page)
    before = votes_of(here, "amy"), votes_of(there, "amy")
    with no_answer(page, "**/api/vote"):
        page.keyboard.press("g")
        expect(page.locator("#saved")).to_contain_text("1 vote kept in browser")
        other = page.context.new_page()
        other.goto(f"{server.url}/dr10/login")
        log_in(other, "amy")
        wait_ready(other)
        expect(other.locator("#saved")).to_have_text("saved")
        other.close()
    page.evaluate("() => window.dispatchEvent(new Event('online'))")
    wait_until(page, lambda: votes_of(here, "amy") == before[0] + 1)
    assert votes_of(there, "amy") == before[1]
