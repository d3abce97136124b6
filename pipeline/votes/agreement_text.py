"""Writes the report of `agreement_report` as text for a terminal."""

from triptych.pipeline.votes.agreement import FEWEST_EXPOSURES, FIGURES, FLAGGED
from triptych.pipeline.votes.inspectors import FEW as FEW_VOTES

READING = (
    "alpha and kappa correct for agreement by chance, and are low if bad is rare; AC1 less so. Dice is about bad "
    "only: if one inspector says bad, how likely another one does."
)


def number(figure: dict, digits: int = 2) -> str:
    """`0.30 (0.27 to 0.34)`, or `-` if there is no value."""
    if figure["value"] is None:
        return "-"
    if figure["low"] is None:
        return f"{figure['value']:.{digits}f}"
    return f"{figure['value']:.{digits}f} ({figure['low']:.{digits}f} to {figure['high']:.{digits}f})"


def as_text(found: dict) -> str:
    """All tables of a report, one below the other."""
    parts = [_ballot_counts(found)]
    rows = [
        [title, number(found["figures"][name]), _n(found["figures"][name])] for name, (title, *_) in FIGURES.items()
    ]
    parts.append(_table(["", f"value ({found['level']} % interval)", "n"], rows))
    parts.append(READING)
    if found["pairs"]:
        rows = [
            [f"{r['first']} - {r['second']}", r["n"], r["n_both"], r["n_first"], r["n_second"]]
            + [number(r["figures"][name]) for name in ("kappa", "ac1", "dice")]
            for r in found["pairs"]
        ]
        header = ["pair", "n", "both bad", "first only", "second only", "Cohen's kappa", "AC1", "Dice on bad"]
        parts.append(_table(header, rows))
    parts += [_groups(name, groups) for name, groups in found["groups"].items() if groups]
    if found["reasons"]:
        rows = [
            [r["reason"], r["n"], r["votes"], number(r["figures"]["same"]), number(r["figures"]["bad"]), _alone(r)]
            for r in found["reasons"]
        ]
        header = [
            "by reason",
            "named on",
            "votes",
            "Dice on the reason",
            "Dice on bad there",
            "alone in calling it bad",
        ]
        parts.append(_table(header, rows))
    if found["people"]:
        parts.append(_people(found))
    parts.append(_single(found))
    return "\n\n".join(part for part in parts if part)


def _groups(name: str, groups: list[dict]) -> str:
    enough = [row for row in groups if row["n"] >= FEWEST_EXPOSURES]
    rows = [
        [row["group"], row["n"], row["n_bad"], *(number(row["figures"][key]) for key in ("alpha", "ac1", "dice"))]
        for row in enough
    ]
    text = _table([f"by {name}", "n", "called bad", "alpha", "AC1", "Dice on bad"], rows)
    if len(enough) < len(groups):
        n = sum(row["n"] for row in groups) - sum(row["n"] for row in enough)
        text += f"\n{len(groups) - len(enough)} more have fewer than {FEWEST_EXPOSURES} exposures each, {n:,} in all."
    if any(row["figures"]["alpha"]["why"] == FLAGGED for row in enough):
        text += f"\nA dash: {FLAGGED}."
    return text


def _ballot_counts(found: dict) -> str:
    things = "exposures" if found["unit"] == "exposure" else "CCDs"
    votes = "votes" if found["assumption"] else "blind votes"
    text = f"{found['n_votes']:,} {votes} of {len(found['inspectors'])} inspectors on {found['n_units']:,} {things}"
    if found["unit"] != "exposure":
        text += f" of {found['n_exposures']:,} exposures"
    text += f"; {found['n_paired']:,} with two answers or more"
    left = [f"{n:,} {found['why_left_out'][why]}" for why, n in found["left_out"].items() if n]
    lines = [text, "Left out: " + "; ".join(left) + "." if left else "No vote is left out."]
    if found["assumption"]:
        lines.append(f"{found['assumption']} {found['n_assumed']:,} good answers are assumed.")
    why = {figure["why"] for figure in found["figures"].values() if figure["why"]}
    lines += sorted(f"A dash: {reason}." for reason in why)
    return "\n".join(lines)


def _people(found: dict) -> str:
    fitted = found["posterior"]["inspectors"]
    rows = []
    for row in found["people"]:
        model, pace = fitted.get(row["inspector"], {}), row["pace"]["seconds"]
        rows.append(
            [
                row["inspector"],
                row["n_votes"],
                number(row["bad"]),
                number(row["unsure"]),
                "-" if pace is None else f"{pace:.1f} s",
                number(row["consistency"]),
                number(row["against_leads"]["sensitivity"]),
                number(row["against_leads"]["specificity"]),
                number(row["against_known"]["sensitivity"]),
                number(model["sensitivity"]) if model else "-",
                number(model["specificity"]) if model else "-",
            ]
        )
    header = ["inspector", "answers", "bad", "unsure", "pace", "same on repeats", "sensitivity to decisions"]
    header += ["specificity to decisions", "sensitivity to known", "sensitivity by Dawid-Skene", "specificity"]
    return _table(header, rows) + f"\nA dash: {FEW_VOTES}."


def _single(found: dict) -> str:
    kinds = {kind: sum(row["kind"] == kind for row in found["listed"]) for kind in _KINDS}
    counts = ", ".join(f"{kinds[kind]:,} {words}" for kind, words in _KINDS.items() if kinds[kind])
    share = number(found["posterior"]["share"], 3)
    text = f"{counts or 'none rests on one vote or is called good and bad'}; share of bad by Dawid-Skene {share}; "
    return text + f"{len(found['unlike']):,} where its posterior disagrees with most of the blind votes"


_KINDS = {"one vote": "rest on one bad vote", "divided": "called good and bad", "unsure": "with somebody unsure"}


def _alone(row: dict) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(row["alone"].items(), key=lambda item: -item[1]))


def _n(figure: dict) -> str:
    return f"{figure['n']:,}"


def _table(header: list[str], rows: list[list]) -> str:
    cells = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
