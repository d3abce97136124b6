"""From votes on one pipeline version to the queues and lists of the next: asked first, not asked, or by a switch."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests import fits_makers as make
from tests import skies
from tests.pipeline.ingest.test_reprocessed import come_back, other_pixels
from triptych.app.context import AppContext
from triptych.app.judging import evidence, queue, votes
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.lead import queue as lead_queue
from triptych.app.rooms.review import routes
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.embedding.embed import embed
from triptych.pipeline.export.export import export
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.store.store import LabelStore

BAD = (103, 105, 107)
INSPECTORS = ("amy", "ben", "cai")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Eight exposures, three of them bad and labelled so, predicted, with everybody's vote on 101, 102 and 104."""
    folder = tmp_path_factory.mktemp("judged")
    for expnum in range(101, 109):
        pixels = other_pixels if expnum in BAD else lambda number, name: make.pixels(name, number)
        images = (make.image(name, pixels(expnum, name)) for name in make.CCDS)
        make.write(folder / "files" / f"{expnum}.fits", make.primary(expnum), *images)
    catalog = Catalog.create(folder / "run", camera="mosaic3")
    ingest(catalog, folder / "files")
    with LabelStore(catalog.labels_url()) as store:
        teach(store, catalog)
        see(catalog, store)
        app = AppContext(catalog, store)
        for name in INSPECTORS:
            store.add_user(name, "a long password", "inspector")
            for expnum, judgement in ((101, "bad"), (102, "bad"), (104, "good")):
                reasons = ("PSF",) if judgement == "bad" else ()
                votes.cast(Viewer(app, store.user(name), app.survey()), expnum, judgement, reasons=reasons)
        store.add_user("dan", "a long password", "inspector")
        store.add_user("lea", "a long password", "lead")
    return folder


def teach(store, catalog):
    rows = catalog.ccds()[["expnum", "ccdname"]].assign(camera="mosaic3", raw="")
    rows["reason"] = ["PSF" if expnum in BAD else "good" for expnum in rows.expnum]
    store.import_labels(rows[rows.expnum > 102], source="list", kind="truth")


def see(catalog, store):
    """Embed, learn and predict; without candidates a queue offers every exposure."""
    embed(catalog, workers=1)
    train.train(catalog, store, classifier="knn")
    predict.predict(catalog)


@pytest.fixture
def app(judged, tmp_path):
    """The run after 101 came back with other pixels and 102 with the same ones."""
    shutil.copytree(judged, tmp_path / "night")
    files = tmp_path / "night" / "files"
    come_back(files, 101, "V5.0", changed=True)
    come_back(files, 102, "V5.0", changed=False)
    catalog = Catalog.open(tmp_path / "night" / "run")
    ingest(catalog, files)
    with LabelStore(catalog.labels_url()) as store:
        see(catalog, store)
        yield AppContext(catalog, store)


def waiting(app, name):
    return queue.queue_of(Viewer(app, app.store.user(name), app.survey()))


def cast(app, name, expnum, judgement):
    return votes.cast(Viewer(app, app.store.user(name), app.survey()), expnum, judgement)


def listed(app, old=False):
    content = export(app.catalog, app.store, "bad_expid", "majority", include_old=old).content.decode()
    return [line.split("#")[0].split()[0] for line in content.splitlines() if not line.startswith("#")]


def test_what_moved_comes_first_and_what_did_not_is_not_asked_again(app):
    for name in INSPECTORS:
        found = waiting(app, name)
        assert found[0] == 101
        assert set(found) == {101, 103, 105, 106, 107, 108}
    assert waiting(app, "dan")[0] == 101  # who judged neither has both, the changed one first
    assert set(waiting(app, "dan")) == set(range(101, 109))


def test_a_lead_may_ask_again_for_what_looks_the_same(app):
    lead_queue.keep_settings(app, app.survey(), {"ask_again": True})
    assert waiting(app, "amy")[0] == 101
    assert 102 in waiting(app, "amy")
    assert 104 not in waiting(app, "amy")  # it was not processed again


def test_a_vote_on_the_new_version_asks_the_others_again_too(app):
    cast(app, "dan", 102, "good")
    assert 102 in waiting(app, "amy")
    cast(app, "amy", 101, "good")
    assert 101 not in waiting(app, "amy")
    assert waiting(app, "ben")[0] == 101


def test_what_moved_comes_back_though_it_is_no_candidate(app):
    scored = candidates.score(app.catalog.stage("prediction").table(), candidates.sampled_images(app.catalog))
    scored["bad_probability"] = np.where(scored.expnum == 103, 0.99, 0.01)
    candidates.write_candidates(app.catalog, app.catalog.stage("prediction"), scored, "exposure")
    app = AppContext(app.catalog, app.store)
    assert waiting(app, "amy") == [101, 103]
    assert waiting(app, "dan") == [103]


def test_a_list_has_old_verdicts_only_by_the_switch(app):
    assert listed(app) == []
    assert listed(app, old=True) == ["101", "102"]
    for name in INSPECTORS:
        cast(app, name, 101, "good")
    assert listed(app, old=True) == ["102"]


def test_the_page_says_what_happened_and_what_was_said(app):
    items = {
        item["expnum"]: item for item in routes.queue_answer(Viewer(app, app.store.user("amy"), app.survey()))["items"]
    }
    assert items[101]["reprocessed"]["much"] is True
    assert (items[101]["reprocessed"]["before"], items[101]["reprocessed"]["now"]) == ("V4.3", "V5.0")
    assert "reprocessed" not in items[103]
    found = evidence.evidence_of(Viewer(app, app.store.user("amy"), app.survey()), 101, assisted=True)
    assert found["voted"] is False
    assert (found["old"]["plver"], found["old"]["judgement"]) == ("V4.3", "bad")
    assert "others" not in found["old"]
    assert evidence.evidence_of(Viewer(app, app.store.user("dan"), app.survey()), 101, assisted=True)["old"] is None
    cast(app, "amy", 101, "good")
    found = evidence.evidence_of(Viewer(app, app.store.user("amy"), app.survey()), 101, assisted=True)
    assert [one["inspector"] for one in found["old"]["others"]] == ["ben", "cai"]
    assert found["verdict"]["n_bad"] == 0  # the old votes do not count for the new version


def test_a_decision_on_the_old_version_settles_nothing_once_the_exposure_moved(app):
    for expnum in (101, 102):
        app.store.adjudicate("mosaic3", expnum, "lea", "bad", plver="V4.3", comment="plain")
    lead_queue.keep_settings(app, app.survey(), {"rule": "adaptive", "control": 0.0})
    assert 101 in waiting(app, "dan")
    assert 102 not in waiting(app, "dan")


@pytest.mark.slow
def test_the_whole_way_on_a_simulated_survey(tmp_path):
    truth = skies.copied(*skies.EIGHT, tmp_path / "files")
    catalog = Catalog.create(tmp_path / "run")
    ingest(catalog, tmp_path / "files", workers=1)
    embed(catalog, workers=1)
    exposures = catalog.exposures().set_index("expnum")
    bad = truth[truth.reason != "good"].groupby("expnum").size()
    spoiled = int(bad.index[0])
    good = [int(expnum) for expnum in exposures.index if expnum not in bad.index]
    with LabelStore(catalog.labels_url()) as store:
        store.add_user("amy", "a long password", "inspector")
        app = AppContext(catalog, store)
        for expnum in good[:2]:
            votes.cast(Viewer(app, store.user("amy"), app.survey()), expnum, "bad", reasons=("PSF",))
        redo(exposures.source[good[0]], tmp_path / "files", good[0], exposures.source[spoiled])
        redo(exposures.source[good[1]], tmp_path / "files", good[1], exposures.source[good[1]])
        ingest(catalog, tmp_path / "files", workers=1)
        embed(catalog, workers=1)
        app = AppContext(catalog, store)
        found = waiting(app, "amy")
        assert found[0] == good[0]
        assert good[1] not in found
        assert export(catalog, store, "bad_expid", "any").n_bad == 0
        assert export(catalog, store, "bad_expid", "any", include_old=True).n_bad == 2


def redo(source: str, folder: Path, expnum: int, pixels_of: str) -> None:
    """The exposure's file again with a newer version and the pixels of another file."""
    with fits.open(source) as own, fits.open(pixels_of) as other:
        for hdu in other:
            hdu.header.update({"EXPNUM": expnum} if "EXPNUM" in hdu.header else {})
            hdu.header.update({"PLVER": "V9.0"} if "PLVER" in hdu.header else {})
        other[0].header["MJD-OBS"] = own[0].header["MJD-OBS"]
        other.writeto(folder / f"again_{expnum}.fits.fz")
