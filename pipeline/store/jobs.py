"""Long work that the page asks for: a table of jobs. One worker process per run does them.

A job is `waiting`, then `running`, then `done`, `failed` or `cancelled`. The worker reports with `update_job` or
`beat_job`. If a running job has had no report for too long, the next worker starts it again. After MAX_ATTEMPTS it
fails. Reports are dated by the wall clock, which can be put forward or back. So nobody takes a job from its worker
before they have watched for a while that no report comes: see `Heard`.
"""

import json
import time
from dataclasses import dataclass, field

import pandas as pd
import sqlalchemy as sa

from triptych.pipeline.errors import LabelError
from triptych.pipeline.store import schema

SILENT_SECONDS = 60.0
WATCH_SECONDS = 15.0  # how long another worker watches a silent job before it takes it; a worker reports every 5 s
MAX_ATTEMPTS = 2


@dataclass(frozen=True)
class Job:
    """One job as a worker or a page sees it."""

    job_id: int
    kind: str
    parameters: dict
    state: str
    progress: float = 0.0
    text: str = ""
    asked_by: str = ""
    worker: str = ""
    attempts: int = 0
    cancel_asked: bool = False
    result: dict | None = None
    error: str = ""
    run: str = ""
    times: dict = field(default_factory=dict)


class Heard:
    """When this process last saw a report on each running job, by a clock that nobody can put back."""

    def __init__(self):
        self._last: dict[tuple[int, str], tuple[float, float]] = {}  # (job_id, worker) -> heartbeat, when it was new

    def quiet_seconds(self, row: sa.Row) -> float:
        """For how long the heartbeat of a running job has been the same, as far as this process has seen it."""
        now, job = time.monotonic(), (row.job_id, row.worker)
        heartbeat, since = self._last.get(job, (None, now))
        if heartbeat != row.heartbeat:
            self._last[job] = (row.heartbeat, now)
            return 0.0
        return now - since


class Jobs:
    """The job table of a label store. A base class of `LabelStore`, which sets `engine` and `heard`."""

    engine: sa.Engine
    heard: Heard

    def ask_job(self, kind: str, parameters: dict | None = None, by: str = "", run: str = "") -> int:
        """Ask for a job and return its number. If the same job is already waiting or running, return that one's."""
        wanted = json.dumps(parameters or {}, sort_keys=True)
        same = sa.and_(
            schema.jobs.c.run == run,
            schema.jobs.c.kind == kind,
            schema.jobs.c.parameters == wanted,
            schema.jobs.c.state.in_(["waiting", "running"]),
            schema.jobs.c.cancel_asked.is_(False),
        )
        with schema.writing(self.engine) as connection:
            open_job = connection.execute(sa.select(schema.jobs.c.job_id).where(same)).scalar()
            if open_job is not None:
                return open_job
            row = {
                "job_id": schema.next_number(connection, schema.jobs.c.job_id),
                "run": run,
                "kind": kind,
                "parameters": wanted,
                "state": "waiting",
                "progress": 0.0,
                "text": "",
                "asked_by": by,
                "asked_utc": schema.now_utc(),
                "worker": "",
                "attempts": 0,
                "heartbeat": 0.0,
                "cancel_asked": False,
                "error": "",
            }
            connection.execute(schema.jobs.insert(), row)
        return row["job_id"]

    def claim_job(self, worker: str = "worker", run: str = "", silent: float = SILENT_SECONDS) -> Job | None:
        """Take the oldest waiting job of `run`; None if there is none.

        worker : a name that differs between workers, such as host and process number. Only the worker that has a job
        can change it. silent : seconds; a job whose worker has reported nothing for so long counts as waiting, once
        this process has watched it for WATCH_SECONDS (or for `silent`, if that is shorter). Without a job to take,
        nothing is locked, because a lock makes votes wait.
        """
        if not self._may_claim(run, silent):
            return None
        with schema.writing(self.engine) as connection:
            self._free_silent(connection, run, silent)
            row = connection.execute(sa.select(schema.jobs).where(_waits(run)).order_by(schema.jobs.c.job_id)).first()
            if row is None:
                return None
            values = {
                "state": "running",
                "worker": worker,
                "attempts": row.attempts + 1,
                "heartbeat": time.time(),
                "progress": 0.0,
                "text": "",
            }
            connection.execute(schema.jobs.update().where(schema.jobs.c.job_id == row.job_id).values(values))
        return _job(row, **values)

    def _may_claim(self, run: str, silent: float) -> bool:
        """Whether a job is waiting, or a running one has had no report for `silent` seconds."""
        with schema.reading(self.engine) as connection:
            if connection.execute(sa.select(schema.jobs.c.job_id).where(_waits(run)).limit(1)).first() is not None:
                return True
            return bool(self._silent_jobs(connection, run, silent))

    def _silent_jobs(self, connection: sa.Connection, run: str, silent: float) -> list[sa.Row]:
        """Running jobs whose worker is taken for dead.

        Their last report is far from now by the wall clock, before it or after it, and none has come while this process
        watched.
        """
        running = sa.and_(schema.jobs.c.run == run, schema.jobs.c.state == "running")
        rows, now = connection.execute(sa.select(schema.jobs).where(running)).all(), time.time()
        quiet = {row.job_id: self.heard.quiet_seconds(row) for row in rows}
        needed = min(silent, WATCH_SECONDS)
        return [row for row in rows if abs(now - row.heartbeat) > silent and quiet[row.job_id] >= needed]

    def _free_silent(self, connection: sa.Connection, run: str, silent: float) -> None:
        """End or requeue jobs of dead workers: cancelled if asked for, failed after MAX_ATTEMPTS, else waiting."""
        for row in self._silent_jobs(connection, run, silent):
            if row.cancel_asked:
                values = {"state": "cancelled", "finished_utc": schema.now_utc()}
            elif row.attempts >= MAX_ATTEMPTS:
                error = f"the worker died {row.attempts} times during this job; see its log, then ask for the job again"
                values = {"state": "failed", "error": error, "finished_utc": schema.now_utc()}
            else:
                values = {"state": "waiting", "worker": ""}
            connection.execute(schema.jobs.update().where(schema.jobs.c.job_id == row.job_id).values(values))

    def update_job(self, job_id: int, progress: float, text: str = "", worker: str | None = None) -> bool:
        """Report progress (0 to 1). False means stop: the job was cancelled, or another worker has taken it."""
        with schema.writing(self.engine) as connection:
            row = self._held(connection, job_id, worker)
            if row is None:
                return False
            values = {"progress": float(progress), "text": text, "heartbeat": time.time()}
            connection.execute(schema.jobs.update().where(schema.jobs.c.job_id == job_id).values(values))
        return not row.cancel_asked

    def beat_job(self, job_id: int, worker: str | None = None) -> bool:
        """Report that the worker is alive, in a long step without progress to report. False means stop."""
        with schema.writing(self.engine) as connection:
            row = self._held(connection, job_id, worker)
            if row is not None:
                this_job = schema.jobs.c.job_id == job_id
                connection.execute(schema.jobs.update().where(this_job).values(heartbeat=time.time()))
        return row is not None and not row.cancel_asked

    def finish_job(
        self,
        job_id: int,
        result: dict | None = None,
        error: str = "",
        cancelled: bool = False,
        worker: str | None = None,
    ) -> bool:
        """End a running job: done with a result, failed with an error, or cancelled. False if this worker lost it."""
        state = "failed" if error else "cancelled" if cancelled else "done"
        with schema.writing(self.engine) as connection:
            if self._held(connection, job_id, worker) is None:
                return False
            values = {"state": state, "error": error, "finished_utc": schema.now_utc()}
            if state == "done":
                values |= {"result": json.dumps(result or {}, sort_keys=True), "progress": 1.0}
            connection.execute(schema.jobs.update().where(schema.jobs.c.job_id == job_id).values(values))
        return True

    def _held(self, connection: sa.Connection, job_id: int, worker: str | None) -> sa.Row | None:
        row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.job_id == job_id)).first()
        if row is None:
            raise LabelError(f"there is no job {job_id}; `jobs()` lists them")
        return row if row.state == "running" and worker in (None, row.worker) else None

    def is_cancel_asked(self, job_id: int) -> bool:
        """Whether somebody has asked for a running job to stop. It reads one row and locks nothing."""
        query = sa.select(schema.jobs.c.cancel_asked).where(schema.jobs.c.job_id == job_id)
        with schema.reading(self.engine) as connection:
            return bool(connection.execute(query).scalar())

    def cancel_job(self, job_id: int) -> None:
        """Cancel a job: a waiting one at once, a running one at its next report. A finished job is left as it is."""
        with schema.writing(self.engine) as connection:
            jobs = schema.jobs
            this_job = jobs.c.job_id == job_id
            values = {"state": "cancelled", "cancel_asked": True, "finished_utc": schema.now_utc()}
            connection.execute(jobs.update().where(this_job, jobs.c.state == "waiting").values(values))
            connection.execute(jobs.update().where(this_job, jobs.c.state == "running").values(cancel_asked=True))

    def job(self, job_id: int) -> Job:
        """The job of that number. LabelError where there is none."""
        with schema.reading(self.engine) as connection:
            row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.job_id == job_id)).first()
        if row is None:
            raise LabelError(f"there is no job {job_id}; `jobs()` lists them")
        return _job(row)

    def figures(self, run: str) -> dict:
        """votes: rows in the table; revision: of the store; jobs: {"waiting": n, "running": n} of a run."""
        jobs, states = schema.jobs.c, ("waiting", "running")
        count = sa.select(jobs.state, sa.func.count()).where(jobs.run == run, jobs.state.in_(states))
        revision = sa.select(schema.store_state.c.value).where(schema.store_state.c.name == "revision")
        with schema.reading(self.engine) as connection:
            found = dict(connection.execute(count.group_by(jobs.state)).tuples().all())
            return {
                "votes": connection.execute(sa.select(sa.func.count()).select_from(schema.votes)).scalar_one(),
                "revision": connection.execute(revision).scalar_one(),
                "jobs": {state: found.get(state, 0) for state in states},
            }

    def jobs(self, run: str | None = None) -> pd.DataFrame:
        """All jobs, newest first: the columns of the table without `heartbeat`. run : only jobs of this run."""
        query = sa.select(schema.jobs).order_by(schema.jobs.c.job_id.desc())
        if run is not None:
            query = query.where(schema.jobs.c.run == run)
        with schema.reading(self.engine) as connection:
            frame = pd.DataFrame(connection.execute(query).mappings().all(), columns=schema.jobs.c.keys())
        frame["parameters"] = [json.loads(text) for text in frame["parameters"]]
        # pandas has NaN for jobs without a result if other jobs have one
        found = [json.loads(text) if isinstance(text, str) and text else None for text in frame["result"]]
        frame["result"] = pd.Series(found, dtype=object)
        return frame.drop(columns="heartbeat")


def _waits(run: str) -> sa.ColumnElement[bool]:
    """SQL condition: jobs of a run that wait for a worker."""
    return sa.and_(schema.jobs.c.run == run, schema.jobs.c.state == "waiting")


def _job(row: sa.Row, **changes) -> Job:
    values = {**row._mapping, **changes}
    values["parameters"] = json.loads(values["parameters"])
    values["result"] = json.loads(values["result"]) if values["result"] else None
    values["times"] = {"asked_utc": values["asked_utc"], "finished_utc": values["finished_utc"]}
    return Job(**{name: values[name] for name in Job.__dataclass_fields__})
