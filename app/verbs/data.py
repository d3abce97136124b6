"""Verbs that bring exposures, vectors and labels into a run."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import (
    Labels,
    Policy,
    Run,
    Seed,
    Sources,
    open_run,
    open_store,
    print_frame,
    say,
)
from triptych.app.verbs.progress import bar

DOUBTS_SHOWN = 40
# Parameters of an imported embedding that count the vectors left out, by cause.
LEFT_OUT = ("of_no_ccd", "not_in_run", "not_finite", "without_vector", "run_images_without")


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the simulated exposures.")],
    exposures: Annotated[int, typer.Option(help="How many exposures.")] = 60,
    seed: Seed = 0,
    binning: Annotated[int, typer.Option(help="1 is full size (4094 x 2046 a CCD); 8 makes small files.")] = 8,
    masks: Annotated[bool, typer.Option("--masks", help="Also write the data-quality masks (ood files).")] = False,
) -> None:
    """Make simulated exposures with planted defects, in the Community Pipeline's format, with a truth table."""
    from triptych.pipeline.simulation.simulate import simulate as make

    with bar("simulate") as progress:
        truth = make(out, exposures=exposures, seed=seed, binning=binning, masks=masks, progress=progress)
    bad = truth.loc[truth.reason != "good", "expnum"].nunique()
    say(f"{truth.expnum.nunique()} exposures in {out}, {bad} of them with a defect; truth in {out / 'truth.csv'}")


def ingest(
    run: Run,
    sources: Sources,
    camera: Annotated[str, typer.Option(help="Camera of a new run, and of files that do not name one.")] = "decam",
    sample: Annotated[int, typer.Option(help="CCDs drawn per exposure, for candidate rules that count CCDs.")] = 20,
    seed: Seed = 0,
) -> None:
    """Read files or folders into the run.

    Writes tables and previews, and puts unusable files into quarantine. The same command again reads only what is new
    or changed.
    """
    from triptych.pipeline.camera import CAMERAS
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.errors import choose
    from triptych.pipeline.ingest.ingest import ingest as read

    choose(camera, CAMERAS, "camera")
    catalog = Catalog.create(run, camera=camera)
    with bar("ingest") as progress:
        report = read(catalog, sources, sample=sample, seed=seed, progress=progress)
    say(str(report))


def embed(
    run: Run,
    backbone: Annotated[
        str, typer.Option(help="Name of a backbone, of a hub model, or a folder with one.")
    ] = "triptych",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps; several with commas. auto and cuda take all GPUs.")
    ] = "auto",
    only_sampled: Annotated[
        bool, typer.Option("--only-sampled", help="Only the sampled CCDs of each exposure.")
    ] = False,
    scheduler: Annotated[
        str,
        typer.Option(help="A Dask cluster that does the work: local, tcp://HOST:PORT, or its scheduler file."),
    ] = "",
    workers: Annotated[int, typer.Option(help="Processes on this machine; 0 is one per core.", min=0)] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Let torch compile a transformer first: for many images on a GPU.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Take vectors that were computed elsewhere: HDF5 (group images, idx_<row>_label_<n>), .npy or "
            "Parquet, or a folder of them. HDF5 and .npy need a table beside them with the same name, .csv or "
            ".parquet, that has image_id, or expnum and ccdname or ccdnum; its rows are counted from 0.",
        ),
    ] = None,
) -> None:
    """Turn every CCD image into a vector. You can stop it and start it again at any time."""
    if source:
        return _embed_from(run, source)
    from triptych.pipeline.embedding.embed import embed as make

    with bar("embed") as progress:
        stage = make(
            open_run(run),
            backbone=backbone,
            device=device,
            only_sampled=only_sampled,
            workers=workers or None,
            scheduler=scheduler or None,
            compiled=compiled,
            progress=progress,
        )
    say(f"embedding/{stage.stage_id}: {stage.info['rows']} vectors")


def _embed_from(run: Path, source: Path) -> None:
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.embedding.external import bring_in

    with bar("embed") as progress:
        stage = bring_in(Catalog.create(run), source, progress=progress)
    given = stage.parameters
    left = {name.replace("_", " "): given[name] for name in LEFT_OUT if given[name]}
    counts = "".join(f", {count} {name}" for name, count in left.items())
    say(f"embedding/{stage.stage_id}: {stage.info['rows']} vectors of length {given['dim']}{counts}")


def labels_import(
    run: Run,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Label lists, earlier inspections (CSV, XLSX), truth tables, lists of suspicious good exposures.",
            metavar="FILE",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="What the files are: bad_expid, exclude, good, truth, suspicious, inspection, spreadsheet or "
            "annotation; guessed from their contents by default."
        ),
    ] = "",
    inspector: Annotated[str, typer.Option(help="Whose answers a spreadsheet holds, where it does not say.")] = "",
    maybe: Annotated[str, typer.Option(help="What `maybe` and `y?` count as: unsure or bad.")] = "unsure",
    camera: Annotated[str, typer.Option(help="Camera of the files; the run's by default.")] = "",
    labels: Labels = "",
) -> None:
    """Read label lists and earlier inspections. The store keeps the source of each label and vote."""
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.labels.readers import import_file

    catalog = Catalog.create(run, camera=camera or "decam")
    store = open_store(catalog, labels)
    for path in files:
        report = import_file(
            store,
            path,
            kind=kind or None,
            camera=camera or catalog.camera,
            inspector=inspector or None,
            maybe=maybe,
            catalog=catalog,
        )
        say(str(report))


def labels_show(run: Run, labels: Labels = "") -> None:
    """Count what the label store holds: labels by source and reason, votes by inspector, verdicts by policy."""
    from triptych.pipeline.votes import verdicts

    catalog = open_run(run)
    store = open_store(catalog, labels)
    frame, votes, decisions = store.labels(), store.votes(), store.adjudications()
    if len(frame):
        counts = frame.groupby(["source", "reason"]).size().reset_index(name="labels")
        print_frame(counts, "Imported labels")
    if len(votes):
        print_frame(votes.groupby(["inspector", "judgement", "via"]).size().reset_index(name="votes"), "Votes")
        rows = []
        for policy in verdicts.POLICIES:
            verdict = verdicts.verdicts(votes, policy, catalog.panel, decisions).verdict.value_counts()
            rows.append({"policy": policy, **{name: int(verdict.get(name, 0)) for name in verdicts.VERDICTS}})
        import pandas as pd

        print_frame(pd.DataFrame(rows), f"Exposures by verdict (panel of {catalog.panel})")
    if not len(frame) and not len(votes):
        say("the label store is empty; `triptych labels import` fills it from lists, the dashboard from votes")


def labels_doubtful(
    run: Run,
    policy: Policy = "majority",
    answered: Annotated[bool, typer.Option("--answered", help="Also those that a verdict has settled.")] = False,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Also exposures that are not in the run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as JSON, for another program.")] = False,
    labels: Labels = "",
) -> None:
    """List labels that are likely wrong, because other lists, votes or neighbours with other labels contradict them."""
    import json

    from triptych.pipeline.labels import doubtful

    catalog = open_run(run)
    found = doubtful.doubtful_labels(catalog, open_store(catalog, labels), policy=policy, answered=True)
    counts = doubtful.summary(found)
    rows = found[(answered | (found.answer == "")) & (everywhere | found.in_run)]
    if as_json:
        print(json.dumps({"summary": counts, "labels": rows.to_dict("records")}))
        return
    if not len(found):
        say("no label is doubtful; labels come from `triptych labels import`, neighbours from `triptych predict`")
        return
    for row in rows.head(DOUBTS_SHOWN).itertuples():
        print(f"{row.expnum}\t{row.sure:.2f}\t{row.why}\t{row.answer or '-'}\t{row.sentence}")
    if len(rows) > DOUBTS_SHOWN:
        say(f"and {len(rows) - DOUBTS_SHOWN} more; --json prints every one")
    reasons = ", ".join(f"{n} {doubtful.WHYS[why]}" for why, n in counts["why"].items() if n)
    say(f"{counts['in_run']} exposures of the run have a doubtful label ({counts['n']} with those that are not in it)")
    say(f"{reasons or 'none waits'}; {counts['answered']} settled by a verdict")
