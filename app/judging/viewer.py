"""One user who looks at one survey. Only this file decides what they may know of votes and of the model.

A `Viewer` is such a user, in any role. The role "viewer" is something else: an account that cannot vote.

Who votes is blind until they vote. An inspector knows the votes on an exposure after their own vote on it. The same
holds for a lead from their first vote on. In blind mode the model's opinion waits for the own vote, too. A lead who has
not voted at all knows all votes, and the model's opinion everywhere except beside a single exposure. The role "viewer"
knows the votes on exposures that the whole panel has judged, and the model's opinion.

What others said is noted as seen, in the store, before it is sent: `note_seen`, and whatever asks `Knowledge.of_votes`.
`told` says on which exposures a user's next vote is not blind any more.

An exposure that the queue asks for again looks as if this user had never judged it. A known answer that is mixed into
queues stays secret until the user has answered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from triptych.app.context import AppContext
from triptych.app.survey.survey import Survey
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.labels.training_set import tells_votes
from triptych.pipeline.store.accounts import User
from triptych.pipeline.store.queues import Answer

VOTERS = ("inspector", "lead")
STILL = "9"  # after every date
FEW = 500  # most exposures that one query to the store names


@dataclass(frozen=True, eq=False)
class Viewer:
    """A user in any role, and the tables that they look at. Every answer is about this moment; nothing is kept.

    shown : the survey of an open page; without it, the tables that this user's pages show
    """

    app: AppContext
    user: User
    shown: Survey | None = None

    @cached_property
    def survey(self) -> Survey:
        return self.shown if self.shown is not None else self.app.survey_for(self.user)

    @property
    def store(self):
        return self.app.store

    @property
    def catalog(self):
        return self.app.catalog

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def role(self) -> str:
        return self.user.role

    @property
    def is_lead(self) -> bool:
        return self.role == "lead"

    @property
    def is_inspector(self) -> bool:
        return self.role == "inspector"

    @property
    def can_vote(self) -> bool:
        return self.role in VOTERS

    def may_know(self, tells: str) -> bool:
        """Whether this user may choose an order or facet that tells the model's opinion or others' votes.

        tells : "model", "votes" or "" (neither)
        """
        return {"": True, "model": not self.app.blind, "votes": self.is_lead}[tells]

    def may_hear_opinion(self, *, assisted: bool, voted: bool) -> bool:
        """Whether this user may see the model's opinion of one exposure now.

        A user who can vote must vote first, unless the page is assisted. The role "viewer" cannot vote, and does not
        wait.

        assisted : the page shows the model's opinion before the vote; never so in blind mode
        voted : this user has judged the exposure, in the pipeline version of the run
        """
        return assisted or voted or not self.can_vote

    def asked_again(self) -> dict[int, int]:
        """expnum -> vote_id of this user's judgements that the queue asks for again without telling them."""
        return self.store.handed_out(self.name, self.catalog.camera)

    def judged(self, expnums=None) -> set[int]:
        """expnums that this user has judged as a whole, without those that are asked for again.

        expnums : look among these only; None = all
        """
        return self._judged_in(self.store.voters(expnums))

    def _judged_in(self, voters: pd.DataFrame) -> set[int]:
        own = voters.loc[(voters["inspector"] == self.name) & (voters["ccdname"] == ""), "expnum"]
        return set(own.astype(int)) - set(self.asked_again())

    def secret_answers(self) -> set[int]:
        """expnums with a known answer that this user may not read yet.

        Empty for a lead who has not voted, and for the role "viewer".
        """
        known = known_answers(self.app)
        if not known or not self.can_vote:
            return set()
        own = set(self.store.ballots(self.catalog.camera, self.name)["expnum"].astype(int))
        if self.is_lead and not own:
            return set()
        return known - (own - set(self.asked_again()))

    def told(self, expnums) -> set[int]:
        """Those of these exposures on which others' answers were shown to this user, or could have been.

        A vote on them is not blind. An answer is a vote or a lead's decision, also one that no longer stands. It could
        be seen by a lead, by somebody who was a lead then, and after an own judgement until that was taken back:
        see `seen_while_judged`. An own judgement tells a known answer of a queue, too.
        """
        expnums = [int(expnum) for expnum in expnums]
        answers = self.store.answers(expnums)
        own = [one for one in answers if one.by == self.name]
        others = [one for one in answers if one.by != self.name]
        if self.is_lead:
            return {one.expnum for one in others}
        led_until = self.store.led_until(self.name)
        found = seen_while_judged(own, others) | {one.expnum for one in others if one.created_utc <= led_until}
        if own:
            found |= known_answers(self.app) & {one.expnum for one in own}
        return found | self.store.revealed(self.name, self.catalog.camera, expnums)

    def note_seen(self, expnums) -> None:
        """Note in the store that this user is shown others' answers on these exposures. Call it before they are sent.

        Their later votes on them are not blind, and the queue does not ask for their earlier ones again.
        """
        self.app.note_seen(self.user, expnums)

    def readable_labels(self) -> pd.DataFrame:
        """The imported labels that this user may read: see LabelStore.labels."""
        labels, secret = self.app.record.labels(), self.secret_answers()
        return labels[~labels["expnum"].isin(secret)] if secret else labels

    def hides(self, labels: pd.DataFrame, knowledge: "Knowledge | None" = None) -> np.ndarray:
        """(n,) bool: labels that may tell others' votes which this user may not know, or a secret answer.

        labels : DataFrame with `image_id` and the columns that `tells_votes` reads
        knowledge : this user's Knowledge, if it was made already

        It does not matter whether the others' votes still exist: a label that appeared or disappeared would tell of
        them.
        """
        expnums, tells = expnum_of(labels["image_id"].to_numpy(np.int64)), tells_votes(labels)
        hidden = tells.copy()
        hidden[tells] = ~self._knows_votes(expnums[tells], knowledge)
        secret = self.secret_answers()
        return hidden | np.isin(expnums, np.fromiter(secret, np.int64, len(secret)))

    def _knows_votes(self, expnums, knowledge) -> np.ndarray:
        """(n,) bool: whether this user may know the votes on each exposure. Where they may, it is noted as seen."""
        if knowledge is not None or not self.is_inspector:
            return (knowledge or self.knowledge()).of_votes(expnums)
        asked = np.unique(expnums)  # faster for a few exposures: it does not read every vote
        voters = self.store.voters(asked.tolist() if len(asked) <= FEW else None)
        judged = self._judged_in(voters) & set(asked.tolist())
        others = set(voters.loc[voters["inspector"] != self.name, "expnum"].astype(int))
        self.note_seen(judged & others)
        return np.isin(expnums, np.fromiter(judged, np.int64, len(judged)))

    def may_hear_of(self, expnums, assisted) -> np.ndarray:
        """(n,) bool: exposures about which this user may hear that the model's opinion changed.

        Such a change may come from votes on the exposure. So it is hidden if others have judged it and this user has
        not.
        """
        voters = self.store.voters()
        others = set(voters["expnum"].astype(int)) - self._judged_in(voters)
        told = ~np.isin(expnums, np.fromiter(others, np.int64, len(others)))
        return told & self.knowledge().of_opinion(expnums, assisted)

    def knowledge(self) -> "Knowledge":
        """What this user may know at this moment."""
        votes, decisions, decided = self.app.record.verdicts(self.survey, self.catalog.panel)
        n_votes = decided["n_bad"] + decided["n_good"] + decided["n_unsure"]
        mine = votes[(votes["inspector"] == self.name) & (votes["via"] != "import")]
        others = set(votes.loc[votes["inspector"] != self.name, "expnum"].astype(int))
        return Knowledge(
            viewer=self,
            votes=votes,
            verdicts=decided,
            others=frozenset(others | set(decisions.loc[decisions["lead"] != self.name, "expnum"].astype(int))),
            own=frozenset(mine.loc[mine["ccdname"] == "", "expnum"].astype(int)) - set(self.asked_again()),
            complete=frozenset(decided.loc[n_votes >= self.catalog.panel, "expnum"].astype(int)),
            everything=self.is_lead and mine.empty,
        )


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What one user may know of all exposures at one moment.

    votes : all users' current votes on this pipeline version; verdicts : their verdicts by majority
    others : expnums with an answer of somebody else: a vote or a decision
    own : expnums that this user judged as a whole, without those that are asked for again
    complete : expnums that the whole panel judged
    everything : True for a lead who has not voted
    """

    viewer: Viewer
    votes: pd.DataFrame
    verdicts: pd.DataFrame
    others: frozenset
    own: frozenset
    complete: frozenset
    everything: bool

    def of_votes(self, expnums) -> np.ndarray:
        """(n,) bool: whether this user may know the votes on each exposure. Where they may, it is noted as seen."""
        if self.everything:
            return np.ones(len(expnums), bool)
        known = {"inspector": self.own, "lead": self.own | self.complete, "viewer": self.complete}[self.viewer.role]
        if not self.viewer.is_lead:  # of leads the store knows until when they were one
            self.viewer.note_seen(known & self.others & set(np.unique(expnums).tolist()))
        return np.isin(expnums, np.fromiter(known, np.int64, len(known)))

    def known_of(self, expnums) -> set[int]:
        """Those of these exposures whose votes this user may know. It is noted that they see them."""
        asked = np.fromiter(expnums, np.int64, len(expnums))
        return set(asked[self.of_votes(asked)].tolist())

    def of_opinion(self, expnums, assisted) -> np.ndarray:
        """(n,) bool: whether this user may know the model's opinion of each exposure.

        Without assistance the opinion of a candidate waits for their own vote. `Viewer.may_hear_opinion` is stricter:
        it decides for the place where the vote is cast.
        """
        if assisted or self.everything or not self.viewer.can_vote:
            return np.ones(len(expnums), bool)
        waiting = set(self.viewer.survey.candidates.index) - self.own
        return ~np.isin(expnums, np.fromiter(waiting, np.int64, len(waiting)))

    def known_verdicts(self) -> pd.DataFrame:
        """The rows of `verdicts` that this user may know: one per exposure, indexed by expnum."""
        decided = self.verdicts.drop_duplicates("expnum").set_index("expnum")
        return decided[self.of_votes(decided.index.to_numpy(np.int64))]


def seen_while_judged(own: Iterable[Answer], others: Iterable[Answer]) -> set[int]:
    """expnums on which somebody else had answered while a judgement of this user stood.

    own, others : this user's answers and everybody else's
    """
    until: dict[int, str] = {}
    for one in own:
        until[one.expnum] = max(one.ended_utc or STILL, until.get(one.expnum, ""))
    return {one.expnum for one in others if one.created_utc <= until.get(one.expnum, "")}


def known_answers(app) -> set[int]:
    """expnums with a known answer, which are mixed into queues."""
    return set(app.store.draws(app.catalog.camera, kind="known")["expnum"].astype(int))
