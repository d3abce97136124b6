"""Workbooks (XLSX) of somebody else: the cells of their sheets, without trusting their size.

An XLSX file is a zip archive of XML files. Its directory says how large each is when unpacked. What it says is checked
first. Then each file is unpacked piece by piece, to see that this is true: `openpyxl` reads some of them at once, and
gets all that is packed there.
"""

import itertools
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from triptych.pipeline.csv_tables import Row, unescaped
from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.extras import need

MEMBERS = 10_000  # a workbook has a few, and one for each sheet and picture
UNPACKED_BYTES = 2 << 30  # a full sheet, a million rows, with ten columns makes 0.5 GB
UNPACKED_TIMES = 200  # of the packed size; sheets pack to a tenth, the dullest to a hundredth
SMALL_BYTES = 16 << 20  # no ratio is asked of what unpacks to less
TEXTS_BYTES = 256 << 20  # all different texts of a workbook; they are read at once
PART_BYTES = 32 << 20  # of any other XML file that is read at once, such as the styles
PIECE_BYTES = 1 << 16
ROWS = 1_048_576  # as many as a sheet can have, and so many of all sheets are read
COLUMNS = 300  # three for each inspector
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]{0,200}?ref="([A-Za-z]{1,3}\d{1,7}):([A-Za-z]{1,3}\d{1,7})"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
MERGED = 100_000  # merged ranges of a sheet that are looked at


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook, without its empty rows.

    Merged cells have their text in each row, and in each column of their first row too.
    """

    title: str
    hidden: bool
    rows: Iterator[Row]


def check(path: Path) -> None:
    """BadInput if a file is no zip archive, or would unpack to more than a workbook of people's answers does."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    unpacked = sum(member.file_size for member in members)
    packed = path.stat().st_size
    problem = ""
    if len(members) > MEMBERS:
        problem = f"holds {len(members):,} files"
    elif any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        problem = "is packed as no XLSX file is"
    elif unpacked > UNPACKED_BYTES or unpacked > max(SMALL_BYTES, UNPACKED_TIMES * packed):
        problem = f"has {packed / 1e6:,.2f} MB and unpacks to {unpacked / 1e6:,.0f} MB"
    elif large := next((member for member in members if member.file_size > _most(member.filename)), None):
        problem = f"holds a {large.filename} of {large.file_size / 1e6:,.0f} MB"
    else:
        problem = _lie(path)
    if problem:
        raise BadInput(f"{path} {problem}, so it is not opened; save the sheet with the answers as CSV")


def _lie(path: Path) -> str:
    """What is wrong with a zip archive that has more in a file than its directory says; '' if nothing is."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                left = member.file_size
                member.file_size += 1  # zipfile hides what is beyond this
                with archive.open(member) as handle:
                    while piece := handle.read(PIECE_BYTES):
                        left -= len(piece)
                if left < 0:
                    return f"holds a {member.filename} that is larger than it says"
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    return ""


def _most(name: str) -> int:
    """Bytes of one file of a workbook. Sheets are read row by row, and pictures are not read."""
    name = name.lower().lstrip("/")
    if name.endswith("sharedstrings.xml"):
        return TEXTS_BYTES
    row_by_row = name.startswith("xl/worksheets/") or not name.endswith((".xml", ".rels"))
    return UNPACKED_BYTES if row_by_row else PART_BYTES


def sheets(path: Path) -> Iterator[Sheet]:
    """The sheets of a workbook. BadInput if the file cannot be read, or is too large.

    What the file says of the size of a sheet is not believed. A formula that no program has computed is a fault of its
    cell.
    """
    need(f"reading {path}", "openpyxl")
    import openpyxl

    check(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        written = openpyxl.load_workbook(path, read_only=True, data_only=False)
        left = itertools.count(ROWS, -1)
        for sheet, other in zip(book.worksheets, written.worksheets, strict=True):
            merged, formulas = _merged_and_formulas(sheet)
            rows = _rows(sheet, other if formulas else None, merged, left, path)
            yield Sheet(sheet.title, sheet.sheet_state != "visible", rows)
        book.close()
        written.close()
    except (TriptychError, GeneratorExit):
        raise
    except Exception as error:  # openpyxl also lets errors of zipfile and XML through
        raise _unreadable(path, error) from None


def _merged_and_formulas(sheet) -> tuple[list[tuple[int, int, int, int]], bool]:
    """(merged ranges of a sheet as first row, last row, first column, last column, from 1; whether it has formulas)."""
    from openpyxl.utils import range_boundaries

    found, formulas, before = set(), False, b""
    with sheet._get_source() as source:
        while piece := source.read(PIECE_BYTES):
            text = before + piece
            formulas = formulas or bool(_FORMULA.search(text))
            if len(found) < MERGED:
                found.update(match.groups() for match in _MERGED.finditer(text))
            before = text[-300:]
    ranges = []
    for first, last in found:
        left, top, right, bottom = range_boundaries(f"{first.decode()}:{last.decode()}")
        ranges.append((top or 1, bottom or 1, left or 1, min(right or 1, COLUMNS)))
    return sorted(ranges), formulas


def _rows(sheet, written, merged: list, left: Iterator[int], path: Path) -> Iterator[Row]:
    try:
        sheet.reset_dimensions()
        given = sheet.iter_rows(values_only=True, max_row=ROWS)
        if written is not None:
            written.reset_dimensions()
            given = zip(given, written.iter_rows(values_only=True, max_row=ROWS), strict=False)
        else:
            given = ((row, ()) for row in given)
        open_ranges, waiting = [], iter([*merged, None])
        following = next(waiting)
        for number, (row, formulas) in enumerate(given, start=1):
            if next(left) <= 0:
                raise BadInput(f"{path} has more than {ROWS:,} rows in its sheets; save them one by one as CSV")
            row = row[:COLUMNS]
            empty = row.count(None) == len(row)  # a sheet may claim a million of them
            cells = [] if empty else ["" if value is None else unescaped(_text(value)) for value in row]
            while following and following[0] <= number:
                top, bottom, first, last = following
                value = cells[first - 1] if first <= len(cells) else ""
                open_ranges.append((top, bottom, first, last, value))
                following = next(waiting)
            open_ranges = [own for own in open_ranges if own[1] >= number]
            for top, _bottom, first, last, value in open_ranges:
                _fill(cells, first, last if number == top else first, value)
            faults = {
                place: "is a formula that no program has computed; open the file in a spreadsheet program and save it"
                for place, (value, formula) in enumerate(zip(row, formulas, strict=False))
                if value is None and formula is not None and str(formula).startswith("=")
            }
            if cells or faults:
                yield Row(number, cells, faults=faults)
    except (TriptychError, GeneratorExit):
        raise
    except Exception as error:
        raise _unreadable(path, error) from None


def _text(value) -> str:
    """A cell as text: whole numbers without an exponent, however long."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e18 else str(value)


def _fill(cells: list[str], first: int, last: int, value: str) -> None:
    """Write the text of a merged range into its empty cells of one row. first, last : columns, from 1."""
    if value and last > len(cells):
        cells.extend([""] * (last - len(cells)))
    for place in range(first - 1, min(last, len(cells))):
        cells[place] = cells[place] or value


def _unreadable(path: Path, error: Exception) -> BadInput:
    words = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BadInput(f"{path} cannot be read as a spreadsheet ({words}); save it as XLSX again")
