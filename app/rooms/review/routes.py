"""Routes of the Review room: the queue, the evidence on one exposure, votes, undo.

Votes use these routes and not the page's websocket. So the browser can keep a vote and send it again after a lost
connection or a restart. Its client_vote_id makes sure that it counts once.
"""

from triptych.app import palette
from triptych.app.judging import evidence, queue, repeats, votes
from triptych.app.judging.contact_sheet import vocabulary
from triptych.app.judging.facts import facts_of, facts_of_all
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.web.bodies import MOST_BATCH_BYTES, BatchBody, UndoBody, VoteBody
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.export.explain import plain

VOTES_SHOWN = 200
SENT = 2000  # most exposures of a queue that a page gets; it asks for the order again every few votes


def queue_answer(viewer: Viewer) -> dict:
    """Everything that Review needs to start: the queue in order, own votes, vocabulary and colours.

    items : the next SENT exposures that wait, and some judged ones. n_left : how many wait in all; total : with judged
    """
    waits = queue.queue_for(viewer)
    own = repeats.as_shown(viewer, votes.own_votes(viewer))
    elsewhere = ~own["expnum"].isin(viewer.survey.exposures.index).to_numpy()
    own = own[elsewhere | viewer.survey.in_this_version(own)]  # without votes on old versions of exposures of the run
    own = in_order_of_giving(own[(own["ccdname"] == "") & (own["via"] != "import")])
    items = [facts | {"voted": False} for facts in facts_of_all(viewer.survey, waits.expnums[:SENT])]
    items += [facts | {"voted": True} for facts in facts_of_all(viewer.survey, waits.voted[:VOTES_SHOWN])]
    return {
        "can_vote": viewer.can_vote,
        "total": len(waits.expnums) + len(waits.voted),
        "n_left": len(waits.expnums),
        "items": items,
        "votes": [vote_answer(row) for row in own.iloc[::-1].head(VOTES_SHOWN).to_dict("records")],
        "n_votes": len(own),
        "n_unsure": int((own["judgement"] == "unsure").sum()),
        "colours": palette.REASON_COLOURS,
        "reasons": vocabulary(),
    }


def in_order_of_giving(own):
    """Own votes in the order in which they were given. A vote that an undo brought back has its first time."""
    given = [screen.get("given_utc") or utc for screen, utc in zip(own["screen"], own["created_utc"], strict=True)]
    return own.iloc[sorted(range(len(given)), key=given.__getitem__)]


def vote_answer(row: dict) -> dict:
    """One own vote, for the list of the user's last votes."""
    screen = row.get("screen") or {}
    return plain(
        {
            "vote_id": repeats.receipt(row["client_vote_id"]),
            "client_vote_id": row["client_vote_id"],
            "batch_id": screen.get("batch", "") if row["via"] == "bulk" else "",
            "expnum": int(row["expnum"]),
            "judgement": row["judgement"],
            "reasons": list(row["reasons"]),
            "comment": row["comment"],
            "seconds": screen.get("seconds"),
        }
    )


def exposure_answer(viewer: Viewer, expnum: int, *, assisted: bool) -> dict:
    """What this user may know about one exposure now; that they have looked at it is noted."""
    if expnum not in viewer.survey.exposures.index:
        raise TriptychError(f"exposure {expnum} is not in this run")
    found = evidence.evidence_of(viewer, expnum, assisted=assisted)
    votes.note_look(viewer, expnum)
    return found | {"facts": facts_of(viewer.survey, expnum)}


def cast_one(viewer: Viewer, body: VoteBody) -> dict:
    """Store one judgement, and say under which number: {vote_id, expnum, replaced}. The same client_vote_id may come
    twice.

    replaced : what this user's pages showed as their vote on it until now, as `vote_answer` gives it, or None
    """
    more = body.given("reasons", "comment", "ccdnames", "client_vote_id", "screen")
    more["screen"] = {**more.get("screen", {}), "queue": queue.place_of(viewer, body.expnum)}
    before = shown_vote(viewer, body.expnum)
    vote = votes.cast(viewer, body.expnum, body.judgement, **more)
    replaced = before if before and before["client_vote_id"] != vote.client_vote_id else None
    return {"vote_id": repeats.receipt(vote.client_vote_id), "expnum": body.expnum, "replaced": replaced}


def shown_vote(viewer: Viewer, expnum: int) -> dict | None:
    """This user's vote on an exposure as their pages show it, as `vote_answer` gives it. None if they show none."""
    own = repeats.as_shown(viewer, votes.own_votes(viewer, expnum))
    own = own[viewer.survey.in_this_version(own) & (own["ccdname"] == "").to_numpy()]
    return vote_answer(own.iloc[-1].to_dict()) if len(own) else None


class QueueHandler(ViewerApi):
    """GET: the user's queue."""

    async def get(self):
        await self.answer(lambda: queue_answer(self.viewer))


class ExposureHandler(ViewerApi):
    """GET: what this user may know about one exposure now."""

    async def get(self, expnum):
        assisted = self.assisted
        await self.answer(lambda: exposure_answer(self.viewer, int(expnum), assisted=assisted))


class VoteHandler(ViewerApi):
    """POST: one judgement. The answer comes when it is on disk."""

    async def post(self):
        body = self.body(VoteBody)
        await self.answer(lambda: cast_one(self.viewer, body))


class BatchHandler(ViewerApi):
    """POST {expnums, judgement, reasons, comment, batch_id, how, screen}: one judgement of several exposures."""

    async def post(self):
        await self.answer(self.cast, self.body(BatchBody, most=MOST_BATCH_BYTES))

    def cast(self, body):
        more = body.given("reasons", "comment", "screen")
        named = {"batch_id": body.batch_id, "how": body.how}
        return votes.cast_batch(self.viewer, body.expnums, body.judgement, **named, **more)


class UndoHandler(ViewerApi):
    """POST: take back a judgement.

    {} : the user's last step; {expnum} : the last judgement of that exposure; {batch_id} : a bulk vote
    {expnum, undoes: client_vote_id} : exactly that judgement, so that the request may be sent twice
    Answers {expnum, expnums, batch_id, restored, votes}. votes : the earlier votes that count again
    """

    async def post(self):
        await self.answer(self.take_back, self.body(UndoBody))

    def take_back(self, body):
        named = {"expnum": body.expnum, "batch_id": body.batch_id or ""}
        taken = votes.take_back(self.viewer, **named, client_vote_id=body.undoes or "")
        if taken is None:
            return {"expnum": None, "expnums": [], "batch_id": named["batch_id"], "restored": [], "votes": []}
        back = [votes.own_votes(self.viewer, expnum) for expnum in taken["restored"]]
        back = [vote_answer(row) for own in back for row in own[own["ccdname"] == ""].to_dict("records")]
        return taken | {"expnum": taken["expnums"][-1], "votes": back}


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [
        (r"/api/queue", QueueHandler, arguments),
        (r"/api/exposure/([0-9]{1,15})", ExposureHandler, arguments),
        (r"/api/vote", VoteHandler, arguments),
        (r"/api/votes", BatchHandler, arguments),
        (r"/api/undo", UndoHandler, arguments),
    ]
