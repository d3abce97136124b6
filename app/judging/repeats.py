"""Repeats: the queue asks an inspector again for a judgement that they gave before, without telling them.

While a repeat waits in their queue, every answer of the server makes the exposure look as if they had never judged it.
Their new judgement goes to the repeats of the label store and replaces no vote. From then on their pages show it as
their last judgement. The store keeps what waits, so that a restart forgets nothing.
"""

import hashlib
import uuid
from typing import Any

from triptych.app.judging.viewer import Viewer
from triptych.pipeline.store.store import Vote


def last_answers(viewer: Viewer):
    """vote_id -> the newest repeat of that vote (a dict), of this user."""
    return {row["vote_id"]: row for row in viewer.store.repeats(viewer.name).to_dict("records")}


def answer(viewer: Viewer, votes):
    """Store a judgement as a repeat if it is one.

    votes : rows of one judgement as app.judging.votes.build_votes makes them, the whole exposure's first
    Returns the new judgement as a Vote with the vote_id of the vote that it repeats; None if it is not a repeat.
    """
    vote = votes[0]
    vote_id = viewer.store.repeated_vote(vote.client_vote_id)
    if vote_id is None:
        vote_id = viewer.asked_again().get(vote.expnum)
        if vote_id is None or vote.via != "single":
            return None
    screen = {**vote.screen, "comment": vote.comment}
    viewer.store.repeat(
        vote_id, viewer.name, vote.judgement, vote.reasons, screen, vote.client_vote_id or uuid.uuid4().hex
    )
    viewer.store.hand_out(viewer.name, viewer.catalog.camera, {}, drop=[vote.expnum])
    fields: dict[str, Any] = {name: getattr(vote, name) for name in Vote.__dataclass_fields__}
    fields["vote_id"] = vote_id
    return Vote(**fields)


def drop(viewer: Viewer, expnums):
    """Stop asking again for exposures that were in a bulk vote. Their earlier votes stay, and the user is not told."""
    if expnums:
        viewer.store.hand_out(viewer.name, viewer.catalog.camera, {}, drop=expnums)


def take_back(viewer: Viewer, expnum=None):
    """Undo the user's newest repeat (of `expnum`, if given): ask for it again, and return its expnum.

    None if there is no repeat, or if the user has judged something since. The row stays in the store; of several
    repeats of a vote the newest counts.
    """
    repeats = viewer.store.repeats(viewer.name)
    if repeats.empty:
        return None
    ballots = viewer.store.ballots(viewer.catalog.camera, viewer.name)
    repeated = repeats.merge(ballots[["vote_id", "expnum"]], on="vote_id")
    repeated = repeated[~repeated["expnum"].isin(viewer.asked_again())]
    if expnum is not None:
        repeated = repeated[repeated["expnum"] == int(expnum)]
        ballots = ballots[ballots["expnum"] == int(expnum)]
    if repeated.empty:
        return None
    last = repeated.iloc[-1]
    if len(ballots) and ballots["created_utc"].max() > last["created_utc"]:
        return None
    viewer.store.hand_out(viewer.name, viewer.catalog.camera, {int(last["expnum"]): int(last["vote_id"])})
    return int(last["expnum"])


def as_shown(viewer: Viewer, votes):
    """The user's own current votes as their pages show them, oldest first.

    Votes that are asked for again are left out. A repeated vote shows what the user said last.
    votes : DataFrame as LabelStore.votes gives it, of this user
    """
    hidden = viewer.asked_again()
    votes = votes[~votes["expnum"].isin(hidden)].copy()
    again = last_answers(viewer)
    for place in votes.index[votes["vote_id"].isin(again) & (votes["ccdname"] == "")]:
        repeat = again[int(votes.at[place, "vote_id"])]
        votes.at[place, "judgement"] = repeat["judgement"]
        votes.at[place, "reasons"] = repeat["reasons"]
        votes.at[place, "comment"] = repeat["screen"].get("comment", "")
        votes.at[place, "screen"] = repeat["screen"]
        votes.at[place, "created_utc"] = repeat["created_utc"]
    return votes.sort_values("created_utc", kind="stable")


def receipt(client_vote_id):
    """The number (48 bits) of a vote on a page. It tells neither how many votes there are nor whether it is a
    repeat."""
    return int(hashlib.sha256(str(client_vote_id).encode()).hexdigest()[:12], 16)
