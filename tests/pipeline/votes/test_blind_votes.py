"""Which votes count for agreement, and how the others are reported."""

import pandas as pd
import pytest

from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.store.store import Vote
from triptych.pipeline.votes.agreement import FEW, FLAGGED, headline
from triptych.pipeline.votes.blind_votes import BAD, GOOD, MISSING, NOBODY, UNSURE, ballots

pytest_plugins = ["tests.postgres"]


def cast(store, expnum, inspector, judgement, **more):
    return store.cast(Vote(expnum=expnum, inspector=inspector, judgement=judgement, **more))


def answers(found) -> dict:
    """{expnum: {inspector: code}} of the votes that count."""
    return {
        int(expnum): {name: int(code) for name, code in zip(found.inspectors, row, strict=True) if code != MISSING}
        for expnum, row in zip(found.units["expnum"], found.answers, strict=True)
    }


def test_only_blind_single_votes_on_whole_exposures_count_and_the_rest_is_accounted_for(store):
    cast(store, 1, "amy", "bad", reasons=("PSF", "Noise"))
    cast(store, 1, "ben", "good")
    cast(store, 2, "amy", "unsure")
    cast(store, 2, "ben", "good", via="bulk")
    cast(store, 3, "amy", "good", blind=False)
    cast(store, 3, "ben", "bad", ccdname="N1")
    cast(store, 4, "old", "bad", via="import", blind=False)
    found = ballots(store.votes(current=False))
    assert answers(found) == {1: {"amy": BAD, "ben": GOOD}, 2: {"amy": UNSURE}}
    assert found.left_out == {"imported": 1, "bulk": 1, "not blind": 1}
    assert found.n_votes == 3
    assert found.n_assumed == 0
    assert found.assumption == ""
    assert found.has_reason("PSF").tolist() == [[True, False], [False, False]]


def test_a_blind_vote_changed_in_sight_of_the_others_counts_as_it_was(store):
    cast(store, 1, "amy", "bad")
    cast(store, 1, "ben", "good")
    cast(store, 1, "amy", "good", blind=False)
    cast(store, 2, "amy", "bad")
    cast(store, 2, "amy", "good")
    found = ballots(store.votes(current=False))
    assert answers(found) == {1: {"amy": BAD, "ben": GOOD}, 2: {"amy": GOOD}}
    assert found.left_out == {"imported": 0, "bulk": 0, "not blind": 0}


def test_a_vote_taken_back_counts_nowhere(store):
    vote = cast(store, 1, "amy", "bad")
    store.retract(vote.vote_id, "amy")
    assert len(ballots(store.votes(current=False))) == 0
    cast(store, 1, "amy", "good")
    last = cast(store, 1, "amy", "bad")
    store.retract(last.vote_id, "amy")
    assert len(ballots(store.votes(current=False))) == 0  # there is no current vote to stand for


def imported(store, rows):
    store.import_votes([Vote(expnum=e, inspector=i, judgement=j, via="import", blind=False) for e, i, j in rows])
    return store.votes(current=False)


def test_a_list_of_bad_votes_enters_no_agreement_unless_blanks_are_said_to_be_good(store):
    votes = imported(store, [(1, "a", "bad"), (1, "b", "bad"), (2, "a", "bad"), (3, "b", "bad")])
    assert len(ballots(votes)) == 0
    found = ballots(votes, blanks_are_good=True, inspected=10)
    assert len(found) == 10
    assert found.n_votes == 4
    assert found.n_assumed == 16
    assert (found.units["expnum"] == NOBODY).sum() == 7
    assert answers(found.where(found.units["expnum"] != NOBODY)) == {
        1: {"a": BAD, "b": BAD},
        2: {"a": BAD, "b": GOOD},
        3: {"a": GOOD, "b": BAD},
    }
    assert "each of a, b looked at all 10 inspected exposures, of which the file names 3" in found.assumption
    named = ballots(votes, blanks_are_good=True, inspected=[1, 2, 3, 9])
    assert answers(named)[9] == {"a": GOOD, "b": GOOD}
    with pytest.raises(BadInput, match="names 3; give at least that"):
        ballots(votes, blanks_are_good=True, inspected=2)


def test_each_imported_inspector_is_assumed_to_have_judged_their_own_import_only(store):
    votes = imported(store, [(1, "a", "bad"), (1, "b", "bad"), (2, "a", "bad"), (7, "c", "bad"), (8, "c", "bad")])
    store.import_columns(pd.DataFrame([{"camera": "decam", "expnum": e, "columns": {}} for e in (1, 2)]), "first.csv")
    store.import_columns(pd.DataFrame([{"camera": "decam", "expnum": e, "columns": {}} for e in (7, 8)]), "other.csv")
    found = ballots(votes, blanks_are_good=True, imports=store.imported_columns())
    assert answers(found) == {1: {"a": BAD, "b": BAD}, 2: {"a": BAD, "b": GOOD}, 7: {"c": BAD}, 8: {"c": BAD}}


def test_flagged_exposures_alone_give_dice_and_no_chance_corrected_figure(store):
    rows = [(e, "a", "bad") for e in range(30)] + [(e, "b", "bad") for e in range(20, 50)]
    found = ballots(imported(store, rows), blanks_are_good=True)
    assert found.only_flagged
    figures = headline(found)["figures"]
    assert figures["dice"]["value"] == pytest.approx(10 / 30)
    assert figures["alpha"]["value"] is None
    assert figures["alpha"]["why"] == FLAGGED
    whole = ballots(imported(store, rows), blanks_are_good=True, inspected=200)
    assert headline(whole)["figures"]["alpha"]["value"] == pytest.approx(0.222, abs=0.05)


def test_annotators_who_answered_on_every_ccd_are_compared_ccd_by_ccd(store):
    marks = [
        Vote(expnum=1, ccdname=c, inspector=i, judgement=j, via="import", blind=True)
        for i, own in {"a": "bg", "b": "gg"}.items()
        for c, j in zip(("N1", "N2"), ({"b": "bad", "g": "good"}[x] for x in own), strict=True)
    ]
    store.import_votes(marks)
    cast(store, 1, "amy", "bad", ccdname="N1")  # a tick, which says nothing of N2
    found = ballots(store.votes(current=False), unit="ccd")
    assert found.inspectors == ("a", "b")  # b never says bad: good is an answer too
    assert len(found) == 2


def test_too_few_is_said_instead_of_a_number(store):
    for expnum in range(5):
        cast(store, expnum, "amy", "bad")
        cast(store, expnum, "ben", "good")
    figure = headline(ballots(store.votes(current=False)))["figures"]["alpha"]
    assert figure == {"value": None, "low": None, "high": None, "n": 5, "why": FEW}


def test_an_unknown_unit_is_refused(store):
    with pytest.raises(UnknownName, match="exposure"):
        ballots(store.votes(current=False), unit="amplifier")
