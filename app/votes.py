"""One way for a vote to reach the store: the page's callbacks and the REST route both come through here.

Every function takes the shared AppContext first, runs in any thread and knows nothing of Panel or Tornado.
"""

import uuid

from app.palette import REASON_LETTERS
from pipeline.errors import BadInput, LabelError, choose
from pipeline.labels import Vote
from pipeline.reasons import REASONS

JUDGEMENTS = ("good", "bad", "unsure")
VOTERS = ("inspector", "lead")
LONGEST_COMMENT = 2000


def build_votes(app, survey, user, expnum, judgement, **more):
    """The Vote rows of one judgement: the exposure, and one row per CCD ticked as the bad one.

    survey : app.survey.Survey; the pipeline version comes from its exposures table
    user : pipeline.accounts.User
    more : reasons, comment, screen (dict, what was on screen), ccdnames, client_vote_id, via
    """
    expnum = int(expnum)
    if user.role not in VOTERS:
        raise LabelError(f"{user.name} is a {user.role} and cannot vote; a lead can change the role")
    if expnum not in survey.exposures.index:
        raise BadInput(f"exposure {expnum} is not in this run")
    choose(judgement, JUDGEMENTS, "judgement")
    reasons = tuple(choose(reason, REASONS, "reason") for reason in more.get("reasons") or ())
    reasons = tuple(sorted(set(reasons), key=list(REASON_LETTERS).index)) if judgement != "good" else ()
    ccdnames = tuple(dict.fromkeys(more.get("ccdnames") or ())) if judgement == "bad" else ()
    for ccdname in ccdnames:
        if survey.image_of(expnum, ccdname) is None:
            raise BadInput(f"exposure {expnum} has no CCD {ccdname}")
    exposure = survey.exposures.loc[expnum]
    client_vote_id = str(more.get("client_vote_id") or uuid.uuid4().hex)
    common = {
        "camera": str(exposure.get("camera") or app.catalog.camera),
        "expnum": expnum,
        "inspector": user.name,
        "judgement": judgement,
        "reasons": reasons,
        "plver": str(exposure.get("plver") or ""),
        "via": more.get("via") or "single",
        "blind": is_blind(app, user, expnum),
        "screen": {"stage": survey.prediction_id, **(more.get("screen") or {}), "ccds_ticked": list(ccdnames)},
    }
    comment = str(more.get("comment") or "")[:LONGEST_COMMENT]
    votes = [Vote(comment=comment, client_vote_id=client_vote_id, **common)]
    votes += [Vote(ccdname=ccdname, client_vote_id=f"{client_vote_id}:{ccdname}", **common) for ccdname in ccdnames]
    return votes


def is_blind(app, user, expnum):
    """Whether this user's next judgement is made without knowing the others' on this exposure.

    It is not where others have voted and their votes were shown to this user (they are after a vote of one's own), or
    may have been: a lead can look at everybody's.
    """
    votes = app.store.votes(expnum=expnum, current=True)
    if (votes["inspector"] == user.name).all():
        return True
    return user.role == "inspector" and user.name not in set(votes["inspector"]) and not app.has_seen(user, expnum)


def cast(app, survey, user, expnum, judgement, **more):
    """Store one judgement and return its exposure-level Vote as stored. The same client_vote_id twice is one vote.

    CCDs that an earlier judgement of the same exposure ticked and this one does not are taken back.
    """
    votes = build_votes(app, survey, user, expnum, judgement, **more)
    ticked = {vote.ccdname for vote in votes}
    own = own_votes(app, user, int(expnum))
    own = own[~own["ccdname"].isin(ticked) & (own["via"] != "import") & (own["plver"] == votes[0].plver)]
    return app.store.cast_many(votes, take_back=own["vote_id"].tolist())[0]


def own_votes(app, user, expnum=None):
    """Current votes of this user, oldest first.

    Returns a DataFrame with the columns of LabelStore.votes: vote_id, expnum, ccdname, judgement, reasons, ...
    """
    return app.store.votes(inspector=user.name, expnum=expnum, current=True).sort_values("vote_id")


def undo(app, user, expnum=None):
    """Take back this user's last judgement (of `expnum`, if given), CCD ticks and all.

    Returns the expnum, or None when there is nothing to take back.
    """
    votes = own_votes(app, user, None if expnum is None else int(expnum))
    votes = votes[votes["via"] != "import"]
    whole = votes[votes["ccdname"] == ""]
    if whole.empty:
        return None
    last = whole.iloc[-1]
    ticks = votes[(votes["expnum"] == last["expnum"]) & (votes["ccdname"] != "")]
    app.store.retract([int(vote_id) for vote_id in [*ticks["vote_id"], last["vote_id"]]], user.name)
    return int(last["expnum"])
