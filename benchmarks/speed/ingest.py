"""One whole compressed exposure to 62 previews, a window of it, and what the compiled decoder costs at its first use.

    python -m benchmarks.speed.ingest [FILE.fits.fz] [--rounds 7] [--against CHECKOUT]

Without a file, one full-size exposure is simulated (a minute and a half, kept in the temporary folder). The baseline is
fitsio and the numpy block mean in one process, the other way is the compiled decoder in as many threads as cores; they
take turns, and every round checks that the previews are equal. The last line is the ratio of the medians.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fitsio
import numpy as np

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.parallel import cores
from triptych.pipeline.pixels import compressed_tiles, rice
from triptych.pipeline.pixels.fits import as_float
from triptych.pipeline.pixels.images import block_mean, preview_bin, thinning
from triptych.pipeline.simulation.simulate import simulate

FRESH = """
import re, sys, time
start = time.perf_counter()
from triptych.pipeline.pixels import compressed_tiles, rice
tables = list(compressed_tiles.tile_tables(sys.argv[1]).values())
loaded = time.perf_counter()
rice.measure(tables[0], 16, 11)
first = time.perf_counter()
rice.measure(tables[1], 16, 11)
again = time.perf_counter()
for table in tables:
    rice.measure(table, 16, 11)
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
print(loaded - start, (first - loaded) - (again - first), int(peak.group(1)) / 1024)
"""

# whole ingests of one file by the compiled decoder, in a process of its own: seconds, seconds of CPU, peak MB
WHOLE = """
import re, sys, tempfile, time
from pathlib import Path
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.pixels import compressed_tiles
compressed_tiles.WORTH_LOADING = compressed_tiles.WORTH_COMPILING = -1
for _ in range(2):  # the first one loads the decoder
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog.create(Path(folder) / "run")
        start, spent = time.perf_counter(), time.process_time()
        ingest(catalog, sys.argv[1], workers=int(sys.argv[2]))
        took = time.perf_counter() - start, time.process_time() - spent
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
print(*took, int(peak.group(1)) / 1024)
"""


def full_size_exposure() -> Path:
    """The file of a simulated full-size exposure, made once."""
    folder = Path(tempfile.gettempdir()) / "triptych-benchmark"
    if not list(folder.glob("*_ooi_*.fits.fz")):
        print("simulating one full-size exposure ...", flush=True)
        simulate(folder, exposures=1, seed=3, binning=1)
    return next(folder.glob("*_ooi_*.fits.fz"))


def libraries(path: str | Path) -> list[np.ndarray]:
    """Previews (ny, nx) float32 of every CCD of a file, by fitsio and numpy, one CCD in memory at a time."""
    with fitsio.FITS(str(path)) as handle:
        return [_binned(as_float(hdu.read())) for hdu in handle if hdu.has_data()]


def _binned(pixels: np.ndarray) -> np.ndarray:
    return block_mean(pixels, preview_bin(pixels.shape))


def compiled(path: str | Path, threads: int) -> list[np.ndarray]:
    """The same by the compiled decoder."""
    with ThreadPoolExecutor(threads) as pool:
        return [found.means for found in pool.map(_previewed, compressed_tiles.tile_tables(path).values())]


def _previewed(table: compressed_tiles.TileTable) -> rice.Decoded:
    return rice.measure(table, preview_bin(table.shape), thinning(table.shape))


def ingested(path: Path, price: int) -> float:
    """Seconds of a whole ingest of the file; the compiled decoder is taken where its price is negative."""
    compressed_tiles.WORTH_LOADING = compressed_tiles.WORTH_COMPILING = price
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog.create(Path(folder) / "run")
        start = time.perf_counter()
        ingest(catalog, path, workers=cores())
        return time.perf_counter() - start


def seconds(function: Callable, *arguments) -> tuple[float, list]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def told(name: str, times: list[float], unit: float = 1.0, word: str = "s") -> float:
    """Print the median and the spread, and return the median."""
    scaled = np.array(times) * unit
    low, median, high = scaled.min(), np.median(scaled), scaled.max()
    print(f"{name}: median {median:.2f} {word}, {low:.2f} to {high:.2f} (n = {len(scaled)})", flush=True)
    return float(median)


def first_use(path: Path, cache: str) -> list[float]:
    """Seconds to import, seconds of the first call beyond a usual one, and peak MB, of a new process in one thread."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(path)],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def windows(path: Path, n: int = 41) -> None:
    """A window of 256 x 256 pixels at random places: fitsio with the file open, the decoder with its table known."""
    tables = compressed_tiles.tile_tables(path)
    rng = np.random.default_rng(0)
    by_library, by_decoder, by_path = [], [], []
    with fitsio.FITS(str(path)) as handle:
        for _ in range(n):
            hdu = int(rng.choice(list(tables)))
            top, left = (int(rng.integers(0, side - 256)) for side in tables[hdu].shape)
            rows, columns = slice(top, top + 256), slice(left, left + 256)
            took, expected = seconds(lambda h, r, c: handle[h][r, c], hdu, rows, columns)
            by_library.append(took)
            took, found = seconds(rice.window, path, hdu, rows, columns, tables[hdu])
            by_decoder.append(took)
            by_path.append(seconds(rice.window, path, hdu, rows, columns)[0])
            assert np.array_equal(found, expected, equal_nan=True)
    told("window 256 x 256, fitsio", by_library, 1000, "ms")
    told("window 256 x 256, compiled decoder", by_decoder, 1000, "ms")
    told("window 256 x 256, compiled decoder, headers read too", by_path, 1000, "ms")


def against(path: Path, checkout: Path, rounds: int) -> None:
    """Whole ingests by this checkout and by another one, in turn."""
    here = Path(__file__).parents[2]
    for workers in (1, cores()):
        times: dict[Path, list[list[float]]] = {here: [], checkout: []}
        for _ in range(rounds):
            for place, found in times.items():
                done = subprocess.run(
                    [sys.executable, "-c", WHOLE, str(path), str(workers)],
                    cwd=place,
                    env={**os.environ, "PYTHONPATH": str(place)},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found.append([float(word) for word in done.stdout.split()])
        for number, (what, unit) in enumerate((("", "s"), (", CPU", "s"), (", peak memory", "MB"))):
            name = f"whole ingest, {workers} threads{what}"
            ours = told(f"{name}, this checkout", [row[number] for row in times[here]], 1, unit)
            theirs = told(f"{name}, the other", [row[number] for row in times[checkout]], 1, unit)
            print(f"ratio {ours / theirs:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--against", type=Path, help="only compare whole ingests with those of another checkout")
    chosen = parser.parse_args()
    path = (chosen.path or full_size_exposure()).resolve()
    if chosen.against:
        return against(path, chosen.against.resolve(), chosen.rounds)
    tables = compressed_tiles.tile_tables(path)
    shapes = sorted({table.shape for table in tables.values()})
    print(f"{path.name}: {len(tables)} CCDs of {shapes}, {path.stat().st_size / 1e6:.0f} MB; {cores()} cores")
    compiled(path, cores())
    baseline, ours, alone = [], [], []
    for _ in range(chosen.rounds):
        took, expected = seconds(libraries, path)
        baseline.append(took)
        took, found = seconds(compiled, path, cores())
        ours.append(took)
        alone.append(seconds(compiled, path, 1)[0])
        assert len(found) == len(expected)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))
    print(f"previews are equal, {chosen.rounds} times")
    windows(path)
    whole = [(ingested(path, 10**12), ingested(path, -1)) for _ in range(3)]
    told("whole ingest, libraries", [plain for plain, _ in whole])
    told("whole ingest, compiled decoder", [fast for _, fast in whole])
    with tempfile.TemporaryDirectory() as cache:
        new, old = first_use(path, cache), [first_use(path, cache) for _ in range(5)]
    print(f"first call of all, which compiles: {new[1]:.2f} s more than another (n = 1)")
    told("new process, imports", [row[0] for row in old])
    told("new process, its first call, loading what was compiled", [row[1] for row in old])
    told("new process, peak memory", [row[2] for row in old], 1, "MB")
    before = told("fitsio and numpy block mean, one process", baseline)
    told("compiled decoder, 1 thread", alone)
    after = told(f"compiled decoder, {cores()} threads", ours)
    print(f"ratio {before / after:.2f}")


if __name__ == "__main__":
    main()
