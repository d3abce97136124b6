"""Two thin parallel satellite trails are no bad exposure: does the model know, and does it still see a ghost?

    python -m benchmarks.accuracy.two_trails --folder FOLDER [--runs RUN ...] [--each 20]
        [--classifiers mixed two_step knn]

Draws `--each` exposures of every kind of KINDS, embeds them with the default backbone and asks models that were taught
by other simulated surveys: those of RUNS (folders with an embedding and labels, which are only read), or one of
`--exposures` exposures that is made in FOLDER. A trail is as wide as the stars and as bright as any that the simulator
draws; the two lie 300 to 1,500 pixels apart at the same angle. Each ghost is chosen to fall on as many CCDs as one of
the pairs crosses. What is drawn stays in FOLDER, and the same request finds it there.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.camera import Camera, camera
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, train
from triptych.pipeline.embedding import embed
from triptych.pipeline.ingest import ingest
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.simulation import simulate
from triptych.pipeline.simulation.conditions import PIXEL_SCALE, Observation, pixel_grid
from triptych.pipeline.simulation.cp_files import write_exposure
from triptych.pipeline.simulation.defect_effect import Effects, between
from triptych.pipeline.simulation.exposure import Exposure
from triptych.pipeline.simulation.light_defects import _across, _trails
from triptych.pipeline.simulation.survey_plan import single
from triptych.pipeline.store.store import open_store

KINDS = ("plain", "one_trail", "two_trails", "ghost")
BINNING = 8
APART = (300, 1500)  # detector pixels between the two trails
TRIED = 60  # ghosts that are looked at to find one of the right size
SEED = 400_000


def parallel_trails(observation: Observation, plane: Camera, rng, n: int = 2) -> Effects:
    """n thin trails side by side, as wide as the stars; see `light_defects.satellite_trail` for one."""
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.25, 0.25) * plane.canvas[0]
    sigma = max(observation.fwhm / PIXEL_SCALE / 2.355, 1.7)
    places = offset + np.arange(n) * rng.uniform(*APART)
    trails = [(*_across(plane, angle, place), sigma, 0.0, 1.0) for place in places]
    return _trails(observation, trails, observation.noise * between(4, 16, observation), step=1)


def touched(exposure: Exposure, effects: Effects, binning: int) -> int:
    """Number of CCDs on which the light of `effects` would be seen."""
    grids = [pixel_grid(exposure.camera, ccd, binning) for ccd in exposure.ccds()]
    return sum(bool(effects.affected(grid, effects.light(grid))) for grid in grids)


def drawn(kind: str, seed: int, plane: Camera, *, n_ccds: int = 0, binning: int = BINNING) -> tuple[Exposure, int]:
    """An exposure of a kind, good but for what its kind says, and the number of CCDs that it touches.

    n_ccds : of a ghost, on how many CCDs it should fall; the nearest of TRIED is taken.
    """
    strength = float(np.random.default_rng([seed, 1]).uniform(0.3, 1))
    if kind != "ghost":
        exposure = Exposure(replace(single(seed), strength=strength), plane, binning)
        n_trails = KINDS.index(kind)
        if not n_trails:
            return exposure, 0
        effects = parallel_trails(exposure.observation, plane, exposure.observation.generator(6), n_trails)
        exposure.effects["trails"] = effects
        return exposure, touched(exposure, effects, binning)
    found = []
    for turn in range(TRIED):
        observation = single(seed + 1000 * (turn + 1), reason="Ghost_Scatter", strength=strength)
        ghost = Exposure(observation, plane, 64)  # coarse: only to count
        found.append((abs(sum(GOOD not in ghost.reasons(ccd) for ccd in ghost.ccds()) - n_ccds), turn, observation))
        if found[-1][0] <= 1:
            break
    exposure = Exposure(min(found, key=lambda one: one[:2])[2], plane, binning)
    return exposure, sum(GOOD not in exposure.reasons(ccd) for ccd in exposure.ccds())


def observed(folder: Path, each: int, *, seed: int = SEED, binning: int = BINNING, kinds=KINDS) -> pd.DataFrame:
    """Write `each` exposures of every kind: expnum, kind, n_ccds."""
    listing = folder / "kinds.csv"
    if listing.exists():
        return pd.read_csv(listing)
    plane, rows = camera("decam"), []
    (folder / "files").mkdir(parents=True, exist_ok=True)
    for place in range(each):
        n_ccds = 0
        for number, kind in enumerate(kinds):
            exposure, n = drawn(kind, seed + 10 * place + number, plane, n_ccds=n_ccds, binning=binning)
            n_ccds = n if kind == "two_trails" else n_ccds
            count = len(rows)
            # Numbers and times of its own, so that no two have the same name; the pixels are drawn with the old ones.
            named = replace(exposure.observation, expnum=950_001 + count, mjd=58_600.02 + count * 0.004)
            write_exposure(folder / "files", named, plane, binning, exposure.frames(), masks=False)
            rows.append((named.expnum, kind, n))
            print(f"{named.expnum} {kind}, {n} CCDs", flush=True)
    table = pd.DataFrame(rows, columns=["expnum", "kind", "n_ccds"])
    table.to_csv(listing, index=False)
    return table


def embedded_run(folder: Path, files: Path) -> Catalog:
    """A run of a folder of files, ingested and embedded with the default backbone."""
    catalog = Catalog.open(folder) if (folder / "run.json").exists() else Catalog.create(folder)
    ingest.ingest(catalog, [files])
    embed.embed(catalog.refresh())
    return catalog.refresh()


def taught_run(folder: Path, exposures: int, seed: int) -> Catalog:
    """A simulated survey, embedded, its truth imported as labels."""
    truth = simulate.simulate(folder / "files", exposures=exposures, seed=seed, binning=BINNING)
    catalog = embedded_run(folder / "run", folder / "files")
    with open_store(catalog) as store:
        store.import_labels(truth.assign(camera="decam", raw=truth.reason), source="truth.csv", kind="truth")
    return catalog


def asked(catalog: Catalog, other: Catalog, classifier: str, *, simulated: bool = True) -> pd.DataFrame:
    """Predictions about the images of `other` by a model that the labels of `catalog` have taught."""
    with open_store(catalog) as store:
        training = train.read_training_set(catalog, store)
    model = train.fit_stage(catalog, catalog.stage("embedding"), training, classifier=classifier, simulated=simulated)
    stage = other.stage("embedding")
    return train.predict_images(model, stage.array(), stage.table("keys"))


def figures(prediction: pd.DataFrame, kinds: pd.DataFrame, sampled) -> pd.DataFrame:
    """Per exposure: kind, n_ccds touched, probability, the worst, second and fifth worst CCD, CCDs above one half,
    and whether the rule `published` takes it."""
    bad = (1 - prediction.p_good).groupby(prediction.expnum)
    table = kinds.set_index("expnum").copy()
    table["probability"] = prediction.groupby("expnum").exposure_probability.first()
    for place in (1, 2, 5):
        table[f"worst_{place}"] = bad.apply(lambda own, place=place: np.sort(own)[-place])
    table["bad_ccds"] = bad.apply(lambda own: int((own > 0.5).sum()))
    taken = candidates.chosen(candidates.score(prediction, sampled, rule="published")).expnum
    table["published"] = table.index.isin(taken)
    return table


def line(table: pd.DataFrame) -> pd.DataFrame:
    """One row per kind: number of exposures, and the medians and shares of what `figures` gives."""
    groups = table.groupby("kind")
    found = groups.agg(
        n=("probability", "size"),
        ccds_touched=("n_ccds", "median"),
        probability=("probability", "median"),
        highest=("probability", "max"),
        lowest=("probability", "min"),
        worst_ccd=("worst_1", "median"),
        second_worst=("worst_2", "median"),
        fifth_worst=("worst_5", "median"),
        bad_ccds=("bad_ccds", "median"),
        published=("published", "sum"),
    )
    found.insert(1, "above_half", groups.probability.apply(lambda own: int((own > 0.5).sum())))
    return found.reindex([kind for kind in KINDS if kind in found.index])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--exposures", type=int, default=150)
    parser.add_argument("--seed", type=int, default=7001)
    parser.add_argument("--classifiers", nargs="+", default=["mixed", "two_step", "knn"])
    asks = parser.parse_args()
    kinds = observed(asks.folder, asks.each)
    other = embedded_run(asks.folder / "run", asks.folder / "files")
    runs = [Catalog.open(folder) for folder in asks.runs]
    runs = runs or [taught_run(asks.folder / f"survey{asks.seed}", asks.exposures, asks.seed)]
    pd.set_option("display.width", 200, "display.max_columns", 20, "display.precision", 3)
    for catalog in runs:
        for classifier in asks.classifiers:
            table = figures(asked(catalog, other, classifier), kinds, candidates.sampled_images(other))
            print(f"\n{catalog.name}, {classifier}\n{line(table)}", flush=True)
            table.to_csv(asks.folder / f"{catalog.name}-{classifier}.csv")


if __name__ == "__main__":
    main()
