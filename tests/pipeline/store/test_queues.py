"""What the store records about queues, on both databases."""

from types import SimpleNamespace

import pytest

from triptych.pipeline.errors import LabelError, TriptychError
from triptych.pipeline.store import queues
from triptych.pipeline.store.store import Vote

pytest_plugins = ["tests.postgres"]


def vote(store, expnum, inspector="amy", judgement="good", **more):
    return store.cast(Vote(expnum=expnum, inspector=inspector, judgement=judgement, **more)).vote_id


def test_a_lease_names_who_looks_at_what_and_runs_out_by_itself(store):
    store.lease("amy", "decam", 7, 60)
    store.lease("ben", "decam", 7, 60)
    store.lease("ben", "decam", 8, 60)
    assert store.leases("decam")[["expnum", "inspector"]].values.tolist() == [[7, "amy"], [8, "ben"]]
    store.lease("amy", "decam", 9, -1)
    assert store.leases()["inspector"].tolist() == ["ben"]
    assert store.leases("mosaic3").empty
    store.release("ben", "decam", 7)
    assert len(store.leases()) == 1
    store.release("ben", "decam")
    store.release("ben", "decam")
    assert store.leases().empty


def test_a_clock_put_back_does_not_stretch_a_lease(store, monkeypatch):
    clock = SimpleNamespace(now=1e9)
    monkeypatch.setattr(queues, "time", SimpleNamespace(time=lambda: clock.now))
    store.lease("amy", "decam", 7)
    assert store.leases()["expnum"].tolist() == [7]
    clock.now -= 3600
    assert store.leases().empty
    store.lease("ben", "decam", 8)
    assert store.leases()["expnum"].tolist() == [8]


def test_a_repeat_is_no_vote_and_the_same_one_sent_twice_is_one(store):
    first = vote(store, 7, judgement="good")
    again = store.repeat(first, "amy", "bad", ("PSF",), {"seconds": 2.5}, "c1")
    assert store.repeat(first, "amy", "bad", ("PSF",), {"seconds": 2.5}, "c1") == again
    (row,) = store.repeats().to_dict("records")
    assert (row["repeat_id"], row["vote_id"], row["inspector"]) == (again, first, "amy")
    assert (row["judgement"], row["reasons"], row["screen"]) == ("bad", ("PSF",), {"seconds": 2.5})
    assert store.votes()["judgement"].tolist() == ["good"]
    assert store.repeated_vote("c1") == first
    assert store.repeated_vote("c2") is None
    assert store.repeats("ben").empty


def test_only_ones_own_vote_can_be_repeated(store):
    first, second = vote(store, 7), vote(store, 8)
    with pytest.raises(LabelError, match="ben has no vote"):
        store.repeat(first, "ben", "good")
    store.repeat(first, "amy", "good", client_vote_id="c")
    with pytest.raises(LabelError, match="taken by another repeat"):
        store.repeat(second, "amy", "good", client_vote_id="c")
    with pytest.raises(TriptychError, match="skipped"):
        store.repeat(first, "amy", "skipped")


def test_what_was_handed_out_as_repeat_is_kept_until_it_is_answered(store):
    assert store.hand_out("amy", "decam", {7: 1, 8: 2}) == {7: 1, 8: 2}
    assert store.hand_out("amy", "decam", {9: 3}, drop=[7]) == {8: 2, 9: 3}
    assert store.handed_out("amy", "decam") == {8: 2, 9: 3}
    assert store.handed_out("ben", "decam") == store.handed_out("amy", "mosaic3") == {}


def test_draws_are_made_once_and_a_known_answer_says_what_it_is(store):
    rows = [{"expnum": 7, "judgement": "bad", "reasons": ("PSF",)}, {"expnum": 8, "judgement": "good"}]
    assert store.draw("decam", "known", rows, "lea") == 2
    assert store.draw("decam", "known", rows, "lea") == 0
    assert store.draw("decam", "control", [{"expnum": 7}], "lea") == 1
    known = store.draws("decam", "known").set_index("expnum")
    assert known["judgement"].to_dict() == {7: "bad", 8: "good"}
    assert known.loc[7, "reasons"] == ("PSF",)
    assert store.draws(kind="control")[["expnum", "judgement", "created_by"]].values.tolist() == [[7, "", "lea"]]
    with pytest.raises(TriptychError, match="unsure"):
        store.draw("decam", "known", [{"expnum": 9, "judgement": "unsure"}])
    with pytest.raises(TriptychError, match="gold"):
        store.draw("decam", "gold", [])


def test_ballots_are_current_votes_on_whole_exposures(store):
    vote(store, 7, screen={"seconds": 1.5})
    vote(store, 7, judgement="bad", screen={"seconds": 2.0})
    vote(store, 7, judgement="bad", ccdname="S4")
    vote(store, 8, inspector="ben", blind=False)
    found = store.ballots("decam", seconds=True)
    assert found[["expnum", "inspector", "judgement", "blind"]].values.tolist() == [
        [7, "amy", "bad", True],
        [8, "ben", "good", False],
    ]
    assert found["seconds"].iloc[0] == 2.0
    assert found["seconds"].isna().iloc[1]
    assert store.ballots("decam", "ben")["expnum"].tolist() == [8]
    assert store.ballots("mosaic3").empty
    assert store.answers_given("amy") == 2
    store.repeat(int(found["vote_id"].iloc[0]), "amy", "bad")
    assert store.answers_given("amy") == 3
