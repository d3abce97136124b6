"""What a contact sheet holds: the exposures of a selection in its order, own votes, and nobody else's."""

import json
import shutil

import numpy as np
import pytest

from triptych.app.context import AppContext
from triptych.app.judging import contact_sheet
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.explore.image_view import n_exposures
from triptych.app.survey import search
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, LabelError
from triptych.pipeline.store.store import LabelStore, Vote


@pytest.fixture
def app(survey_folder, tmp_path):
    catalog = Catalog.open(shutil.copytree(survey_folder, tmp_path / "run"))
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


def sheet(app, name, image_ids):
    return contact_sheet.sheet_of(Viewer(app, app.accounts.user(name), app.survey()), image_ids)


def test_exposures_come_in_the_order_of_their_images_with_a_few_of_them_each(app):
    survey = app.survey()
    image_ids = np.concatenate([survey.images_of(900004)[:5], survey.images_of(900002), survey.images_of(900004)[5:]])
    exposures = sheet(app, "amy", image_ids)["exposures"]
    assert [one["expnum"] for one in exposures] == [900004, 900002]
    assert exposures[0]["images"] == survey.images_of(900004)[:3].tolist()
    assert "90 s · 2017-09-03" in exposures[0]["facts"]


def test_own_votes_are_marked_and_others_are_not_told(app):
    before = json.dumps(sheet(app, "amy", app.survey().images_of(900002)))
    vote = {"expnum": 900002, "judgement": "bad", "reasons": ("PSF",), "plver": "V5.5LS"}
    app.store.cast(Vote(inspector="ben", **vote))
    assert json.dumps(sheet(app, "amy", app.survey().images_of(900002))) == before
    (one,) = sheet(app, "ben", app.survey().images_of(900002))["exposures"]
    assert one["mine"] == {"judgement": "bad", "reasons": ["PSF"], "via": "single"}


def test_viewers_and_selections_that_nobody_looks_through_are_refused(app, monkeypatch):
    with pytest.raises(LabelError, match="cannot vote"):
        sheet(app, "vic", app.survey().images_of(900002))
    monkeypatch.setattr(contact_sheet, "MOST_EXPOSURES", 1)
    with pytest.raises(BadInput, match="narrow the selection"):
        sheet(app, "amy", app.survey().image_ids)


def test_exposures_are_counted_in_any_order():
    assert n_exposures(np.array([101, 102, 203, 301])) == 3
    assert n_exposures(np.array([301, 102, 302, 101])) == 2
    assert n_exposures(search.no_images()) == 0


@pytest.mark.parametrize(
    ("text", "meaning"), [("cluster 2", "cluster 2"), ("cluster:2", "cluster 2"), ("s29", "CCD S29")]
)
def test_clusters_and_ccd_names_can_be_searched(app, text, meaning):
    survey = app.survey()
    found = search.find(survey, text, predicted=True, labels=app.store.labels)
    assert found.how == meaning
    if "cluster" in text:
        assert set(found.image_ids) == set(survey.cluster.index[survey.cluster["cluster"] == 2])
    else:
        assert set(survey.ccds.loc[found.image_ids, "ccdname"]) == {"S29"}


def test_a_cluster_that_is_not_there_is_said(app):
    assert "cluster-99" in search.find(app.survey(), "cluster 99", predicted=True, labels=app.store.labels).problem
