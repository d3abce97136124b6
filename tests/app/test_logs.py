"""Logs as JSON lines: every line is one object, says who asked for what, and holds no secret."""

import json
import logging
import shutil
import sys
from types import SimpleNamespace
from unittest import mock

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from tests.app.test_server import Browser
from tests.survey import PASSWORD
from tests.ui.conftest import serving
from triptych.app.logs import JsonLines
from triptych.app.site.site import log_answer
from triptych.app.web.fault_handler import FaultHandler, log_fault
from triptych.pipeline.clock import utc

SECRET = "hunter-two-and-a-half"


@pytest.fixture(scope="module")
def lines(survey_folder, tmp_path_factory):
    """What a server wrote while somebody logged in, looked, failed and left."""
    folder = tmp_path_factory.mktemp("logs")
    shutil.copytree(survey_folder, folder / "run", ignore=shutil.ignore_patterns("previews"))
    with serving(folder / "run", "--log-json") as server:
        door = Browser(server.url)
        door.ask(f"/?{SECRET}")
        door.ask(f"/login?password={SECRET}")
        door.ask(f"/login?next=//{SECRET}")
        door.log_in("amy", SECRET)
        door.log_in("amy")
        door.ask("/boot")
        door.ask(f"/?room=export&{SECRET}=1")
        door.ask("/explain/none")
        cookies = [cookie.value for cookie in door.cookies]
        door.ask("/account/password", json.dumps({"old": SECRET, "new": PASSWORD}).encode(), Origin=server.url)
        door.ask("/logout", b"", Origin=server.url)
    text = server.log.read_text()
    assert len(cookies) == 2
    return text, cookies


def of(lines, **wanted):
    found = [json.loads(line) for line in lines[0].splitlines()]
    return [line for line in found if wanted.items() <= line.items()]


def test_every_line_is_an_object_with_time_and_level(lines):
    for line in of(lines):
        assert line["time"][:10] == utc()[:10]
        assert line["level"] in ("info", "warning", "error")
        assert "message" in line or "path" in line
    assert of(lines, logger="triptych")[0]["message"].startswith("Triptych: http://")


def test_a_request_says_who_asked_for_what_from_where_and_how_it_went(lines):
    (boot,) = of(lines, path="/boot")
    assert boot["seconds"] >= 0
    assert boot["address"] in ("127.0.0.1", "::1")
    del boot["seconds"], boot["time"], boot["address"]
    wanted = {"account": "amy", "method": "GET", "path": "/boot", "status": 200}
    assert boot == {"level": "info", "logger": "tornado.access", **wanted}
    assert of(lines, path="/", account="amy", status=200)
    assert [line["account"] for line in of(lines, path="/login", method="POST")] == ["", "amy"]
    assert [line["status"] for line in of(lines, path="/login", method="POST")] == [401, 302]
    assert of(lines, path="/login", status=400, level="warning")


def test_who_is_led_to_the_login_is_no_error(lines):
    assert of(lines, path="/", account="", status=302)
    assert not of(lines, level="error")


def test_no_password_cookie_or_query_is_in_it(lines):
    text, cookies = lines
    for secret in (SECRET, PASSWORD, *cookies):
        assert secret not in text


def test_the_plain_line_holds_no_query_either(caplog):
    uri = f"/login?next={SECRET}"
    request = HTTPServerRequest(method="GET", uri=uri, headers=HTTPHeaders(), connection=mock.Mock())
    request.remote_ip = "192.0.2.7"
    handler = SimpleNamespace(request=request, get_status=lambda: 403)
    caplog.set_level(logging.INFO, logger="tornado.access")
    log_answer(handler)
    assert caplog.messages[0].startswith("403 GET /login (192.0.2.7) ")
    assert FaultHandler._request_summary(handler) == "GET /login (192.0.2.7)"


def test_a_fault_is_logged_without_the_query(caplog):
    request = HTTPServerRequest(method="GET", uri=f"/?{SECRET}", headers=HTTPHeaders(), connection=mock.Mock())
    error = ValueError("broken")
    log_fault(SimpleNamespace(request=request), ValueError, error, None)
    assert caplog.records[0].exc_info[1] is error
    assert caplog.messages[0].startswith("Uncaught exception GET / (")


def test_an_exception_is_part_of_its_line():
    try:
        raise ValueError("it is\nbroken")
    except ValueError:
        record = logging.getLogger("triptych").makeRecord(
            "triptych", logging.ERROR, __file__, 1, "it %s", ("failed",), sys.exc_info()
        )
    line = JsonLines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["level"]) == ("it failed", "error")
    assert "ValueError: it is\nbroken" in found["traceback"]
