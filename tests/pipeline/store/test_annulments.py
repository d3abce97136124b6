"""A lead's word that a judgement does not count."""

import pytest
import sqlalchemy as sa

from triptych.pipeline.errors import LabelError
from triptych.pipeline.store import schema
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes.verdicts import verdicts


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path}/labels.db") as store:
        yield store


def cast(store, name="amy", judgement="bad", ccdnames=(), **more):
    more = {"expnum": 7, "inspector": name, "judgement": judgement, **more}
    ids = more.pop("client_vote_id", "")
    whole = Vote(client_vote_id=ids, **more)
    rows = [whole, *(Vote(ccdname=ccd, **more) for ccd in ccdnames)]
    return store.cast_many(rows)[0].vote_id


def test_an_annulled_judgement_counts_nowhere_and_stays_on_record(store):
    number = cast(store, ccdnames=("S4", "N4"))
    cast(store, "ben", "good")
    before = store.revision()
    assert store.annul(number, "lea", "  pressed the wrong key ") == 7
    assert store.revision() > before
    assert store.votes()["inspector"].tolist() == ["ben"], "the ticked CCDs are gone with it"
    assert verdicts(store.votes(), "majority", 1)["verdict"].tolist() == ["good"]
    assert len(store.votes(current=False)) == 4
    found = store.annulments(7).to_dict("records")
    assert [(row["vote_id"], row["lead"], row["why"]) for row in found] == [(number, "lea", "pressed the wrong key")]
    assert store.annulments(8).empty


def test_the_inspector_can_judge_again(store):
    store.annul(cast(store), "lea", "a slip")
    again = cast(store, judgement="good")
    assert store.votes()["vote_id"].tolist() == [again]


def test_only_one_ccd_can_be_annulled(store):
    cast(store, ccdname="S4")
    number = cast(store, ccdname="N4")
    store.annul(number, "lea", "not on this CCD")
    assert store.votes()["ccdname"].tolist() == ["S4"]


def test_the_same_twice_is_once(store):
    number = cast(store)
    store.annul(number, "lea", "a slip")
    revision = store.revision()
    store.annul(number, "lea", "a slip")
    assert store.revision() == revision
    assert len(store.annulments()) == 1


def test_what_cannot_be_annulled_is_refused_in_one_line(store):
    first = cast(store)
    second = cast(store, judgement="good")
    for number, why, says in (
        (second, " ", "say why"),
        (99, "a slip", "no vote 99"),
        (first, "a slip", f"replaced by vote {second}"),
    ):
        with pytest.raises(LabelError, match=says):
            store.annul(number, "lea", why)
    store.retract(second, "amy")
    with pytest.raises(LabelError, match="taken back"):
        store.annul(second, "lea", "a slip")
    assert store.annulments().empty


@pytest.mark.parametrize("statement", ["DELETE FROM annulments", "UPDATE annulments SET why = 'x'"])
def test_the_database_keeps_annulments(store, statement):
    store.annul(cast(store), "lea", "a slip")
    with pytest.raises(sa.exc.SQLAlchemyError, match="append-only"), schema.writing(store.engine) as connection:
        connection.exec_driver_sql(statement)
