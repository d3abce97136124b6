"""The whole job on the demonstration survey, in a browser: map, lasso, three inspectors, verdict, retraining, list."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from tests.ui.conftest import serving
from tests.ui.pictures.test_map import Map
from tests.ui.rooms.test_review import wait_for_exposure, wait_saved
from tests.ui.waiting import ready_to_vote
from triptych.app.demo import demo
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import expnum_of

EXPOSURES = 8  # of the demonstration seed, few, with a ghost among the unlabelled ones
INSPECTORS = [name for name, role in demo.ACCOUNTS.items() if role == "inspector"]
LEAD = next(name for name, role in demo.ACCOUNTS.items() if role == "lead")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The demonstration as `triptych demo --empty` makes it, but for fewer and coarser exposures: nobody has voted yet,
    so that the three votes of this test alone make the verdict and teach."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "BINNING", 16)
        demo.prepare(folder / "run", exposures=EXPOSURES, past=False, bar=lambda title: nullcontext(lambda *_: None))
    with serving(folder / "run") as served:
        yield served


def new_ghost(catalog) -> int:
    """The exposure of the new season, not among the labels, with most CCDs that truly show a ghost."""
    truth = pd.read_csv(catalog.path / "exposures" / "truth.csv", comment="#")
    known = set(pd.read_csv(catalog.path / "last_season.csv").expnum)
    ghosts = truth[(truth.reason == "Ghost_Scatter") & ~truth.expnum.isin(known)]
    return int(ghosts.expnum.value_counts().idxmax())


def lasso_round(one: Map, image_ids, share=0.5):
    """Draw a lasso round the densest half of some images on the map."""
    places = np.array([one.ask(f"m => m.project(m.indexOf({int(i)}))")[:2] for i in image_ids])
    centre = np.median(places, axis=0)
    radius = np.quantile(np.hypot(*(places - centre).T), share) + 6
    angles = np.linspace(0, 2 * np.pi, 24)
    one.key("l")
    one.drag([tuple(centre + radius * np.array([np.cos(a), np.sin(a)])) for a in angles])


@pytest.mark.slow
def test_from_the_map_to_the_list(server, open_page):
    catalog = Catalog.open(server.run)
    expnum = new_ghost(catalog)
    ghosts = [i for i in catalog.stage("map2d").table().image_id if expnum_of(i) == expnum]

    page = open_page(INSPECTORS[0], "/?colour=prediction", server=server)
    one = Map(page)
    one.settled()
    lasso_round(one, ghosts)
    selected = {int(one.ask(f"m => Number(m.imageId({i}))")) for i in one.selection()}
    assert selected & set(ghosts), "the lasso holds images of the ghost"

    page.locator("#search input").fill(f"{expnum}")
    page.locator("#search input").press("Enter")
    page.wait_for_function("() => location.search.includes('focus=')")
    page.locator("#search input").blur()
    page.keyboard.press("r")
    page.wait_for_function("expnum => window.__review?.shown() === expnum", arg=expnum)

    for inspector in INSPECTORS:
        own = (
            page if inspector == INSPECTORS[0] else open_page(inspector, f"/?room=review&focus={expnum}", server=server)
        )
        own.wait_for_function("expnum => window.__review?.shown() === expnum", arg=expnum)
        ready_to_vote(own)
        own.keyboard.press("b")
        own.keyboard.press("5")
        if "whole exposure bad" not in own.locator("[data-part=hint]").inner_text():
            own.keyboard.press("t")  # the ghost is on all of it
        own.keyboard.press("Enter")
        wait_for_exposure(own, expnum)
        wait_saved(own)

    before = catalog.refresh().stage("prediction").stage_id
    lead = open_page(LEAD, server=server)
    lead.locator("#user button").first.click()
    lead.locator("#retrain").click()
    lead.locator("#offer button").wait_for(timeout=120_000)
    lead.locator("#offer button").click()
    lead.wait_for_function("before => !document.querySelector('#run').textContent.endsWith(before)", arg=before)
    assert catalog.refresh().stage("prediction").stage_id != before
    training = catalog.stage("model").table("training")
    assert expnum in set(training.expnum), "the votes teach"

    lead.keyboard.press("Shift+X")
    with lead.expect_download() as download:
        lead.get_by_role("link", name="Download").click()
    lines = download.value.path().read_text().splitlines()
    assert any(line.split() and line.split()[0] == str(expnum) for line in lines if not line.startswith("#"))
    assert any("policy: majority" in line for line in lines)
