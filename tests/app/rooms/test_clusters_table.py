"""Clusters in numbers: counts that add up, pictures that stand for their cluster, nothing that tells others' votes."""

import json

import numpy as np
import pytest

from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.clusters.routes import list_answer, one_answer
from triptych.app.rooms.clusters.table import NOISE, PICTURES, groups_of
from triptych.app.server import make_app
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.store.store import Vote
from triptych.pipeline.vectors import clusters


@pytest.fixture
def app(fresh_survey):
    app = make_app(fresh_survey)
    yield app
    app.store.close()


def ask(app, name, assisted=True):
    return list_answer(Viewer(app, app.accounts.user(name)), assisted)


def judge(app, name, expnums, judgement="bad"):
    for expnum in expnums:
        app.store.cast(Vote(expnum=int(expnum), inspector=name, judgement=judgement, plver="V5.5LS"))


def test_every_image_is_counted_once(app):
    answer = ask(app, "lea")
    rows = [*answer["clusters"], answer["noise"]]
    table = app.catalog.stage("cluster").table()
    assert sum(row["n_images"] for row in rows) == len(table) == answer["n_images"]
    sizes = table.cluster.value_counts().to_dict()
    assert {row["cluster"]: row["n_images"] for row in rows} == sizes
    for row in rows:
        assert sum(row["predicted"].values()) == row["n_images"]
        assert sum(row["bands"].values()) == row["n_exposures"]
        assert row["nights"]["n"] == 1
    prediction = app.catalog.stage("prediction").table().merge(table, on="image_id")
    mean = (1 - prediction.p_good).groupby(prediction.cluster).mean()
    for row in rows:
        assert row["p_bad"] == pytest.approx(mean[row["cluster"]], abs=1e-4)


def test_pictures_are_members_of_different_exposures(app):
    groups = groups_of(app.survey())
    for label, pictures in zip(groups.labels, groups.pictures, strict=True):
        assert set(pictures) <= set(groups.members(int(label)).tolist())
        exposures = {expnum_of(image_id) for image_id in pictures}
        there = {expnum_of(image_id) for image_id in groups.members(int(label)).tolist()}
        assert len(pictures) == len(set(pictures)) == min(PICTURES, len(groups.members(int(label))))
        assert len(exposures) == PICTURES or len(there) < PICTURES


def test_own_judgements_count_and_others_do_not_show_to_an_inspector(app):
    survey = app.survey()
    survey.__dict__["training"] = survey.training.assign(provenance="truth")
    before = ask(app, "amy")
    judge(app, "ben", [900003, 900005])
    judge(app, "cai", [900003, 900005])
    after = ask(app, "amy")
    assert json.dumps(before) == json.dumps(after), "others' votes change nothing for her"
    assert after["judged_means"] == ""
    assert all(row["judged"] is None for row in after["clusters"])
    judge(app, "amy", [900003])
    own = ask(app, "amy")
    here = {row["cluster"] for row in own["clusters"] if row["mine"] == 1}
    groups = groups_of(app.survey())
    assert here == {
        int(label) for label in groups.labels if label >= 0 and 900003 in expnum_of(groups.members(int(label)))
    }


def test_a_lead_sees_what_anybody_judged_and_a_viewer_what_the_panel_did(app):
    judge(app, "ben", [900003, 900005])
    for name in ("amy", "cai"):
        judge(app, name, [900003])
    lead, viewer = ask(app, "lea"), ask(app, "vic")
    assert (lead["judged_means"], viewer["judged_means"]) == ("anybody", "panel")
    assert max(row["judged"] for row in lead["clusters"]) > max(row["judged"] for row in viewer["clusters"]) == 1
    judge(app, "lea", [900008])
    assert ask(app, "lea")["judged_means"] == "panel", "a lead who votes is blind like the others"


def test_without_assistance_the_models_opinion_is_summed_over_what_may_be_known(app):
    hidden = ask(app, "amy", assisted=False)
    shown = ask(app, "amy", assisted=True)
    waiting = set(app.survey().candidates.index)
    groups = groups_of(app.survey())
    for row, full in zip(hidden["clusters"], shown["clusters"], strict=True):
        known = [image for image in groups.members(row["cluster"]).tolist() if expnum_of(image) not in waiting]
        assert row["n_opinions"] == len(known) < full["n_opinions"]
    first = hidden["clusters"][0]["cluster"]
    rows = one_answer(Viewer(app, app.accounts.user("amy")), first, count=100)["exposures"]
    assert all((row["p_bad"] is None) == (row["expnum"] in waiting) for row in rows)


def test_one_cluster_lists_its_exposures_in_pages(app):
    user = app.accounts.user("amy")
    label = ask(app, "amy")["clusters"][0]["cluster"]
    whole = one_answer(Viewer(app, user), label, count=100)
    counts = [row["n_images"] for row in whole["exposures"]]
    assert counts == sorted(counts, reverse=True)
    assert whole["total"] == len(counts)
    part = one_answer(Viewer(app, user), label, start=1, count=2)
    assert part["exposures"] == whole["exposures"][1:3]
    judge(app, "amy", [whole["exposures"][0]["expnum"]])
    left = one_answer(Viewer(app, user), label, unjudged=True, count=100)
    assert left["total"] == whole["total"] - 1
    assert one_answer(Viewer(app, user), label)["exposures"][0]["mine"] == {
        "judgement": "bad",
        "reasons": [],
        "via": "single",
    }


def test_an_unknown_cluster_is_refused(app):
    with pytest.raises(BadInput, match="there is no cluster 4711"):
        one_answer(Viewer(app, app.accounts.user("amy")), 4711)


def test_a_run_without_clusters_has_an_empty_list(app, monkeypatch):
    from dataclasses import replace

    survey = app.survey()
    empty = replace(survey, cluster=survey.cluster.iloc[:0], stages={**survey.stages, "cluster": ""})
    monkeypatch.setattr(app, "survey_for", lambda user: empty)
    answer = ask(app, "amy")
    assert (answer["clusters"], answer["noise"], answer["n_images"]) == ([], None, 0)


def test_noise_stands_apart(app):
    answer = ask(app, "amy")
    assert answer["noise"]["cluster"] == NOISE
    assert all(row["cluster"] >= 0 for row in answer["clusters"])
    assert np.isfinite(answer["noise"]["p_bad"])


def test_the_room_says_when_a_sample_was_clustered(fresh_survey):
    catalog = Catalog.open(fresh_survey)
    n = len(catalog.stage("embedding").table("keys"))
    clusters.cluster(catalog, most=50)
    app = make_app(fresh_survey)
    answer = ask(app, "lea")
    app.store.close()
    assert (answer["n_clustered"], answer["n_images"]) == (50, n)
    assert n > 50


def test_the_room_does_not_speak_of_a_sample_where_all_were_clustered(app):
    assert ask(app, "lea")["n_clustered"] is None
