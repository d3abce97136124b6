"""All routes of a run. Each needs a login."""

import importlib
import importlib.util
import mimetypes

import tornado.web
from panel.io.resources import DIST_DIR, JS_VERSION

from triptych.app.web import auth
from triptych.app.web.component import STATIC, assets_version

# modules with `routes(app) -> [(regex, handler, kwargs)]`; each handler is a PrivateHandler
ROUTE_MODULES = (
    "triptych.app.web.account",
    "triptych.app.rooms.explore.map_routes",
    "triptych.app.pictures.routes",
    "triptych.app.rooms.review.routes",
    "triptych.app.rooms.review.help_routes",
    "triptych.app.rooms.export.routes",
    "triptych.app.rooms.adjudicate.routes",
    "triptych.app.rooms.clusters.routes",
    "triptych.app.rooms.review.queue_routes",
    "triptych.app.rooms.lead.routes",
    "triptych.app.rooms.agreement.routes",
    "triptych.app.rooms.model.routes",
    "triptych.app.rooms.model.doubtful_routes",
    "triptych.app.rooms.model.asking_routes",
    "triptych.app.rooms.export.explain_routes",
)

mimetypes.add_type("text/javascript", ".js")


class FileHandler(auth.PrivateHandler, tornado.web.StaticFileHandler):
    """Files of a folder, for people who are logged in."""

    def initialize(self, app, folder):
        auth.PrivateHandler.initialize(self, app)
        tornado.web.StaticFileHandler.initialize(self, str(folder))


class AssetHandler(FileHandler):
    """Files of static/. With the version in the path the browser keeps a file for ever; without it, it asks each
    time."""

    def set_extra_headers(self, path):
        if f"/v-{assets_version()}/" in self.request.path:
            self.keep_for_ever()
        else:
            self.set_header("Cache-Control", "private, no-cache")


class BootHandler(auth.PrivateHandler):
    """Answers the page_id. A page that lost its connection learns from it whether it must be loaded again.

    That is so after a start of the server, another login, or another role.
    """

    def get(self):
        self.finish(self.app.page_id(self.user, self.login))


def route_list(app):
    """[(regex, handler, arguments)] of a run, without the path before its addresses. app : app.context.AppContext"""
    routes = [
        (r"/assets/(?:v-[0-9a-f]+/)?(.*)", AssetHandler, {"app": app, "folder": STATIC}),
        (rf"/cdn/panel/{JS_VERSION}/dist/(.*)", FileHandler, {"app": app, "folder": DIST_DIR}),
        (r"/boot", BootHandler, {"app": app}),
    ]
    for name in ROUTE_MODULES:
        if importlib.util.find_spec(name) is not None:
            routes += importlib.import_module(name).routes(app)
    return routes
