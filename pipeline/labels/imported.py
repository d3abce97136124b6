"""What a reader of label files returns, and the small functions that all readers share."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from triptych.pipeline.errors import TriptychError
from triptych.pipeline.reasons import REASONS, canonical
from triptych.pipeline.store.store import Vote
from triptych.pipeline.text_files import open_text

LABEL_NAMES = ["expnum", "ccdname", "reason", "raw"]


@dataclass
class SheetRead:
    """What was read of one sheet, or of a text file: `str()` of `Imported` has a row for each.

    rows : number of rows used. empty : rows without an answer. not_read, remarks : (line, why), of rows not used and of
    rows used all the same. used, unused : names of columns. note : what is to be said of the whole sheet.
    """

    name: str
    rows: int = 0
    empty: int = 0
    not_read: list[tuple[int, str]] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    note: str = ""


@dataclass
class Imported:
    """What a reader found in one file.

    labels : rows of (expnum, ccdname, reason, raw). ccdname '' = whole exposure; reason '' = not in our vocabulary.
    entries : (expnum, ccdname, text) of each line used. columns : {expnum: further columns of an inspection table}.
    skipped, commented : (line number, problem or text). unmapped : reasons that are not in our vocabulary, with counts.
    notes : other remarks for the report, with counts. panel : number of people who judged everything, if known.
    sheets : what was read of each sheet.
    """

    votes: list[Vote] = field(default_factory=list)
    labels: list[tuple[int, str, str, str]] = field(default_factory=list)
    columns: dict[int, dict] = field(default_factory=dict)
    unmapped: Counter = field(default_factory=Counter)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    commented: list[tuple[int, str]] = field(default_factory=list)
    entries: list[tuple[int, str, str]] = field(default_factory=list)
    no_reason: int = 0
    notes: Counter = field(default_factory=Counter)
    panel: int | None = None
    sheets: list[SheetRead] = field(default_factory=list)

    def begin(self, name: str) -> SheetRead:
        """Begin a sheet; what is read, skipped or remarked from now on is of this sheet."""
        self.sheets.append(SheetRead(name))
        return self.sheets[-1]

    @property
    def sheet(self) -> SheetRead:
        """The sheet that is being read."""
        return self.sheets[-1] if self.sheets else self.begin("")

    def skip(self, number: int, problem: str) -> None:
        """Note a line that is not used, or a cell of it."""
        self.skipped.append((number, problem))
        self.sheet.not_read.append((number, problem))

    def remark(self, number: int, text: str) -> None:
        """Note something about a line that is used all the same."""
        self.sheet.remarks.append((number, text))

    @contextmanager
    def row(self, number: int) -> Iterator[None]:
        """The boundary around one row: whatever goes wrong in it costs this row, and is noted with its line."""
        sheet = self.sheet
        before = len(sheet.not_read), sheet.empty
        try:
            yield
        except (TriptychError, ValueError) as error:
            self.skip(number, str(error))
        except Exception as error:  # nothing that a row holds may cost the other rows
            self.skip(number, f"cannot be read ({type(error).__name__}: {error})".splitlines()[0])
        if before == (len(sheet.not_read), sheet.empty):
            sheet.rows += 1

    def add_label(self, expnum: int, ccdname: str, raw: str, reasons: tuple[str, ...] | None = None) -> None:
        """Add one line of a list, once for every reason it names. The text as written is kept too."""
        self.entries.append((expnum, ccdname, raw))
        reasons = canonical(raw) if reasons is None else reasons
        if not raw:
            self.no_reason += 1
        elif not reasons:
            self.note_unmapped(raw)
        self.labels.extend((expnum, ccdname, reason, raw) for reason in reasons or ("",))

    def note_unmapped(self, raw: str) -> None:
        """Count a reason that is not in our vocabulary.

        Numbers in it become `#`, so equal complaints count together.
        """
        self.unmapped[re.sub(r"\d+(\.\d+)?", "#", raw)] += 1

    def exposures(self) -> set[int]:
        """The exposures that the labels and votes are about."""
        return {expnum for expnum, *_ in self.labels} | {vote.expnum for vote in self.votes}


@dataclass(frozen=True)
class ReadOptions:
    """What a reader needs to know besides the file: see `import_file`."""

    camera: str = "decam"
    inspector: str = ""
    maybe: str = "unsure"


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a text file, gzipped or not, in any encoding."""
    with open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            yield number, line.rstrip("\n").replace("\0", "")


def imported_vote(options: ReadOptions, **values) -> Vote:
    """A vote from a file. Its id is a digest of its content, so a line that is read again is the same vote."""
    vote = Vote(camera=options.camera, via="import", **values)
    content = repr((vote.thing, vote.judgement, vote.reasons, vote.comment, sorted(vote.screen.items())))
    identity = hashlib.sha256(content.encode()).hexdigest()[:32]
    return Vote(camera=options.camera, via="import", **values, client_vote_id=f"import-{identity}")


def vote_of(found: Imported, options: ReadOptions, expnum: int, name: str, judgement: str, raw: str, **more) -> Vote:
    """The vote of an inspector with a reason as written. A reason that is not in our vocabulary is counted."""
    reasons = canonical(raw)
    if raw.strip() and not reasons:
        found.note_unmapped(raw.strip())
    given = {"plver": "", "screen": {}, **more}
    return imported_vote(
        options,
        expnum=expnum,
        inspector=name,
        judgement=judgement,
        reasons=reasons,
        comment=raw,
        blind=False,
        **given,
    )


def add_votes(found: Imported, given: list[tuple[int, str, Vote]]) -> None:
    """Add the votes of a file: (line, sheet, vote).

    Where an inspector answers twice on the same thing, equal answers become one vote with the reasons of both. Answers
    that differ are left out, and each line is named: nobody can know which one counts.
    """
    by_thing: dict[tuple, list[tuple[int, str, Vote]]] = {}
    for one in given:
        by_thing.setdefault(one[2].thing, []).append(one)
    sheets, taken_back = {sheet.name: sheet for sheet in found.sheets}, set()
    for own in by_thing.values():
        votes = [vote for *_, vote in own]
        if len({vote.judgement for vote in votes}) == 1:
            found.votes.append(_joined(votes))
            continue
        for number, name, vote in own:
            others = ", ".join(
                f"{other.judgement!r} in line {line}" + (f" of {sheet}" if sheet != name else "")
                for line, sheet, other in own
                if other is not vote
            )
            ccd = f"-{vote.ccdname}" if vote.ccdname else ""
            problem = f"{vote.inspector} says {vote.judgement!r} of {vote.expnum}{ccd}, but {others}; none is taken"
            found.skipped.append((number, problem))
            if name in sheets:
                sheets[name].not_read.append((number, problem))
                sheets[name].rows -= (name, number) not in taken_back
                taken_back.add((name, number))


def _joined(votes: list[Vote]) -> Vote:
    """One vote of several equal answers."""
    first = votes[0]
    comments = list(dict.fromkeys(vote.comment for vote in votes if vote.comment.strip()))
    reasons = {reason for vote in votes for reason in vote.reasons}
    if len(comments) <= 1 and reasons == set(first.reasons):
        return first
    values = {name: getattr(first, name) for name in ("expnum", "ccdname", "inspector", "judgement", "plver", "blind")}
    joined = replace(first, reasons=tuple(n for n in REASONS if n in reasons), comment="; ".join(comments))
    options = ReadOptions(camera=first.camera)
    return imported_vote(options, **values, reasons=joined.reasons, comment=joined.comment, screen=first.screen)
