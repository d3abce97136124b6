"""Long work beside the server: a process that takes jobs from the job table, one after the other, and between them
follows what the votes change.

It is started by the server, reads a pipe from it and ends when the pipe closes, so that it never outlives the server.
A thread tells the store twice a minute or more that it lives; a job that is cancelled ends at its next step.
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
import traceback
from pathlib import Path

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import Cancelled, TriptychError
from triptych.pipeline.retraining import leftovers
from triptych.pipeline.store.store import LabelStore

POLITENESS = 5  # it gives way to votes, but on a busy machine it still goes on

log = logging.getLogger("triptych.worker")

IDLE_SECONDS = 1.0
REST = 3.0  # times what following the votes took: three inspectors who vote all the time must not wait for it
LONGEST_REST_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
TELL_SECONDS = 2.0  # between two lines of progress: pages look as often, and each is a write that votes wait for


def retrain(catalog, store, parameters, report):
    """Votes -> training set -> new predictions; returns what changed, for the page."""
    from triptych.pipeline.retraining.retrain import retrain as run

    asked = {"by": report.asked_by, "job": report.job_id}
    return run(catalog, store, progress=report.progress, cancelled=report.cancelled, **asked, **parameters).summary()


# kind of job -> function (catalog, store, parameters, report) that returns a dict for the page
KINDS = {"retrain": retrain}


class LiveWork:
    """Follows one run. catalog : pipeline.catalog.catalog.Catalog. store : pipeline.store.store.LabelStore."""

    def __init__(self, catalog, store):
        self.catalog, self.store = catalog, store
        self._followed = None
        self._labelled = None

    def look(self):
        """Follow the votes where there is something new; returns whether there was. Never raises for a run's sake."""
        try:
            now = self._now()
            if now == self._followed or not now[1]:
                return False
            self._followed = now  # also where it fails: the same votes would fail again
            self._follow()
        except Cancelled:
            self._followed = None
            return False
        except Exception:  # whatever a run's files hold, votes and retrainings go on
            log.warning("the votes could not be followed", exc_info=True)
        return True

    def _now(self):
        current = self.catalog.refresh().info["current"]
        tables = self.catalog.tables_version()
        return int(self.store.revision()), current.get("prediction"), current.get("embedding"), tables

    def _follow(self):
        from triptych.pipeline.retraining import live_changes, live_written
        from triptych.pipeline.retraining.live_tables import LabelledRows

        self._labelled = self._labelled or LabelledRows(self.catalog)
        self._labelled.follow(self.store)
        try:
            live_changes.follow(self.catalog, self.store, labelled=self._labelled, going_on=self._no_job_waits)
        except Cancelled:
            raise
        except TriptychError as error:
            live_written.failed(self.catalog, self.store, error)

    def _no_job_waits(self):
        """Making the state anew takes minutes at survey size; a job that was asked for goes first."""
        jobs = self.store.jobs(run=str(self.catalog.path))
        if len(jobs) and (jobs.state == "waiting").any():
            raise Cancelled("a job waits")


class Report:
    """How a running job talks to the store: progress out, cancellation in."""

    def __init__(self, store, job_id, worker, asked_by=""):
        self.store, self.job_id, self.worker, self.asked_by = store, job_id, worker, asked_by
        self.done, self.text = 0.0, ""
        self._told = -TELL_SECONDS
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._keep_beating, daemon=True)
        self._beat.start()

    def progress(self, done, total, text=""):
        """Called by the work: done of total, and what it is at."""
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
        if not self.store.update_job(self.job_id, self.done, self.text, self.worker):
            self._stopped.set()

    def _keep_beating(self):
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                self._tell()
            except Exception:  # a busy store must not end the job; the next beat tries again
                log.warning("heartbeat failed", exc_info=True)


def run_job(catalog, store, job, worker):
    """Run one claimed job and write down how it ended."""
    report = Report(store, job.job_id, worker, job.asked_by)
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
        traceback.print_exc()
        outcome["error"] = f"{type(error).__name__}: {error}"
    finally:
        report.end()
    store.finish_job(job.job_id, worker=worker, **outcome)


def work(run, labels, *, once=False):
    """Take jobs of a run for ever and follow the votes between them, or with `once` jobs until none waits; returns the
    number done."""
    catalog = Catalog.open(run)
    store = LabelStore(labels or catalog.labels_url())
    leftovers.clear_if_idle(catalog)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    live = LiveWork(catalog, store)
    done, rests_until = 0, 0.0
    while True:
        start = time.monotonic()
        job = store.claim_job(worker, run=str(catalog.path))
        if job is not None:
            run_job(catalog, store, job, worker)
            done += 1
        elif once:
            store.close()
            return done
        elif start < rests_until or not live.look():
            time.sleep(IDLE_SECONDS)
        else:
            end = time.monotonic()
            rests_until = end + min(LONGEST_REST_SECONDS, REST * (end - start))


class WorkerProcess:
    """The server's side of it."""

    def __init__(self, run, labels):
        self.command = [sys.executable, "-P", "-m", "triptych.app.worker", str(run), "--labels", labels]
        self.process: subprocess.Popen | None = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, start_new_session=True)

    def keep_alive(self):
        """Start it again if it died."""
        if self.process is not None and self.process.poll() is not None:
            log.warning("the worker ended with %s and is started again", self.process.returncode)
            self.start()

    def stop(self):
        if self.process is None:
            return
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def stand_back():
    """Give way to votes, but not to everything: on a machine that others keep busy a retraining must still go on.

    Linux shares the processors between sessions before it looks at niceness inside one (sched(7), autogroup), so the
    session of this process steps back too. At niceness 5 it gets a quarter of a processor beside one busy session; at
    19 it got a seventieth and stood still.
    """
    os.nice(POLITENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # another system, or a container that may not
            Path("/proc/self/autogroup").write_text(str(POLITENESS))


def end_with_server():
    """End this process when the server's end of the pipe closes."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Run the jobs that the dashboard asks for.")
    parser.add_argument("run")
    parser.add_argument("--labels")
    parsed = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends this process
    threading.Thread(target=end_with_server, daemon=True).start()
    stand_back()
    work(parsed.run, parsed.labels)


if __name__ == "__main__":
    main()
