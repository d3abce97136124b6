"""Which exposure to ask about next: quality against the number of answers, order by order.

    python -m benchmarks.accuracy.asking [--surveys 3] [--exposures 60] [--classifier linear ...] [--order NAME ...]
                                [--no-real] [--write docs/asking.md] [--plot static/rooms/model/figures/asking.png]

The loop of the program: a few exposures are answered, a model learns from them, every exposure left is put in one of
the orders of a queue (pipeline/votes/queue_order.py), the first of it are answered, and so on. What is measured are
exposures of which none is ever asked about. Simulated: surveys of different seeds in memory, of each of which half is
asked and half is measured; an answer teaches as a vote does: a good exposure all its CCDs, a bad one those that are
bad. Real: TRIPTYCH_REAL_DATA (default ../shared/data), 30 focal planes with ghosts, each third measured in turn; a CCD
is bad when at least five of eight annotators marked it, and an answer teaches every CCD of an exposure. No simulated
teacher helps.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy import backbones as samples
from benchmarks.accuracy.labels_needed import of_samples
from triptych.pipeline.classifier.folds import deal
from triptych.pipeline.classifier.metrics import ccd_metrics, rates
from triptych.pipeline.classifier.predict import predict_images
from triptych.pipeline.classifier.surroundings import surrounded
from triptych.pipeline.classifier.train import learn
from triptych.pipeline.evaluation import plots
from triptych.pipeline.evaluation.evaluate import folds_of
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.vectors import clusters
from triptych.pipeline.votes.expected_gain import disagreement
from triptych.pipeline.votes.queue_order import ordered, places_of, seed_of

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
ORDERS = ("random", "score", "uncertainty", "gain")
PANELS = {
    "exposure_f1": "bad exposures, F1",
    "ccd_bad_f1": "bad CCDs, F1",
    "ccd_macro_f1": "reasons of CCDs, macro F1",
}
REACHED = (0.6, 0.7, 0.8, 0.85, 0.9)
SIMULATED, REAL = "Simulated", "Real ghosts"
CLASSIFIERS = ("knn", "linear")
ROUNDS_REAL = {"start": 2, "step": 1, "most": 20}
CUT = 0.5  # probability above which an exposure counts as bad: the default rule's


@dataclass(frozen=True)
class World:
    """What is asked and what is measured.

    vectors : (n, dim) in the order of `keys` (image_id, expnum, ccdname). reasons : tuple per image. held : expnums
    that are measured. every_ccd : an answer teaches every CCD, not only the bad ones of a bad exposure. around : as
    `surrounded` gives it. group : (n,) cluster of each image, by the clusters that a run has; -1 = in none.
    """

    vectors: np.ndarray
    keys: pd.DataFrame
    reasons: pd.Series
    held: np.ndarray
    every_ccd: bool
    around: np.ndarray
    group: np.ndarray

    @classmethod
    def of(cls, vectors, keys: pd.DataFrame, table: pd.DataFrame, held, every_ccd: bool = False) -> "World":
        preset = clusters.PRESETS["default"]
        reduced = preset.reduction(vectors, 0).apply(vectors)
        group = clusters.find(reduced, min_cluster_size=10, min_samples=preset.min_samples)[0]
        keys = keys[["image_id", "expnum", "ccdname"]].reset_index(drop=True)
        around = surrounded(vectors, keys, "decam")
        return cls(vectors, keys, table.reasons.reset_index(drop=True), held, every_ccd, around, group)


def simulated(n: int, seed: int) -> World:
    """A survey of 2 n exposures, half of them held out, each kind shared evenly."""
    vectors, keys, table = of_samples([samples.simulated(2 * n, seed, 1)])
    held = deal(table[["expnum", "reasons"]], 2, seed)[0]
    return World.of(vectors, keys, table, held)


def ghosts(folder: Path) -> list[World]:
    vectors, keys, table = of_samples([samples.real_ghosts(folder)[0]])
    return [World.of(vectors, keys, table, held, every_ccd=True) for held in folds_of(table, 3, seed=0)]


def loop(world: World, order: str, *, seed: int, start: int, step: int, most: int, classifier: str) -> list[dict]:
    """Ask in one order; one row per round: method, exposures (answered), draw, and the measures of PANELS."""
    keys, held = world.keys, world.keys.expnum.isin(world.held).to_numpy()
    bad_image = world.reasons.map(lambda own: own != (GOOD,)).to_numpy()
    answers = pd.Series(bad_image).groupby(keys.expnum.to_numpy()).any()
    pool = np.setdiff1d(keys.expnum, world.held)
    asked = _first(pool, answers, start, seed)
    rows = []
    while True:
        teaches = keys.expnum.isin(asked).to_numpy()
        if not world.every_ccd:
            teaches = teaches & (bad_image | ~keys.expnum.map(answers).to_numpy(bool))
        taught = keys[teaches].assign(reasons=world.reasons[teaches], source="", provenance="").reset_index(drop=True)
        own = {int(expnum): bool(answers[expnum]) for expnum in asked}
        model = learn(world.vectors, keys, taught, own, classifier=classifier, surroundings=world.around, seed=seed)
        prediction = predict_images(model, world.vectors, keys, surroundings=world.around)
        rows.append(
            {"method": order, "exposures": len(asked), "draw": seed} | _measured(world, prediction, answers, held)
        )
        left = np.setdiff1d(pool, asked)
        if not len(left) or len(asked) >= most:
            return rows
        table = _queue_table(world, prediction[~held], taught, world.group[~held], asked)
        # a new model makes a new queue: what was judged leaves it, and the round's number stands for the inspector
        found = ordered(table, order, seed_of(seed, len(asked)))
        asked = np.append(asked, found[~np.isin(found, asked)][:step])


def _first(pool, answers, start: int, seed: int) -> np.ndarray:
    """The first exposures at random, among them a bad one and a good one where there are such."""
    drawn = np.random.default_rng([seed, 1]).permutation(pool)
    bad = answers[drawn].to_numpy()
    kinds = [np.flatnonzero(bad)[:1], np.flatnonzero(~bad)[:1]]
    first = np.concatenate(kinds)
    return drawn[np.concatenate([first, np.setdiff1d(np.arange(len(drawn)), first)])][:start]


def _queue_table(world: World, prediction: pd.DataFrame, taught: pd.DataFrame, group, asked) -> pd.DataFrame:
    """What app/judging/queue_table.py knows of every exposure of the pool."""
    worst = prediction.assign(group=group).sort_values("p_good", kind="stable").drop_duplicates("expnum")
    worst = worst.sort_values("expnum")
    table = worst.set_index("expnum")[["group"]].assign(
        probability=worst.exposure_probability.to_numpy(), score=worst.exposure_probability.to_numpy()
    )
    labels = taught.set_index("image_id").reasons.map(",".join)
    table["disagreement"] = disagreement(prediction, labels).reindex(table.index)
    table["taught"] = table.index.isin(asked)
    places = places_of(world.vectors[worst.index])
    return table.join(pd.DataFrame(places, table.index, [f"place_{axis}" for axis in range(places.shape[1])]))


def _measured(world: World, prediction: pd.DataFrame, answers: pd.Series, held: np.ndarray) -> dict:
    own = prediction[held].reset_index(drop=True)
    ccds = ccd_metrics(world.reasons[held].reset_index(drop=True), own)
    chance = own.groupby("expnum").exposure_probability.first()
    true = answers[chance.index].to_numpy(bool)
    exposure = rates(true, (chance > CUT).to_numpy())["f1"] if not true.all() else np.nan
    return {"exposure_f1": exposure, "ccd_bad_f1": ccds["bad"]["f1"], "ccd_macro_f1": ccds["macro_f1"]}


# ---- what comes out


def summary(rows: pd.DataFrame) -> list[dict]:
    """Mean and spread (standard deviation over surveys or thirds and draws) per order and number of answers."""
    found = []
    for (order, exposures), own in rows.groupby(["method", "exposures"], sort=False):
        row = {"method": order, "exposures": int(exposures)}
        for name in PANELS:
            if own[name].notna().any():
                row[name] = {"mean": float(own[name].mean()), "spread": float(own[name].std(ddof=0)), "n": len(own)}
        found.append(row)
    return found


def needed(rows: pd.DataFrame, measure: str, reach: float) -> pd.DataFrame:
    """Per order: answers from which on the figure stays at `reach` or above: median, least, most of `n` loops, and
    `missed`, how many never got there."""
    found = []
    for order, own in rows.groupby("method", sort=False):
        firsts = pd.Series([_reached(part, measure, reach) for _, part in own.groupby("draw")], dtype=float)
        found.append({"order": order, "median": firsts.fillna(np.inf).median(), "least": firsts.min()})
        found[-1] |= {"most": firsts.max(), "n": len(firsts), "missed": int(firsts.isna().sum())}
    return pd.DataFrame(found)


def _reached(part: pd.DataFrame, measure: str, reach: float) -> float:
    """Answers from which on one loop stays at `reach` or above, NaN if it does not."""
    below = np.flatnonzero(part[measure].to_numpy() < reach)
    later = part.exposures.to_numpy()[below[-1] + 1 :] if len(below) else part.exposures.to_numpy()
    return float(later[0]) if len(later) else np.nan


def against_random(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Per order: mean figure over all rounds less that of the order `random` on the same loop: mean, standard error,
    and in how many of `n` loops it was larger."""
    over = rows.groupby(["method", "draw"])[measure].mean().unstack(0)
    found = []
    for order in [name for name in ORDERS if name in over and name != "random"]:
        gained = (over[order] - over["random"]).dropna()
        error = gained.std(ddof=1) / np.sqrt(len(gained)) if len(gained) > 1 else np.nan
        found.append({"order": order, "gained": gained.mean(), "error": error})
        found[-1] |= {"better": int((gained > 0).sum()), "n": len(gained)}
    return pd.DataFrame(found)


def page_lines(title: str, rows: pd.DataFrame) -> list[str]:
    lines = [title, ""]
    for measure, name in PANELS.items():
        if rows[measure].isna().all():
            continue
        tables = {reach: needed(rows, measure, reach) for reach in REACHED}
        tables = {
            reach: own
            for reach, own in tables.items()
            if (own.missed < own.n).any() and own["median"].max() > rows.exposures.min()
        }
        header = [f"F1 {reach}" for reach in tables]
        lines += [
            f"*{name}*: answers after which it stays there: median (least to most; how many loops never got there)",
            "",
        ]
        lines += ["| order | " + " | ".join([*header, "mean F1 over all rounds, less random's"]) + " |"]
        lines += ["| --- |" + " --- |" * (len(header) + 1)]
        gained = against_random(rows, measure).set_index("order")
        for order in rows.method.unique():
            cells = [_cell(own.set_index("order").loc[order]) for own in tables.values()]
            last = ""
            if order in gained.index:
                own = gained.loc[order]
                last = f"{own.gained:+.3f} ± {own.error:.3f} (larger in {int(own.better)} of {int(own.n)})"
            lines.append(f"| {order} | " + " | ".join([*cells, last]) + " |")
        lines.append("")
    return lines


def _cell(own) -> str:
    if own.missed == own.n:
        return "never"
    middle = f"{own['median']:g}" if np.isfinite(own["median"]) else "not in half"
    missed = f"; {int(own.missed)} never" if own.missed else ""
    return f"{middle} ({own.least:g} to {own.most:g}{missed})"


def _one(task) -> list[dict]:
    world, order, options = task
    return loop(world, order, **options)


def run(worlds: list[World], orders, draws: int, processes: int, **options) -> pd.DataFrame:
    """All loops: every order starts from the same exposures of the same survey."""
    tasks = [
        (world, order, {**options, "seed": 100 * place + draw})
        for place, world in enumerate(worlds)
        for draw in range(draws)
        for order in orders
    ]
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for done, own in enumerate(pool.map(_one, tasks), start=1):
            rows += own
            print(f"{time.strftime('%H:%M:%S')} {done}/{len(tasks)} {own[-1]['method']}", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surveys", type=int, default=3, help="simulated surveys; 0 leaves that part out")
    parser.add_argument("--exposures", type=int, default=60, help="of each, that may be asked, and as many held out")
    parser.add_argument("--seed", type=int, default=5104, help="of the first survey")
    parser.add_argument("--most", type=int, default=46, help="answers of a simulated survey")
    parser.add_argument("--draws", type=int, default=2, help="loops on each survey or third, from other exposures")
    parser.add_argument("--classifier", action="append", default=[], help="may be given several times")
    parser.add_argument("--order", action="append", default=[], help="; ".join(ORDERS) + ", or another of a queue")
    parser.add_argument("--no-real", action="store_true", help="leave the real ghosts out")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path, help="put the tables between the marks in this page")
    parser.add_argument("--plot", type=Path, help="the figure; the real ghosts' beside it with -ghosts in the name")
    arguments = parser.parse_args()
    worlds, data = {}, Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    if arguments.surveys:
        seeds = range(arguments.seed, arguments.seed + arguments.surveys)
        with ProcessPoolExecutor(arguments.processes) as pool:
            worlds[SIMULATED] = list(pool.map(partial(simulated, arguments.exposures), seeds))
    if not arguments.no_real and data.is_dir():
        worlds[REAL] = ghosts(data)
    lines, pictures = report(worlds, arguments)
    print("\n".join(lines))
    for name, own in pictures.items():
        if arguments.plot:
            path = arguments.plot.with_stem(arguments.plot.stem + ("-ghosts" if name == REAL else ""))
            plots.label_curve(own, path, panels=PANELS)
    if arguments.write:
        page = arguments.write.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{after}")


def report(worlds: dict[str, list[World]], arguments) -> tuple[list[str], dict[str, list[dict]]]:
    """Lines of the page, and per part the rows of its figure, which shows the first classifier."""
    lines, pictures = [], {}
    for name, own in worlds.items():
        for classifier in arguments.classifier or CLASSIFIERS:
            how = {"start": 6, "step": 4, "most": arguments.most} if name == SIMULATED else ROUNDS_REAL
            orders = tuple(arguments.order) or ORDERS
            rows = run(own, orders, arguments.draws, arguments.processes, classifier=classifier, **how)
            asked = own[0].keys.expnum.nunique() - len(own[0].held)
            title = f"**{name}, `{classifier}`**: {len(own) * arguments.draws} loops ({len(own)} "
            title += f"{'surveys' if name == SIMULATED else 'thirds, each measured in turn'}, {arguments.draws} each), "
            title += f"{asked} exposures to ask and {len(own[0].held)} measured; {how['start']} answers at the start, "
            title += f"{how['step']} a round."
            lines += page_lines(title, rows)
            pictures.setdefault(name, summary(rows))
    return lines, pictures


if __name__ == "__main__":
    main()
