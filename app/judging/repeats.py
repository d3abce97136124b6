"""Own earlier judgements that are asked for again without saying so.

While one waits in an inspector's queue it looks to him, in every answer of the server, like an exposure that he never
judged. What he says goes to the repeats of the label store and supersedes nothing; from then on his pages show it as
his last word. What waits is kept in the store, so that a restart forgets nothing.
"""

import hashlib
import uuid

from triptych.pipeline.store.store import Vote


def waiting(app, user):
    """expnum -> vote_id of the judgements that this user is being asked for again."""
    return app.store.handed_out(user.name, app.catalog.camera)


def is_waiting(app, user, expnum):
    return int(expnum) in waiting(app, user)


def last_answers(app, user):
    """vote_id -> the newest repeat of it (a dict), of one user."""
    return {row["vote_id"]: row for row in app.store.repeats(user.name).to_dict("records")}


def answer(app, user, votes):
    """Store a judgement as a repeat where it is one: returns the Vote that it repeats, with the new words; else None.

    votes : rows of one judgement as app.judging.votes.build_votes makes them, the exposure's first
    """
    vote = votes[0]
    vote_id = app.store.repeated_vote(vote.client_vote_id)
    if vote_id is None:
        vote_id = waiting(app, user).get(vote.expnum)
        if vote_id is None or vote.via != "single":
            return None
    screen = {**vote.screen, "comment": vote.comment}
    app.store.repeat(vote_id, user.name, vote.judgement, vote.reasons, screen, vote.client_vote_id or uuid.uuid4().hex)
    app.store.hand_out(user.name, app.catalog.camera, {}, drop=[vote.expnum])
    return Vote(**{name: getattr(vote, name) for name in Vote.__dataclass_fields__} | {"vote_id": vote_id})


def drop(app, user, expnums):
    """Ask no more for these, which a bulk vote took along: the vote given one by one stays, and nothing is told."""
    if expnums:
        app.store.hand_out(user.name, app.catalog.camera, {}, drop=expnums)


def take_back(app, user, expnum=None):
    """Ask again for the user's newest repeat (of `expnum`, if given), where nothing was judged since; else None.

    The row stays on record; the newest repeat of a vote counts.
    """
    repeats = app.store.repeats(user.name)
    if repeats.empty:
        return None
    ballots = app.store.ballots(app.catalog.camera, user.name)
    repeated = repeats.merge(ballots[["vote_id", "expnum"]], on="vote_id")
    repeated = repeated[~repeated["expnum"].isin(waiting(app, user))]
    if expnum is not None:
        repeated = repeated[repeated["expnum"] == int(expnum)]
        ballots = ballots[ballots["expnum"] == int(expnum)]
    if repeated.empty:
        return None
    last = repeated.iloc[-1]
    if len(ballots) and ballots["created_utc"].max() > last["created_utc"]:
        return None
    app.store.hand_out(user.name, app.catalog.camera, {int(last["expnum"]): int(last["vote_id"])})
    return int(last["expnum"])


def as_shown(app, user, votes):
    """The user's own current votes as his pages show them: without those asked for again, repeats as last words.

    votes : DataFrame as LabelStore.votes gives it, of this user; returned oldest first
    """
    hidden = waiting(app, user)
    votes = votes[~votes["expnum"].isin(hidden)].copy()
    again = last_answers(app, user)
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
