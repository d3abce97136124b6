"""Serves Bokeh's and Panel's scripts, each compressed only once.

Tornado would compress every script anew for every browser, in the thread that answers all requests. These scripts are
public files. They need no login, so that the login form can fetch them while the user types.
"""

import gzip
from functools import lru_cache
from pathlib import Path

import tornado.web
from bokeh.settings import settings
from panel.io.resources import DIST_DIR, bundle_resources

PREFIX = "libs/"
PANEL = "static/extensions/panel/"
BOKEH = "static/"
LEVEL = 9  # the strongest and slowest, because each script is compressed only once


def addresses(application):
    """Addresses of the scripts, in the order of the page, relative to it.

    application : the tornado.web.Application of a run
    """
    return [PREFIX + name for name in names(application)]


def names(application):
    """Paths of the scripts below the server's root, as Panel gives them, with their versions.

    [] if BOKEH_RESOURCES makes the page take them from elsewhere.
    """
    root = f"{application.prefix}/"
    files = [str(file).removeprefix(root) for file in bundle_resources([], application.resources()).js_files]
    return [name for name in files if name.startswith(BOKEH)]


def file_of(name):
    """Path of a script's file. name : its path below the server's root, without the version"""
    if name.startswith(PANEL):
        return Path(DIST_DIR) / name.removeprefix(PANEL)
    return Path(settings.bokehjs_path()) / name.removeprefix(BOKEH)


@lru_cache(maxsize=32)
def compressed(name):
    return gzip.compress(file_of(name).read_bytes(), LEVEL, mtime=0)


class LibraryHandler(tornado.web.RequestHandler):
    """Sends one script. 404 for a name that no page uses.

    known (constructor argument) : a set, which the first request fills with the names of the scripts, without versions
    """

    def initialize(self, known):
        self.known = known

    def get(self, name):
        if not self.known:
            self.known.update(named.partition("?")[0] for named in names(self.application))
        if name not in self.known:
            raise tornado.web.HTTPError(404)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("Vary", "Accept-Encoding")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.finish(compressed(name))
        else:
            self.finish(file_of(name).read_bytes())


def routes():
    icon = {"path": str(Path(DIST_DIR) / "images")}  # Bokeh has a route for it at / only
    return [
        (r"/(favicon\.ico)", tornado.web.StaticFileHandler, icon),
        (f"/{PREFIX}(.+)", LibraryHandler, {"known": set()}),
    ]
