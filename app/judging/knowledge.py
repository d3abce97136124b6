"""What one user may know of votes and of the model's opinion, now.

Blind until you vote concerns who votes: an inspector, and a lead from the first vote of his own on, knows an exposure's
votes (and in blind mode the model's opinion of a candidate) after his own vote on it. A lead who does not vote knows
everything; a viewer, who cannot vote, knows what the whole panel has judged, and the model's opinion.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.app.judging import repeats
from triptych.app.judging.evidence import in_this_version
from triptych.pipeline.votes.verdicts import verdicts


@dataclass(frozen=True, eq=False)
class Sight:
    """What one user may know now.

    votes : everybody's current votes on this pipeline version; verdicts : what they imply by majority
    own : expnums that this user judged as a whole, without those asked for again
    complete : expnums judged by the whole panel
    everything : a lead who does not vote
    """

    votes: pd.DataFrame
    verdicts: pd.DataFrame
    own: frozenset
    complete: frozenset
    everything: bool
    role: str

    @classmethod
    def of(cls, app, survey, user):
        votes = app.store.votes(current=True)
        votes = votes[in_this_version(survey, votes)]
        decisions = app.store.adjudications()
        decisions = decisions[in_this_version(survey, decisions)]
        decided = verdicts(votes, "majority", app.catalog.panel, decisions)
        n_votes = decided["n_bad"] + decided["n_good"] + decided["n_unsure"]
        mine = votes[(votes["inspector"] == user.name) & (votes["via"] != "import")]
        return cls(
            votes=votes,
            verdicts=decided,
            own=frozenset(mine.loc[mine["ccdname"] == "", "expnum"].astype(int)) - set(repeats.waiting(app, user)),
            complete=frozenset(decided.loc[n_votes >= app.catalog.panel, "expnum"].astype(int)),
            everything=user.role == "lead" and mine.empty,
            role=user.role,
        )

    def sees_verdict(self, expnums):
        """(n,) bool: whether the votes on these exposures may be known."""
        if self.everything:
            return np.ones(len(expnums), bool)
        known = {"inspector": self.own, "lead": self.own | self.complete, "viewer": self.complete}[self.role]
        return np.isin(expnums, np.fromiter(known, np.int64, len(known)))

    def sees_opinion(self, survey, expnums, assisted):
        """(n,) bool: whether the model's opinion of these exposures may be known."""
        if assisted or self.everything or self.role == "viewer":
            return np.ones(len(expnums), bool)
        waiting = set(survey.candidates.index) - self.own
        return ~np.isin(expnums, np.fromiter(waiting, np.int64, len(waiting)))

    def known_verdicts(self):
        """Rows of `verdicts` that this user may know, one per exposure, indexed by expnum."""
        decided = self.verdicts.drop_duplicates("expnum").set_index("expnum")
        return decided[self.sees_verdict(decided.index.to_numpy(np.int64))]
