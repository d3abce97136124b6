"""Where a verdict comes from, in the page: each role gets what it may know, in no field more."""

import json
import shutil

import pytest

from tests import survey
from triptych.app.context import AppContext
from triptych.app.judging import votes
from triptych.app.judging.evidence import evidence_of
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.export.explain_routes import explanation
from triptych.app.rooms.lead import queue
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.store.store import LabelStore, Vote

BEN = {"plver": "V5.5LS", "comment": "zebra", "judgement": "bad", "reasons": ("Telescope_Moving",), "inspector": "ben"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return survey.make(tmp_path_factory.mktemp("explain") / "run", exposures=8).path


@pytest.fixture
def app(run, tmp_path):
    shutil.copy(run / "labels.db", tmp_path / "labels.db")
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        yield AppContext(Catalog.open(run), store)


def ask(app, name, expnum, assisted=True):
    return explanation(Viewer(app, app.store.user(name)), expnum, "majority", assisted)


def cast(app, name, expnum, judgement="good", **more):
    return votes.cast(Viewer(app, app.store.user(name), app.survey()), expnum, judgement, **more)


def test_nothing_of_others_votes_before_ones_own(app):
    before = {name: ask(app, name, 900005) for name in ("amy", "vic")}
    app.store.cast(Vote(expnum=900005, **BEN))
    app.store.adjudicate("decam", 900005, "lea", "bad", plver="V5.5LS", comment="zebra")
    for name, first in before.items():
        after = ask(app, name, 900005)
        assert after.pop("revision") > first.pop("revision")
        assert after == first
        assert app.store.revealed(name, app.catalog.camera) == set()
        assert "ben" not in json.dumps(after)
    assert app.store.reveals("decam", 900005) == []


def test_after_the_own_vote_what_is_shown_beside_the_exposure(app):
    app.store.cast(Vote(expnum=900005, **BEN, screen={"seconds": 3.0, "score": 0.7}))
    cast(app, "amy", 900005)
    found = ask(app, "amy", 900005)
    assert found["knows"] == {"votes": True, "model": True}
    ben, amy = found["votes"]
    assert (ben["inspector"], ben["comment"], ben["screen"]) == ("ben", "zebra", {})
    assert "vote_id" not in amy
    assert found["policies"]["any"]["verdict"]["verdict"] == "bad"
    assert app.store.revealed("amy", app.catalog.camera) == {900005}
    assert found["taught"]["labels"]
    assert found["reveals"] == []


def test_a_lead_sees_everything_and_that_is_noted(app):
    app.store.cast(Vote(expnum=900005, **BEN, screen={"seconds": 3.0, "score": 0.7}))
    found = ask(app, "lea", 900005)
    assert found["votes"][0]["screen"] == {"seconds": 3.0, "score": 0.7}
    assert found["policies"]["any"]["lines"] == ["900005 Telescope_Moving # 1 of 3 bad"]
    assert found["model"] is not None
    assert [one["inspector"] for one in app.store.reveals("decam", 900005)] == ["lea"]


def test_an_annulled_judgement_is_told_with_its_reason_to_a_lead_and_to_whom_it_belongs(app):
    number = app.store.cast(Vote(expnum=900005, **BEN)).vote_id
    assert ask(app, "lea", 900005)["may_annul"]
    app.store.annul(number, "lea", "a slip of the key")
    (told,) = ask(app, "lea", 900005)["votes"]
    assert (told["state"], told["annulled"]) == ("annulled", {"lead": "lea", "why": "a slip of the key"})
    found = ask(app, "ben", 900005)
    assert found["votes"][0]["annulled"] == {"lead": "lea", "why": "a slip of the key"}
    assert not found["may_annul"]
    cast(app, "amy", 900005)
    assert [vote["inspector"] for vote in ask(app, "amy", 900005)["votes"]] == ["amy"]


def test_a_viewer_sees_model_labels_and_file_and_no_votes(app):
    for name in ("amy", "ben", "cai"):
        app.store.cast(Vote(expnum=900005, **{**BEN, "inspector": name}))
    found = ask(app, "vic", 900005, assisted=False)
    assert found["votes"] == []
    assert {one["verdict"] for one in found["policies"].values()} == {None}
    assert found["model"]["drivers"]
    assert "zebra" not in json.dumps(found)


def test_the_models_opinion_waits_where_it_is_hidden(app):
    found = ask(app, "amy", 900005, assisted=False)
    assert found["model"] is None
    assert found["knows"]["model"] is False
    cast(app, "amy", 900005, screen={"score": 0.5})
    assert ask(app, "amy", 900005, assisted=False)["model"] is not None
    votes.undo(Viewer(app, app.store.user("amy")), 900005)
    found = ask(app, "amy", 900005, assisted=False)
    assert found["model"] is None
    [own] = found["votes"]
    assert own["state"] == "retracted"
    assert "score" not in own["screen"]
    assert own["model_then"] is None


@pytest.mark.parametrize(("name", "waits"), [("amy", True), ("lea", True), ("vic", False)])
def test_who_can_vote_waits_for_the_models_opinion_and_a_viewer_does_not(app, name, waits):
    app.store.cast(Vote(expnum=900005, **BEN, screen={"stage": app.survey().prediction_id, "score": 0.7}))
    user = Viewer(app, app.store.user(name))
    beside, explained = evidence_of(user, 900005, assisted=False), ask(app, name, 900005, assisted=False)
    assert [beside["model"] is None, explained["model"] is None] == [waits, waits]
    assert explained["knows"]["model"] is not waits
    if waits:
        assert not any(vote["model_then"] or "score" in vote["screen"] for vote in explained["votes"])
        cast(app, name, 900005)
        beside, explained = evidence_of(user, 900005, assisted=False), ask(app, name, 900005, assisted=False)
        assert beside["model"] is not None
        assert explained["model"] is not None


def test_a_neighbour_whose_label_comes_from_others_votes_is_not_named(app, run):
    neighbours = {one["expnum"] for one in ask(app, "amy", 900001)["model"]["neighbours"]}
    survey.teach_by_votes(Catalog.open(run), min(neighbours))
    app = AppContext(Catalog.open(run), app.store)
    assert {one["expnum"] for one in ask(app, "amy", 900001)["model"]["neighbours"]} == neighbours - {min(neighbours)}
    cast(app, "amy", min(neighbours))
    assert {one["expnum"] for one in ask(app, "amy", 900001)["model"]["neighbours"]} == neighbours
    assert {one["expnum"] for one in ask(app, "lea", 900001)["model"]["neighbours"]} == neighbours


def test_a_vote_that_is_asked_for_again_looks_as_if_it_had_never_been_given(app):
    user = app.store.user("amy")
    first = ask(app, "amy", 900006)
    vote = cast(app, "amy", 900006, "bad", reasons=("PSF",), comment="zebra")
    app.store.hand_out("amy", "decam", {900006: vote.vote_id})
    found = ask(app, "amy", 900006)
    assert found | {"revision": 0} == first | {"revision": 0}
    cast(app, "amy", 900006, "good")
    assert Viewer(app, user).asked_again() == {}
    [own] = ask(app, "amy", 900006)["votes"]
    assert own["judgement"] == "good"
    assert "repeats" not in own
    assert ask(app, "lea", 900006)["votes"][0]["repeats"][0]["judgement"] == "good"


def test_a_known_answer_keeps_its_label_to_itself(app):
    assert ask(app, "amy", 900001)["labels"]
    queue.draw_known(app, app.survey(), "truth", 2, 0, "lea")
    known = app.store.draws("decam", "known")["expnum"].tolist()
    assert all(ask(app, "amy", expnum)["labels"] == [] for expnum in known)
    assert all(ask(app, "lea", expnum)["labels"] for expnum in known)
    assert ask(app, "amy", known[0])["draws"] == []
    cast(app, "amy", known[0])
    assert ask(app, "amy", known[0])["labels"]


def test_an_exposure_that_others_have_judged_elsewhere_is_as_unknown_as_any(app):
    app.store.cast(Vote(expnum=77, **BEN))
    with pytest.raises(BadInput) as others:
        ask(app, "amy", 77)
    with pytest.raises(BadInput) as nobodys:
        ask(app, "amy", 78)
    assert str(others.value).replace("77", "78") == str(nobodys.value)
    assert ask(app, "lea", 77)["votes"][0]["inspector"] == "ben"
