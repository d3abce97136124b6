"""CSV tables, which people also open in a spreadsheet.

A spreadsheet takes a cell that starts with `=`, `+`, `-` or `@` for a formula, and a formula can run a program or send
the table away. So `csv_text` puts an apostrophe before such text. `rows_of` takes it away again: what was written is
read back unchanged. A number is never changed, also where it is text. The rules are those of OWASP's page "CSV
Injection".

`rows_of_others` reads what other programs and people write: other delimiters, and quotes that are never closed.
"""

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from triptych.pipeline.errors import BadInput

# The full-width signs count as well. A spreadsheet may drop what stands before them, and in some countries it also
# splits cells at semicolons and tabs.
_BEFORE = "[\\s\\x00-\\x1f\\ufeff\\u200b\"']*"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*"
_FORMULA = rf"{_BEFORE}[=+\-@＝＋－＠]"
_CELL = rf"(?!\s*{_NUMBER}\Z)(?={_FORMULA})|(?='*[\t\r\n])"
_PLACE = re.compile(rf"(\A)(?:{_CELL})|([;\t\r\n])(?={_FORMULA})")
_ESCAPED = re.compile(rf"(\A)'(?:{_CELL})|([;\t\r\n])'(?={_FORMULA})")


def escaped(value):
    """A value for a cell that no spreadsheet takes for a formula. What is no text stays as it is."""
    return _PLACE.sub(r"\g<0>'", value) if isinstance(value, str) else value


def unescaped(text: str) -> str:
    """The text that `escaped` was given."""
    return _ESCAPED.sub(lambda found: found[1] or found[2] or "", text)


def csv_text(rows: Iterable[Iterable], comments: Iterable[str] = ()) -> str:
    """A CSV table as text, with the `comments` above it, each after `# `."""
    lines = [f"# {' '.join(comment.split())}\n" for comment in comments]
    # a writer quotes a carriage return only if its own line ends have one
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    for row in rows:
        written.seek(0)
        written.truncate()
        writer.writerow([escaped(value) for value in row])
        lines.append(written.getvalue()[:-2] + "\n")
    return "".join(lines)


def rows_of(handle: Iterable[str], name: object) -> Iterator[tuple[int, list[str]]]:
    """(number of its last line, cells) of each row of a CSV table. name : of the table, for messages.

    BadInput if it is not CSV.
    """
    reader = csv.reader(handle)
    try:
        for cells in reader:
            yield reader.line_num, [unescaped(cell) for cell in cells]
    except csv.Error as error:
        raise BadInput(f"{name}, line {reader.line_num}: {error}; save it as CSV again") from None


# name -> what stands between cells, in the order in which they are tried
DELIMITERS = {"tabs": "\t", "semicolons": ";", "commas": ",", "bars": "|", "blanks": " "}
MOST_LINES = 200  # of one cell: a comment has at most 2000 letters


@dataclass(frozen=True)
class Row:
    """One row of a table of somebody else.

    number : of its first line, from 1. remark : what was odd about it, if it could be read all the same. fault : why it
    cannot be read. faults : {place of a cell: why that cell has no value}.
    """

    number: int
    cells: list[str]
    remark: str = ""
    fault: str = ""
    faults: dict[int, str] = field(default_factory=dict)

    def cell(self, place: int | None) -> str:
        """The text of a cell; '' if the row is shorter."""
        return self.cells[place] if place is not None and place < len(self.cells) else ""


def split_line(line: str, delimiter: str) -> list[str]:
    """The cells of one line. A quote that is not closed is a letter like others. csv.Error if a cell is too long."""
    line = line.rstrip("\r\n")
    if delimiter == " ":
        return _words(line)
    if line.count('"') % 2:
        cells = next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
        cells = [cell.strip().strip('"') for cell in cells]
    else:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    return [unescaped(cell) for cell in cells]


def _words(line: str) -> list[str]:
    """Cells that are aligned by blanks: at least two between them, else one."""
    line = line.strip()
    cells = re.split(r"\t+| {2,}", line)
    return cells if len(cells) > 1 else line.split()


def rows_of_others(
    handle: Iterable[str], delimiter: str, begins_row: Callable[[list[str]], bool], first: int = 1
) -> Iterator[Row]:
    """The rows of a table of somebody else; one that cannot be read has a `fault`, and the others are read.

    handle : lines with their ends. begins_row : whether cells are a row by themselves. If such a line stands within
    quotes, the quote was never closed: its line is a row then, and so is each line after it. first : number of the
    first line.
    """
    source, ahead, number = iter(handle), deque(), first - 1
    while (line := ahead.popleft() if ahead else next(source, None)) is not None:
        number += 1
        if '"' not in line or delimiter == " ":
            yield _one_line(number, line, delimiter, "")
            continue
        taken, cells, problem = [line], None, ""
        while cells is None and not problem:
            cells, problem = _strictly("".join(taken), delimiter)
            if cells is None and not problem:
                following = ahead.popleft() if ahead else next(source, None)
                if following is None or len(taken) >= MOST_LINES:
                    problem = "a quote is never closed"
                elif begins_row(_safely(following, delimiter)):
                    problem = "a quote is not closed before the next row"
                if following is not None:
                    taken.append(following)
        if problem:
            ahead.extendleft(reversed(taken[1:]))
            yield _one_line(number, line, delimiter, problem)
        else:
            yield Row(number, [unescaped(cell) for cell in cells or []])
            number += len(taken) - 1


def _strictly(text: str, delimiter: str) -> tuple[list[str] | None, str]:
    """(the cells of a row, or None if it goes on in the next line; what is wrong with its quotes)."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None, ""
        return None, "a quote stands within a cell" if "expected after" in str(error) else str(error)
    return rows[0] if rows else [], ""


def _safely(line: str, delimiter: str) -> list[str]:
    try:
        return split_line(line, delimiter)
    except csv.Error:
        return []


def _one_line(number: int, line: str, delimiter: str, remark: str) -> Row:
    try:
        return Row(number, split_line(line, delimiter), remark)
    except csv.Error as error:
        return Row(number, [], fault=str(error))
