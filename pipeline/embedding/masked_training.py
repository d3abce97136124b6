"""Trains a masked model, step by step: objectives, masks, checkpoints.

Objectives: `simmim` fills in hidden patches (SimMIM, Xie et al. 2022: L1 on the hidden pixels, filled in by one linear
layer). `contrastive` finds the second view of a CCD among views of other CCDs (NT-Xent, Chen et al. 2020). The two
views are disjoint halves of its patches, so no star is in both, and what they share is the state of the image. The
third objective is the sum of both. Batches, masks and flips depend only on the seed and the step number. So a training
that was killed continues from its last checkpoint and ends with the same weights.
"""

import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from triptych.pipeline.catalog.files import write_aside
from triptych.pipeline.embedding import preview_vit
from triptych.pipeline.errors import BadInput, choose

# objective -> weight of filling in, weight of the contrast
OBJECTIVES: dict[str, tuple[float, float]] = {
    "simmim": (1.0, 0.0),
    "contrastive": (0.0, 1.0),
    "simmim+contrastive": (1.0, 0.2),
}
TEMPERATURE = 0.2
WARM_UP = 0.05  # share of the steps in which the learning rate rises
DECAY = 0.05
BETAS = (0.9, 0.95)
MOST_HELD = 128  # number of CCD images on which the loss is measured at every checkpoint


@dataclass(frozen=True)
class PretrainSettings:
    """All settings that decide the weights, apart from the images.

    mask : lowest and highest share of hidden patches.
    """

    objective: str = "simmim"
    steps: int = 2000
    size: int = 128
    patch: int = 8
    width: int = 128
    depth: int = 4
    mask: tuple[float, float] = (0.6, 0.6)
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0
    most_images: int = 20_000
    every: int = 100

    def check(self) -> None:
        """Raise BadInput if a value cannot be used."""
        choose(self.objective, OBJECTIVES, "objective")
        for name in ("steps", "patch", "depth", "every", "most_images"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name.replace('_', ' ')} is {getattr(self, name)}; give 1 or more")
        if self.batch < 2:
            raise BadInput(f"batch is {self.batch}; give 2 or more images")
        if self.size < 2 * self.patch or self.size % (2 * self.patch):
            raise BadInput(f"size is {self.size}; give a multiple of {2 * self.patch}, twice the patch")
        if self.width < preview_vit.HEAD or self.width % preview_vit.HEAD:
            raise BadInput(f"width is {self.width}; give a multiple of {preview_vit.HEAD}")
        if not 0 < self.mask[0] <= self.mask[1] < 1:
            raise BadInput(f"mask is {self.mask[0]:g} to {self.mask[1]:g}; give shares between 0 and 1, as in 0.6")
        if not 0 < self.rate < 1:
            raise BadInput(f"rate is {self.rate:g}; give a number between 0 and 1, as in 0.001")


def parse_mask(text: str) -> tuple[float, float]:
    """'0.6' -> (0.6, 0.6): the share hidden in every image. '0.3-0.9' -> (0.3, 0.9): a share drawn for every image."""
    low, _, high = text.partition("-")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise BadInput(f"mask {text!r} is not a share; give one such as 0.6, or a range such as 0.3-0.9") from None


@dataclass(frozen=True)
class Images:
    """Prepared CCD images.

    pixels : (n, ny, nx) float16, NaN = blank. exposure : (n,) int64. held : (n,) bool, held out.
    """

    pixels: np.ndarray
    exposure: np.ndarray
    held: np.ndarray

    def take(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), ny, nx) float32: the pixels of some images."""
        return self.pixels[rows].astype(np.float32)


class Trainer:
    """A model in training: weights, optimiser, number of steps done, and losses so far."""

    def __init__(self, settings: PretrainSettings, images: Images, device: str):
        self.settings, self.images, self.device = settings, images, device
        shape = images.pixels.shape[1:]
        model = preview_vit.new_model(
            shape, patch=settings.patch, width=settings.width, depth=settings.depth, seed=settings.seed
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed + 1)
            wide = 2 * settings.width
            head = torch.nn.Sequential(torch.nn.Linear(wide, wide), torch.nn.GELU(), torch.nn.Linear(wide, 64))
        self.parts = torch.nn.ModuleDict({"model": model, "head": head}).to(device)
        self.model = model
        self.optimiser = torch.optim.AdamW(
            self.parts.parameters(), lr=settings.rate, betas=BETAS, weight_decay=DECAY, foreach=False
        )
        self.rows = np.flatnonzero(~images.held)
        held = np.flatnonzero(images.held)
        self.held_rows = np.random.default_rng((settings.seed, 2)).permutation(held)[:MOST_HELD]
        self.step = 0
        self.recent: list[float] = []
        self.history: list[dict] = []

    def rate(self) -> float:
        """Learning rate of the next step: a short rise, then half a cosine down to zero."""
        at, warm = self.step + 1, max(1, round(WARM_UP * self.settings.steps))
        fall = 0.5 * (1 + math.cos(math.pi * min(at / self.settings.steps, 1)))
        return self.settings.rate * min(at / warm, 1) * fall

    def train_one(self) -> None:
        """Train one step on one batch."""
        rng = np.random.default_rng((self.settings.seed, 3, self.step))
        rows = rng.choice(self.rows, min(self.settings.batch, len(self.rows)), replace=False)
        self.parts.train()
        loss = self.loss(rows, rng)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parts.parameters(), 1.0, foreach=False)
        self.optimiser.step()
        self.step += 1
        self.recent.append(float(loss.detach()))

    def loss(self, rows: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """The objective's loss on some images. All random numbers come from `rng`."""
        painting, recognising = OBJECTIVES[self.settings.objective]
        pixels = self.images.take(rows)
        total = torch.zeros((), device=self.device)
        n_patches = math.prod(preview_vit.grid_of(self.model))
        if painting:
            images = torch.from_numpy(flip(pixels, rng)).to(self.device)
            masked = torch.from_numpy(draw_masks(len(rows), n_patches, self.settings.mask, rng)).to(self.device)
            painted = preview_vit.paint(self.model, preview_vit.encode(self.model, images, masked))
            total = total + painting * painting_loss(painted, images, masked, self.settings.patch)
        if recognising:
            half = draw_masks(len(rows), n_patches, (0.5, 0.5), rng)
            one, other = (self.view(pixels, seen, rng) for seen in (half, ~half))
            exposure = torch.from_numpy(self.images.exposure[rows]).to(self.device)
            total = total + recognising * contrastive_loss(one, other, exposure)
        return total

    def view(self, pixels: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """Projected vectors (n, 64) of the patches `seen` of the images, with random flips, brightness and noise."""
        n, (rows, columns) = len(pixels), preview_vit.grid_of(self.model)
        turns = rng.random((n, 2)) < 0.5
        pixels, seen = flip(pixels, rng, turns), flip(seen.reshape(n, rows, columns), rng, turns).reshape(n, -1)
        noise = rng.standard_normal(pixels.shape, np.float32) * rng.uniform(0, 0.2, (n, 1, 1)).astype(np.float32)
        pixels = pixels * rng.uniform(0.9, 1.1, (n, 1, 1)).astype(np.float32) + noise
        images, shown = torch.from_numpy(pixels).to(self.device), torch.from_numpy(seen).to(self.device)
        return self.parts["head"](preview_vit.pool(preview_vit.encode_seen(self.model, images, shown)))

    @torch.no_grad()
    def measure(self) -> None:
        """Record the mean loss since the last checkpoint, and the held-out loss, always with the same masks."""
        self.parts.eval()
        held = float(self.loss(self.held_rows, np.random.default_rng((self.settings.seed, 4))))
        self.history.append({"step": self.step, "loss": float(np.mean(self.recent)), "held_out": held})
        self.recent = []

    def save(self, path: Path, wanted: dict) -> None:
        """Write weights, optimiser state and losses in one step. wanted : settings that `load` will compare."""
        arrays = {}
        for name, weight in self.parts.named_parameters():
            state = self.optimiser.state.get(weight, {})
            arrays[f"weight.{name}"] = weight.detach().cpu().numpy()
            arrays |= {f"{k}.{name}": state[k].cpu().numpy() for k in ("exp_avg", "exp_avg_sq") if k in state}
        about = json.dumps({"wanted": wanted, "step": self.step, "history": self.history})

        def write(aside: Path) -> None:
            with open(aside, "wb") as handle:
                np.savez(handle, about=np.array(about), **arrays)

        write_aside(path, write)

    def load(self, path: Path, wanted: dict) -> None:
        """Continue from a checkpoint, if there is one. BadInput if it belongs to another training."""
        if not path.exists():
            return
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            about = json.loads(str(arrays["about"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise BadInput(f"{path} cannot be read; delete it to train from the beginning") from None
        refuse_others(about["wanted"], wanted, path.parent)
        self.step, self.history = about["step"], about["history"]
        for name, weight in self.parts.named_parameters():
            weight.data.copy_(torch.from_numpy(arrays[f"weight.{name}"]))
            if f"exp_avg.{name}" in arrays:
                moments = {
                    k: torch.from_numpy(arrays[f"{k}.{name}"]).to(self.device) for k in ("exp_avg", "exp_avg_sq")
                }
                # a weight with optimiser state took part in every step
                self.optimiser.state[weight] = {"step": torch.tensor(float(self.step)), **moments}


def refuse_others(stored: dict, wanted: dict, folder: Path) -> None:
    """Raise BadInput if `folder` holds a training with other settings than wanted."""
    for name, value in wanted.items():
        if stored.get(name) != value:
            raise BadInput(
                f"{folder} has a training with {name.replace('_', ' ')} {stored.get(name)}, not {value}; "
                "name a new folder, or use the same settings again"
            )


def draw_masks(n: int, n_patches: int, share: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """(n, n_patches) bool. In each row a share is True, drawn between the two given; at least one patch, never all."""
    shares = rng.uniform(*share, n) if share[1] > share[0] else np.full(n, share[0])
    counts = np.clip(np.round(shares * n_patches), 1, n_patches - 1)
    return rng.random((n, n_patches)).argsort(1).argsort(1) < counts[:, None]


def flip(images: np.ndarray, rng: np.random.Generator, turns: np.ndarray | None = None) -> np.ndarray:
    """Mirror (n, y, x) images in y and in x if `turns` (n, 2) says so. None draws it at random."""
    turns = rng.random((len(images), 2)) < 0.5 if turns is None else turns
    steps = np.where(turns, -1, 1)
    return np.stack([image[::down, ::across] for image, (down, across) in zip(images, steps, strict=True)])


def hidden_pixels(masked: torch.Tensor, shape: Sequence[int], patch: int) -> torch.Tensor:
    """From hidden patches (n, n_patches) bool to hidden pixels (n, ny, nx) bool."""
    grid = masked.reshape(-1, shape[0] // patch, shape[1] // patch)
    return grid.repeat_interleave(patch, 1).repeat_interleave(patch, 2)


def painting_loss(painted: torch.Tensor, images: torch.Tensor, masked: torch.Tensor, patch: int) -> torch.Tensor:
    """Mean absolute difference over pixels that were hidden and recorded. Blank (NaN) pixels do not count."""
    valid = torch.isfinite(images)
    weight = hidden_pixels(masked, images.shape[1:], patch) & valid
    difference = torch.where(weight, painted - torch.where(valid, images, 0), 0).abs()
    return difference.sum() / weight.sum().clamp(min=1)


def contrastive_loss(one: torch.Tensor, other: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
    """NT-Xent loss of two views (n, dim) of the same images. Other CCDs of the same exposure are left out."""
    n = len(one)
    vectors = functional.normalize(torch.cat([one, other]), dim=1)
    alike = vectors @ vectors.T / TEMPERATURE
    partner = torch.arange(2 * n, device=one.device).roll(n)
    same = exposure.repeat(2)
    leave_out = same[:, None] == same[None]
    leave_out[torch.arange(2 * n), partner] = False
    return functional.cross_entropy(alike.masked_fill(leave_out, -torch.inf), partner)
