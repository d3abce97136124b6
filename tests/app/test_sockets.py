"""The websocket of a page takes a verb only from the login and in the role that the page was sent to."""

import asyncio
import re
import shutil
from contextlib import asynccontextmanager

import pytest
import tornado.httpclient
from bokeh.protocol import Protocol
from bokeh.protocol.receiver import Receiver
from tornado.web import create_signed_value
from tornado.websocket import websocket_connect

from tests.logins import cookie_header
from tests.ui.conftest import free_port
from triptych.app import server
from triptych.app.web import sockets
from triptych.app.web.place import COOKIE

SECONDS = 30


@pytest.fixture
def app(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    app = server.make_app(tmp_path / "run")
    yield app
    app.store.close()


class Line:
    """Just enough of a page to use its socket. cookie : the header Cookie, as it is when the socket opens"""

    def __init__(self, url, token, cookie):
        self.url, self.token, self.cookie = url, token, cookie
        self.protocol, self.receiver = Protocol(), Receiver(Protocol())

    async def open(self):
        request = tornado.httpclient.HTTPRequest(
            self.url.replace("http", "ws") + "/ws", headers={"Cookie": self.cookie, "Origin": self.url}
        )
        self.socket = await websocket_connect(request, subprotocols=["bokeh", self.token])
        return await self.hear()

    async def hear(self, kind="ACK"):
        """The next message of a kind, None if the socket was closed."""
        while True:
            fragment = await asyncio.wait_for(self.socket.read_message(), SECONDS)
            if fragment is None:
                return None
            message = await self.receiver.consume(fragment)
            if message is not None and message.msgtype == kind:
                return message

    async def ask(self):
        """Ask for the page's document. Whether an answer came; False if the socket was closed instead."""
        for part in self.protocol.create("PULL-DOC-REQ").header_json, "{}", "{}":
            await self.socket.write_message(part)
        return await self.hear("PULL-DOC-REPLY") is not None


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

    asyncio.run(check())


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

    asyncio.run(check())


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

    asyncio.run(check())


def signed(app, login_id):
    return create_signed_value(app.secret, COOKIE, login_id).decode()
