"""The worker between two jobs: whether votes or predictions are others, and what the neighbours say then."""

import logging

from triptych.pipeline.errors import Cancelled, TriptychError

log = logging.getLogger("triptych.worker")


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
