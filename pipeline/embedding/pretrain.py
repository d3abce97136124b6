"""Trains a small vision transformer on the previews of a survey, self-supervised: no label is read.

masked_training.py has the training itself. This file has the input (previews of one or several runs) and the output: a
folder for `--backbone preview-vit:FOLDER`, which the transformers package can read too.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_aside, write_json
from triptych.pipeline.catalog.previews import content_of
from triptych.pipeline.embedding import preview_vit, reconstructions
from triptych.pipeline.embedding.dinov2 import pick_device
from triptych.pipeline.embedding.masked_training import (
    OBJECTIVES,
    Images,
    PretrainSettings,
    Trainer,
    draw_masks,
    hidden_pixels,
    parse_mask,
    refuse_others,
)
from triptych.pipeline.errors import BadInput

__all__ = ["OBJECTIVES", "PretrainSettings", "parse_mask", "pictures", "pretrain"]

HELD_OUT = 0.05  # share of the exposures
CHECKPOINT = "checkpoint.npz"
N_ODD, N_ANY = 6, 2  # number of CCDs in the picture: unusual ones, and any
Progress = Callable[..., None]


@dataclass(frozen=True)
class Source:
    """One exposure to learn from. content : digest of its preview, equal in every run that has it."""

    content: str
    catalog: Catalog
    expnum: int
    n_ccds: int


def pick(catalogs: Sequence[Catalog], settings: PretrainSettings) -> list[Source]:
    """Exposures with previews, in an order given by the seed, until they have `most_images` CCDs.

    An exposure that is in several runs counts once. BadInput with fewer than two exposures.
    """
    found = {}
    for catalog in catalogs:
        for row in catalog.exposures().itertuples():
            if catalog.has_preview(row.expnum):
                content = content_of(catalog, row.expnum)
                found[content] = Source(content, catalog, int(row.expnum), int(row.n_ccds))
    if len(found) < 2:
        names = ", ".join(catalog.name for catalog in catalogs) or "no run"
        raise BadInput(f"{names} has {len(found)} exposures with previews; pretraining needs two or more: ingest some")
    order = np.random.default_rng((settings.seed, 1)).permutation(len(found))
    sources = [found[content] for content in np.array(sorted(found))[order]]
    before = np.cumsum([0, *(source.n_ccds for source in sources[:-1])])
    return sources[: max(2, int((before < settings.most_images).sum()))]


def gather(sources: Sequence[Source], settings: PretrainSettings, progress: Progress | None = None) -> Images:
    """Read and prepare previews, without blank CCDs. One exposure in twenty, but at least one, is held out."""
    shape, parts, owner = None, [], []
    for place, source in enumerate(sources):
        pixels = source.catalog.preview(source.expnum)[1]
        shape = shape or shape_of(pixels, settings)
        prepared = preview_vit.prepare(pixels, shape)
        alive = np.isfinite(prepared).any((1, 2))
        parts.append(prepared[alive].astype(np.float16))
        owner += [place] * int(alive.sum())
        if progress:
            progress(0, settings.steps, f"reading exposure {place + 1} of {len(sources)}")
    exposure = np.array(owner, np.int64)
    held = exposure < max(1, round(HELD_OUT * len(sources)))
    if held.all() or not held.any():
        raise BadInput("the previews to learn from, or those to test on, are all blank; ingest more exposures")
    return Images(np.concatenate(parts), exposure, held)


def shape_of(pixels: np.ndarray, settings: PretrainSettings) -> tuple[int, int]:
    """`size` rows, and the number of columns that keeps the CCD's proportions, rounded to whole patches."""
    columns = settings.size * pixels.shape[2] / pixels.shape[1] / settings.patch
    return settings.size, max(1, round(columns)) * settings.patch


def pretrain(
    catalogs: Sequence[Catalog],
    folder: str | Path,
    settings: PretrainSettings | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict:
    """Train, and return the content of `folder`/triptych.json. An interrupted training is continued.

    folder : new, or with the beginning of the same training. A finished training with the same settings is left as it
    is. progress : called with (done, total, text), in steps. BadInput if the folder holds something else.
    """
    settings = settings or PretrainSettings()
    settings.check()
    folder = Path(folder).expanduser().resolve()
    device = pick_device(device)
    sources = pick(catalogs, settings)
    contents = [source.content for source in sources]
    wanted = {**asdict(settings), "mask": list(settings.mask), "images": _digest(contents)}
    story = _started(folder, wanted)
    if story:
        return story
    images = gather(sources, settings, progress)
    trainer = Trainer(settings, images, device)
    trainer.load(folder / CHECKPOINT, wanted)
    while trainer.step < settings.steps:
        trainer.train_one()
        if trainer.step % settings.every == 0 or trainer.step == settings.steps:
            trainer.measure()
            trainer.save(folder / CHECKPOINT, wanted)
        if progress:
            last = trainer.history[-1] if trainer.history else None
            text = f"loss {last['loss']:.3f}, held out {last['held_out']:.3f}" if last else ""
            progress(trainer.step, settings.steps, text)
    return _finish(trainer, folder, {"runs": [c.name for c in catalogs], "settings": wanted, "contents": contents})


# ---- the folder


def _digest(contents: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()[:16]


def _started(folder: Path, wanted: dict) -> dict | None:
    """triptych.json of a finished training with the wanted settings; None if there is none.

    BadInput for other files.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file; name a folder for the model")
    if (folder / "triptych.json").exists():
        story = preview_vit.open_model(folder)[1]
        refuse_others(story["settings"], wanted, folder)
        return story
    # with a checkpoint, the other files are what a kill at the very end has left
    if folder.exists() and not (folder / CHECKPOINT).exists() and any(folder.glob("[!.]*")):
        raise BadInput(f"{folder} has other files; name a new or empty folder")
    return None


def _finish(trainer: Trainer, folder: Path, origin: dict) -> dict:
    """Write weights, pictures and, last, triptych.json. Then delete the checkpoint."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, images = trainer.model.cpu().eval(), trainer.images
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # save_pretrained makes it readable for its owner only
    guess, painted = painting_error(model, images.take(trainer.held_rows), trainer.settings)
    story = {
        "preparation": preview_vit.PREPARATION,
        **origin,
        "exposures": len(origin["contents"]),
        "ccd_images": len(images.pixels),
        "held_out_exposures": int(np.unique(images.exposure[images.held]).size),
        "held_out_error": painted,
        "held_out_error_of_the_median": guess,
        "weights": sum(p.numel() for p in model.parameters()),
        "losses": trainer.history,
    }
    _draw(model, images, folder, trainer.settings)
    write_json(folder / "triptych.json", story)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return story


@torch.no_grad()
def painted_over(model, pixels: np.ndarray, settings: PretrainSettings) -> tuple[np.ndarray, np.ndarray]:
    """What the model fills in, and which pixels were hidden from it: (n, ny, nx) float32 and bool.

    pixels : (n, ny, nx) float32, prepared, NaN = blank.
    """
    n_patches = math.prod(preview_vit.grid_of(model))
    masked = torch.from_numpy(draw_masks(len(pixels), n_patches, settings.mask, np.random.default_rng(settings.seed)))
    painted = preview_vit.paint(model, preview_vit.encode(model, torch.from_numpy(pixels), masked))
    return painted.numpy(), hidden_pixels(masked, pixels.shape[1:], settings.patch).numpy()


def painting_error(model, pixels: np.ndarray, settings: PretrainSettings) -> tuple[float, float]:
    """Mean absolute error on hidden recorded pixels: of the median of each image's visible pixels, and of the model."""
    painted, hidden = painted_over(model, pixels, settings)
    shown = np.ma.masked_invalid(np.where(hidden, np.nan, pixels)).reshape(len(pixels), -1)
    median = np.ma.median(shown, axis=1).filled(0)[:, None, None]
    counted = hidden & np.isfinite(pixels)
    by_median, by_model = (float(np.abs(made - pixels)[counted].mean()) for made in (median, painted))
    return by_median, by_model


def _draw(model, images: Images, folder: Path, settings: PretrainSettings) -> None:
    """Write reconstructions.png: the most unusual held-out CCDs, and some others."""
    held = np.flatnonzero(images.held)
    chosen = reconstructions.odd_ones(images.pixels[held], images.exposure[held], N_ODD, N_ANY, settings.seed)
    pixels = images.take(held[chosen])
    painted, hidden = painted_over(model, pixels, settings)
    path = folder / "reconstructions.png"
    write_aside(path, lambda aside: reconstructions.draw(pixels, hidden, painted, aside))


def pictures(catalogs: Sequence[Catalog], folder: str | Path) -> Path:
    """Draw reconstructions.png of a finished model again, from the given runs. Return its path."""
    folder = Path(folder).expanduser().resolve()
    model, story = preview_vit.open_model(folder)
    known = {field.name: story["settings"][field.name] for field in fields(PretrainSettings)}
    settings = PretrainSettings(**{**known, "mask": tuple(known["mask"])})
    _draw(model, gather(pick(catalogs, settings), settings), folder, settings)
    return folder / "reconstructions.png"
