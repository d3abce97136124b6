"""What a lead decides about all queues: settings and their effect, known answers, the control, and the votes saved."""

import numpy as np
import pandas as pd

from triptych.app.judging import queue
from triptych.app.judging.queue_table import table_of
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.votes.queue_order import ORDERS, draws_of, parse_packet, seed_of
from triptych.pipeline.votes.vote_rule import (
    RULES,
    counted,
    drawn_for_control,
    first_votes,
    saving,
    settings_of,
    vote_progress,
)

ENOUGH = 20  # exposures with their first votes that are needed to estimate the share of disagreement
HALF = 0.5  # an exposure counts as bad if a list calls at least this share of its CCDs bad
SOURCES = {"adjudicated": "decided by a lead", "truth": "in a truth table"}


def settings(app):
    """The present settings, and what can be chosen, as plain values."""
    now = settings_of(app.store.setting(queue.SETTINGS))
    orders = [{"name": o.name, "rule": o.rule, "hidden": bool(o.tells and app.blind)} for o in ORDERS.values()]
    return {
        "settings": now.plain(),
        "orders": [order for order in orders if order["name"] != "split"],
        "rules": [{"name": name, "rule": rule} for name, rule in RULES.items()],
        "blind": app.blind,
    }


def keep_settings(app, survey, values):
    """Keep settings; those that are not named stay as they are. Returns `settings`. BadInput for an empty packet."""
    wanted = settings_of({**settings(app)["settings"], **values})
    if wanted.packet and not len(queue.offered_in(app, survey, parse_packet(wanted.packet))):
        raise BadInput(f"no exposure of the queue is in the packet {wanted.packet}; choose another")
    app.store.keep_setting(queue.SETTINGS, wanted.plain())
    if wanted.rule != "all":
        queue.control_of(app, survey, wanted)
    return settings(app)


def effect(app, survey, values, ballots=None):
    """What settings would do, as plain values, without keeping them. ballots : `queue.ballots_of`, if read already

    n_exposures : exposures in the packet; votes_given : votes that count; n_control : exposures in the control
    votes_left : {least, expected, most} votes to come; expected is None while there are too few first votes
    votes_all : votes to come if everybody voted on everything
    repeats, known : largest number of further answers that repeats and known answers ask for
    n_known : exposures with a known answer
    """
    wanted = settings_of({**settings(app)["settings"], **values})
    panel, camera = app.catalog.panel, app.catalog.camera
    offered = queue.offered_in(app, survey, parse_packet(wanted.packet))
    ballots = counted(queue.ballots_of(app, survey) if ballots is None else ballots)
    drawn = set(app.store.draws(camera, "control")["expnum"])
    control = (drawn | set(drawn_for_control(offered, wanted).tolist())) & set(offered.tolist())
    control = control if wanted.rule != "all" else set()
    table = vote_progress(offered, ballots, table_of(survey)["probability"], control, wanted, panel)
    given = int(table["n_votes"].sum())
    left = votes_left(table, control, panel, first_votes(panel) if wanted.rule != "all" else panel)
    ask = left["expected"] if left["expected"] is not None else left["most"]
    known = app.store.draws(camera, "known")["expnum"]
    n_known = int(np.isin(known, survey.exposures.index).sum())
    return {
        "n_exposures": len(offered),
        "panel": panel,
        "votes_given": given,
        "votes_left": left,
        "votes_all": int((panel - table["n_votes"]).clip(lower=0).sum()),
        "n_control": len(control),
        "repeats": round(wanted.repeats * ask),
        "known": min(round(wanted.known * ask), n_known * panel),
        "n_known": n_known,
    }


def votes_left(table, control, panel, first):
    """{least, expected, most} votes that are still to come. table : see pipeline.votes.vote_rule.vote_progress"""
    open_ = table[~table["settled"]]
    sure = open_["first_in"] | open_.index.isin(list(control))
    least = int((np.where(sure, panel, first) - open_["n_votes"]).clip(lower=0).sum())
    most = int((panel - open_["n_votes"]).clip(lower=0).sum())
    free = table[~table.index.isin(list(control)) & table["first_in"]]
    expected = None
    if least == most:
        expected = least
    elif len(free) >= ENOUGH:
        differ = 1.0 - float((free["settled"] & (free["n_votes"] < panel)).mean())
        expected = round(least + differ * (most - least))
    return {"least": least, "expected": expected, "most": most}


def saved(app, survey, ballots=None):
    """Votes that the adaptive rule saves over the whole queue: see pipeline.votes.vote_rule.saving.

    ballots : as in `effect`
    """
    now = queue.settings_in_force(app)
    offered = queue.offered_in(app, survey, {})
    ballots = counted(queue.ballots_of(app, survey) if ballots is None else ballots)
    control = set(app.store.draws(app.catalog.camera, "control")["expnum"])
    return saving(offered, ballots, table_of(survey)["probability"], control, now, app.catalog.panel)


# ---- known answers and control


def drawn(app, survey):
    """{known: {n, n_bad, n_here}, control: {n, n_here}, sources: [{name, rule, n_good, n_bad}]}.

    known, control : exposures that were drawn; n_here of them are in this run. sources : exposures left to draw
    """
    draws = app.store.draws(app.catalog.camera)
    here = draws["expnum"].isin(survey.exposures.index)
    known, control = draws["kind"] == "known", draws["kind"] == "control"
    sources = []
    for name, rule in SOURCES.items():
        answers = answers_of(app, survey, name)
        counts = answers["judgement"].value_counts()
        sources.append({"name": name, "rule": rule, **{f"n_{j}": int(counts.get(j, 0)) for j in ("good", "bad")}})
    return {
        "known": {
            "n": int(known.sum()),
            "n_bad": int((known & (draws["judgement"] == "bad")).sum()),
            "n_here": int((known & here).sum()),
        },
        "control": {"n": int(control.sum()), "n_here": int((control & here).sum())},
        "sources": sources,
    }


def answers_of(app, survey, source):
    """Exposures of this run with an answer from a source, without those drawn already.

    Returns a DataFrame with judgement and reasons, by expnum.
    """
    answers = ANSWERS[choose(source, ANSWERS, "source of known answers")](app, survey)
    taken = app.store.draws(app.catalog.camera, "known")["expnum"]
    return answers[answers.index.isin(survey.exposures.index) & ~answers.index.isin(taken)].sort_index()


def adjudicated(app, survey):
    """The leads' last decisions on the present versions of exposures: judgement and reasons, by expnum."""
    decided = app.store.adjudications()
    decided = decided[decided["camera"] == app.catalog.camera]
    plver = decided["expnum"].map(survey.exposures["plver"])
    decided = decided[(decided["plver"] == plver) | (decided["plver"] == "")]
    return decided.drop_duplicates("expnum", keep="last").set_index("expnum")[["judgement", "reasons"]]


def from_truth(app, survey):
    """Answers of truth tables: judgement and reasons, by expnum.

    An exposure is good if a table calls all its CCDs good. It is bad if a table calls it, or half of its CCDs, bad.
    Others are left out.
    """
    labels = app.record.labels()
    labels = labels[(labels["kind"] == "truth") & (labels["camera"] == app.catalog.camera) & (labels["reason"] != "")]
    bad, named = labels[labels["reason"] != "good"], labels[labels["ccdname"] != ""]
    share = named[named["reason"] != "good"].groupby("expnum")["ccdname"].nunique()
    share = share / named.groupby("expnum")["ccdname"].nunique()
    counts = bad.groupby(["expnum", "reason"], sort=False).size().reset_index(name="n")
    first = counts.sort_values("n", ascending=False, kind="stable").drop_duplicates("expnum").set_index("expnum")
    expnums = pd.Index(labels["expnum"].unique().astype("int64"))
    is_bad = expnums.isin(bad["expnum"])
    whole = expnums.isin(bad.loc[bad["ccdname"] == "", "expnum"])
    enough = whole | (share.reindex(expnums, fill_value=0.0) >= HALF)
    reasons = [() if pd.isna(reason) else (reason,) for reason in first["reason"].reindex(expnums)]
    answers = pd.DataFrame({"judgement": np.where(is_bad, "bad", "good"), "reasons": reasons}, index=expnums)
    return answers[~is_bad | enough]


ANSWERS = {"adjudicated": adjudicated, "truth": from_truth}


def draw_known(app, survey, source, n, seed, by):
    """Draw n more known answers, good and bad in turn while there are both. Returns the number that were drawn.

    Raises BadInput if the source has none left.
    """
    n = number(n, "how many")
    answers = answers_of(app, survey, source)
    if answers.empty:
        raise BadInput(f"no exposure that is {SOURCES[source]} is left to draw; decide or import some first")
    answers = answers.assign(draw=draws_of(answers.index, seed_of(seed, "known", source)))
    turn = answers.sort_values("draw").groupby("judgement").cumcount()
    answers = answers.assign(turn=turn).sort_values(["turn", "draw"]).head(n)
    rows = [
        {"expnum": int(expnum), "judgement": row.judgement, "reasons": row.reasons}
        for expnum, row in zip(answers.index, answers.itertuples(), strict=True)
    ]
    return app.store.draw(app.catalog.camera, "known", rows, by)


def draw_control(app, survey, n, seed, by):
    """Put n more exposures of the queue into the control, at random. Returns the number that were added."""
    n = number(n, "how many")
    offered = queue.offered_in(app, survey, {})
    offered = offered[~np.isin(offered, app.store.draws(app.catalog.camera, "control")["expnum"])]
    picked = offered[np.argsort(draws_of(offered, seed_of(seed, "more control")), kind="stable")][:n]
    return app.store.draw(app.catalog.camera, "control", [{"expnum": int(expnum)} for expnum in picked], by)


def number(value, what):
    """A whole number from 1 to 100000 from a browser or a command line. BadInput for anything else."""
    try:
        value = int(value)
    except (TypeError, ValueError):
        raise BadInput(f"{what} is {value!r}; give a whole number") from None
    if not 1 <= value <= 100_000:
        raise BadInput(f"{what} is {value}; give 1 to 100000")
    return value
