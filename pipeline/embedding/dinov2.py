"""Vision transformers through `transformers`, with the input of the published method.

The published preparation: the CCD as one channel, repeated three times, in raw ADU without any normalisation, resized
bilinearly without antialiasing to 2352 x 1176 pixels (168 x 84 patches of 14). The vector is the CLS token.
"""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from triptych.pipeline.errors import BadInput

SIZE = (2352, 1176)
PAPER_MODEL = "facebook/dinov2-with-registers-base"


def pick_device(device: str) -> str:
    """Check a device and return it.

    'auto' gives cuda if available, else mps, else cpu. BadInput if it cannot be used.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"device {device!r} cannot be used here ({reason}); give --device auto or cpu") from None
    return device


def pick_devices(device: str) -> list[str]:
    """A list of devices. auto and cuda give all GPUs of the machine; several names may be separated by commas."""
    if device in ("auto", "cuda") and torch.cuda.is_available():
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [pick_device(one.strip()) for one in device.split(",")]


def pick_precision(device: str, preparation: str) -> torch.dtype:
    """bfloat16 for sky-normalised pixels on cuda, float32 otherwise.

    With raw ADU, bfloat16 vectors have a cosine of 0.9999 to those in float32, but what distinguishes one image from
    another is lost, because the sky level uses up the eight bits. Differences between images then agree only with a
    cosine of 0.64.
    """
    return torch.bfloat16 if device.startswith("cuda") and preparation == "dinov2-sky" else torch.float32


def fill_blank(pixels: np.ndarray) -> np.ndarray:
    """Replace pixels that are not finite by the image's median, or by 0 if all are blank. pixels : (ny, nx) float32."""
    finite = np.isfinite(pixels)
    if finite.all():
        return pixels.astype(np.float32, copy=False)
    return np.where(finite, pixels, np.median(pixels[finite]) if finite.any() else 0).astype(np.float32)


def paper_pixels(pixels: np.ndarray) -> np.ndarray:
    """Raw ADU, as published. Blank pixels become the CCD's median, because a transformer cannot take NaN."""
    return fill_blank(pixels)


def sky_pixels(pixels: np.ndarray) -> np.ndarray:
    """Sky-normalised: arcsinh((value - median) / robust sigma) of the CCD. arcsinh keeps stars from dominating."""
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        return np.zeros(pixels.shape, np.float32)
    median = np.median(finite)
    sigma = max(1.4826 * float(np.median(np.abs(finite - median))), 1e-6)
    return np.arcsinh(np.clip((fill_blank(pixels) - median) / sigma, -10, 1000)).astype(np.float32)


# name -> function (ny, nx) float32 ADU -> (ny, nx) float32: how the pixels of one CCD are prepared
PREPARATIONS = {"dinov2-paper": paper_pixels, "dinov2-sky": sky_pixels}


def find_model(model: str) -> Path:
    """Folder of a model: a local folder, or a hub name such as owner/name, which is downloaded if it is not there yet.

    '' means the model of the paper, but only if it was downloaded before. BadInput if there is no such model.
    """
    if model and Path(model).expanduser().is_dir():
        folder = Path(model).expanduser().resolve()
        if not (folder / "config.json").exists():
            raise BadInput(f"{folder} has no config.json; name a folder written by a model's save_pretrained")
        return folder
    if model and (model.startswith((".", "/", "~")) or model.count("/") != 1):
        raise BadInput(f"{model} is neither a folder nor a hub name (owner/name); give a folder with a model")
    from transformers.utils.hub import cached_file

    wanted, offline = model or PAPER_MODEL, not model
    try:
        config = cached_file(wanted, "config.json", local_files_only=offline)
        cached_file(wanted, "model.safetensors", local_files_only=offline)
    except (OSError, ValueError) as error:
        if model:
            reason = str(error).strip().splitlines()[0]
            raise BadInput(f"{model} cannot be read from the hub ({reason}); give a local folder with it") from None
        raise BadInput(
            f"the weights of {PAPER_MODEL} are not on this machine; give a folder that has them with `--backbone "
            f"dinov2-paper:FOLDER`, or download them with `--backbone dinov2-paper:{PAPER_MODEL}`"
        ) from None
    return Path(config).parent  # pyright: ignore[reportArgumentType]  # it is None only if exceptions are turned off


def model_digest(folder: Path) -> str:
    """Digest of a model folder's configuration and weights, 16 hex digits."""
    total = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        if path.name in ("config.json", "model.safetensors") or path.name.startswith("model-"):
            with open(path, "rb") as handle:
                total.update(hashlib.file_digest(handle, "sha256").digest())
    return total.hexdigest()[:16]


class VisionTransformer:
    """A model in memory on a device.

    `vectors` turns prepared images into CLS vectors and may be called in any thread.
    """

    def __init__(self, folder: Path, device: str = "cpu", precision: torch.dtype = torch.float32):
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model = AutoModel.from_pretrained(
                    folder,
                    config=config,
                    local_files_only=True,
                    use_safetensors=True,
                    attn_implementation="sdpa",
                    dtype=precision,
                )
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"{folder} cannot be loaded as a model ({str(error).splitlines()[0]})") from None
        # plain attention stores N x N scores: 9.6 GB for one image of the published size
        if self.model.config._attn_implementation != "sdpa":
            raise BadInput(f"{folder} has no fused attention (SDPA); give a DINOv2 or ViT model")
        patch = getattr(config, "patch_size", 14)
        if not isinstance(patch, int) or not hasattr(config, "hidden_size"):
            raise BadInput(f"{folder} is not a vision transformer with square patches; give a DINOv2 or ViT model")
        self.model = self.model.eval().to(device)
        self.device = device
        self.precision = str(self.model.dtype).removeprefix("torch.")
        self.dim = config.hidden_size
        self.size = tuple(side // patch * patch for side in SIZE)

    def compile(self) -> None:
        """Compile the model with torch.

        The first batch of each size then takes a minute, and rounding differs a little.
        """
        self.model.compile(dynamic=False)

    def tensor(self, prepared: np.ndarray) -> torch.Tensor:
        """Resize (ny, nx) float32 to (1, 1, *size) on the device, bilinearly without antialiasing."""
        image = torch.from_numpy(np.ascontiguousarray(prepared, dtype=np.float32))[None, None]
        if self.device.startswith("cuda"):
            image = image.pin_memory()  # so that it is copied while the device still works on earlier images
        image = image.to(self.device, non_blocking=True)
        return functional.interpolate(image, self.size, mode="bilinear", align_corners=False, antialias=False)

    @torch.inference_mode()
    def vectors(self, prepared: list[np.ndarray]) -> np.ndarray:
        """CLS vectors (n, dim) float32 of prepared images of any size. The three channels share one array."""
        batch = torch.cat([self.tensor(image) for image in prepared]).to(self.model.dtype).expand(-1, 3, -1, -1)
        options = {}
        if self.model.config.model_type in ("vit", "deit", "dinov3_vit"):
            options["interpolate_pos_encoding"] = True
        output = self.model(pixel_values=batch, **options)
        return output.last_hidden_state[:, 0].float().cpu().numpy()
