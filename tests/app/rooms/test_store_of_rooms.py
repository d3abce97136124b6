"""What the rooms keep beside votes: decisions of leads, settings, reveals."""

import pytest
import sqlalchemy as sa

from triptych.pipeline.errors import LabelError, TriptychError
from triptych.pipeline.store import schema as tables

pytest_plugins = ["tests.postgres"]


def decide(store, judgement="bad", **more):
    return store.adjudicate("decam", 243671, "lea", judgement, **{"plver": "V5", **more})


def test_a_decision_keeps_what_it_was_made_on_and_moves_the_revision(store):
    before = store.revision()
    decide(store, reasons=("PSF",), comment="trailed", votes_seen=[3, 5])
    (row,) = store.adjudications().to_dict("records")
    assert (row["expnum"], row["lead"], row["judgement"]) == (243671, "lea", "bad")
    assert (row["reasons"], row["comment"], row["votes_seen"]) == (("PSF",), "trailed", (3, 5))
    assert store.revision() == before + 1


def test_a_second_decision_supersedes_the_first_and_both_stay_on_record(store):
    first = decide(store)
    second = store.adjudicate("decam", 243671, "vera", "good", plver="V5", reasons=("PSF",))
    assert store.adjudications()["adjudication_id"].tolist() == [second]
    whole = store.adjudications(current=False).set_index("adjudication_id")
    assert whole.loc[first, "superseded_by"] == second
    assert whole.loc[second, "reasons"] == ()


def test_the_same_decision_sent_twice_is_one(store):
    assert decide(store, client_vote_id="a") == decide(store, client_vote_id="a")
    assert len(store.adjudications(current=False)) == 1
    with pytest.raises(LabelError, match="taken by another decision"):
        store.adjudicate("decam", 243672, "lea", "bad", client_vote_id="a")


def test_a_decision_taken_back_leaves_the_exposure_undecided(store):
    first = decide(store)
    store.retract_adjudication(first, "lea")
    store.retract_adjudication(first, "lea")
    assert store.adjudications().empty
    assert decide(store, "good") in store.adjudications()["adjudication_id"].tolist()
    with pytest.raises(LabelError, match="no decision 99"):
        store.retract_adjudication(99, "lea")


def test_a_decision_is_good_or_bad(store):
    with pytest.raises(TriptychError, match="unsure"):
        decide(store, "unsure")


@pytest.mark.parametrize("table", ["adjudications", "repeats"])
def test_the_database_itself_refuses_to_forget(store, table):
    decide(store)
    row = {"repeat_id": 1, "client_vote_id": "r", "vote_id": 1, "inspector": "amy", "judgement": "good"}
    with tables.writing(store.engine) as connection:
        connection.execute(tables.repeats.insert(), row | {"reasons": "[]", "screen": "{}", "created_utc": "now"})
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET reasons = '[]'"):
        with pytest.raises(sa.exc.SQLAlchemyError, match="append-only"), tables.writing(store.engine) as connection:
            connection.exec_driver_sql(statement)


def test_settings_belong_to_one_account_or_to_everybody(store):
    store.keep_setting("keys", {"good": "y"}, owner="amy")
    store.keep_setting("keys", {"good": "j"}, owner="amy")
    store.keep_setting("queue", ["score"])
    assert store.setting("keys", owner="amy") == {"good": "j"}
    assert store.setting("keys", {}, owner="ben") == {}
    assert store.setting("queue") == ["score"]


def test_who_has_seen_others_votes_is_remembered(store):
    store.note_reveals("amy", "decam", [7])
    first = store.reveals("decam", 7)
    store.note_reveals("amy", "decam", [9, 7])
    assert store.revealed("amy", "decam") == {7, 9}
    assert store.revealed("ben", "decam") == set()
    assert store.reveals("decam", 7) == first, "the first time counts"
