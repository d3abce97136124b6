"""Reads files of labels into the label store: label lists, earlier inspections, annotations.

Each reader takes a path and returns an `Imported`: votes (if it is known who judged), labels (if it is not), and a
note of every line that could not be used. A bad line costs only that line, a bad file only that file. Reading a file
again adds nothing.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from triptych.pipeline.camera import Camera
from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.errors import BadInput, TriptychError, choose, in_one_line
from triptych.pipeline.labels import kinds
from triptych.pipeline.labels.cells import GOOD_ANSWERS, ccd_name, exposure_number, is_range
from triptych.pipeline.labels.import_report import ImportReport
from triptych.pipeline.labels.imported import LABEL_NAMES, Imported, ReadOptions, lines
from triptych.pipeline.labels.inspections import read_annotation, read_inspection
from triptych.pipeline.labels.spreadsheets import is_workbook, read_spreadsheet
from triptych.pipeline.labels.suspicious import SUSPICIOUS
from triptych.pipeline.labels.tables import csv_rows, encoding_in_words
from triptych.pipeline.reasons import FLAGS, GOOD, canonical, fold
from triptych.pipeline.store.store import LabelStore
from triptych.pipeline.text_files import encoding_of

# An exclusion list has one reason per file, in the file's name.
EXCLUDE_FILES: dict[str, str] = {
    "ghost-scatter": "Ghost/Scatter",
    "streak": "Streak",
    "noise": "Noise",
    "readout": "Readout",
    "ccd": "Bad CCD",
    "processing": "Processing",
    "comet": "Comet",
}
RANGE = "a range of exposures, or two of them; write one exposure a line"


def _begin(path: Path) -> Imported:
    """What is found in a list without columns, before a line is read."""
    if is_workbook(path):
        raise BadInput(f"{path} is a workbook, not a list; give --kind spreadsheet, or save the list as text")
    found = Imported()
    encoding = encoding_in_words(encoding_of(path))
    found.begin(path.name).note = f"read as {encoding}" if encoding else ""
    return found


def read_bad_expid(path: Path, options: ReadOptions) -> Imported:
    """A list in legacypipe's format: `EXPID[-CCDNAME] [flag] [comment...]`. A `#` in column 1 starts a comment line.

    If a key is on several lines, legacypipe uses the last. Here each line is a label of its own, so no reason is lost.
    A range of exposures, a CCD that the camera does not have, and a line that says `good` are skipped.
    """
    found, camera = _begin(path), camera_named(options.camera)
    for number, line in lines(path):
        if line.startswith("#"):
            found.commented.append((number, line))
        elif words := line.split():
            with found.row(number):
                expnum, ccdname = _key(line, words[0], camera)
                raw = " ".join(words[1:])
                if fold(raw) in GOOD_ANSWERS and raw not in FLAGS:
                    raise BadInput(f"{raw!r} says that {words[0]} is not bad; a list of bad exposures cannot hold it")
                # our own exports write the reasons, then ` # `, then the votes
                reasons = FLAGS.get(raw.strip("# ")) or canonical(raw.split(" # ")[0]) or canonical(raw)
                found.add_label(expnum, ccdname, raw, reasons)
    return found


def _key(line: str, key: str, camera: Camera) -> tuple[int, str]:
    """(exposure number, CCD name or '') of a line of a list of bad exposures. BadInput if it is not clear."""
    if is_range(line):
        raise BadInput(f"{' '.join(line.split()[:3])!r} is {RANGE}")
    expnum, *ccdname = key.split("-")
    if len(ccdname) > 1 or not re.fullmatch(r"\d+(\.0*)?", expnum, re.ASCII):
        raise BadInput(f"{key!r} is not EXPNUM or EXPNUM-CCDNAME")
    if ccdname and (ccdname[0].isdigit() or not ccdname[0]):
        raise BadInput(f"{key!r} may be a CCD or {RANGE}; write a CCD by its name, such as {camera.names[0]}")
    return exposure_number(expnum), ccd_name(camera, "".join(ccdname))


def read_exclude(path: Path, options: ReadOptions) -> Imported:
    """A DES/DELVE exclusion list: whole exposures with a reason each, or CCDs with the reason in the file's name.

    A list of CCDs may have a sixth column with a reason for each, as our exports do. A line that starts with `#` is a
    comment. If such a line names an exposure, the entry was withdrawn; it is listed in `commented`. Where name and
    number of a CCD disagree, the number counts, as for the programs that read these lists; the line is named.
    """
    found, camera = _begin(path), camera_named(options.camera)
    kind = re.split(r"\d|-y", path.stem)[0]
    whole = fold(next(lines(path), (0, ""))[1]).startswith("#nite exposure")
    columns = "`night  expnum  reason`" if whole else "`night expnum ccd id ccdnum`"
    for number, line in lines(path):
        if line.startswith("#"):
            if number > 1 and re.match(r"#\s*\d{8}\s+\d+\s", line):
                found.commented.append((number, line))
            continue
        if not line.strip():
            continue
        with found.row(number):
            try:
                if whole:
                    _night, expnum, reason = re.split(r"\s{2,}|\t+", line.strip(), maxsplit=2)
                    label = exposure_number(expnum), "", reason.strip()
                else:
                    words = line.split()
                    ccdname, reason = ccd_name(camera, words[4]), " ".join(words[5:])
                    label = exposure_number(words[1]), ccdname, reason or EXCLUDE_FILES.get(kind, kind)
                    if words[3].upper() in camera.by_name and words[3].upper() != ccdname:
                        found.remark(number, f"ccd {words[3]} has not number {words[4]}; the number counts: {ccdname}")
            except (ValueError, IndexError, TriptychError):
                raise BadInput(f"{line.strip()!r} is not {columns}") from None
            found.add_label(*label)
    return found


def read_good(path: Path, options: ReadOptions) -> Imported:
    """A list of good exposures: each line starts with an exposure number. A `#` in column 1 starts a comment line.

    A line that goes on with what is wrong is skipped.
    """
    found, first = _begin(path), True
    for number, line in lines(path):
        if line.startswith("#") or not line.strip():
            continue
        word, *rest = re.split(r"[\s,;]+", line.strip(), maxsplit=1)
        if first and not re.search(r"\d", word):  # the first line may name the columns
            first = False
            continue
        first = False
        with found.row(number):
            if is_range(line):
                raise BadInput(f"{' '.join(line.split()[:3])!r} is {RANGE}")
            expnum, said = exposure_number(word), "".join(rest)
            if fold(said) in ("bad", "n", "no", "false") or canonical(said):
                raise BadInput(f"{said!r} says that {word} is not good; a list of good exposures cannot hold it")
            found.add_label(expnum, "", GOOD, (GOOD,))
    return found


def read_truth(path: Path, options: ReadOptions) -> Imported:
    """A table `expnum,ccdname,reason` of what is known of each CCD; reason `good` if nothing is wrong.

    A CCD may be named or numbered; one that the camera does not have costs its row. Rows that call the same thing good
    and bad are both labels, and are named.
    """
    found, camera = Imported(), camera_named(options.camera)
    said: dict[tuple[int, str], dict[bool, int]] = {}
    for number, row in csv_rows(path, found, needed=("expnum", "reason"), known=("ccdname", "ccdnum")):
        with found.row(number):
            expnum = exposure_number(row["expnum"])
            ccdname = ccd_name(camera, row.get("ccdname", ""), row.get("ccdnum", ""))
            raw = row["reason"].strip()
            good = raw.lower() == GOOD
            found.add_label(expnum, ccdname, raw, (GOOD,) if good else None)
            before = said.setdefault((expnum, ccdname), {})
            if good not in before:
                before[good] = number
                if len(before) == 2:
                    key = f"{expnum}-{ccdname}" if ccdname else f"{expnum}"
                    found.remark(number, f"says {raw!r} of {key}, line {before[not good]} the contrary; both are kept")
    return found


def read_suspicious(path: Path, options: ReadOptions) -> Imported:
    """A table `expnum,kind` of good exposures that look odd, with kinds such as `satellite_trail`: see `suspicious`."""
    found = Imported()
    for number, row in csv_rows(path, found, needed=("expnum", "kind")):
        with found.row(number):
            kind = re.sub(r"[\s-]+", "_", row["kind"].strip().lower())
            expnum = exposure_number(row["expnum"])
            if not kind:
                raise BadInput(f"exposure {expnum} without a kind; say what makes it look odd")
            found.entries.append((expnum, "", kind))
            found.labels.append((expnum, "", "", kind))
            found.notes[kind] += 1
    return found


def guess_kind(path: str | Path) -> str:
    """The kind of a file, guessed from its name and its first lines. BadInput if none fits, or more than one."""
    return kinds.guess(Path(path), tuple(READERS))


def read_file(
    path: str | Path,
    kind: str | None = None,
    *,
    camera: str = "decam",
    inspector: str | None = None,
    maybe: str = "unsure",
    catalog=None,
) -> ImportReport:
    """Read one file, and store nothing: the report of what an import would take. Options as of `import_file`.

    BadInput if the file cannot be read, whatever is wrong with it.
    """
    path = Path(path)
    choose(maybe, ("unsure", "bad"), "meaning of maybe")
    options = ReadOptions(camera=camera_named(camera).name, inspector=inspector or "", maybe=maybe)
    if kind:
        choose(kind, READERS, "kind of label file")
    try:
        if not path.is_file():
            raise BadInput(f"{path} is not a file; name the list to import")
        known = kind or guess_kind(path)
        found = READERS[known](path, options)
    except TriptychError as error:
        raise in_one_line(error) from None
    except OSError:
        raise
    except Exception as error:  # the boundary around one file: what is wrong with it costs only this file
        words = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise BadInput(f"{path} cannot be read ({words}); save it again, as CSV or as text") from None
    named = _camera_in_name(path)
    if named and named != options.camera:
        found.notes[f"the name says {named}, but read as {options.camera}: if that is wrong, give the camera"] += 1
    report = ImportReport(path, known, found, options.camera, guessed=not kind)
    if catalog is not None:
        ours = catalog.exposures()
        given = found.exposures()
        held = given & set(ours.expnum[ours.camera == options.camera])
        report = replace(report, in_run=(len(held), len(given)), run_is_empty=not len(ours))
    return report


def import_file(
    store: LabelStore,
    path: str | Path,
    kind: str | None = None,
    *,
    camera: str = "decam",
    inspector: str | None = None,
    maybe: str = "unsure",
    catalog=None,
) -> ImportReport:
    """Read one file into the store and return a report.

    kind : one of READERS; guessed from the file by default. inspector : whose answers a spreadsheet holds, if the file
    does not say. maybe : how `maybe`, `y?` and the like count, 'unsure' or 'bad' (the published DR11 list counted them
    as bad). catalog : the run; an annotation table sets its panel, if it has none yet. BadInput if the file cannot be
    read, UnknownName for an unknown kind, camera or `maybe`.
    """
    report = read_file(path, kind, camera=camera, inspector=inspector, maybe=maybe, catalog=catalog)
    return store_found(store, report, catalog)


def store_found(store: LabelStore, report: ImportReport, catalog=None) -> ImportReport:
    """Store what `read_file` found. Returns the report with what is new."""
    found, source = report.found, report.path.name
    counts = store.import_votes(found.votes)
    labels = pd.DataFrame(found.labels, columns=LABEL_NAMES).assign(camera=report.camera)
    added = store.import_labels(labels, source=source, kind=report.kind).added
    if found.columns:
        rows = [{"camera": report.camera, "expnum": key, "columns": own} for key, own in found.columns.items()]
        store.import_columns(pd.DataFrame(rows), source=source)
    panel = None
    if catalog is not None and found.panel and not catalog.refresh().info.get("panel"):
        panel = found.panel
        catalog.set_info(panel=panel)
    return replace(
        report,
        votes_added=counts.added,
        votes_known=counts.known,
        votes_kept=counts.kept,
        votes_changed=counts.changed,
        labels_added=added,
        panel=panel,
        stored=True,
    )


def _camera_in_name(path: Path) -> str:
    """The camera in a file name of the form `<camera>-bad_expid.txt`; '' if the name has another form."""
    try:
        return camera_named(path.name.split("-bad_expid")[0]).name
    except TriptychError:
        return ""


READERS: dict[str, Callable[[Path, ReadOptions], Imported]] = {
    "bad_expid": read_bad_expid,
    "exclude": read_exclude,
    GOOD: read_good,
    "truth": read_truth,
    SUSPICIOUS: read_suspicious,
    "inspection": read_inspection,
    "spreadsheet": read_spreadsheet,
    "annotation": read_annotation,
}
