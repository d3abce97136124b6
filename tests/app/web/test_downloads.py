"""Files for download: names that no browser misreads, and tables that no spreadsheet runs."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests import survey
from tests.app.test_server import Browser
from tests.pipeline.nasty_texts import FORMULAS, formulas
from tests.ui.conftest import serving
from triptych.app.web.downloads import disposition
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore, Vote

ROOT = Path(__file__).parents[3]
NAMES = (
    "night 1.csv",
    'a "night".csv',
    "Nächte in Örö.csv",
    "a;filename=evil.exe.csv",
    "50%20off.csv",
    "it's.csv",
    "夜.csv",
)


def names_in(header: str) -> tuple[str, str]:
    """(filename, filename* decoded) of a Content-Disposition, read as RFC 6266 says."""
    plain, whole = re.fullmatch(r"attachment; filename=\"([^\"\\%]+)\"; filename\*=UTF-8''([\w%.~-]+)", header).groups()
    return plain, unquote(whole)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_arrives_as_it_is(name):
    plain, whole = names_in(disposition(name))
    assert whole == name
    assert plain.isascii()


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("a\r\nSet-Cookie: x.csv", "a__Set-Cookie: x.csv"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\run.csv", "C:_run.csv"),
        ("run\N{RIGHT-TO-LEFT OVERRIDE}vsc.exe", "run_vsc.exe"),
        ("\udcff.csv", "?.csv"),
        ("", "file"),
        ("...", "file"),
        ("a" * 500 + ".csv", "a" * 196 + ".csv"),
    ],
)
def test_what_no_file_name_may_hold_is_replaced(name, becomes):
    header = disposition(name)
    assert header.isascii()
    assert not re.search(r"[\x00-\x1f\x7f]", header)
    assert names_in(header)[1] == becomes


def test_no_other_place_names_a_download():
    code = [path for top in ("app", "pipeline") for path in (ROOT / top).rglob("*.py")]
    assert [p.name for p in code if "content-disposition" in p.read_text().lower()] == ["downloads.py"]


RUN = 'Nächte "1";\n=1+1'


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server of a run with a nasty name, whose votes have nasty comments."""
    folder = tmp_path_factory.mktemp("downloads") / RUN
    survey.make(folder, exposures=4)
    catalog = Catalog.open(folder)
    with LabelStore(catalog.labels_url()) as store:
        expnums = catalog.exposures().expnum
        store.cast_many(
            [
                Vote(expnum=int(expnums.iloc[number % len(expnums)]), inspector=name, judgement="bad", comment=text)
                for number, text in enumerate(FORMULAS)
                for name in ("amy", "ben")
            ]
        )
        store.adjudicate("decam", int(expnums.iloc[0]), "lea", "bad", comment=FORMULAS[0])
    with serving(folder, "--no-worker") as server:
        yield server


@pytest.mark.parametrize("path", ["/export/file/vi/any", "/export/file/csv/any", "/export/mine"])
def test_a_downloaded_table_has_its_name_and_no_formula(served, path):
    door = Browser(served.url)
    door.log_in("lea")
    if path == "/export/mine":
        door = Browser(served.url)
        door.log_in("amy")
    answer = door.ask(path)
    assert answer.status == 200
    name = names_in(answer.headers["Content-Disposition"])[1]
    assert name.startswith('Nächte "1";_=1+1_')
    assert quote(name, safe="") in answer.headers["Content-Disposition"]
    assert b"1+1" in answer.body
    assert formulas(answer.body) == []


def test_a_list_for_the_survey_is_offered_under_its_name_too(served):
    door = Browser(served.url)
    door.log_in("lea")
    for format in ("bad_expid", "exclude", "ecsv", "fits", "parquet"):
        answer = door.ask(f"/export/file/{format}/any")
        assert names_in(answer.headers["Content-Disposition"])[1].startswith('Nächte "1";_=1+1_')
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
