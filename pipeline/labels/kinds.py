"""Tells what kind of list a file is, from its columns, its first lines and its name. Where two kinds fit, it asks."""

import itertools
import re
from pathlib import Path

from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels.cells import BAD_ANSWERS, DOUBTFUL_BAD, DOUBTFUL_GOOD, GOOD_ANSWERS
from triptych.pipeline.labels.imported import lines
from triptych.pipeline.labels.spreadsheets import is_workbook, role_of
from triptych.pipeline.labels.suspicious import SUSPICIOUS
from triptych.pipeline.labels.tables import Table, text_table
from triptych.pipeline.reasons import GOOD, fold

OTHER_PROGRAMS = (".xls", ".ods", ".numbers", ".fits", ".zip", ".pdf", ".docx", ".parquet", ".h5", ".npy")
LOOKED_AT = 1000  # lines
NOT = ("not", "no", "non", "un", "never", "isn", "isnt", "notgood", "nogood", "ungood", "nongood")
# answers that no comment of a list of bad exposures is: the list may be a sheet without a header
ANSWERS = {*GOOD_ANSWERS, *BAD_ANSWERS, *DOUBTFUL_BAD, *DOUBTFUL_GOOD} - {"bad", "1", "0"}


def guess(path: Path, kinds: tuple[str, ...]) -> str:
    """The kind of a file, one of `kinds`. BadInput if none fits, or more than one: then the message names them."""
    if is_workbook(path):
        return "spreadsheet"
    if path.suffix.lower() in OTHER_PROGRAMS:
        raise BadInput(f"{path} is no list that can be read; save it as XLSX or CSV")
    first = next((line for _, line in lines(path) if line.strip() and not line.startswith("# ")), "")
    if fold(first).startswith(("#nite exposure", "#date expnum")):
        return "exclude"
    table = text_table(path)
    if len([name for name in table.header if name]) > 1:
        return _by_columns(path, table, kinds)
    numbered = itertools.islice(lines(path), LOOKED_AT)
    data = [line.strip() for _, line in numbered if line.strip() and not line.startswith("#")]
    if data and not re.search(r"\d", data[0]) and fold(data[0]) in ("expnum", "exposure", "expid"):
        data = data[1:]
    if not data:
        return GOOD if _name_says(path) == GOOD else "bad_expid"  # an empty list is a list
    if all(re.fullmatch(r"\d+(\.0*)?[,;]?", line) for line in data):
        return _by_name(path)
    if not any(re.match(r"\d+(-\w+)?(\s|$)", line) for line in data):
        raise BadInput(f"cannot tell what kind of list {path} is; give --kind, one of {', '.join(kinds)}")
    if said := next((line for line in data if _is_answer(line)), ""):
        raise BadInput(
            f"{path} may be a bad_expid or a spreadsheet: it has {said[:40]!r}. If these are answers, write "
            "`expnum Is_bad? Reason` above them and give --kind spreadsheet; if every line is bad, --kind bad_expid"
        )
    return "bad_expid"


def _by_columns(path: Path, table: Table, kinds: tuple[str, ...]) -> str:
    names = {fold(name).replace(" ", "_") for name in table.header}
    fits = []
    if {"annotator", "marked_fraction"} <= names:
        fits.append("annotation")
    if any(name.endswith("_badexp") for name in names):
        fits.append("inspection")
    elif any(role_of(name)[0] == "answer" for name in table.header):
        fits.append("spreadsheet")
    if not fits:
        fits += ["truth"] * ("reason" in names) + [SUSPICIOUS] * ("kind" in names)
    elif fits == ["inspection"] and any(_is_bad(name) for name in table.header):
        fits.append("spreadsheet")
    if len(fits) == 1:
        return fits[0]
    columns = ", ".join(name for name in table.header if name)
    if fits:
        raise BadInput(f"{path} may be {' or '.join(fits)}, by its columns {columns}; say which: --kind {fits[0]}")
    raise BadInput(f"cannot tell what kind of list {path} is, with columns {columns}; give --kind, {', '.join(kinds)}")


def _is_bad(name: str) -> bool:
    return role_of(name)[0] == "answer" and "badexp" not in fold(name)


def _is_answer(line: str) -> bool:
    """Whether a line is an exposure number with an answer, as in a sheet without its header."""
    _number, *rest = re.split(r"\s+", line, maxsplit=1)
    text = "".join(rest).strip().lower()
    cell = re.split(r"\t| {2,}", text)[0].strip()
    word = text.split(" ")[0]
    return text in ANSWERS or (cell != text and cell in ANSWERS) or word in ("y", "n", "y?", "n?")


def _by_name(path: Path) -> str:
    """Bare numbers are bad or good exposures: only the name, or a comment, can tell."""
    said = _name_says(path)
    if not said and any(re.match(r"#\s*(expid|triptych export: bad_expid)", line, re.I) for _, line in lines(path)):
        said = "bad_expid"
    if not said:
        raise BadInput(
            f"{path} may be bad_expid (bad exposures) or good (good ones): it has bare numbers, and its name does not "
            "tell; say which: --kind bad_expid or --kind good"
        )
    return said


def _name_says(path: Path) -> str:
    words = set(re.split(r"[^a-z]+", path.name.lower()))
    bad, good = bool(words & {"bad", "badexp", "exclude", "excluded"}), "good" in words
    if bad == good or words & set(NOT):
        return ""
    return GOOD if good else "bad_expid"
