"""Compare backbones under kNN: real ghosts with eight annotators, and simulated exposures.

    python -m benchmarks.accuracy.backbones [--simulated 120] [--network FILE] [--model FOLDER ...] [--write
    docs/backbones.md]

Real: TRIPTYCH_REAL_DATA (default ../shared/data), 30 focal planes, each left out in turn; a CCD is bad when at least
five of the eight annotators marked more than 2 % of it. Simulated: exposures drawn in memory, five folds by exposure.
The spread of a figure is the standard deviation over 1,000 bootstrap samples of whole exposures.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from benchmarks.accuracy import fixed_networks, focal_network
from triptych.pipeline import focal_plane
from triptych.pipeline.camera import DECAM
from triptych.pipeline.classifier import train
from triptych.pipeline.embedding import backbones, line_filters, statistics_backbone
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.pixels import focal_plane_pictures
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.simulation import survey_plan
from triptych.pipeline.simulation.defects import DEFECTS
from triptych.pipeline.simulation.exposure import Exposure

GHOST = "Ghost_Scatter"
MARKED = 0.02
ORACLE = "no pixels: true share of bad CCDs in the exposure, and place"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Sample:
    """CCD images with labels. exposures : (ccdnums, pixels) per exposure. table : image_id, expnum, ccdnum, reasons."""

    exposures: list[tuple[np.ndarray, np.ndarray]]
    table: pd.DataFrame


def real_ghosts(folder: Path) -> tuple[Sample, pd.DataFrame]:
    """The 30 focal planes, and votes (image_id x annotator) of who marked what."""
    ghosts = folder / "focal_planes" / "ghosts"
    tiles = focal_plane_pictures.read_tiles(ghosts / "ghost_tiles.csv", DECAM)
    marks = pd.read_csv(ghosts / "ghost_annotations.csv")
    marks["image_id"] = image_id_of(marks.expnum, marks.ccdnum)
    marked = marks.assign(bad=marks.marked_fraction > MARKED)
    votes = marked.pivot_table(index="image_id", columns="annotator", values="bad", aggfunc="max").astype(int)
    exposures, rows = [], []
    for path in sorted(ghosts.glob("*.jpg")):
        images = focal_plane_pictures.cut_tiles(focal_plane_pictures.read_grey(path), tiles, DECAM)
        ccdnums = np.array(sorted(images))
        shape = np.max([image.shape for image in images.values()], axis=0)
        pixels = np.full((len(ccdnums), *shape), np.nan, np.float32)
        for place, number in enumerate(ccdnums):
            pixels[place, : images[number].shape[0], : images[number].shape[1]] = images[number]
        exposures.append((ccdnums, pixels))
        rows += [(focal_plane_pictures.expnum_of_name(path), number) for number in ccdnums]
    table = pd.DataFrame(rows, columns=["expnum", "ccdnum"])
    table["image_id"] = image_id_of(table.expnum, table.ccdnum)
    votes = votes.loc[table.image_id]
    bad = (votes.sum(axis=1) >= 5).to_numpy()
    table["reasons"] = [(GHOST,) if b else (GOOD,) for b in bad]
    return Sample(exposures, table), votes


def _draw(observation) -> tuple[np.ndarray, np.ndarray, list[tuple[str, ...]]]:
    frames = list(Exposure(observation, DECAM, 16).frames())
    return np.array([f.ccd.number for f in frames]), np.stack([f.pixels for f in frames]), [f.reasons for f in frames]


def simulated(n: int, seed: int, processes: int) -> Sample:
    """Exposures of a simulated survey at a preview's resolution."""
    observations = survey_plan.plan(n, seed, DECAM)
    with ProcessPoolExecutor(processes) as pool:
        drawn = list(pool.map(_draw, observations))
    rows = [
        (observation.expnum, number, reasons)
        for observation, (ccdnums, _, found) in zip(observations, drawn, strict=True)
        for number, reasons in zip(ccdnums, found, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["expnum", "ccdnum", "reasons"])
    table["image_id"] = image_id_of(table.expnum, table.ccdnum)
    return Sample([(ccdnums, pixels) for ccdnums, pixels, _ in drawn], table)


def plain(pixels: np.ndarray) -> np.ndarray:
    """Ten numbers per CCD: seven quantiles, mean, standard deviation, blank share."""
    flat = pixels.reshape(len(pixels), -1)
    with np.errstate(all="ignore"):
        columns = [*np.nanpercentile(flat, [1, 5, 25, 50, 75, 95, 99], axis=1), np.nanmean(flat, 1), np.nanstd(flat, 1)]
    return np.nan_to_num(np.stack([*columns, np.isnan(flat).mean(1)], 1))


def with_neighbours(ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    own = statistics_backbone.statistics(pixels)
    return np.concatenate([own, focal_plane.around(own, focal_plane.centres(DECAM, ccdnums), 0.8)], 1)


def candidates(models: list[str], network: Path | None) -> dict[str, Callable]:
    """Name -> function(ccdnums, pixels) -> vectors."""
    own = backbones.open_backbone("triptych")[1]
    found = {
        "ten plain statistics": lambda n, p: plain(p),
        "scattering network, two orders": lambda n, p: fixed_networks.scattering(p),
        "random convolutions": lambda n, p: fixed_networks.random_convolutions(p),
        "focal-plane network, untrained": focal_network.vectors_of(focal_network.load(None), DECAM),
        "multi-scale statistics (`statistics`)": lambda n, p: statistics_backbone.statistics(p),
        "multi-scale statistics, own and neighbours'": with_neighbours,
        "lines on and around a CCD": lambda n, p: line_filters.lines(DECAM, n, p),
        "lines, statistics": lambda n, p: np.concatenate(
            [line_filters.lines(DECAM, n, p), statistics_backbone.statistics(p)], 1
        ),
        "lines, statistics averaged and odd (`triptych`)": lambda n, p: own.vectors(DECAM, n, p),
    }
    if network:
        found["focal-plane network, trained on sketches"] = focal_network.vectors_of(focal_network.load(network), DECAM)
    for model in models:
        for name in ("dinov2-sky", "dinov2-paper"):
            loaded = backbones.open_backbone(f"{name}:{model}")[1]
            found[f"{name}:{Path(model).name}"] = lambda n, p, loaded=loaded: loaded.vectors(list(p))
    return found


def held_out(vectors: np.ndarray, table: pd.DataFrame, folds: int) -> pd.DataFrame:
    """The default classifier's answer for every image, its exposure left out: columns of a prediction table."""
    parts = []
    for teach, ask in GroupKFold(folds).split(vectors, groups=table.expnum):
        model = train.fit(vectors[teach], table.iloc[teach])
        keys = table.iloc[ask].assign(ccdname="")
        parts.append(train.predict_images(model, vectors[ask], keys))
    found = pd.concat(parts, ignore_index=True)
    return found.set_index("image_id").loc[table.image_id].reset_index()


def f1(truth: np.ndarray, said: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall, F1 of two boolean arrays; 0 where undefined."""
    hit = float((truth & said).sum())
    precision, recall = hit / max(said.sum(), 1), hit / max(truth.sum(), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Mean F1 over the columns (labels) that occur. truth, said : (n, n_labels) bool."""
    return float(np.mean([f1(truth[:, k], said[:, k])[2] for k in range(truth.shape[1]) if truth[:, k].any()]))


def spread(expnums: np.ndarray, figure: Callable[[np.ndarray], float], n: int = 1000) -> float:
    """Standard deviation of figure(rows) over bootstrap samples of whole exposures."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(expnums == expnum) for expnum in np.unique(expnums)]
    values = [figure(np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])) for _ in range(n)]
    return float(np.std(values))


def people(votes: pd.DataFrame, expnums: np.ndarray) -> list[str]:
    """Each annotator against the majority (>= 4) of the other seven."""
    report = ["| annotator | precision | recall | F1 | spread |", "| --- | --- | --- | --- | --- |"]
    scores = []
    for name in votes:
        own, other = votes[name].to_numpy() > 0, (votes.drop(columns=name).sum(axis=1) >= 4).to_numpy()
        p, r, f = f1(other, own)
        scores.append(f)
        by = spread(expnums, lambda chosen, other=other, own=own: f1(other[chosen], own[chosen])[2])
        report.append(f"| {name} | {p:.3f} | {r:.3f} | {f:.3f} | {by:.3f} |")
    report.append(f"| median of the eight | | | {np.median(scores):.3f} | |")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulated", type=int, default=120, help="simulated exposures; 0 leaves that part out")
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--model", action="append", default=[], help="folder of a DINOv2 model to compare too")
    parser.add_argument("--network", type=Path, help="weights that benchmarks.accuracy.focal_network has made")
    parser.add_argument("--write", type=Path, help="put the tables between the marks in this page")
    arguments = parser.parse_args()
    rows = []
    data = Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    makers = candidates(arguments.model, arguments.network)
    rows += real_part(data, makers) if data.is_dir() else [f"No real data at {data}.", ""]
    if arguments.simulated:
        rows += simulated_part(arguments.simulated, arguments.seed, makers)
    page_text = "\n".join(rows)
    print(page_text)
    if arguments.write:
        page = arguments.write.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n\n{page_text}\n{END}{after}")


def real_part(data: Path, makers: dict[str, Callable]) -> list[str]:
    sample, votes = real_ghosts(data)
    table = sample.table
    truth, expnums = np.array([GHOST in r for r in table.reasons]), table.expnum.to_numpy()
    n = table.expnum.nunique()
    report = [
        f"Real ghosts: {n} exposures, {len(table)} CCD images, {truth.sum()} bad; each exposure left out in turn."
    ]
    report += ["", "| backbone | numbers | precision | recall | F1 | spread |", "| --- | --- | --- | --- | --- | --- |"]
    share = pd.Series(truth).groupby(expnums).transform("mean").to_numpy()
    for name, make in [(ORACLE, None), *makers.items()]:
        if make:
            vectors = np.concatenate([make(ccdnums, pixels) for ccdnums, pixels in sample.exposures])
        else:
            places = np.concatenate([focal_plane.centres(DECAM, ccdnums) for ccdnums, _ in sample.exposures])
            vectors = np.column_stack([places, share])
        said = (held_out(vectors, table, n).reason == GHOST).to_numpy()
        p, r, f = f1(truth, said)
        by = spread(expnums, lambda chosen, said=said: f1(truth[chosen], said[chosen])[2])
        report.append(f"| {name} | {vectors.shape[1]} | {p:.3f} | {r:.3f} | {f:.3f} | {by:.3f} |")
        print(report[-1], flush=True)
    return [*report, "", *people(votes, expnums), ""]


def simulated_part(n: int, seed: int, makers: dict[str, Callable]) -> list[str]:
    sample = simulated(n, seed, processes=min(2, os.cpu_count() or 1))
    table = sample.table
    labels = (*DEFECTS, GOOD)
    truth, expnums = train.indicators(table.reasons, labels), table.expnum.to_numpy()
    bad = int((~truth[:, -1]).sum())
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    report = [f"Simulated: {n} exposures (seed {seed}), {len(table)} CCD images, {bad} bad; five folds by exposure."]
    report += [f"Milliseconds per CCD image of 255 x 127 pixels in one process ({machine}): median over exposures.", ""]
    report += ["| backbone | macro F1 | spread | bad or good F1 | ms per CCD |", "| --- | --- | --- | --- | --- |"]
    for name, make in makers.items():
        if name.startswith("dinov2"):
            continue  # it reads full-resolution pixels, which were not drawn here
        vectors, seconds = [], []
        for ccdnums, pixels in sample.exposures:
            started = time.perf_counter()
            vectors.append(make(ccdnums, pixels))
            seconds.append((time.perf_counter() - started) / len(ccdnums))
        said = np.array(labels)[None] == held_out(np.concatenate(vectors), table, 5).reason.to_numpy(str)[:, None]
        macro = macro_f1(truth, said)
        by = spread(expnums, lambda chosen, said=said: macro_f1(truth[chosen], said[chosen]), n=200)
        either = f1(~truth[:, -1], ~said[:, -1])[2]
        report.append(f"| {name} | {macro:.3f} | {by:.3f} | {either:.3f} | {1000 * np.median(seconds):.1f} |")
        print(report[-1], flush=True)
    return [*report, ""]


if __name__ == "__main__":
    main()
