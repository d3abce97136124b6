"""Casting votes and taking them back. All pages and routes use these functions.

Every function runs in any thread and knows nothing of Panel or Tornado.

An undo never deletes a row. If the judgement had replaced an earlier one, a new row repeats the earlier judgement and
supersedes the row that is undone; its `screen` names both rows (`undoes` and `restores`). If the judgement had replaced
nothing, its row is stamped as retracted. So repeated undo goes back step by step through all of the user's judgements.
A bulk vote is one step.
"""

import uuid

from triptych.app.judging import repeats
from triptych.app.judging.viewer import Viewer
from triptych.app.palette import REASON_LETTERS
from triptych.app.web.bodies import MOST_IN_A_BATCH
from triptych.pipeline.errors import BadInput, LabelError, choose
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.store.store import Vote

JUDGEMENTS = ("good", "bad", "unsure")
LONGEST_COMMENT = 2000
BATCH_KINDS = ("lasso", "cluster", "run")
LARGEST_BATCH = MOST_IN_A_BATCH
SHORTEST_LOOK = 0.3  # seconds


def build_votes(viewer: Viewer, expnum, judgement, *, blind, **more):
    """The Vote rows of one judgement: one row for the exposure, and one for each CCD ticked as bad.

    blind : whether it is made without knowing the others' votes, as `Viewer.told` says
    more : reasons, comment, screen (dict, what was on screen), ccdnames, client_vote_id, via
    Raises LabelError if the user cannot vote, and BadInput for an exposure or CCD that is not in the run.
    """
    expnum = int(expnum)
    may_vote(viewer)
    if expnum not in viewer.survey.exposures.index:
        raise BadInput(f"exposure {expnum} is not in this run")
    choose(judgement, JUDGEMENTS, "judgement")
    reasons = tuple(choose(reason, REASONS, "reason") for reason in more.get("reasons") or ())
    reasons = tuple(sorted(set(reasons), key=list(REASON_LETTERS).index)) if judgement != "good" else ()
    ccdnames = tuple(dict.fromkeys(more.get("ccdnames") or ())) if judgement == "bad" else ()
    for ccdname in ccdnames:
        if viewer.survey.image_of(expnum, ccdname) is None:
            raise BadInput(f"exposure {expnum} has no CCD {ccdname}")
    client_vote_id = str(more.get("client_vote_id") or uuid.uuid4().hex)
    common = {
        **thing_of(viewer.app, viewer.survey, expnum),
        "inspector": viewer.name,
        "judgement": judgement,
        "reasons": reasons,
        "via": more.get("via") or "single",
        "blind": blind,
        "screen": {"stage": viewer.survey.prediction_id, **(more.get("screen") or {}), "ccds_ticked": list(ccdnames)},
    }
    comment = str(more.get("comment") or "")[:LONGEST_COMMENT]
    votes = [Vote(comment=comment, client_vote_id=client_vote_id, **common)]
    votes += [Vote(ccdname=ccdname, client_vote_id=f"{client_vote_id}:{ccdname}", **common) for ccdname in ccdnames]
    return votes


def thing_of(app, survey, expnum):
    """What identifies an exposure of this run in a vote: {camera, expnum, plver}."""
    exposure = survey.exposures.loc[expnum]
    camera = str(exposure.get("camera") or app.catalog.camera)
    return {"camera": camera, "expnum": expnum, "plver": str(exposure.get("plver") or "")}


def may_vote(viewer: Viewer):
    """Raise LabelError for a user who cannot vote."""
    if not viewer.can_vote:
        raise LabelError(f"{viewer.name} is a {viewer.role} and cannot vote; a lead can change the role")


def cast(viewer: Viewer, expnum, judgement, **more):
    """Store one judgement, and return its Vote on the whole exposure as stored.

    A second vote with the same client_vote_id counts as the same vote. CCDs that the user's earlier judgement ticked
    and this one does not are taken back.
    """
    current = viewer.store.votes(expnum=int(expnum), current=True)
    blind = not viewer.told([expnum])
    votes = build_votes(viewer, expnum, judgement, blind=blind, **more)
    again = repeats.answer(viewer, votes)
    if again is not None:
        return again
    ticked = {vote.ccdname for vote in votes}
    own = current[current["inspector"] == viewer.name]
    own = own[~own["ccdname"].isin(ticked) & (own["via"] != "import") & (own["plver"] == votes[0].plver)]
    return viewer.store.cast_many(votes, take_back=own["vote_id"].tolist())[0]


def own_votes(viewer: Viewer, expnum=None):
    """Current votes of this user, oldest first. expnum : one exposure or several; None = all

    Returns a DataFrame with the columns of LabelStore.votes: vote_id, expnum, ccdname, judgement, reasons, ...
    """
    return viewer.store.votes(inspector=viewer.name, expnum=expnum, current=True).sort_values("vote_id")


# ---- one judgement of many exposures


def cast_batch(viewer: Viewer, expnums, judgement, *, batch_id, how, reasons=(), comment="", screen=None):
    """Store one judgement of several exposures as one step, via `bulk`. The same batch_id twice is one batch.

    how : a name of BATCH_KINDS

    A vote that the user gave one by one, or that was imported under their name, stays as it is. If `how` is "run" (a
    run in time), only exposures that the user looked at are judged: this server has sent their evidence, and
    `screen["looks"]` holds at least SHORTEST_LOOK seconds for them.
    Returns {batch_id, n, n_replaced, vote_ids (receipts), skipped: [{expnum, why}]}. n_replaced : number of earlier
    bulk votes that were superseded. Raises LabelError for a batch that is empty, too large, or bad without a reason.
    """
    may_vote(viewer)
    choose(how, BATCH_KINDS, "kind of bulk vote")
    batch_id = str(batch_id or "").strip()
    expnums = list(dict.fromkeys(int(expnum) for expnum in expnums))
    if not batch_id or not expnums:
        raise LabelError("a bulk vote needs a batch_id and at least one expnum")
    if len(expnums) > LARGEST_BATCH:
        raise LabelError(f"{len(expnums)} exposures are too many for one bulk vote; select at most {LARGEST_BATCH}")
    if judgement == "bad" and not reasons:
        raise LabelError("a bulk vote that says bad needs a reason; choose one")
    screen = {**(screen or {}), "batch": batch_id, "how": how, "n_batch": len(expnums)}
    looks = seconds_of(screen.pop("looks", None))
    current = viewer.store.votes(expnum=expnums, current=True)
    current = {int(expnum): rows for expnum, rows in current.groupby("expnum")}
    told = viewer.told(expnums)
    votes, skipped, kept = [], [], {}
    again = viewer.asked_again()
    for expnum in expnums:
        here = None if expnum in again else current.get(expnum)
        seconds = looks.get(expnum)
        why = why_not(viewer, expnum, here, seconds if how == "run" else None, looked=how != "run")
        if why:
            skipped.append({"expnum": expnum, "why": why})
            continue
        name = f"{batch_id}:{expnum}"
        if expnum in again:
            kept[expnum] = repeats.receipt(name)
            continue
        more = {"reasons": reasons, "comment": comment, "via": "bulk", "blind": expnum not in told}
        seen = screen if seconds is None else {**screen, "look_seconds": seconds}
        votes += build_votes(viewer, expnum, judgement, client_vote_id=name, screen=seen, **more)
    taken = {vote.expnum for vote in votes}
    replaced = [row for expnum in taken & set(current) for row in own_bulk(current[expnum], viewer.user, batch_id)]
    stored = viewer.store.cast_many(votes) if votes else []
    repeats.drop(viewer, kept)
    return {
        "batch_id": batch_id,
        "n": len(stored) + len(kept),
        "n_replaced": len(replaced),
        "vote_ids": [repeats.receipt(vote.client_vote_id) for vote in stored] + list(kept.values()),
        "skipped": skipped,
    }


def seconds_of(looks):
    """{expnum: seconds} that the user looked at each exposure, as the browser sent them. LabelError if malformed."""
    try:
        return {int(expnum): float(seconds) for expnum, seconds in (looks or {}).items()}
    except (AttributeError, TypeError, ValueError):
        raise LabelError('looks are seconds by expnum: {"900001": 1.5}') from None


def why_not(viewer: Viewer, expnum, votes, seconds, *, looked):
    """Why a bulk vote leaves an exposure out, as one line; '' if it does not.

    votes : current votes on the exposure, or None
    looked : True if the look need not be checked. seconds : how long the user looked
    """
    if expnum not in viewer.survey.exposures.index:
        return "not in this run"
    if votes is not None:
        plver = str(viewer.survey.exposures.loc[expnum].get("plver") or "")
        own = votes[(votes["inspector"] == viewer.name) & (votes["ccdname"] == "") & (votes["via"] != "bulk")]
        if own["plver"].isin([plver, ""]).any():
            return "you judged it by itself; that vote stays"
    if not looked and ((viewer.name, expnum) not in viewer.app.looks or (seconds or 0) < SHORTEST_LOOK):
        return "not looked at yet; open it first"
    return ""


def own_bulk(votes, user, batch_id):
    """vote_ids of this user's bulk votes among `votes` that belong to another batch."""
    own = votes[(votes["inspector"] == user.name) & (votes["ccdname"] == "") & (votes["via"] == "bulk")]
    return [int(i) for i, screen in zip(own["vote_id"], own["screen"], strict=True) if screen.get("batch") != batch_id]


def note_look(viewer: Viewer, expnum):
    """Note that this server has sent this user the evidence on an exposure."""
    viewer.app.looks.add((viewer.name, int(expnum)))


# ---- taking back


def undo(viewer: Viewer, expnum=None):
    """Take back this user's last judgement (of `expnum`, if given). Returns its expnum, or None if there is none."""
    taken = take_back(viewer, expnum=expnum)
    return taken["expnums"][-1] if taken else None


def take_back(viewer: Viewer, *, expnum=None, batch_id="", client_vote_id=""):
    """Undo one step with its CCD ticks: the last judgement, the last one of `expnum`, or a whole batch.

    client_vote_id : names the judgement of `expnum` to undo. If that judgement is no longer current, nothing happens,
    so that an undo sent twice counts once.
    Returns None if there is nothing to take back, or else {expnums, batch_id, restored}. expnums : the exposures whose
    vote was undone, newest last. restored : those of them that got an earlier vote back.
    """
    again = None if batch_id else repeats.take_back(viewer, expnum)
    if again is not None:
        return {"expnums": [again], "batch_id": "", "restored": []}
    if client_vote_id and expnum is not None and int(expnum) in viewer.asked_again():
        return None
    votes = own_votes(viewer, None if expnum is None else int(expnum))
    votes = votes[votes["via"] != "import"]
    whole = votes[votes["ccdname"] == ""]
    if batch_id:
        whole = whole[[screen.get("batch") == batch_id for screen in whole["screen"]]]
    if client_vote_id:
        whole = whole[whole["client_vote_id"] == client_vote_id]
    if whole.empty:
        return None
    steps = [act_of(row) for row in whole.to_dict("records")]
    whole = whole.iloc[sorted(range(len(steps)), key=steps.__getitem__)]
    last = whole.iloc[-1]
    batch = last["screen"].get("batch", "") if last["via"] == "bulk" else ""
    if batch and expnum is None and not client_vote_id:
        whole = whole[[screen.get("batch") == batch for screen in whole["screen"]]]
    else:
        whole = whole.iloc[[-1]]
    back, gone = [], []
    for row in whole.to_dict("records"):
        ticks = votes[(votes["expnum"] == row["expnum"]) & (votes["ccdname"] != "") & (votes["plver"] == row["plver"])]
        earlier = earlier_votes(viewer, row)
        again = {vote.ccdname for vote in earlier}
        back += earlier
        gone += [int(i) for i, name in zip(ticks["vote_id"], ticks["ccdname"], strict=True) if name not in again]
        gone += [] if earlier else [int(row["vote_id"])]
    if back:
        viewer.store.cast_many(back, take_back=gone)
    else:
        viewer.store.retract(gone, viewer.name)
    expnums = [int(number) for number in whole["expnum"]]
    return {"expnums": expnums, "batch_id": batch if len(whole) > 1 or batch_id else "", "restored": restored_of(back)}


def act_of(row):
    """vote_id of the judgement in a row. If an undo brought the judgement back, it is the vote_id of its first row."""
    return int(row["screen"].get("restores") or row["vote_id"])


def restored_of(votes):
    return list(dict.fromkeys(vote.expnum for vote in votes))


def earlier_votes(viewer: Viewer, row):
    """New Vote rows that repeat what the user said before the judgement in `row`. [] if they said nothing before."""
    record = viewer.store.votes(inspector=viewer.name, expnum=int(row["expnum"]), current=False)
    record = record[record["camera"] == row["camera"]]
    before = record[(record["superseded_by"] == act_of(row)) & (record["ccdname"] == "")]
    if before.empty:
        return []
    old = before.iloc[-1].to_dict()
    common = {name: old[name] for name in ("camera", "expnum", "plver", "judgement", "reasons", "via", "inspector")}
    common["blind"] = bool(old["blind"])
    given = old["screen"].get("given_utc") or old["created_utc"]
    common["screen"] = {**old["screen"], "restores": act_of(old), "undoes": int(row["vote_id"]), "given_utc": given}
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"undo of {row['client_vote_id']}").hex
    ticked = old["screen"].get("ccds_ticked") or ()
    votes = [Vote(comment=old["comment"], client_vote_id=name, **common)]
    return votes + [Vote(ccdname=ccdname, client_vote_id=f"{name}:{ccdname}", **common) for ccdname in ticked]
