"""Verbs for a whole run: make it with one command, and see what it holds."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from triptych.app.verbs.common import Labels, Run, Seed, Sources, open_run, open_store, print_result, say
from triptych.app.verbs.progress import bar


def demo(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the demonstration survey.")] = Path("runs/demo"),
    port: Annotated[int, typer.Option(help="Port of the dashboard on localhost.", min=0, max=65535)] = 5006,
    exposures: Annotated[int, typer.Option(help="Number of exposures to simulate.")] = 64,
    seed: Seed = 0,
    empty: Annotated[
        bool, typer.Option("--empty", help="Without the votes of its made-up people: nobody has judged anything.")
    ] = False,
    serve: Annotated[bool, typer.Option(help="Start the dashboard at the end.")] = True,
) -> None:
    """Simulate a small survey with made-up votes, and serve it.

    The people, their votes and their errors come from the seed.
    """
    from triptych.app.demo import demo as demonstration

    catalog = demonstration.prepare(run, exposures=exposures, seed=seed, past=not empty, bar=bar)
    if serve:
        from triptych.app import server

        say(demonstration.welcome(port, catalog))
        server.serve(run, port=port)


def run_all(
    run: Run,
    sources: Sources,
    camera: Annotated[str, typer.Option(help="Camera of a new run.")] = "decam",
    backbone: Annotated[
        str, typer.Option(help="Name of a backbone or of a hub model, or a folder with one.")
    ] = "triptych",
    classifier: Annotated[str, typer.Option(help="Name of the classifier: see `triptych train --help`.")] = "mixed",
    rule: Annotated[
        str, typer.Option(help="Rule that chooses the candidates: see `triptych candidates --help`.")
    ] = "exposure",
    label: Annotated[list[Path] | None, typer.Option(help="Label list to import first. Can be repeated.")] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Run all steps in order.

    Ingest, import labels, embed, train, predict, find candidates, cluster, make both maps.
    """
    from triptych.app.verbs.labels import import_files
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.run import run as run_steps

    catalog = Catalog.create(run, camera=camera)
    with open_store(catalog, labels) as store:
        unread = import_files(store, label or [], camera=camera, catalog=catalog)
        run_steps(catalog, store, sources, backbone=backbone, classifier=classifier, rule=rule, seed=seed, bar=bar)
    status(run)
    if unread:
        say(f"{unread} label lists were not read; mend them, and read them with `triptych labels import {run} FILE`")
        raise typer.Exit(1)


def status(run: Run) -> None:
    """Show what is in the run folder."""
    from triptych.pipeline.catalog.catalog import STAGE_COMMANDS
    from triptych.pipeline.ingest.shape_tables import unmeasured

    catalog = open_run(run)
    quarantine = catalog.quarantine()
    counts = f"{len(catalog.exposures())} exposures, {len(catalog.ccds())} CCD images, {len(quarantine)} in quarantine"
    print_result(f"{catalog.path}  camera {catalog.camera}, {counts}")
    for problem, count in quarantine.problem.value_counts().items():
        print_result(f"  quarantine: {count} {problem}")
    if n := len(unmeasured(catalog)):
        print_result(f"  without star shapes: {n} exposures; add them: triptych ingest {run} SOURCE... --add-shapes")
    table = Table("stage", "current", "rows", "seconds", "made from", box=None)
    for kind in STAGE_COMMANDS:
        for stage in catalog.stages(kind):
            current = "yes" if catalog.info["current"].get(kind) == stage.stage_id else ""
            parents = ", ".join(parent["stage_id"] for parent in stage.parents)
            info = stage.info
            table.add_row(f"{kind}/{stage.stage_id}", current, f"{info['rows']:,}", f"{info['seconds']:.1f}", parents)
    print_result(table)


def example(
    name: Annotated[str, typer.Argument(help="dr11 or ghosts.", metavar="NAME")],
    out: Annotated[Path, typer.Argument(help="The run folder to make.", metavar="OUT")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of real data. Default: TRIPTYCH_REAL_DATA, else ../shared/data.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also embed, train, predict, cluster and map, if the example has pixels.")
    ] = False,
) -> None:
    """Make a ready run with real answers.

    dr11: 939 exposures, three inspectors. ghosts: 30 exposures, eight annotators.
    """
    from triptych.pipeline import examples

    folder = data or Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    catalog = examples.make(name, out, folder, whole=whole, bar=bar)
    say(f"{catalog.path}: {examples.EXAMPLES[name].about}")
    say(f"now `triptych user add {out} NAME --role lead`, then `triptych serve {out}`; or `triptych agreement {out}`")
