"""A server that is asked to stop, as a real process: what is under way is finished, and everybody is told."""

import asyncio
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import psutil
import pytest
import tornado.httpclient
from tornado.websocket import websocket_connect

from tests.app.aside import run_aside
from tests.app.test_server import ROOT
from tests.survey import PASSWORD
from tests.ui.conftest import free_port, login_cookie, serving
from triptych.app.site import stopping

SECONDS = 60


@pytest.fixture
def run(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    return tmp_path / "run"


def wait_until(holds):
    give_up = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def listens(url):
    try:
        urllib.request.urlopen(f"{url}/login", timeout=SECONDS).close()
    except urllib.error.URLError as error:
        return not isinstance(error.reason, ConnectionRefusedError)
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_a_request_that_is_under_way_is_answered_and_then_the_server_ends(run, number):
    form = urllib.parse.urlencode({"username": "amy", "password": PASSWORD})
    with serving(run, "--no-worker") as server:
        store = sqlite3.connect(run / "labels.db", isolation_level=None)
        store.execute("BEGIN IMMEDIATE")  # the login has to wait for this writer
        with socket.create_connection(("localhost", server.port), timeout=SECONDS) as line:
            head = f"POST /login HTTP/1.1\r\nHost: localhost:{server.port}\r\nOrigin: {server.url}\r\n"
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
            line.sendall((head + form).encode())
            assert listens(server.url)  # it has answered what came after the login
            server.process.send_signal(number)
            wait_until(lambda: not listens(server.url))
            assert server.process.poll() is None
            store.execute("ROLLBACK")
            store.close()
            answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
        assert answer.startswith("HTTP/1.1 302 Found")
        assert "Set-Cookie: login=" in answer
        assert server.process.wait(SECONDS) == 0


def test_an_open_page_is_told(run):
    async def check(server):
        cookie = login_cookie(server, "amy")
        headers = {"Cookie": f"{cookie['name']}={cookie['value']}", "Origin": server.url}
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        page = await client.fetch(f"{server.url}/?room=export", headers=headers, request_timeout=SECONDS)
        client.close()
        (token,) = re.findall(r'"token": ?"([^"]+)"', page.body.decode())
        request = tornado.httpclient.HTTPRequest(server.url.replace("http", "ws") + "/ws?line=1", headers=headers)
        line = await websocket_connect(request, subprotocols=["bokeh", token])
        assert await asyncio.wait_for(line.read_message(), SECONDS)
        server.process.terminate()
        while await asyncio.wait_for(line.read_message(), SECONDS) is not None:
            pass
        assert (line.close_code, line.close_reason) == (stopping.GOING_AWAY, stopping.WORD)
        assert server.process.wait(SECONDS) == 0

    with serving(run, "--no-worker") as server:
        run_aside(check(server))


def test_the_command_ends_with_its_worker_and_says_nothing_of_an_error(run):
    port = free_port()
    command = [sys.executable, "-m", "triptych", "serve", str(run), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        wait_until(lambda: process.poll() is not None or listens(f"http://localhost:{port}"))
        (worker,) = psutil.Process(process.pid).children()
        assert "triptych.app.worker" in worker.cmdline()
        process.terminate()
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert not worker.is_running()
    assert said.splitlines() == [f"Triptych: http://localhost:{port}/   (stop with Ctrl-C)"]
