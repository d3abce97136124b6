"""Make pipeline/simulated_teacher.npz: simulate surveys, embed them with the default backbone, keep a few CCDs of each.

    python -m benchmarks.accuracy.simulated_teacher --seeds 1001 1002 1003 1004 [--folder FOLDER] [--out FILE]

Each survey has 150 exposures at binning 8 and is made in FOLDER/<seed>, or taken from there where it is already made;
about two minutes and 3 GB each on two cores. The same seeds give the same file. Evaluate on other seeds.
"""

import argparse
from pathlib import Path

import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import simulated_teacher
from triptych.pipeline.embedding import embed
from triptych.pipeline.ingest import ingest
from triptych.pipeline.simulation import simulate

EXPOSURES, BINNING = 150, 8


def survey(folder: Path, seed: int) -> tuple[Catalog, pd.DataFrame, pd.Series]:
    """One simulated survey, ingested and embedded, its truth, and its suspicious exposures."""
    truth = simulate.simulate(folder / "files", exposures=EXPOSURES, seed=seed, binning=BINNING)
    catalog = Catalog.create(folder / "run")
    ingest.ingest(catalog, [folder / "files"])
    embed.embed(catalog.refresh())
    return catalog.refresh(), truth, pd.read_csv(folder / "files" / "suspicious.csv").expnum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/simulated_teacher"))
    parser.add_argument("--out", type=Path, default=simulated_teacher.FILE)
    asked = parser.parse_args()
    found = []
    for seed in asked.seeds:
        catalog, truth, odd = survey(asked.folder / str(seed), seed)
        stage = catalog.stage("embedding")
        found.append(simulated_teacher.gather(stage.array(), stage.table("keys"), truth, odd, catalog.camera, seed))
        print(f"seed {seed}: {len(found[-1]['reasons'])} CCD images, {len(found[-1]['planes'])} exposures", flush=True)
    note = f"simulated surveys of {EXPOSURES} exposures, binning {BINNING}, seeds {', '.join(map(str, asked.seeds))}"
    digest = stage.parameters["digest"]
    simulated_teacher.write(found, digest=digest, camera=catalog.camera, note=note, path=asked.out)
    print(f"{asked.out}: {asked.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
