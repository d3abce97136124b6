"""Where North and East are on a CCD, how large its pixels are, and at which brightness they saturate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triptych.pipeline.camera import Camera

MOST_UNLIKE = 1.5  # times the camera's own scale; a header that says otherwise is not believed


@dataclass(frozen=True)
class Frame:
    """One CCD's pixels on the sky.

    east, north : (2,) arcsec by which one pixel along (x, y) leads East, and North. x is the second axis of the array.
    saturation : ADU, infinite where it is not known.
    """

    east: tuple[float, float]
    north: tuple[float, float]
    saturation: float = math.inf

    @property
    def scale(self) -> float:
        """Side of a pixel, arcsec."""
        return math.sqrt(abs(self.east[0] * self.north[1] - self.east[1] * self.north[0]))

    def on_sky(self, xx, xy, yy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Second moments in pixels squared as (east-east, east-north, north-north), arcsec squared."""
        (ex, ey), (nx, ny) = self.east, self.north
        return (
            ex * ex * xx + 2 * ex * ey * xy + ey * ey * yy,
            ex * nx * xx + (ex * ny + ey * nx) * xy + ey * ny * yy,
            nx * nx * xx + 2 * nx * ny * xy + ny * ny * yy,
        )


def frame_of(
    camera: Camera, shape: Sequence[int], cd: Sequence[float] | None = None, saturation: float | None = None
) -> Frame:
    """The frame of a CCD image.

    shape : (ny, nx) of the image, which may be binned. cd : CD1_1, CD1_2, CD2_1, CD2_2 of its header, degrees, or None.
    Where they are missing or absurd, the camera says how its CCDs lie. saturation : ADU, None = not known.
    """
    known = math.inf if saturation is None else float(saturation)
    if cd is not None and all(math.isfinite(value) for value in cd):
        found = Frame((cd[0] * 3600, cd[1] * 3600), (cd[2] * 3600, cd[3] * 3600), known)
        if abs(math.log(max(found.scale, 1e-9) / _scale(camera, shape))) < math.log(MOST_UNLIKE):
            return found
    scale = _scale(camera, shape)
    # CCDs are displayed transposed: down is along x, to the right is along y
    return Frame(
        (0.0, scale if camera.flip_columns else -scale), (scale if camera.flip_rows else -scale, 0.0), saturation=known
    )


def _scale(camera: Camera, shape: Sequence[int]) -> float:
    """Arcsec per pixel, by how many pixels the image has of the camera's CCD; a cut-out has the CCD's own."""
    binning = min(full / max(1, side) for full, side in zip(camera.ccd_shape, shape, strict=True))
    whole = round(binning)
    binned = whole in (2, 4, 8, 16) and all(
        side == full // whole for full, side in zip(camera.ccd_shape, shape, strict=True)
    )
    return camera.pixel_scale * (whole if binned else 1)
