"""Votes from files: how one is made of a row, and what happens where rows of a file contradict each other."""

from dataclasses import replace

from triptych.pipeline.labels.imported import Imported, ReadOptions, imported_vote
from triptych.pipeline.reasons import REASONS, canonical
from triptych.pipeline.store.store import Vote


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
