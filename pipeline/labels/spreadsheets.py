"""Reads the sheets that inspectors filled in, XLSX or CSV: `expnum, ..., Is_bad?, Reason`. All answers become votes.

Whose answers they are: the name in the column (`amy Is_bad?`), or in the row above it; the name that the caller gives;
the name of the sheet, where each of several sheets has answers of its own; else the name of the file. Where several
columns or sheets may be of several people and do not say whose, the file is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.csv_tables import Row
from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels import workbooks
from triptych.pipeline.labels.cells import NO_ANSWER, ccd_name, column_key, exposure_number, is_number, judgement_of
from triptych.pipeline.labels.imported import Imported, ReadOptions, add_votes, vote_of
from triptych.pipeline.labels.tables import HEADER_WITHIN, Table, checked, how_read, split_rows, text_table
from triptych.pipeline.reasons import fold
from triptych.pipeline.store.store import Vote
from triptych.pipeline.text_files import first_bytes

ZIP = b"PK\x03\x04"
# what a column's name may say about its answers: (y/n), [0 or 1]
_HINT = re.compile(r"[(\[]\s*(?:(?:y|yes|n|no|0|1|x|true|false|or|maybe|m|\?|good|bad)[\s,/|=.-]*)+[)\]]")
_ANSWER = re.compile(r"(?:(?P<before>.+?)[\s:.,-]+)?(?:is ?(?:it ?)?bad|bad ?exp(?:osure)?)(?P<after>[^a-z].*)?")
_REASON = re.compile(r"(?:(?P<before>.+?)[\s:.,-]+)?reasons?(?P<after>[^a-z].*)?")
# titles of sheets that name no person
_NO_PERSON = re.compile(
    r".*\d.*|(sheet|tabelle|blatt|feuil(le)?|hoja|foglio|planilha|folha|ark|data|answers?|packets?|inspections?|nights?"
    r"|batch|part|week|run|list|exposures?|copy|export|summary|results?|first|second|new|old)([\s_-].*)?"
)


@dataclass
class _Answers:
    """A sheet with answers. columns : (inspector or '', place of the answers, place of the reasons or None)."""

    table: Table
    columns: list[tuple[str, int, int | None]]
    rows: list[Row] = field(default_factory=list)


def role_of(column: str) -> tuple[str, str]:
    """('answer' or 'reason' or '', the inspector that the name of a column names, in lower case, or '')."""
    folded = _HINT.sub(" ", column.strip().lower())
    folded = fold(folded)
    for role, pattern in (("answer", _ANSWER), ("reason", _REASON)):
        match = pattern.fullmatch(folded)
        if match and (match["before"] or "") not in ("ml", "not", "no"):
            after = (match["after"] or "").strip(" ?:.,-()[]*")
            return role, (match["before"] or "").strip(" :.,-") or ("" if after.isdigit() else after)
    return "", ""


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook, by its name or by its first bytes."""
    return path.suffix.lower() in (".xlsx", ".xlsm") or first_bytes(path, 4) == ZIP


def tables(path: Path) -> Iterator[Table]:
    """The sheets of a file; a text file is one sheet."""
    if is_workbook(path):
        for sheet in workbooks.sheets(path):
            yield split_rows(f"sheet {sheet.title!r}", sheet.rows, title=sheet.title, hidden=sheet.hidden)
    else:
        yield text_table(path)


def read_spreadsheet(path: Path, options: ReadOptions) -> Imported:
    """A sheet that an inspector filled in (XLSX or CSV): `expnum, ..., Is_bad?, Reason`, perhaps with `ccdname`.

    Other rows may stand above the header. `y`, `yes`, `1` are bad votes; `n`, `no`, `0` are good votes; an empty cell
    is no vote. `maybe`, `y?` and `n?` count as unsure. With `maybe="bad"` they count as in the published list: `maybe`
    and `y?` are bad, `n?` is good. The answer as typed is kept with the vote. With a CCD in its row it is a vote on
    that CCD. Hidden sheets are not read. BadInput if the file holds no answers, or does not say whose they are.
    """
    found, sheets = Imported(), []
    for table in tables(path):
        own = _answers_of(found, table)
        if own:
            own.rows = list(own.table.rows)
            sheets.append(own)
    if not sheets and found.skipped:
        raise BadInput(f"{path} holds no answers: {found.skipped[0][1]}")
    whose = _whose(path, sheets, options, found)
    votes: list[tuple[int, str, Vote]] = []
    for own, name in zip(sheets, whose, strict=True):
        sheet = next(one for one in found.sheets if one.name == own.table.name)
        found.sheets.remove(sheet)
        found.sheets.append(sheet)  # it is the one that is being read
        _read_sheet(found, options, own, name, votes)
    add_votes(found, votes)
    if not found.votes and found.skipped:
        raise BadInput(f"{path} holds no answers: line {found.skipped[0][0]}: {found.skipped[0][1]}")
    return found


def _answers_of(found: Imported, table: Table) -> _Answers | None:
    """The columns of answers of a sheet; None, and a note, if it is hidden or has none."""
    sheet = found.begin(table.name)
    sheet.note = "hidden, not read" if table.hidden else how_read(table)
    if table.hidden:
        return None
    if not table.header:
        if table.seen:
            words = ", ".join(repr(cell[:30]) for cell in table.seen[0][:8])
            found.skip(1, f"{table.name} has no column expnum in its first {HEADER_WITHIN} rows; row 1 has {words}")
        else:
            sheet.note = "empty"
        return None
    roles = [role_of(name) for name in table.header]
    answers = [(name, place) for place, (role, name) in enumerate(roles) if role == "answer"]
    if not answers:
        found.skip(1, f"{table.name} has no column Is_bad?; it has {', '.join(name for name in table.header if name)}")
        return None
    if len({name for name, _ in answers}) < len(answers):
        answers = [(_above(table, place) or name, place) for name, place in answers]
        if "" in (names := [fold(name) for name, _ in answers]) or len(set(names)) < len(names):
            raise BadInput(
                f"{table.name} has {len(answers)} columns {table.header[answers[0][1]]} and does not say whose they "
                "are; write the inspector's name before each: `amy Is_bad?`"
            )
    reasons = {place: name for place, (role, name) in enumerate(roles) if role == "reason"}
    columns = [(name, place, _reason_of(name, place, answers, reasons)) for name, place in answers]
    return _Answers(table, columns)


def _above(table: Table, place: int) -> str:
    """The name above a column, or above the columns to its left, as in a row of merged names."""
    return next((cell.strip() for cell in reversed(table.above[: place + 1]) if cell.strip()), "")


def _reason_of(name: str, place: int, answers: list, reasons: dict[int, str]) -> int | None:
    """The place of the reasons that belong to a column of answers: of the same name, else before the next answers."""
    named = [at for at, own in reasons.items() if own and own == fold(name)]
    if named:
        return named[0]
    end = min((at for _, at in answers if at > place), default=1 << 30)
    nameless = [at for at, own in reasons.items() if not own and (place < at < end or len(answers) == 1)]
    return nameless[0] if nameless else None


def _whose(path: Path, sheets: list[_Answers], options: ReadOptions, found: Imported) -> list[str]:
    """For each sheet, the inspector of a column that names none."""
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    nameless = [own for own in sheets if any(not name for name, *_ in own.columns)]
    if options.inspector or len(nameless) < 2:
        return [options.inspector or stem] * len(sheets)
    titles = [own.table.title for own in nameless]
    if not any(_NO_PERSON.fullmatch(fold(title)) for title in titles):
        found.notes["inspectors are called after their sheets (a guess; --inspector says it)"] = len(titles)
        return [own.table.title for own in sheets]
    seen: set = set()
    for own in nameless:
        mine = set(_things(own))
        if seen & mine:
            raise BadInput(
                f"{path} has answers on the same exposures in sheets {', '.join(titles)} and does not say whose they "
                "are; give each sheet the name of its inspector, or --inspector if all are one person's"
            )
        seen |= mine
    return [stem] * len(sheets)


def _things(own: _Answers) -> Iterator[tuple[str, str]]:
    """(exposure, CCD) of the rows of a sheet with an answer, as written."""
    expnum, ccd = _expnum_place(own.table), own.table.place("ccdname")
    for row in own.rows:
        if is_number(row.cell(expnum)) and any(row.cell(place).strip() for _, place, _ in own.columns):
            yield str(exposure_number(row.cell(expnum))), row.cell(ccd).strip().upper()


def _expnum_place(table: Table) -> int:
    place = table.place("expnum")
    assert place is not None  # a table with a header has one
    return place


def _read_sheet(
    found: Imported, options: ReadOptions, own: _Answers, nameless: str, votes: list[tuple[int, str, Vote]]
) -> None:
    table, sheet = own.table, found.sheet
    expnum, name, number = _expnum_place(table), table.place("ccdname"), table.place("ccdnum")
    plver = next((at for at, column in enumerate(table.header) if fold(column) == "plver"), None)
    places = {expnum, *(at for at in (name, number, plver) if at is not None)}
    places |= {at for _, *pair in own.columns for at in pair if at is not None}
    sheet.used = [table.header[at] for at in sorted(places)]
    sheet.unused = [column for at, column in enumerate(table.header) if column and at not in places]
    kept = {column: at for at, column in reversed(list(enumerate(table.header))) if column and at not in places}
    kept = dict(reversed(kept.items()))
    if plver is not None:
        kept = {table.header[plver]: plver, **kept}
        kept = {column: kept[column] for column in table.header if column in kept}
    columns = [(who or nameless, answer, reason) for who, answer, reason in own.columns]
    free = (
        table.header[-1]
        if [at for at in places if role_of(table.header[at])[0] == "reason"] == [len(table.header) - 1]
        else False
    )
    for given in own.rows:
        row = checked(found, given, len(table.header), free, table.delimiter)
        if row is None or is_header_again(table, row):
            continue
        said = [at for _, at, _ in columns if row.cell(at).strip().lower() not in NO_ANSWER or at in row.faults]
        reasoned = [at for *_, at in columns if at is not None and row.cell(at).strip()]
        if not row.cell(expnum).strip() and expnum not in row.faults and not said and not reasoned:
            continue
        with found.row(row.number):
            if expnum in row.faults:
                raise BadInput(f"{table.header[expnum]} {row.faults[expnum]}")
            if not row.cell(expnum).strip():
                what = row.cell((said or reasoned)[0]).strip()
                raise BadInput(f"{what!r} is given without an exposure number")
            exposure = exposure_number(row.cell(expnum))
            ccdname = ccd_name(camera_named(options.camera), row.cell(name), row.cell(number))
            for at in (name, number):
                if at in row.faults:
                    raise BadInput(f"{table.header[at]} {row.faults[at]}")
            for who, answer, reason in columns:
                _answer(found, options, row, table, votes, (exposure, ccdname, who, answer, reason, plver))
            if not said and not reasoned:
                sheet.empty += 1
            found.columns.setdefault(exposure, {column: row.cell(at) for column, at in kept.items()})


def is_header_again(table: Table, row: Row) -> bool:
    """Whether a row repeats the header, as in sheets that were joined."""
    return column_key(row.cell(_expnum_place(table))) == "expnum" and bool(row.cells)


def _answer(found: Imported, options: ReadOptions, row: Row, table: Table, votes: list, told: tuple) -> None:
    exposure, ccdname, who, answer, reason, plver = told
    if answer in row.faults:
        return found.skip(row.number, f"{table.header[answer]} {row.faults[answer]}")
    if reason in row.faults:
        found.remark(row.number, f"{table.header[reason]} {row.faults[reason]}")
    typed, raw = row.cell(answer), row.cell(reason)
    try:
        judgement = judgement_of(typed, options.maybe)
    except ValueError:
        return found.skip(row.number, f"{typed!r} is not an answer; use y, n or maybe")
    if judgement:
        more = {"ccdname": ccdname, "plver": row.cell(plver).strip(), "screen": {"answer": typed}}
        votes.append((row.number, table.name, vote_of(found, options, exposure, who, judgement, raw, **more)))
    elif raw.strip():
        found.skip(row.number, f"{raw.strip()!r} is given without an answer; use y, n or maybe")
