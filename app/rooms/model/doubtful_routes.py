"""Routes of the Model room about labels that are likely wrong."""

import numpy as np

from triptych.app import palette
from triptych.app.judging.doubtful_labels import known_to
from triptych.app.judging.facts import facts_of_all
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.errors import choose
from triptych.pipeline.export.explain import plain
from triptych.pipeline.labels.doubtful import WHYS, summary

PAGE = 60
MOST_AT_ONCE = 600


def doubtful_answer(viewer: Viewer, *, why="", answered=False, start=0, count=PAGE, assisted=False) -> dict:
    """One page of the doubtful labels that this user may know of, the surest first.

    why : a name in WHYS, '' = all. answered : True gives the answered ones, False those that wait
    Returns {summary, whys: [{name, rule, n}], total, start, rows, can_queue, colours}.
    A row : expnum, ccdnames, image_id (None = no picture), says, source, why, against, sure, sentence, answer, facts
    """
    found = known_to(viewer, assisted=assisted)
    counts = summary(found)
    if why:
        found = found[found.why == choose(why, WHYS, "kind of doubt")]
    found = found[(found.answer != "") == answered]
    start = max(0, start)
    shown = found.iloc[start : start + min(count, MOST_AT_ONCE)]
    facts = facts_of_all(viewer.survey, shown.expnum.tolist()) if len(shown) else []
    names = ["expnum", "ccdnames", "says", "source", "why", "against", "sure", "sentence", "answer"]
    rows = [
        row | {"image_id": image_id if image_id >= 0 else None, "facts": fact}
        for row, image_id, fact in zip(shown[names].to_dict("records"), shown.image_id.tolist(), facts, strict=True)
    ]
    return plain(
        {
            "summary": counts,
            "whys": [{"name": name, "rule": rule, "n": counts["why"][name]} for name, rule in WHYS.items()],
            "total": len(found),
            "start": start,
            "rows": rows,
            "can_queue": viewer.is_lead,
            "colours": palette.REASON_COLOURS,
        }
    )


def images_answer(viewer: Viewer, *, why="", assisted=False) -> dict:
    """{image_ids}: images with doubtful labels that nobody has answered, to select them on the map."""
    found = known_to(viewer, assisted=assisted)
    found = found[(found.answer == "") & (found.image_id >= 0)]
    if why:
        found = found[found.why == choose(why, WHYS, "kind of doubt")]
    return {"image_ids": np.unique(found.image_id).tolist()}


class DoubtfulHandler(ViewerApi):
    """GET ?why=lists&answered=1&start=0&count=60&assisted=1: see `doubtful_answer`."""

    async def get(self):
        options = {
            "why": self.get_query_argument("why", ""),
            "answered": self.get_query_argument("answered", "0") == "1",
            "start": self.number("start", 0),
            "count": self.number("count", PAGE),
            "assisted": self.assisted,
        }
        await self.answer(lambda: doubtful_answer(self.viewer, **options))


class ImagesHandler(ViewerApi):
    """GET ?why=lists&assisted=1: see `images_answer`."""

    async def get(self):
        why = self.get_query_argument("why", "")
        assisted = self.assisted
        await self.answer(lambda: images_answer(self.viewer, why=why, assisted=assisted))


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [(r"/model/doubtful", DoubtfulHandler, arguments), (r"/model/doubtful/images", ImagesHandler, arguments)]
