"""Verbs that bring exposures and vectors into a run."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Run, Seed, Sources, open_run, say
from triptych.app.verbs.progress import bar

# Parameters of an imported embedding that count the vectors left out, by cause.
LEFT_OUT = ("of_no_ccd", "name_and_number_disagree", "not_in_run", "not_finite", "without_vector", "run_images_without")


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
    features: Annotated[
        str,
        typer.Option(
            help="With --from and Parquet: columns of the vectors, by the name that they share (f for f0, f1, ...) or "
            "with commas between them. Default: those that share a name and are numbered.",
        ),
    ] = "",
) -> None:
    """Turn every CCD image into a vector. If stopped, run it again to continue."""
    if source:
        return _embed_from(run, source, features)
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


def _embed_from(run: Path, source: Path, features: str) -> None:
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.embedding.external import bring_in

    with bar("embed") as progress:
        stage = bring_in(Catalog.create(run), source, features=features, progress=progress)
    given = stage.parameters
    left = {name.replace("_", " "): given[name] for name in LEFT_OUT if given[name]}
    counts = "".join(f", {count} {name}" for name, count in left.items())
    say(f"embedding/{stage.stage_id}: {stage.info['rows']} vectors of length {given['dim']}{counts}")
    if taken := given.get("features"):
        named = f"{taken[0]} to {taken[-1]}" if len(taken) > 3 else ", ".join(taken)
        say(f"taken as vectors: {named}; other numeric columns: {', '.join(given['other_columns']) or 'none'}")
