"""The log of a run's retrainings: a few lines each, kept in the label store.

It is in the store because a retraining that is stopped leaves nothing in the run folder.
"""

import logging

from triptych.pipeline.errors import StoreAway
from triptych.pipeline.store import schema

log = logging.getLogger("triptych")

MOST_LINES = 300


def _name(run: str) -> str:
    return f"retraining log of {run}"


def lines(store, run: str) -> list[dict]:
    """The last MOST_LINES lines, oldest first: utc, job (its number, 0 = from the command line), by, text."""
    return list(store.setting(_name(run), []))


class RetrainLog:
    """Adds lines to the log. Only one retraining of a run writes at a time: see `retrain`.

    A line that the store cannot take now goes with the next one: the work must not end for it.
    """

    def __init__(self, store, run: str, *, by: str = "", job: int = 0):
        self.store, self.run, self.by, self.job = store, run, by, job
        self.unsaid: list[dict] = []

    def say(self, text: str) -> None:
        """Add a line to the run's log; the oldest go when there are more than MOST_LINES."""
        line = {"utc": schema.now_utc(), "job": self.job, "by": self.by, "text": text}
        self.unsaid.append(line)
        try:
            self.store.keep_setting(_name(self.run), [*lines(self.store, self.run), *self.unsaid][-MOST_LINES:])
            self.unsaid.clear()
        except StoreAway as error:
            log.warning("the log of the retraining has to wait: %s", error)
