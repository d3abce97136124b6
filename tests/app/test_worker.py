"""The worker: jobs from the table, what they report, and that it ends with its server."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from triptych.app import worker
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, Cancelled, StoreAway
from triptych.pipeline.store import retrain_log
from triptych.pipeline.store.retrain_log import RetrainLog
from triptych.pipeline.store.store import LabelStore, open_store


@pytest.fixture
def store(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    store.catalog = catalog
    yield store
    store.close()


def ask(store, kind, **parameters):
    return store.ask_job(kind, parameters, "lea", str(store.catalog.path))


def work(store):
    return worker.work(store.catalog.path, store.url, once=True)


def test_a_job_reports_progress_and_its_result(store, monkeypatch):
    def count(catalog, store, parameters, report):
        report.progress(1, 4, "first quarter")
        assert store.jobs().iloc[0]["text"] == "first quarter"
        assert store.jobs().iloc[0]["progress"] == 0.25
        return {"counted": parameters["upto"], "run": catalog.name}

    monkeypatch.setitem(worker.KINDS, "count", count)
    job_id = ask(store, "count", upto=3)
    assert work(store) == 1
    job = store.job(job_id)
    assert (job.state, job.result) == ("done", {"counted": 3, "run": "run"})


def test_a_refusal_is_the_error_and_the_next_job_still_runs(store, monkeypatch):
    def refuse(catalog, store, parameters, report):
        raise BadInput("no labels yet; import some")

    monkeypatch.setitem(worker.KINDS, "refuse", refuse)
    monkeypatch.setitem(worker.KINDS, "divide", lambda *_: 1 / 0)
    monkeypatch.setitem(worker.KINDS, "rest", lambda *_: {})
    ids = [ask(store, kind) for kind in ("refuse", "divide", "unheard-of", "rest")]
    assert work(store) == 4
    jobs = [store.job(job_id) for job_id in ids]
    assert [job.state for job in jobs] == ["failed", "failed", "failed", "done"]
    assert jobs[0].error == "no labels yet; import some"
    assert "ZeroDivisionError" in jobs[1].error
    assert "known: " in jobs[2].error


def test_a_cancelled_job_stops_at_its_next_step(store, monkeypatch):
    def long(catalog, store, parameters, report):
        for step in range(100):
            store.cancel_job(job_id)
            report.progress(step, 100)
            if report.cancelled():
                raise Cancelled("stopped")
        return {}

    monkeypatch.setitem(worker.KINDS, "long", long)
    job_id = ask(store, "long")
    work(store)
    assert store.job(job_id).state == "cancelled"


def test_a_job_that_comes_to_no_step_is_stopped_within_seconds(store, monkeypatch):
    """The process ends; here that is only noted, and lets the job end."""
    left = threading.Event()
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(worker.os, "_exit", lambda status: left.set() or status)

    def stuck(catalog, store, parameters, report):
        store.cancel_job(job_id)
        assert left.wait(60), "nobody stopped it"
        return {}

    monkeypatch.setitem(worker.KINDS, "stuck", stuck)
    job_id = ask(store, "stuck")
    work(store)
    assert store.job(job_id).state == "cancelled"
    assert retrain_log.lines(store, str(store.catalog.path))[-1]["text"] == "stopped in the middle, as asked"


def test_a_job_says_when_the_machine_is_busy(store, monkeypatch, tmp_path):
    thread = tmp_path / "tasks" / "17"
    thread.mkdir(parents=True)
    times = thread / "schedstat"
    times.write_text("5000 9000 12\n")
    waits = worker.Waits(str(thread.parent))
    said = []
    for ran, waited in ((9000, 10000), (9500, 90000), (9500, 90000)):
        times.write_text(f"{ran} {waited} 40\n")
        said.append(waits.share())
    assert said == [pytest.approx(0.2), pytest.approx(0.9938, abs=1e-3), 0.0]
    assert worker.Waits(str(tmp_path / "no Linux")).share() == 0.0

    heard = threading.Event()
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(worker.Waits, "share", lambda self: 0.8)

    def fit(catalog, store, parameters, report):
        report.progress(1, 4, "fitting")
        wait_until(lambda: store.jobs().iloc[0]["text"] == "fitting; slow: the machine is busy")
        heard.set()
        return {}

    monkeypatch.setitem(worker.KINDS, "fit", fit)
    ask(store, "fit")
    work(store)
    assert heard.is_set()


def test_jobs_of_another_run_in_the_same_store_are_left_alone(store):
    job_id = store.ask_job("retrain", {}, "lea", "/somewhere/else")
    assert work(store) == 0
    assert store.job(job_id).state == "waiting"


def test_a_retraining_makes_new_predictions(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    catalog = Catalog.open(tmp_path / "run")
    with LabelStore(catalog.labels_url()) as store:
        job_id = store.ask_job("retrain", {"policy": "majority"}, "lea", str(catalog.path))
        worker.work(catalog.path, store.url, once=True)
        job = store.job(job_id)
    assert job.state == "done", job.error
    assert job.result["after"]["prediction"] == "mixed-002"
    assert catalog.refresh().stage("prediction").stage_id == "mixed-002"


def test_a_retraining_tells_how_far_it_is_while_it_fits(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    catalog, heard = Catalog.open(tmp_path / "run"), []
    with LabelStore(catalog.labels_url()) as store:
        report = SimpleNamespace(
            progress=lambda *said: heard.append(said), cancelled=lambda: False, asked_by="lea", job_id=1
        )
        worker.KINDS["retrain"](catalog, store, {}, report)
    shares = [done / total for done, total, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    fitted = [text for _, _, text in heard]
    fitted = fitted[fitted.index("fitting") + 1 : fitted.index("predicting")]
    assert fitted == ["learners"] * 4  # linear and forest, for each of the two labelled exposures
    assert catalog.refresh().stage("prediction").table().exposure_probability.between(0, 1).all()


def test_the_worker_runs_no_code_of_the_folder_that_the_server_was_started_in(tmp_path):
    for name in ("triptych", "app", "logging"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('code of the current folder')")
    command = [*worker.WorkerProcess("run", "labels").command, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert "Run the jobs that the dashboard asks for." in done.stdout


@pytest.mark.slow
def test_the_worker_ends_when_its_server_does(store):
    server = (
        "import sys, time; from triptych.app.worker import WorkerProcess; "
        f"p = WorkerProcess({str(store.catalog.path)!r}, {store.url!r}); p.start(); "
        "print(p.process.pid, flush=True); time.sleep(3); import os; os._exit(1)"
    )
    process = subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert is_running(pid)
    process.wait()
    give_up = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not is_running(pid)


class Clock:
    """Stands for the time module: sleeping takes no time, and `end` is when the test has seen enough."""

    def __init__(self, end):
        self.now, self.end, self.slept = 0.0, end, 0.0

    def monotonic(self):
        if self.now >= self.end:
            raise TimeoutError
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds


def test_progress_is_told_every_other_second_and_each_new_step_at_once(monkeypatch):
    told = []
    store = SimpleNamespace(update_job=lambda job_id, done, text, name: told.append((clock.now, text)) or True)
    clock = Clock(end=100)
    monkeypatch.setattr(worker, "time", clock)
    report = worker.Report(store, 1, "host:1")
    for step in range(24):
        report.progress(step, 24, "fitting" if step < 12 else "predicting")
        clock.now += 0.5
    report.end()
    assert told == [(t, "fitting") for t in (0.0, 2.0, 4.0)] + [(t, "predicting") for t in (6.0, 8.0, 10.0)]


class Away:
    """A label store of which a method fails the first times, as where somebody else writes for too long."""

    def __init__(self, store, method, times):
        self.store, self.method, self.times = store, method, times

    def __getattr__(self, name):
        if name == self.method and self.times:
            self.times -= 1
            return self.refuse
        return getattr(self.store, name)

    def refuse(self, *_, **__):
        raise StoreAway("database is locked; try again")


def test_work_goes_on_though_its_progress_cannot_be_told(store, monkeypatch):
    def count(catalog, store, parameters, report):
        for step in range(4):
            report.progress(step, 4, f"step {step}")
        return {"counted": 4}

    monkeypatch.setitem(worker.KINDS, "count", count)
    job_id = ask(store, "count")
    worker.run_job(store.catalog, Away(store, "update_job", 3), store.claim_job("me", str(store.catalog.path)), "me")
    assert (store.job(job_id).state, store.job(job_id).result) == ("done", {"counted": 4})


def test_the_end_of_a_job_is_written_as_soon_as_the_store_takes_it(store, monkeypatch):
    monkeypatch.setitem(worker.KINDS, "rest", lambda *_: {"after": "an hour"})
    clock = Clock(end=1e9)
    monkeypatch.setattr(worker, "time", clock)
    job_id = ask(store, "rest")
    away = Away(store, "finish_job", 40)
    worker.run_job(store.catalog, away, store.claim_job("me", str(store.catalog.path)), "me")
    assert away.times == 0
    assert (store.job(job_id).state, store.job(job_id).result) == ("done", {"after": "an hour"})
    assert clock.slept <= 40 * worker.LONGEST_PAUSE_SECONDS


def test_the_log_of_a_retraining_waits_for_the_store(store):
    log = RetrainLog(Away(store, "keep_setting", 2), "run")
    for text in ("begun", "fitted", "done"):
        log.say(text)
    assert [line["text"] for line in retrain_log.lines(store, "run")] == ["begun", "fitted", "done"]


def test_a_password_is_in_no_argument_of_the_worker(store, monkeypatch):
    started = {}

    def popen(command, **options):
        started.update(options, command=command)

    monkeypatch.setattr(subprocess, "Popen", popen)
    worker.WorkerProcess("run", "postgresql://amy:secret@db.example/labels").start()
    assert "secret" not in " ".join(started["command"])
    assert started["env"]["TRIPTYCH_LABELS"] == "postgresql://amy:secret@db.example/labels"


@pytest.mark.slow
def test_the_worker_uses_the_store_that_its_server_names(store, tmp_path):
    with open_store(store.catalog, f"sqlite:///{tmp_path / 'other.db'}") as other:
        job_id = other.ask_job("retrain", {}, "lea", str(store.catalog.path))
        process_of = worker.WorkerProcess(store.catalog.path, other.url)
        process_of.start()
        try:
            wait_until(lambda: other.job(job_id).state == "failed")  # there is nothing to learn from
        finally:
            process_of.stop()


@pytest.mark.slow
def test_the_worker_lets_others_go_first_inside_its_session_and_out_of_it(store):
    process_of = worker.WorkerProcess(store.catalog.path, store.url)
    process_of.start()
    try:
        process = psutil.Process(process_of.process.pid)
        wait_until(lambda: process.nice() == worker.POLITENESS)
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        autogroup = Path(f"/proc/{process.pid}/autogroup")
        if not autogroup.exists():
            pytest.skip("this system does not share its processors between sessions")
        wait_until(lambda: autogroup.read_text().split()[-1] == str(worker.POLITENESS))
    finally:
        process_of.stop()


def wait_until(holds, seconds=60):
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return True
