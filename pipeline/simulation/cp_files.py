"""Writes simulated exposures in the Community Pipeline's format: `ooi` images, `ood` masks, RICE, one HDU per CCD.

With binning b, every pixel is the mean of b x b detector pixels. Levels, gains and saturation stay those of the
detector, the noise is b times smaller, and the pixel scale in the WCS is b times larger.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import fitsio
import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.simulation.conditions import SATURATION, Observation
from triptych.pipeline.simulation.cp_headers import archive_name, ccd_cards, primary_cards
from triptych.pipeline.simulation.exposure import CcdFrame

NO_VALUE, SATURATED_PIXEL = 2, 3  # data-quality codes of the Community Pipeline
QUANTIZATION = 4.0  # quantization levels per sigma of the noise, as in the archive's files


def write_exposure(
    folder: Path, observation: Observation, camera: Camera, binning: int, frames: Iterable[CcdFrame], *, masks: bool
) -> Path:
    """Write the CCDs as they are drawn and return the file's path. The file gets its name only when it is complete."""
    path = folder / archive_name(observation, "ooi")
    mask_path = folder / archive_name(observation, "ood")
    started = [_aside(path)] + ([_aside(mask_path)] if masks else [])
    handles = [fitsio.FITS(str(name), "rw", clobber=True) for name in started]
    try:
        for product, handle in zip(("ooi", "ood"), handles, strict=False):
            handle.write(None, header=primary_cards(observation, camera, binning, product))
        for frame in frames:
            cards = ccd_cards(observation, camera, binning, frame)
            _write_image(handles[0], frame, cards, binning)
            if masks:
                handles[1].write(_mask(frame.pixels), extname=frame.ccd.name, compress="rice", header=cards)
    finally:
        for handle in handles:
            handle.close()
    for name, final in reversed(list(zip(started, (path, mask_path), strict=False))):
        put_in_place(name, final)
    return path


def is_written(folder: Path, observation: Observation, *, masks: bool) -> bool:
    """Whether the exposure's complete files exist. The image is renamed last."""
    return (folder / archive_name(observation, "ooi")).exists() and (
        not masks or (folder / archive_name(observation, "ood")).exists()
    )


def _aside(path: Path) -> Path:
    """The hidden name of a file while this process writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def clear_unfinished(folder: Path) -> None:
    """Remove half-written files of processes that no longer run."""
    for path in folder.glob(".c4d_*.part"):
        try:
            os.kill(int(path.suffixes[-2][1:]), 0)
        except (ValueError, ProcessLookupError):
            path.unlink(missing_ok=True)
        except PermissionError:
            pass  # a running process of another user


def _write_image(handle: fitsio.FITS, frame: CcdFrame, cards: list[dict], binning: int) -> None:
    handle.write(
        frame.pixels,
        extname=frame.ccd.name,
        header=cards,
        compress="rice",
        tile_dims=[binning, frame.pixels.shape[1]],  # as many pixels as one detector row
        qlevel=QUANTIZATION,
        qmethod="SUBTRACTIVE_DITHER_1",
        dither_seed=frame.ccd.number,
    )


def _mask(pixels: np.ndarray) -> np.ndarray:
    """Data-quality codes: (ny, nx) int32, 0 = fine."""
    saturated = np.nan_to_num(pixels) > 0.95 * SATURATION
    return np.where(np.isnan(pixels), NO_VALUE, np.where(saturated, SATURATED_PIXEL, 0)).astype(np.int32)
