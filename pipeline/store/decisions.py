"""What leads decide: exposures that the votes do not decide, and judgements that do not count.

Like votes, decisions and annulments are never changed or deleted.
"""

import json
import uuid
from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from triptych.pipeline.errors import LabelError, choose
from triptych.pipeline.store import schema

DECISIONS = ("good", "bad")
ADJUDICATION_COLUMNS = {
    "adjudication_id": "int64",
    "camera": "str",
    "expnum": "int64",
    "plver": "str",
    "lead": "str",
    "judgement": "str",
    "reasons": "object",
    "comment": "str",
    "votes_seen": "object",
    "created_utc": "str",
    "superseded_by": "Int64",
    "retracted_utc": "object",
    "client_vote_id": "str",
}


class Adjudications:
    """Decisions and annulments of leads. A base class of `LabelStore`, which sets `engine`."""

    engine: sa.Engine

    def adjudicate(
        self,
        camera: str,
        expnum: int,
        lead: str,
        judgement: str,
        *,
        plver: str = "",
        reasons: Sequence[str] = (),
        comment: str = "",
        votes_seen: Sequence[int] = (),
        client_vote_id: str = "",
    ) -> int:
        """Store a decision and return its number. It replaces the current decision on the same exposure and version.

        When this returns, the decision is on disk. votes_seen : numbers of the votes that the lead saw.
        client_vote_id : the same id twice stores one decision only. LabelError if another decision has that id.
        """
        choose(judgement, DECISIONS, "decision")
        t = schema.adjudications
        client_vote_id = client_vote_id or uuid.uuid4().hex
        thing = (t.c.camera == camera, t.c.expnum == int(expnum), t.c.plver == plver)
        with schema.writing(self.engine) as connection:
            twin = connection.execute(sa.select(t).where(t.c.client_vote_id == client_vote_id)).first()
            if twin is not None:
                if (twin.camera, twin.expnum, twin.plver, twin.lead) != (camera, int(expnum), plver, lead):
                    raise LabelError(f"client_vote_id {client_vote_id!r} is taken by another decision; send a new one")
                return twin.adjudication_id
            number = schema.next_number(connection, t.c.adjudication_id)
            connection.execute(t.update().where(*thing, schema.is_decided).values(superseded_by=number))
            row = {
                "adjudication_id": number,
                "client_vote_id": client_vote_id,
                "camera": camera,
                "expnum": int(expnum),
                "plver": plver,
                "lead": lead,
                "judgement": judgement,
                "reasons": json.dumps(list(reasons) if judgement == "bad" else []),
                "comment": comment,
                "votes_seen": json.dumps([int(vote_id) for vote_id in votes_seen]),
                "created_utc": schema.now_utc(),
            }
            connection.execute(t.insert(), row)
            schema.bump_revision(connection)
        return number

    def annul(self, vote_id: int, lead: str, why: str) -> int:
        """Note that one current judgement does not count, with the reason; return its expnum. Twice is no error.

        vote_id : the vote on the whole exposure, or on one CCD. The votes on CCDs that were ticked with it go as well.
        The vote stays on record, and its inspector can vote again. LabelError if the vote does not count anyway.
        """
        if not why.strip():
            raise LabelError(f"say why vote {vote_id} does not count: an annulment is kept with its reason")
        votes, t = schema.votes, schema.annulments
        with schema.writing(self.engine) as connection:
            vote = connection.execute(sa.select(votes).where(votes.c.vote_id == int(vote_id))).first()
            if vote is None:
                raise LabelError(f"there is no vote {vote_id}")
            if connection.execute(sa.select(t.c.vote_id).where(t.c.vote_id == vote.vote_id)).first() is not None:
                return vote.expnum
            if vote.superseded_by is not None or vote.retracted_utc is not None:
                gone = "taken back" if vote.retracted_utc else f"replaced by vote {vote.superseded_by}"
                raise LabelError(f"vote {vote_id} was {gone}, and does not count")
            row = {"annulment_id": schema.next_number(connection, t.c.annulment_id), "vote_id": vote.vote_id}
            now = schema.now_utc()
            connection.execute(t.insert(), row | {"lead": lead, "why": why.strip(), "created_utc": now})
            names = ("camera", "expnum", "plver", "inspector")
            same = [schema.is_current, *(votes.c[name] == getattr(vote, name) for name in names)]
            if vote.ccdname:
                same.append(votes.c.vote_id == vote.vote_id)
            connection.execute(votes.update().where(*same).values(retracted_utc=now))
            schema.bump_revision(connection)
        return vote.expnum

    def annulments(self, expnum: int | None = None) -> pd.DataFrame:
        """Judgements that a lead annulled: vote_id, lead, why, created_utc.

        expnum : only those on this exposure; None = all.
        """
        t, votes = schema.annulments, schema.votes
        columns = (t.c.vote_id, t.c.lead, t.c.why, t.c.created_utc)
        query = sa.select(*columns).join(votes, votes.c.vote_id == t.c.vote_id).order_by(t.c.annulment_id)
        if expnum is not None:
            query = query.where(votes.c.expnum == int(expnum))
        with schema.reading(self.engine) as connection:
            return schema.frame_of(connection.execute(query).all(), ["vote_id", "lead", "why", "created_utc"])

    def retract_adjudication(self, adjudication_id: int, lead: str) -> None:
        """Retract a current decision of any lead. It stays on record. To retract it twice is no error."""
        t = schema.adjudications
        this_decision = t.c.adjudication_id == int(adjudication_id)
        with schema.writing(self.engine) as connection:
            row = connection.execute(sa.select(t).where(this_decision)).first()
            if row is None:
                raise LabelError(f"there is no decision {adjudication_id}")
            if row.superseded_by is not None:
                raise LabelError(
                    f"decision {adjudication_id} was replaced by {row.superseded_by}; retract that one instead"
                )
            stamp = t.update().where(this_decision, t.c.retracted_utc.is_(None))
            if connection.execute(stamp.values(retracted_utc=schema.now_utc())).rowcount:
                schema.bump_revision(connection)

    def adjudications(self, current: bool = True) -> pd.DataFrame:
        """Decisions in the order they were made: ADJUDICATION_COLUMNS. `reasons` and `votes_seen` are tuples.

        With `current`, only those that are neither superseded nor retracted.
        """
        t = schema.adjudications
        query = sa.select(*(t.c[name] for name in ADJUDICATION_COLUMNS)).order_by(t.c.adjudication_id)
        if current:
            query = query.where(schema.is_decided)
        with schema.reading(self.engine) as connection:
            frame = schema.frame_of(connection.execute(query).all(), list(ADJUDICATION_COLUMNS))
        for name in ("reasons", "votes_seen"):
            frame[name] = pd.Series([tuple(json.loads(text)) for text in frame[name]], dtype=object)
        return frame.astype(ADJUDICATION_COLUMNS)
