"""Previews that are rounded and compressed against float32 as it is: space, time, and what becomes of the vectors.

    python -m benchmarks.speed.previews [--exposures 24] [--seed 11] [--rounds 5]

Simulated exposures are ingested and embedded twice with the default backbone, once with previews that keep every bit.
Features are compared in units of their scatter over all images. Times are medians for a made-up exposure of 61 CCDs of
256 x 128 pixels, both ways in turn, from a warm disk.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
from scipy.spatial import cKDTree

from triptych.pipeline.catalog import preview_files
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.preview_files import Scale
from triptych.pipeline.embedding.embed import embed
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.simulation.simulate import simulate

NEIGHBOURS = 7
AS_IT_IS = patch.object(Scale, "of", staticmethod(lambda values: Scale()))


def vectors(run: Path, files: Path) -> np.ndarray:
    catalog = Catalog.create(run)
    ingest(catalog, files)
    sizes = [path.stat().st_size for path in (run / "previews").rglob("*.npz")]
    print(f"{run.name}: {np.mean(sizes) / 1e6:.2f} MB an exposure, n = {len(sizes)}")
    return np.asarray(embed(catalog).array(), float)


def compare(folder: Path, options: argparse.Namespace) -> None:
    simulate(folder / "files", exposures=options.exposures, seed=options.seed, binning=16)
    with AS_IT_IS:
        before = vectors(folder / "as it is", folder / "files")
    after = vectors(folder / "rounded", folder / "files")
    scatter = before.std(axis=0)
    before, after = (one[:, scatter > 0] / scatter[scatter > 0] for one in (before, after))
    off = np.abs(after - before)
    nearest = cKDTree(before).query(before, 2)[0][:, 1]
    moved = np.median(np.linalg.norm(after - before, axis=1) / nearest)
    near = [cKDTree(one).query(one, NEIGHBOURS + 1)[1][:, 1:] for one in (before, after)]
    kept = np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(*near, strict=True)])
    print(f"{len(before)} images, {before.shape[1]} features, off by (in units of their scatter)")
    print(f"{np.median(off):.4f}, median; 95 % below {np.quantile(off, 0.95):.4f}")
    print(f"moved by {moved:.3f} of the distance to the nearest image, median")
    print(f"{kept:.1%} of {NEIGHBOURS} neighbours kept")
    print(f"images with a feature that moved by more than half its scatter: {(off.max(axis=1) > 0.5).sum()}")


def times(folder: Path, rounds: int) -> None:
    rng, numbers = np.random.default_rng(0), np.arange(1, 62, dtype=np.int16)
    pixels = rng.normal(1000, 10, (61, 256, 128)).astype(np.float32)
    pixels[rng.random(pixels.shape) < 0.002] += 3000
    taken: dict[str, list[list[float]]] = {"rounded": [], "float32": []}
    for _ in range(rounds):
        for name in taken:
            path, at = folder / f"{name}.npz", [time.perf_counter()]
            if name == "rounded":
                preview_files.write(path, numbers, pixels)
            else:
                np.savez(path, ccdnums=numbers, pixels=pixels)
            at.append(time.perf_counter())
            preview_files.read(path)
            at.append(time.perf_counter())
            preview_files.read_ccd(path, 30)
            at.append(time.perf_counter())
            taken[name].append(np.diff(at).tolist())
    for name, rows in taken.items():
        write, read, one = (1e3 * median(own) for own in zip(*rows, strict=True))
        size = (folder / f"{name}.npz").stat().st_size / 1e6
        print(
            f"{name}: {size:.2f} MB, written in {write:.0f} ms, read in {read:.0f}, one CCD in {one:.1f}; n = {rounds}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exposures", type=int, default=24)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times(Path(folder), options.rounds)
        compare(Path(folder), options)


if __name__ == "__main__":
    main()
