"""The server of one run and one label store: a process for pages and pictures, and a worker process for long work.

triptych serve RUN          python -m triptych.app.server RUN --port 5006
"""

import argparse
import asyncio
import errno
import ipaddress
import logging
import os
import secrets
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tornado.ioloop import IOLoop, PeriodicCallback

from triptych.app.context import AppContext
from triptych.app.map.points import map_table
from triptych.app.site.site import Site
from triptych.app.web import sockets
from triptych.app.web.component import STATIC
from triptych.app.web.place import COOKIE, Place, cookie_of, site_of
from triptych.app.worker import WorkerProcess
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.errors import CatalogError, TriptychError
from triptych.pipeline.store.address import from_environment
from triptych.pipeline.store.passwords import DEMO_PASSWORD
from triptych.pipeline.store.store import open_store

log = logging.getLogger("triptych")

WORKER_CHECK_SECONDS = 5
NOTE_SECONDS = 1  # between two notes in the run of how far its label store has come
RIGHTS_CHECK_SECONDS = 1
SECRET_FILE = ".session-secret"
# errno when the server cannot listen on a port or address -> the option to change
REFUSED = {errno.EADDRINUSE: "--port", errno.EACCES: "--port", errno.EADDRNOTAVAIL: "--address"}


def make_app(run, *, labels=None, blind=False, secure_cookies=False, prefix=""):
    """Open a run and its label store for serving.

    run : folder, or an open Catalog. labels : address of the label store, None = the run's own
    prefix : path before every address. BadInput if it cannot be one
    """
    site = site_of(prefix)
    catalog = run if isinstance(run, Catalog) else Catalog.open(run)
    store = open_store(catalog, labels or "")
    place = Place(site, cookie=cookie_of(site, store.address) if site else COOKIE)
    return AppContext(
        catalog, store, secret=secret_of(catalog), secure_cookies=secure_cookies, blind=blind, place=place
    )


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


def make_server(app, *, port=5006, address="localhost", origins=(), behind_proxy=False):
    """A server of one run that is not started yet.

    origins : further host:port under which browsers reach it. behind_proxy : believe X-Forwarded-* headers
    """
    return Site([app], port=port, address=address, origins=origins, behind_proxy=behind_proxy)


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
    prefix="",
):
    """Serve the dashboard of a run until interrupted.

    labels : address of a shared label store, None = the run's own
    blind : hide the model's opinion until the vote
    origins : further host:port that browsers may have in the address bar
    tls_proxy : a proxy in front speaks HTTPS (cookies become Secure)
    worker : start the process that runs retrainings
    prefix : path before every address, e.g. /triptych, for a proxy that serves other programs, too
    demo_accounts : let other computers log in with the demonstration's password, which everybody knows
    """
    if not STATIC.is_dir():
        raise TriptychError(f"{STATIC} is missing, which holds what runs in the browser; install triptych again")
    app = make_app(run, labels=labels, blind=blind, secure_cookies=tls_proxy, prefix=prefix)
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
    print(f"Triptych: http://{address}:{server.port}{app.place.root}   (stop with Ctrl-C)", flush=True)
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
    parser.add_argument("--prefix", default="")
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--no-worker", dest="worker", action="store_false")
    try:
        serve(**vars(parser.parse_args(arguments)))
    except TriptychError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
