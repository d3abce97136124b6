"""The worker killed at any point of a retraining, the server at any point of a vote: nothing half-written."""

import json
import shutil
import sqlite3
import threading
import time
import urllib.error
from http.client import HTTPException
from pathlib import Path

import pytest

from tests import survey, vectors, warm
from tests.app.test_server import Browser
from tests.killing import kill
from tests.ui.conftest import serving
from triptych.app import worker
from triptych.pipeline.catalog.catalog import STAGE_COMMANDS, Catalog
from triptych.pipeline.catalog.stage import digest_of_folder
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.store import jobs
from triptych.pipeline.store.store import LabelStore, Vote, open_store

pytestmark = pytest.mark.slow

KINDS = ("model", "prediction", "candidates", "retraining")


# ---- the worker


@pytest.fixture(scope="module")
def voted(tmp_path_factory) -> Path:
    """A run with votes that its model does not know yet, and a retraining asked for; read it, do not write to it."""
    folder = tmp_path_factory.mktemp("voted") / "run"
    catalog, truth = vectors.make(folder, exposures=36)
    ghosts = sorted(set(truth.expnum[truth.reason == "Ghost_Scatter"]))
    with open_store(catalog) as store:
        vectors.teach(store, truth[~truth.expnum.isin(ghosts)])
        train.train(catalog, store, classifier="knn")  # what is killed is the same whatever learns; this is quick
        predict.predict(catalog)
        candidates.find(catalog)
        for expnum in ghosts[:3]:
            for name in ("amy", "ben"):
                more = {"inspector": name, "judgement": "bad", "reasons": ("Ghost_Scatter",), "expnum": int(expnum)}
                store.cast_many([Vote(**more), *(Vote(ccdname=ccd, **more) for ccd in vectors.NAMES[:4])])
    return folder


def asked(folder: Path) -> tuple[Catalog, LabelStore, int]:
    """A run in which a lead has asked for a retraining."""
    catalog = Catalog.open(folder)
    store = LabelStore(catalog.labels_url())
    return catalog, store, store.ask_job("retrain", {"policy": "majority"}, "lea", str(catalog.path))


def start_worker(catalog: Catalog, store: LabelStore) -> warm.Program:
    """The worker as the server starts it."""
    return warm.start("triptych.app.worker", catalog.path, "--labels", store.url, stdin=True)


def stages(catalog: Catalog) -> dict[str, str]:
    """Every stage of the run and the digest of its bytes as they are now."""
    return {f"{kind}/{stage.stage_id}": stage.digest for kind in STAGE_COMMANDS for stage in catalog.stages(kind)}


def assert_whole(catalog: Catalog, store: LabelStore) -> None:
    """Pointers name stages that are there with all they were made from; each stage's bytes are those it was written
    with; nobody's vote is lost."""
    info = json.loads((catalog.path / "run.json").read_text())
    for kind, stage_id in info["current"].items():
        if stage_id:
            catalog.stage(kind, stage_id, fresh=False)
    for kind in STAGE_COMMANDS:
        for stage in catalog.stages(kind):
            own = stage.path / "stage.json"
            aside = stage.path.with_name(f"{stage.path.name}.stage.json")
            own.rename(aside)  # the digest is of what else is in the folder
            try:
                assert digest_of_folder(stage.path) == stage.digest, f"{kind}/{stage.stage_id} is not as it was written"
            finally:
                aside.rename(own)
    assert sqlite3.connect(store.engine.url.database).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(store.votes()) == 3 * 2 * 5


def a_minute_passes(store: LabelStore) -> None:
    """The dead worker has been silent for long enough."""
    with sqlite3.connect(store.engine.url.database) as connection:
        connection.execute("UPDATE jobs SET heartbeat = heartbeat - 3600 WHERE state = 'running'")
    connection.close()


@pytest.fixture(autouse=True)
def no_watch(monkeypatch):
    """A worker takes a silent job at once, without watching it first."""
    monkeypatch.setattr(jobs, "WATCH_SECONDS", 0.0)


@pytest.fixture(scope="module")
def undisturbed(voted) -> tuple[Catalog, LabelStore, int]:
    shutil.copytree(voted, voted.with_name("undisturbed"))
    catalog, store, job_id = asked(voted.with_name("undisturbed"))
    worker.work(catalog.path, store.url, once=True)
    assert store.job(job_id).state == "done"
    return catalog.refresh(), store, job_id


def far(store: LabelStore, job_id: int, share: float):
    def reached() -> bool:
        time.sleep(0.01)  # the worker is polite and gives way to whoever asks
        return store.job(job_id).progress >= share

    return reached


def files_of(catalog: Catalog, kind: str):
    """Once the folder of a kind of stage has a file more than now, finished or not."""
    there = len(list((catalog.path / kind).glob("*/*")))
    return lambda: len(list((catalog.path / kind).glob("*/*"))) > there


def pointers_moved(catalog: Catalog):
    before = catalog.info["current"]
    return lambda: json.loads((catalog.path / "run.json").read_text())["current"] != before


MOMENTS = {
    "claimed": lambda catalog, store, job: lambda: store.job(job).state == "running",
    "fitting": lambda catalog, store, job: far(store, job, 0.05),
    "predicting": lambda catalog, store, job: far(store, job, 0.6),
    "writing": lambda catalog, store, job: far(store, job, 0.9),
    **{f"in {kind}": lambda catalog, store, job, kind=kind: files_of(catalog, kind) for kind in KINDS},
    "pointed at": lambda catalog, store, job: pointers_moved(catalog),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_in_a_retraining(voted, undisturbed, tmp_path, moment):
    calm, calm_store, calm_job = undisturbed
    catalog, store, job_id = asked(shutil.copytree(voted, tmp_path / "run"))
    before, old = dict(catalog.info["current"]), stages(catalog)
    when = MOMENTS[moment](catalog, store, job_id)
    kill(start_worker(catalog, store), when)
    assert store.job(job_id).state == "running"
    assert_whole(catalog, store)
    assert old.items() <= stages(catalog).items()
    assert catalog.refresh().info["current"] in (before, calm.info["current"])  # never some of each

    a_minute_passes(store)
    assert worker.work(catalog.path, store.url, once=True) == 1
    job = store.job(job_id)
    assert (job.state, job.attempts, job.error) == ("done", 2, "")
    assert len(store.jobs()) == 1
    assert_whole(catalog, store)
    catalog.refresh()
    again = moment == "pointed at" or catalog.info["current"] != calm.info["current"]
    if not again:
        assert stages(catalog) == stages(calm)
        assert job.result == calm_store.job(calm_job).result
    for kind in ("model", "prediction", "candidates"):  # killed after all was done, it is done once more and the same
        name = "training" if kind == "model" else "table"
        assert catalog.stage(kind).table(name).equals(calm.stage(kind).table(name))
    hidden = [path.name for path in catalog.path.rglob(".*") if "aside" in path.name or path.name == ".retrain.json"]
    assert hidden == []

    # the loop goes on, as it would here if everything is as if nobody had been killed
    if not again and moment != "claimed":
        return
    store.cast(Vote(expnum=1, inspector="cai", judgement="good"))
    store.ask_job("retrain", {"policy": "majority"}, "lea", str(catalog.path))
    assert worker.work(catalog.path, store.url, once=True) == 1
    assert list(store.jobs().state) == ["done", "done"]
    store.close()


# ---- the server


class Inspector(threading.Thread):
    """Votes as a browser does: a vote is kept, and sent again under its name, until the server says it is on disk."""

    def __init__(self, served, name: str, expnums: list[int]):
        super().__init__()
        self.served, self.inspector, self.expnums = served, name, expnums
        self.acknowledged: list[str] = []
        self.sent_again = 0

    def vote(self, door: Browser, place: int, expnum: int) -> str:
        name = f"{self.inspector}-{expnum}"
        bad = place % 2 == 0
        values = {"expnum": expnum, "judgement": "bad" if bad else "good", "client_vote_id": name}
        values |= {"reasons": ["PSF"], "ccdnames": ["N4", "S4"]} if bad else {}
        answer = door.ask("/api/vote", json.dumps(values).encode(), Origin=self.served.url)
        assert answer.status == 200, answer.text
        return name

    def run(self):
        door, place = None, 0
        while place < len(self.expnums):
            try:
                if door is None:
                    door = Browser(self.served.url)
                    assert door.log_in(self.inspector).status == 302
                self.acknowledged.append(self.vote(door, place, self.expnums[place]))
                place += 1
            except (urllib.error.URLError, OSError, HTTPException):
                self.sent_again += 1
                door = None
                time.sleep(0.02)


def on_disk(run: Path) -> dict[str, int]:
    """client_vote_id -> how many rows, read past our own code from a copy of the files, as they are after a crash."""
    copy = run.parent / "crashed"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in run.glob("labels.db*"):
        shutil.copy(path, copy)
    connection = sqlite3.connect(copy / "labels.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = connection.execute(
        "SELECT client_vote_id, count(*) FROM votes WHERE via = 'single' GROUP BY client_vote_id"
    ).fetchall()
    connection.close()
    return dict(rows)


@pytest.fixture
def served(tmp_path):
    survey.make(tmp_path / "run", exposures=40)
    with serving(tmp_path / "run", "--no-worker") as server:
        yield server


def test_a_server_killed_while_votes_come_in(served):
    expnums = [900001 + place for place in range(40)]
    before = on_disk(served.run)
    inspectors = [Inspector(served, name, expnums) for name in ("amy", "cai", "lea")]
    for one in inspectors:
        one.start()
    for enough in (6, 25, 52, 80):
        until = time.monotonic() + 120
        while sum(len(one.acknowledged) for one in inspectors) < enough and time.monotonic() < until:
            time.sleep(0.001)
        acknowledged = [name for one in inspectors for name in list(one.acknowledged)]
        served.process.kill()
        served.process.wait()
        found = on_disk(served.run)
        assert len(acknowledged) >= enough
        assert [name for name in acknowledged if name not in found] == [], "acknowledged, but not on disk"
        assert set(found.values()) == {1}, "stored twice"
        whole = [name for name in found if ":" not in name and name not in before]
        for name in whole:  # a judgement and its ticked CCDs are one thing
            ticks = {f"{name}:{ccd}" for ccd in ("N4", "S4")}
            bad = (int(name.split("-")[1]) - 900001) % 2 == 0
            assert ticks & found.keys() == (ticks if bad else set()), name
        assert all(name.split(":")[0] in found for name in found)
        served.start()
    for one in inspectors:
        one.join(timeout=240)
    assert all(len(one.acknowledged) == len(expnums) for one in inspectors)
    assert sum(one.sent_again for one in inspectors) > 0
    with open_store(Catalog.open(served.run)) as store:
        votes = store.votes(current=False)
        votes = votes[~votes.client_vote_id.isin(list(before))]
        assert votes.client_vote_id.is_unique
        assert len(votes) == 3 * (40 + 2 * 20)
        whole = votes[votes.ccdname == ""]
        assert (whole.groupby("inspector").expnum.nunique() == 40).all()
        assert store.revision() > 0
    assert not list(served.run.glob("*.aside*"))
