"""The server of one run and one label store: a process for pages and pictures, and a worker process for long work.

triptych serve RUN          python -m triptych.app.server RUN --port 5006
"""

import argparse
import asyncio
import errno
import importlib.util
import ipaddress
import logging
import mimetypes
import os
import secrets
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import panel as pn
import tornado.web
from panel.io.resources import DIST_DIR, JS_VERSION
from tornado.ioloop import IOLoop, PeriodicCallback

from triptych.app import dashboard
from triptych.app.context import AppContext
from triptych.app.map.points import map_table
from triptych.app.web import auth, libraries, limits, sockets
from triptych.app.web.component import STATIC, assets_version
from triptych.app.web.headers import Headers
from triptych.app.worker import WorkerProcess
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.errors import CatalogError, TriptychError
from triptych.pipeline.store.address import from_environment
from triptych.pipeline.store.passwords import DEMO_PASSWORD
from triptych.pipeline.store.store import open_store

log = logging.getLogger("triptych")

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
    "triptych.app.rooms.model.live_report",
    "triptych.app.rooms.export.explain_routes",
)
PAGE_LIFE_SECONDS = 12 * 3600  # for this long a page that was sent may begin its line
UNUSED_SESSION_SECONDS = 10 * 60  # for this long a session waits for its page, also for a computer that sleeps
UNUSED_CHECK_SECONDS = 15
WORKER_CHECK_SECONDS = 5
NOTE_SECONDS = 1  # between two notes in the run of how far its label store has come
RIGHTS_CHECK_SECONDS = 1
SECRET_FILE = ".session-secret"
# errno when the server cannot listen on a port or address -> the option to change
REFUSED = {errno.EADDRINUSE: "--port", errno.EACCES: "--port", errno.EADDRNOTAVAIL: "--address"}

mimetypes.add_type("text/javascript", ".js")


class AssetHandler(auth.PrivateHandler, tornado.web.StaticFileHandler):
    """Files of static/. With the version in the path the browser keeps a file for ever; without it, it asks each
    time."""

    def initialize(self, app):
        auth.PrivateHandler.initialize(self, app)
        tornado.web.StaticFileHandler.initialize(self, str(STATIC))

    def set_extra_headers(self, path):
        if f"/v-{assets_version()}/" in self.request.path:
            self.keep_for_ever()
        else:
            self.set_header("Cache-Control", "private, no-cache")


class BootHandler(auth.PrivateHandler):
    """Answers the page_id of this start of the server, this login and this role.

    A page that lost its connection asks, to learn when the server answers again and whether its login has ended.
    """

    def get(self):
        self.finish(self.app.page_id(self.user, self.login))


def make_app(run, *, labels=None, blind=False, secure_cookies=False, away_seconds=UNUSED_SESSION_SECONDS):
    """Open a run and its label store for serving.

    run : folder, or an open Catalog. labels : address of the label store, None = the run's own
    away_seconds : see AppContext
    """
    catalog = run if isinstance(run, Catalog) else Catalog.open(run)
    store = open_store(catalog, labels or "")
    more = {"secret": secret_of(catalog), "secure_cookies": secure_cookies, "away_seconds": away_seconds}
    return AppContext(catalog, store, blind=blind, **more)


def secret_of(catalog):
    """The secret that signs cookies: TRIPTYCH_SECRET, or else a file in the run folder that only its owner can read.

    Raises CatalogError if the file can be neither read nor made.
    """
    if os.environ.get("TRIPTYCH_SECRET"):
        return os.environ["TRIPTYCH_SECRET"]
    path = Path(catalog.path) / SECRET_FILE
    try:
        if not path.exists():
            aside = path.with_name(f"{SECRET_FILE}.{os.getpid()}")
            aside.touch(mode=0o600)
            aside.write_text(secrets.token_urlsafe(48))
            put_in_place(aside, path)
        return path.read_text().strip()
    except OSError as error:
        raise CatalogError(
            f"{path} cannot be read or made ({error.strerror}); let this user write there, or set TRIPTYCH_SECRET"
        ) from None


def route_list(app):
    """All routes of Triptych. Each needs a login."""
    routes = [
        (r"/assets/(?:v-[0-9a-f]+/)?(.*)", AssetHandler, {"app": app}),
        (r"/boot", BootHandler, {"app": app}),
    ]
    for name in ROUTE_MODULES:
        if importlib.util.find_spec(name) is not None:
            routes += importlib.import_module(name).routes(app)
    return routes


def make_server(app, *, port=5006, address="localhost", origins=(), behind_proxy=False):
    """A Tornado server that is not started yet.

    origins : further host:port under which browsers reach it. behind_proxy : believe X-Forwarded-* headers
    """
    auth.configure(app.secret)
    sockets.install()
    hosts = dict.fromkeys([f"{address}:{port}", f"localhost:{port}", f"127.0.0.1:{port}", *origins])
    made = pn.io.server.get_server(
        {"/": lambda: dashboard.serve_page(app)},
        port=port,
        address=address,
        websocket_origin=list(hosts),
        title="Triptych",
        auth_provider=auth.StoreAuth(app),
        cookie_secret=app.secret,
        secret_key=app.secret,
        sign_sessions=True,
        session_token_expiration=PAGE_LIFE_SECONDS,
        unused_session_lifetime_milliseconds=int(1000 * UNUSED_SESSION_SECONDS),
        check_unused_sessions_milliseconds=int(1000 * UNUSED_CHECK_SECONDS),
        extra_patterns=[*route_list(app), *libraries.routes()],
        static_dirs={f"cdn/panel/{JS_VERSION}/dist": str(DIST_DIR)},
        index=str(STATIC / "outside/error.html"),
        compress_response=True,
        use_xheaders=behind_proxy,
        admin=False,
        start=False,
        show=False,
        http_server_kwargs=dict(limits.HTTP_OPTIONS),
    )
    made._tornado.add_transform(Headers)
    limits.limit_connections(made._http, behind_proxy=behind_proxy)
    return made


def serve(
    run,
    *,
    port=5006,
    address="localhost",
    labels=None,
    blind=False,
    origins=(),
    tls_proxy=False,
    worker=True,
    demo_accounts=False,
    away_seconds=UNUSED_SESSION_SECONDS,
):
    """Serve the dashboard of a run until interrupted.

    labels : address of a shared label store, None = the run's own
    blind : hide the model's opinion until the vote
    origins : further host:port that browsers may have in the address bar
    tls_proxy : a proxy in front speaks HTTPS (cookies become Secure)
    worker : start the process that runs retrainings
    demo_accounts : let other computers log in with the demonstration's password, which everybody knows
    away_seconds : for this long a page whose connection is lost may come back as it was
    """
    if not STATIC.is_dir():
        raise TriptychError(f"{STATIC} is missing, which holds what runs in the browser; install triptych again")
    app = make_app(run, labels=labels, blind=blind, secure_cookies=tls_proxy, away_seconds=away_seconds)
    if not app.store.users():
        print(f"No account yet: make one with `triptych user add {app.catalog.path} NAME --role lead`", file=sys.stderr)
    try:
        if not demo_accounts and is_beyond_this_computer(address, origins, tls_proxy):
            refuse_demo_accounts(app.store)
        server = make_server(app, port=port, address=address, origins=origins, behind_proxy=tls_proxy)
    except TriptychError:
        app.store.close()
        raise
    except OSError as error:
        app.store.close()
        raise TriptychError(why_not(error, address, port)) from None
    rights = PeriodicCallback(lambda: sockets.keep_to_rights(app), 1000 * RIGHTS_CHECK_SECONDS)
    rights.start()
    process = WorkerProcess(app.catalog.path, app.store.url) if worker else None
    if process:
        process.start()
        PeriodicCallback(process.keep_alive, 1000 * WORKER_CHECK_SECONDS).start()
    PeriodicCallback(lambda: asyncio.to_thread(app.store.note_state), 1000 * NOTE_SECONDS).start()
    print(f"Triptych: http://{address}:{server.port}/   (stop with Ctrl-C)", flush=True)
    try:
        map_table(app.survey())  # encodes a long map before the first page asks for it
        server.start()
        IOLoop.current().start()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
        if process:
            process.stop()
        app.store.close()


def is_beyond_this_computer(address, origins=(), tls_proxy=False):
    """Whether browsers on other computers may reach a server: by its address, or through a proxy.

    origins : host:port of further addresses
    """
    hosts = [address, *(urlsplit(f"//{origin}").hostname or origin for origin in origins)]
    return tls_proxy or not all(map(is_loopback, hosts))


def is_loopback(host):
    """Whether a host name or address means this computer only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_demo_accounts(store):
    """Raise TriptychError if an active account has the demonstration's password."""
    names = store.accounts_with(DEMO_PASSWORD)
    if names:
        raise TriptychError(
            f"{', '.join(names)} can log in with the demonstration's password, which everybody knows; give each a new "
            "one with `triptych user add`, or close it with `triptych user close`, or serve on localhost. "
            "--demo-accounts serves them to other computers all the same."
        )


def why_not(error, address, port):
    """One line that says why the server could not start.

    An error with a file name is about a file and not about the port, so it does not name an option.
    """
    option = "--address" if isinstance(error, socket.gaierror) else REFUSED.get(error.errno)
    if option and error.filename is None:
        return f"cannot listen on {address}:{port} ({error.strerror}); choose another {option}"
    return f"cannot serve: {error}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Serve the dashboard of a run.")
    parser.add_argument("run")
    parser.add_argument("--port", type=int, default=5006)
    parser.add_argument("--address", default="localhost")
    parser.add_argument("--labels", default=from_environment())
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--origin", dest="origins", action="append", default=[])
    parser.add_argument("--away-seconds", type=float, default=UNUSED_SESSION_SECONDS)
    parser.add_argument("--no-worker", dest="worker", action="store_false")
    try:
        serve(**vars(parser.parse_args(arguments)))
    except TriptychError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
