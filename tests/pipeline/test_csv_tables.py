"""CSV tables: no cell is a formula, and what was written is read back."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pipeline.nasty_texts import FORMULAS, HARMLESS, cells, formulas, runs
from triptych.pipeline.csv_tables import csv_text, escaped, rows_of, unescaped
from triptych.pipeline.errors import BadInput

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text):
    assert formulas(csv_text([[text, "x"]]).encode()) == []
    assert escaped(text) != text


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_and_what_is_no_formula_stay_as_they_are(text):
    assert escaped(text) == text


def test_what_is_no_text_stays_as_it_is():
    assert [escaped(value) for value in (-5, -0.5, True, None)] == [-5, -0.5, True, None]


@given(st.text(alphabet="=+-@\t\r\n;'\"a1. e,＝\ufeff"))
@example('"-1')
@example("'-1")
def test_any_text_is_read_back(text):
    assert unescaped(escaped(text)) == text
    assert not runs(escaped(text))


@given(st.lists(st.lists(st.text(alphabet="=-\t\r\n;'\", a1"), min_size=2, max_size=3), min_size=1))
def test_any_table_is_read_back(table):
    written = csv_text(table, ["a header\nof two lines"])
    assert written.startswith("# a header of two lines\n")
    body = io.StringIO(written.split("\n", 1)[1], newline="")
    assert [row for _, row in rows_of(body, "list.csv")] == table


def test_a_formula_in_the_names_of_columns_becomes_text():
    assert cells(csv_text([["=1+1_badexp"]]).encode()) == [["'=1+1_badexp"]]


def test_what_is_no_csv_is_refused_with_its_line():
    endless = io.StringIO('a,b\n"' + "x" * 200_000)
    with pytest.raises(BadInput, match=r"list\.csv, line 2: field larger.*save it as CSV again"):
        list(rows_of(endless, "list.csv"))


def test_nothing_else_writes_or_reads_csv_cell_by_cell():
    code = [path for top in ("pipeline", "app") for path in (ROOT / top).rglob("*.py") if path.name != "csv_tables.py"]
    other = re.compile(r"\.to_csv\(|\bcsv\.(writer|reader|DictWriter|DictReader)|\.to_excel\(|openpyxl\.Workbook")
    assert [path.name for path in code if other.search(path.read_text())] == []
