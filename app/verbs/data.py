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
    exposures: Annotated[int, typer.Option(help="Number of exposures.")] = 60,
    seed: Seed = 0,
    binning: Annotated[
        int, typer.Option(help="Binning of the pixels: 1 is full size (4094 x 2046 per CCD), 8 makes small files.")
    ] = 8,
    masks: Annotated[bool, typer.Option("--masks", help="Also write the data-quality masks (ood files).")] = False,
    strengths: Annotated[
        str,
        typer.Option(help="Defects of star images: strong (seen in a preview) or realistic (0.5 to 3 arcsec)."),
    ] = "strong",
) -> None:
    """Make simulated exposures with planted defects.

    Files are in the Community Pipeline's format, with a truth table.
    """
    from triptych.pipeline.simulation.simulate import simulate as make

    with bar("simulate") as progress:
        how = {"seed": seed, "binning": binning, "masks": masks, "strengths": strengths}
        truth = make(out, exposures=exposures, **how, progress=progress)
    bad = truth.loc[truth.reason != "good", "expnum"].nunique()
    say(f"{truth.expnum.nunique()} exposures in {out}, {bad} of them with a defect; truth in {out / 'truth.csv'}")


def ingest(
    run: Run,
    sources: Sources,
    camera: Annotated[str, typer.Option(help="Camera of a new run, for files that do not name one.")] = "decam",
    sample: Annotated[
        int, typer.Option(help="Number of CCDs to sample per exposure; some candidate rules count only these.")
    ] = 20,
    seed: Seed = 0,
    part: Annotated[
        str,
        typer.Option(
            metavar="K/N",
            help="Read only part K of N, such as 3/100, while other processes or machines read the others. When all "
            "have finished, `triptych join RUN` makes the tables.",
        ),
    ] = "",
    scheduler: Annotated[
        str,
        typer.Option(help="Dask cluster to use: local, tcp://HOST:PORT, or a scheduler file."),
    ] = "",
    add_shapes: Annotated[
        bool,
        typer.Option("--add-shapes", help="Also read again what an earlier version read without star shapes."),
    ] = False,
) -> None:
    """Read files or folders into the run.

    Writes the tables of exposures, CCDs and star shapes, the previews, and a list of files that cannot be used
    (quarantine). Run it again to read what is new or changed, or to continue if it was stopped.
    """
    from triptych.pipeline.camera import CAMERAS
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.errors import BadInput, choose
    from triptych.pipeline.ingest import parts
    from triptych.pipeline.ingest.ingest import ingest as read

    choose(camera, CAMERAS, "camera")
    if part and scheduler:
        raise BadInput("--part is for work without a scheduler; leave out --part or --scheduler")
    place = parts.part_of(part) if part else None
    catalog = Catalog.create(run, camera=camera)
    how = {"sample": sample, "seed": seed, "add_shapes": add_shapes}
    with bar("ingest") as progress:
        if place:
            report = parts.ingest_part(catalog, sources, place, **how, progress=progress)
        elif scheduler:
            report = parts.ingest_on_cluster(catalog, sources, scheduler, **how, progress=progress)
        else:
            report = read(catalog, sources, **how, progress=progress)
    say(str(report))


def join(run: Run) -> None:
    """Make the run's tables of all parts of an ingest.

    `triptych ingest --part` reads the parts. The tables are the same as if one machine had read all files. Says which
    parts are missing, if any are.
    """
    from triptych.pipeline.ingest import parts

    with bar("join") as progress:
        report = parts.join(open_run(run), progress=progress)
    say(str(report))


def embed(
    run: Run,
    backbone: Annotated[
        str, typer.Option(help="Name of a backbone or of a hub model, or a folder with one.")
    ] = "triptych",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps; several with commas. auto and cuda use all GPUs.")
    ] = "auto",
    only_sampled: Annotated[
        bool, typer.Option("--only-sampled", help="Embed only the sampled CCDs of each exposure.")
    ] = False,
    scheduler: Annotated[
        str,
        typer.Option(help="Dask cluster to use: local, tcp://HOST:PORT, or a scheduler file."),
    ] = "",
    workers: Annotated[int, typer.Option(help="Number of processes on this machine; 0 = one per core.", min=0)] = 0,
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Compile a transformer with torch first. Pays off for many images on a GPU."),
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Use vectors that were computed elsewhere: HDF5 (group images, idx_<row>_label_<n>), .npy, Parquet, "
            "or a folder of them. HDF5 and .npy need a table of the same name beside them (.csv or .parquet) with "
            "image_id, or with expnum and ccdname or ccdnum. Its rows count from 0.",
        ),
    ] = None,
) -> None:
    """Turn every CCD image into a vector. If stopped, run it again to continue."""
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
            help="Kind of the files: bad_expid, exclude, good, truth, suspicious, inspection, spreadsheet or "
            "annotation. Default: guessed from each file."
        ),
    ] = "",
    inspector: Annotated[str, typer.Option(help="Inspector of a spreadsheet that does not name one.")] = "",
    maybe: Annotated[str, typer.Option(help="How `maybe` and `y?` count: unsure or bad.")] = "unsure",
    camera: Annotated[str, typer.Option(help="Camera of the files. Default: the run's camera.")] = "",
    labels: Labels = "",
) -> None:
    """Read label lists and earlier inspections. The source of each label is stored with it."""
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.labels.readers import import_file

    catalog = Catalog.create(run, camera=camera or "decam")
    with open_store(catalog, labels) as store:
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


def labels_accept(run: Run, labels: Labels = "") -> None:
    """Use the label store that is there now.

    It may be new, another one, or older than the run knows it.

    For after a restored backup or a lost store. Makes a new store if there is none. What was known before is recorded
    in labels.json in the run folder. Stop the server first.
    """
    import getpass

    from triptych.pipeline.store.store import accept_store

    catalog = open_run(run)
    before, store = accept_store(catalog, labels, by=getpass.getuser())
    with store:
        now = store.state()
    was = f"; before, it was at revision {before['revision']}" if before else ""
    say(f"{catalog.path} uses {store.address} from now on, at revision {now.revision}{was}")


def labels_annul(
    run: Run,
    vote_id: Annotated[int, typer.Argument(metavar="VOTE_ID", help="Its number, as `triptych explain` prints it.")],
    why: Annotated[str, typer.Option(help="Why it does not count; kept with the vote.")],
    lead: Annotated[str, typer.Option(help="Who says so.")] = "",
    labels: Labels = "",
) -> None:
    """Let one judgement count no more, with a reason.

    For a slip that its inspector cannot take back, or a wrong row of an imported list. The vote stays on record, and
    its inspector can vote again.
    """
    import getpass

    with open_store(open_run(run), labels) as store:
        expnum = store.annul(vote_id, lead or getpass.getuser(), why)
    say(f"vote {vote_id} on exposure {expnum} does not count any more")


def labels_show(run: Run, labels: Labels = "") -> None:
    """Count what is in the label store. Labels by source and reason, votes by inspector, verdicts by policy."""
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
    answered: Annotated[bool, typer.Option("--answered", help="Also list those that a verdict has settled.")] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Also list labels of exposures that are not in the run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as JSON, for another program.")] = False,
    labels: Labels = "",
) -> None:
    """List labels that are likely wrong. Another list, the votes, or nearly all similar images contradict them."""
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
    say(f"{counts['in_run']} exposures of the run have a doubtful label ({counts['n']} including exposures not in it)")
    say(f"{reasons or 'none is open'}; {counts['answered']} settled by a verdict")
