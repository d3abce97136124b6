"""Workbooks (XLSX) of somebody else: the cells of their sheets, without trusting their size.

An XLSX file is a zip archive of XML files. Its directory says how large each is when unpacked. What it says is checked
first. Then each file is unpacked piece by piece, to see that this is true: `openpyxl` reads some of them at once, and
gets all that is packed there.
"""

import itertools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from triptych.pipeline.csv_tables import unescaped
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


def sheets(path: Path) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """(name, rows of cell texts) of each sheet. BadInput if the file cannot be read, or is too large."""
    need(f"reading {path}", "openpyxl")
    import openpyxl

    check(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        left = itertools.count(ROWS, -1)
        for sheet in book.worksheets:
            yield f"sheet {sheet.title!r}", _rows(sheet, left, path)
        book.close()
    except (TriptychError, GeneratorExit):
        raise
    except Exception as error:  # openpyxl also lets errors of zipfile and XML through
        raise _unreadable(path, error) from None


def _rows(sheet, left: Iterator[int], path: Path) -> Iterator[list[str]]:
    try:
        for row in sheet.iter_rows(values_only=True, max_row=ROWS, max_col=min(sheet.max_column or COLUMNS, COLUMNS)):
            if next(left) <= 0:
                raise BadInput(f"{path} has more than {ROWS:,} rows in its sheets; save them one by one as CSV")
            empty = row.count(None) == len(row)  # a sheet may claim a million of them
            yield [] if empty else ["" if value is None else unescaped(str(value)) for value in row]
    except (TriptychError, GeneratorExit):
        raise
    except Exception as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> BadInput:
    words = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BadInput(f"{path} cannot be read as a spreadsheet ({words}); save it as XLSX again")
