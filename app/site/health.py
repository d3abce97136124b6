"""/health tells a program that watches the server whether it can do its work. It needs no login."""

import asyncio
import logging
import time
from functools import partial

from triptych.app.site.beside import BesideHandler
from triptych.pipeline.errors import CatalogError

log = logging.getLogger("triptych")

BELIEVED_SECONDS = 1.0  # for this long an answer is given again
PATIENCE_SECONDS = 5.0  # a check that takes longer counts as failed


class Health:
    """Checks that label stores and tables of all runs can be read, one check at a time.

    apps : AppContext of each run
    """

    def __init__(self, apps):
        self.apps = apps
        self._check = None
        self._ended = -BELIEVED_SECONDS

    async def problem(self):
        """What is wrong, in one line without names or addresses; '' = nothing."""
        if self._check is None or (self._check.done() and time.monotonic() - self._ended > BELIEVED_SECONDS):
            self._check = asyncio.ensure_future(asyncio.to_thread(self._look))
            self._check.add_done_callback(self._note)
        await asyncio.wait({self._check}, timeout=PATIENCE_SECONDS)
        return self._check.result() if self._check.done() else "a label store or a run folder does not answer"

    def _note(self, _check):
        self._ended = time.monotonic()

    def _look(self):
        for place, app in enumerate(self.apps, start=1):
            which = f" of run {place} of {len(self.apps)}" if len(self.apps) > 1 else ""
            for what, read in (
                (f"the label store{which}", app.store.revision),
                (f"the tables{which}", partial(tables_of, app)),
            ):
                try:
                    read()
                except Exception as error:
                    log.warning("health: %s cannot be read: %s", what, error)
                    return f"{what} cannot be read; the server's log says more"
        return ""


def tables_of(app):
    """Read the tables of a run if they have changed. CatalogError if they are not there."""
    if 0 in app.catalog.tables_version():
        raise CatalogError(f"{app.catalog.path} has no tables; ingest its exposures again, or restore it from a copy")
    return app.survey()


class HealthHandler(BesideHandler):
    """GET: 200 and {status, runs}, or 503 and one line."""

    async def get(self):
        problem = await self.site.health.problem()
        if problem:
            self.set_status(503)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            return self.finish(f"503 {problem}\n")
        return self.finish({"status": "ok", "runs": len(self.site.apps)})
