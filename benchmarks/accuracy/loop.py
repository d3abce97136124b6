"""What votes teach: three rounds of votes and retraining, held-out F1 after each, beside no retraining.

    python -m benchmarks.accuracy.loop [--survey FOLDER | --seed 9001] [--draws 5] [--no-teacher] [--no-real]
                              [--write docs/loop.md]

Simulated: a survey of 150 exposures (FOLDER/run and FOLDER/truth.csv, else simulated with that seed) that begins with a
few labelled exposures. In each round three inspectors, who err, judge the most suspicious exposures that nobody has
judged, and the run is retrained from their votes. A third of the exposures is drawn as known answers, which never
teach; F1 of whole exposures is measured there. A draw is another choice of all of these.

Real: TRIPTYCH_REAL_DATA (default ../shared/data), 30 focal planes with ghosts, with the answers of eight annotators to
each CCD as the votes. Each third of the exposures is held out in turn, and no vote on it is cast; F1 of bad CCDs is
against the majority of the eight, over all thirds together. Everything goes through the doors that people use: votes
through the store, retraining as from the page.
"""

import argparse
import os
import shutil
import tempfile
import textwrap
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.accuracy.annotators import marks
from benchmarks.accuracy.simulated_teacher import survey
from triptych.pipeline import examples
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_json
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.evaluation.bootstrap import draws
from triptych.pipeline.labels.recipe import Recipe
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.retraining import gain as measuring
from triptych.pipeline.retraining.retrain import retrain
from triptych.pipeline.store.store import LabelStore, Vote

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WIDTH = 138
ROUNDS = 3
INSPECTORS = ("amy", "ben", "cai")
MISSED, ALARMED, MISNAMED, UNTICKED = 0.1, 0.05, 0.1, 0.1  # chances that an inspector errs
GHOST_START, GHOST_STEP = 2, 6  # exposures judged before the first model, and in each round


@dataclass(frozen=True)
class Round:
    """Where the loop stands after a round; round 0 is before the first retraining.

    judged : exposures with votes. votes : rows cast. f1, gain : {value, low, high} on the exposures that never teach,
    gain against round 0 on the same resamples. prediction : the table behind it.
    """

    number: int
    judged: int
    votes: int
    f1: dict
    gain: dict
    prediction: pd.DataFrame


# ---- a survey whose truth is known


@dataclass(frozen=True)
class Plan:
    """Exposures that measure, that are labelled at the start, and how many are judged in a round."""

    held: np.ndarray
    start: np.ndarray
    step: int


def plan_of(truth: pd.DataFrame, *, start: int, step: int, held_share: float = 1 / 3, seed: int = 0) -> Plan:
    """Draw the exposures that measure and those that are labelled at the start, each with its share of bad ones."""
    bad = truth.assign(bad=truth.reason != GOOD).groupby("expnum").bad.any()
    rng = np.random.default_rng([seed, 11])
    held, first = [], []
    for kind in (True, False):
        own = rng.permutation(bad.index[bad == kind].to_numpy())
        n_held, n_first = round(held_share * len(own)), max(2, round(start * len(own) / len(bad)))
        held.append(own[:n_held])
        first.append(own[n_held : n_held + n_first])
    return Plan(np.sort(np.concatenate(held)), np.sort(np.concatenate(first)), step)


class Inspector:
    """Judges as a person does: looks at the truth, misses some of it, is alarmed by nothing, mistakes a reason."""

    def __init__(self, name: str, truth: pd.DataFrame, *, camera: str, seed: int):
        self.name, self.camera = name, camera
        self.rng = np.random.default_rng([seed, *name.encode()])
        self.bad = {int(e): own for e, own in truth[truth.reason != GOOD].groupby("expnum")}
        self.ccds = truth.groupby("expnum").ccdname.unique()
        self.known = sorted(set(truth.reason) - {GOOD})

    def votes(self, expnum: int) -> list[Vote]:
        """The judgement of one exposure, with the CCDs ticked where not all are bad."""
        more = {"camera": self.camera, "expnum": int(expnum), "inspector": self.name}
        own, rng = self.bad.get(int(expnum)), self.rng
        if (own is None and rng.random() >= ALARMED) or (own is not None and rng.random() < MISSED):
            return [Vote(judgement="good", **more)]
        if own is None:
            return [Vote(judgement="bad", reasons=(str(rng.choice(self.known)),), **more)]
        reasons = tuple(own.reason.value_counts().index[:1])
        if rng.random() < MISNAMED:
            reasons = (str(rng.choice(self.known)),)
        more |= {"judgement": "bad", "reasons": reasons}
        ticked = [name for name in own.ccdname.unique() if rng.random() >= UNTICKED]
        if len(own.ccdname.unique()) == len(self.ccds[expnum]):
            ticked = []
        return [Vote(**more), *(Vote(ccdname=name, **more) for name in ticked)]


def begin(
    catalog: Catalog,
    store: LabelStore,
    truth: pd.DataFrame,
    plan: Plan,
    *,
    classifier: str = train.DEFAULT,
    teacher: bool = True,
) -> None:
    """Draw the exposures that measure, import the first labels, and make the first model, prediction and candidates."""
    rows = truth[truth.expnum.isin(plan.held)]
    known = []
    for expnum, own in rows.groupby("expnum"):
        reasons = tuple(sorted(set(own.reason) - {GOOD}))
        known.append({"expnum": int(expnum), "judgement": "bad" if reasons else "good", "reasons": reasons})
    store.draw(catalog.camera, "known", known, "lea")
    first = truth[truth.expnum.isin(plan.start)]
    store.import_labels(first.assign(camera=catalog.camera, raw=first.reason), source="first season", kind="truth")
    train.train(catalog.refresh(), store, classifier=classifier, recipe=Recipe(simulated=teacher))
    predict.predict(catalog.refresh())
    candidates.find(catalog.refresh())


def next_exposures(catalog: Catalog, store: LabelStore, plan: Plan) -> list[int]:
    """The most suspicious exposures that nobody has judged and that are neither labelled nor measure."""
    done = {*store.votes().expnum, *plan.start, *plan.held}
    scored = catalog.refresh().stage("candidates", fresh=False).table("exposures_scored").sort_values("rank")
    return [int(expnum) for expnum in scored.expnum if expnum not in done][: plan.step]


def simulated_loop(
    catalog: Catalog, store: LabelStore, truth: pd.DataFrame, plan: Plan, *, rounds: int = ROUNDS, seed: int = 0
) -> list[Round]:
    """Votes and retraining from where `begin` has left the run; returns a Round for the start and each round."""
    people = [Inspector(name, truth, camera=catalog.camera, seed=seed) for name in INSPECTORS]
    held, rule = measuring.held_out(catalog, store), catalog.stage("candidates").parameters["rule"]
    sampled, first = candidates.sampled_images(catalog), catalog.stage("prediction").table()

    def state(number: int) -> Round:
        table, votes = catalog.refresh().stage("prediction").table(), store.votes()
        figures = measuring.measure(first, table, held, rule=rule, sampled=sampled, seed=seed)["exposure"]["f1"]
        return Round(number, votes.expnum.nunique(), len(votes), figures["after"], figures["difference"], table)

    found = [state(0)]
    for number in range(1, rounds + 1):
        for expnum in next_exposures(catalog, store, plan):
            for one in people:
                store.cast_many(one.votes(expnum))
        retrain(catalog, store)
        found.append(state(number))
    return found


# ---- real ghosts


def ghost_votes(bad: pd.DataFrame, expnums) -> list[Vote]:
    """What the annotators said of every CCD of some exposures, as votes. bad : as `annotators.marks` gives it."""
    own = bad[bad.index.get_level_values("expnum").isin(expnums)]
    return [
        Vote(
            expnum=int(expnum),
            ccdname=ccdname,
            inspector=name,
            judgement="bad" if marked else "good",
            reasons=("Ghost_Scatter",) if marked else (),
        )
        for (expnum, ccdname), row in own.iterrows()
        for name, marked in row.items()
    ]


def majority(bad: pd.DataFrame) -> pd.Series:
    """Whether more than half of the annotators call a CCD bad; CCDs on which they are split evenly are left out."""
    share = bad.mean(axis=1)
    return (share > 0.5)[share != 0.5]


def ghost_loop(
    catalog: Catalog, store: LabelStore, bad: pd.DataFrame, held, order, *, rounds: int = ROUNDS, teacher: bool = True
) -> list[Round]:
    """Votes on the exposures of `order`, some at the start and some in each round; `held` get none."""
    cast = 0

    def vote(expnums) -> None:
        nonlocal cast
        votes = ghost_votes(bad, expnums)
        store.cast_many(votes)
        cast += len(votes)

    vote(order[:GHOST_START])
    train.train(catalog, store, recipe=Recipe(simulated=teacher))
    predict.predict(catalog.refresh())
    candidates.find(catalog.refresh())
    found, first = [], catalog.stage("prediction").table()
    for number in range(rounds + 1):
        judged = GHOST_START + number * GHOST_STEP
        if number:
            vote(order[judged - GHOST_STEP : judged])
            retrain(catalog, store)
        table = catalog.refresh().stage("prediction").table()
        f1, gain = ccd_figures(first, table, bad, held)
        found.append(Round(number, min(judged, len(order)), cast, f1, gain, table))
    return found


def ccd_figures(before: pd.DataFrame, after: pd.DataFrame, bad: pd.DataFrame, expnums, *, seed: int = 0) -> tuple:
    """F1 of bad CCDs after, and the difference to before, as {value, low, high} from resamples of exposures."""
    truth = majority(bad).rename("truth").reset_index()
    truth = truth[truth.expnum.isin(expnums)]
    exposures = np.unique(truth.expnum)
    weights = np.vstack([np.ones(len(exposures)), draws(len(exposures), seed=seed)])
    values = []
    for table in (before, after):
        own = truth.merge(table[["expnum", "ccdname", "reason"]], on=["expnum", "ccdname"])
        said, true = own.reason.to_numpy() != GOOD, own.truth.to_numpy(bool)
        place = np.searchsorted(exposures, own.expnum)
        hits, n_true, n_said = (np.bincount(place, which, len(exposures)) for which in (said & true, true, said))
        values.append(2 * (weights @ hits) / np.maximum(weights @ (n_true + n_said), 1))
    return interval(values[1]), interval(values[1] - values[0])


def interval(values: np.ndarray) -> dict:
    """The first of (1 + resamples,) values, and the interval of the others' percentiles."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def without_labels(run: Path, to: Path) -> Catalog:
    """A copy of a run with its exposures and embedding alone, and no label."""
    old = Catalog.open(run)
    to.mkdir(parents=True)
    for name in ("exposures.parquet", "ccds.parquet", "quarantine.parquet"):
        if (run / name).exists():
            shutil.copy(run / name, to / name)
    vectors = old.stage("embedding")
    shutil.copytree(vectors.path, to / "embedding" / vectors.stage_id)
    own = {name: value for name, value in old.info.items() if name not in ("moves", "labels")}
    write_json(to / "run.json", {**own, "current": {"embedding": vectors.stage_id}})
    return Catalog.open(to)


# ---- tables


def number(figure: dict | None, sign: str = "") -> str:
    """`0.712 (0.60 to 0.81)`."""
    if figure is None:
        return "not defined"
    return f"{figure['value']:{sign}.3f} ({figure['low']:{sign}.2f} to {figure['high']:{sign}.2f})"


def rows_of(rounds: list[Round]) -> list[str]:
    lines = [
        "| round | judged by votes | votes | held-out F1 | F1 without retraining | gain |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in rounds:
        first = f"{rounds[0].f1['value']:.3f}" if rounds[0].f1 else "not defined"
        gain = number(one.gain, "+") if one.number else ""
        lines.append(f"| {one.number} | {one.judged} | {one.votes} | {number(one.f1)} | {first} | {gain} |")
    return lines


def simulated_part(folder: Path, scratch: Path, arguments) -> list[str]:
    truth = pd.read_csv(folder / "truth.csv", comment="#")
    every = []
    for draw in range(arguments.draws):
        plan = plan_of(truth, start=arguments.start, step=arguments.step, seed=draw)
        catalog = without_labels(folder / "run", scratch / f"draw{draw}")
        with LabelStore(catalog.labels_url()) as store:
            begin(catalog, store, truth, plan, teacher=arguments.teacher)
            every.append(simulated_loop(catalog, store, truth, plan, seed=draw))
        shutil.rmtree(catalog.path)
        print(f"draw {draw}: " + ", ".join(number(one.f1) for one in every[-1]), flush=True)
    lines = [
        f"{truth.expnum.nunique()} simulated exposures, {len(plan.held)} of them measure and never teach; "
        f"{len(plan.start)} are labelled at the start and {plan.step} are judged in a round, each by three inspectors; "
        f"{'with' if arguments.teacher else 'without'} what simulated CCDs of other surveys teach. One draw:",
        "",
        *rows_of(every[0]),
        "",
        f"Over {len(every)} draws (mean, standard deviation, lowest and highest):",
        "",
        "| round | held-out F1 | gain | draws with a gain |",
        "| --- | --- | --- | --- |",
    ]
    for place in range(ROUNDS + 1):
        f1 = np.array([one[place].f1["value"] if one[place].f1 else np.nan for one in every])
        gain = f1 - np.array([one[0].f1["value"] if one[0].f1 else np.nan for one in every])
        told = f"{spread(gain, '+')} | {(gain > 0).sum()} of {len(gain)}" if place else " | "
        lines.append(f"| {place} | {spread(f1)} | {told} |")
    return lines


def spread(values: np.ndarray, sign: str = "") -> str:
    low, high = values.min(), values.max()
    return f"{values.mean():{sign}.3f} ± {values.std(ddof=1):.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def real_part(data: Path, scratch: Path, *, thirds: int = 3, seed: int = 0) -> list[str]:
    run = scratch / "ghosts"
    examples.make("ghosts", run, data, whole=True, bar=lambda title: nullcontext(lambda *_: None))
    bad = marks(data)
    expnums = np.random.default_rng(seed).permutation(np.unique(bad.index.get_level_values("expnum")))
    parts = []
    for place in range(thirds):
        held = expnums[place::thirds]
        order = [int(expnum) for expnum in expnums if expnum not in held]
        catalog = without_labels(run, scratch / f"ghosts{place}")
        catalog.set_info(panel=bad.shape[1])
        with LabelStore(catalog.labels_url()) as store:
            parts.append((held, ghost_loop(catalog, store, bad, held, order)))
        print(f"third {place}: " + ", ".join(number(one.f1) for one in parts[-1][1]), flush=True)
    together = []
    for place in range(ROUNDS + 1):
        tables = [
            pd.concat([own[at].prediction[own[at].prediction.expnum.isin(held)] for held, own in parts])
            for at in (0, place)
        ]
        f1, gain = ccd_figures(*tables, bad, expnums)
        one = parts[0][1][place]
        together.append(Round(place, one.judged, one.votes, f1, gain, tables[1]))
    truth = majority(bad)
    return [
        f"{len(expnums)} real focal planes, {len(truth)} CCDs on which the {bad.shape[1]} annotators are not evenly "
        f"split, {int(truth.sum())} of them bad; each third held out in turn (votes and exposures judged are those of "
        "one of them):",
        "",
        *rows_of(together),
        "",
        "By third, F1 after each round: "
        + "; ".join(", ".join(f"{one.f1['value']:.3f}" for one in own) for _, own in parts)
        + ".",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--survey", type=Path, help="folder with run/ (ingested and embedded) and truth.csv")
    parser.add_argument("--seed", type=int, default=9001, help="of the survey that is simulated without --survey")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--start", type=int, default=12, help="exposures that are labelled at the start")
    parser.add_argument("--step", type=int, default=16, help="exposures that are judged in a round")
    parser.add_argument("--no-teacher", dest="teacher", action="store_false", help="leave simulated CCDs out")
    parser.add_argument("--no-simulated", action="store_true", help="leave the simulated survey out")
    parser.add_argument("--no-real", action="store_true", help="leave the real ghosts out")
    parser.add_argument("--write", type=Path, help="put the tables between the marks in this page")
    arguments = parser.parse_args()
    lines: list[str] = []
    data = Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    with tempfile.TemporaryDirectory() as scratch:
        if not arguments.no_simulated:
            folder = arguments.survey or Path(scratch) / "survey"
            if not arguments.survey:
                survey(folder, arguments.seed)
                shutil.copy(folder / "files" / "truth.csv", folder / "truth.csv")
            lines += ["### Simulated survey", "", *simulated_part(folder, Path(scratch), arguments), ""]
        if not arguments.no_real and data.is_dir():
            lines += ["### Real ghosts", "", *real_part(data, Path(scratch)), ""]
    lines = [part for line in lines for part in (textwrap.wrap(line, WIDTH) if line[:1] not in ("|", "") else [line])]
    print("\n".join(lines))
    if arguments.write:
        page = arguments.write.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        arguments.write.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
