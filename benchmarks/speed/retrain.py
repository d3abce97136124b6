"""What new labels change, at survey scale: followed, against a full prediction and against scikit-learn.

    OMP_NUM_THREADS=1 python -m benchmarks.speed.retrain [--images 5670000] [--training 40000]
        [--labels 100] [--rounds 5]

Drawn vectors in 40 groups, reduced to 15 features and multiplied as in `predict`, in exposures of 61 images;
random ones of them teach. Each round gives other images a label and follows; once as many labels go and as many become
others. The full prediction asks the neighbours of all images with the same training set in the same process with the
same number of threads, and every row, distance, share, reason and probability must be equal to the followed ones to the
last bit. scikit-learn is asked `--asked` random images, in which its tree's distances must be ours, and its time is
scaled to all images. Seconds of the processor stand beside those of the clock, as other work may hold the cores.
The last line is the full prediction's time over the median round's.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from benchmarks.speed.maps import draw
from benchmarks.speed.predict import BLOCK, NEIGHBOURS, a_model, keys_of, memory, moved, nearby, taken_by
from triptych.pipeline.classifier.classifier import Classifier
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.prediction_table import as_table, asks_neighbours, exposure_blocks
from triptych.pipeline.parallel import cores
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.retraining.live_cells import lay_out
from triptych.pipeline.retraining.live_neighbours import LABELS, Live, started
from triptych.pipeline.vectors.neighbours import in_order, nearest

KINDS = (*list(REASONS)[:9], GOOD)


def said(kind: str, clock: float, processor: float, more: str = "") -> None:
    print(f"  {kind:<44}{clock:>9.2f} s by the clock, {processor:>8.2f} s of the processor{more}", flush=True)


def survey(folder: Path, n: int) -> np.ndarray:
    """(n, 15) float64 on disk: reduced vectors of a survey."""
    first, second = np.split(draw(20_000), 2)
    reduced = a_model(first).reduction.apply(second)
    near, rng = nearby(reduced), np.random.default_rng(0)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float64, (n, reduced.shape[1]))
    for start in range(0, n, BLOCK):
        vectors[start : start + BLOCK] = moved(reduced, near, min(BLOCK, n - start), rng)
    return np.asarray(vectors)


def labels_of(vectors: np.ndarray) -> list[tuple[str]]:
    """Of each vector, the kind of the nearest of ten."""
    kinds, _ = nearest(vectors, np.full(len(vectors), -1), vectors[:10], np.arange(10), 1)
    return [(KINDS[kind],) for kind in kinds[:, 0]]


def full_prediction(live: Live, keys: pd.DataFrame, vectors: np.ndarray, *, compare: bool) -> None:
    """Predict all images block by block; with `compare` each block must be what was followed."""
    model = live.frozen_model()
    ids = model.training.image_id.to_numpy()
    answer = asks_neighbours(model, indicators(model.training.reasons, model.classes), len(keys))

    def predicted(block: slice) -> None:
        own = keys.iloc[block]
        right = answer(vectors[block], own)
        table = as_table(right, own, model.classes, ids)
        if not compare:
            return
        found = live.answer(np.arange(block.start, block.stop))
        for name in ("rows", "distances", "shares"):
            np.testing.assert_array_equal(getattr(found, name), getattr(right, name))
        for name in ("probability", "p_good"):
            np.testing.assert_array_equal(live.arrays[name][block], table[name].to_numpy())
        assert [LABELS[place] for place in live.arrays["reason"][block]] == table["reason"].to_pylist()

    for _ in in_order(predicted, exposure_blocks(keys.expnum.to_numpy())):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=5_670_000)
    parser.add_argument("--training", type=int, default=40_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--asked", type=int, default=2_000, help="images that scikit-learn is asked")
    parser.add_argument("--folder", type=Path, help="where the arrays lie meanwhile; 3 GB at full size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        compared(Path(name), options)


def compared(folder: Path, options: argparse.Namespace) -> None:
    load = Path("/proc/loadavg").read_text().split()[0]
    keys, vectors = keys_of(options.images), survey(folder, options.images)
    print(
        f"{options.images} images, {options.training} training images, {vectors.shape[1]} features, {NEIGHBOURS} "
        f"neighbours, {cores()} threads, load {load}",
        flush=True,
    )

    def make(name: str, shape: tuple, kind) -> np.ndarray:
        return np.asarray(np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape))

    clock, processor, laid_out = taken_by(lambda: lay_out(vectors, keys.expnum.to_numpy(), make))
    said("all images sorted into cells, once", clock, processor)
    live = started(laid_out, keys.image_id.to_numpy(), Classifier(neighbours=NEIGHBOURS), make)
    rng = np.random.default_rng(1)
    drawn = rng.permutation(options.images)[: options.training + (options.rounds + 2) * options.labels]
    drawn = pd.DataFrame({"image_id": keys.image_id.to_numpy()[drawn], "reasons": labels_of(vectors[drawn])})
    size = sum(path.stat().st_size for path in folder.glob("*.npy")) - vectors.nbytes
    clock, processor, _ = taken_by(lambda: live.teach(drawn[: options.training]))
    said("neighbours of all images, once", clock, processor, f"; {size / 1e9:.2f} GB of arrays")
    warm = options.training + options.labels
    live.teach(drawn[:warm])  # compiles
    taken = []
    for turn in range(options.rounds):
        warm += options.labels
        *seconds, update = taken_by(lambda last=warm: live.teach(drawn[:last]))
        taken.append(seconds)
        said(f"round {turn + 1}: {update.added} new labels", *seconds, f"; {len(update.images)} images changed")
    left = drawn[:warm].drop(drawn.index[: options.labels]).reset_index(drop=True)
    clock, processor, update = taken_by(lambda: live.teach(left))
    said(f"{update.removed} labels gone", clock, processor, f"; {update.refilled} images searched again")
    left["reasons"] = [*labels_turned(left.reasons[: options.labels]), *left.reasons[options.labels :]]
    clock, processor, update = taken_by(lambda: live.teach(left))
    said(f"{update.relabelled} labels become others", clock, processor, f"; {len(update.images)} images changed")
    middle = [median(seconds[place] for seconds in taken) for place in (0, 1)]
    spread = [f"{min(own):.2f} to {max(own):.2f}" for own in zip(*taken, strict=True)]
    said(f"{options.labels} new labels, median", *middle, f" ({spread[0]} and {spread[1]}, n={len(taken)})")
    clock, processor, _ = taken_by(lambda: full_prediction(live, keys, vectors, compare=False))
    said("full prediction of all images", clock, processor)
    started_check = time.perf_counter()
    full_prediction(live, keys, vectors, compare=True)
    print(f"  all {options.images} images are equal to the last bit ({time.perf_counter() - started_check:.0f} s)")
    theirs = theirs_of(live, options)
    said("scikit-learn, scaled to all images", *theirs, f" (asked {options.asked})")
    print(
        f"  at most {memory('VmHWM'):.0f} MB of memory; load {Path('/proc/loadavg').read_text().split()[0]} at the end"
    )
    for place, kind in ((1, "processor"), (0, "clock")):
        full = (clock, processor)[place]
        print(f"{kind}: scikit-learn {theirs[place] / middle[place]:.0f}, full prediction {full / middle[place]:.0f}")
    print(f"ratio {clock / middle[0]:.1f}")


def labels_turned(reasons: pd.Series) -> list[tuple[str]]:
    """Each label replaced by the next kind."""
    return [(KINDS[(KINDS.index(own[0]) + 1) % len(KINDS)],) for own in reasons]


def theirs_of(live: Live, options: argparse.Namespace) -> list[float]:
    """Seconds by the clock and of the processor that scikit-learn would take for all images."""
    model = live.frozen_model()
    tree = NearestNeighbors(n_neighbors=NEIGHBOURS + 61, p=1, n_jobs=cores()).fit(model.vectors)
    asked = np.random.default_rng(2).permutation(options.images)[: options.asked]
    queries, found = live.vectors(asked), live.answer(asked)
    distances, rows = tree.kneighbors(queries[:200])  # with enough left when the own exposure is taken out
    taught = model.training.expnum.to_numpy()
    for own, apart, ours, expnum in zip(rows, distances, found.distances, live.expnums(asked[:200]), strict=False):
        np.testing.assert_allclose(apart[taught[own] != expnum][:NEIGHBOURS], ours, rtol=1e-9)
    *seconds, _ = taken_by(lambda: tree.kneighbors(queries, n_neighbors=NEIGHBOURS))
    return [each * options.images / len(asked) for each in seconds]


if __name__ == "__main__":
    main()
