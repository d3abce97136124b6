"""The server's doors, over real HTTP: nobody without a login gets anything, and each gets what their role allows."""

import gzip
import http.cookiejar
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.survey import PASSWORD
from tests.ui.conftest import serving
from triptych.app.server import make_app
from triptych.app.site.routes import route_list
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from tests import survey

    folder = tmp_path_factory.mktemp("doors")
    survey.make(folder / "run", exposures=4)
    with serving(folder / "run", "--no-worker") as server:
        yield server


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    """Just enough of a browser: cookies, headers, no redirects. What it sends names who logged in last."""

    def __init__(self, url):
        self.url = url
        self.user = ""
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies), NoRedirect)

    def ask(self, path, data=None, **headers):
        if isinstance(data, dict):
            data = urllib.parse.urlencode(data).encode()
        if data is not None and self.user:
            headers = {"X_Triptych_User": urllib.parse.quote(self.user), **headers}
        request = urllib.request.Request(self.url + path, data, {k.replace("_", "-"): v for k, v in headers.items()})
        try:
            answer = self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        return SimpleNamespace(
            status=answer.status, headers=answer.headers, body=body, text=body.decode(errors="replace")
        )

    def log_in(self, user, password=PASSWORD, **headers):
        form = {"username": user, "password": password, "next": "/"}
        self.user = user
        return self.ask("/login", form, **{"Origin": self.url, **headers})


@pytest.fixture
def door(served):
    return Browser(served.url)


def example_of(pattern):
    """A text that a regular expression of a route matches: first alternatives, and each repetition long enough."""
    return "".join(_spell(op, value) for op, value in re._parser.parse(pattern))


def _spell(op, value):
    name = str(op)
    if name == "LITERAL":
        return chr(value)
    if name == "IN":
        kinds = {str(kind): item for kind, item in value}
        if "CATEGORY" in kinds:
            return "1"
        return chr(kinds["RANGE"][0]) if "RANGE" in kinds else chr(kinds["LITERAL"])
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        low, high, inner = value
        return "".join(_spell(*part) for part in inner) * max(low, min(high, 1))
    if name == "SUBPATTERN":
        return "".join(_spell(*part) for part in value[-1])
    if name == "BRANCH":
        return "".join(_spell(*part) for part in value[1][0])
    return "" if name == "AT" else "1"


def paths_of(served):
    """An address for every route that the program has, and for the pages."""
    app = make_app(served.run)
    patterns = [pattern for pattern, _handler, _kwargs in route_list(app)]
    app.store.close()
    found = [example_of(pattern) for pattern in patterns]
    assert all(re.fullmatch(pattern, path) for pattern, path in zip(patterns, found, strict=True))
    pages = ["/", "/?room=review&focus=900001", "/autoload.js?bokeh-autoload-element=x", "/metadata"]
    return [*pages, "/assets/frame/theme.css", "/assets/v-0123456789ab/frame/shell.js", *found]


def test_anonymous_gets_no_page_script_picture_or_number(served, door):
    paths = paths_of(served)
    assert len(paths) > 10
    for path in paths:
        answer = door.ask(path)
        assert answer.status in (302, 403), f"{path}: {answer.status}"
        assert "900001" not in answer.text.replace(path, "")
        assert "mixed-001" not in answer.text


def test_anonymous_posts_nothing(served, door):
    for path in paths_of(served):
        assert door.ask(path, b"{}", Origin=served.url).status in (302, 403, 405), path


def test_anonymous_websocket_is_refused(door):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    answer = door.ask("/ws", None, Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Origin=door.url, **upgrade)
    assert answer.status == 403


def test_admin_page_and_session_information_do_not_exist(door):
    door.log_in("lea")
    for path in ("/admin", "/rest/session_info", "/liveness"):
        assert door.ask(path).status == 404, path


def test_login_and_logout_pages_name_no_other_host(door):
    for path in ("/login", "/logout"):
        page = door.ask(path)
        assert page.status == 200
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
        assert "http://www.w3.org/2000/svg" in page.text  # the logo is inside


def test_the_login_form_fetches_ahead_the_very_scripts_of_the_page_and_nothing_of_ours(door):
    ahead = re.findall(r'<link rel="prefetch" as="script" href="([^"]*)"', door.ask("/login").text)
    scripts = [door.ask(f"/{address}") for address in ahead]
    assert {answer.status for answer in scripts} == {200}
    assert all("immutable" in answer.headers["Cache-Control"] for answer in scripts)
    door.log_in("amy")
    assert ahead == re.findall(r'<script [^>]*src="([^"]*)"></script>', door.ask("/").text.partition("</head>")[2])


def test_a_script_is_the_same_compressed_and_not(door):
    address = next(name for name in re.findall(r'href="(libs/[^"]*)"', door.ask("/login").text) if "bokeh.min" in name)
    plain = door.ask(f"/{address}")
    packed = door.ask(f"/{address}", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert b"Bokeh Contributors" in plain.body[:500]


@pytest.mark.parametrize("path", ["/libs/static/js/none.js", "/libs/static/../../../setup.py", "/libs//etc/passwd"])
def test_only_the_scripts_of_the_page_are_public(door, path):
    assert door.ask(path).status == 404


def test_login_cookie_is_signed_http_only_and_same_site(door):
    answer = door.log_in("amy")
    assert answer.status == 302
    cookie = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert door.ask("/assets/frame/theme.css").status == 200
    door.cookies.clear()
    assert door.ask("/assets/frame/theme.css", Cookie='login="2|1:0|10:1700000000|5:login|4:YW15|00"').status == 403


@pytest.mark.parametrize("user", ["amy", "nobody"])
def test_a_wrong_password_and_an_unknown_name_look_the_same(door, user):
    answer = door.log_in(user, "wrong password")
    assert answer.status == 401
    assert "Unknown name or wrong password" in answer.text
    assert "Set-Cookie" not in answer.headers


def test_login_from_another_site_is_refused(door):
    assert door.log_in("amy", Origin="http://evil.example").status == 403


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "evil.example",
    ],
)
def test_login_goes_on_to_no_other_server(door, address):
    form = {"username": "amy", "password": PASSWORD, "next": address}
    answer = door.ask("/login", form, Origin=door.url)
    assert (answer.status, answer.headers["Location"]) == (400, None)
    assert door.ask("/login?" + urllib.parse.urlencode({"next": address})).status == 400


def test_login_goes_on_to_our_own_pages(door):
    form = {"username": "amy", "password": PASSWORD}
    answer = door.ask("/login", {**form, "next": "/?room=review"}, Origin=door.url)
    assert answer.headers["Location"] == "/?room=review"


def test_the_page_carries_ones_own_name_and_nobodys_vote(served, door):
    app = make_app(served.run)
    app.store.cast(
        Vote(expnum=900002, inspector="ben", judgement="bad", reasons=("Wonky",), comment="zebra", plver="V5.5LS")
    )
    app.store.close()
    door.log_in("amy")
    page = door.ask("/?room=review&focus=900002")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "amy" in page.text
    for secret in ("zebra", "ben"):
        assert not re.search(rf"\b{secret}\b", page.text)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!localhost)', page.text)


def test_versioned_assets_are_kept_for_ever_and_others_are_asked_for_again(door):
    from triptych.app.web.component import assets_base

    door.log_in("amy")
    assert "immutable" in door.ask(f"/{assets_base()}/frame/shell.js").headers["Cache-Control"]
    assert "no-cache" in door.ask("/assets/frame/shell.js").headers["Cache-Control"]
    assert "immutable" not in door.ask("/assets/v-000000000000/frame/shell.js").headers["Cache-Control"]
    assert door.ask("/assets/../pyproject.toml").status in (403, 404)


@pytest.mark.parametrize("path", ["/export/summary", "/export/preview/csv/majority", "/export/file/bad_expid/any"])
def test_only_a_lead_sees_everybodys_votes_in_the_lists(served, path):
    for user, status in (("amy", 403), ("vic", 403), ("lea", 200)):
        door = Browser(served.url)
        door.log_in(user)
        assert door.ask(path).status == status


def test_export_over_http_says_what_it_is_and_is_the_same_twice(door):
    door.log_in("lea")
    one, two = door.ask("/export/file/bad_expid/any"), door.ask("/export/file/bad_expid/any")
    assert one.text == two.text
    assert 'filename="run_bad_expid_any.txt"' in one.headers["Content-Disposition"]
    counts = json.loads(door.ask("/export/summary").text)
    listed = {policy["name"]: policy["listed"] for policy in counts["policies"]}
    assert listed["any"] >= listed["majority"] >= listed["unanimous"]
    assert door.ask("/export/preview/tex/any").status == 400
    shown = json.loads(door.ask("/export/preview/parquet/any").text)
    assert shown["shown_as"] == "csv"


def test_own_votes_can_be_had_by_oneself(door):
    door.log_in("ben")
    mine = door.ask("/export/mine")
    assert "zebra" in mine.text or "PSF" in mine.text
    door = Browser(door.url)
    door.log_in("amy")
    assert door.ask("/export/mine").text.count("\n") == 1


STYLE = "/assets/frame/theme.css"


@pytest.fixture
def store(served):
    with LabelStore(Catalog.open(served.run).labels_url()) as store:
        yield store


def wait_until_out(door):
    """Wait until the server has learned from the store that a login has ended."""
    give_up = time.monotonic() + 20
    while door.ask(STYLE).status != 403:
        assert time.monotonic() < give_up, "the login goes on"


@pytest.mark.parametrize(
    "end",
    [
        lambda store: store.set_active("dan", False),
        lambda store: store.set_password("dan", "something else"),
        lambda store: store.end_logins("dan"),
    ],
    ids=["closed", "new password", "logged out everywhere"],
)
def test_what_another_process_ends_is_ended_here(served, store, end):
    if not store.user("dan"):
        store.add_user("dan", PASSWORD, "inspector")
    store.set_active("dan", True)
    store.set_password("dan", PASSWORD)
    door, other = Browser(served.url), Browser(served.url)
    door.log_in("dan")
    other.log_in("dan")
    assert door.ask(STYLE).status == other.ask(STYLE).status == 200
    assert end(store) == 2
    wait_until_out(door)
    wait_until_out(other)
    assert door.ask("/").status == 302


def test_a_copied_cookie_is_worth_nothing_after_the_logout(served, door):
    answer = door.log_in("amy")
    copied = answer.headers["Set-Cookie"].partition(";")[0]
    assert Browser(served.url).ask(STYLE, Cookie=copied).status == 200
    assert door.ask("/logout", b"", Origin=served.url).status == 303
    assert Browser(served.url).ask(STYLE, Cookie=copied).status == 403
    assert "You are logged out" in door.ask("/logout").text


def test_logout_ends_one_login_and_everywhere_all(served, store):
    doors = [Browser(served.url) for _ in range(3)]
    for door in doors:
        door.log_in("cai")
    one, two, _three = doors
    one.ask("/logout", b"", Origin=served.url)
    assert [door.ask(STYLE).status for door in doors] == [403, 200, 200]
    two.ask("/logout", {"everywhere": "1"}, Origin=served.url)
    assert [door.ask(STYLE).status for door in doors] == [403, 403, 403]
    assert store.logins("cai") == []


def test_looking_at_the_logout_page_or_a_form_of_another_site_ends_nothing(served, door):
    door.log_in("amy")
    assert "You are logged in as amy" in door.ask("/logout").text
    assert door.ask("/logout", b"", Origin="http://evil.example").status == 403
    assert door.ask("/logout", b"").status == 403
    assert door.ask(STYLE).status == 200


def test_a_login_says_where_and_when_and_its_id_alone_opens_nothing(served, store, door):
    door.log_in("vic")
    login = store.logins("vic")[-1]
    assert login.address in ("127.0.0.1", "::1")
    assert login.created_utc <= login.last_seen_utc
    assert Browser(served.url).ask(STYLE, Cookie=f"login={login.login_id}").status == 403


def test_the_log_of_accounts_says_from_where_and_by_whom(served, store, door):
    store.add_user("gil", "the first one", "viewer")
    door.log_in("gil", "wrong", X_Real_Ip="192.0.2.99")  # believed only behind a proxy
    door.log_in("gil", "the first one")
    lead = Browser(served.url)
    lead.log_in("lea")
    lead.ask("/lead/account/change", json.dumps({"name": "gil", "role": "inspector"}).encode(), Origin=served.url)
    body = json.dumps({"old": "the first one", "new": "the second one"}).encode()
    assert door.ask("/account/password", body, Origin=served.url).status == 200
    door.ask("/logout", b"", Origin=served.url)
    events = store.account_events("gil")[1:]
    assert [(event.what, event.by) for event in events] == [
        ("log-in failed", ""),
        ("log-in", "gil"),
        ("role", "lea"),
        ("password", "gil"),
        ("log-out", "gil"),
    ]
    assert {event.address for event in events} <= {"127.0.0.1", "::1"}


def test_users_change_their_own_password_and_stay_logged_in_here_only(served, store):
    store.add_user("eve", "the first one", "viewer")
    here, there = Browser(served.url), Browser(served.url)
    here.log_in("eve", "the first one")
    there.log_in("eve", "the first one")

    def change(**values):
        return here.ask("/account/password", json.dumps(values).encode(), Origin=served.url, X_Triptych_User="eve")

    for old, new, says in (
        ("wrong", "the second one", "the old password is wrong"),
        ("the first one", "short", "at least"),
        ("the first one", "the first one", "is the old one"),
    ):
        answer = change(old=old, new=new)
        assert (answer.status, says in answer.text) == (400, True), answer.text
    assert json.loads(change(old="the first one", new="the second one").text) == {"ended": 1}
    assert (here.ask(STYLE).status, there.ask(STYLE).status) == (200, 403)
    assert there.log_in("eve", "the first one").status == 401
    assert there.log_in("eve", "the second one").status == 302


def test_a_server_starts_without_what_only_some_pages_and_jobs_need():
    code = (
        "import importlib, sys; from triptych.app import server; from triptych.app.site import routes; "
        "list(map(importlib.import_module, routes.ROUTE_MODULES)); "
        "print(sorted({'alembic', 'astropy', 'hdbscan', 'numba', 'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.fixture
def served_alone(tmp_path):
    from tests import survey

    survey.make(tmp_path / "run", exposures=4)
    with serving(tmp_path / "run", "--no-worker") as server:
        yield server


def test_every_route_that_writes_refuses_what_names_no_user_or_another_one(served_alone):
    """A page of amy on which ben has logged in since, in another tab: nothing from it is stored in the name of ben."""
    door = Browser(served_alone.url)
    door.log_in("lea")
    app = make_app(served_alone.run)
    routes = [(example_of(pattern), handler) for pattern, handler, _kwargs in route_list(app)]
    written = [path for path, handler in routes if {"post", "put", "delete", "patch"} & set(vars(handler))]
    assert len(written) > 15
    before = app.store.revision()
    for path in written:
        for user, status in (("", 428), ("amy", 409)):
            answer = door.ask(path, b"{}", Origin=door.url, X_Triptych_User=user)
            assert answer.status == status, path
            assert answer.text.startswith(f"{status} ")
    vote = {"expnums": [900001], "judgement": "good", "batch_id": "b", "how": "lasso"}
    for user, status in (("", 428), ("amy", 409), ("lea", 200)):
        assert door.ask("/api/votes", json.dumps(vote).encode(), Origin=door.url, X_Triptych_User=user).status == status
    assert app.store.votes(current=False)["inspector"].tolist()[-1] == "lea"
    assert app.store.revision() == before + 1
    app.store.close()
