"""The websocket of a page takes a verb only from the login and in the role that the page was sent to."""

import asyncio
import re
import secrets
import shutil
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest
import tornado.httpclient
from bokeh.protocol import Protocol
from bokeh.protocol.receiver import Receiver
from tornado.web import create_signed_value
from tornado.websocket import websocket_connect

from tests.app.aside import run_aside
from tests.logins import cookie_header
from tests.ui.conftest import free_port
from triptych.app import server
from triptych.app.web import lines, sockets
from triptych.app.web.lines import MARK
from triptych.app.web.place import COOKIE

SECONDS = 30


@pytest.fixture
def app(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    app = server.make_app(tmp_path / "run")
    yield app
    app.store.close()


class Line:
    """Just enough of a page to use its socket. cookie : the header Cookie, as it is when the socket opens

    got : frames of the server; taken : how many of ours it says that it has
    """

    def __init__(self, url, token, cookie):
        self.url, self.token, self.cookie = url, token, cookie
        self.protocol, self.receiver = Protocol(), Receiver(Protocol())
        self.line, self.got, self.taken = secrets.token_hex(8), 0, None

    async def connect(self, **more):
        query = urlencode({"line": self.line, **more})
        request = tornado.httpclient.HTTPRequest(
            f"{self.url.replace('http', 'ws')}/ws?{query}", headers={"Cookie": self.cookie, "Origin": self.url}
        )
        self.socket = await websocket_connect(request, subprotocols=["bokeh", self.token])

    async def open(self):
        await self.connect()
        return await self.hear()

    async def come_back(self):
        """Open another socket for the same line. Whether the server goes on with it."""
        await self.connect(again=self.got)
        return await self.frame() is not None

    async def frame(self):
        """The next frame, None if the socket was closed. What is said of the line itself is noted."""
        fragment = await asyncio.wait_for(self.socket.read_message(), SECONDS)
        if isinstance(fragment, str) and fragment.startswith(MARK):
            self.taken = int(fragment[1:])
        elif fragment is not None:
            self.got += 1
        return fragment

    async def hear(self, kind="ACK"):
        """The next message of a kind, None if the socket was closed."""
        while True:
            fragment = await self.frame()
            if fragment is None:
                return None
            if isinstance(fragment, str) and fragment.startswith(MARK):
                continue
            message = await self.receiver.consume(fragment)
            if message is not None and message.msgtype == kind:
                return message

    async def send(self, kind):
        for part in self.protocol.create(kind).header_json, "{}", "{}":
            await self.socket.write_message(part)

    async def ask(self):
        """Ask for the page's document. Whether an answer came; False if the socket was closed instead."""
        await self.send("PULL-DOC-REQ")
        return await self.hear("PULL-DOC-REPLY") is not None

    def cut(self):
        """Break the connection, without a word to the server."""
        self.socket.protocol.stream.close()


@asynccontextmanager
async def serving(app):
    """The address of a server of this run, in this process."""
    port = free_port()
    made = server.make_server(app, port=port)
    made.start()
    try:
        yield f"http://localhost:{port}"
    finally:
        made.stop()


async def page_of(url, cookie):
    """A page that was sent to a user: its line, not yet open."""
    client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
    answer = await client.fetch(url + "/?room=explore", headers={"Cookie": cookie})
    client.close()
    (token,) = re.findall(r'"token": ?"([^"]+)"', answer.body.decode())
    return Line(url, token, cookie)


def test_a_socket_answers_until_the_login_ends(app):
    async def check():
        async with serving(app) as url:
            for end in (
                lambda: app.store.end_logins("amy"),
                lambda: app.store.set_password("amy", "something else"),
                lambda: app.store.set_role("amy", "viewer"),
                lambda: app.store.set_active("amy", False),
            ):
                line = await page_of(url, cookie_header(app, "amy"))
                assert await line.open()
                assert await line.ask()
                end()
                app.accounts.forget()  # what time does, see test_context
                assert not await line.ask()
                assert line.socket.close_code == sockets.NO_RIGHTS

    run_aside(check())


def test_sockets_are_closed_though_nobody_says_anything(app):
    async def check():
        async with serving(app) as url:
            amy, lea = [await page_of(url, cookie_header(app, name)) for name in ("amy", "lea")]
            assert await amy.open()
            assert await lea.open()
            assert len(app.sockets) == 2
            app.store.set_role("lea", "viewer")
            await sockets.keep_to_rights(app)
            assert await lea.hear() is None
            assert await amy.ask()
            assert len(app.sockets) == 1

    run_aside(check())


def test_a_page_opens_no_socket_for_another_user_another_login_or_another_role(app):
    async def check():
        async with serving(app) as url:
            lea = cookie_header(app, "lea")
            line = await page_of(url, lea)
            line.cookie = cookie_header(app, "amy")
            assert await line.open() is None
            other = app.store.begin_login("lea")
            line.cookie = f"{COOKIE}={signed(app, other.login_id)}"
            assert await line.open() is None
            line.cookie = lea
            assert await line.open()
            app.store.set_role("lea", "inspector")
            app.accounts.forget()
            assert await line.open() is None
            assert await (await page_of(url, lea)).open()

    run_aside(check())


async def until(holds):
    """Wait until a condition holds; the server in this process goes on meanwhile."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def lines_of(app):
    return list(app.lines.values())


def session_of(line):
    return line.first.connection.session


def test_a_page_that_was_cut_off_gets_once_what_was_said_meanwhile(app):
    async def check():
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            assert await page.ask()
            (line,) = lines_of(app)
            page.cut()
            await until(lambda: line.socket is None)
            assert session_of(line).connection_count == 1, "for Bokeh the page is still there"
            for name in ("SERVER-INFO-REQ", "SERVER-INFO-REQ"):  # what Bokeh has to say meanwhile
                line.say_message(page.protocol.create(name))
            assert await page.come_back()
            assert page.taken == 3
            assert await page.hear("SERVER-INFO-REQ")
            assert await page.hear("SERVER-INFO-REQ")
            assert await page.ask()
            assert lines_of(app) == [line]

    run_aside(check())


def test_what_is_said_while_a_connection_is_being_closed_comes_over_the_next_one(app):
    async def check():
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            assert await page.ask()
            (line,) = lines_of(app)
            line.first.close(sockets.GONE, "Bokeh does so after a fault of its own")
            assert line.socket is line.first, "it has not closed yet"
            line.say_message(page.protocol.create("SERVER-INFO-REQ"))
            assert await page.frame() is None
            await until(lambda: line.socket is None)
            assert await page.come_back()
            assert await page.hear("SERVER-INFO-REQ")

    run_aside(check())


def test_a_connection_that_went_silent_is_left_for_the_new_one(app):
    async def check():
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            (line,) = lines_of(app)
            silent = page.socket
            assert await page.come_back()
            assert line.socket is not line.first
            await line.first.on_message("{}")  # what the old one still carries is sent again over the new one
            assert await page.ask()
            assert line.got == 3
            assert await silent.read_message() is None

    run_aside(check())


def test_what_the_page_has_got_is_forgotten(app):
    async def check():
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            assert await page.ask()
            (line,) = lines_of(app)
            assert line.kept_bytes > 1000
            await page.socket.write_message(f"{MARK}{page.got}")
            await page.frame()
            assert (line.kept_bytes, page.taken) == (0, 3)
            page.got = 1
            page.cut()
            assert not await page.come_back(), "nobody has the frames before any more"
            assert page.socket.close_code == sockets.GONE

    run_aside(check())


def test_a_page_that_stays_away_too_long_needs_a_new_line(app):
    async def check():
        app.away_seconds = 0
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            session = session_of(lines_of(app)[0])
            page.cut()
            await until(lambda: not app.lines)
            assert session.connection_count == 0
            assert session.expiration_requested
            assert not await page.come_back()
            assert page.socket.close_code == sockets.GONE

    run_aside(check())


def test_a_page_that_was_closed_is_not_waited_for(app):
    async def check():
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            session = session_of(lines_of(app)[0])
            page.socket.close(1001)
            await until(lambda: not app.lines)
            assert session.connection_count == 0
            assert session.expiration_requested, "its tables and views need not wait for ten minutes"

    run_aside(check())


def test_nobody_else_takes_over_a_line(app):
    async def check():
        async with serving(app) as url:
            amy, lea = [await page_of(url, cookie_header(app, name)) for name in ("amy", "lea")]
            assert await amy.open()
            lea.line = amy.line
            assert not await lea.come_back()
            assert lea.socket.close_code == sockets.GONE
            assert await lea.open() is None
            amy.cut()
            app.store.end_logins("amy")
            app.accounts.forget()
            amy.cookie = cookie_header(app, "amy")  # logged in anew
            assert not await amy.come_back()
            assert amy.socket.close_code == sockets.NO_RIGHTS

    run_aside(check())


def test_a_page_so_far_behind_is_not_waited_for(app, monkeypatch):
    async def check():
        async with serving(app) as url:
            page = await page_of(url, cookie_header(app, "amy"))
            assert await page.open()
            (line,) = lines_of(app)
            page.cut()
            await until(lambda: line.socket is None)
            monkeypatch.setattr(lines, "KEPT_BYTES", 1000)
            line.say("x" * 2000)
            assert line.over
            assert not app.lines

    run_aside(check())


def signed(app, login_id):
    return create_signed_value(app.secret, COOKIE, login_id).decode()
