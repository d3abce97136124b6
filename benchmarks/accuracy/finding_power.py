"""How well bad exposures are found: simulated surveys of unseen seeds, and real ghosts, the published method beside.

    python -m benchmarks.accuracy.finding_power simulated --seed 9001 [--folds 5] [--classifiers mixed published]
    python -m benchmarks.accuracy.finding_power real [--folds 30] [--classifiers mixed forest knn published]

simulated: a survey of that seed is simulated (or taken from --folder, where it is already made), and each exposure is
predicted by a model that has not seen it, in folds of exposures. Take seeds that the simulated teacher has not seen.
real: 30 focal planes with ghosts, TRIPTYCH_REAL_DATA (default ../shared/data); a CCD is bad when five of the eight
annotators or more say so; 24 CCDs on which they are tied are asked but not counted. The spread is the standard
deviation over 1,000 resamples of whole exposures. No probability is cut off anywhere.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy.backbones import GHOST, real_ghosts
from benchmarks.accuracy.simulated_teacher import survey
from triptych.pipeline.camera import DECAM
from triptych.pipeline.classifier import candidates, metrics, train
from triptych.pipeline.classifier.simulated_teacher import teacher_for
from triptych.pipeline.embedding import backbones
from triptych.pipeline.evaluation.evaluate import held_out
from triptych.pipeline.labels.training_set import TrainingSet
from triptych.pipeline.reasons import GOOD

RESAMPLES = 1_000


def labelled(keys: pd.DataFrame, reasons: list[tuple[str, ...]]) -> TrainingSet:
    """A training set of all images of `keys`, one tuple of labels each."""
    table = keys[["image_id", "expnum", "ccdname"]].assign(reasons=reasons, source="truth", provenance="truth")
    bad = table.reasons.map(lambda own: own != (GOOD,)).groupby(table.expnum).any()
    return TrainingSet(table, {int(expnum): bool(hit) for expnum, hit in bad.items()})


def spread(expnums: np.ndarray, figure, seed: int = 0) -> float:
    """Standard deviation of figure(rows) over resamples of whole exposures."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(expnums == expnum) for expnum in np.unique(expnums)]
    drawn = (rng.integers(len(rows), size=len(rows)) for _ in range(RESAMPLES))
    return float(np.std([figure(np.concatenate([rows[i] for i in own])) for own in drawn]))


def f1_of(truth: np.ndarray, said: np.ndarray):
    """Function(rows) -> F1 of two boolean arrays."""
    return lambda rows: metrics.rates(truth[rows], said[rows])["f1"]


def simulated(folder: Path, seed: int, classifiers: list[str], folds: int) -> None:
    """Print CCD and exposure figures of each classifier on one simulated survey."""
    catalog, truth, odd = survey(folder / str(seed), seed)
    stage = catalog.stage("embedding")
    keys, vectors = stage.table("keys"), stage.array()
    carried = truth.groupby(["expnum", "ccdname"]).reason.agg(tuple)
    training = labelled(keys, list(carried.reindex(pd.MultiIndex.from_frame(keys[["expnum", "ccdname"]]))))
    bad = np.array(list(training.answers.values()))
    print(f"seed {seed}: {len(bad)} exposures, {bad.sum()} bad, {len(odd)} suspicious; {folds} folds of exposures")
    for name in classifiers:
        teacher = teacher_for(stage.parameters["digest"], catalog.camera)
        said, _ = held_out(
            vectors, keys, training, classifier=name, folds=folds, teacher=teacher, camera=catalog.camera
        )
        figures = metrics.ccd_metrics(training.table.reasons, said)
        right = (said.reason != GOOD).to_numpy()
        wrong = training.table.reasons.map(lambda own: own != (GOOD,)).to_numpy()
        f1 = f1_of(wrong, right)
        bad_f1, uncertain = f1(np.arange(len(wrong))), spread(said.expnum.to_numpy(), f1)
        print(f"\n{name}: CCD macro F1 {figures['macro_f1']:.3f}, bad F1 {bad_f1:.3f} +- {uncertain:.3f}")
        print(
            "  " + ", ".join(f"{label} {row['f1']:.2f}" for label, row in figures["reasons"].items() if row["support"])
        )
        for rule in candidates.RULES:
            scored = candidates.score(said, candidates.sampled_images(catalog), rule=rule).set_index("expnum")
            chance = scored.bad_probability.reindex(list(training.answers)).to_numpy()
            own = metrics.rates(bad, chance > candidates.RULES[rule].above)
            best = max(
                (min(row["precision"], row["recall"]), cut, row)
                for cut in np.unique(chance)
                for row in [metrics.rates(bad, chance >= cut)]
            )
            alarms = int((scored.bad_probability.reindex(odd) > candidates.RULES[rule].above).sum())
            print(
                f"  rule {rule}: precision {own['precision']:.3f}, recall {own['recall']:.3f} at its own cut, "
                f"{alarms} of {len(odd)} suspicious sent; "
                f"{best[2]['precision']:.3f}, {best[2]['recall']:.3f} at {best[1]:.3f}",
                flush=True,
            )


def real(data: Path, classifiers: list[str], folds: int) -> None:
    """Print CCD figures of each classifier on the real ghosts."""
    sample, votes = real_ghosts(data)
    loaded = backbones.open_backbone("triptych")[1]
    vectors = np.concatenate([loaded.vectors(DECAM, *exposure) for exposure in sample.exposures])
    keys = sample.table.assign(ccdname=sample.table.ccdnum.map(DECAM.name_of))
    order = np.argsort(keys.image_id.to_numpy())
    keys, vectors = keys.iloc[order].reset_index(drop=True), vectors[order]
    count = votes.sum(axis=1).loc[keys.image_id].to_numpy()
    training = labelled(keys, list(keys.reasons))
    untied, truth = np.flatnonzero(count != votes.shape[1] / 2), count > votes.shape[1] / 2
    print(f"real ghosts: {len(votes)} CCDs of {keys.expnum.nunique()} exposures, {len(untied)} not tied; {folds} folds")
    for name in classifiers:
        teacher = teacher_for(loaded.digest, "decam")
        said, _ = held_out(vectors, keys, training, classifier=name, folds=folds, teacher=teacher)
        hit = (said.reason == GHOST).to_numpy()
        row = metrics.rates(truth[untied], hit[untied])
        uncertain = spread(keys.expnum.to_numpy()[untied], f1_of(truth[untied], hit[untied]))
        tied = metrics.rates(truth, hit)["f1"]
        print(
            f"{name}: precision {row['precision']:.3f}, recall {row['recall']:.3f}, "
            f"F1 {row['f1']:.3f} +- {uncertain:.3f}; {tied:.3f} with ties as good",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["simulated", "real"])
    parser.add_argument("--seed", type=int, default=9001)
    parser.add_argument("--folds", type=int)
    parser.add_argument("--folder", type=Path, default=Path("runs/finding_power"))
    parser.add_argument("--classifiers", nargs="+", default=[train.DEFAULT, "published"])
    asked = parser.parse_args()
    if asked.what == "simulated":
        simulated(asked.folder, asked.seed, asked.classifiers, asked.folds or 5)
    else:
        real(Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data")), asked.classifiers, asked.folds or 30)


if __name__ == "__main__":
    main()
