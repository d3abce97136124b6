"""What the Agreement room says about the two examples of real answers: the tables of docs/examples.md.

    python -m benchmarks.accuracy.examples

TRIPTYCH_REAL_DATA (default ../shared/data) holds the answers. The DR11 inspectors are A, B and C, in the order of their
columns in the published table.
"""

import os
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from triptych.pipeline import examples
from triptych.pipeline.store.store import open_store
from triptych.pipeline.votes import agreement
from triptych.pipeline.votes.agreement_report import of_run
from triptych.pipeline.votes.agreement_text import number
from triptych.pipeline.votes.blind_votes import BAD, ballots
from triptych.pipeline.votes.coefficients import dice_bad, interval, tally


def table(header: list[str], rows: list[list]) -> None:
    print("\n| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print()


def headline(found: dict) -> None:
    names = {"alpha": "Krippendorff's alpha", "ac1": "Gwet's AC1", "raw": "raw agreement", "dice": "Dice on bad"}
    rows = [[title, number(found["figures"][name])] for name, title in names.items()]
    rows.append(["share of bad by Dawid-Skene", number(found["posterior"]["share"])])
    table(["figure", "value (95 % interval)"], rows)


def dr11(folder: Path, data: Path) -> None:
    print("## DR11")
    catalog = examples.make("dr11", folder / "dr11", data, bar=lambda title: nullcontext(None))
    first = (data / examples.DR11_TABLE).open().readline().strip().split(",")
    letter = dict(zip([n.removesuffix("_badexp") for n in first if n.endswith("_badexp")], "ABC", strict=True))
    with open_store(catalog) as store:
        votes = store.votes(current=False)
        votes["inspector"] = votes["inspector"].map(letter)
        imported = store.imported_columns()
        found = of_run(catalog, store, blanks_are_good=True)
    for row in found["pairs"]:
        row["first"], row["second"] = letter[row["first"]], letter[row["second"]]
    headline(found)
    rows = [
        [f"{r['first']}, {r['second']}", r["n_both"], r["n_first"], r["n_second"]]
        + [number(r["figures"][name]) for name in ("kappa", "ac1", "dice")]
        for r in sorted(found["pairs"], key=lambda r: (r["first"], r["second"]))
    ]
    table(["pair", "both bad", "first only", "second only", "kappa", "AC1", "Dice on bad"], rows)
    single = [row for row in found["listed"] if row["kind"] == "one vote"]
    rows = []
    for name, own in sorted(letter.items(), key=lambda item: item[1]):
        mine = [row for row in single if row["bad_by"] == (name,)]
        reasons = pd.Series([reason for row in mine for reason in row["reasons"]]).value_counts().head(5)
        none = sum(not row["reasons"] for row in mine)
        said = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
        rows.append([own, len(mine), said, none])
    print(f"{len(single)} exposures rest on one vote:")
    table(["by", "exposures", "reasons", "without a reason"], rows)
    alone = {row["expnum"] for row in single if row["bad_by"] == (next(iter(letter)),)}
    said = votes[(votes["inspector"] == "A") & votes["expnum"].isin(alone)]["comment"]
    print(f"A's lone votes that begin with 'fringing': {said.str.match('fringing').sum()}")
    rows = []
    for row in found["reasons"]:
        same, bad = (row["figures"][name] for name in ("same", "bad"))
        alone = sorted((letter[name], n) for name, n in row["alone"].items())
        if same["value"] is not None:
            names = ", ".join(f"{name} {n}" for name, n in alone)
            rows.append([row["reason"], row["n"], number(same), number(bad), names])
    table(["reason", "named on", "Dice on the reason", "Dice on bad there", "alone in calling it bad"], rows)
    two = ballots(votes, blanks_are_good=True, imports=imported).of(("A", "C"))
    category = two.units["expnum"].map(pd.Series([c["ML_reason"] for c in imported["columns"]], imported["expnum"]))
    rows = []
    for name in category.value_counts().index[:8]:
        part = two.where((category == name).to_numpy())
        counted = tally(part)
        values = dice_bad(counted.patterns, counted.weights)
        bad = part.answers == BAD
        low, high = interval(values[1:])
        counts = [int(bad.all(axis=1).sum()), *(int((bad[:, i] & ~bad[:, 1 - i]).sum()) for i in (0, 1))]
        rows.append([name, len(part), *counts, f"{values[0]:.2f} ({low:.2f} to {high:.2f})"])
    table(["the model's category", "exposures", "both", "A only", "C only", "Dice A, C"], rows)
    rows = [[r["group"], r["n"], number(r["figures"]["dice"])] for r in found["groups"]["band"]]
    table(["band", "flagged", "Dice on bad"], rows)
    print(f"posterior against majority: {len(found['unlike'])} exposures")


def ghosts(folder: Path, data: Path) -> None:
    print("## Ghosts")
    catalog = examples.make("ghosts", folder / "ghosts", data, bar=lambda title: nullcontext(None))
    with open_store(catalog) as store:
        found = of_run(catalog, store)
        whole = ballots(store.votes(current=False), unit="ccd")
    headline(found)
    alone = found["reasons"][0]["alone"]
    rows = []
    for row in found["people"]:
        name, fitted = row["inspector"], found["posterior"]["inspectors"][row["inspector"]]
        against = agreement.pair(whole.against_others(name))["figures"]
        share, rates = f"{row['bad']['value']:.0%}", [number(fitted[word]) for word in ("sensitivity", "specificity")]
        rows.append([name, share, number(against["kappa"]), number(against["dice"]), alone.get(name, 0), *rates])
    header = ["annotator", "CCDs called bad", "kappa", "Dice on bad", "alone on", "sensitivity", "specificity"]
    table(header, rows)
    pairs = sorted(found["pairs"], key=lambda row: row["figures"]["kappa"]["value"])
    rows = [[f"{r['first']}, {r['second']}", number(r["figures"]["kappa"])] for r in (*pairs[:3], *pairs[-3:])]
    table(["pair", "kappa"], rows)
    split = pd.DataFrame([row for row in found["listed"] if row["kind"] == "split"])
    tied = int((split["n_bad"] == split["n_good"]).sum())
    kinds = pd.Series([row["kind"] for row in found["listed"]]).value_counts()
    print(f"{kinds['split']} CCDs split, {tied} of them four against four; {kinds['one vote']} rest on one vote")
    print(f"posterior against majority: {len(found['unlike'])} CCDs")
    of_each = pd.Series([row["expnum"] for row in found["listed"]]).value_counts()
    rows = [[expnum, n] for expnum, n in of_each.head(5).items()]
    print(f"{of_each.head(5).sum()} of {len(found['listed'])} disputed CCDs lie on five exposures:")
    table(["exposure", "disputed CCDs"], rows)


def main() -> None:
    data = Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    with tempfile.TemporaryDirectory() as folder:
        dr11(Path(folder), data)
        ghosts(Path(folder), data)


if __name__ == "__main__":
    main()
