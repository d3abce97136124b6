"""The dates of what is written: the present, or a past that somebody makes up."""

import threading

import pytest

from triptych.pipeline import clock
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote

THEN = clock.seconds_of("2026-03-01T22:15:00Z")


def test_texts_are_read_back():
    with clock.telling(clock.stopped(THEN + 0.25)):
        assert (clock.utc(), clock.utc_exactly()) == ("2026-03-01T22:15:00Z", "2026-03-01T22:15:00.250000Z")
        assert clock.seconds_of(clock.utc_exactly()) == THEN + 0.25


def test_what_is_written_carries_the_told_time(tmp_path):
    with clock.telling(clock.stopped(THEN)), LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        vote = store.cast(Vote(expnum=1, inspector="vera", judgement="good"))
        made = Catalog.create(tmp_path / "run")
        with made.new_stage("embedding", "drawn") as writer:
            writer.write_json({}, "nothing")
    assert vote.created_utc == "2026-03-01T22:15:00.000000Z"
    assert made.info["created"] == writer.stage.info["created"] == "2026-03-01T22:15:00Z"


def test_it_is_the_present_again_afterwards_and_in_other_threads():
    told = []

    def fails():
        with clock.telling(clock.from_then(THEN)):
            thread = threading.Thread(target=lambda: told.append(clock.now()))
            thread.start()
            thread.join()
            assert THEN <= clock.now() < THEN + 3600
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert told[0] > THEN + 3600
    assert clock.now() >= told[0]
