"""The label store on SQLite and PostgreSQL: one current vote, nothing lost, nothing changed, nothing twice."""

import time
from dataclasses import replace

import pandas as pd
import pytest
import sqlalchemy as sa

from tests import warm
from triptych.pipeline.errors import LabelError, UnknownName
from triptych.pipeline.store import schema
from triptych.pipeline.store.store import LABEL_COLUMNS, VOTE_COLUMNS, LabelStore, Vote

pytest_plugins = ["tests.postgres"]

AMY = Vote(expnum=137380, inspector="amy", judgement="bad", reasons=("PSF", "Noise"), plver="V5.5LS")


def test_a_vote_comes_back_with_everything_that_was_on_screen(store):
    screen = {"model": "knn-003", "score": 0.97, "stretch": "faint", "ccds": ["N1"], "seconds": 2.4}
    cast = store.cast(replace(AMY, comment="trailed?\n☾", screen=screen, blind=False, via="bulk"))
    assert cast.vote_id == 1
    assert cast.created_utc.endswith("Z")
    row = store.votes().iloc[0]
    assert (row.camera, row.expnum, row.ccdname, row.plver) == ("decam", 137380, "", "V5.5LS")
    assert (row.inspector, row.judgement, row.reasons, row.comment) == ("amy", "bad", ("PSF", "Noise"), "trailed?\n☾")
    assert (row.via, row.blind, row.screen) == ("bulk", False, screen)
    assert row.created_utc == cast.created_utc


def test_a_change_of_mind_is_a_new_row_that_supersedes(store):
    first = store.cast(AMY)
    second = store.cast(replace(AMY, judgement="good", reasons=()))
    assert list(store.votes().judgement) == ["good"]
    record = store.votes(current=False)
    assert list(record.judgement) == ["bad", "good"]
    assert record.superseded_by.tolist()[0] == second.vote_id
    assert pd.isna(record.superseded_by.tolist()[1])
    assert first.vote_id < second.vote_id


def test_other_ccds_versions_cameras_and_inspectors_are_other_things(store):
    others = [replace(AMY, ccdname="N1"), replace(AMY, plver="V5.6"), replace(AMY, camera="mosaic3")]
    store.cast_many([AMY, *others, replace(AMY, inspector="ben")])
    assert len(store.votes()) == 5


def test_the_same_vote_sent_twice_counts_once(store):
    vote = replace(AMY, client_vote_id="tab-7-vote-1")
    first = store.cast(vote)
    revision = store.revision()
    later = store.cast(replace(AMY, judgement="good"))
    again = store.cast(vote)
    assert again.vote_id == first.vote_id
    assert again.superseded_by == later.vote_id
    assert store.revision() == revision + 1
    assert len(store.votes(current=False)) == 2


def test_a_client_vote_id_of_somebody_else_is_refused(store):
    store.cast(replace(AMY, client_vote_id="x"))
    with pytest.raises(LabelError, match="taken by another vote"):
        store.cast(replace(AMY, inspector="ben", client_vote_id="x"))


def test_several_votes_are_stored_together_or_not_at_all(store):
    store.cast(replace(AMY, client_vote_id="x"))
    with pytest.raises(LabelError):
        store.cast_many([replace(AMY, expnum=2), replace(AMY, inspector="ben", client_vote_id="x")])
    assert len(store.votes(current=False)) == 1


def test_two_votes_on_one_thing_in_one_call_leave_the_last_one_current(store):
    first, second = store.cast_many([AMY, replace(AMY, judgement="unsure")])
    record = store.votes(current=False)
    assert record.superseded_by.tolist()[0] == second.vote_id
    assert store.votes().vote_id.tolist() == [second.vote_id]
    assert first.vote_id != second.vote_id


def test_a_retracted_vote_stays_on_record(store):
    vote = store.cast(AMY)
    store.retract(vote.vote_id, "amy")
    stamp = store.votes(current=False).retracted_utc[0]
    revision = store.revision()
    store.retract(vote.vote_id, "amy")  # twice is no error, and changes nothing
    assert store.votes().empty
    assert store.votes(current=False).retracted_utc[0] == stamp
    assert store.revision() == revision
    store.cast(replace(AMY, judgement="good"))
    assert len(store.votes()) == 1


def test_only_ones_own_current_vote_can_be_retracted(store):
    first = store.cast(AMY)
    with pytest.raises(LabelError, match="only their own"):
        store.retract(first.vote_id, "ben")
    store.cast(replace(AMY, judgement="good"))
    with pytest.raises(LabelError, match="superseded by 2"):
        store.retract(first.vote_id, "amy")


def test_votes_made_void_are_taken_back_with_the_new_vote_or_not_at_all(store):
    store.cast_many([AMY, replace(AMY, ccdname="N1"), replace(AMY, ccdname="N2")])
    n1, n2 = store.votes().vote_id[1:]
    with pytest.raises(LabelError, match="no vote 99"):
        store.cast_many([replace(AMY, judgement="good")], take_back=[n1, 99])
    assert len(store.votes()) == 3
    again = replace(AMY, client_vote_id="again")
    store.cast_many([again, replace(AMY, ccdname="N1", comment="worse")], take_back=[n1, n2])
    assert store.votes().ccdname.tolist() == ["", "N1"]
    newest = store.votes().vote_id[1]
    store.cast_many([again], take_back=[newest])  # sent a second time: changes nothing
    assert newest in set(store.votes().vote_id)


def test_several_votes_are_taken_back_as_one(store):
    votes = store.cast_many([AMY, replace(AMY, ccdname="N1")])
    revision = store.revision()
    store.retract([vote.vote_id for vote in votes], "amy")
    assert store.votes().empty
    assert store.revision() == revision + 1


def test_votes_can_be_asked_for_by_inspector_and_exposure(store):
    store.cast_many([AMY, replace(AMY, inspector="ben"), replace(AMY, expnum=2)])
    assert len(store.votes(inspector="amy")) == 2
    assert len(store.votes(expnum=137380)) == 2
    assert len(store.votes(inspector="amy", expnum=2)) == 1


def test_empty_frames_have_their_columns(store):
    assert list(store.votes()) == list(VOTE_COLUMNS)
    assert store.votes().inspector.dtype == pd.Series(["amy"]).dtype
    assert list(store.labels()) == LABEL_COLUMNS
    assert store.imported_columns().empty


def test_a_vote_outside_the_vocabulary_is_refused_before_it_is_stored():
    with pytest.raises(UnknownName, match="Did you mean 'bad'"):
        replace(AMY, judgement="bda")
    with pytest.raises(LabelError, match="inspector"):
        replace(AMY, inspector=" ")
    with pytest.raises(LabelError, match="tuple"):
        replace(AMY, reasons="PSF")


def test_the_database_itself_refuses_a_second_current_vote(store):
    store.cast(AMY)
    with schema.reading(store.engine) as connection:
        row = dict(connection.execute(sa.select(schema.votes)).mappings().one())
    row |= {"vote_id": 99, "client_vote_id": "sneaked in"}
    with pytest.raises(sa.exc.IntegrityError), schema.writing(store.engine) as connection:
        connection.execute(schema.votes.insert(), row)


@pytest.mark.parametrize("statement", ["DELETE FROM votes", "UPDATE votes SET judgement = 'good'"])
def test_the_database_itself_refuses_to_rewrite_history(store, statement):
    store.cast(AMY)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), schema.writing(store.engine) as connection:
        connection.execute(sa.text(statement))
    assert list(store.votes().judgement) == ["bad"]


def test_the_revision_grows_with_every_change_of_votes_and_labels_only(store):
    revisions = [store.revision()]
    vote = store.cast(AMY)
    revisions.append(store.revision())
    store.retract(vote.vote_id, "amy")
    revisions.append(store.revision())
    store.import_labels(_labels(("N1", "PSF", "psf")), "list.txt", "bad_expid")
    revisions.append(store.revision())
    assert revisions == sorted(set(revisions))
    store.add_user("amy", "longenough")
    store.ask_job("retrain")
    assert store.revision() == revisions[-1]


def _labels(*rows) -> pd.DataFrame:
    return pd.DataFrame([("decam", 1, *row) for row in rows], columns=LABEL_COLUMNS[:5])


def test_imported_labels_keep_their_source_and_are_added_once(store):
    frame = _labels(("", "PSF", "bad psf"), ("N1", "", "strange words"), ("N1", "", "strange words"))
    counts = store.import_labels(frame, "a.txt", "bad_expid")
    assert (counts.added, counts.known) == (2, 1)
    assert store.import_labels(frame, "a.txt", "bad_expid").added == 0
    assert store.import_labels(frame, "b.txt", "bad_expid").added == 2
    assert store.labels().source.tolist() == ["a.txt", "a.txt", "b.txt", "b.txt"]
    assert store.labels().reason.tolist() == ["PSF", ""] * 2


def test_an_import_does_not_supersede_a_vote_cast_by_hand(store):
    store.cast(AMY)
    imported = [replace(AMY, judgement="good", via="import"), replace(AMY, expnum=2, via="import")]
    counts = store.import_votes(imported)
    assert (counts.added, counts.kept) == (1, 1)
    assert store.votes(expnum=137380).judgement.tolist() == ["bad"]


def test_a_store_that_is_opened_again_has_what_was_stored(store_url):
    with LabelStore(store_url) as store:
        store.cast(AMY)
    with LabelStore(store_url) as store:
        assert len(store.votes()) == 1


def test_the_address_to_show_is_the_one_given_without_a_password(tmp_path):
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    with LabelStore(url) as store:
        assert store.address == url
        store.url = "postgresql://triptych:secret@db.example/labels"
        assert store.address == "postgresql://triptych:***@db.example/labels"
        store.url = "postgresql://triptych@db.example/labels?password=secret"
        assert store.address == "postgresql://triptych:***@db.example/labels"


@pytest.mark.parametrize("url", ["labels.db", "mysql://somewhere/labels", "sqlite:////no/such/folder/labels.db"])
def test_an_address_that_cannot_work_says_so(url):
    with pytest.raises(LabelError):
        LabelStore(url)


def cast_some(url: str, inspector: str, first: int, number: int) -> None:
    """One of many processes: votes twice on every exposure, as fast as it can."""
    store = LabelStore(url)
    for expnum in range(first, first + number):
        store.cast(Vote(expnum=expnum, inspector=inspector, judgement="bad"))
        store.cast(Vote(expnum=expnum, inspector=inspector, judgement="good"))
    store.close()


@pytest.mark.slow
def test_votes_of_many_processes_at_once_are_all_kept(store_url):
    number, crowd = 40, ["amy", "ben", "cai", "amy"]  # amy votes in two tabs at once
    processes = [warm.process(cast_some, store_url, name, 1, number) for name in crowd]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * len(crowd)
    with LabelStore(store_url) as store:
        record, current = store.votes(current=False), store.votes()
        assert len(record) == 2 * number * len(crowd)
        assert record.vote_id.tolist() == list(range(1, len(record) + 1))
        assert len(current) == number * 3
        assert not current.duplicated(["expnum", "inspector"]).any()
        assert store.revision() == len(record)


@pytest.mark.slow
def test_a_killed_writer_loses_no_acknowledged_vote(store_url):
    acknowledged = 0
    for _ in range(3):
        process = warm.start("tests.casting", store_url)
        seen = [process.stdout.readline() for _ in range(100)]
        process.kill()
        seen += process.stdout.readlines()
        process.wait()
        acknowledged = max([acknowledged, *(int(line) for line in seen if line.endswith("\n"))])
        with LabelStore(store_url) as store:
            record = store.votes(current=False)
            assert len(record) >= acknowledged
            assert set(range(1, acknowledged + 1)) <= set(record.vote_id)
            assert len(store.votes()) == record.expnum.nunique()
            acknowledged = store.cast(AMY).vote_id


@pytest.mark.slow
def test_the_store_is_quick_enough_for_a_whole_inspection(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        people = ["amy", "ben", "cai"]
        store.cast_many(
            [replace(AMY, expnum=e, inspector=p, screen={"stretch": "sky"}) for e in range(5000) for p in people]
        )
        assert _best_seconds(store.votes) < 0.5  # 0.1 s measured; room for a busy machine
        assert _best_seconds(lambda: store.cast(AMY)) < 0.02


def _best_seconds(call, times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
