"""Where a camera's CCDs are on one small picture of its focal plane, and how to put previews onto the picture.

The picture has HEIGHT x WIDTH pixels, with North up and East left. DECam's CCDs are TILE = 28 x 58 pixels on it; one
pixel is about 70 detector pixels.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from triptych.pipeline.camera import Camera

HEIGHT, WIDTH = 384, 448
FIELD = (419.3, 379.6)  # a camera's canvas fits into this part of the picture, x and y; DECam's CCDs then have TILE
TILE = (28, 58)
BACKGROUND = 3.5  # standard deviation, in pixels, of the Gaussian that smooths a CCD to get its background


@dataclass(frozen=True)
class Slots:
    """Places of some CCDs on the picture. corners : (n_ccd, 4) int, x0, y0, x1, y1 in pixels."""

    names: tuple[str, ...]
    corners: np.ndarray

    def index(self, name: str) -> int:
        """Place of a CCD in `names` and `corners`."""
        return self.names.index(name)

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """Return the CCDs' parts of a (HEIGHT, WIDTH) picture: (n_ccd, *TILE). All slots must have the size TILE."""
        return np.stack([picture[y0:y1, x0:x1] for x0, y0, x1, y1 in self.corners])

    def lay(self, tiles: list[np.ndarray] | np.ndarray, background: float = 0.0) -> np.ndarray:
        """Return the (HEIGHT, WIDTH) picture with each CCD's tile in its slot, and `background` elsewhere."""
        picture = np.full((HEIGHT, WIDTH), background, np.float32)
        for (x0, y0, x1, y1), tile in zip(self.corners, tiles, strict=True):
            picture[y0:y1, x0:x1] = tile
        return picture


def slots(camera: Camera) -> Slots:
    """Places of all CCDs of a camera on the picture."""
    scale = min(FIELD[0] / camera.canvas[0], FIELD[1] / camera.canvas[1])
    left, top = (WIDTH - scale * camera.canvas[0]) / 2, (HEIGHT - scale * camera.canvas[1]) / 2
    corners = []
    for ccd in camera.ccds:
        x0, y0 = round(left + scale * ccd.x0), round(top + scale * ccd.y0)
        corners.append((x0, y0, x0 + int(scale * ccd.width), y0 + int(scale * ccd.height)))
    return Slots(camera.names, np.array(corners))


@lru_cache(maxsize=64)
def averaging(n_in: int, n_out: int) -> np.ndarray:
    """(n_out, n_in) float32 weights that sum n_in pixels onto n_out pixels by the length that they share."""
    edges = np.arange(n_out + 1) * (n_in / n_out)
    low = np.maximum(edges[:-1, None], np.arange(n_in)[None])
    high = np.minimum(edges[1:, None], np.arange(n_in)[None] + 1)
    return np.maximum(high - low, 0).astype(np.float32)


def resample(pixels: np.ndarray, ny: int, nx: int) -> np.ndarray:
    """Average images to ny x nx pixels.

    pixels : (..., y, x) float32, NaN = blank. A new pixel is NaN if at most 30 % of its area is recorded.
    """
    rows, columns = averaging(pixels.shape[-2], ny), averaging(pixels.shape[-1], nx).T
    weight = np.isfinite(pixels).astype(np.float32)
    total = rows @ np.where(weight > 0, pixels, 0).astype(np.float32) @ columns
    weight = rows @ weight @ columns
    full = rows.sum(1)[:, None] * columns.sum(0)[None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.3 * full, total / weight, np.nan).astype(np.float32)


def normalise(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring an exposure to the same scale as all others, whether or not its background was subtracted.

    tiles : (n_ccd, y, x) float32, any unit, NaN = blank. Returns detail and smooth, both of that shape, in units of the
    exposure's sky noise. detail : the difference from each CCD's own smooth background, clipped to -4..15. smooth :
    that background relative to the exposure's median. NaN stays NaN.
    """
    median, sigma = sky(tiles)
    if not np.isfinite(median).any():
        return tiles, tiles
    noise = float(np.nanmedian(sigma)) or max(1e-3 * abs(float(np.nanmedian(median))), 1e-6)
    scaled = (tiles - median[:, None, None]) / noise
    weight = np.isfinite(scaled).astype(np.float32)
    reach = (0, BACKGROUND, BACKGROUND)
    total = ndimage.gaussian_filter(np.where(weight > 0, np.clip(scaled, -3, 3), 0).astype(np.float32), reach)
    smooth = total / np.maximum(ndimage.gaussian_filter(weight, reach), 1e-3)
    detail = np.clip(scaled - smooth, -4, 15)
    level = (median - np.nanmedian(median)) / noise
    return detail.astype(np.float32), np.where(weight > 0, smooth + level[:, None, None], np.nan).astype(np.float32)


def sky(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust standard deviation of each image of (n, y, x); NaN if an image is blank."""
    flat = tiles.reshape(len(tiles), -1)
    median, sigma = np.full(len(flat), np.nan, np.float32), np.full(len(flat), np.nan, np.float32)
    for i, image in enumerate(flat):
        good = image[np.isfinite(image)]
        if good.size:
            median[i] = np.median(good)
            sigma[i] = 1.4826 * np.median(np.abs(good - median[i]))
    return median, sigma


def to_sky(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Turn CCD arrays (n, y, x) so that North is up and East is left: (n, x, y)."""
    turned = pixels.transpose(0, 2, 1)
    turned = turned[:, ::-1] if camera.flip_rows else turned
    return turned[:, :, ::-1] if camera.flip_columns else turned


def corners_of(camera: Camera, ccdnums: np.ndarray) -> np.ndarray:
    """Corners (n_ccd, 4) of the CCDs with these numbers on the picture."""
    all_slots = slots(camera)
    return np.stack([all_slots.corners[all_slots.index(camera.name_of(int(number)))] for number in ccdnums])


def centres(camera: Camera, ccdnums: np.ndarray) -> np.ndarray:
    """Centres (n_ccd, 2) of CCDs, x and y, relative to the middle of the focal plane, in widths of DECam's CCDs."""
    corners = corners_of(camera, ccdnums)
    middle = (corners[:, :2] + corners[:, 2:]) / 2 - np.array([WIDTH, HEIGHT]) / 2
    return (middle / TILE[1]).astype(np.float32)


def around(values: np.ndarray, places: np.ndarray, reach: float) -> np.ndarray:
    """Mean of the values of each CCD and its neighbours, weighted by a Gaussian of the distance.

    values : (n_ccd, dim). places : (n_ccd, 2) from `centres`. reach : standard deviation in CCD widths.
    """
    distance = ((places[:, None] - places[None]) ** 2).sum(-1)
    weight = np.exp(-distance / 2 / reach**2)
    return (weight / weight.sum(1, keepdims=True) @ values).astype(np.float32)


def picture_tiles(pixels: np.ndarray, camera: Camera, corners: np.ndarray) -> np.ndarray:
    """Previews of one exposure averaged to their slots: (n_ccd, tile height, tile width), NaN = blank.

    The outermost pixels of each tile are set to blank: in pictures cut from a larger one they contain some of the gap.
    """
    height, width = int(corners[0, 3] - corners[0, 1]), int(corners[0, 2] - corners[0, 0])
    tiles = resample(to_sky(pixels, camera), height, width)
    tiles[:, [0, -1]] = tiles[:, :, [0, -1]] = np.nan
    return tiles
