"""Browser tests: a real server on a made-up run, a real browser, and guards that every test carries.

    def test_something(open_page, server):
        page = open_page("amy", "/?room=review&focus=900001")

`open_page(user, path)` gives a logged-in page of a browser context of its own; at the end of the test the guards fail
it on any console error, page error, answer >= 400 or request to another host. A test that provokes one says so:
`page.expected_problems.append("403")`, or `with page.expecting("403")` for a while only. `page.requests` has counted
its requests from the first.
"""

import itertools
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests import survey, warm
from tests.logins import cookie_of
from tests.ui.waiting import Requests
from triptych.app.site.runs import secret_of
from triptych.app.web.place import COOKIE, site_of
from triptych.app.web.place import cookie_of as name_of_cookie
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

BROWSER_FLAGS = [
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--disable-gpu-compositing",  # software WebGL for the map and the mosaic only: the page itself costs a fifth then
]
SERVER_START_SECONDS = 240  # its imports alone take a minute and more where other work keeps all cores busy
expect.set_options(timeout=20_000)  # two cores that also run the server and software WebGL
READY = """() => window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every(d => d.is_idle)
    && document.body?.dataset.ready === '1'"""


def browser_path():
    """A chromium that is installed, else None (Playwright's own is used, if there)."""
    named = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in named if name and (found := shutil.which(name))), None)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.ui)
            if item.config.getoption("--second-try"):
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure says what its pages showed and what their servers wrote."""
    report = yield
    if report.failed:
        for page in getattr(item, "pages", []):
            report.sections.append((f"page {page.url}", seen_of(page)))
        for log in getattr(item, "logs", []):
            report.sections.append((f"server {log}", log.read_text(errors="replace")[-3000:]))
    return report


def seen_of(page):
    """The text of a page and what is still on its way, for somebody who was not there."""
    try:
        return f"{page.requests.open} requests without an answer\n{page.inner_text('body')[:3000]}"
    except Exception as error:  # the page is closed, or its browser is gone
        return f"cannot be asked: {error}"


@dataclass
class Served:
    """A running server. url : http://localhost:PORT, with the path before all addresses; run : folder; log : path of
    its output."""

    url: str
    run: Path
    port: int
    process: warm.Program
    log: Path
    options: tuple = ()
    beside: tuple = ()  # folders of further runs
    module: str = "triptych.app.server"

    @property
    def site(self):
        return urlsplit(self.url).path

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def start(self):
        """Start (again) on the same port and run, and wait until it answers."""
        self.process = warm.start(self.module, self.run, *self.beside, "--port", self.port, *self.options, log=self.log)
        give_up = time.monotonic() + SERVER_START_SECONDS
        while time.monotonic() < give_up:
            try:
                urllib.request.urlopen(f"{self.url}/login", timeout=2).read()
                return self
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")


def free_port():
    """A port on which nothing listens, the same one again once its server has ended: browsers keep what they loaded."""
    first = 20_000 + 10 * (os.getpid() % 1000)
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("localhost", port))
                return port
            except OSError:
                continue
    raise RuntimeError(f"no free port from {first} on")


def address_of(port, options):
    """Where a server with these options is."""
    given = dict(itertools.pairwise(options))
    return f"http://localhost:{port}{site_of(given.get('--prefix', ''))}"


@contextmanager
def serving(run, *options, beside=(), module="triptych.app.server"):
    """A server of a run while the block lasts; its log is beside the run.

    options : of `triptych.app.server`, which `module` starts    beside : folders of further runs
    """
    run, port, log = Path(run), free_port(), Path(run).with_name("log.txt")
    served = Served(address_of(port, options), run, port, None, log, options, tuple(beside), module)
    try:
        yield served.start()
    finally:
        served.stop()


@pytest.fixture
def serve_run(tmp_path_factory):
    """serve_run(folder, *options) -> Served; stopped at the end of the test."""
    started = []

    def start(run, *options):
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log.txt"
        served = Served(address_of(port, options), Path(run), port, None, log, options)
        started.append(served)
        return served.start()

    yield start
    for served in started:
        served.stop()


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """A server on a made-up run of 16 exposures, shared by the tests of one file.

    It has no worker. A file whose tests need one says `SERVER_OPTIONS = ()`.
    """
    folder = tmp_path_factory.mktemp("served")
    survey.make(folder / "run", exposures=16)
    with serving(folder / "run", *getattr(request.module, "SERVER_OPTIONS", ("--no-worker",))) as served:
        yield served


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    path = browser_path()
    return {**browser_type_launch_args, "args": BROWSER_FLAGS, **({"executable_path": path} if path else {})}


class Guard:
    """Collects what must not happen on a page."""

    def __init__(self, context, url):
        self.url, self.problems, self.expected = url, [], []
        self._listeners = {
            "request": self._request,
            "console": self._console,
            "weberror": self._page_error,
            "response": self._response,
        }
        self.context = context
        for name, listener in self._listeners.items():
            context.on(name, listener)

    def _request(self, request):
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.problems.append(f"request to another host: {request.url}")

    def _page_error(self, error):
        self.problems.append(f"page error: {error.error}")

    def _console(self, message):
        if message.type == "error":
            self.problems.append(f"console error: {message.text}")

    def _response(self, response):
        if response.status >= 400:
            self.problems.append(f"{response.status} {response.url}")

    @contextmanager
    def expecting(self, *parts):
        """Problems that come up meanwhile and have one of these parts are no problems; others are, and all before."""
        n_before = len(self.problems)
        yield
        new = self.problems[n_before:]
        self.problems[n_before:] = [text for text in new if not any(part in text for part in parts)]

    def leave(self):
        for name, listener in self._listeners.items():
            self.context.remove_listener(name, listener)

    def check(self):
        wrong = [text for text in self.problems if not any(part in text for part in self.expected)]
        assert not wrong, "\n".join(wrong)


class Contexts:
    """Browser contexts that are used again: what a server says may be kept is kept, and nothing else.

    A page whose scripts are in the cache opens in half the time. Each context keeps one blank page, so a page of a test
    is a further tab. It would be a new window otherwise, and Chromium spends as long on a window as on our page.
    """

    def __init__(self, browser):
        self._browser = browser
        self._idle, self._blank = [], {}

    def new(self):
        return self._browser.new_context(viewport={"width": 1440, "height": 900})

    def take(self):
        if self._idle:
            return self._idle.pop()
        context = self.new()
        self._blank[context] = context.new_cdp_session(context.new_page())
        return context

    def pages(self, context):
        """The pages that a test has opened."""
        return context.pages[1:] if context in self._blank else context.pages

    def give_back(self, context, url):
        """Forget what a browser remembers of a site apart from its cache. Its pages must be closed."""
        context.set_offline(False)
        context.unroute_all()
        self._blank[context].send(
            "Storage.clearDataForOrigin", {"origin": url, "storageTypes": "cookies,local_storage,indexeddb"}
        )
        context.clear_cookies()
        self._idle.append(context)


@pytest.fixture(scope="session")
def contexts(browser):
    return Contexts(browser)


@pytest.fixture
def open_page(contexts, request, serve_run):
    """open_page(user, path="/", server=None, size=(1440, 900)) -> a logged-in, ready, guarded page.

    With a `password` the login form is filled in; without, the cookie that it gives is there already.
    A `fresh` browser has kept nothing of any server before, and is not used again.
    It rests on serve_run so that pages close before their server does.
    """
    guards, own = [], []

    def open_one(user, path="/", server=None, size=(1440, 900), password=None, fresh=False):
        server = server or request.getfixturevalue("server")
        context = contexts.new() if fresh else contexts.take()
        guard = Guard(context, server.url)
        guards.append(guard)
        if fresh:
            own.append(context)
        page = context.new_page()
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.expected_problems, page.expecting = guard.expected, guard.expecting
        page.requests = Requests(page, server.url)
        request.node.pages = [*getattr(request.node, "pages", []), page]
        request.node.logs = list(dict.fromkeys([*getattr(request.node, "logs", []), server.log]))
        if password is None:
            context.add_cookies([login_cookie(server, user)])
        page.goto(server.url + path)
        if password is not None:
            log_in(page, user, password)
        wait_ready(page)
        return page

    yield open_one
    for guard in guards:
        for page in contexts.pages(guard.context):
            page.close()
    for guard in guards:
        guard.leave()
        if guard.context in own:
            guard.context.close()
        else:
            contexts.give_back(guard.context, guard.url)
    for guard in guards:
        guard.check()


def login_cookie(server, user):
    """The cookie that the login form gives. Its login is written into the store of the server."""
    catalog = Catalog.open(server.run)
    with LabelStore(catalog.labels_url()) as store:
        site = server.site
        name = name_of_cookie(site, store.address) if site or server.beside else COOKIE
        value = cookie_of(store, secret_of(catalog), user, name)
    return {"name": name, "value": value, "url": f"{server.url}/", "httpOnly": True, "sameSite": "Strict"}


@contextmanager
def no_answer(page, address):
    """While it lasts, requests of a page to an address (a glob pattern) fail as if the server were away.

    The route stays in place afterwards and lets everything through: taking it away while a request is on its way
    makes Playwright handle that request twice.
    """
    away = [address]
    page.route(address, lambda route: route.abort() if away else route.fallback())
    yield
    away.clear()


def log_in(page, user, password=survey.PASSWORD):
    """Fill in the login form that the page shows."""
    page.get_by_label("Name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def log_out(page, server):
    """Log out at the page that says so, whatever this page showed before."""
    page.goto(server.url + "/logout")
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("You are logged out").wait_for()


def log_out_by_menu(page, button="Log out"):
    """Log out from a room. What the map fetches ahead is then answered 403, which nobody sees: the page is left."""
    page.requests.wait_for_answers()
    with page.expecting("403"):
        page.locator("#user > button").click()
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_text("You are logged out").wait_for()


def wait_ready(page):
    """Wait until Bokeh is idle and the frame is mounted; components mark themselves with data-ready="1"."""
    page.wait_for_function(READY)
