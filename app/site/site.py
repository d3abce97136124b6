"""One run or several behind one port, each below its own path."""

import re
import weakref

from bokeh.core.validation import silence
from bokeh.core.validation.warnings import EMPTY_LAYOUT
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets, create_hosts_allowlist
from panel.io.application import build_applications
from panel.io.resources import DIST_DIR
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.log import access_log
from tornado.routing import AnyMatches, Matcher, PathMatches, Rule, RuleRouter
from tornado.websocket import WebSocketHandler

from triptych.app import dashboard
from triptych.app.context import AWAY_SECONDS
from triptych.app.logs import about_answer
from triptych.app.oauth import handler as oauth
from triptych.app.site.front import front_of
from triptych.app.site.health import Health
from triptych.app.site.metrics import Metrics
from triptych.app.site.routes import route_list
from triptych.app.web import auth, libraries, limits, sockets
from triptych.app.web.component import STATIC
from triptych.app.web.headers import Headers

PAGE_LIFE_SECONDS = 12 * 3600  # for this long a page may reconnect
UNUSED_CHECK_SECONDS = 15


class Below(Matcher):
    """Matches addresses below a path, and the path itself. prefix : '' or e.g. '/triptych/dr10'"""

    def __init__(self, prefix):
        self.prefix = prefix

    def match(self, request):
        path = request.path or ""
        return {} if not self.prefix or path == self.prefix or path.startswith(f"{self.prefix}/") else None


class Runs(RuleRouter):
    """Gives each request to its run, and remembers it until it is answered."""

    def __init__(self, rules):
        super().__init__(rules)
        self._given = weakref.WeakSet()  # Tornado keeps each as long as its connection waits for the answer

    def find_handler(self, request, **kwargs):
        given = super().find_handler(request, **kwargs)
        if given is not None:
            self._given.add(given)
        return given

    def under_way(self):
        """The handlers of requests that are not answered yet, apart from websockets."""
        handlers = [getattr(given, "handler", None) for given in list(self._given)]
        return [one for one in handlers if one is not None and _is_under_way(one)]


def _is_under_way(handler):
    """Whether somebody still waits for the answer of a handler, or for the rest of it."""
    stream = getattr(handler.request.connection, "stream", None)
    if isinstance(handler, WebSocketHandler) or stream is None or stream.closed():
        return False
    return not handler._finished or stream.writing()


class Site:
    """A server that listens, but does not answer before `start`. Closed with `stop`.

    apps : app.context.AppContext of each run, each at its own place
    metrics_token : who asks for /metrics has to send it, '' = nobody has to
    beyond : whether browsers on other computers may reach it
    applications : the tornado.web.Application of each, in the same order
    """

    def __init__(
        self,
        apps,
        *,
        port=5006,
        address="localhost",
        origins=(),
        behind_proxy=False,
        metrics_token="",
        beyond=False,
    ):
        auth.configure(apps[0].secret)
        sockets.install()
        silence(EMPTY_LAYOUT, True)
        self.apps, self.loop = apps, IOLoop.current()
        self.health, self.metrics = Health(apps), Metrics(apps)
        self.metrics_token, self.beyond = metrics_token, beyond
        listening, self.port = bind_sockets(address, port)
        try:
            hosts = dict.fromkeys([f"{address}:{port}", f"localhost:{port}", f"127.0.0.1:{port}", *origins])
            allowed = create_hosts_allowlist(list(hosts), self.port)
            self.applications = [application_of(app, allowed, self.answered) for app in apps]
            rules = [Rule(Below(app.place.prefix), made) for app, made in zip(apps, self.applications, strict=True)]
            front, site = front_of(self), apps[0].place.site
            machines = PathMatches(rf"{re.escape(site)}/(?:health|metrics)")
            rules = [Rule(machines, front), *rules, Rule(AnyMatches(), front)]
            self._runs = Runs(rules)
            self.http = HTTPServer(self._runs, xheaders=behind_proxy, **limits.HTTP_OPTIONS)
            limits.limit_connections(self.http, behind_proxy=behind_proxy)
            self.http.add_sockets(listening)
        except Exception:
            for one in listening:
                one.close()
            raise
        for application in self.applications:
            application.initialize(self.loop)

    def answered(self, handler):
        """Count and log one answer."""
        provider = getattr(handler.application, "auth_provider", None)
        self.metrics.answered(handler, provider.app.catalog.name if provider else "")
        log_answer(handler)

    def requests(self):
        """The handlers of requests that are not answered yet."""
        return self._runs.under_way()

    def sockets(self):
        """The websockets that are open."""
        return [socket for app in self.apps for socket in list(app.sockets)]

    def start(self):
        """Begin what runs beside the answers: pings of the websockets, and forgetting pages that were closed."""
        for application in self.applications:
            application.start()

    def stop(self):
        """Listen no longer, and close all connections as soon as the loop goes on."""
        for application in self.applications:
            application.stop()
        self.http.stop()
        self.loop.add_callback(self.http.close_all_connections)


def log_answer(handler):
    """Write one line about an answer: errors always, others only in a detailed log.

    It has no part of the address after the path, in which somebody may have written a password.
    """
    request, status = handler.request, handler.get_status()
    seconds = request.request_time()
    user = getattr(handler, "user", None)
    account = user.name if user is not None else getattr(handler, "_current_user", None) or ""
    write = access_log.info if status < 400 else access_log.warning if status < 500 else access_log.error
    about = (account, request.remote_ip, request.method, request.path, status, round(seconds, 4))
    line = (status, request.method, request.path, request.remote_ip, 1000 * seconds)
    write("%d %s %s (%s) %.2fms", *line, extra=about_answer(*about))


def application_of(app, allowed, answered):
    """The pages and routes of one run, as Bokeh serves them.

    app : app.context.AppContext    allowed : host:port that a page may open its websocket from
    answered : is called with each handler that has answered
    """
    made = BokehTornado(
        build_applications({"/": lambda: dashboard.serve_page(app)}, title="Triptych", location=True),
        prefix=app.place.prefix,
        extra_websocket_origins=allowed,
        extra_patterns=[*route_list(app), *libraries.routes(), *oauth.routes(app)],
        auth_provider=auth.StoreAuth(app),
        cookie_secret=app.secret,
        secret_key=app.secret,
        sign_sessions=True,
        include_cookies=[app.place.cookie],
        session_token_expiration=PAGE_LIFE_SECONDS,
        unused_session_lifetime_milliseconds=int(1000 * AWAY_SECONDS),
        check_unused_sessions_milliseconds=int(1000 * UNUSED_CHECK_SECONDS),
        index=str(STATIC / "outside/error.html"),
        ico_path=str(DIST_DIR / "images" / "favicon.ico"),
        compress_response=True,
        log_function=answered,
    )
    made.add_transform(Headers)
    return made
