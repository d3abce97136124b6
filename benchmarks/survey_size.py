"""A made-up survey of any size: what each command takes on it, and each room.

    python -m benchmarks.survey_size FOLDER [--size 600000] [--verbs train predict candidates] [--watch 3] [--rooms]

The survey is made in FOLDER once (see `benchmarks.survey.made`), about 700 bytes a CCD image. Commands run in processes
of their own; their processor seconds and the highest memory of each with all its children are printed. `--watch` lets
single exposures arrive and prints what each pass of `triptych watch` takes, and what it writes. `--rooms` casts the
votes of three inspectors, of which 64 % of the exposures that anybody calls bad are called so by one alone, starts a
server and asks for everything that its rooms ask for, one request after the other, and with several inspectors at once.
Read ratios rather than seconds on a shared machine.
"""

import argparse
import resource
from pathlib import Path

from benchmarks.speed.memory import triptych
from benchmarks.survey import made, rooms
from triptych.pipeline.catalog.catalog import STAGE_COMMANDS, Catalog
from triptych.pipeline.simulation.simulate import simulate
from triptych.pipeline.store.store import LabelStore

GIB = 2**30
VERBS = {
    "train": ["train"],
    "predict": ["predict"],
    "candidates": ["candidates"],
    "cluster": ["cluster"],
    "map2d": ["map", "--dims", "2"],
    "map3d": ["map", "--dims", "3"],
    "retrain": ["retrain"],
    "status": ["status"],
    "agreement": ["agreement"],
}


def processor_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def verbs(run: Path, names: list[str]) -> None:
    print("| command | s | processor s | GiB |\n| --- | --- | --- | --- |", flush=True)
    for name in names:
        used = processor_of_children()
        peak = triptych(VERBS[name][0], run, *VERBS[name][1:])
        used = processor_of_children() - used
        print(f"| {name} | {peak.seconds:.0f} | {used:.0f} | {peak.shared_once / GIB:.2f} |", flush=True)


def watch(run: Path, passes: int) -> None:
    """Let one simulated exposure after the other arrive, in a folder beside the run."""
    night = run.with_name(f"{run.name}-night")
    print("| new exposure | s | processor s | GiB | MB written |\n| --- | --- | --- | --- | --- |", flush=True)
    for number in range(passes):
        simulate(night / str(number), exposures=1, seed=number, binning=16)
        before, used = written(run), processor_of_children()
        peak = triptych("watch", run, str(night), "--once", "--quiet", "0")
        used, new = processor_of_children() - used, written(run) - before
        memory = peak.shared_once / GIB
        print(f"| {number + 1} | {peak.seconds:.0f} | {used:.0f} | {memory:.2f} | {new / 1e6:.0f} |", flush=True)


def written(run: Path) -> int:
    """Bytes of all stages of a run."""
    return sum(path.stat().st_size for kind in STAGE_COMMANDS for path in (run / kind).rglob("*") if path.is_file())


def in_rooms(run: Path, plan: made.Plan, options: argparse.Namespace) -> None:
    catalog = Catalog.open(run)
    with LabelStore(catalog.labels_url()) as store:
        n_votes = len(store.votes())
    made.stand_ins(catalog, plan)
    n_votes = n_votes or made.vote(catalog, plan, options.voted)
    served = rooms.Served(run, options.port)
    try:
        print(f"{n_votes} votes; the server answered after {served.start_seconds:.1f} s", flush=True)
        times = rooms.walk(served, options.rounds)
        print("| what | median ms | 95 % | most | processor ms | kB | n |\n| --- | --- | --- | --- | --- | --- | --- |")
        for name in times.clock:
            print(times.row(name))
        print(f"after the walk: {served.resident() / GIB:.2f} GiB", flush=True)
        times = rooms.at_once(served, options.inspectors, options.seconds)
        for name in times.clock:
            print(times.row(name, f", {options.inspectors} inspectors"))
        print(f"after {options.inspectors} inspectors: {served.resident() / GIB:.2f} GiB", flush=True)
    finally:
        served.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=600_000, help="CCD images")
    parser.add_argument("--verbs", nargs="*", default=["train", "predict", "candidates"], choices=VERBS)
    parser.add_argument("--watch", type=int, default=0, metavar="N", help="so many passes of the watch")
    parser.add_argument("--rooms", action="store_true")
    parser.add_argument("--voted", type=float, default=0.9, help="share of the candidates with three votes")
    parser.add_argument("--inspectors", type=int, default=3, help="at once")
    parser.add_argument("--seconds", type=float, default=60, help="of all inspectors at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=5199)
    options = parser.parse_args()
    plan = made.Plan(options.size // made.CCDS)
    run = options.folder
    started = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    made.make(run, plan)
    print(
        f"{plan.images} images made in {resource.getrusage(resource.RUSAGE_SELF).ru_utime - started:.0f} s", flush=True
    )
    verbs(run, options.verbs)
    if options.watch:
        watch(run, options.watch)
    if options.rooms:
        in_rooms(run, plan, options)


if __name__ == "__main__":
    main()
