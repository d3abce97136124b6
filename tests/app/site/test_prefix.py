"""A run below a path: everything that the server names or sends is there, and nothing is beside it."""

import re
import shutil
import urllib.parse

import pytest

from tests.app.test_server import Browser
from tests.survey import PASSWORD
from tests.ui.conftest import serving
from triptych.app.web.place import cookie_of, site_of
from triptych.pipeline.errors import BadInput

ADDRESS = re.compile(r"""(?:href|src|action)="([^"]*)\"""")


@pytest.fixture(scope="module")
def served(survey_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    shutil.copytree(survey_folder, folder / "run", ignore=shutil.ignore_patterns("previews"))
    with serving(folder / "run", "--no-worker", "--prefix", "/obs/triptych") as server:
        yield server


@pytest.fixture
def door(served):
    """A browser that speaks to the whole host."""
    return Browser(served.url.removesuffix("/obs/triptych"))


def log_in(door, goes_on_to=""):
    form = {"username": "amy", "password": PASSWORD, "next": goes_on_to}
    return door.ask("/obs/triptych/login", form, Origin=door.url)


def test_a_visitor_is_led_to_the_login_and_back(door):
    answer = door.ask("/obs/triptych/?room=review&focus=900001")
    there = urllib.parse.urljoin("/obs/triptych/", answer.headers["Location"])
    path, _, query = there.partition("?")
    assert (answer.status, path) == (302, "/obs/triptych/login")
    form = door.ask(there).text
    assert 'name="next" value="/obs/triptych/?room=review&amp;focus=900001"' in form
    assert log_in(door, urllib.parse.parse_qs(query)["next"][0]).headers["Location"] == (
        "/obs/triptych/?room=review&focus=900001"
    )


def test_the_path_without_its_last_slash_leads_to_the_page_with_or_without_a_login(door):
    for _ in range(2):
        answer = door.ask("/obs/triptych?room=export")
        assert (answer.status, answer.headers["Location"]) == (302, "/obs/triptych/?room=export")
        log_in(door)


def test_after_the_login_comes_the_page_and_after_the_logout_the_form(door):
    assert log_in(door).headers["Location"] == "/obs/triptych/"
    answer = door.ask("/obs/triptych/logout", b"", Origin=door.url)
    assert (answer.status, answer.headers["Location"]) == (303, "/obs/triptych/logout")


def test_cookies_go_to_this_server_alone(door):
    cookies = log_in(door).headers.get_all("Set-Cookie")
    assert len(cookies) == 2
    assert all("Path=/obs/triptych/" in cookie for cookie in cookies)


def test_the_cookie_of_a_server_beside_it_has_another_name():
    names = {cookie_of(site, store) for site in ("/a", "/b") for store in ("sqlite:///one.db", "sqlite:///two.db")}
    assert len(names) == 4


@pytest.mark.parametrize("where", ["", "login", "logout", "picture/mosaic/1.bin", "explain/1"])
def test_whatever_a_page_names_is_below_the_path(door, where):
    log_in(door)
    named = ADDRESS.findall(door.ask(f"/obs/triptych/{where}").text)
    assert bool(named) == (where in ("", "login", "logout")), "the others are one line of text"
    for address in named:
        whole = urllib.parse.urljoin(f"/obs/triptych/{where}", address)
        assert address.startswith("data:") or whole.startswith("/obs/triptych/"), address
        if not address.startswith("data:"):
            assert door.ask(whole).status == 200, address


@pytest.mark.parametrize("address", ["/", "/login", "/boot", "/obs/", "/obs/triptychs/", "/obs/triptych2/login"])
def test_nothing_is_beside_the_path(door, address):
    log_in(door)
    assert door.ask(address).status == 404


@pytest.mark.parametrize(
    "address", ["/", "/obs/", "/obs/other/", "/obs/triptych/../other/", "/obs/triptych/%2e%2e/other", "//evil.example/"]
)
def test_the_login_goes_on_to_no_other_program(door, address):
    assert log_in(door, address).status == 400


def test_the_favicon_is_there(door):
    assert door.ask("/obs/triptych/favicon.ico").status == 200


def test_a_prefix_is_written_in_any_usual_way():
    assert {site_of(text) for text in ("obs/triptych", "/obs/triptych", "/obs/triptych/", "//obs//triptych")} == {
        "/obs/triptych"
    }
    assert site_of("") == site_of("/") == ""


@pytest.mark.parametrize("text", ["/a b", "/../x", "/a?b", "https://host/x", "/a/.", "/a(b)"])
def test_what_cannot_be_a_prefix_is_refused_in_one_line(text):
    with pytest.raises(BadInput, match=r"cannot be a prefix; use letters.*e\.g\. /triptych"):
        site_of(text)
