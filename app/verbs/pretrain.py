"""The verb that trains a backbone on a survey's own images."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Seed, open_run, say
from triptych.app.verbs.progress import bar


def pretrain(
    runs: Annotated[list[Path], typer.Argument(help="Run folders to learn from. Labels are not used.", metavar="RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.", metavar="FOLDER")],
    objective: Annotated[
        str,
        typer.Option(
            help="simmim (fill in hidden patches), contrastive (match halves of an image) or simmim+contrastive."
        ),
    ] = "simmim",
    steps: Annotated[int, typer.Option(help="Number of batches to train on.")] = 2000,
    size: Annotated[int, typer.Option(help="Rows of pixels of each CCD after averaging.")] = 128,
    patch: Annotated[int, typer.Option(help="Side of a patch, in these pixels.")] = 8,
    width: Annotated[int, typer.Option(help="Numbers per patch; the vector has twice as many.")] = 128,
    depth: Annotated[int, typer.Option(help="Number of layers of the transformer.")] = 4,
    mask: Annotated[
        str, typer.Option(help="Share of patches to hide; a range such as 0.3-0.9 draws one for every image.")
    ] = "0.6",
    batch: Annotated[int, typer.Option(help="Number of images in a batch.")] = 64,
    rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 0.001,
    images: Annotated[int, typer.Option(help="Number of CCD images to keep in memory and train on, about.")] = 20_000,
    every: Annotated[int, typer.Option(help="Number of steps between checkpoints.")] = 100,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Only draw the pictures of a finished model again.")
    ] = False,
) -> None:
    """Train a backbone on the runs' own images.

    It is a small vision transformer. If stopped, run it again to continue.
    """
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
        f"{story['held_out_error_of_the_median']:.3f} with the median of the visible pixels "
        f"(pictures in reconstructions.png)"
    )
    say(f"use it with `triptych embed RUN --backbone preview-vit:{out}`")
