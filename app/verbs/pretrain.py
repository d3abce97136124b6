"""The verb that trains a backbone on a survey's own images."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Seed, open_run, say
from triptych.app.verbs.progress import bar


def pretrain(
    runs: Annotated[list[Path], typer.Argument(help="Run folders to learn from. It reads no labels.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.", metavar="FOLDER")],
    objective: Annotated[
        str,
        typer.Option(
            help="simmim: paint hidden patches; contrastive: recognise an image's halves; simmim+contrastive: both."
        ),
    ] = "simmim",
    steps: Annotated[int, typer.Option(help="Number of batches to learn from.")] = 2000,
    size: Annotated[int, typer.Option(help="Rows of pixels to which each CCD is averaged.")] = 128,
    patch: Annotated[int, typer.Option(help="Side of a patch in these pixels.")] = 8,
    width: Annotated[int, typer.Option(help="Numbers per patch; a vector has twice as many.")] = 128,
    depth: Annotated[int, typer.Option(help="Layers of the transformer.")] = 4,
    mask: Annotated[str, typer.Option(help="Share of hidden patches; 0.3-0.9 draws a share for every image.")] = "0.6",
    batch: Annotated[int, typer.Option(help="Images in a batch.")] = 64,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 0.001,
    images: Annotated[
        int, typer.Option(help="Approximate number of CCD images to learn from, kept in memory.")
    ] = 20_000,
    every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = 100,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Only draw the pictures of a finished model again.")
    ] = False,
) -> None:
    """Train a small vision transformer on the runs' own images. You can stop it and start it again."""
    from triptych.pipeline.extras import need

    need("training a backbone", "torch", "transformers")
    from triptych.pipeline.embedding import pretrain as training

    catalogs = [open_run(run) for run in runs]
    if pictures:
        say(f"{training.pictures(catalogs, out)} shows what the model makes of hidden patches")
        return
    settings = training.PretrainSettings(
        objective=objective,
        steps=steps,
        size=size,
        patch=patch,
        width=width,
        depth=depth,
        mask=training.parse_mask(mask),
        batch=batch,
        rate=rate,
        seed=seed,
        most_images=images,
        every=every,
    )
    with bar("pretrain") as progress:
        story = training.pretrain(catalogs, out, settings, device=device, progress=progress)
    say(f"{out}: {story['weights']:,} weights, from {story['ccd_images']:,} images of {story['exposures']} exposures")
    say(
        f"hidden pixels of held-out exposures: mean error {story['held_out_error']:.3f}, "
        f"{story['held_out_error_of_the_median']:.3f} by the median of what was shown (pictures in reconstructions.png)"
    )
    say(f"use it with `triptych embed RUN --backbone preview-vit:{out}`")
