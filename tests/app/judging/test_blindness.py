"""When a vote counts as blind: nothing of others' answers on the exposure was sent to the user before, in any way."""

import pandas as pd
import pytest

from triptych.app.colours.colours import COLOURINGS, paint
from triptych.app.context import AppContext
from triptych.app.judging import votes
from triptych.app.judging.reason_examples import help_on
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.agreement.routes import report_for
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import StoreAway
from triptych.pipeline.store.store import LabelStore, Vote

EIGHT = list(range(900001, 900009))
FIRST = EIGHT[0]


@pytest.fixture
def app(fresh_survey):
    catalog = Catalog.open(fresh_survey)
    with LabelStore(catalog.labels_url()) as store:
        yield AppContext(catalog, store)


def viewer(app, name, role="inspector"):
    if app.store.user(name) is None:
        app.store.add_user(name, "a password of length", role)
    return Viewer(app, app.store.user(name), app.survey())


def cast(app, name, expnums, judgement="bad", role="inspector"):
    for expnum in expnums:
        votes.cast(viewer(app, name, role), expnum, judgement, reasons=("PSF",))


def blind(app, name):
    """expnum -> whether the user's current vote is blind."""
    own = app.store.votes(inspector=name, current=True)
    own = own[own["ccdname"] == ""]
    return dict(zip(own["expnum"].tolist(), own["blind"].tolist(), strict=True))


def look(app, name, colour_by="verdict"):
    ccds = app.survey().ccds.index.to_numpy()
    return paint(viewer(app, name), colour_by, ccds, assisted=False)


def test_a_bulk_vote_taken_back_after_a_look_at_the_map_leaves_no_blind_vote(app):
    cast(app, "ben", EIGHT)
    batch = {"batch_id": "one", "how": "lasso"}
    votes.cast_batch(viewer(app, "amy"), EIGHT, "unsure", **batch)
    look(app, "amy")
    votes.take_back(viewer(app, "amy"), batch_id="one")
    cast(app, "amy", EIGHT)
    assert blind(app, "amy") == dict.fromkeys(EIGHT, False)


@pytest.mark.parametrize("restart", [False, True])
def test_others_votes_that_could_be_seen_count_as_seen(app, restart):
    cast(app, "ben", EIGHT)
    cast(app, "amy", EIGHT[:2])
    assert blind(app, "amy") == dict.fromkeys(EIGHT[:2], True)
    for expnum in EIGHT[:2]:
        votes.take_back(viewer(app, "amy"), expnum=expnum)
    app = AppContext(app.catalog, app.store) if restart else app
    cast(app, "amy", EIGHT[:3])
    assert blind(app, "amy") == {EIGHT[0]: False, EIGHT[1]: False, EIGHT[2]: True}


def test_a_vote_that_came_after_the_own_one_was_taken_back_tells_nothing(app):
    cast(app, "amy", [FIRST])
    votes.take_back(viewer(app, "amy"), expnum=FIRST)
    cast(app, "ben", [FIRST])
    cast(app, "amy", [FIRST])
    assert blind(app, "amy") == {FIRST: True}


def test_a_vote_that_others_took_back_was_seen_all_the_same(app):
    cast(app, "ben", [FIRST])
    cast(app, "amy", [FIRST])
    for name in ("ben", "amy"):
        votes.take_back(viewer(app, name), expnum=FIRST)
    cast(app, "amy", [FIRST])
    assert blind(app, "amy") == {FIRST: False}
    votes.take_back(viewer(app, "amy"), expnum=FIRST)
    cast(app, "lea", [FIRST], role="lead")
    assert blind(app, "lea") == {FIRST: False}, "a lead can read votes that were taken back"


def test_a_leads_decision_that_could_be_seen_ends_blindness(app):
    app.store.adjudicate(app.catalog.camera, FIRST, "lea", "bad", plver="V5.5LS", comment="plain")
    cast(app, "amy", EIGHT[:2])
    assert blind(app, "amy") == dict.fromkeys(EIGHT[:2], True)
    for expnum in EIGHT[:2]:
        votes.take_back(viewer(app, "amy"), expnum=expnum)
    cast(app, "amy", EIGHT[:2])
    assert blind(app, "amy") == {EIGHT[0]: False, EIGHT[1]: True}


def test_who_was_a_lead_has_seen_every_vote_of_that_time(app):
    cast(app, "ben", EIGHT[:2])
    viewer(app, "lea", "lead")
    app.store.set_role("lea", "inspector")
    cast(app, "ben", EIGHT[2:4])
    cast(app, "lea", EIGHT[:5])
    assert blind(app, "lea") == dict(zip(EIGHT[:5], [False, False, True, True, True], strict=True))


def test_who_only_looked_on_has_seen_what_the_panel_had_judged(app):
    for name in ("ben", "cai", "dan"):
        cast(app, name, EIGHT[:2] if name != "dan" else EIGHT[:1])
    viewer(app, "vic", "viewer")
    look(app, "vic")
    app.store.set_role("vic", "inspector")
    cast(app, "vic", EIGHT[:2])
    assert blind(app, "vic") == {EIGHT[0]: False, EIGHT[1]: True}


def test_a_known_answer_that_was_told_is_not_answered_blind_again(app):
    known = [{"expnum": FIRST, "judgement": "bad", "reasons": ["PSF"]}]
    app.store.draw(app.catalog.camera, "known", known)
    cast(app, "amy", [FIRST], "good")
    assert blind(app, "amy") == {FIRST: True}
    votes.take_back(viewer(app, "amy"), expnum=FIRST)
    cast(app, "amy", [FIRST])
    assert blind(app, "amy") == {FIRST: False}


def ways_to_look():
    for name, colouring in COLOURINGS.items():
        if name in ("verdict", "disagreement", "contradiction"):
            yield pytest.param(lambda app, name=colouring.name: look(app, "amy", name), id=f"colour {name}")
    yield pytest.param(lambda app: help_on(viewer(app, "amy"), "PSF", assisted=False), id="examples of a reason")
    yield pytest.param(lambda app: report_for(viewer(app, "amy"), "exposure", False, 0), id="agreement")


@pytest.mark.parametrize("way", ways_to_look())
def test_what_is_shown_is_noted_first(app, way, monkeypatch):
    """With a store that takes no note, nothing is shown; with one, what the note says is what could be seen."""
    cast(app, "ben", EIGHT[:4])
    cast(app, "amy", [EIGHT[0], EIGHT[7]])

    def refuse(*_args):
        raise StoreAway("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(app.store, "note_reveals", refuse)
        with pytest.raises(StoreAway):
            way(app)
    way(app)
    assert app.store.revealed("amy", app.catalog.camera) == {EIGHT[0]}


def test_labels_that_come_from_votes_are_noted_as_seen(app):
    cast(app, "ben", EIGHT[:2])
    cast(app, "amy", EIGHT[:1])
    images = [int(app.survey().images_of(expnum)[0]) for expnum in EIGHT[:3]]
    labels = pd.DataFrame({"image_id": images, "provenance": ["ticked", "ticked", "truth"], "basis": ""})
    assert viewer(app, "amy").hides(labels).tolist() == [False, True, False]
    assert app.store.revealed("amy", app.catalog.camera) == {EIGHT[0]}


def test_a_look_that_tells_nothing_new_writes_nothing(app, monkeypatch):
    cast(app, "ben", EIGHT)
    cast(app, "amy", EIGHT[:4])
    look(app, "amy")
    monkeypatch.setattr(app.store, "note_reveals", lambda *_args: pytest.fail("nothing is new"))
    look(app, "amy")


def test_an_imported_vote_under_the_own_name_counts_as_an_own_judgement(app):
    cast(app, "ben", [FIRST])
    app.store.import_votes([Vote(expnum=FIRST, inspector="amy", judgement="bad", via="import", plver="V5.5LS")])
    cast(app, "amy", [FIRST])
    assert blind(app, "amy") == {FIRST: False}
