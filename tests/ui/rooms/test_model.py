"""The Model room in a real browser: a retraining from the page, what it changed, and back, each page in its time."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import no_answer, serving
from tests.ui.frame.test_accessibility import violations
from triptych.pipeline.retraining import retrain
from triptych.pipeline.store.store import Vote, open_store

ROOM = "/?room=model"


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """A run with a model of neighbours, and votes of two on three exposures that have taught nothing yet."""
    catalog = survey.make(tmp_path_factory.mktemp("voted") / "run", exposures=24)
    expnums = catalog.exposures()["expnum"].tolist()[8:14:2]
    plver = catalog.exposures()["plver"].iloc[0]
    with open_store(catalog) as store:
        retrain.retrain(catalog, store, classifier="knn")
        for expnum in expnums:
            own = {"expnum": expnum, "judgement": "bad", "reasons": ("Ghost_Scatter",), "plver": plver}
            store.cast_many([Vote(inspector=name, **own) for name in ("amy", "ben")])
    return catalog.path


@pytest.fixture(scope="module")
def nobody_works(voted, tmp_path_factory):
    """The same run for a server without a worker, copied before that of `model_server` could take its jobs."""
    return Path(shutil.copytree(voted, tmp_path_factory.mktemp("alone") / "run"))


@pytest.fixture(scope="module")
def model_server(voted, nobody_works):
    with serving(voted) as served:
        yield served


def test_a_lead_retrains_reads_what_changed_and_goes_back_while_an_inspector_keeps_his(open_page, model_server):
    amy = open_page("amy", ROOM, server=model_server)
    expect(amy.get_by_role("region", name="Every model")).to_contain_text("knn-002")
    expect(amy.get_by_role("button", name="Retrain from the votes")).to_have_count(0)
    expect(amy.get_by_role("button", name="Use knn-002 for all")).to_have_count(0)

    lea = open_page("lea", ROOM, server=model_server)
    lea.locator(".model").get_by_role("button", name="Retrain from the votes").click()
    use = lea.get_by_role("button", name="Use knn-003 a")
    expect(use).to_be_visible(timeout=90_000)
    changes = lea.get_by_role("region", name="What changed")
    expect(changes).to_contain_text("new on 3 exposures")
    expect(lea.get_by_role("region", name="Before and now")).to_contain_text("labelled exposures")
    expect(lea.get_by_role("region", name="Log")).to_contain_text("done: model/knn-003")
    lea.keyboard.press("a")
    expect(lea.locator("#run")).to_contain_text("knn-003")
    expect(use).to_have_count(0)

    # an inspector keeps what they work with until they say so
    expect(amy.get_by_role("button", name="Use knn-003 a")).to_be_visible()
    expect(amy.locator("#run")).to_contain_text("knn-002")

    # a cause opens its exposure
    cause = changes.get_by_role("button", name="new label Ghost Scatter").first
    expnum = cause.get_attribute("data-open")
    cause.click()
    expect(lea.locator("body")).to_have_attribute("data-room", "review")
    lea.wait_for_function(f"() => location.search.includes('focus={expnum}')")
    lea.keyboard.press("Shift+M")

    # back for all, asked once more, and undone by choosing the other one
    lea.get_by_role("button", name="Use knn-002 for all").click()
    lea.get_by_role("button", name="Keep knn-003").click()
    lea.get_by_role("button", name="Use knn-002 for all").click()
    lea.get_by_role("button", name="Use knn-002", exact=True).click()
    expect(lea.get_by_role("button", name="Use knn-003 for all")).to_be_visible()
    expect(lea.get_by_role("button", name="Use knn-002 a")).to_be_visible()
    expect(amy.get_by_role("button", name="Use knn-003 a")).to_have_count(0)  # hers is the one in use again
    expect(amy.locator("#run")).to_contain_text("knn-002")


def test_the_list_is_walked_by_keys_and_shown_on_the_map(open_page, model_server):
    lea = open_page("lea", ROOM, server=model_server)
    rows = lea.locator(".changes .open")
    expect(rows.first).to_be_visible()
    lea.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    lea.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    lea.keyboard.press("2")
    expect(lea.get_by_role("button", name="changed side")).to_have_attribute("aria-pressed", "true")
    lea.keyboard.press("1")
    expect(lea.get_by_role("button", name="moved most")).to_have_attribute("aria-pressed", "true")
    lea.keyboard.press("o")
    expect(lea.locator("body")).to_have_attribute("data-room", "explore")
    expect(lea.get_by_text("moved most with knn-00")).to_be_visible()


def test_without_a_connection_it_says_so_and_comes_back(open_page, model_server):
    page = open_page("lea", "/?room=export", server=model_server)
    page.expected_problems += ["/model/", "ERR_FAILED", "net::"]
    with no_answer(page, f"{model_server.url}/model/**"):
        page.keyboard.press("Shift+M")
        expect(page.get_by_text("The models could not be read.")).to_be_visible()
        expect(page.get_by_text("no connection to the server")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("region", name="Every model")).to_contain_text("knn-002")


def test_a_run_that_was_never_retrained_says_what_a_retraining_does(open_page, server):
    page = open_page("amy", ROOM, server=server)
    expect(page.get_by_text("Nothing was retrained yet.").first).to_be_visible()
    expect(page.get_by_role("region", name="Every model")).to_contain_text("mixed-001")


@pytest.mark.slow
def test_a_waiting_retraining_is_cancelled_and_nothing_in_the_room_is_hard_to_use(open_page, serve_run, nobody_works):
    lea = open_page("lea", ROOM, server=serve_run(nobody_works, "--no-worker"))
    room = lea.locator(".model")
    room.get_by_role("button", name="Retrain from the votes").click()
    expect(room.locator(".work")).to_contain_text("waiting for the worker")
    assert not violations(lea), "\n".join(violations(lea))
    room.get_by_role("button", name="Cancel").click()
    expect(room.locator(".work")).to_be_hidden()
    expect(room.get_by_role("button", name="Retrain from the votes")).to_be_enabled()
    room.get_by_role("button", name="Use mixed-001 for all").click()
    expect(lea.get_by_role("alertdialog")).to_contain_text("Nothing is deleted")
    assert not violations(lea), "\n".join(violations(lea))
    lea.keyboard.press("Escape")
    expect(lea.get_by_role("alertdialog")).to_have_count(0)
