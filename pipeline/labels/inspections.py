"""Reads the answers of earlier inspections: result tables and annotators' marks. All become votes."""

from pathlib import Path

from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels.cells import ccd_name, exposure_number
from triptych.pipeline.labels.imported import Imported, ReadOptions, add_votes, imported_vote, vote_of
from triptych.pipeline.labels.tables import csv_rows
from triptych.pipeline.reasons import canonical
from triptych.pipeline.store.store import JUDGEMENTS, Vote

MARKED_ABOVE = 0.02
MARKED_REASON = "Ghost_Scatter"
# what stands in a column <name>_badexp, in lower case
TRUE = ("true", "1", "1.0", "yes", "y", "t")
FALSE = ("false", "0", "0.0", "f", "nan", "none", "")


def read_inspection(path: Path, options: ReadOptions) -> Imported:
    """The result table of an earlier inspection: `expnum,...,<name>_badexp,<name>_reason,...`, perhaps with `ccdname`.

    True is a bad vote of that inspector, on the CCD if the row names one; the reason as written is kept as the comment.
    False or an empty cell does not say whether the inspector saw the exposure, so it is no vote. A column
    `<name>_judgement`, if there is one, has the judgement itself. The other columns (image_fname, plver, ML_reason) are
    kept, for an export in the same form. BadInput if a column is there twice, or if no column is a <name>_badexp.
    """
    found = Imported()
    given: list[tuple[int, str, Vote]] = []
    names: list[str] = []
    for number, row in csv_rows(path, found, needed=("expnum",), known=("ccdname", "ccdnum", "plver")):
        if not names:
            names = _names(path, found, list(row))
        with found.row(number):
            expnum = exposure_number(row["expnum"])
            ccdname = ccd_name(camera_named(options.camera), row.get("ccdname", ""), row.get("ccdnum", ""))
            for name in names:
                if judgement := _judgement(found, number, row, name):
                    more = {"ccdname": ccdname, "plver": row.get("plver", "").strip()}
                    raw = _of(row, name, "reason")
                    given.append((number, path.name, vote_of(found, options, expnum, name, judgement, raw, **more)))
            own = {name: cell for name, cell in row.items() if not name.startswith(tuple(f"{n}_" for n in names))}
            for key in ("expnum", "ccdname", "ccdnum"):
                own.pop(key, None)
            found.columns.setdefault(expnum, own)
    add_votes(found, given)
    return found


def _names(path: Path, found: Imported, columns: list[str]) -> list[str]:
    """The inspectors of a table."""
    names = [column[: -len("_badexp")] for column in columns if column.lower().endswith("_badexp")]
    if not names:
        raise BadInput(f"{path} has no column <name>_badexp; it has {', '.join(columns)}")
    sheet = found.sheet
    own = [column for column in sheet.unused if column.startswith(tuple(f"{name}_" for name in names))]
    twice = sorted({column for column in own if own.count(column) > 1})
    if twice:
        raise BadInput(f"{path} has two columns {', '.join(twice)}; give each inspector a name of their own")
    read = [column for column in own if column.lower().endswith(("_badexp", "_reason", "_judgement"))]
    sheet.used += read
    sheet.unused = [column for column in sheet.unused if column not in read]
    return names


def _of(row: dict[str, str], name: str, what: str) -> str:
    """The cell of a column <name>_<what>, whatever the case of <what>."""
    return next((cell for column, cell in row.items() if column.lower() == f"{name.lower()}_{what}"), "")


def _judgement(found: Imported, number: int, row: dict[str, str], name: str) -> str:
    """What an inspector says in a row; '' if nothing. An answer that is none is skipped."""
    cell, judgement = _of(row, name, "badexp").strip(), _of(row, name, "judgement").strip().lower()
    if judgement in ("nan", "none"):
        judgement = ""
    if not judgement and cell.lower() not in (*TRUE, *FALSE):
        found.skip(number, f"{name}_badexp is {cell!r}, not True or False")
    if judgement and judgement not in JUDGEMENTS:
        found.skip(number, f"{name}_judgement is {judgement!r}, not {', '.join(JUDGEMENTS)}")
    judgement = judgement or ("bad" if cell.lower() in TRUE else "")
    return judgement if judgement in JUDGEMENTS else ""


def read_annotation(path: Path, options: ReadOptions) -> Imported:
    """A table of annotators' marks, `expnum,ccdnum,annotator,marked_fraction`: one vote per CCD and annotator.

    A CCD is bad if more than MARKED_ABOVE of its area is marked, else good. The annotators worked alone and judged
    every CCD, so these votes are blind. Their number becomes the panel of a run that has none.
    """
    found, camera = Imported(), camera_named(options.camera)
    given: list[tuple[int, str, Vote]] = []
    needed, known = ("expnum", "annotator", "marked_fraction"), ("ccdname", "ccdnum", "reason")
    for number, row in csv_rows(path, found, needed=needed, known=known):
        with found.row(number):
            ccdname = ccd_name(camera, row.get("ccdname", ""), row.get("ccdnum", ""))
            expnum, fraction = exposure_number(row["expnum"]), _fraction(row["marked_fraction"])
            if not (ccdname and row["annotator"].strip()):
                raise BadInput(f"{','.join(row.values())!r} is not expnum,ccdnum,annotator,marked_fraction")
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
            given.append((number, path.name, vote))
    add_votes(found, given)
    found.panel = len({vote.inspector for vote in found.votes}) or None
    return found


def _fraction(text: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise BadInput(f"marked_fraction is {text!r}, not a number from 0 to 1")
    return fraction
