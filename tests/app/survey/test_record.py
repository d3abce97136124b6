"""Labels and votes in memory: what is read again, and that it is what the store says."""

import pandas as pd
import pytest

from triptych.app.survey.record import Record
from triptych.pipeline.store.store import LabelStore, Vote


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
    record = Record(store)
    import_good(store, range(100))
    for expnum in range(50):
        cast(store, expnum)
    assert len(record.labels()) == 100
    assert len(record.votes()) == 50
    cast(store, 50)
    import_good(store, [100], source="another")
    assert len(record.labels()) == 101
    assert len(record.votes()) == 51
    assert len(record.labels()) == 101
    assert len(record.votes()) == 51
    assert rows_read == {"labels": [100, 1], "votes": [50, 1]}


def test_it_holds_what_the_store_says_however_votes_end(store):
    record = Record(store)
    first, second = cast(store, 1), cast(store, 2)
    record.votes()
    cast(store, 1, judgement="bad")  # another mind
    store.retract(second.vote_id, "amy")
    cast(store, 3, "ben")
    pd.testing.assert_frame_equal(record.votes(), store.votes(current=True))
    assert first.vote_id not in set(record.votes()["vote_id"])
    import_good(store, [1, 2])
    pd.testing.assert_frame_equal(record.labels(), store.labels())


def test_what_a_caller_does_to_its_frame_changes_no_other(store):
    record = Record(store)
    cast(store, 1)
    import_good(store, [1])
    for read in (record.votes, record.labels):
        own = read()
        own["more"] = 1
        own.loc[0, "camera"] = "other"
        assert "more" not in read()
        assert read()["camera"].iloc[0] == "decam"


def test_nothing_yet_is_no_error(store):
    record = Record(store)
    assert record.labels().empty
    assert record.votes().empty
    cast(store, 1)
    assert len(record.votes()) == 1
