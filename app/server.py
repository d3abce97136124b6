"""The server: a process for pages and pictures, and a worker process for the long work of each run.

triptych serve RUN...          python -m triptych.app.server RUN... --port 5006
"""

import argparse
import asyncio
import errno
import ipaddress
import logging
import socket
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tornado.ioloop import IOLoop, PeriodicCallback

from triptych.app.context import AWAY_SECONDS
from triptych.app.logs import log_as_json
from triptych.app.map.points import map_table
from triptych.app.oauth.provider import read_provider
from triptych.app.site.runs import make_app as make_app
from triptych.app.site.runs import open_runs
from triptych.app.site.site import Site
from triptych.app.site.stopping import stop_on_signals
from triptych.app.web import sockets
from triptych.app.web.component import STATIC
from triptych.app.worker import WorkerProcess
from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.store.address import from_environment
from triptych.pipeline.store.passwords import DEMO_PASSWORD

log = logging.getLogger("triptych")

WORKER_CHECK_SECONDS = 5
NOTE_SECONDS = 1  # between two notes in the run of how far its label store has come
RIGHTS_CHECK_SECONDS = 1
SHORTEST_TOKEN = 16
# errno when the server cannot listen on a port or address -> the option to change
REFUSED = {errno.EADDRINUSE: "--port", errno.EACCES: "--port", errno.EADDRNOTAVAIL: "--address"}


def make_server(*apps, port=5006, address="localhost", origins=(), behind_proxy=False, metrics_token=""):
    """A server of one run or several that is not started yet.

    apps : AppContext of each. origins : further host:port under which browsers reach it
    behind_proxy : believe X-Forwarded-* headers. metrics_token : for /metrics, see app.site.metrics
    """
    beyond = is_beyond_this_computer(address, origins, behind_proxy)
    given = {"port": port, "address": address, "origins": origins, "behind_proxy": behind_proxy}
    return Site(apps, **given, metrics_token=metrics_token, beyond=beyond)


def serve(
    *runs,
    port=5006,
    address="localhost",
    labels=None,
    blind=False,
    origins=(),
    tls_proxy=False,
    worker=True,
    demo_accounts=False,
    away_seconds=AWAY_SECONDS,
    prefix="",
    metrics_token=None,
    log_json=False,
    oauth=None,
):
    """Serve the dashboards of runs until interrupted.

    labels : address of a shared label store, None = each run's own
    blind : hide the model's opinion until the vote
    origins : further host:port that browsers may have in the address bar
    tls_proxy : a proxy in front speaks HTTPS (cookies become Secure)
    worker : start the processes that run retrainings, one for each run
    prefix : path before every address, e.g. /triptych, for a proxy that serves other programs, too
    metrics_token : file whose first line is the token of those who ask for /metrics
    log_json : log as JSON lines, see app.logs
    oauth : file that describes an OAuth provider, see app.oauth.provider
    demo_accounts : let other computers log in with the demonstration's password, which everybody knows
    away_seconds : for this long a page whose connection is lost may come back as it was
    """
    if not STATIC.is_dir():
        raise TriptychError(f"{STATIC} is missing, which holds what runs in the browser; install triptych again")
    if log_json:
        log_as_json()
    token = token_of(metrics_token)
    provider = None if oauth is None else read_provider(oauth)
    kind = {
        "oauth": provider,
        "labels": labels,
        "blind": blind,
        "secure_cookies": tls_proxy,
        "away_seconds": away_seconds,
    }
    apps = open_runs(runs, prefix=prefix, **kind)
    try:
        for app in apps:
            if not app.store.users():
                tell(f"No account yet: make one with `triptych user add {app.catalog.path} NAME --role lead`", log_json)
            if not demo_accounts and is_beyond_this_computer(address, origins, tls_proxy):
                refuse_demo_accounts(app.store)
        given = {"port": port, "address": address, "origins": origins, "behind_proxy": tls_proxy}
        server = make_server(*apps, **given, metrics_token=token)
    except BaseException as error:
        for app in apps:
            app.store.close()
        if isinstance(error, OSError):
            raise TriptychError(why_not(error, address, port)) from None
        raise
    workers = [WorkerProcess(app.catalog.path, app.store.url, log_json=log_json) for app in apps] if worker else []
    for process in workers:
        process.start()
    for work, seconds in regular_work(apps, workers):
        PeriodicCallback(work, 1000 * seconds).start()
    tell(f"Triptych: http://{address}:{server.port}{apps[0].place.site_root}   (stop with Ctrl-C)", log_json)
    stop_on_signals(server)
    try:
        for app in apps:
            map_table(app.survey())  # encodes a long map before the first page asks for it
        server.start()
        IOLoop.current().start()
    finally:
        server.stop()
        for process in workers:
            process.ask_to_stop()
        for process in workers:
            process.stop()
        for app in apps:
            app.store.close()


def token_of(path):
    """The token in the first line of a file; '' without a file. BadInput if it cannot be read or is too short."""
    if path is None:
        return ""
    try:
        token = next(iter(Path(path).read_text().splitlines()), "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the token of the metrics cannot be read from {path}: {error}") from None
    if len(token) < SHORTEST_TOKEN or not token.isascii():
        raise BadInput(f"write a token of {SHORTEST_TOKEN} or more letters and digits into the first line of {path}")
    return token


def tell(text, log_json):
    """Say something to whoever starts the server, or to its log."""
    if log_json:
        log.info(text)
    else:
        print(text, flush=True)


def regular_work(apps, workers):
    """[(function, seconds between two calls)]: what the server does beside its answers."""
    for app in apps:
        yield partial(sockets.keep_to_rights, app), RIGHTS_CHECK_SECONDS
        yield partial(asyncio.to_thread, app.store.note_state), NOTE_SECONDS
    for process in workers:
        yield process.keep_alive, WORKER_CHECK_SECONDS


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
    parser = argparse.ArgumentParser(description="Serve the dashboards of runs.")
    parser.add_argument("runs", nargs="+", metavar="run")
    parser.add_argument("--port", type=int, default=5006)
    parser.add_argument("--address", default="localhost")
    parser.add_argument("--labels", default=from_environment())
    parser.add_argument("--prefix", default="")
    parser.add_argument("--metrics-token", type=Path)
    parser.add_argument("--log-json", action="store_true")
    parser.add_argument("--oauth", type=Path)
    parser.add_argument("--tls-proxy", action="store_true")
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--origin", dest="origins", action="append", default=[])
    parser.add_argument("--away-seconds", type=float, default=AWAY_SECONDS)
    parser.add_argument("--no-worker", dest="worker", action="store_false")
    try:
        options = vars(parser.parse_args(arguments))
        serve(*options.pop("runs"), **options)
    except TriptychError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
