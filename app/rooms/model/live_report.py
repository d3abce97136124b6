"""What the Model room tells one user about the changes that the votes since the last fit make.

A user may know the same as of the changes of a retraining: see app.rooms.model.report. Only leads are told how many
labels came in since the fit, and how many exposures changed in all.
"""

import numpy as np

from triptych.app import palette
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.model.report import SHOWN, known_to, row_of
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.retraining.live_written import written

MOST_SELECTED = 20_000
FOR_ALL = ("revision", "model", "prediction", "learners", "neighbours", "seconds", "made")
FOR_LEADS = ("training", "images", "added", "removed", "relabelled", "reweighted")


def changes(viewer: Viewer, *, assisted):
    """{state, rows, total, seen, shown, ...}: the changed exposures that this user may see.

    state : waiting (nothing was written yet), failed, behind (votes came in since) or current
    """
    found = written(viewer.catalog)
    if found is None:
        return {"state": "waiting", "revision": int(viewer.store.revision()), "followed": -1} | _nothing(viewer.user)
    info, lead = found.info, viewer.is_lead
    revision = int(viewer.store.revision())
    current = viewer.catalog.refresh().info["current"].get("prediction", "")
    behind = info["revision"] < revision or info.get("prediction", current) != current
    told = {name: info[name] for name in (*FOR_ALL, *(FOR_LEADS if lead else ())) if name in info}
    told |= {"state": "behind" if behind else "failed" if info["error"] else "current", "revision": revision}
    told |= {"followed": info["revision"], "error": info["error"] if lead else bool(info["error"]) and "ask a lead"}
    seen, hidden = _seen(viewer, found, assisted)
    rows = [
        row_of(_as_retraining(row), viewer.survey, labels_of(found), hidden)
        for row in seen.head(SHOWN).to_dict("records")
    ]
    return (
        told
        | _nothing(viewer.user)
        | {
            "rows": rows,
            "seen": len(seen),
            "total": len(found.table) if lead else len(seen),
        }
    )


def moved_images(viewer: Viewer, *, assisted):
    """{image_ids, n}: the changed CCDs of all exposures that this user may see, for the map."""
    found = written(viewer.catalog)
    if found is None:
        return {"image_ids": [], "n": 0}
    seen, _ = _seen(viewer, found, assisted)
    ccds = viewer.survey.ccds.index
    ids = [int(one) for own in seen.image_ids for one in own][:MOST_SELECTED]
    ids = [image_id for image_id in ids if image_id in ccds]
    return {"image_ids": ids, "n": len(ids)}


def _nothing(user):
    return {"rows": [], "seen": 0, "total": 0, "shown": SHOWN, "role": user.role, "colours": palette.REASON_COLOURS}


def labels_of(found):
    return found.labels.set_index("image_id", drop=False)


def _seen(viewer: Viewer, found, assisted):
    """(rows that this user may see, image_ids of labels that they may not)."""
    may, hidden = known_to(viewer, found.table, found.labels, assisted)
    there = found.table.expnum.isin(viewer.survey.exposures.index).to_numpy()
    return found.table[np.asarray(may) & there], hidden


def _as_retraining(row):
    """A row of live changes, with the columns of a retraining's table."""
    reasons = {when: "" if row[f"reason_{when}"] == GOOD else row[f"reason_{when}"] for when in ("before", "after")}
    same = reasons["before"] == reasons["after"]
    return row | {
        "change": "ccds" if same else "reasons",
        "side_before": "",
        "side_after": "",
        "n_changed_ccds": row["n_ccds"],
        "reasons_before": reasons["before"],
        "reasons_after": reasons["after"],
        "rank_before": None,
        "rank_after": None,
        "was_candidate": False,
        "is_candidate": False,
        "n_causes": len(row["causes"]),
        "changed_ids": row["image_ids"],
    }


class LiveHandler(ViewerApi):
    """GET ?assisted=1: what the votes since the last fit change, as far as this user may know."""

    told = staticmethod(changes)

    async def get(self):
        assisted = self.assisted
        await self.answer(lambda: self.told(self.viewer, assisted=assisted))


class LiveMovedHandler(LiveHandler):
    """GET with the same query: image_ids of what changed, to select them on the map."""

    told = staticmethod(moved_images)


def routes(app):
    """Routes of this file for the server. app : app.context.AppContext"""
    return [(r"/model/live", LiveHandler, {"app": app}), (r"/model/live/moved", LiveMovedHandler, {"app": app})]
