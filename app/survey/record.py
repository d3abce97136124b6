"""Labels and votes of the store in memory: read once, and after that only what is new.

Rows of the store are never deleted, and of a vote only changes whether it still stands. So a page that asks again
after one vote costs the reading of that vote, however many there are.
"""

import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.votes.verdicts import verdicts

FEW = 200  # exposures whose verdicts are made again by themselves; for more, all are


@dataclass(frozen=True)
class _Judged:
    """Votes, decisions and the verdicts by majority on one survey, at one revision of the store."""

    revision: int
    votes: pd.DataFrame
    decisions: pd.DataFrame
    verdicts: pd.DataFrame


class Record:
    """What one label store holds. Thread-safe. Frames are the caller's own, though they share their values."""

    def __init__(self, store):
        self.store = store
        self._lock = threading.Lock()
        self._labels, self._last_label = pd.DataFrame(), -1
        self._votes, self._last_vote = pd.DataFrame(), 0
        self._current, self._revision = pd.DataFrame(), -1
        self._verdicts = {}  # version of the survey and panel -> its last _Judged

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
            kept = self._verdicts.get((survey.version, panel))
            if kept is None or kept.revision != self._revision:
                decisions = self.store.adjudications()
                votes = self._current[survey.in_this_version(self._current)].reset_index(drop=True)
                decisions = decisions[survey.in_this_version(decisions)].reset_index(drop=True)
                kept = _judged(self._revision, votes, decisions, panel, kept)
                self._verdicts = {key: one for key, one in self._verdicts.items() if one.revision == self._revision}
                self._verdicts[survey.version, panel] = kept
            return tuple(frame.copy(deep=False) for frame in (kept.votes, kept.decisions, kept.verdicts))

    def _follow(self):
        """Read the votes that were cast since the last time, and which votes stand now."""
        revision = self.store.revision()  # before the votes, so that what is kept is never older than it
        if revision == self._revision:
            return
        self._votes = _with(self._votes, self.store.votes(current=False, after=self._last_vote))
        if len(self._votes):
            self._last_vote = int(self._votes["vote_id"].iloc[-1])
        self._current = self._votes[self._votes["vote_id"].isin(self.store.standing_votes())].reset_index(drop=True)
        self._revision = revision


def _with(rows, more):
    """The rows and, after them, the further ones."""
    return pd.concat([rows, more], ignore_index=True) if len(rows) else more


def _judged(revision, votes, decisions, panel, before):
    """The _Judged of these votes and decisions. before : an earlier one, or None; what did not change is taken over.

    The verdict by majority on an exposure depends on nothing but the votes and decisions on it.
    """
    changed = np.empty(0, np.int64) if before is None else _changed(before, votes, decisions)
    if before is None or len(changed) > FEW:
        return _Judged(revision, votes, decisions, verdicts(votes, "majority", panel, decisions))
    own = [frame[frame["expnum"].isin(changed)] for frame in (votes, decisions)]
    again = verdicts(own[0], "majority", panel, own[1])
    rest = before.verdicts[~before.verdicts["expnum"].isin(changed)]
    parts = [part for part in (rest, again) if len(part)] or [rest]
    table = pd.concat(parts).sort_values(["camera", "expnum"], ignore_index=True)
    return _Judged(revision, votes, decisions, table)


def _changed(before, votes, decisions):
    """expnums (n,) int64 with other votes or decisions than before."""
    found = []
    for key, old, new in (
        ("vote_id", before.votes, votes),
        ("adjudication_id", before.decisions, decisions),
    ):
        found += [old.loc[~old[key].isin(new[key]), "expnum"], new.loc[~new[key].isin(old[key]), "expnum"]]
    return np.unique(pd.concat(found).to_numpy(np.int64))
