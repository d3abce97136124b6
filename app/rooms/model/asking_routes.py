"""Route of the Model room about what to ask next: how good each model of the run was with the labels that it had."""

from triptych.app.judging import queue
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.retraining import models
from triptych.pipeline.votes.queue_order import ORDERS

FIGURES = ("f1", "precision", "recall")


def asking_answer(viewer: Viewer) -> dict:
    """{points, orders, order}: the figures of each measured model, oldest first, with the labels that taught it.

    A point : model, created, current; exposures, images : numbers that taught it; n : exposures that measured it, and
    their kinds; f1, precision, recall : each {value, low, high} or None
    orders : [{name, rule}] that this user may choose; order : the one they have. Empty for a user who cannot vote.
    """
    points = []
    for row in reversed(models.models(Catalog.open(viewer.catalog.path))):
        figures = row["figures"]
        if not figures.get("f1") or not row["taught"]:
            continue
        points.append(
            {name: row[name] for name in ("model", "created", "current")}
            | {name: row["taught"].get(name) for name in ("exposures", "images")}
            | {name: figures.get(name) for name in (*FIGURES, "n", "kinds")}
        )
    orders = [{"name": order.name, "rule": order.rule} for order in ORDERS.values() if viewer.may_know(order.tells)]
    can_vote = viewer.can_vote
    return {
        "points": points,
        "orders": orders if can_vote else [],
        "order": queue.choice_of(viewer)[0] if can_vote else "",
    }


class AskingHandler(ViewerApi):
    """GET: see `asking_answer`."""

    async def get(self):
        await self.answer(lambda: asking_answer(self.viewer))


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    return [(r"/model/asking", AskingHandler, {"app": app})]
