"""A small vision transformer on previews of CCDs: how its pixels are prepared, how it is made, how it gives vectors.

It is a ViTForMaskedImageModeling of the transformers package (SimMIM, Xie et al. 2022: masked patches become one
learned token, and one linear layer fills them in). pretrain.py trains it on a survey's own previews. transformers can
read its folder; `triptych.json` beside the weights says how it was made.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch.nn import functional

from triptych.pipeline import focal_plane
from triptych.pipeline.camera import Camera
from triptych.pipeline.embedding import dinov2
from triptych.pipeline.errors import BadInput

PREPARATION = "preview-1"  # change it when `prepare` changes: then vectors made before belong to another backbone
FAINTEST, BRIGHTEST = -30.0, 1000.0  # limits to which pixels are clipped, in units of the sky noise
HEAD = 32  # numbers per attention head


def prepare(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring one exposure's previews to a scale that does not depend on ADU or exposure time: (n_ccd, *shape) float32.

    pixels : (n_ccd, ny, nx) float32 ADU, NaN = blank. They are averaged to `shape`, then arcsinh((value - sky) /
    noise). Sky and noise are medians over the exposure's CCDs, so a CCD that is brighter or noisier than the others
    stays so. NaN stays NaN.
    """
    small = focal_plane.resample(np.asarray(pixels, np.float32), *shape)
    median, sigma = focal_plane.sky(small)
    if not np.isfinite(median).any():
        return small
    level = float(np.nanmedian(median))
    noise = float(np.nanmedian(sigma)) or max(1e-3 * abs(level), 1e-6)
    return np.arcsinh(np.clip((small - level) / noise, FAINTEST, BRIGHTEST)).astype(np.float32)


def new_model(shape: tuple[int, int], *, patch: int, width: int, depth: int, seed: int):
    """An untrained model for images of `shape`. The seed decides its weights."""
    from transformers import ViTConfig, ViTForMaskedImageModeling

    config = ViTConfig(
        image_size=list(shape),
        patch_size=patch,
        encoder_stride=patch,
        num_channels=1,
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=width // HEAD,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ViTForMaskedImageModeling(config)


def grid_of(model) -> tuple[int, int]:
    """Number of patches in y and in x."""
    (ny, nx), patch = model.config.image_size, model.config.patch_size
    return ny // patch, nx // patch


def encode(model, images: torch.Tensor, masked: torch.Tensor | None = None) -> torch.Tensor:
    """Tokens (n, n_patches, width) of prepared images (n, ny, nx), NaN = blank. masked : (n, n_patches) bool."""
    filled = torch.nan_to_num(images, nan=0.0)[:, None]
    return model.vit(filled, bool_masked_pos=masked).last_hidden_state[:, 1:]


def encode_seen(model, images: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Tokens (n, n_seen, width) of the patches in `seen` (n, n_patches) bool only; each image must have as many."""
    embedded = model.vit.embeddings(torch.nan_to_num(images, nan=0.0)[:, None])
    places = torch.cat([torch.ones_like(seen[:, :1]), seen], 1)
    tokens = embedded[places].reshape(len(images), -1, embedded.shape[-1])
    for layer in model.vit.layers:
        tokens = layer(tokens, None)
    return model.vit.layernorm(tokens)[:, 1:]


def paint(model, tokens: torch.Tensor) -> torch.Tensor:
    """Images (n, ny, nx) from tokens. We do it here because transformers' own way supports only square images."""
    rows, columns = grid_of(model)
    return model.decoder(tokens.transpose(1, 2).reshape(len(tokens), -1, rows, columns))[:, 0]


def pool(tokens: torch.Tensor) -> torch.Tensor:
    """One vector per image, (n, 2 * width): mean and standard deviation of its tokens."""
    return torch.cat([tokens.mean(1), (tokens.var(1, unbiased=False) + 1e-6).sqrt()], 1)


@contextlib.contextmanager
def one_thread():
    """Use one torch thread, so that sums do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class PreviewTransformer:
    """The backbone `preview-vit:FOLDER`: one vector per CCD, from a model that `triptych pretrain` has made.

    It runs on the CPU with one thread, because embed() starts a process per core.
    """

    def __init__(self, folder: str | Path):
        if not str(folder):
            raise BadInput(
                "preview-vit needs a model: make one with `triptych pretrain RUN -o FOLDER`, then give "
                "`--backbone preview-vit:FOLDER`"
            )
        self.folder = dinov2.find_model(str(Path(folder).expanduser().resolve()))
        self.model, self.story = open_model(self.folder)
        ny, nx = cast(Sequence[int], self.model.config.image_size)
        self.shape = (ny, nx)
        self.width = self.model.config.hidden_size
        self.dim = 2 * self.width
        self.digest = f"preview-vit-{self.story['preparation']}-{dinov2.model_digest(self.folder)}"

    def vectors(self, camera: Camera, ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Vectors (n_ccd, dim) float32 of pixels (n_ccd, ny, nx) float32, ADU, NaN = blank."""
        return pool(torch.from_numpy(self.tokens(pixels))).numpy()

    @torch.inference_mode()
    def tokens(self, pixels: np.ndarray) -> np.ndarray:
        """Tokens (n_ccd, n_patches, width) float32 of an exposure's pixels (n_ccd, ny, nx) float32, ADU, NaN = blank.

        Patches are in row order.
        """
        with one_thread():
            return encode(self.model, torch.from_numpy(prepare(pixels, self.shape))).numpy()


def open_model(folder: Path):
    """The model (float32, on the CPU) and triptych.json of a folder made by `triptych pretrain`.

    BadInput if it is not.
    """
    from transformers import ViTForMaskedImageModeling
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        story = json.loads((folder / "triptych.json").read_text())
        if story["preparation"] != PREPARATION:
            raise BadInput(f"{folder} was trained on pixels that were prepared in another way; train it again")
        model = ViTForMaskedImageModeling.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{folder} has no model that `triptych pretrain` has finished ({str(error).splitlines()[0]})"
        ) from None
    return model.eval(), story


@torch.no_grad()
def resized(model, shape: tuple[int, int]):
    """The same weights for images of another shape, in whole patches. Positions of patches are interpolated."""
    from transformers import ViTConfig, ViTForMaskedImageModeling

    config = ViTConfig.from_dict({**model.config.to_dict(), "image_size": list(shape)})
    other = ViTForMaskedImageModeling(config).eval()
    weights, name = model.state_dict(), "vit.embeddings.position_embeddings"
    places = weights[name][:, 1:].transpose(1, 2).unflatten(2, grid_of(model))
    places = functional.interpolate(places, grid_of(other), mode="bilinear", antialias=True).flatten(2).transpose(1, 2)
    other.load_state_dict({**weights, name: torch.cat([weights[name][:, :1], places], 1)})
    return other
