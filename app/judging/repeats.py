"""Own earlier judgements that are asked for again without saying so.

While one waits in an inspector's queue it looks to them, in every answer of the server, like an exposure that they
never judged. What they say goes to the repeats of the label store and supersedes nothing; from then on their pages show
it as their last word. What waits is kept in the store, so that a restart forgets nothing.
"""

import hashlib
import uuid
from typing import Any

from triptych.app.judging.viewer import Viewer
from triptych.pipeline.store.store import Vote


def last_answers(viewer: Viewer):
    """vote_id -> the newest repeat of it (a dict), of one user."""
    return {row["vote_id"]: row for row in viewer.store.repeats(viewer.name).to_dict("records")}


def answer(viewer: Viewer, votes):
    """Store a judgement as a repeat where it is one: returns the Vote that it repeats, with the new words; else None.

    votes : rows of one judgement as app.judging.votes.build_votes makes them, the exposure's first
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
    """Ask no more for these, which a bulk vote took along: the vote given one by one stays, and nothing is told."""
    if expnums:
        viewer.store.hand_out(viewer.name, viewer.catalog.camera, {}, drop=expnums)


def take_back(viewer: Viewer, expnum=None):
    """Ask again for the user's newest repeat (of `expnum`, if given), where nothing was judged since; else None.

    The row stays on record; the newest repeat of a vote counts.
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
    """The user's own current votes as their pages show them: without those asked for again, repeats as last words.

    votes : DataFrame as LabelStore.votes gives it, of this user; returned oldest first
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
    """Number (48 bits) by which a page knows a vote: it tells neither how many there are nor whether it is a repeat."""
    return int(hashlib.sha256(str(client_vote_id).encode()).hexdigest()[:12], 16)
