"""What an import tells: what was read of a file, every line that was not and why, which columns, and what is new."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from triptych.pipeline.labels.imported import Imported

LINES_SHOWN = 50  # lines of a file that are named with their reason; of the others the numbers are given


@dataclass(frozen=True)
class ImportReport:
    """The result of reading one file. `str()` of it is the report for the user.

    guessed : whether the kind was guessed. in_run : how many of its exposures the run holds, and how many there are;
    None if no run was given. stored : whether it was stored.
    """

    path: Path
    kind: str
    found: Imported
    camera: str = "decam"
    guessed: bool = False
    in_run: tuple[int, int] | None = None
    run_is_empty: bool = False
    stored: bool = False
    votes_added: int = 0
    votes_known: int = 0
    votes_kept: int = 0
    votes_changed: int = 0
    labels_added: int = 0
    panel: int | None = None

    def __str__(self) -> str:
        return "\n".join([self._first_line(), *self._table(), *self._lines(), *self._unmapped()])

    def _first_line(self) -> str:
        found = self.found
        labels, votes = len(found.entries), len(found.votes)
        guess = " (a guess; --kind says it)" if self.guessed else ""
        parts = [f"{self.path.name}: read as {self.kind}{guess}"]
        if not self.stored:
            parts.append("nothing is stored")
        if votes:
            names = sorted({vote.inspector for vote in found.votes})
            on_ccds = sum(vote.ccdname != "" for vote in found.votes)
            new = f"{self.votes_added} new" if self.stored else "not stored"
            where = f", {on_ccds} on CCDs" if on_ccds else ""
            parts.append(f"{votes} votes of {', '.join(names)} ({new}{where})")
        if self.votes_changed:
            parts.append(f"{self.votes_changed} of them replace an answer of an earlier file")
        if self.votes_kept:
            parts.append(f"{self.votes_kept} not used, because their inspectors have voted by hand")
        if labels:
            whole = sum(ccdname == "" for _, ccdname, _ in found.entries)
            new = f"{self.labels_added} new" if self.stored else "not stored"
            parts.append(
                f"{labels} labels ({whole} exposures, {labels - whole} CCDs, {found.no_reason} without a reason; {new})"
            )
        if not votes and not labels:
            parts.append("it holds no exposure")
        if self.panel:
            parts.append(f"the run's panel is now {self.panel}")
        parts += [f"{number} {what}" for what, number in found.notes.items()]
        if found.commented:
            parts.append(f"{len(found.commented)} commented lines not read")
        if self.in_run and self.in_run[1]:
            held, given = self.in_run
            if self.run_is_empty:
                parts.append("the run has no exposures yet")
            elif held < given:
                which = f"{held} of its {given} exposures are" if held else f"none of its {given} exposures is"
                parts.append(f"{which} in the run")
        return "; ".join(parts)

    def _table(self) -> list[str]:
        """A row for each sheet."""
        rows: list[tuple[str, ...]] = [
            ("sheet", "rows read", "without answer", "not read", "columns used", "columns not used", "")
        ]
        for sheet in self.found.sheets:
            numbers = (sheet.rows, sheet.empty, len({number for number, _ in sheet.not_read}))
            columns = (", ".join(sheet.used), ", ".join(sheet.unused))
            rows.append(
                (sheet.name, *(str(number) for number in numbers), *(own or "-" for own in columns), sheet.note)
            )
        if len(rows) == 1:
            return []
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        return [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (tuple(" ".join(cell.split()) for cell in row) for row in rows)
        ]

    def _lines(self) -> list[str]:
        several = len(self.found.sheets) > 1
        told: list[str] = []
        for sheet in self.found.sheets:
            of = f" of {sheet.name}" if several else ""
            told += _named(sheet.not_read, of, "skipped")
            told += _named(sheet.remarks, of, "")
        return told

    def _unmapped(self) -> list[str]:
        found = self.found
        if not found.unmapped:
            return []
        total = sum(found.unmapped.values())
        text = f"  {total} reasons ({len(found.unmapped)} different) are not in the vocabulary, kept as written:"
        return [text, *(f"    {count:6d}  {raw[:90]}" for raw, count in found.unmapped.most_common(10))]


def _named(lines: list[tuple[int, str]], of: str, what: str) -> list[str]:
    told = [f"  line {number}{of}{what and ' ' + what}: {' '.join(text.split())}" for number, text in lines]
    if len(told) > LINES_SHOWN:
        rest = ranges(number for number, _ in lines[LINES_SHOWN:])
        told[LINES_SHOWN:] = [f"  and {len(lines) - LINES_SHOWN} more lines{of}{what and ' ' + what}: {rest}"]
    return told


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in few words: `3, 7-9`."""
    runs = [list(own) for _, own in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else f"{run[0][1]}" for run in runs)
