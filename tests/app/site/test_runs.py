"""Several runs behind one port: the list, the names, and logins that open one run and not the other."""

import http.cookies
import shutil

import pytest

from tests.app.test_server import Browser
from tests.survey import PASSWORD
from tests.ui.conftest import serving
from triptych.app.site.runs import names_of, open_runs
from triptych.app.survey.survey import Survey
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.store.store import LabelStore, open_store


def copies(survey_folder, folder, *names):
    for name in names:
        shutil.copytree(survey_folder, folder / name, ignore=shutil.ignore_patterns("previews"))
    return [folder / name for name in names]


@pytest.fixture(scope="module")
def served(survey_folder, tmp_path_factory):
    one, two = copies(survey_folder, tmp_path_factory.mktemp("runs"), "dr9", "dr10.1")
    with open_store(Catalog.open(two)) as store:
        store.add_user("zoe", "another sentence", "lead")
    with serving(one, "--no-worker", "--prefix", "/obs", beside=[two]) as server:
        yield server


@pytest.fixture
def door(served):
    return Browser(served.url.removesuffix("/obs"))


def log_in(door, run, user="amy", password=PASSWORD, goes_on_to=""):
    door.user = user
    form = {"username": user, "password": password, "next": goes_on_to}
    return door.ask(f"/obs/{run}/login", form, Origin=door.url)


def test_without_a_login_no_run_is_named(door):
    for address in ("/obs/", "/obs/login", "/obs/login?run=nothing", "/obs/dr9/", "/obs/dr9/boot", "/obs/else/"):
        answer = door.ask(address)
        assert answer.status in (200, 302, 403, 404)
        assert "dr10.1" not in answer.text.replace(address, "")
    assert door.ask("/obs/").headers["Location"] == "/obs/login"


def test_who_knows_the_name_of_a_run_comes_to_its_login(door):
    assert door.ask("/obs/login?run=dr10.1").headers["Location"] == "/obs/dr10.1/login?next=%2Fobs%2F"
    assert "There is no run" in door.ask("/obs/login?run=dr8").text
    assert "There is no run" not in door.ask("/obs/login").text


def test_the_list_tells_of_the_runs_that_one_is_logged_in_to(door, served):
    assert log_in(door, "dr10.1", goes_on_to="/obs/").headers["Location"] == "/obs/"
    rows = door.ask("/obs/").text.split("<tr>")[2:]
    assert len(rows) == 2
    first, second = rows
    assert 'href="/obs/dr9/"' in first
    assert "log in" in first
    assert "DECam" not in first
    with LabelStore(Catalog.open(served.beside[0]).labels_url()) as store:
        judged = len(store.ballots("decam", "amy"))
    exposures = len(Survey.read(Catalog.open(served.beside[0])).exposures)
    assert f'<td>DECam</td><td class="number">{exposures}</td><td class="number">{judged}</td><td>amy</td>' in second


def test_a_login_opens_its_own_run_only(door):
    log_in(door, "dr9")
    assert door.ask("/obs/dr9/").status == 200
    assert door.ask("/obs/dr10.1/").status == 302
    assert door.ask("/obs/dr10.1/boot").status == 403
    assert log_in(door, "dr9", "zoe", "another sentence").status == 401
    assert log_in(door, "dr10.1", "zoe", "another sentence").status == 302
    assert [door.ask(f"/obs/{run}/boot").status for run in ("dr9", "dr10.1")] == [200, 200]
    door.ask("/obs/dr9/logout", b"", Origin=door.url)
    assert [door.ask(f"/obs/{run}/boot").status for run in ("dr9", "dr10.1")] == [403, 200]


def test_the_cookie_of_one_run_is_worth_nothing_under_the_name_of_another(door):
    cookie = http.cookies.SimpleCookie(log_in(door, "dr9").headers["Set-Cookie"])
    ((mine, value),) = [(name, morsel.value) for name, morsel in cookie.items() if name.startswith("login")]
    other = http.cookies.SimpleCookie(log_in(door, "dr10.1").headers["Set-Cookie"])
    (theirs,) = [name for name in other if name.startswith("login")]
    assert mine != theirs
    assert Browser(door.url).ask("/obs/dr10.1/boot", Cookie=f"{theirs}={value}").status == 403


def test_a_page_carries_the_cookie_of_no_other_run(door):
    cookies = [log_in(door, run).headers["Set-Cookie"].partition("=")[2][:40] for run in ("dr9", "dr10.1")]
    token = door.ask("/obs/dr9/").text
    assert cookies[1] not in token


@pytest.mark.parametrize("address", ["/", "/dr9/", "/obs/dr9x/", "/obs/dr10x1/", "/obs/dr11/boot", "/obs/static/x.js"])
def test_what_is_nowhere_says_so(door, address):
    log_in(door, "dr9")
    assert door.ask(address).status == 404


def test_runs_of_one_label_store_share_their_logins(survey_folder, tmp_path):
    one, two, three = copies(survey_folder, tmp_path, "one", "two", "three")
    shared = Catalog.open(one).labels_url()
    Catalog.open(two).set_info(labels=shared)
    apps = open_runs([one, two, three])
    for app in apps:
        app.store.close()
    assert [app.place.prefix for app in apps] == ["/one", "/two", "/three"]
    assert apps[0].place.cookie == apps[1].place.cookie != apps[2].place.cookie
    assert apps[0].secret == apps[1].secret != apps[2].secret


def test_one_run_keeps_its_address_and_cookie(survey_folder, tmp_path):
    (app,) = open_runs(copies(survey_folder, tmp_path, "health"))
    app.store.close()
    assert (app.place.root, app.place.cookie) == ("/", "login")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("a/dr9", "b/dr9"), "two runs are called 'dr9': .*a/dr9 and .*b/dr9; rename"),
        (("a/dr9", "link"), "a/dr9 is given twice"),
        (("a/dr9", "a/dr 9"), "cannot be called 'dr 9': its name is part of its address"),
        (("a/dr9", "a/health"), "cannot be called 'health'.*are taken"),
    ],
    ids=str,
)
def test_names_that_cannot_be_served_together_are_refused_in_one_line(tmp_path, given, said):
    for name in ("a/dr9", "b/dr9", "a/dr 9", "a/health"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "link").symlink_to(tmp_path / "a/dr9")
    with pytest.raises(BadInput, match=said) as error:
        names_of([tmp_path / name for name in given])
    assert "\n" not in str(error.value)


def test_a_link_gives_a_run_another_name(tmp_path):
    for name in ("a/dr9", "b/dr9"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "old").symlink_to(tmp_path / "b/dr9")
    assert names_of([tmp_path / "a/dr9", tmp_path / "old"]) == ["dr9", "old"]


def test_if_one_run_cannot_be_opened_nothing_stays_open(survey_folder, tmp_path, monkeypatch):
    (one,) = copies(survey_folder, tmp_path, "one")
    closed = []
    monkeypatch.setattr(LabelStore, "close", lambda store: closed.append(store.url))
    (tmp_path / "two").mkdir()
    with pytest.raises(TriptychError, match="is not a run folder"):
        open_runs([one, tmp_path / "two"])
    assert len(closed) == 1
