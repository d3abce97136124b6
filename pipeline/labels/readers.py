"""Reads files of labels into the label store: label lists, earlier inspections, annotations.

Each reader takes a path and returns an `Imported`: votes (if it is known who judged), labels (if it is not), and a
note of every line that could not be used. A bad line costs only that line. Reading a file again adds nothing.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.errors import BadInput, TriptychError, choose
from triptych.pipeline.labels.imported import LABEL_NAMES, Imported, ReadOptions, csv_rows, lines
from triptych.pipeline.labels.inspections import read_annotation, read_inspection, read_spreadsheet
from triptych.pipeline.labels.suspicious import SUSPICIOUS
from triptych.pipeline.reasons import FLAGS, GOOD, canonical, fold
from triptych.pipeline.store.store import LabelStore

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


def read_bad_expid(path: Path, options: ReadOptions) -> Imported:
    """A list in legacypipe's format: `EXPID[-CCDNAME] [flag] [comment...]`. A `#` in column 1 starts a comment line.

    If a key is on several lines, legacypipe uses the last. Here each line is a label of its own, so no reason is lost.
    """
    found, camera = Imported(), camera_named(options.camera)
    for number, line in lines(path):
        if line.startswith("#"):
            found.commented.append((number, line))
            continue
        words = line.split()
        if not words:
            continue
        expnum, *ccdname = words[0].split("-")
        try:
            expnum = int(expnum)
            (ccdname,) = ccdname or ("",)
        except ValueError:
            found.skipped.append((number, f"{words[0]!r} is not EXPNUM or EXPNUM-CCDNAME"))
            continue
        if ccdname and ccdname not in camera.by_name:
            found.notes[f"labels on CCDs that {camera.title} does not have, such as {ccdname}"] += 1
        raw = " ".join(words[1:])
        # our own exports write the reasons, then ` # `, then the votes
        reasons = FLAGS.get(raw.strip("# ")) or canonical(raw.split(" # ")[0]) or canonical(raw)
        found.add_label(expnum, ccdname, raw, reasons)
    return found


def read_exclude(path: Path, options: ReadOptions) -> Imported:
    """A DES/DELVE exclusion list: whole exposures with a reason each, or CCDs with the reason in the file's name.

    A list of CCDs may have a sixth column with a reason for each, as our exports do. A line that starts with `#` is a
    comment. If such a line names an exposure, the entry was withdrawn; it is listed in `commented`.
    """
    found, camera = Imported(), camera_named(options.camera)
    kind = re.split(r"\d|-y", path.stem)[0]
    whole = fold(next(lines(path), (0, ""))[1]).startswith("#nite exposure")
    for number, line in lines(path):
        if line.startswith("#"):
            if number > 1 and re.match(r"#\s*\d{8}\s+\d+\s", line):
                found.commented.append((number, line))
            continue
        if not line.strip():
            continue
        try:
            if whole:
                _night, expnum, reason = re.split(r"\s{2,}|\t+", line.strip(), maxsplit=2)
                found.add_label(int(expnum), "", reason.strip())
            else:
                words = line.split()
                ccdname = camera.name_of(int(words[4]))
                found.add_label(int(words[1]), ccdname, " ".join(words[5:]) or EXCLUDE_FILES.get(kind, kind))
        except (ValueError, IndexError, TriptychError):
            columns = "`night  expnum  reason`" if whole else "`night expnum ccd id ccdnum`"
            found.skipped.append((number, f"{line.strip()!r} is not {columns}"))
    return found


def read_good(path: Path, options: ReadOptions) -> Imported:
    """A list of good exposures: each line starts with an exposure number. A `#` in column 1 starts a comment line."""
    found = Imported()
    for number, line in lines(path):
        if line.startswith("#") or not line.strip():
            continue
        word = re.split(r"[\s,]", line.strip())[0]
        if word.isdigit():
            found.add_label(int(word), "", GOOD, (GOOD,))
        elif number > 1:  # the first line may name the columns
            found.skipped.append((number, f"{word!r} is not an exposure number"))
    return found


def read_truth(path: Path, options: ReadOptions) -> Imported:
    """A table `expnum,ccdname,reason` of what is known of each CCD; reason `good` if nothing is wrong."""
    found = Imported()
    for number, row in csv_rows(path, needed=("expnum", "reason")):
        try:
            expnum = int(row["expnum"])
        except ValueError:
            found.skipped.append((number, f"{row['expnum']!r} is not an exposure number"))
            continue
        raw, ccdname = row["reason"].strip(), row.get("ccdname", "").strip()
        found.add_label(expnum, ccdname, raw, (GOOD,) if raw.lower() == GOOD else None)
    return found


def read_suspicious(path: Path, options: ReadOptions) -> Imported:
    """A table `expnum,kind` of good exposures that look odd, with kinds such as `satellite_trail`: see `suspicious`."""
    found = Imported()
    for number, row in csv_rows(path, needed=("expnum", "kind")):
        kind = re.sub(r"[\s-]+", "_", row["kind"].strip().lower())
        try:
            expnum = int(row["expnum"])
        except ValueError:
            found.skipped.append((number, f"{row['expnum']!r} is not an exposure number"))
            continue
        if not kind:
            found.skipped.append((number, f"exposure {expnum} without a kind; say what makes it look odd"))
            continue
        found.entries.append((expnum, "", kind))
        found.labels.append((expnum, "", "", kind))
        found.notes[kind] += 1
    return found


@dataclass(frozen=True)
class ImportReport:
    """The result of reading one file. `str()` of it is the report for the user."""

    path: Path
    kind: str
    found: Imported
    votes_added: int = 0
    votes_known: int = 0
    votes_kept: int = 0
    labels_added: int = 0
    panel: int | None = None

    def __str__(self) -> str:
        found = self.found
        labels, votes = len(found.entries), len(found.votes)
        parts = [f"{self.path.name}: read as {self.kind}"]
        if votes:
            names = sorted({vote.inspector for vote in found.votes})
            parts.append(f"{votes} votes of {', '.join(names)} ({self.votes_added} new)")
        if self.votes_kept:
            parts.append(f"{self.votes_kept} not used, because their inspectors have voted by hand")
        if labels:
            whole = sum(ccdname == "" for _, ccdname, _ in found.entries)
            parts.append(
                f"{labels} labels ({whole} exposures, {labels - whole} CCDs, {found.no_reason} without a reason; "
                f"{self.labels_added} new)"
            )
        if self.panel:
            parts.append(f"the run's panel is now {self.panel}")
        parts += [f"{number} {what}" for what, number in found.notes.items()]
        if found.commented:
            parts.append(f"{len(found.commented)} commented lines not read")
        text = "; ".join(parts)
        for number, problem in found.skipped[:10]:
            text += f"\n  line {number} skipped: {problem}"
        if len(found.skipped) > 10:
            text += f"\n  and {len(found.skipped) - 10} more lines skipped"
        if found.unmapped:
            total = sum(found.unmapped.values())
            text += f"\n  {total} reasons ({len(found.unmapped)} different) are not in the vocabulary, kept as written:"
            text += "".join(f"\n    {count:6d}  {raw[:90]}" for raw, count in found.unmapped.most_common(10))
        return text


def guess_kind(path: str | Path) -> str:
    """The kind of a file, guessed from its name and its first lines. BadInput if it cannot be guessed."""
    path = Path(path)
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return "spreadsheet"
    if re.search(r"(^|[_-])good([._-]|$)", path.name) and not _says_more(path):
        return GOOD
    first = next((line for _, line in lines(path) if line.strip() and not line.startswith("# ")), "")
    names = {name.strip().lower() for name in first.split(",")}
    if {"annotator", "marked_fraction"} <= names:
        return "annotation"
    if "expnum" in names and any(name.endswith("_badexp") for name in names):
        return "inspection"
    if "expnum" in names and any("is_bad" in name or "is bad" in name for name in names):
        return "spreadsheet"
    if {"expnum", "reason"} <= names:
        return "truth"
    if {"expnum", "kind"} <= names:
        return SUSPICIOUS
    if fold(first).startswith(("#nite exposure", "#date expnum")):
        return "exclude"
    if any(re.match(r"\d+(-\w+)?(\s|$)", line) for _, line in lines(path)):
        return "bad_expid"
    raise BadInput(f"cannot tell what kind of list {path} is; give --kind, one of {', '.join(READERS)}")


def _says_more(path: Path) -> bool:
    """Whether the first lines hold more than numbers.

    A file named good that holds only numbers lists good exposures.
    """
    some = [line.strip() for _, line in itertools.islice(lines(path), 20) if line.strip() and not line.startswith("#")]
    return not some or any(not re.fullmatch(r"\d+,?", line) for line in some[1:] or some)


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
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path} is not a file; name the list to import")
    choose(maybe, ("unsure", "bad"), "meaning of maybe")
    kind = choose(kind or guess_kind(path), READERS, "kind of label file")
    options = ReadOptions(camera=camera_named(camera).name, inspector=inspector or "", maybe=maybe)
    found = READERS[kind](path, options)
    named = _camera_in_name(path)
    if named and named != options.camera:
        found.notes[f"the name says {named}, but read as {options.camera}: if that is wrong, give the camera"] += 1
    counts = store.import_votes(found.votes)
    labels = pd.DataFrame(found.labels, columns=LABEL_NAMES).assign(camera=options.camera)
    added = store.import_labels(labels, source=path.name, kind=kind).added
    if found.columns:
        rows = [{"camera": options.camera, "expnum": key, "columns": own} for key, own in found.columns.items()]
        store.import_columns(pd.DataFrame(rows), source=path.name)
    panel = None
    if catalog is not None and found.panel and not catalog.refresh().info.get("panel"):
        panel = found.panel
        catalog.set_info(panel=panel)
    return ImportReport(path, kind, found, counts.added, counts.known, counts.kept, added, panel)


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
