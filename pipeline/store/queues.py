"""What the store keeps about queues: leases, repeated judgements, known answers and control exposures.

A repeat is not a vote: it shows how consistent an inspector is. Like a vote, it is never deleted or changed. If a vote
was repeated twice (the inspector took the answer back and gave another), the newest row counts.
"""

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa

from triptych.pipeline.errors import LabelError, choose
from triptych.pipeline.store import schema
from triptych.pipeline.store.screens import read_screens

LEASE_SECONDS = 120.0
DRAW_KINDS = ("known", "control")
REPEAT_COLUMNS = ["repeat_id", "vote_id", "inspector", "judgement", "reasons", "screen", "created_utc"]
DRAW_COLUMNS = ["draw_id", "camera", "expnum", "kind", "judgement", "reasons", "created_by", "created_utc"]
BALLOT_COLUMNS = ["vote_id", "expnum", "plver", "inspector", "judgement", "via", "blind", "created_utc", "screen"]


class Answer(NamedTuple):
    """A vote or a lead's decision, as far as it matters for who could see it when.

    by : who gave it. ended_utc : when it was replaced or taken back, '' = it stands
    """

    expnum: int
    by: str
    created_utc: str
    ended_utc: str


class QueueStore:
    """Leases, repeats and draws. A base class of `LabelStore`, which sets `engine`."""

    engine: sa.Engine

    # ---- who looks at what

    def lease(self, inspector: str, camera: str, expnum: int, seconds: float = LEASE_SECONDS) -> None:
        """Note that this inspector looks at this exposure for the next `seconds`, at most LEASE_SECONDS.

        Any earlier lease of theirs ends.
        """
        t, now = schema.leases, time.time()
        own = sa.and_(t.c.camera == camera, t.c.inspector == inspector)
        until = now + min(float(seconds), LEASE_SECONDS)
        row = {"camera": camera, "expnum": int(expnum), "inspector": inspector, "until": until}
        with schema.writing(self.engine) as connection:
            connection.execute(t.delete().where(sa.or_(own, sa.not_(_runs(now)))))
            connection.execute(t.insert(), row)

    def leases(self, camera: str | None = None) -> pd.DataFrame:
        """Leases that have not run out: camera, expnum, inspector, until (seconds since 1970)."""
        t = schema.leases
        query = sa.select(t).where(_runs(time.time())).order_by(t.c.camera, t.c.expnum, t.c.inspector)
        if camera is not None:
            query = query.where(t.c.camera == camera)
        with schema.reading(self.engine) as connection:
            return schema.frame_of(connection.execute(query).all(), t.c.keys()).astype({"expnum": "int64"})

    def release(self, inspector: str, camera: str, expnum: int | None = None) -> None:
        """Note that this inspector no longer looks at this exposure (None = at any). Twice is no error."""
        c = schema.leases.c
        conditions = [c.inspector == inspector, c.camera == camera]
        if expnum is not None:
            conditions.append(c.expnum == int(expnum))
        with schema.writing(self.engine) as connection:
            connection.execute(schema.leases.delete().where(*conditions))

    # ---- judgements asked for again

    def repeat(
        self,
        vote_id: int,
        inspector: str,
        judgement: str,
        reasons: Sequence[str] = (),
        screen: dict | None = None,
        client_vote_id: str = "",
    ) -> int:
        """Store an inspector's second judgement of what their own vote `vote_id` is about; return its number.

        It is not a vote and supersedes none. client_vote_id : the same id twice stores one repeat only. LabelError if
        the vote is not theirs, or if another repeat has that id.
        """
        choose(judgement, ("good", "bad", "unsure"), "judgement")
        t, client_vote_id = schema.repeats, client_vote_id or uuid.uuid4().hex
        with schema.writing(self.engine) as connection:
            twin = connection.execute(sa.select(t).where(t.c.client_vote_id == client_vote_id)).first()
            if twin is not None:
                if (twin.vote_id, twin.inspector) != (int(vote_id), inspector):
                    raise LabelError(f"client_vote_id {client_vote_id!r} is taken by another repeat; send a new one")
                return twin.repeat_id
            voter = sa.select(schema.votes.c.inspector).where(schema.votes.c.vote_id == int(vote_id))
            if connection.execute(voter).scalar() != inspector:
                raise LabelError(f"{inspector} has no vote {vote_id}; an inspector can repeat only their own votes")
            row = {
                "repeat_id": schema.next_number(connection, t.c.repeat_id),
                "client_vote_id": client_vote_id,
                "vote_id": int(vote_id),
                "inspector": inspector,
                "judgement": judgement,
                "reasons": json.dumps(list(reasons) if judgement != "good" else []),
                "screen": json.dumps(screen or {}, sort_keys=True),
                "created_utc": schema.now_utc(),
            }
            connection.execute(t.insert(), row)
            schema.bump_revision(connection)
        return row["repeat_id"]

    def repeats(self, inspector: str | None = None, current: bool = True) -> pd.DataFrame:
        """Repeats in the order they were given: REPEAT_COLUMNS. `reasons` is a tuple, `screen` a dict.

        With `current`, only the newest repeat of each vote; else all.
        """
        t = schema.repeats
        query = sa.select(*(t.c[name] for name in REPEAT_COLUMNS)).order_by(t.c.repeat_id)
        if inspector is not None:
            query = query.where(t.c.inspector == inspector)
        with schema.reading(self.engine) as connection:
            frame = schema.frame_of(connection.execute(query).all(), REPEAT_COLUMNS)
        frame["reasons"] = pd.Series([tuple(json.loads(text)) for text in frame["reasons"]], dtype=object)
        frame["screen"] = pd.Series(read_screens(frame["screen"]), dtype=object)
        frame = frame.astype({"repeat_id": "int64", "vote_id": "int64"})
        return frame.drop_duplicates("vote_id", keep="last").reset_index(drop=True) if current else frame

    def repeated_vote(self, client_vote_id: str) -> int | None:
        """Number of the vote that this repeat belongs to; None if there is no repeat with this client_vote_id."""
        t = schema.repeats
        with schema.reading(self.engine) as connection:
            return connection.execute(sa.select(t.c.vote_id).where(t.c.client_vote_id == client_vote_id)).scalar()

    def handed_out(self, inspector: str, camera: str) -> dict[int, int]:
        """Repeats that wait in this inspector's queue: expnum -> number of the vote to repeat."""
        with schema.reading(self.engine) as connection:
            return _handed_out(connection, inspector, camera)

    def hand_out(self, inspector: str, camera: str, add: dict[int, int], drop: Iterable[int] = ()) -> dict[int, int]:
        """Add repeats (expnum -> vote_id) to this inspector's queue and remove others (expnums).

        Returns the repeats that are in the queue afterwards.
        """
        t, name = schema.settings, _HANDED_OUT + camera
        this_setting = (t.c.owner == inspector, t.c.name == name)
        with schema.writing(self.engine) as connection:
            before = _handed_out(connection, inspector, camera)
            gone = {int(expnum) for expnum in drop}
            after = {expnum: vote_id for expnum, vote_id in (before | add).items() if expnum not in gone}
            if after != before:
                value = json.dumps({str(expnum): int(vote_id) for expnum, vote_id in after.items()})
                if not connection.execute(t.update().where(*this_setting).values(value=value)).rowcount:
                    connection.execute(t.insert(), {"owner": inspector, "name": name, "value": value})
        return after

    # ---- exposures that are mixed in

    def draw(self, camera: str, kind: str, rows: Iterable[dict], created_by: str = "") -> int:
        """Mark exposures as known answers (`known`) or as the random control (`control`); return how many are new.

        rows : dicts with `expnum` and, for a known answer, `judgement` and `reasons`.
        """
        choose(kind, DRAW_KINDS, "kind of draw")
        t, rows = schema.draws, list(rows)
        with schema.writing(self.engine) as connection:
            mine = sa.select(t.c.expnum).where(t.c.camera == camera, t.c.kind == kind)
            known = set(connection.execute(mine).scalars())
            number, now, new = schema.next_number(connection, t.c.draw_id), schema.now_utc(), {}
            for row in rows:
                expnum, judgement = int(row["expnum"]), str(row.get("judgement") or "")
                if kind == "known":
                    choose(judgement, ("good", "bad"), "known answer")
                if expnum in known or expnum in new:
                    continue
                new[expnum] = {
                    "draw_id": number + len(new),
                    "camera": camera,
                    "expnum": expnum,
                    "kind": kind,
                    "judgement": judgement if kind == "known" else "",
                    "reasons": json.dumps(list(row.get("reasons") or ()) if judgement == "bad" else []),
                    "created_by": created_by,
                    "created_utc": now,
                }
            if new:
                connection.execute(t.insert(), list(new.values()))
                if kind == "known":  # pages and colours may show less of an exposure with a known answer
                    schema.bump_revision(connection)
        return len(new)

    def draws(self, camera: str | None = None, kind: str | None = None) -> pd.DataFrame:
        """Drawn exposures in the order they were drawn: DRAW_COLUMNS. `reasons` is a tuple."""
        t = schema.draws
        query = sa.select(*(t.c[name] for name in DRAW_COLUMNS)).order_by(t.c.draw_id)
        for column, value in ((t.c.camera, camera), (t.c.kind, kind)):
            query = query if value is None else query.where(column == value)
        with schema.reading(self.engine) as connection:
            frame = schema.frame_of(connection.execute(query).all(), DRAW_COLUMNS)
        frame["reasons"] = pd.Series([tuple(json.loads(text)) for text in frame["reasons"]], dtype=object)
        return frame.astype({"draw_id": "int64", "expnum": "int64"})

    # ---- how far the voting is

    def ballots(self, camera: str, inspector: str | None = None, seconds: bool = False) -> pd.DataFrame:
        """Current votes on whole exposures in the order they were cast: BALLOT_COLUMNS without `screen`.

        seconds : adds a column `seconds`, the time on the exposure as `screen` records it (float, NaN if it does not).
        """
        t = schema.votes
        names = BALLOT_COLUMNS if seconds else BALLOT_COLUMNS[:-1]
        query = sa.select(*(t.c[name] for name in names)).where(schema.is_current)
        query = query.where(t.c.camera == camera, t.c.ccdname == "").order_by(t.c.vote_id)
        if inspector is not None:
            query = query.where(t.c.inspector == inspector)
        with schema.reading(self.engine) as connection:
            frame = schema.frame_of(connection.execute(query).all(), names)
        if seconds:
            found = [screen.get("seconds") for screen in read_screens(frame.pop("screen"))]
            frame["seconds"] = pd.to_numeric(pd.Series(found, dtype=object), errors="coerce").astype(float)
        return frame.astype({"vote_id": "int64", "expnum": "int64", "blind": "bool"})

    def voters(self, expnums: Sequence[int] | None = None) -> pd.DataFrame:
        """Who has a current vote on what: expnum, ccdname, inspector. expnums : only on these, None = on all."""
        t = schema.votes
        query = sa.select(t.c.expnum, t.c.ccdname, t.c.inspector).where(schema.is_current).order_by(t.c.vote_id)
        if expnums is not None:
            query = query.where(t.c.expnum.in_([int(expnum) for expnum in expnums]))
        with schema.reading(self.engine) as connection:
            frame = schema.frame_of(connection.execute(query).all(), ["expnum", "ccdname", "inspector"])
        return frame.astype({"expnum": "int64"})

    def answers(self, expnums: Sequence[int]) -> list["Answer"]:
        """Every vote and decision that was ever given on these exposures."""
        found = []
        with schema.reading(self.engine) as connection:
            for table, number, by in (
                (schema.votes, "vote_id", "inspector"),
                (schema.adjudications, "adjudication_id", "lead"),
            ):
                after = table.alias()
                ended = sa.func.coalesce(after.c.created_utc, table.c.retracted_utc, "")
                joined = table.outerjoin(after, after.c[number] == table.c.superseded_by)
                query = sa.select(table.c.expnum, table.c[by], table.c.created_utc, ended).select_from(joined)
                for chunk in schema.chunks(int(expnum) for expnum in expnums):
                    found += [Answer(*row) for row in connection.execute(query.where(table.c.expnum.in_(chunk)))]
        return found

    def answers_given(self, inspector: str) -> int:
        """How many judgements of whole exposures this inspector has given, with retracted ones and repeats."""
        votes, repeats = schema.votes.c, schema.repeats.c
        cast = sa.select(sa.func.count()).where(
            votes.inspector == inspector, votes.ccdname == "", votes.via == "single"
        )
        again = sa.select(sa.func.count()).where(repeats.inspector == inspector)
        with schema.reading(self.engine) as connection:
            return int(connection.execute(cast).scalar_one() + connection.execute(again).scalar_one())


def _runs(now: float) -> sa.ColumnElement[bool]:
    """SQL condition: leases that have not run out. More than the whole time left means that the clock was put back."""
    until = schema.leases.c.until
    return sa.and_(until > now, until <= now + LEASE_SECONDS)


_HANDED_OUT = "queue repeats "  # name of the setting of an account, followed by the camera


def _handed_out(connection: sa.Connection, inspector: str, camera: str) -> dict[int, int]:
    c = schema.settings.c
    query = sa.select(c.value).where(c.owner == inspector, c.name == _HANDED_OUT + camera)
    text = connection.execute(query).scalar()
    return {int(expnum): int(vote_id) for expnum, vote_id in json.loads(text).items()} if text else {}
