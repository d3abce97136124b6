"""Memory that full-size exposures take on their way through every step: the whole process tree of each, at its peak.

    python -m benchmarks.speed.full_size [--exposures 2] [--others 16] [--rounds 3] [--folder FOLDER]

Simulates full-size exposures (61 CCDs of 4094 x 2046 pixels, compressed, with masks) and others binned 16 times, so
that there is enough to learn from, keeps them in the folder, and takes them through a fresh run in every round, each
step a process of its own. Linux only, as it reads /proc.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.speed.memory import Peak, peak_of, triptych
from triptych.pipeline.parallel import cores
from triptych.pipeline.simulation.simulate import simulate

SEED, SEED_OF_OTHERS = 3, 5
GIB = 2**30
IN_FULL = """
import sys
from triptych.pipeline import full_resolution
from triptych.pipeline.catalog.catalog import Catalog
catalog = Catalog.open(sys.argv[1])
ccds = catalog.ccds()
for image_id in ccds.image_id[ccds.naxis2 > 4000]:
    pixels, mask = (read(catalog, image_id, ccds) for read in (full_resolution.full_ccd, full_resolution.full_mask))
    assert pixels.shape == mask.shape
"""


def steps(run: Path, full: Path, others: Path) -> list[tuple[str, list]]:
    """Every step with the words that start it."""
    verbs = [
        ["ingest", run, full, others],
        ["labels", "import", run, full / "truth.csv", others / "truth.csv"],
        ["embed", run],
        ["train", run],
        ["predict", run],
        ["candidates", run],
        ["cluster", run],
        ["map", run, "--dims", 2],
        ["map", run, "--dims", 3],
        ["evaluate", run],
        ["retrain", run],
    ]
    return [(" ".join(str(word) for word in words if not isinstance(word, Path)), words) for words in verbs]


def measured(full: Path, others: Path) -> dict[str, Peak]:
    """One round: step -> its peak."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        found = {}
        for name, words in steps(run, full, others):
            found[name] = triptych(*words)
            print(f"  {name}: {found[name].resident / GIB:.2f} GiB, {found[name].seconds:.0f} s", flush=True)
        found["every CCD and mask in full"] = peak_of([sys.executable, "-c", IN_FULL, str(run)])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exposures", type=int, default=2)
    parser.add_argument("--others", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "triptych-benchmark-full-size")
    options = parser.parse_args()
    full, others = options.folder / f"full-{options.exposures}", options.folder / f"binned-{options.others}"
    for folder, request in (
        (full, {"exposures": options.exposures, "seed": SEED, "binning": 1, "masks": True}),
        (others, {"exposures": options.others, "seed": SEED_OF_OTHERS, "binning": 16}),
    ):
        if not (folder / "truth.csv").exists():  # written last
            simulate(folder, **request)
    size = sum(path.stat().st_size for path in full.glob("*.fits.fz"))
    print(f"{options.exposures} full-size exposures, {size / 1e6:.0f} MB with masks, on {cores()} cores", flush=True)
    rounds = []
    for number in range(options.rounds):
        rounds.append(measured(full, others))
        print(f"round {number + 1} of {options.rounds}", flush=True)
    print("| step | shared pages once, GiB | range | resident, GiB | at most, GiB | processes |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in rounds[0]:
        peaks = [own[name] for own in rounds]
        once = [peak.shared_once / GIB for peak in peaks]
        resident = statistics.median(peak.resident for peak in peaks) / GIB
        print(
            f"| {name} | {statistics.median(once):.2f} | {min(once):.2f} to {max(once):.2f} | {resident:.2f} | "
            f"{max(peak.at_most for peak in peaks) / GIB:.2f} | {max(peak.processes for peak in peaks)} |"
        )
    print(f"highest of all: {max(peak.at_most for own in rounds for peak in own.values()) / GIB:.2f} GiB")


if __name__ == "__main__":
    main()
