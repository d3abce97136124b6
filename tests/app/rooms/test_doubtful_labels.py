"""Doubtful labels over HTTP and as packets: what each user may know of them, and that votes neither add nor take."""

import shutil

import numpy as np
import pandas as pd
import pytest

from triptych.app.context import AppContext
from triptych.app.judging import queue, votes
from triptych.app.judging.doubtful_labels import doubtful_facet
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.model.asking_routes import asking_answer
from triptych.app.rooms.model.doubtful_routes import doubtful_answer, images_answer
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.store.store import LabelStore, Vote


@pytest.fixture
def app(survey_folder, tmp_path):
    """A run whose first two exposures (one bad, one good by their truth) are in a list of good ones too."""
    shutil.copy(survey_folder / "labels.db", tmp_path / "labels.db")
    store = LabelStore(f"sqlite:///{tmp_path / 'labels.db'}")
    store.retract(store.votes()["vote_id"].tolist(), "ben")
    frame = pd.DataFrame(
        {"camera": "decam", "expnum": [900001, 900002], "ccdname": "", "reason": "good", "raw": "good"}
    )
    store.import_labels(frame, source="release.csv", kind="good")
    yield AppContext(Catalog.open(survey_folder), store)
    store.close()


def user(app, name):
    return app.store.user(name)


def shown(app, name, **options):
    return doubtful_answer(Viewer(app, user(app, name)), **options)["rows"]


def listed(app, name, why="lists", **options):
    return [row["expnum"] for row in shown(app, name, why=why, **options)]


def test_who_may_know_nothing_of_votes_sees_what_lists_say_and_a_picture_of_it(app):
    (row,) = shown(app, "amy", why="lists")
    assert row["expnum"] == 900001
    assert row["answer"] == ""
    assert row["sentence"].startswith("release.csv says good of the whole exposure; made-up says Ghost_Scatter")
    assert expnum_of(row["image_id"]) == 900001
    assert images_answer(Viewer(app, user(app, "amy")), why="lists")["image_ids"] == [row["image_id"]]


def test_what_others_vote_changes_nothing_for_who_has_not_voted(app):
    before = {why: shown(app, "amy", why=why) for why in ("lists", "votes", "neighbours")}
    packets = doubtful_facet(app)
    for name in ("ben", "cai"):
        votes.cast(Viewer(app, user(app, name), app.survey()), 900001, "good")
        votes.cast(Viewer(app, user(app, name), app.survey()), 900002, "bad", reasons=["PSF"])
    assert {why: shown(app, "amy", why=why) for why in before} == before
    assert listed(app, "amy", answered=True) == []
    assert doubtful_facet(app).equals(packets)


def test_a_lead_sees_what_votes_say_and_what_they_have_settled(app):
    app.store.cast(Vote(camera="decam", expnum=900002, inspector="ben", judgement="bad", reasons=("PSF",)))
    assert listed(app, "lea", why="votes") == [900002]
    votes.cast(Viewer(app, user(app, "ben"), app.survey()), 900001, "bad", reasons=["PSF"])
    votes.cast(Viewer(app, user(app, "cai"), app.survey()), 900001, "bad", reasons=["PSF"])
    assert listed(app, "lea") == []
    assert listed(app, "lea", answered=True) == [900001]


def test_after_the_own_vote_an_inspector_knows_what_the_votes_say(app):
    for name in ("ben", "amy"):
        votes.cast(Viewer(app, user(app, name), app.survey()), 900002, "bad", reasons=["PSF"])
    assert listed(app, "amy", why="", answered=True) == [900002]
    assert listed(app, "cai", why="votes") == []


def test_a_known_answer_is_not_given_away(app):
    app.store.draw("decam", "known", [{"expnum": 900001, "judgement": "bad"}], "lea")
    assert listed(app, "amy") == []
    assert listed(app, "lea") == [900001]
    assert 900001 not in doubtful_facet(app).index


def test_a_packet_of_doubtful_labels_holds_what_is_no_candidate(app):
    survey, amy = app.survey(), user(app, "amy")
    assert 900001 in survey.exposures.index
    queue.choose_queue(Viewer(app, amy, survey), packet="doubtful=lists")
    assert queue.queue_of(Viewer(app, amy, survey)) == [900001]
    facets = {facet["name"]: facet["values"] for facet in queue.choices(Viewer(app, amy, survey))["facets"]}
    assert {"value": "lists", "n": 1, "left": 1} in facets["doubtful"]
    queue.assign(app, survey, "cai", "doubtful=lists")
    assert queue.queue_of(Viewer(app, user(app, "cai"), survey)) == [900001]
    with pytest.raises(TriptychError, match="no exposure"):
        queue.choose_queue(Viewer(app, amy, survey), packet="doubtful=votes")


def test_where_the_model_is_hidden_so_is_what_the_neighbours_say(app, monkeypatch):
    rows = pd.DataFrame({"expnum": [900001, 900003], "why": ["lists", "neighbours"]})
    monkeypatch.setattr("triptych.app.judging.doubtful_labels.without_votes", lambda *_: rows)
    assert set(doubtful_facet(app)) == {"lists", "neighbours"}
    app.blind = True
    assert set(doubtful_facet(app)) == {"lists"}


def test_an_unknown_kind_of_doubt_is_refused_with_the_known_ones(app):
    with pytest.raises(TriptychError, match="lists"):
        doubtful_answer(Viewer(app, user(app, "lea")), why="list")


def test_pages_of_rows_follow_each_other(app):
    whole = shown(app, "lea")
    parts = [shown(app, "lea", start=place, count=1)[0] for place in range(len(whole))]
    assert parts == whole


def test_the_asking_section_has_orders_for_who_votes_and_none_for_a_viewer(app):
    answer = asking_answer(Viewer(app, user(app, "amy")))
    assert answer["points"] == []
    assert "gain" in {order["name"] for order in answer["orders"]}
    assert "split" not in {order["name"] for order in answer["orders"]}
    assert answer["order"] == "score"
    viewer = asking_answer(Viewer(app, user(app, "vic")))
    assert viewer["orders"] == []
    assert viewer["order"] == ""


def test_the_queue_by_gain_is_whole_and_differs_between_inspectors(app):
    survey = app.survey()
    orders = {}
    for name in ("amy", "ben"):
        queue.choose_queue(Viewer(app, user(app, name), survey), order="gain")
        orders[name] = queue.queue_of(Viewer(app, user(app, name), survey))
    assert set(orders["amy"]) == set(orders["ben"]) == set(survey.candidates.index)
    assert not np.isin(900000, orders["amy"])
