"""The job table: equal jobs are one job, each is claimed once, and none is lost with its worker."""

import threading

import pytest

from triptych.pipeline.errors import LabelError
from triptych.pipeline.store import jobs

pytest_plugins = ["tests.postgres"]


def test_a_job_goes_from_asked_to_done(store):
    job_id = store.ask_job("retrain", {"policy": "majority"}, "lea")
    assert store.job(job_id).state == "waiting"
    job = store.claim_job("worker-1")
    assert (job.job_id, job.kind, job.parameters, job.asked_by) == (job_id, "retrain", {"policy": "majority"}, "lea")
    assert store.update_job(job_id, 0.5, "fitting", "worker-1")
    assert (store.job(job_id).progress, store.job(job_id).text) == (0.5, "fitting")
    assert store.finish_job(job_id, {"stage": "knn-002"}, worker="worker-1")
    done = store.job(job_id)
    assert (done.state, done.progress, done.result) == ("done", 1.0, {"stage": "knn-002"})
    assert done.times["finished_utc"] >= done.times["asked_utc"]
    assert store.claim_job("worker-1") is None


def test_two_equal_open_jobs_are_one(store):
    first = store.ask_job("retrain", {"policy": "majority", "seed": 0}, "lea")
    assert store.ask_job("retrain", {"seed": 0, "policy": "majority"}, "ben") == first
    store.claim_job("worker-1")
    assert store.ask_job("retrain", {"policy": "majority", "seed": 0}) == first
    assert store.ask_job("retrain", {"policy": "any", "seed": 0}) != first
    store.finish_job(first)
    assert store.ask_job("retrain", {"policy": "majority", "seed": 0}) != first


def test_jobs_are_taken_in_order_and_each_by_one_worker(store):
    asked = [store.ask_job("retrain", {"n": n}) for n in range(6)]
    taken, threads = [], []
    for n in range(8):
        threads.append(threading.Thread(target=lambda n=n: taken.append(store.claim_job(f"worker-{n}"))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert sorted(job.job_id for job in taken if job) == asked
    assert taken.count(None) == 2


def test_a_worker_takes_only_jobs_of_its_run(store):
    job_id = store.ask_job("retrain", run="dr11")
    assert store.claim_job("worker-1", run="demo") is None
    assert store.claim_job("worker-2", run="dr11").job_id == job_id
    assert store.jobs(run="demo").empty


def test_a_silent_worker_loses_its_job_to_the_next(store):
    job_id = store.ask_job("retrain")
    store.claim_job("worker-1")
    assert store.claim_job("worker-2") is None  # worker-1 was heard of a moment ago
    job = store.claim_job("worker-2", silent=-1)
    assert (job.job_id, job.attempts) == (job_id, 2)
    assert not store.update_job(job_id, 0.9, "too late", "worker-1")
    assert not store.finish_job(job_id, worker="worker-1")
    assert not store.beat_job(job_id, "worker-1")
    assert store.beat_job(job_id, "worker-2")
    assert store.finish_job(job_id, worker="worker-2")


class Clock:
    """Stands for the time module: the wall clock and the steady one, which the test moves."""

    def __init__(self):
        self.wall, self.steady = 1e9, 0.0

    def time(self):
        return self.wall

    def monotonic(self):
        return self.steady

    def passes(self, seconds):
        self.wall += seconds
        self.steady += seconds


@pytest.mark.parametrize("jump", [-3600.0, 3600.0], ids=["back", "forward"])
def test_a_clock_that_jumps_takes_no_job_from_its_worker(store, monkeypatch, jump):
    clock = Clock()
    monkeypatch.setattr(jobs, "time", clock)
    job_id = store.ask_job("retrain")
    store.claim_job("worker-1")
    clock.wall += jump
    for _ in range(30):
        assert store.claim_job("worker-2") is None
        clock.passes(jobs.WATCH_SECONDS / 3)
        assert store.beat_job(job_id, "worker-1")


@pytest.mark.parametrize("jump", [-3600.0, 0.0, 3600.0], ids=["back", "none", "forward"])
def test_a_dead_workers_job_is_taken_however_the_clock_jumped(store, monkeypatch, jump):
    clock = Clock()
    monkeypatch.setattr(jobs, "time", clock)
    job_id = store.ask_job("retrain")
    store.claim_job("worker-1")
    clock.wall += jump
    waited = 0.0
    while (job := store.claim_job("worker-2")) is None:
        clock.passes(1.0)
        waited += 1.0
        assert waited <= jobs.SILENT_SECONDS + 1, "the wait must not stretch"
    assert (job.job_id, job.worker) == (job_id, "worker-2")


def test_a_job_that_kills_its_workers_fails_with_advice(store):
    job_id = store.ask_job("retrain")
    for n in range(jobs.MAX_ATTEMPTS):
        assert store.claim_job(f"worker-{n}", silent=-1)
    assert store.claim_job("worker-9", silent=-1) is None
    job = store.job(job_id)
    assert job.state == "failed"
    assert "ask for the job again" in job.error


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_when_it_next_reports(store):
    waiting = store.ask_job("retrain", {"n": 1})
    store.cancel_job(waiting)
    assert store.job(waiting).state == "cancelled"
    running = store.ask_job("retrain", {"n": 2})
    store.claim_job("worker-1")
    store.cancel_job(running)
    assert store.ask_job("retrain", {"n": 2}) != running  # asked again: a new one
    assert not store.update_job(running, 0.3, "fitting", "worker-1")
    store.finish_job(running, cancelled=True, worker="worker-1")
    assert store.job(running).state == "cancelled"
    store.cancel_job(running)  # ended already: nothing happens


def test_a_cancelled_job_of_a_dead_worker_ends(store):
    job_id = store.ask_job("retrain")
    store.claim_job("worker-1")
    store.cancel_job(job_id)
    assert store.claim_job("worker-2", silent=-1) is None
    assert store.job(job_id).state == "cancelled"


def test_a_failed_job_says_why(store):
    job_id = store.ask_job("retrain")
    store.claim_job("worker-1")
    store.finish_job(job_id, error="no labels; import some first")
    assert (store.job(job_id).state, store.job(job_id).error) == ("failed", "no labels; import some first")


def test_the_table_lists_the_newest_first(store):
    assert store.jobs().empty
    store.ask_job("retrain", {"n": 1})
    store.ask_job("retrain", {"n": 2})
    frame = store.jobs()
    assert [parameters["n"] for parameters in frame.parameters] == [2, 1]
    assert frame.result.tolist() == [None, None]


def test_the_table_lists_jobs_with_a_result_and_without(store):
    done = store.ask_job("retrain", {"policy": "any"})
    store.claim_job("worker")
    store.finish_job(done, {"changed": 3})
    waiting = store.ask_job("retrain")
    found = store.jobs().set_index("job_id").result
    assert found[done] == {"changed": 3}
    assert found[waiting] is None


def test_a_job_that_is_none_is_an_error(store):
    with pytest.raises(LabelError, match="no job 7"):
        store.job(7)
    with pytest.raises(LabelError, match="no job 7"):
        store.update_job(7, 0.5)
