"""Quality against the number of labelled exposures: kNN, linear and attentive probes on the default embedding.

    python -m benchmarks.accuracy.labels_needed [--teach RUN ... --ask RUN] [--simulated 90] [--no-real]
                                       [--method NAME ...] [--draws 3] [--sizes N ...] [--write docs/probes.md]
                                       [--plots docs/images]

Simulated: with `--teach` and `--ask`, runs that are ingested, embedded and labelled, of which the asked one never
teaches; without, two surveys of different seeds drawn in memory. Real: TRIPTYCH_REAL_DATA (default ../shared/data), 30
focal planes with ghosts, each third held out in turn; a CCD is bad when at least five of eight annotators marked more
than 2 % of it. Exposures that teach are drawn at random; the spread is the standard deviation over draws (and thirds).
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy import backbones as samples
from triptych.pipeline.camera import DECAM
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding.backbones import open_backbone
from triptych.pipeline.evaluation import label_curve, plots, probe_targets, probes
from triptych.pipeline.evaluation.evaluate import folds_of
from triptych.pipeline.image_ids import ccdnum_of, expnum_of, image_id_of
from triptych.pipeline.store.store import open_store

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SIZES = (5, 10, 20, 40, 80, 160)
REAL_SIZES = (2, 5, 10)
THIRDS = 3


def of_runs(folders: list[Path]) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Vectors, keys and labelled images of several runs as one, and `run`, the place of each in the list.

    Runs of a simulation reuse exposure numbers; here each run's are moved beyond those of the one before.
    """
    vectors, keys, tables = [], [], []
    for place, folder in enumerate(folders):
        catalog = Catalog.open(folder)
        stage = catalog.stage("embedding")
        own = stage.table("keys")
        with open_store(catalog) as store:
            table = probe_targets.read_target(catalog, store, "reasons", own).table
        beyond = place * 10_000_000
        for frame in (own, table):
            frame["expnum"] += beyond
            frame["image_id"] = moved(frame["image_id"], beyond)
        vectors.append(np.asarray(stage.array()))
        keys.append(own.assign(run=place))
        tables.append(table.rename(columns={"value": "reasons"}))
    return np.concatenate(vectors), pd.concat(keys, ignore_index=True), pd.concat(tables, ignore_index=True)


def moved(image_ids: pd.Series, beyond: int) -> pd.Series:
    """The same CCDs of exposures whose numbers are `beyond` higher."""
    return image_id_of(expnum_of(image_ids) + beyond, ccdnum_of(image_ids))


def of_samples(drawn: list[samples.Sample]) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """The same of exposures in memory."""
    backbone = open_backbone("triptych")[1]
    vectors, tables = [], []
    for place, sample in enumerate(drawn):
        beyond = place * 10_000_000
        vectors += [backbone.vectors(DECAM, ccdnums, pixels) for ccdnums, pixels in sample.exposures]
        table = sample.table.assign(run=place, ccdname=[DECAM.name_of(number) for number in sample.table.ccdnum])
        tables.append(table.assign(expnum=table.expnum + beyond, image_id=moved(table.image_id, beyond)))
    table = pd.concat(tables, ignore_index=True)
    vectors = np.concatenate(vectors)
    order = table.image_id.argsort(kind="stable").to_numpy()
    table = table.iloc[order].reset_index(drop=True)
    return vectors[order], table[["image_id", "expnum", "ccdname", "run"]], table


def simulated_part(arguments, methods: tuple[str, ...]) -> tuple[list[str], list[dict]]:
    if arguments.teach:
        vectors, keys, table = of_runs([*arguments.teach, arguments.ask])
    else:
        cores = os.cpu_count() or 1
        drawn = [samples.simulated(arguments.simulated, seed, min(2, cores)) for seed in (4711, 4712)]
        vectors, keys, table = of_samples(drawn)
    target = probe_targets.of_labels("reasons", table)
    held = keys.expnum[keys.run == keys.run.max()].unique()
    started = time.perf_counter()
    curve = label_curve.label_curve(
        vectors,
        keys,
        target,
        methods=methods,
        sizes=tuple(arguments.sizes or SIZES),
        draws=arguments.draws,
        held=held,
        progress=announce,
    )
    rows = label_curve.summary(curve)
    n_teach = keys.expnum.nunique() - len(held)
    text = f"Simulated: {n_teach} exposures to draw from, {len(held)} of another survey asked "
    text += f"({int((keys.run == keys.run.max()).sum())} CCDs); {arguments.draws} draws; "
    return [text + f"{time.perf_counter() - started:.0f} s.", "", *probes.curve_lines(rows), ""], rows


def real_part(folder: Path, arguments, methods: tuple[str, ...]) -> tuple[list[str], list[dict]]:
    sample, _ = samples.real_ghosts(folder)
    vectors, keys, table = of_samples([sample])
    target = probe_targets.of_labels("reasons", table)
    # Every one of these exposures is bad, so nothing can be learned or measured of exposures as a whole.
    methods = tuple(name for name in methods if label_curve.PROBES.get(name, ("", "ccd"))[1] == "ccd")
    parts = []
    for place, held in enumerate(folds_of(target.strata(), THIRDS, seed=0)):
        curve = label_curve.label_curve(
            vectors,
            keys,
            target,
            methods=methods,
            sizes=REAL_SIZES,
            draws=arguments.draws,
            held=held,
            seed=place,
            progress=announce,
        )
        parts.append(curve)
    curve = pd.concat(parts, ignore_index=True).drop(columns=[n for n in label_curve.MEASURES if "exposure" in n])
    rows = label_curve.summary(curve)
    n_bad = int(sum(own != ("good",) for own in target.table.value))
    text = (
        f"Real ghosts: {keys.expnum.nunique()} exposures, {len(keys)} CCDs, {n_bad} bad; each third held out in turn, "
    )
    return [text + f"{arguments.draws} draws each.", "", *probes.curve_lines(rows), ""], rows


def announce(done: int, total: int, text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {done}/{total} {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teach", type=Path, nargs="+", default=[], help="runs whose labels may teach")
    parser.add_argument("--ask", type=Path, help="the run that is asked")
    parser.add_argument(
        "--simulated", type=int, default=90, help="exposures of each survey without --teach; 0 for none"
    )
    parser.add_argument("--no-real", action="store_true", help="leave the real ghosts out")
    parser.add_argument("--method", action="append", default=[], help="a classifier or a probe; all of them by default")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", help="labelled exposures of the simulated part, besides all")
    parser.add_argument("--write", type=Path, help="put the tables between the marks in this page")
    parser.add_argument("--plots", type=Path, help="folder for labels-needed.png and labels-needed-ghosts.png")
    arguments = parser.parse_args()
    if bool(arguments.teach) != bool(arguments.ask):
        parser.error("--teach and --ask go together")
    methods = tuple(arguments.method) or label_curve.METHODS
    lines, pictures = [], {}
    data = Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    if arguments.simulated or arguments.teach:
        own, pictures["labels-needed.png"] = simulated_part(arguments, methods)
        lines += own
    if not arguments.no_real and data.is_dir():
        own, pictures["labels-needed-ghosts.png"] = real_part(data, arguments, methods)
        lines += own
    print("\n".join(lines))
    for name, rows in pictures.items():
        if arguments.plots:
            plots.label_curve(rows, arguments.plots / name, panels=probes.PANELS)
    if arguments.write:
        page = arguments.write.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
