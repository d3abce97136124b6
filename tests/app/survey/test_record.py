"""Labels and votes in memory: what is read again, and that it is what the store says."""

import random
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from triptych.app.survey import record
from triptych.app.survey.record import Record
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes.verdicts import verdicts


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        yield store


@pytest.fixture
def rows_read(store, monkeypatch):
    """Numbers of rows that each reading of labels or votes gave."""
    found = {"labels": [], "votes": []}
    for name, own in found.items():
        read = getattr(store, name)

        def counted(*args, read=read, own=own, **options):
            rows = read(*args, **options)
            own.append(len(rows))
            return rows

        monkeypatch.setattr(store, name, counted)
    return found


def import_good(store, expnums, source="list"):
    frame = pd.DataFrame({"camera": "decam", "expnum": list(expnums), "ccdname": "", "reason": "good", "raw": "good"})
    store.import_labels(frame, source=source, kind="label_list")


def cast(store, expnum, inspector="amy", judgement="good"):
    return store.cast(Vote(expnum=expnum, inspector=inspector, judgement=judgement))


def test_only_new_rows_are_read(store, rows_read):
    held = Record(store)
    import_good(store, range(100))
    for expnum in range(50):
        cast(store, expnum)
    assert len(held.labels()) == 100
    assert len(held.votes()) == 50
    cast(store, 50)
    import_good(store, [100], source="another")
    assert len(held.labels()) == 101
    assert len(held.votes()) == 51
    assert len(held.labels()) == 101
    assert len(held.votes()) == 51
    assert rows_read == {"labels": [100, 1], "votes": [50, 1]}


def test_it_holds_what_the_store_says_however_votes_end(store):
    held = Record(store)
    first, second = cast(store, 1), cast(store, 2)
    held.votes()
    cast(store, 1, judgement="bad")  # another mind
    store.retract(second.vote_id, "amy")
    cast(store, 3, "ben")
    pd.testing.assert_frame_equal(held.votes(), store.votes(current=True))
    assert first.vote_id not in set(held.votes()["vote_id"])
    import_good(store, [1, 2])
    pd.testing.assert_frame_equal(held.labels(), store.labels())


def test_what_a_caller_does_to_its_frame_changes_no_other(store):
    held = Record(store)
    cast(store, 1)
    import_good(store, [1])
    for read in (held.votes, held.labels):
        own = read()
        own["more"] = 1
        own.loc[0, "camera"] = "other"
        assert "more" not in read()
        assert read()["camera"].iloc[0] == "decam"


def test_nothing_yet_is_no_error(store):
    held = Record(store)
    assert held.labels().empty
    assert held.votes().empty
    cast(store, 1)
    assert len(held.votes()) == 1


@dataclass
class Run:
    """Stands for a Survey whose exposures all have the votes' version."""

    version: str = "a"

    def in_this_version(self, votes):
        return np.ones(len(votes), bool)


@pytest.mark.parametrize("few", [0, record.FEW])
def test_verdicts_made_again_for_some_are_those_made_for_all(store, monkeypatch, few):
    monkeypatch.setattr(record, "FEW", few)
    made, run, draw = Record(store), Run(), random.Random(5)
    for turn in range(40):
        for inspector in ("amy", "ben", "cai"):
            judgement = draw.choice(["good", "bad", "unsure"])
            reasons = ("PSF",) if judgement == "bad" else ()
            store.cast(Vote(expnum=draw.randrange(12), inspector=inspector, judgement=judgement, reasons=reasons))
        if turn % 3 == 0:
            store.adjudicate("decam", draw.randrange(12), "lea", draw.choice(["good", "bad"]))
        if turn % 4 == 0:
            some = store.votes(current=True).sample(1, random_state=turn).iloc[0]
            store.retract(int(some["vote_id"]), some["inspector"])
        votes, decisions, table = made.verdicts(run, 3)
        right = verdicts(store.votes(), "majority", 3, store.adjudications())
        pd.testing.assert_frame_equal(table, right)
        pd.testing.assert_frame_equal(votes, store.votes())
        assert len(decisions) == len(store.adjudications())


def test_one_more_vote_makes_one_verdict(store, monkeypatch):
    asked = []
    monkeypatch.setattr(record, "verdicts", lambda votes, *rest: asked.append(len(votes)) or verdicts(votes, *rest))
    made = Record(store)
    for expnum in range(30):
        cast(store, expnum)
    made.verdicts(Run(), 3)
    cast(store, 7, "ben")
    made.verdicts(Run(), 3)
    made.verdicts(Run(), 3)
    assert asked == [30, 2]
