"""What a reader of label files returns, and the small functions that all readers share."""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from triptych.pipeline.csv_tables import rows_of
from triptych.pipeline.errors import BadInput
from triptych.pipeline.reasons import canonical
from triptych.pipeline.store.store import Vote
from triptych.pipeline.text_files import open_text

LABEL_NAMES = ["expnum", "ccdname", "reason", "raw"]


@dataclass
class Imported:
    """What a reader found in one file.

    labels : rows of (expnum, ccdname, reason, raw). ccdname '' = whole exposure; reason '' = not in our vocabulary.
    entries : (expnum, ccdname, text) of each line used. columns : {expnum: further columns of an inspection table}.
    skipped, commented : (line number, problem or text). unmapped : reasons that are not in our vocabulary, with counts.
    notes : other remarks for the report, with counts. panel : number of people who judged everything, if known.
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


@dataclass(frozen=True)
class ReadOptions:
    """What a reader needs to know besides the file: see `import_file`."""

    camera: str = "decam"
    inspector: str = ""
    maybe: str = "unsure"


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of a text file, gzipped or not, in any encoding that extends ASCII."""
    with open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            yield number, line.rstrip("\n")


def csv_rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV table with a header line. `#` lines before the header are comments.

    BadInput if one of the `needed` columns is missing.
    """
    with open_text(path, newline="") as handle:
        before, rows = 0, iter(())
        for line in handle:
            if not line.startswith("#") and line.strip():
                rows = rows_of(itertools.chain([line], handle), path)
                break
            before += 1
        header = [name.strip() for name in next(rows, (0, []))[1]]
        missing = [name for name in needed if name not in header]
        if missing:
            raise BadInput(f"{path} has no column {', '.join(missing)}; it has {', '.join(header) or 'none'}")
        for number, cells in rows:
            if cells:
                cells = cells + [""] * (len(header) - len(cells))
                yield before + number, dict(zip(header, cells, strict=False))


def imported_vote(options: ReadOptions, **values) -> Vote:
    """A vote from a file. Its id is a digest of its content, so a line that is read again is the same vote."""
    vote = Vote(camera=options.camera, via="import", **values)
    content = repr((vote.thing, vote.judgement, vote.reasons, vote.comment, sorted(vote.screen.items())))
    identity = hashlib.sha256(content.encode()).hexdigest()[:32]
    return Vote(camera=options.camera, via="import", **values, client_vote_id=f"import-{identity}")
