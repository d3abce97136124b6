"""Where a verdict comes from, over HTTP: GET /explain/EXPNUM?policy=majority&assisted=1, for the page's own panel.

What `pipeline.export.explain` finds, less what this user may not know. A lead sees everything. An inspector sees the
votes of others, verdicts, decisions and what was taught after their own vote, as beside the exposure. A viewer sees
nothing of votes.
"""

import pandas as pd

from triptych.app import palette
from triptych.app.judging import repeats
from triptych.app.judging.evidence import hidden_labels, in_this_version
from triptych.app.judging.known_answers import secret_answers
from triptych.app.judging.votes import own_votes
from triptych.app.rooms.export.routes import tables_of
from triptych.app.web.answers import ApiHandler
from triptych.pipeline.errors import BadInput
from triptych.pipeline.export.explain import explain, nothing_known
from triptych.pipeline.export.explain_text import BASES, PROVENANCES, why_nothing
from triptych.pipeline.labels.training_set import tells_votes
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
OF_OWN = (*OF_OTHERS, "via", "until", "screen", "model_then")


def explanation(app, user, expnum: int, policy: str, assisted: bool) -> dict:
    """What this user may know of where the verdict on an exposure comes from, as plain values.

    As `pipeline.export.explain.explain` gives it, and: knows {votes, model}: whether these are told; colours, words and
    policies to show it with; taught.why : why the exposure taught nothing.
    """
    survey = app.survey_for(user)
    found = explain(
        app.catalog, app.store, expnum, policy, prediction=survey.prediction_id, tables=lambda: tables_of(app)
    )
    found["knows"] = {"votes": True, "model": True}
    if user.role == "lead":
        if any(vote["inspector"] != user.name for vote in found["votes"]):
            app.note_seen(user, expnum)
    else:
        found = what_may_be_known(app, survey, user, found, assisted)
    if found["taught"]:
        found["taught"]["why"] = "" if found["taught"]["labels"] else why_nothing(found)
    return found | {
        "you": user.name,
        "colours": palette.REASON_COLOURS,
        "words": {"provenances": PROVENANCES, "bases": BASES},
        "rules": {name: one.rule for name, one in POLICIES.items()},
    }


def what_may_be_known(app, survey, user, found: dict, assisted: bool) -> dict:
    """An explanation for an inspector or a viewer."""
    expnum = found["expnum"]
    own = repeats.as_shown(app, user, own_votes(app, user, expnum))
    own = own[(own["ccdname"] == "").to_numpy()]
    voted = len(own) > 0
    if found["in_run"]:
        voted = bool(in_this_version(survey, own).any())
    voted = voted and user.role != "viewer"
    if voted and any(vote["inspector"] != user.name for vote in found["votes"]):
        app.note_seen(user, expnum)
    shown = assisted or voted or user.role == "viewer"
    if not voted:
        hidden = {name: one | {"verdict": None, "lines": []} for name, one in found["policies"].items()}
        found |= {"policies": hidden, "decisions": [], "taught": None, "tables": []}
    found["decisions"] = [one for one in found["decisions"] if one["state"] == "current"]
    found["votes"] = votes_for(app, user, expnum, found["votes"], own, voted=voted, shown=shown)
    if expnum in secret_answers(app, user):
        found["labels"] = []
    if not (found["in_run"] or found["votes"] or found["labels"]):
        raise BadInput(nothing_known(app.catalog, expnum))  # whatever others have said of it
    if not shown:
        found["model"] = None
    elif found["model"]:
        found["model"]["neighbours"] = neighbours_for(app, survey, user, found["model"]["neighbours"])
    found["knows"] = {"votes": voted, "model": shown}
    return found | {"reveals": [], "draws": []}


def votes_for(app, user, expnum: int, votes: list[dict], own, *, voted: bool, shown: bool) -> list[dict]:
    """Own judgements as on every page (see app.judging.repeats), and after the own vote the others' current ones.

    own : the user's current votes on whole exposures. shown : whether he may know the model's opinion.
    """
    last = {} if repeats.is_waiting(app, user, expnum) else {row["vote_id"]: row for row in own.to_dict("records")}
    found = []
    for vote in votes:
        if vote["inspector"] == user.name and not repeats.is_waiting(app, user, expnum):
            mine = {name: vote[name] for name in OF_OWN}
            if vote["vote_id"] in last:
                row = last[vote["vote_id"]]
                mine |= {name: row[name] for name in ("judgement", "reasons", "comment", "created_utc", "screen")}
            if not shown or mine["screen"] != vote["screen"]:
                mine["model_then"] = None
            if not shown:
                mine["screen"] = {name: value for name, value in mine["screen"].items() if name != "score"}
            found.append(mine)
        elif vote["inspector"] != user.name and voted and vote["state"] == "current":
            found.append({name: vote[name] for name in OF_OTHERS} | {"via": "", "until": None, "screen": {}})
    return found


def neighbours_for(app, survey, user, neighbours: list[dict]) -> list[dict]:
    """Labelled neighbours without those whose label may tell others' votes on an exposure that this user has not
    judged, or a known answer that waits for his."""
    expnums = sorted({one["expnum"] for one in neighbours})
    hidden = hidden_labels(app, survey, user, expnums) | secret_images(app, user, neighbours)
    return [one for one in neighbours if one["image_id"] not in hidden]


def secret_images(app, user, neighbours: list[dict]) -> set[int]:
    """image_ids of neighbours that were taught from people's answers on exposures that this user has not judged."""
    own = own_votes(app, user, [one["expnum"] for one in neighbours]) if neighbours else None
    judged = set() if own is None else set(own.loc[own["ccdname"] == "", "expnum"].astype(int))
    judged -= set(repeats.waiting(app, user))
    told = tells_votes(pd.DataFrame(neighbours, columns=["provenance", "basis"]))
    return {
        one["image_id"] for one, tells in zip(neighbours, told, strict=True) if tells and one["expnum"] not in judged
    }


class ExplainHandler(ApiHandler):
    """GET: where the verdict on one exposure comes from."""

    async def get(self, expnum):
        assisted = self.get_query_argument("assisted", "0") == "1" and not self.app.blind
        policy = self.get_query_argument("policy", "majority")
        await self.answer(explanation, self.app, self.user, int(expnum), policy, assisted)


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    return [(r"/explain/([0-9]{1,15})", ExplainHandler, {"app": app})]
