"""Tables of somebody else with a header: CSV with any delimiter and encoding, and the sheets of workbooks.

The header is the first row that names a column of exposure numbers. It need not be the first row of the file.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from triptych.pipeline.csv_tables import DELIMITERS, Row, rows_of_others, split_line
from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels.cells import column_key, is_number
from triptych.pipeline.labels.imported import Imported
from triptych.pipeline.text_files import open_text

HEADER_WITHIN = 30  # the header is searched in so many rows


@dataclass
class Table:
    """One sheet, or a text file.

    title : of a sheet, '' for a text file. header : names as written. above : the cells of the row above the header.
    rows : those below the header. hidden : whether the sheet is hidden. encoding, delimiter : of a text file, in words.
    seen : the first rows, for messages, if there is no header.
    """

    name: str
    title: str = ""
    header: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    rows: Iterator[Row] = field(default_factory=lambda: iter(()))
    hidden: bool = False
    encoding: str = ""
    delimiter: str = ""
    seen: list[list[str]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The names of the columns as readers know them."""
        return [column_key(name) for name in self.header]

    def place(self, key: str) -> int | None:
        """The place of a column; None if there is none. BadInput if there are two."""
        keys = self.keys
        if keys.count(key) > 1:
            raise BadInput(f"{self.name} has {keys.count(key)} columns {key}; keep one")
        return keys.index(key) if key in keys else None


def is_header(cells: list[str]) -> bool:
    """Whether a row names a column of exposure numbers."""
    return any(column_key(cell) == "expnum" for cell in cells)


def split_rows(name: str, rows: Iterator[Row], **more) -> Table:
    """The table of some rows: its header is the first of them that is one."""
    above, seen = [], []
    for row in itertools.islice(rows, HEADER_WITHIN):
        if is_header(row.cells):
            return Table(name, header=[cell.strip() for cell in row.cells], above=above, rows=rows, **more)
        if any(cell.strip() for cell in row.cells):
            above = row.cells
            seen.append([cell.strip() for cell in row.cells if cell.strip()])
    return Table(name, seen=seen, **more)


def delimiter_of(lines: list[str]) -> str:
    """The name of what stands between the cells of a table, from its first lines: a key of DELIMITERS; '' if unknown.

    It is the one with which a line has a column of exposure numbers and the most cells.
    """
    for line in lines:
        found = {}
        for name, delimiter in DELIMITERS.items():
            cells = split_line(line, delimiter)
            if is_header(cells) and not (delimiter == " " and found):
                found[name] = len(cells)
        if found:
            most = max(found.values())
            return "commas" if most == 1 else next(name for name, number in found.items() if number == most)
    return ""


def first_lines(path: Path) -> list[str]:
    """The first lines of a text file, without empty lines and `#` lines above the header."""
    with open_text(path, newline="") as handle:
        rows = (line for line in itertools.islice(handle, 1000) if line.strip() and not line.startswith("#"))
        return [line[:100_000].replace("\0", "") for line in itertools.islice(rows, HEADER_WITHIN)]


def text_table(path: Path) -> Table:
    """The table of a text file. It has no header if no line names a column of exposure numbers."""
    head = first_lines(path)
    name = delimiter_of(head)
    encoding, rows = _text_rows(path, DELIMITERS[name or "commas"])
    return split_rows(path.name, rows, encoding=encoding, delimiter=name)


def _text_rows(path: Path, delimiter: str) -> tuple[str, Iterator[Row]]:
    handle = open_text(path, newline="")

    def rows() -> Iterator[Row]:
        with handle:
            header: list[str] = []

            def begins_row(cells: list[str]) -> bool:
                place = next((at for at, name in enumerate(header) if column_key(name) == "expnum"), None)
                return place is not None and len(cells) == len(header) > 1 and is_number(cells[place])

            for row in rows_of_others(_without_comments(handle), delimiter, begins_row):
                if not header and is_header(row.cells):
                    header.extend(row.cells)
                yield row

    return handle.encoding, rows()


def _without_comments(handle) -> Iterator[str]:
    """Lines; `#` lines above the first other line become empty, so that lines keep their numbers."""
    above = True
    for line in handle:
        above = above and (line.startswith("#") or not line.strip())
        yield "\n" if above else line.replace("\0", "")


def csv_rows(
    path: Path, found: Imported, needed: tuple[str, ...], known: tuple[str, ...] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row by the names of columns) of a table with a header line. `#` lines above it are comments.

    needed : columns that must be there. known : others that the reader uses. Rows that cannot be read are skipped in
    `found`. BadInput if a needed column is missing, or is there twice.
    """
    table = text_table(path)
    sheet = found.begin(path.name)
    sheet.note = how_read(table)
    names = table.keys or [cell for row in table.seen[:1] for cell in row]
    missing = [name for name in needed if name not in table.keys]
    if missing:
        raise BadInput(f"{path} has no column {', '.join(missing)}; it has {', '.join(names) or 'none'}")
    places = {key: table.place(key) for key in (*needed, *known)}
    sheet.used = [table.header[place] for place in places.values() if place is not None]
    sheet.unused = [name for name in table.header if name and name not in sheet.used]
    last = table.keys[-1]
    for row in table.rows:
        if not any(cell.strip() for cell in row.cells) and not row.fault:
            continue
        if row := checked(found, row, len(table.header), last in ("reason", "kind") and last, table.delimiter):
            cells = row.cells + [""] * (len(table.header) - len(row.cells))
            named = {}
            for key, cell in zip(table.keys, cells, strict=False):
                named.setdefault(key, cell)
            yield row.number, named


def checked(found: Imported, row: Row, n_columns: int, free: str | bool, delimiter: str = "") -> Row | None:
    """The row if it has no more cells than the header, else None; what is odd about it is noted.

    free : the name of the last column if it is free text: commas in it that are not quoted are part of it. delimiter :
    a key of DELIMITERS.
    """
    if row.fault:
        return found.skip(row.number, row.fault)
    cells = list(row.cells)
    while len(cells) > n_columns and not cells[-1].strip():
        cells.pop()
    if len(cells) > n_columns and not free:
        return found.skip(row.number, f"has {len(cells)} cells, the header {n_columns}; put quotes around commas")
    if row.remark:
        found.remark(row.number, f"{row.remark}; the line is read by itself")
    if len(cells) > n_columns:
        between = {"blanks": " ", "semicolons": "; ", "tabs": " ", "bars": " | "}.get(delimiter, ", ")
        cells[n_columns - 1 :] = [between.join(cell.strip() for cell in cells[n_columns - 1 :])]
        if delimiter != "blanks":
            found.remark(row.number, f"has more cells than the header; {free} is taken as {cells[-1]!r}")
    return Row(row.number, cells, faults=row.faults)


def how_read(table: Table) -> str:
    """What is unusual about a text file: `tabs between cells, UTF-16`; '' if nothing is."""
    parts = [f"{table.delimiter} between cells"] if table.delimiter not in ("", "commas") else []
    encoding = encoding_in_words(table.encoding)
    return ", ".join(parts + [f"read as {encoding}"] * bool(encoding))


def encoding_in_words(encoding: str) -> str:
    """The name of an encoding, '' for UTF-8."""
    names = {"cp1252": "Windows-1252 (a guess; save it as UTF-8 if letters are wrong)"}
    names |= {"latin-1": "Latin-1 (a guess; save it as UTF-8 if letters are wrong)", "utf-8-sig": "", "utf-8": ""}
    return names.get(encoding.lower(), encoding.upper())
