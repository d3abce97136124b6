"""Routes of the Adjudicate room: the exposures that votes do not decide, the votes on one, a decision. For leads only.

A lead who opens an exposure here sees the others' votes on it. This is noted, so that a later vote of theirs on it is
not blind.
"""

import numpy as np
import pandas as pd

from triptych.app import palette
from triptych.app.judging.evidence import labelled_neighbours, model_opinion
from triptych.app.judging.facts import facts_of
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.web.bodies import DecisionBody, RetractBody
from triptych.pipeline.errors import BadInput, LabelError, choose
from triptych.pipeline.export.explain import plain
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.votes import verdicts
from triptych.pipeline.votes.adjudication_queue import STATES, WAITING, undecided
from triptych.pipeline.votes.sorted_votes import opinions as opinions_of
from triptych.pipeline.votes.versions import by_version

ON_SCREEN = ("seconds", "model_shown", "score", "stretch", "scale_mode", "invert", "zoom", "ccds_opened", "answer")
# Frequent reasons for a decision. They are sent with the queue, so that a lead can choose one with one key.
PHRASES = {
    "good": (
        "harmless: nothing that a catalogue would keep",
        "normal for this band, sky or field",
        "confined to few CCDs, which the pipeline masks",
        "not confirmed in another stretch or at full resolution",
    ),
    "bad": (
        "plain, and over most of the focal plane",
        "faint but real: seen in the sky map and in its neighbours",
        "fits the written rule of the reason",
        "the catalogue would be spoiled in these CCDs",
    ),
}


def queue_answer(viewer: Viewer) -> dict:
    """Everything that the room needs to start.

    Returns {panel, states: [{name, rule, waiting}], phrases, colours, reasons, items, decisions}.
    An item : expnum, camera, states, counts of votes, p_bad, verdict, inspectors, reasons, last_vote_utc, score, band,
    night, in_run, own (whether this lead voted)
    decisions : current ones, newest first, as `decision_answer` gives them, each with `known_of`
    """
    (votes, _old), (decisions, _) = by_version(viewer.catalog, viewer.app.record.votes(), viewer.store.adjudications())
    table = undecided(votes, viewer.catalog.panel)
    decided = set(verdicts.decisions_on(votes, decisions))
    own = set(votes.loc[votes["inspector"] == viewer.name, "expnum"])
    waits = [row for row in table.to_dict("records") if (row["camera"], int(row["expnum"])) not in decided]
    known = known_of(viewer.survey, [row["expnum"] for row in waits])
    items = [plain(row) | more | {"own": row["expnum"] in own} for row, more in zip(waits, known, strict=True)]
    rows = decisions.iloc[::-1].to_dict("records")
    known = known_of(viewer.survey, [row["expnum"] for row in rows])
    made = [decision_answer(row) | more for row, more in zip(rows, known, strict=True)]
    return {
        "panel": viewer.catalog.panel,
        "states": [{"name": name, "rule": rule, "waiting": name in WAITING} for name, rule in STATES.items()],
        "phrases": PHRASES,
        "colours": palette.REASON_COLOURS,
        "reasons": reason_list(),
        "items": items,
        "decisions": made,
    }


def reason_list() -> list[dict]:
    """All reasons with their keys, labels, rules and colours."""
    return [
        {"name": one.name, "key": one.key, "label": one.label, "rule": one.rule}
        | {"colour": palette.REASON_COLOURS[one.name]}
        for one in REASONS.values()
    ]


def known_of(survey, expnums) -> list[dict]:
    """{in_run, band, night, score} of each exposure, from the run's tables. score : the model's bad_probability"""
    wanted = pd.Index(np.asarray(expnums, np.int64))
    rows = survey.exposures[["band", "night"]].reindex(wanted)
    scored = survey.scored[~survey.scored.index.duplicated()]
    scores = scored["bad_probability"].reindex(wanted).astype(float).round(4)
    return [
        plain({"in_run": True, "band": band, "night": int(night), "score": None if np.isnan(score) else score})
        if here
        else {"in_run": False, "band": "", "night": -1, "score": None}
        for here, band, night, score in zip(
            wanted.isin(survey.exposures.index),
            rows["band"].to_numpy(object),
            rows["night"].fillna(-1).to_numpy(),
            scores.to_numpy(),
            strict=True,
        )
    ]


def decision_answer(row: dict) -> dict:
    """One decision, as plain values."""
    wanted = (
        "adjudication_id",
        "client_vote_id",
        "camera",
        "expnum",
        "plver",
        "lead",
        "judgement",
        "reasons",
        "comment",
    )
    return plain({name: row[name] for name in (*wanted, "votes_seen", "created_utc")})


def exposure_answer(viewer: Viewer, expnum: int) -> dict:
    """The votes on one exposure side by side, the model's opinion, and earlier decisions.

    Returns {expnum, camera, facts, votes, old, verdicts, decisions, model, neighbours, own}.
    votes : see `vote_answers`; old : votes on another pipeline version, which do not count
    verdicts : {policy: verdict of the votes}, without the policy `posterior`
    decisions : all that were ever made on it, newest first, with superseded_by and retracted_utc
    own : whether this lead has voted on it
    Raises BadInput if nobody voted on the exposure and it is not in the run.
    """
    record = viewer.store.votes(expnum=expnum, current=False)
    in_force = record[record["superseded_by"].isna() & record["retracted_utc"].isna()]
    (current, _old), _ = by_version(viewer.catalog, in_force)
    old = in_force[~in_force["vote_id"].isin(current["vote_id"])]
    if current.empty and expnum not in viewer.survey.exposures.index:
        raise BadInput(f"nobody voted on exposure {expnum}, and it is not in this run")
    if (in_force["inspector"] != viewer.name).any():
        viewer.note_seen([expnum])
    made = viewer.store.adjudications(current=False)
    made = made[made["expnum"] == expnum].iloc[::-1]
    in_run = expnum in viewer.survey.exposures.index
    # `posterior` needs the votes on all exposures; the queue shows it.
    by_count = [name for name in verdicts.POLICIES if name != "posterior"]
    counted = {name: verdicts.verdicts(current, name, viewer.catalog.panel).verdict for name in by_count}
    return {
        "expnum": expnum,
        "camera": thing_of(viewer, expnum)[0],
        "facts": facts_of(viewer.survey, expnum) if in_run else {"expnum": expnum},
        "votes": vote_answers(current, record[~record["vote_id"].isin(old["vote_id"])]),
        "old": vote_answers(old, old),
        "verdicts": {name: str(verdict.iloc[0]) for name, verdict in counted.items() if len(verdict)},
        "decisions": [
            decision_answer(row) | plain({"superseded_by": row["superseded_by"], "retracted_utc": row["retracted_utc"]})
            for row in made.to_dict("records")
        ],
        "model": model_opinion(viewer.survey, expnum) if in_run else None,
        "neighbours": labelled_neighbours(viewer, expnum) if in_run else [],
        "own": bool((current["inspector"] == viewer.name).any()),
    }


def vote_answers(current, record) -> list[dict]:
    """One dict per inspector, in the order of their votes.

    vote_ids, inspector, judgement, reasons, comment, via, blind, created_utc, plver
    ccdnames : CCDs ticked as bad; screen : what was on screen (ON_SCREEN); earlier : judgements that this one replaced
    """
    answers = []
    opinions = opinions_of(current).set_index("inspector")
    for inspector, own in current.groupby("inspector", sort=False):
        last = own[own["ccdname"] == ""].tail(1) if (own["ccdname"] == "").any() else own.tail(1)
        last = last.iloc[0]
        before = record[(record["inspector"] == inspector) & (record["ccdname"] == "")]
        before = before[~before["vote_id"].isin(own["vote_id"])]
        ticked = own[(own["ccdname"] != "") & (own["judgement"] == "bad")]
        screen = last["screen"] or {}
        answers.append(
            {
                "inspector": inspector,
                "judgement": opinions.loc[inspector, "judgement"],
                "reasons": opinions.loc[inspector, "reasons"],
                "vote_ids": own["vote_id"].tolist(),
                "ccdnames": ticked["ccdname"].tolist(),
                "screen": {name: screen[name] for name in ON_SCREEN if screen.get(name) not in (None, [], "")},
                "earlier": before[["judgement", "reasons", "created_utc"]].to_dict("records"),
                **{name: last[name] for name in ("comment", "via", "blind", "created_utc", "plver")},
            }
        )
    return plain(answers)


def decide(viewer: Viewer, body: DecisionBody) -> dict:
    """Store one decision. Returns {adjudication_id, expnum}. The same client_vote_id twice is one decision.

    The comment says why, and a decision needs one.
    """
    expnum, judgement, why = body.expnum, body.judgement, body.comment
    if not why:
        raise LabelError(f"say why {expnum} is {judgement}: a decision is kept with its reason")
    reasons = tuple(name for name in REASONS if name in set(body.reasons or ()))
    for name in body.reasons or ():
        choose(name, REASONS, "reason")
    camera, plver = thing_of(viewer, expnum)
    number = viewer.store.adjudicate(
        camera,
        expnum,
        viewer.name,
        judgement,
        plver=plver,
        reasons=reasons,
        comment=why,
        votes_seen=body.votes_seen or [],
        client_vote_id=body.client_vote_id or "",
    )
    return {"adjudication_id": int(number), "expnum": expnum}


def thing_of(viewer: Viewer, expnum: int) -> tuple[str, str]:
    """(camera, pipeline version) that a decision is about: those of the run, or else those of the last vote."""
    if expnum in viewer.survey.exposures.index:
        exposure = viewer.survey.exposures.loc[expnum]
        return str(exposure.get("camera") or viewer.catalog.camera), str(exposure.get("plver") or "")
    votes = viewer.store.votes(expnum=expnum)
    if votes.empty:
        raise BadInput(f"nobody voted on exposure {expnum}, and it is not in this run")
    return str(votes["camera"].iloc[-1]), str(votes["plver"].iloc[-1])


def retract(viewer: Viewer, number: int) -> dict:
    """Take a current decision back, so that the votes decide again. number : its adjudication_id"""
    viewer.store.retract_adjudication(number, viewer.name)
    return {"adjudication_id": number}


class LeadHandler(ViewerApi):
    roles = ("lead",)


class QueueHandler(LeadHandler):
    """GET: the exposures that wait for a decision, and the decisions made."""

    async def get(self):
        await self.answer(queue_answer, self.viewer)


class ExposureHandler(LeadHandler):
    """GET: all votes on one exposure."""

    async def get(self, expnum):
        await self.answer(exposure_answer, self.viewer, int(expnum))


class DecisionHandler(LeadHandler):
    """POST: one decision. The answer comes when it is on disk."""

    async def post(self):
        await self.answer(decide, self.viewer, self.body(DecisionBody))


class RetractHandler(LeadHandler):
    """POST {adjudication_id}: take a decision back."""

    async def post(self):
        await self.answer(retract, self.viewer, self.body(RetractBody).adjudication_id)


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [
        (r"/adjudicate/queue", QueueHandler, arguments),
        (r"/adjudicate/exposure/([0-9]{1,15})", ExposureHandler, arguments),
        (r"/adjudicate/decision", DecisionHandler, arguments),
        (r"/adjudicate/retract", RetractHandler, arguments),
    ]
