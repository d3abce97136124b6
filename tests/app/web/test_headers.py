"""Headers of every answer, and what one browser may take of the server."""

import re
import socket

import pytest

from tests.app.test_server import Browser
from tests.app.test_server import served as served  # a fixture
from triptych.app.web import limits
from triptych.app.web.headers import HEADERS


@pytest.fixture
def door(served):
    door = Browser(served.url)
    door.log_in("lea")
    return door


def test_every_answer_carries_the_headers(door):
    paths = ["/", "/login", "/logout", "/nothing", "/boot", "/lead/overview", "/assets/frame/theme.css", "/favicon.ico"]
    paths += ["/static/js/bokeh.min.js", "/export/file/csv/any", "/metadata", "/account/password"]
    for path in paths:
        answer = door.ask(path)
        missing = [name for name in HEADERS if name not in answer.headers]
        assert not missing, (path, answer.status)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_the_scripts_of_a_page_carry_a_nonce_that_is_new_each_time(door):
    nonces = []
    for _ in range(2):
        page = door.ask("/")
        rule = page.headers["Content-Security-Policy"]
        (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", rule)
        assert "unsafe-eval" not in rule
        assert "'unsafe-inline'" not in re.search("script-src[^;]*", rule)[0]
        inline = [tag for tag in re.findall(r"<script[^>]*>", page.text) if "src=" not in tag]
        assert inline
        assert all(f'nonce="{nonce}"' in tag for tag in inline)
        nonces.append(nonce)
    assert nonces[0] != nonces[1]


def send(served, *parts):
    """What the server answers to bytes, until it closes the connection."""
    with socket.create_connection(("localhost", served.port), timeout=30) as line:
        for part in parts:
            line.sendall(part)
        answer = b""
        try:
            while more := line.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
    return answer


def test_a_long_body_is_refused_before_it_is_sent(served):
    length = limits.BODY_BYTES + 1
    head = f"POST /login HTTP/1.1\r\nHost: localhost:{served.port}\r\nContent-Length: {length}\r\n\r\n"
    assert b" 200 " not in send(served, head.encode())


def test_one_address_cannot_take_all_connections(served):
    lines = []
    try:
        for _ in range(limits.CONNECTIONS_OF_ONE + 50):
            line = socket.create_connection(("localhost", served.port), timeout=30)
            line.sendall(b"GET / HTTP/1.1\r\n")
            lines.append(line)
        closed = 0
        for line in lines[limits.CONNECTIONS_OF_ONE :]:
            try:
                closed += line.recv(12) in (b"", b"HTTP/1.1 503")
            except ConnectionResetError:
                closed += 1
        assert closed >= 49
    finally:
        for line in lines:
            line.close()
