"""Half-sent requests, answers that nobody reads, and too many connections, at a real server with small limits."""

import http.client
import socket
import time

import pytest

from tests import survey
from tests.app.test_server import Browser
from tests.app.web import hasty_server
from tests.ui.conftest import serving

SCRIPT = "/static/js/bokeh.min.js"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hasty")
    survey.make(folder / "run", exposures=4)
    with serving(folder / "run", "--no-worker", module="tests.app.web.hasty_server") as server:
        yield server


def connect(served) -> socket.socket:
    return socket.create_connection(("localhost", served.port), timeout=30)


def rest(line: socket.socket) -> bytes:
    """What the server still sends until it closes the connection."""
    answer = b""
    try:
        while more := line.recv(1 << 20):
            answer += more
    except ConnectionResetError:
        pass
    return answer


HALVES = {
    "nothing": b"",
    "half a header": b"GET /login HTTP/1.1\r\nHost: local",
    "half a body": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\nusername=amy",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_what_is_half_sent_is_closed(served, half):
    with connect(served) as line:
        line.sendall(half)
        assert rest(line) == b""


def test_a_connection_that_has_had_its_answer_is_closed(served):
    with connect(served) as line:
        line.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert rest(line).startswith(b"HTTP/1.1 200")


def test_a_slow_but_steady_upload_arrives(served):
    door = Browser(served.url)
    body = b"username=amy&password=" + b"x" * 3000
    head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    with connect(served) as line:
        line.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        begun, sent = time.monotonic(), 0
        while time.monotonic() < begun + 2 * hasty_server.IDLE_SECONDS:
            line.sendall(body[sent : sent + 1])
            sent += 1
            door.ask("/login")
        line.sendall(body[sent:])
        assert rest(line).startswith(b"HTTP/1.1 ")


def test_an_answer_that_nobody_reads_is_given_up(served):
    size = len(Browser(served.url).ask(SCRIPT).body)
    asked = 40
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(30)
        line.connect(("127.0.0.1", served.port))
        line.sendall(f"GET {SCRIPT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * asked)
        give_up = time.monotonic() + 30
        while "takes nothing of its answer" not in served.log.read_text():
            assert time.monotonic() < give_up, "it is still open"
            Browser(served.url).ask("/login")
        assert 0 < len(rest(line)) < asked * size


def test_too_many_connections_are_refused_in_words_and_a_page_that_is_open_goes_on(served):
    door = Browser(served.url)
    door.log_in("amy")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in door.cookies)
    page = http.client.HTTPConnection("localhost", served.port, timeout=30)
    lines = []

    def boot():
        page.request("GET", "/boot", headers={"Cookie": cookies})
        answer = page.getresponse()
        return answer.status, answer.read()

    first = boot()
    try:
        for _ in range(3 * hasty_server.CONNECTIONS_OF_ONE):
            lines.append(connect(served))
            lines[-1].sendall(b"GET /login HTTP/1.1\r\n")
            assert boot() == first
            assert page.sock is not None  # the same connection
        answers = [rest(line) for line in lines]
    finally:
        for line in [page, *lines]:
            line.close()
    assert first[0] == 200
    refused = [answer for answer in answers if answer]
    assert len(refused) >= 2
    assert all(answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After" in answer for answer in refused)
    assert all(b"try again in a moment" in answer for answer in refused)
    assert door.ask("/login").status == 200
