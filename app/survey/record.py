"""Labels and votes of the store in memory: read once, and after that only what is new.

Rows of the store are never deleted, and of a vote only changes whether it still stands. So a page that asks again
after one vote costs the reading of that vote, however many there are.
"""

import threading

import pandas as pd

from triptych.pipeline.votes.verdicts import verdicts


class Record:
    """What one label store holds. Thread-safe. Frames are the caller's own, though they share their values."""

    def __init__(self, store):
        self.store = store
        self._lock = threading.Lock()
        self._labels, self._last_label = pd.DataFrame(), -1
        self._votes, self._last_vote = pd.DataFrame(), 0
        self._current, self._revision = pd.DataFrame(), -1
        self._verdicts = {}  # of the present revision: version of the survey -> votes, decisions and verdicts

    def labels(self):
        """All imported labels: see LabelStore.labels."""
        with self._lock:
            last = self.store.last_label()
            if last != self._last_label:
                self._labels = _with(self._labels, self.store.labels(after=max(0, self._last_label)))
                self._last_label = last
            return self._labels.copy(deep=False)

    def votes(self):
        """All current votes: see LabelStore.votes."""
        with self._lock:
            self._follow()
            return self._current.copy(deep=False)

    def verdicts(self, survey, panel):
        """(votes, decisions, verdicts by majority) on the exposures of a survey in its pipeline version.

        panel : number of inspectors whose votes count
        """
        with self._lock:
            self._follow()
            if (survey.version, panel) not in self._verdicts:
                votes = self._current[survey.in_this_version(self._current)]
                decisions = self.store.adjudications()
                decisions = decisions[survey.in_this_version(decisions)]
                found = votes, decisions, verdicts(votes, "majority", panel, decisions)
                self._verdicts[survey.version, panel] = found
            return tuple(frame.copy(deep=False) for frame in self._verdicts[survey.version, panel])

    def _follow(self):
        """Read the votes that were cast since the last time, and which votes stand now."""
        revision = self.store.revision()  # before the votes, so that what is kept is never older than it
        if revision == self._revision:
            return
        self._votes = _with(self._votes, self.store.votes(current=False, after=self._last_vote))
        if len(self._votes):
            self._last_vote = int(self._votes["vote_id"].iloc[-1])
        self._current = self._votes[self._votes["vote_id"].isin(self.store.standing_votes())].reset_index(drop=True)
        self._verdicts, self._revision = {}, revision


def _with(rows, more):
    """The rows and, after them, the further ones."""
    return pd.concat([rows, more], ignore_index=True) if len(rows) else more
