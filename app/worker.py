"""The worker: a process beside the server for long work.

It takes jobs from the job table, one after the other. The server starts it and holds a pipe to it; the worker ends when
the pipe closes, so that it never runs longer than the server. While a job runs, a thread tells the store every few
seconds that the worker is alive. A cancelled job ends at its next step; if that does not come within STOP_SECONDS, the
whole process ends, and the server starts another one.
"""

import argparse
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from triptych.app.logs import log_as_json
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import Cancelled, StoreAway, TriptychError
from triptych.pipeline.retraining import leftovers
from triptych.pipeline.store import address
from triptych.pipeline.store.retrain_log import RetrainLog
from triptych.pipeline.store.store import open_store

POLITENESS = 5  # niceness: votes go first, but on a busy machine the worker still gets on

log = logging.getLogger("triptych.worker")

ABANDONED = 3  # exit status after a job that had to be stopped

IDLE_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
LOOK_SECONDS = 1.0  # between two looks whether somebody wants the job to stop
STOP_SECONDS = 4.0  # for a job to come to its next step, once somebody wants it to stop
BUSY = 0.5  # share of the time that a job could have computed but waited for a processor: more is a busy machine
SLOW = "slow: the machine is busy"
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0  # between two tries to write how a job ended
TELL_SECONDS = 2.0  # between two lines of progress. Pages look as often, and votes must wait for each such write


def retrain(catalog, store, parameters, report):
    """Retrain from the votes. Returns a summary of what changed, for the page."""
    from triptych.pipeline.retraining.retrain import retrain as run

    asked = {"by": report.asked_by, "job": report.job_id}
    return run(catalog, store, progress=report.progress, cancelled=report.cancelled, **asked, **parameters).summary()


# kind of job -> function (catalog, store, parameters, report) that returns a dict for the page
KINDS = {"retrain": retrain}


class Waits:
    """How much of its time this process has waited for a processor since the last question, as Linux counts it."""

    def __init__(self, threads: str = "/proc/self/task"):
        self.threads = Path(threads)
        self._last = self._read()

    def share(self):
        """From 0 (all processors were free) to 1. 0 if the system does not say, or nothing was to be computed."""
        now = self._read()
        ran, waited = (sum(times[k] - self._last.get(name, (0, 0))[k] for name, times in now.items()) for k in (0, 1))
        self._last = now
        return waited / (ran + waited) if ran + waited > 0 else 0.0

    def _read(self):
        """{thread: (nanoseconds on a processor, nanoseconds waiting for one)}"""
        found = {}
        with contextlib.suppress(OSError, ValueError):  # not Linux
            for thread in self.threads.iterdir():
                with contextlib.suppress(OSError):  # the thread has just ended
                    ran, waited, *_ = (thread / "schedstat").read_text().split()
                    found[thread.name] = (int(ran), int(waited))
        return found


class Report:
    """Connects a running job with the store: it writes the progress and notices a cancellation.

    abandon : called if the job must stop and does not come to its next step
    """

    def __init__(self, store, job_id, worker, asked_by="", abandon=None):
        self.store, self.job_id, self.worker, self.asked_by = store, job_id, worker, asked_by
        self.done, self.text = 0.0, ""
        self._abandon = abandon
        self._waits, self._slow = Waits(), False
        self._told = -TELL_SECONDS
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._keep_beating, daemon=True)
        self._beat.start()

    def progress(self, done, total, text=""):
        """The job calls this: `done` of `total` steps are done, and `text` says what it does now."""
        another_step = text not in ("", self.text)
        self.done, self.text = done / max(total, 1), text or self.text
        if another_step or time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            self._tell()

    def cancelled(self):
        """Whether somebody asked for the job to stop."""
        return self._stopped.is_set()

    def end(self):
        self._ended.set()
        self._beat.join()

    def _tell(self):
        """Tell the store. If it cannot be used now, the job goes on, and the next beat tries again."""
        try:
            text = "; ".join(part for part in (self.text, SLOW if self._slow else "") if part)
            if not self.store.update_job(self.job_id, self.done, text, self.worker):
                self._stopped.set()
        except StoreAway as error:
            log.warning("the progress of job %s is not told: %s", self.job_id, error)

    def _keep_beating(self):
        told = asked = time.monotonic()
        while not self._ended.wait(LOOK_SECONDS):
            now = time.monotonic()
            try:
                if not self._stopped.is_set():
                    asked = now
                    if self.store.is_cancel_asked(self.job_id):
                        self._stopped.set()
                if now - told >= HEARTBEAT_SECONDS:
                    told = now
                    self._slow = self._waits.share() > BUSY
                    self._tell()
                if self._stopped.is_set() and now - asked >= STOP_SECONDS and self._abandon:
                    self._abandon()
            except Exception:  # whatever it is, it must not end the beats
                log.warning("heartbeat failed", exc_info=True)


def run_job(catalog, store, job, worker):
    """Run one claimed job and write to the store how it ended."""

    def abandon():
        log.warning("job %s was asked to stop and did not; the worker ends and is started again", job.job_id)
        store.finish_job(job.job_id, worker=worker, cancelled=True)
        RetrainLog(store, str(catalog.path), by=job.asked_by, job=job.job_id).say("stopped in the middle, as asked")
        os._exit(ABANDONED)

    report = Report(store, job.job_id, worker, job.asked_by, abandon)
    outcome = {}
    try:
        if job.kind not in KINDS:
            raise TriptychError(f"this worker knows no job {job.kind!r}; known: {', '.join(KINDS)}")
        outcome["result"] = KINDS[job.kind](catalog.refresh(), store, job.parameters, report)
    except Cancelled:
        outcome["cancelled"] = True
    except TriptychError as error:
        outcome["error"] = str(error)
    except Exception as error:
        log.exception("job %s failed", job.job_id)
        outcome["error"] = f"{type(error).__name__}: {error}"
    finally:
        report.end()
    finish(store, job.job_id, worker, outcome)
    store.note_state()


def finish(store, job_id, worker, outcome):
    """Write down how a job ended. While the store cannot be used, try again: the work behind it may be an hour's."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            store.finish_job(job_id, worker=worker, **outcome)
            return
        except StoreAway as error:
            log.warning("the end of job %s cannot be written yet: %s", job_id, error)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def work(run, labels, *, once=False):
    """Take the jobs of a run for ever.

    once : end when no job waits; returns the number of jobs done
    """
    catalog = Catalog.open(run)
    store = open_store(catalog, labels or "")
    leftovers.clear_if_idle(catalog)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    done = 0
    while True:
        try:
            job = store.claim_job(worker, run=str(catalog.path))
        except StoreAway as error:
            if once:
                raise
            log.warning("no job can be taken now: %s", error)
            time.sleep(IDLE_SECONDS)
            continue
        if job is not None:
            run_job(catalog, store, job, worker)
            done += 1
        elif once:
            store.close()
            return done
        else:
            time.sleep(IDLE_SECONDS)


class WorkerProcess:
    """The worker process, as the server sees it. labels : address of the label store; log_json : see app.logs"""

    def __init__(self, run, labels, *, log_json=False):
        self.command = [sys.executable, "-P", "-m", "triptych.app.worker", str(run), *["--log-json"] * log_json]
        self.labels = labels
        self.process: subprocess.Popen | None = None

    def start(self):
        environment = os.environ | {address.VARIABLE: self.labels}  # arguments may be read by everybody
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, start_new_session=True, env=environment)

    def keep_alive(self):
        """Start the worker again if it has ended."""
        if self.process is not None and self.process.poll() is not None:
            log.warning("the worker ended with %s and is started again", self.process.returncode)
            self.start()

    def ask_to_stop(self):
        """Close the pipe, at which the worker ends."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    def stop(self):
        """End the worker, and wait until it has."""
        if self.process is None:
            return
        self.ask_to_stop()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def stand_back():
    """Let votes go first, but not everything else: on a busy machine a retraining must still go on.

    Linux shares processors among sessions, and looks at niceness only inside one session (see sched(7), autogroup). So
    this also lowers the share of its own session. Measured on two processors (benchmarks/speed/politeness.py): at 5,
    a vote takes 19 ms instead of 16, as at 10 and 19, and 25 at 0. Beside two busy sessions of other people, the worker
    gets 0.24 of a processor at 5, and 0.05 at 19, where it stood still.
    """
    os.nice(POLITENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # not Linux, or a container without the right
            Path("/proc/self/autogroup").write_text(str(POLITENESS))


def end_with_server():
    """End this process when the server closes the pipe."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Run the jobs that the dashboard asks for.")
    parser.add_argument("run")
    parser.add_argument("--labels", default=address.from_environment())
    parser.add_argument("--log-json", action="store_true")
    parsed = parser.parse_args(arguments)
    if parsed.log_json:
        log_as_json()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends this process
    threading.Thread(target=end_with_server, daemon=True).start()
    stand_back()
    work(parsed.run, parsed.labels)


if __name__ == "__main__":
    main()
