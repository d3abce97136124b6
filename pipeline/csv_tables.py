"""CSV tables, which people also open in a spreadsheet.

A spreadsheet takes a cell that starts with `=`, `+`, `-` or `@` for a formula, and a formula can run a program or send
the table away. So `csv_text` puts an apostrophe before such text. `rows_of` takes it away again: what was written is
read back unchanged. A number is never changed, also where it is text. The rules are those of OWASP's page "CSV
Injection".
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator

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
