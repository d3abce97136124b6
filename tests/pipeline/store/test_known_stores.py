"""A vote is acknowledged only if the store that the run names holds it, and a lost store does not go unnoticed."""

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import LabelError, StoreAway
from triptych.pipeline.store.store import LabelStore, Vote, accept_store, open_store

pytest_plugins = ["tests.postgres"]


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run")


def vote(expnum: int, name: str = "") -> Vote:
    return Vote(expnum=expnum, inspector="amy", judgement="bad", client_vote_id=name)


def voted(catalog: Catalog, *expnums: int, labels: str = "") -> None:
    with open_store(catalog, labels) as store:
        for expnum in expnums:
            store.cast(vote(expnum))


def file_of(catalog: Catalog) -> Path:
    return catalog.path / "labels.db"


def take_away(catalog: Catalog) -> None:
    for path in catalog.path.glob("labels.db*"):
        path.unlink()


def copy_to(file: Path, target: Path) -> None:
    """A backup as it should be made: whole, also while somebody writes."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


# ---- while it is in use


def test_a_vote_after_the_file_was_deleted_is_not_acknowledged(catalog):
    with open_store(catalog) as store:
        store.cast(vote(1))
        take_away(catalog)
        with pytest.raises(StoreAway, match="is gone"):
            store.cast(vote(2))
        with pytest.raises(StoreAway, match="is gone"):
            store.votes()
        assert not file_of(catalog).exists(), "no empty file in its place"


def test_a_vote_into_a_file_that_is_deleted_meanwhile_is_not_acknowledged(catalog, monkeypatch):
    with open_store(catalog) as store:
        write = LabelStore._write

        def write_and_lose(self, *arguments):
            write(self, *arguments)
            take_away(catalog)

        monkeypatch.setattr(LabelStore, "_write", write_and_lose)
        with pytest.raises(StoreAway):
            store.cast(vote(1))


@pytest.mark.parametrize("old", [True, False])
def test_a_vote_after_the_file_was_replaced_is_not_acknowledged(catalog, tmp_path, old):
    """By an older state of the same store, or by another store."""
    if old:
        voted(catalog, 1)
        copy_to(file_of(catalog), tmp_path / "other.db")
    else:
        LabelStore(f"sqlite:///{tmp_path / 'other.db'}").close()
    with open_store(catalog) as store:
        store.cast(vote(2))
        take_away(catalog)
        shutil.copy(tmp_path / "other.db", file_of(catalog))
        for _ in range(2):
            with pytest.raises(StoreAway, match="an older state was restored" if old else "another label store"):
                store.cast(vote(3))
    with closing(sqlite3.connect(file_of(catalog))) as found:
        assert found.execute("SELECT count(*) FROM votes").fetchone() == (int(old),)


def test_an_empty_file_in_its_place_takes_no_vote(catalog):
    with open_store(catalog) as store:
        store.cast(vote(1))
        take_away(catalog)
        file_of(catalog).touch()
        with pytest.raises(StoreAway, match="is now another label store"):
            store.cast(vote(2))
    assert file_of(catalog).stat().st_size == 0


def test_the_same_store_put_back_takes_votes_again(catalog, tmp_path):
    with open_store(catalog) as store:
        store.cast(vote(1, "one"))
        copy_to(file_of(catalog), tmp_path / "backup.db")
        take_away(catalog)
        with pytest.raises(StoreAway):
            store.cast(vote(2, "two"))
        os.replace(tmp_path / "backup.db", file_of(catalog))
        assert store.cast(vote(2, "two")).vote_id == store.cast(vote(2, "two")).vote_id == 2
    with open_store(catalog) as store:
        assert store.votes().client_vote_id.tolist() == ["one", "two"]


def test_an_older_state_copied_over_the_file_in_place_is_noticed(catalog, tmp_path):
    with open_store(catalog) as store:
        store.cast(vote(1))
        revision = sa.text("UPDATE store_state SET value = 0 WHERE name = 'revision'")
        with store.engine.begin() as connection:  # as if it had been copied over: the same file, another state
            connection.execute(revision)
        with pytest.raises(StoreAway, match="an older state was restored"):
            store.cast(vote(2))
        with pytest.raises(StoreAway, match="an older state was restored"):
            store.revision()


# ---- when it is opened again


def test_a_lost_store_is_not_replaced_by_a_new_one_without_a_word(catalog):
    voted(catalog, 1, 2)
    take_away(catalog)
    for _ in range(2):
        with pytest.raises(LabelError, match=r"is gone; it was at revision 2\. Restore it .* `triptych labels accept"):
            open_store(catalog)
        assert not file_of(catalog).exists()


def test_an_older_store_is_refused_until_somebody_accepts_it(catalog, tmp_path):
    voted(catalog, 1)
    copy_to(file_of(catalog), tmp_path / "backup.db")
    voted(catalog, 2)
    shutil.copy(file_of(catalog), tmp_path / "newest.db")
    take_away(catalog)
    shutil.copy(tmp_path / "backup.db", file_of(catalog))
    with pytest.raises(LabelError, match=r"at revision 1, was at 2, and lacks votes.* `triptych labels accept"):
        open_store(catalog)
    before, store = accept_store(catalog, by="lea")
    store.close()
    assert before["revision"] == 2
    voted(catalog, 3)
    (accepted,) = json.loads((catalog.path / "labels.json").read_text())["accepted"]
    assert (accepted["by"], accepted["was"]["revision"], accepted["is"]["revision"]) == ("lea", 2, 1)
    take_away(catalog)
    shutil.copy(tmp_path / "newest.db", file_of(catalog))  # as far, but without the vote cast since
    with pytest.raises(LabelError, match="lacks votes"):
        open_store(catalog)


def test_another_store_in_its_place_is_refused(catalog, tmp_path):
    voted(catalog, 1)
    take_away(catalog)
    with LabelStore(f"sqlite:///{file_of(catalog)}") as other:
        other.cast(vote(5))
        other.cast(vote(6))
    with pytest.raises(LabelError, match=r"labels.db is another label store than the one"):
        open_store(catalog)


def test_an_empty_file_is_an_error_that_says_so(catalog):
    file_of(catalog).touch()
    with pytest.raises(LabelError, match=r"is an empty file \(0 bytes\)"):
        open_store(catalog)
    assert file_of(catalog).stat().st_size == 0


def test_a_file_that_is_no_store_is_an_error_that_says_so(catalog):
    file_of(catalog).write_text("votes: many" * 1000)
    with pytest.raises(LabelError, match=r"cannot open the label store .*not a database"):
        open_store(catalog)


def test_a_new_store_does_not_take_over_the_log_of_a_lost_one(catalog):
    voted(catalog, 1)
    (catalog.path / "labels.json").unlink()
    file_of(catalog).unlink()
    (catalog.path / "labels.db-wal").write_bytes(b"votes")
    with pytest.raises(LabelError, match=r"labels.db-wal holds votes of a label store that is gone"):
        open_store(catalog)


def test_a_killed_first_opening_leaves_nothing_that_is_in_the_way(catalog):
    for left in (".labels.db.4711.aside", ".labels.db.4711.aside-journal"):
        (catalog.path / left).write_bytes(b"half")
    voted(catalog, 1)
    assert sorted(path.name for path in catalog.path.glob(".labels.db*")) == []


def test_only_the_owner_may_read_the_files(catalog):
    with open_store(catalog) as store:
        store.cast(vote(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in catalog.path.glob("labels.db*")}
    assert modes == {"labels.db": 0o600, "labels.db-wal": 0o600, "labels.db-shm": 0o600}


# ---- what is no fault


def test_a_run_can_be_given_another_store(catalog, tmp_path, caplog):
    voted(catalog, 1)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    voted(catalog, 5, 6, labels=other)
    assert "uses the label store" in caplog.text
    voted(catalog, 7, labels=other)
    voted(catalog, 2)
    (tmp_path / "other.db").unlink()
    with pytest.raises(LabelError, match=r"other.db of .* is gone; it was at revision 3"):
        open_store(catalog, other)


def test_who_names_no_store_hears_that_the_run_has_another(catalog, tmp_path, caplog):
    voted(catalog, 1)
    voted(catalog, 2)
    assert caplog.text == "", "there is only one"
    other = f"sqlite:///{tmp_path / 'other.db'}"
    voted(catalog, 5, labels=other)
    caplog.clear()
    voted(catalog, 3)
    assert "this is the label store labels.db" in caplog.text
    assert f"has also used {tmp_path / 'other.db'}" in caplog.text
    caplog.clear()
    voted(catalog, 6, labels=other)
    voted(catalog, 4, labels=catalog.labels_url())
    catalog.set_info(labels=other)
    voted(catalog.refresh(), 7)
    assert caplog.text == "", "somebody has named each"


def test_the_option_forgotten_once_makes_no_second_store(catalog, tmp_path):
    other = f"sqlite:///{tmp_path / 'other.db'}"
    voted(catalog, 1, labels=other)
    with pytest.raises(LabelError, match=r"has no label store labels.db; its votes are in .*other.db\. Name that one"):
        open_store(catalog)
    assert not file_of(catalog).exists()


def test_a_moved_and_a_copied_run_know_their_store(catalog, tmp_path):
    voted(catalog, 1, 2)
    shutil.copytree(catalog.path, tmp_path / "copy")
    catalog.path.rename(tmp_path / "moved")
    for name in ("copy", "moved"):
        voted(Catalog.open(tmp_path / name), 3)


def test_a_store_that_was_moved_is_still_the_same(catalog, tmp_path):
    voted(catalog, 1)
    copy_to(file_of(catalog), tmp_path / "old.db")
    voted(catalog, 2)
    file_of(catalog).rename(tmp_path / "elsewhere.db")
    voted(catalog, 3, labels=f"sqlite:///{tmp_path / 'elsewhere.db'}")
    with pytest.raises(LabelError, match="at revision 1, was at 3"):
        open_store(catalog, f"sqlite:///{tmp_path / 'old.db'}")


def test_runs_can_share_a_store(store_url, tmp_path):
    runs = [Catalog.create(tmp_path / name) for name in ("one", "two")]
    for expnum, run in enumerate([*runs, *runs]):
        voted(run, expnum, labels=store_url)
    with LabelStore(store_url) as store:
        assert store.revision() == 4


def test_a_shared_store_that_was_restored_is_refused_by_each_run_that_misses_votes(store_url, tmp_path):
    first, second, third = (Catalog.create(tmp_path / name) for name in ("one", "two", "three"))
    voted(third, 1, labels=store_url)
    voted(first, 2, labels=store_url)
    voted(second, labels=store_url)
    with LabelStore(store_url) as store, store.engine.begin() as connection:  # back to what the third run has seen
        off = "DROP TRIGGER votes_never_deleted" + ("" if "sqlite" in store_url else " ON votes")
        connection.execute(sa.text(off))
        connection.execute(sa.text("DELETE FROM votes WHERE vote_id = 2"))
        connection.execute(sa.text("UPDATE store_state SET value = 1 WHERE name = 'revision'"))
    with pytest.raises(LabelError, match="older than"):
        open_store(first, store_url)
    accept_store(first, store_url)[1].close()
    voted(
        first, 8, 9, labels=store_url
    )  # now it is further than the second run knows it, and lacks a vote all the same
    with pytest.raises(LabelError, match="lacks votes"):
        open_store(second, store_url)
    voted(third, 10, labels=store_url)


def test_the_address_is_known_without_its_password(catalog):
    from triptych.pipeline.store.known_stores import KnownStores

    known = KnownStores(catalog)
    keys = {
        known.key(f"postgresql{driver}://{who}db.example:5433/labels")
        for who in ("", "a:x@", "b@")
        for driver in ("", "+psycopg")
    }
    keys.add(known.key("postgresql://a@db.example:5433/labels?password=x"))
    assert keys == {"postgresql://db.example:5433/labels"}


def test_the_run_is_told_of_new_votes_without_waiting_for_the_end(catalog):
    with open_store(catalog) as store:
        store.cast(vote(1))
        store.note_state()
        (known,) = json.loads((catalog.path / "labels.json").read_text())["stores"].values()
        assert (known["revision"], known["last_vote"]) == (1, 1)
        before = (catalog.path / "labels.json").stat().st_mtime_ns
        store.note_state()
        assert (catalog.path / "labels.json").stat().st_mtime_ns == before
