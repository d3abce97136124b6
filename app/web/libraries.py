"""Bokeh's and Panel's scripts, compressed once.

Tornado compresses each of them anew for every browser, piece by piece, in the thread that answers everybody; while
other threads compute, every piece waits for its turn. They are public files, the same for all: no login is asked for,
so that the login form can fetch them while somebody types.
"""

import gzip
from functools import lru_cache
from pathlib import Path

import tornado.web
from bokeh.settings import settings
from panel.io.resources import DIST_DIR, bundle_resources

PREFIX = "/libs/"
PANEL = "static/extensions/panel/"
BOKEH = "static/"
LEVEL = 9  # it is done once


def addresses(application):
    """Addresses of the scripts in the order of the page. application : the server's own, of Tornado"""
    return [PREFIX + name for name in names(application)]


def names(application):
    """The same as Panel names them: below the server's root, with a version. None where BOKEH_RESOURCES has the page
    take them from elsewhere."""
    files = map(str, bundle_resources([], application.resources()).js_files)
    return [name for name in files if name.startswith(BOKEH)]


def file_of(name):
    """The script's file; its name has no version any more."""
    if name.startswith(PANEL):
        return Path(DIST_DIR) / name.removeprefix(PANEL)
    return Path(settings.bokehjs_path()) / name.removeprefix(BOKEH)


@lru_cache(maxsize=32)
def compressed(name):
    return gzip.compress(file_of(name).read_bytes(), LEVEL, mtime=0)


class LibraryHandler(tornado.web.RequestHandler):
    """One script; 404 for anything that no page names.

    Constructor argument `known` : a set, filled at the first request with the names of one server, without versions.
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
    return [(PREFIX + "(.+)", LibraryHandler, {"known": set()})]
