"""Texts that a spreadsheet would run as formulas, and how it would read a table."""

import csv
import io
import re

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\ttab",
    "\rreturn",
    "\n=1+1",
    " =1+1",
    "\N{NO-BREAK SPACE}=1+1",
    "\N{ZERO WIDTH NO-BREAK SPACE}=1+1",
    '"=1+1"',
    "'=1+1",
    "''=1+1",
    "＝1+1",
    "＠SUM(1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.org/?"&A1,"see")',
    "fine;=1+1",
    "fine;\t@SUM(1)",
    'fine";"=1+1',
    "two lines\n=1+1",
    "seen; -0.3",
    "-5 ADU",
    "-",
)
HARMLESS = ("-5", "+3.2e-4", "-.5", "a=1", "c4d_130101_000000-x.fits", "amy@example.org", "#1", "")


def runs(text: str) -> bool:
    """Whether a spreadsheet may take a cell with this text for a formula, or drop its first sign and then do so."""
    number = re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", text, re.IGNORECASE)
    return not number and (text[:1] in ("\t", "\r") or re.match(r"[\s\ufeff\"]*[=+\-@＝＋－＠]", text) is not None)


def cells(table: bytes, separator: str = ",") -> list[list[str]]:
    """The cells of a CSV table as a spreadsheet shows them."""
    return list(csv.reader(io.StringIO(table.decode(), newline=""), delimiter=separator))


def formulas(table: bytes) -> list[str]:
    """Cells of a CSV table that a spreadsheet would run, whether it splits at commas, semicolons or tabs."""
    return [cell for separator in ",;\t" for row in cells(table, separator) for cell in row if runs(cell)]
