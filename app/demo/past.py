"""What the made-up people of the demonstration have done in the days before: votes, a retraining, votes, decisions.

All of it goes the way that the work of real people goes: logged in, votes and decisions as the rooms send them, the
retraining as a job of the worker. Each step looks at what is there, so that a second call goes on where a killed one
ended, and does nothing where all is done.

The three first judge the same exposures, to see how well they agree: the older half of the new season, and some of the
last season that the model does not suspect. Then each goes on with their own queue, the most suspicious first.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from triptych.app import worker
from triptych.app.context import AppContext
from triptych.app.demo.people import INSPECTORS, LEAD, PASSWORD, Inspector, Planted, planted_in
from triptych.app.judging import queue
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.adjudicate import routes as adjudicate
from triptych.app.rooms.review import routes as review
from triptych.app.web.bodies import DecisionBody, VoteBody
from triptych.pipeline import clock
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.retraining.retrain import report_of
from triptych.pipeline.store.store import Job, LabelStore
from triptych.pipeline.votes.adjudication_queue import WAITING

IN_SAMPLE = 0.3  # of the candidates: the most that the sample takes
MOST_JUDGED = 0.5  # of the candidates, by one inspector: whoever logs in has something left to judge
EVERY = 2  # exposure of the last season that the model does not suspect is in the sample
DECISIONS = 2
WORKER = "demo"  # name under which the retraining's job is held
PAUSES = (0.4, 1.2)  # seconds between a vote and the next picture, at least and at most


@dataclass(frozen=True)
class Sitting:
    """One inspector at work. days, hours : after the survey was made; most : votes of their queue, None = the sample"""

    inspector: Inspector
    days: int
    hours: float
    most: int | None = None

    @property
    def name(self) -> str:
        return f"{self.inspector.name} {self.days} {'sample' if self.most is None else 'queue'}"


VERA, HENRIETTA, ANNIE = INSPECTORS
FIRST = (
    Sitting(VERA, 1, 1.2),
    Sitting(HENRIETTA, 1, 4.6),
    Sitting(ANNIE, 2, 0.4),
    Sitting(VERA, 3, 0.9, most=3),
    Sitting(HENRIETTA, 3, 2.3, most=3),
    Sitting(ANNIE, 3, 5.1, most=2),
)
RETRAINED = timedelta(days=4, hours=1.5)
THEN = (
    Sitting(VERA, 5, 0.6, most=2),
    Sitting(ANNIE, 5, 3.8, most=1),
    Sitting(HENRIETTA, 6, 2.2, most=2),
)
DECIDED = timedelta(days=6, hours=5)
DAYS = 8  # that the survey was made before the present

Bar = Callable[[str], AbstractContextManager]


def live_through(catalog: Catalog, store: LabelStore, survey: Path, *, begun: float, seed: int, bar: Bar) -> None:
    """Do whatever of all this is not done yet.

    survey : folder of the simulated survey, which says what is true. begun : when the survey was made, in seconds
    since 1970; all that happens has its time after that.
    """
    past = Past(catalog, store, planted_in(survey), begun, seed)
    if not past.retrained:  # whom it asked, and of what, followed the candidates of then
        with bar("judge") as progress:
            past.sit(FIRST, progress)
    with bar("retrain"):
        past.retrain()
    with bar("judge again") as progress:
        past.sit(THEN, progress)
    with bar("decide"):
        past.decide()


class Past:
    """The work of these people on one run, step by step.

    planted : what is truly in each exposure, by expnum; begun : seconds since 1970
    """

    def __init__(self, catalog: Catalog, store: LabelStore, planted: dict[int, Planted], begun: float, seed: int):
        self.catalog, self.store, self.planted, self.begun, self.seed = catalog, store, planted, begun, seed
        self.app = AppContext(catalog.refresh(), store)

    def at(self, after: timedelta) -> float:
        """Seconds since 1970, so long after the survey was made."""
        return self.begun + after.total_seconds()

    def viewer(self, name: str) -> Viewer:
        """One of the accounts, looking at the run as it is now."""
        user = self.store.user(name)
        assert user is not None, f"{name} has an account"
        return Viewer(self.app, user)

    @property
    def retrained(self) -> bool:
        """Whether the run points at what the retraining made."""
        return bool(self.catalog.refresh().info["current"].get("retraining"))

    # ---- judging

    def sit(self, sittings: tuple[Sitting, ...], progress: Callable) -> None:
        """Let each cast the votes of their sitting that are not on record. progress : called with done, total, text"""
        for place, sitting in enumerate(sittings):
            self._one(sitting)
            progress(place + 1, len(sittings), sitting.inspector.name)

    def _one(self, sitting: Sitting) -> None:
        viewer, person = self.viewer(sitting.inspector.name), sitting.inspector
        moment = self.at(timedelta(days=sitting.days, hours=sitting.hours))
        with clock.telling(clock.stopped(moment)):
            self.store.check_password(person.name, PASSWORD)
        rng = np.random.default_rng([self.seed, *sitting.name.encode()])
        said = self._said(person.name)
        for number, expnum in self._asked(sitting, viewer, said):
            says = person.says(expnum, self.planted[expnum], self.seed)
            moment += says.seconds + float(rng.uniform(*PAUSES))
            if number in said:
                continue
            shown = review.exposure_answer(viewer, expnum, assisted=True)["model"]
            screen = {"stretch": "faint", "assisted": True, "model_shown": bool(shown), "seconds": says.seconds}
            screen |= {"score": (shown or {}).get("bad_probability"), "ccds_opened": list(says.ccdnames[:1])}
            answer = {"expnum": int(expnum), "judgement": says.judgement, "client_vote_id": number, "screen": screen}
            there = [name for name in says.ccdnames if viewer.survey.image_of(expnum, name) is not None]
            answer |= {"reasons": says.reasons, "ccdnames": there}
            with clock.telling(clock.stopped(moment)):
                review.cast_one(viewer, VoteBody.model_validate(answer))

    def _said(self, name: str) -> dict[str, int]:
        """client_vote_id -> expnum of the votes that somebody has on record."""
        votes = self.store.votes(inspector=name, current=False)
        return dict(zip(votes["client_vote_id"], votes["expnum"].astype(int), strict=True))

    def _asked(self, sitting: Sitting, viewer: Viewer, said: dict[str, int]) -> Iterator[tuple[str, int]]:
        """(client_vote_id, expnum) of each exposure in turn. said : as `_said` gives it, before this sitting"""
        candidates = set(viewer.survey.candidates.index)
        if sitting.most is None:
            for expnum in self._sample(viewer.survey.exposures.index, candidates):
                yield f"{sitting.name} {expnum}", expnum
            return
        rank = viewer.survey.candidates["rank"].to_dict()
        for place in range(sitting.most):
            number = f"{sitting.name} {place}"
            if number in said:
                yield number, said[number]
                continue
            judged = candidates & viewer.judged()
            waiting = queue.queue_for(viewer).expnums
            if waiting and len(judged) + 1 <= MOST_JUDGED * len(candidates):
                yield number, min(waiting, key=lambda one: rank.get(one, len(rank)))  # the queue has equals by lot

    def _sample(self, there: Iterable[int], candidates: set[int]) -> list[int]:
        """The older half of the new season, but not too many candidates, and some plain ones of the last season."""
        known = set(self.store.labels()["expnum"].astype(int))
        plain = sorted(known.intersection(there) - candidates)[::EVERY]
        new = sorted(set(there) - known)
        new = new[: len(new) // 2]
        suspected = [expnum for expnum in new if expnum in candidates][: int(IN_SAMPLE * len(candidates))]
        return [*plain, *(expnum for expnum in new if expnum not in candidates or expnum in suspected)]

    # ---- learning, deciding

    def retrain(self) -> None:
        """Ask for a retraining as a lead does, and do it as the worker does."""
        with clock.telling(clock.from_then(self.at(RETRAINED))):
            self.store.check_password(LEAD, PASSWORD)
            if not self.retrained:
                worker.run_job(self.catalog, self.store, self._job(), WORKER)
            for job_id in self._running():  # killed between the retraining and the end of its job
                made = report_of(self.catalog.stage("retraining", fresh=False))
                self.store.finish_job(job_id, made.summary(), worker=WORKER)
        if not self.retrained:
            raise TriptychError(f"the retraining failed: {self.store.jobs(run=self.app.run_key).error.iloc[0]}")
        self.app = AppContext(self.catalog, self.store)  # with the new predictions

    def _running(self) -> list[int]:
        jobs = self.store.jobs(run=self.app.run_key)
        return jobs.loc[jobs["state"] == "running", "job_id"].astype(int).tolist() if self.retrained else []

    def _job(self) -> Job:
        """The job, held by us; one that a killed call of this held before is taken from it."""
        job = None
        while job is None:
            self.store.ask_job("retrain", {"policy": "majority"}, LEAD, self.app.run_key)
            job = self.store.claim_job(WORKER, run=self.app.run_key, silent=0.0)
        return job

    def decide(self) -> None:
        """Decide on the first of what waits for a lead; the others are left to whoever logs in as one."""
        viewer, moment = self.viewer(LEAD), self.at(DECIDED)
        with clock.telling(clock.stopped(moment)):
            self.store.check_password(LEAD, PASSWORD)
        for number in range(DECISIONS):
            moment += 41.0 + 23.0 * number
            found = adjudicate.queue_answer(viewer)
            waiting = [item for item in found["items"] if set(item["states"]) & set(WAITING)]
            if number < len(found["decisions"]) or not waiting:
                continue
            expnum = int(min(waiting, key=_contested if number == 0 else _leaning_to_bad)["expnum"])
            with clock.telling(clock.stopped(moment)):
                decision = self._decision(viewer, expnum, f"decision {number}")
                adjudicate.decide(viewer, DecisionBody.model_validate(decision))

    def _decision(self, viewer: Viewer, expnum: int, name: str) -> dict:
        """What the room sends: the truth, for once, with the phrase that the lead picks."""
        seen, planted = adjudicate.exposure_answer(viewer, expnum), self.planted[expnum]
        judgement = "bad" if planted.bad else "good"
        return {
            "expnum": expnum,
            "judgement": judgement,
            "reasons": planted.reasons[:1],
            "comment": adjudicate.PHRASES[judgement][1],
            "votes_seen": [vote_id for vote in seen["votes"] for vote_id in vote["vote_ids"]],
            "client_vote_id": name,
        }


def _contested(item: dict) -> tuple:
    """Sorts what waits for a lead: first where some say bad and some good."""
    return (not (item["n_bad"] and item["n_good"]), item["expnum"])


def _leaning_to_bad(item: dict) -> tuple:
    """The same, first where nobody says good."""
    return (item["n_good"], -item["n_bad"], item["expnum"])
