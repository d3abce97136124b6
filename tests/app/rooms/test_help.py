"""Rules and examples of reasons, and settings of one account."""

import pytest

from triptych.app.context import AppContext
from triptych.app.judging import votes
from triptych.app.judging.reason_examples import help_on
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.review.help_routes import keep_own_settings, settings_of
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.store.accounts import User
from triptych.pipeline.store.store import LabelStore

AMY, BEN, CAI = (User(name=name, role="inspector") for name in ("amy", "ben", "cai"))
LEA = User(name="lea", role="lead")
GHOST, FIRST = "Ghost_Scatter", 900001
NEW = FIRST + 4  # bad for ghosts, not in the imported labels


@pytest.fixture
def app(fresh_survey):
    catalog = Catalog.open(fresh_survey)
    with LabelStore(catalog.labels_url()) as store:
        yield AppContext(catalog, store)


def ask(app, user, name=GHOST):
    return help_on(Viewer(app, user, app.survey()), name, assisted=True)


def say(app, user, expnum, *reasons, ccdnames=()):
    judgement = "bad" if reasons else "good"
    votes.cast(Viewer(app, user, app.survey()), expnum, judgement, reasons=reasons, ccdnames=ccdnames)


def test_rules_and_examples_from_imported_labels(app):
    answer = ask(app, AMY)
    assert all(answer[field] for field in ("rule", "spoils", "harmless", "colour", "key"))
    say(app, AMY, FIRST, "PSF")
    listed = [one for one in ask(app, AMY)["examples"] if one["why"] == "listed in made-up"]
    assert [one["expnum"] for one in listed] == [FIRST]


def test_a_known_answer_that_queues_hold_is_no_example_before_ones_vote(app):
    assert FIRST in [one["expnum"] for one in ask(app, AMY)["examples"]]
    app.store.draw("decam", "known", [{"expnum": FIRST, "judgement": "bad", "reasons": [GHOST]}], "lea")
    assert FIRST not in [one["expnum"] for one in ask(app, AMY)["examples"]]
    say(app, AMY, FIRST, GHOST)
    assert FIRST in [one["expnum"] for one in ask(app, AMY)["examples"]]


def test_examples_from_votes_come_first_and_only_after_ones_own_vote(app):
    ccdname = app.survey().ccds.loc[image_id_of(NEW, 32), "ccdname"]
    for user in (BEN, CAI):
        say(app, user, NEW, GHOST, ccdnames=[ccdname])
    assert NEW not in [one["expnum"] for one in ask(app, AMY)["examples"]]
    assert ask(app, LEA)["examples"][0]["why"] == "2 of 2 said so"
    say(app, AMY, NEW, "PSF")
    first = ask(app, AMY)["examples"][0]
    assert (first["expnum"], first["ccdname"], first["why"]) == (NEW, ccdname, "2 of 3 said so")


def test_a_leads_decision_comes_before_votes(app):
    for expnum in (FIRST, NEW):
        for user in (AMY, BEN, CAI):
            say(app, user, expnum, GHOST)
    say(app, CAI, NEW)
    plver = app.survey().exposures.loc[NEW, "plver"]
    app.store.adjudicate("decam", NEW, "lea", "bad", plver=plver, reasons=[GHOST])
    assert [one["why"] for one in ask(app, AMY)["examples"][:2]] == ["a lead's decision", "3 of 3 said so"]


def test_an_unknown_reason_is_refused_with_the_nearest(app):
    with pytest.raises(TriptychError, match="Ghost_Scatter"):
        ask(app, AMY, "Ghost_Scater")


def test_settings_are_each_persons_own(app):
    assert settings_of(Viewer(app, AMY))["keys"] == {}
    app.store.keep_setting("tour", "", owner="amy")
    keep_own_settings(Viewer(app, AMY), {"keys": {"review": {"g": "a", "u": ""}}, "tour": "seen"})
    assert settings_of(Viewer(app, AMY))["keys"] == {"review": {"g": "a", "u": ""}}
    assert settings_of(Viewer(app, AMY))["tour"] == "seen"
    assert settings_of(Viewer(app, BEN))["keys"] == {}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"keys": {"review": {"g": "a", "b": "a"}}}, "would do two things"),
        ({"keys": ["g"]}, "by room"),
        ({"keys": {"review": {"g": "a" * 50}}}, "at most"),
        ({"tour": "twice"}, "seen or not"),
    ],
)
def test_settings_that_cannot_be_are_refused(app, values, says):
    with pytest.raises(BadInput, match=says):
        keep_own_settings(Viewer(app, AMY), values)
    assert settings_of(Viewer(app, AMY))["keys"] == {}
