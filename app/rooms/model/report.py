"""What the Model room tells one user: the models, what a retraining changed, and why.

A lead sees everything. Others see all counts, figures and models. They see a changed exposure only if they have judged
it themselves or nobody has voted on it. They see a label that caused a change only if they have judged its exposure, or
if the label does not come from votes. A known answer that waits for their vote is hidden from them.
"""

from functools import lru_cache

import numpy as np

from triptych.app import palette
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.jobs import jobs
from triptych.pipeline import clock
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import choose
from triptych.pipeline.retraining import models
from triptych.pipeline.store import retrain_log

SHOWN = 200  # changed exposures that one answer lists
MOST_SELECTED = 20_000
MOVES_SHOWN = 30
LINES_SHOWN = 80
NO_IMAGE = -1  # keeps the set of hidden labels from being empty: for all but leads, causes may be hidden
# name of a list -> function that picks its rows of a retraining's table
LISTS = {
    "moved": lambda table: np.ones(len(table), bool),
    "side": lambda table: ((table.side_before != "") & (table.side_before != table.side_after)).to_numpy(),
    "entered": lambda table: (table.change == "entered").to_numpy(),
    "left": lambda table: (table.change == "left").to_numpy(),
}


def news_since(viewer: Viewer, model) -> dict[str, int]:
    """{votes, decisions, labels} that came in since a model was taught. A vote is a judgement of an exposure of this
    run that stands, as in all rooms; ticks of CCDs belong to it. model : a row of `models.models`"""
    if viewer.store.revision() == model["store_revision"]:
        return {"votes": 0, "decisions": 0, "labels": 0}
    since = clock.text_of(clock.seconds_of(model["created"]) - model["seconds"])
    votes, decisions, _verdicts = viewer.app.record.verdicts(viewer.survey, viewer.catalog.panel)
    labels = viewer.app.record.labels()
    whole = votes[(votes["ccdname"] == "") & (votes["via"] != "import")]
    return {
        "votes": int((whole["created_utc"] > since).sum()),
        "decisions": int((decisions["created_utc"] > since).sum()),
        "labels": int((labels["imported_utc"] > since).sum()) if len(labels) else 0,
    }


def overview(viewer: Viewer):
    """Models, moves, jobs and log of the run, as plain values."""
    catalog = Catalog.open(viewer.catalog.path)
    found = models.models(catalog)
    mine = viewer.survey.prediction_id
    lead = viewer.is_lead
    current = next((row for row in found if row["current"]), None)
    news = None
    if lead and current and current["store_revision"] is not None:
        news = news_since(viewer, current)
    retrainings = [named(stage) for stage in catalog.stages("retraining")][::-1]
    return {
        "role": viewer.role,
        "blind": viewer.app.blind,
        "models": found,
        "moves": models.moves(catalog)[-MOVES_SHOWN:][::-1],
        "mine": {"prediction": mine, "model": models.model_of(catalog, mine) if mine else ""},
        "offered": current["prediction"] if current and current["prediction"] != mine else "",
        "news": news,
        "retrainings": retrainings,
        "retraining": catalog.info["current"].get("retraining") or (retrainings[0]["id"] if retrainings else ""),
        "colours": palette.REASON_COLOURS,
        "letters": palette.REASON_LETTERS,
        **work(viewer),
    }


def named(stage):
    """{id, before, after}: a retraining, and the models before and after it."""
    report = stage.json("report")
    return {"id": stage.stage_id, "before": report["before"]["model"], "after": report["after"]["model"]}


def work(viewer: Viewer):
    """{job, log}: the newest retraining that a page asked for, and the last lines of the log. job : None without any"""
    own = [row for row in jobs(viewer.app) if row["kind"] == "retrain"]
    names = ("job_id", "state", "progress", "says", "asked_by", "asked_utc", "finished_utc")
    job = {name: own[0][name] for name in names} if own else None
    if job and viewer.is_lead:
        job["error"] = own[0]["error"]
    return {"job": job, "log": retrain_log.lines(viewer.store, viewer.app.run_key)[-LINES_SHOWN:]}


@lru_cache(maxsize=4)
def _read(path):
    """(report, table, labels indexed by image_id) of a retraining. It is kept, because a stage never changes."""
    catalog = Catalog.open(path.parents[1])
    stage = catalog.stage("retraining", path.name, fresh=False)
    return stage.json("report"), stage.table(), stage.table("labels").set_index("image_id", drop=False)


def _opened(app, stage_id):
    stages = {stage.stage_id: stage for stage in app.catalog.stages("retraining")}
    return _read(stages[choose(stage_id, stages, "retraining")].path)


def retraining(viewer: Viewer, stage_id, listed, *, assisted):
    """What one retraining changed: its report, the lengths of all lists, and the first rows of one list.

    listed : a name in LISTS. total : rows of each list; seen : those that this user may see
    """
    report, table, labels = _opened(viewer.app, stage_id)
    chosen = LISTS[choose(listed, LISTS, "list of changes")]
    may, hidden = known_to(viewer, table, labels, assisted)
    seen = table[may]
    rows = seen[chosen(seen)].head(SHOWN)
    return {
        "id": stage_id,
        "report": report,
        "list": listed,
        "total": {name: int(LISTS[name](table).sum()) for name in LISTS},
        "seen": {name: int(LISTS[name](seen).sum()) for name in LISTS},
        "shown": SHOWN,
        "rows": [row_of(row, viewer.survey, labels, hidden) for row in rows.to_dict("records")],
    }


def row_of(row, survey, labels, hidden):
    """One changed exposure as plain values. hidden : image_ids of labels that must not be named as causes"""
    expnum = int(row["expnum"])
    told = {name: row[name] for name in ("change", "side_before", "side_after", "n_changed_ccds")}
    for when in ("before", "after"):
        told[when] = {
            "reasons": [name for name in str(row[f"reasons_{when}"]).split(",") if name],
            "probability": row[f"bad_probability_{when}"],
            "rank": _whole(row[f"rank_{when}"]),
            "candidate": bool(row["was_candidate" if when == "before" else "is_candidate"]),
        }
    there = expnum in survey.exposures.index
    facts = survey.exposures.loc[expnum] if there else {}
    known = [int(image_id) for image_id in row["causes"] if int(image_id) not in hidden]
    images = row["changed_ids"] if len(row["changed_ids"]) else survey.images_of(expnum)
    return told | {
        "expnum": expnum,
        "image_id": int(images[0]) if len(images) else None,
        "band": str(facts.get("band", "")),
        "night": int(facts.get("night", 0)),
        "causes": [_cause(labels.loc[image_id]) for image_id in known if image_id in labels.index],
        "more_causes": 0 if hidden else int(row["n_causes"]) - len(known),
    }


def _whole(value):
    """The value as a whole number, None if it is missing."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _cause(label):
    return {
        "image_id": int(label["image_id"]),
        "expnum": int(label["expnum"]),
        "ccdname": str(label["ccdname"]),
        "what": str(label["what"]),
        "before": str(label["reasons_before"]),
        "after": str(label["reasons_after"]),
        "basis": str(label["basis"] or label["provenance"]),
    }


def known_to(viewer: Viewer, table, labels, assisted):
    """((n,) bool: rows that this user may see, set of image_ids of labels that they may not see)."""
    if viewer.is_lead:
        return np.ones(len(table), bool), frozenset()
    may = viewer.may_hear_of(table["expnum"].to_numpy(np.int64), assisted)
    return may, frozenset(labels.loc[viewer.hides(labels), "image_id"].astype(int)) | {NO_IMAGE}


def moved_images(viewer: Viewer, stage_id, listed, *, assisted):
    """{image_ids, n}: the changed CCDs of the exposures of a list, for the map.

    If an exposure changed and none of its CCDs did, all its CCDs are taken. At most MOST_SELECTED images.
    """
    _, table, labels = _opened(viewer.app, stage_id)
    may, _ = known_to(viewer, table, labels, assisted)
    seen = table[may]
    ids = []
    for row in seen[LISTS[choose(listed, LISTS, "list of changes")](seen)].itertuples():
        ids += list(row.changed_ids) if len(row.changed_ids) else viewer.survey.images_of(row.expnum).tolist()
        if len(ids) >= MOST_SELECTED:
            break
    there = [int(image_id) for image_id in ids[:MOST_SELECTED] if image_id in viewer.survey.ccds.index]
    return {"image_ids": there, "n": len(there)}
