"""Routes of the Review room about its queue: the order, the user's choices, and what is on screen."""

from triptych.app.judging import queue
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.review.routes import SENT
from triptych.app.web.bodies import ChoicesBody, LookBody
from triptych.pipeline.errors import BadInput


def order_answer(viewer: Viewer) -> dict:
    """{order: [expnum], n_left, total}: the queue now, see `routes.queue_answer`, without facts."""
    found = queue.queue_for(viewer)
    n_left = len(found.expnums)
    return {"order": list(found.expnums[:SENT]), "n_left": n_left, "total": n_left + len(found.voted)}


class OrderHandler(ViewerApi):
    """GET: the `order_answer` of the user."""

    async def get(self):
        await self.answer(lambda: order_answer(self.viewer))


class ChoicesHandler(ViewerApi):
    """GET: orders and packets that this user may choose. POST {order, packet}: choose one or both."""

    async def get(self):
        await self.answer(lambda: queue.choices(self.viewer))

    async def post(self):
        await self.answer(self.choose, self.body(ChoicesBody))

    def choose(self, body):
        return queue.choose_queue(self.viewer, **body.given())


class LookHandler(ViewerApi):
    """POST {expnum}: note that this exposure is on the user's screen. null = no exposure."""

    async def post(self):
        await self.answer(self.note, self.body(LookBody).expnum)

    def note(self, expnum):
        if expnum is not None and expnum not in self.app.survey().exposures.index:
            raise BadInput(f"exposure {expnum} is not in this run")
        queue.look(self.viewer, expnum)
        return {"expnum": expnum}


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [
        (r"/api/queue/order", OrderHandler, arguments),
        (r"/api/queue/choices", ChoicesHandler, arguments),
        (r"/api/queue/look", LookHandler, arguments),
    ]
