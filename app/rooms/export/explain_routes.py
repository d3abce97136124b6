"""Routes of the panel that explains a verdict: GET /explain/EXPNUM?policy=majority&assisted=1, POST /explain/annul.

It tells what `pipeline.export.explain` finds, without what this user may not know. A lead sees all votes. An inspector
sees the others' votes, the verdicts, the decisions and what the exposure taught the model only after their own vote.
The role "viewer" sees no votes. `Viewer.may_hear_opinion` says whether the model's opinion is shown.
"""

import pandas as pd

from triptych.app import palette
from triptych.app.judging import repeats
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.judging.votes import own_votes
from triptych.app.rooms.export.routes import tables_of
from triptych.app.web.bodies import AnnulBody
from triptych.pipeline.errors import BadInput
from triptych.pipeline.export.explain import explain, nothing_known
from triptych.pipeline.export.explain_text import BASES, PROVENANCES, why_nothing
from triptych.pipeline.votes.verdicts import POLICIES

OF_OTHERS = (
    "inspector",
    "judgement",
    "reasons",
    "comment",
    "created_utc",
    "plver",
    "old",
    "whole",
    "ccdnames",
    "state",
)
OF_OWN = (*OF_OTHERS, "via", "until", "annulled", "screen", "model_then")


def explanation(viewer: Viewer, expnum: int, policy: str, assisted: bool) -> dict:
    """Where the verdict on an exposure comes from, as far as this user may know, as plain values.

    It holds what `pipeline.export.explain.explain` gives, and:
    knows : {votes, model}: whether each of these is shown; you : this user's name
    may_annul : whether this user may annul votes
    colours, words, rules : what the page shows it with; taught.why : why the exposure taught the model nothing
    """
    found = explain(
        viewer.catalog,
        viewer.store,
        expnum,
        policy,
        prediction=viewer.survey.prediction_id,
        tables=lambda: tables_of(viewer.app),
    )
    own = repeats.as_shown(viewer, own_votes(viewer, expnum))
    own = own[(own["ccdname"] == "").to_numpy()]
    voted = bool(viewer.survey.in_this_version(own).any()) if found["in_run"] else len(own) > 0
    shown = viewer.may_hear_opinion(assisted=assisted, voted=voted)
    found["knows"] = {"votes": True, "model": shown}
    if not viewer.is_lead:
        found = what_may_be_known(viewer, found, own, voted=voted and viewer.can_vote, shown=shown)
    elif any(vote["inspector"] != viewer.name for vote in found["votes"]):
        viewer.note_seen([expnum])
    if not shown:
        found["model"] = None
        found["votes"] = [without_opinion(vote) for vote in found["votes"]]
    if found["taught"]:
        found["taught"]["why"] = "" if found["taught"]["labels"] else why_nothing(found)
    return found | {
        "you": viewer.name,
        "may_annul": viewer.is_lead,
        "colours": palette.REASON_COLOURS,
        "words": {"provenances": PROVENANCES, "bases": BASES},
        "rules": {name: one.rule for name, one in POLICIES.items()},
    }


def what_may_be_known(viewer: Viewer, found: dict, own, *, voted: bool, shown: bool) -> dict:
    """An explanation for an inspector or for the role "viewer".

    own : this user's current votes on the whole exposure. voted : whether they have judged it, so that they may know
    the others' votes. shown : whether they may know the model's opinion.
    """
    expnum = found["expnum"]
    if voted and any(vote["inspector"] != viewer.name for vote in found["votes"]):
        viewer.note_seen([expnum])
    if not voted:
        hidden = {name: one | {"verdict": None, "lines": []} for name, one in found["policies"].items()}
        found |= {"policies": hidden, "decisions": [], "taught": None, "tables": []}
    found["decisions"] = [one for one in found["decisions"] if one["state"] == "current"]
    found["votes"] = votes_for(viewer, expnum, found["votes"], own, voted=voted)
    if expnum in viewer.secret_answers():
        found["labels"] = []
    if not (found["in_run"] or found["votes"] or found["labels"]):
        raise BadInput(nothing_known(viewer.catalog, expnum))  # also if others have voted on it
    if shown and found["model"]:
        found["model"]["neighbours"] = neighbours_for(viewer, found["model"]["neighbours"])
    found["knows"] = {"votes": voted, "model": shown}
    return found | {"reveals": [], "draws": []}


def without_opinion(vote: dict) -> dict:
    """A vote without what the model said when it was given."""
    screen = {name: value for name, value in vote["screen"].items() if name != "score"}
    return vote | {"model_then": None, "screen": screen}


def votes_for(viewer: Viewer, expnum: int, votes: list[dict], own, *, voted: bool) -> list[dict]:
    """This user's own judgements as all pages show them (see app.judging.repeats). If they have voted, also the others'
    current votes.

    own : this user's current votes on the whole exposure
    """
    last = {} if int(expnum) in viewer.asked_again() else {row["vote_id"]: row for row in own.to_dict("records")}
    found = []
    for vote in votes:
        if vote["inspector"] == viewer.name and int(expnum) not in viewer.asked_again():
            mine = {name: vote[name] for name in OF_OWN}
            if vote["vote_id"] in last:
                row = last[vote["vote_id"]]
                mine |= {name: row[name] for name in ("judgement", "reasons", "comment", "created_utc", "screen")}
            if mine["screen"] != vote["screen"]:
                mine["model_then"] = None
            found.append(mine)
        elif vote["inspector"] != viewer.name and voted and vote["state"] == "current":
            found.append(
                {name: vote[name] for name in OF_OTHERS} | {"via": "", "until": None, "annulled": None, "screen": {}}
            )
    return found


def neighbours_for(viewer: Viewer, neighbours: list[dict]) -> list[dict]:
    """The labelled neighbours without those whose label `Viewer.hides`."""
    told = pd.DataFrame(neighbours, columns=["image_id", "provenance", "basis"])
    hidden = viewer.hides(told.astype({"image_id": "int64"}))
    return [one for one, hides in zip(neighbours, hidden, strict=True) if not hides]


class ExplainHandler(ViewerApi):
    """GET: where the verdict on one exposure comes from."""

    async def get(self, expnum):
        assisted = self.assisted
        policy = self.get_query_argument("policy", "majority")
        await self.answer(explanation, self.viewer, int(expnum), policy, assisted)


class AnnulHandler(ViewerApi):
    """POST {vote_id, why}: a judgement does not count any more. For leads only."""

    roles = ("lead",)

    async def post(self):
        await self.answer(annul, self.viewer, self.body(AnnulBody))


def annul(viewer: Viewer, body: AnnulBody) -> dict:
    """Note that a judgement does not count, and why. Returns its {expnum}."""
    return {"expnum": viewer.store.annul(body.vote_id, viewer.name, body.why)}


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [
        (r"/explain/([0-9]{1,15})", ExplainHandler, arguments),
        (r"/explain/annul", AnnulHandler, arguments),
    ]
