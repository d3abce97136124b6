"""Backbones by name. A backbone turns CCD images into vectors.

A backbone reads either the `preview` pixels of a whole exposure (so it can look at a CCD's neighbours) or the `full`
pixels of one CCD at a time. To add one: a class with `digest`, `dim` and `vectors`, and one line in BACKBONES.

Names: `triptych`, `statistics`, `dinov2-paper`, `dinov2-sky`, `preview-vit`. The last three take a model after a colon:
`dinov2-sky:FOLDER`, `dinov2-paper:owner/name`, `preview-vit:FOLDER`. A folder or hub name alone means `dinov2-paper:`
with that model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.pipeline import focal_plane
from triptych.pipeline.camera import Camera
from triptych.pipeline.embedding import line_filters, statistics_backbone
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.extras import need

NEAR = 0.5  # standard deviation, in CCD widths, of the Gaussian by which statistics of neighbours are averaged
ODD = 0.3  # differences from the exposure's median below this count as none; a statistic is between -1 and 1


class StatisticsBackbone:
    """Classical multi-scale statistics of each CCD, without its neighbours."""

    def __init__(self, model: str = "", device: str = "cpu"):
        self.digest = "statistics-1"
        self.dim = statistics_backbone.DIM

    def vectors(self, camera: Camera, ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Vectors (n_ccd, dim) float32 of pixels (n_ccd, ny, nx) float32, ADU, NaN = blank."""
        return statistics_backbone.statistics(pixels)


class TriptychBackbone:
    """The project's own backbone: lines that cross CCDs, and statistics of each CCD, its neighbours and its exposure.

    Nothing in it is trained. The line responses are in the vector twice, to double their weight in Manhattan distance.
    """

    def __init__(self, model: str = "", device: str = "cpu"):
        self.digest = "triptych-1"
        self.dim = 2 * line_filters.DIM + 2 * statistics_backbone.DIM

    def vectors(self, camera: Camera, ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Vectors (n_ccd, dim) float32 of pixels (n_ccd, ny, nx) float32, ADU, NaN = blank."""
        crossing = line_filters.lines(camera, ccdnums, pixels)
        own = statistics_backbone.statistics(pixels)
        near = focal_plane.around(own, focal_plane.centres(camera, ccdnums), NEAR)
        # the difference from the exposure's median; small differences are noise and count as none
        odd = own - np.median(own, axis=0, keepdims=True)
        odd = np.sign(odd) * np.maximum(np.abs(odd) - ODD, 0)
        return np.concatenate([crossing, crossing, near, odd], 1).astype(np.float32)


class TransformerBackbone:
    """A vision transformer of the transformers package, on the full-resolution pixels of one CCD at a time."""

    def __init__(self, preparation: str, model: str = "", device: str = "cpu"):
        from triptych.pipeline.embedding import dinov2

        folder = dinov2.find_model(model)
        self.prepare = dinov2.PREPARATIONS[preparation]
        precision = dinov2.pick_precision(device, preparation)
        self.transformer = dinov2.VisionTransformer(folder, device, precision)
        self.digest = f"{preparation}-{dinov2.model_digest(folder)}-{self.transformer.precision}"
        self.dim = self.transformer.dim

    def vectors(self, images: list[np.ndarray]) -> np.ndarray:
        """Vectors (n, dim) float32 of full-resolution images (ny, nx) float32, ADU, of any size, NaN = blank."""
        return self.transformer.vectors([self.prepare(image) for image in images])


def _preview_transformer(model: str, device: str):
    from triptych.pipeline.embedding.preview_vit import PreviewTransformer

    return PreviewTransformer(model)


@dataclass(frozen=True)
class Backbone:
    """One entry of the registry.

    reads : "preview" or "full". open : function (model, device) that loads it. title : what it is. takes_model :
    whether a folder or hub name may follow a colon. needs : modules that the plain install leaves out.
    """

    reads: str
    open: Callable[[str, str], Any]
    title: str
    takes_model: bool = False
    needs: tuple[str, ...] = ()


TRANSFORMER = ("torch", "transformers")
BACKBONES: dict[str, Backbone] = {
    "triptych": Backbone(
        "preview", TriptychBackbone, "lines that cross CCDs, and image statistics of each CCD and its neighbours"
    ),
    "statistics": Backbone("preview", StatisticsBackbone, "classical image statistics of each CCD by itself"),
    "dinov2-paper": Backbone(
        "full",
        lambda model, device: TransformerBackbone("dinov2-paper", model, device),
        "DINOv2 ViT-B/14 with registers on raw ADU, as published",
        takes_model=True,
        needs=TRANSFORMER,
    ),
    "dinov2-sky": Backbone(
        "full",
        lambda model, device: TransformerBackbone("dinov2-sky", model, device),
        "DINOv2 ViT-B/14 with registers on sky-normalised pixels",
        takes_model=True,
        needs=TRANSFORMER,
    ),
    "preview-vit": Backbone(
        "preview",
        _preview_transformer,
        "a small transformer that `triptych pretrain` has trained",
        takes_model=True,
        needs=TRANSFORMER,
    ),
}


def parse(backbone: str) -> tuple[str, str]:
    """Split what the user wrote into (name in BACKBONES, model): 'dinov2-sky:FOLDER' -> ('dinov2-sky', 'FOLDER').

    BadInput or UnknownName if it is neither a backbone nor a model.
    """
    name, _, model = str(backbone).partition(":")
    if name in BACKBONES:
        if model and not BACKBONES[name].takes_model:
            raise BadInput(f"{name} takes no model after a colon; give `--backbone {name}`")
        return name, model
    if "/" in str(backbone) or Path(backbone).is_dir():
        return "dinov2-paper", str(backbone)
    return choose(name, BACKBONES, "backbone"), model


def check_installed(name: str) -> None:
    """Raise NotInstalled if a backbone needs modules that are not installed."""
    need(f"the backbone {name}", *BACKBONES[name].needs)


def open_backbone(backbone: str, device: str = "cpu") -> tuple[str, Any]:
    """Load a backbone. Return its name in BACKBONES and the loaded backbone."""
    name, model = parse(backbone)
    check_installed(name)
    return name, BACKBONES[name].open(model, device)
