"""Each annotator of the real ghosts against the majority of the others: the table of docs/real_data.md.

    python -m benchmarks.accuracy.annotators

TRIPTYCH_REAL_DATA (default ../shared/data) holds the marks. They are read as `triptych labels import` reads them: bad
where more than 2 % of a CCD is marked, CCDs that record nothing left out. The majority of seven is four or more.
"""

import os
from pathlib import Path

import pandas as pd

from triptych.pipeline.evaluation.evaluate import rates
from triptych.pipeline.labels.imported import ReadOptions
from triptych.pipeline.labels.inspections import read_annotation


def marks(folder: Path) -> pd.DataFrame:
    """Who called which CCD bad: bool, one row per (expnum, ccdname), one column per annotator."""
    found = read_annotation(folder / "focal_planes/ghosts/ghost_annotations.csv", ReadOptions())
    rows = [(vote.expnum, vote.ccdname, vote.inspector, vote.judgement == "bad") for vote in found.votes]
    frame = pd.DataFrame(rows, columns=["expnum", "ccdname", "annotator", "bad"])
    return frame.pivot(index=["expnum", "ccdname"], columns="annotator", values="bad")


def against_the_others(bad: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall and F1 of each annotator against the majority of the others, CCD by CCD.

    bad : (n_ccds, n_annotators) bool. `support` is how many CCDs that majority calls bad, `marked` how many the
    annotator does.
    """
    rows = {}
    for name in bad:
        others = bad.drop(columns=name)
        truth = 2 * others.sum(axis=1) > len(others.columns)
        rows[name] = {**rates(truth.to_numpy(), bad[name].to_numpy()), "marked": int(bad[name].sum())}
    return pd.DataFrame.from_dict(rows, orient="index")


def main() -> None:
    bad = marks(Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data")))
    table = against_the_others(bad)
    exposures = bad.index.get_level_values("expnum").nunique()
    print(f"{len(bad.columns)} annotators, {len(bad)} CCDs of {exposures} exposures\n")
    print("| annotator | CCDs marked | precision | recall | F1 | majority's |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, row in table.iterrows():
        figures = " | ".join(f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))
        print(f"| {name} | {row['marked']:.0f} | {figures} | {row['support']:.0f} |")
    votes = bad.sum(axis=1)
    half = len(bad.columns) / 2
    print(f"\nmajority of all: {(votes > half).sum()} bad, {(votes < half).sum()} good, {(votes == half).sum()} tied")


if __name__ == "__main__":
    main()
