"""What the Model room asks over HTTP about the votes since the last fit."""

from triptych.app import live_report
from triptych.app.web.answers import ApiHandler


class LiveHandler(ApiHandler):
    """GET ?assisted=1: what changes by the votes since the last fit, as far as this user may know."""

    told = staticmethod(live_report.changes)

    async def get(self):
        assisted = self.get_query_argument("assisted", "0") == "1" and not self.app.blind
        await self.answer(lambda: self.told(self.app, self.user, assisted=assisted))


class LiveMovedHandler(LiveHandler):
    """GET, the same query: image_ids of what changed, to be selected on the map."""

    told = staticmethod(live_report.moved_images)


def routes(app):
    """Routes of this file for the server. app : app.context.AppContext"""
    return [(r"/model/live", LiveHandler, {"app": app}), (r"/model/live/moved", LiveMovedHandler, {"app": app})]
