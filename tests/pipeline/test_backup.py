"""Backups of the label store: whole while people vote, and put back without losing what was there."""

import json
import shutil
import threading
import zipfile

import pytest

from triptych.pipeline import backup
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, LabelError
from triptych.pipeline.store.store import LabelStore, Vote, open_store


@pytest.fixture
def catalog(tmp_path):
    return Catalog.create(tmp_path / "run")


def cast(store, expnum):
    return store.cast(Vote(expnum=expnum, inspector="amy", judgement="good"))


def votes(catalog):
    with open_store(catalog) as store:
        return store.votes()["expnum"].tolist()


def test_a_backup_made_while_people_vote_is_whole_and_a_copy_is_not(catalog, tmp_path):
    with open_store(catalog) as store:
        for expnum in range(1, 101):
            cast(store, expnum)
        database = catalog.path / "labels.db"
        shutil.copy(database, tmp_path / "copied.db")
        state = backup.back_up(catalog, tmp_path / "votes.zip")
        cast(store, 101)
    assert (state.last_vote, votes(catalog)) == (100, list(range(1, 102)))
    with LabelStore(f"sqlite:///{tmp_path / 'copied.db'}") as copied:
        assert len(copied.votes()) < 100, "what is in labels.db-wal is missing in a copy of labels.db"
    backup.restore(catalog, tmp_path / "votes.zip")
    assert votes(catalog) == list(range(1, 101))


def test_votes_that_come_during_a_backup_do_not_disturb_it(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "PAGES", 1)
    with open_store(catalog) as store:
        for expnum in range(1, 400):
            cast(store, expnum)
        stop = threading.Event()

        def go_on():
            expnum = 1000
            while not stop.is_set():
                expnum += 1
                cast(store, expnum)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            state = backup.back_up(catalog, tmp_path / "votes.zip")
        finally:
            stop.set()
            thread.join()
    backup.restore(catalog, tmp_path / "votes.zip")
    found = votes(catalog)
    assert len(found) == state.last_vote
    assert set(range(1, 400)) <= set(found)


def test_what_is_replaced_is_kept_with_its_newest_votes_and_the_change_is_recorded(catalog, tmp_path):
    with open_store(catalog) as store:
        cast(store, 1)
        backup.back_up(catalog, tmp_path / "votes.zip")
        cast(store, 2)
    state, before = backup.restore(catalog, tmp_path / "votes.zip", by="admin")
    assert votes(catalog) == [1]
    with LabelStore(f"sqlite:///{before}", new=False) as kept:
        assert kept.votes()["expnum"].tolist() == [1, 2]
    (accepted,) = json.loads(catalog.known_stores.read_text())["accepted"]
    assert (accepted["by"], accepted["is"]["revision"]) == ("admin", state.revision)
    assert accepted["was"]["revision"] > state.revision


def test_a_store_that_is_gone_comes_back(catalog, tmp_path):
    with open_store(catalog) as store:
        cast(store, 1)
        backup.back_up(catalog, tmp_path / "votes.zip")
    for left in catalog.path.glob("labels.db*"):
        left.unlink()
    with pytest.raises(LabelError, match="is gone"):
        open_store(catalog)
    assert backup.restore(catalog, tmp_path / "votes.zip")[1] is None
    assert votes(catalog) == [1]


def test_a_server_that_still_runs_takes_no_vote_into_the_old_store(catalog, tmp_path):
    with open_store(catalog) as served:
        cast(served, 1)
        backup.back_up(catalog, tmp_path / "votes.zip")
        cast(served, 2)
        backup.restore(catalog, tmp_path / "votes.zip")
        with pytest.raises(LabelError, match="older"):
            cast(served, 3)
    assert votes(catalog) == [1]


def half(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_database(file):
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(backup.ABOUT, '{"format": 1}')


def damaged_database(file):
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(backup.ABOUT, '{"format": 1}')
        packed.writestr(backup.DATABASE, b"SQLite format 3\0" + bytes(8000))


def newer(file):
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(backup.ABOUT, '{"format": 2}')


@pytest.mark.parametrize("damage", [half, without_database, damaged_database, newer, lambda file: file.unlink()])
def test_what_is_no_whole_backup_changes_nothing(catalog, tmp_path, damage):
    with open_store(catalog) as store:
        cast(store, 1)
        backup.back_up(catalog, tmp_path / "votes.zip")
        cast(store, 2)
    damage(tmp_path / "votes.zip")
    with pytest.raises(BadInput, match=r"votes\.zip"):
        backup.restore(catalog, tmp_path / "votes.zip")
    assert votes(catalog) == [1, 2]
    assert sorted(path.name for path in catalog.path.glob("*labels.db*")) == ["labels.db"]


def test_postgres_is_named_its_own_program_without_a_password(catalog, tmp_path):
    address = "postgresql://amy:secret@db.example/labels"
    with pytest.raises(BadInput, match=r"pg_dump .*--dbname=postgresql://amy@db.example/labels") as refused:
        backup.back_up(catalog, tmp_path / "votes.zip", address)
    assert "secret" not in str(refused.value)
    with pytest.raises(BadInput, match="pg_restore"):
        backup.restore(catalog, tmp_path / "votes.zip", labels=address)


@pytest.mark.parametrize("step", ["_unpack", "_set_aside", "put_in_place"])
def test_stopped_in_the_middle_it_is_done_by_doing_it_again(catalog, tmp_path, monkeypatch, step):
    """Stopped right after each step."""
    with open_store(catalog) as store:
        cast(store, 1)
        backup.back_up(catalog, tmp_path / "votes.zip")
        cast(store, 2)
    whole = getattr(backup, step)

    class Stopped(BaseException):
        pass

    def stopped(*arguments):
        whole(*arguments)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(backup, step, stopped)
        with pytest.raises(Stopped):
            backup.restore(catalog, tmp_path / "votes.zip")
    backup.restore(catalog, tmp_path / "votes.zip")
    assert votes(catalog) == [1]
    kept = [path for path in catalog.path.glob("labels.db.replaced-*") if not path.name.endswith(("-wal", "-shm"))]
    found = []
    for path in kept:
        with LabelStore(f"sqlite:///{path}", new=False) as store:
            found.append(store.votes()["expnum"].tolist())
    assert [1, 2] in found
