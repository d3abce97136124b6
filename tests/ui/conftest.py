"""Browser tests: a real server on a made-up run, a real browser, and guards that every test carries.

    def test_something(open_page, server):
        page = open_page("amy", "/?room=review&focus=900001")

`open_page(user, path)` gives a logged-in page of a browser context of its own; at the end of the test the guards fail
it on any console error, page error, answer >= 400 or request to another host. A test that provokes one says so:
`page.expected_problems.append("403")`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import survey

ROOT = Path(__file__).parents[2]
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
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
            item.add_marker(pytest.mark.flaky(reruns=1))  # a loaded machine may miss a gesture once


@dataclass
class Served:
    """A running server. url : http://localhost:PORT; run : folder; log : path of its output."""

    url: str
    run: Path
    port: int
    process: subprocess.Popen
    log: Path
    options: tuple = ()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)

    def start(self):
        """Start (again) on the same port and run, and wait until it answers."""
        command = [sys.executable, "-m", "app.server", str(self.run), "--port", str(self.port), *self.options]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        give_up = time.monotonic() + SERVER_START_SECONDS
        while time.monotonic() < give_up:
            try:
                urllib.request.urlopen(f"{self.url}/login", timeout=2).read()
                return self
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.fixture
def serve_run(tmp_path_factory):
    """serve_run(folder, *options) -> Served; stopped at the end of the test."""
    started = []

    def start(run, *options):
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log.txt"
        served = Served(f"http://localhost:{port}", Path(run), port, None, log, options)
        started.append(served)
        return served.start()

    yield start
    for served in started:
        served.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on a made-up run of 16 exposures, shared by the tests of one file."""
    folder = tmp_path_factory.mktemp("served")
    survey.make(folder / "run", exposures=16)
    port = free_port()
    served = Served(f"http://localhost:{port}", folder / "run", port, None, folder / "log.txt")
    yield served.start()
    served.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    path = browser_path()
    return {**browser_type_launch_args, "args": BROWSER_FLAGS, **({"executable_path": path} if path else {})}


class Guard:
    """Collects what must not happen on a page."""

    def __init__(self, context, url):
        self.url, self.problems, self.expected = url, [], []
        context.route(re.compile(".*"), self._only_this_server)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.problems.append(f"page error: {error.error}"))
        context.on("response", self._response)

    def _only_this_server(self, route):
        address = route.request.url
        if address.startswith((self.url, "data:", "blob:")):
            route.continue_()
        else:
            self.problems.append(f"request to another host: {address}")
            route.abort()

    def _console(self, message):
        if message.type == "error":
            self.problems.append(f"console error: {message.text}")

    def _response(self, response):
        if response.status >= 400:
            self.problems.append(f"{response.status} {response.url}")

    def check(self):
        wrong = [text for text in self.problems if not any(part in text for part in self.expected)]
        assert not wrong, "\n".join(wrong)


@pytest.fixture
def open_page(browser, request, serve_run):
    """open_page(user, path="/", server=None, size=(1440, 900)) -> a logged-in, ready, guarded page.

    It rests on serve_run so that pages close before their server does.
    """
    contexts = []

    def open_one(user, path="/", server=None, size=(1440, 900), password=survey.PASSWORD):
        server = server or request.getfixturevalue("server")
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        guard = Guard(context, server.url)
        contexts.append((context, guard))
        page = context.new_page()
        page.expected_problems = guard.expected
        page.goto(server.url + path)
        log_in(page, user, password)
        wait_ready(page)
        return page

    yield open_one
    for context, _guard in contexts:
        context.close()
    for _context, guard in contexts:
        guard.check()


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


def wait_ready(page):
    """Wait until Bokeh is idle and the frame is mounted; components mark themselves with data-ready="1"."""
    page.wait_for_function(READY)
