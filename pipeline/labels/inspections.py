"""Reads the answers of earlier inspections: result tables, spreadsheets, annotators' marks. All become votes."""

import re
from collections.abc import Iterator
from pathlib import Path

from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.csv_tables import rows_of
from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.labels import workbooks
from triptych.pipeline.labels.imported import Imported, ReadOptions, csv_rows, imported_vote
from triptych.pipeline.reasons import canonical, fold
from triptych.pipeline.store.store import JUDGEMENTS, Vote
from triptych.pipeline.text_files import open_text

# Answers as inspectors typed them, in lower case and stripped.
BAD_ANSWERS = ("y", "yes", "1", "true", "bad", "x")
GOOD_ANSWERS = ("n", "no", "0", "false", "good", "ok")
DOUBTFUL_BAD = ("y?", "yes?", "maybe", "maybe?", "m", "?", "1?", "bad?", "unsure", "marginal")
DOUBTFUL_GOOD = ("n?", "no?", "0?", "good?")
MARKED_ABOVE = 0.02
MARKED_REASON = "Ghost_Scatter"
HEADER_WITHIN = 5  # the header of a sheet is searched in so many rows


def read_inspection(path: Path, options: ReadOptions) -> Imported:
    """The result table of an earlier inspection: `expnum,...,<name>_badexp,<name>_reason,...`.

    True is a bad vote of that inspector; the reason as written is kept as the comment. False or an empty cell does not
    say whether the inspector saw the exposure, so it is no vote. A column `<name>_judgement`, if there is one, has the
    judgement itself. The other columns (image_fname, plver, ML_reason) are kept, for an export in the same form.
    """
    found = Imported()
    for number, row in csv_rows(path, needed=("expnum",)):
        names = [name.removesuffix("_badexp") for name in row if name.endswith("_badexp")]
        expnum = _expnum(row["expnum"])
        if expnum is None:
            found.skipped.append((number, f"{row['expnum']!r} is not an exposure number"))
            continue
        for name in names:
            cell, judgement = row[f"{name}_badexp"].strip(), row.get(f"{name}_judgement", "").strip().lower()
            if not judgement and cell.lower() not in ("true", "false", ""):
                found.skipped.append((number, f"{name}_badexp is {cell!r}, not True or False"))
            judgement = judgement or ("bad" if cell.lower() == "true" else "")
            if judgement in JUDGEMENTS:
                raw = row.get(f"{name}_reason", "")
                found.votes.append(_vote(found, options, expnum, name, judgement, raw, row.get("plver", "").strip()))
        own = {name: cell for name, cell in row.items() if not name.startswith(tuple(f"{n}_" for n in names))}
        own.pop("expnum")
        found.columns.setdefault(expnum, own)
    return found


def read_spreadsheet(path: Path, options: ReadOptions) -> Imported:
    """A sheet that an inspector filled in (XLSX or CSV): `expnum, ..., Is_bad?, Reason`.

    The inspector is the prefix of the column (`amy Is_bad?`), else `options.inspector`, else the file's name. Other
    rows may stand above the header. `y`, `yes`, `1` are bad votes; `n`, `no`, `0` are good votes; an empty cell is no
    vote. `maybe`, `y?` and `n?` count as unsure. With `maybe="bad"` they count as in the published list: `maybe` and
    `y?` are bad, `n?` is good. The answer as typed is kept with the vote. BadInput if the file holds no answers.
    """
    found = Imported()
    for sheet, rows in _sheets(path):
        places, numbered = _header(rows)
        if "expnum" not in places:
            found.skipped.append((1, f"{sheet} has no column expnum in its first {HEADER_WITHIN} rows"))
            continue
        answers, reasons = _inspectors(places, options.inspector or path.stem)
        if not answers:
            found.skipped.append((1, f"{sheet} has no column Is_bad?"))
            continue
        for number, row in numbered:
            _read_row(
                found, options, number, {name: _cell(row, place) for name, place in places.items()}, answers, reasons
            )
    if not found.votes and found.skipped:
        raise BadInput(f"{path} holds no answers: {found.skipped[0][1]}")
    return found


def _read_row(found: Imported, options: ReadOptions, number: int, row: dict, answers: dict, reasons: dict) -> None:
    expnum = _expnum(row["expnum"])
    if expnum is None:
        if row["expnum"] and fold(row["expnum"]) != "expnum":
            found.skipped.append((number, f"{row['expnum']!r} is not an exposure number"))
        return
    plver = row.get("plver", "").strip()
    for name, column in answers.items():
        raw = row.get(reasons.get(name), "")
        try:
            judgement = judgement_of(row[column], options.maybe)
        except ValueError:
            found.skipped.append((number, f"{row[column]!r} is not an answer; use y, n or maybe"))
            continue
        if judgement:
            screen = {"answer": row[column]}
            found.votes.append(_vote(found, options, expnum, name, judgement, raw, plver, screen=screen))
    inspectors = {*answers.values(), *reasons.values(), "expnum"}
    found.columns.setdefault(expnum, {name: cell for name, cell in row.items() if name not in inspectors})


def judgement_of(answer: str, maybe: str = "unsure") -> str:
    """What a typed answer means: 'bad', 'good', 'unsure', or '' for an empty cell. ValueError if it is no answer."""
    answer = answer.strip().lower()
    if answer in ("", "nan", "none", "-"):
        return ""
    if answer in BAD_ANSWERS:
        return "bad"
    if answer in GOOD_ANSWERS:
        return "good"
    if answer in DOUBTFUL_BAD:
        return maybe
    if answer in DOUBTFUL_GOOD:
        return "unsure" if maybe == "unsure" else "good"
    raise ValueError(answer)


def read_annotation(path: Path, options: ReadOptions) -> Imported:
    """A table of annotators' marks, `expnum,ccdnum,annotator,marked_fraction`: one vote per CCD and annotator.

    A CCD is bad if more than MARKED_ABOVE of its area is marked, else good. The annotators worked alone and judged
    every CCD, so these votes are blind. Their number becomes the panel of a run that has none.
    """
    found, camera = Imported(), camera_named(options.camera)
    for number, row in csv_rows(path, needed=("expnum", "annotator", "marked_fraction")):
        try:
            ccdname = row.get("ccdname") or camera.name_of(int(row["ccdnum"]))
            expnum, fraction = int(row["expnum"]), float(row["marked_fraction"])
            if not (0 <= fraction <= 1 and row["annotator"].strip()):
                raise ValueError(fraction)
        except (KeyError, ValueError, TriptychError):
            found.skipped.append((number, f"{','.join(row.values())!r} is not expnum,ccdnum,annotator,marked_fraction"))
            continue
        if camera.missing(ccdname) == "dead":
            found.notes[f"votes on {ccdname} left out, because it records nothing"] += 1
            continue
        vote = imported_vote(
            options,
            expnum=expnum,
            ccdname=ccdname,
            inspector=row["annotator"].strip(),
            judgement="bad" if fraction > MARKED_ABOVE else "good",
            reasons=canonical(row.get("reason") or MARKED_REASON) if fraction > MARKED_ABOVE else (),
            blind=True,
            screen={"marked_fraction": fraction},
        )
        found.votes.append(vote)
    found.panel = len({vote.inspector for vote in found.votes}) or None
    return found


def _vote(found: Imported, options: ReadOptions, expnum, name, judgement, raw: str, plver: str, screen=None) -> Vote:
    reasons = canonical(raw)
    if raw.strip() and not reasons:
        found.note_unmapped(raw.strip())
    return imported_vote(
        options,
        expnum=expnum,
        inspector=name,
        judgement=judgement,
        reasons=reasons,
        comment=raw,
        plver=plver,
        blind=False,
        screen=screen or {},
    )


def _expnum(cell: str) -> int | None:
    return int(match[1]) if (match := re.fullmatch(r"\s*(\d+)(\.0*)?\s*", cell)) else None


def _sheets(path: Path) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """(name, rows of cell texts) of each sheet. A CSV file is one sheet."""
    if path.suffix.lower() == ".csv":
        with open_text(path, newline="") as handle:
            yield path.name, (cells for _, cells in rows_of(handle, path))
    else:
        yield from workbooks.sheets(path)


def _header(rows: Iterator) -> tuple[dict[str, int], Iterator[tuple[int, list[str]]]]:
    """({column name: position}, the numbered rows below) of a sheet. The header need not be its first row."""
    numbered = enumerate(rows, start=1)
    for number, row in numbered:
        if "expnum" in {fold(cell) for cell in row}:
            places = {}
            for place, cell in enumerate(row):
                name = "expnum" if fold(cell) == "expnum" else cell.strip()
                if name:
                    places.setdefault(name, place)
            return places, numbered
        if number >= HEADER_WITHIN:
            break
    return {}, iter(())


def _inspectors(columns: dict[str, int], nameless: str) -> tuple[dict[str, str], dict[str, str]]:
    """{inspector: column of the answers}, {inspector: column of the reasons}. nameless : inspector if none is named."""
    answers, reasons = {}, {}
    for column in columns:
        folded = fold(column).rstrip("? ")
        if match := re.fullmatch(r"(?:(.+) )?(?:is ?bad|badexp)", folded):
            answers.setdefault(match[1] or nameless, column)
        elif (match := re.fullmatch(r"(?:(.+) )?reasons?", folded)) and match[1] != "ml":
            reasons.setdefault(match[1] or nameless, column)
    return answers, reasons


def _cell(row: list[str], place: int) -> str:
    return row[place] if place < len(row) else ""
