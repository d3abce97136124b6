"""Ready-made pictures: one CCD as a thumbnail, one exposure as a small mosaic. Pure functions, arrays to JPEG bytes.

Same stretches, orientation and colours as the mosaic that the browser draws from packets (app/packets.py).
"""

import io

import numpy as np
from PIL import Image

from app.plane import STRETCH_LIMITS
from pipeline import images
from pipeline.errors import choose
from pipeline.focal_plane import resample

QUALITY = 85
BACKGROUND = 10  # grey of the panel around the CCDs
BLANK = (22, 23, 25)  # where nothing was recorded
SMALLEST_SIDE = 56  # a thumbnail of fewer pixels is enlarged smoothly
# below the sky blue, above it red, dark in the middle; the same table is in static/mosaic_stretch.js
DIVERGING = (
    (158, 209, 255),
    (74, 138, 205),
    (38, 66, 104),
    (18, 18, 20),
    (112, 48, 32),
    (214, 104, 64),
    (255, 205, 170),
)


def shades(values, i, plane, stretch):
    """0 to 1 of pixels of CCD number i of a plane (any binning); NaN = nothing recorded."""
    choose(stretch, images.STRETCHES, "stretch")
    own = stretch == "sky" or STRETCH_LIMITS[stretch]["ownSky"]
    levels = plane.block_skies if stretch == "sky" else plane.skies
    sky = levels[i] if own and np.isfinite(levels[i]) else plane.sky
    if stretch == "sky":
        return np.clip(0.5 + (values - sky) / (2 * plane.sky_reach), 0, 1)
    return images.STRETCHES[stretch](values, sky, plane.sigma)


def coloured(shade, stretch):
    """(height, width, 3) uint8 of shades 0 to 1, NaN = blank."""
    stops = np.array(DIVERGING if stretch == "sky" else ((0, 0, 0), (255, 255, 255)), float)
    at = np.linspace(0, 1, len(stops))
    recorded = np.isfinite(shade)
    level = np.where(recorded, shade, 0)
    rgb = np.stack([np.interp(level, at, stops[:, c]) for c in range(3)], axis=-1)
    return np.where(recorded[..., None], rgb + 0.5, BLANK).astype(np.uint8)


def jpeg(rgb):
    """JPEG bytes; a picture without colour is stored as grey."""
    grey = (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all()
    picture = Image.fromarray(rgb[..., 0] if grey else rgb)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def thumbnail(plane, i, stretch):
    """JPEG of one CCD, north up, east left, at the preview's own size.

    i : its place in the plane. stretch : name from pipeline.images.STRETCHES.
    """
    own = plane.own_part(i)
    values = plane.own_blocks(i) if stretch == "sky" else own
    rgb = coloured(images.display(shades(values, i, plane, stretch), plane.camera), stretch)
    height, width = images.display(own, plane.camera).shape
    factor = max(1, -(-SMALLEST_SIDE // min(width, height)))
    size = (width * factor, height * factor)
    if size != (rgb.shape[1], rgb.shape[0]):
        rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))
    return jpeg(rgb)


def small_mosaic(plane, width, stretch):
    """JPEG of a whole exposure, width pixels wide: each CCD averaged onto its slot, then stretched."""
    scale = width / plane.camera.canvas[0]
    height = max(1, round(plane.camera.canvas[1] * scale))
    rgb = np.full((height, width, 3), BACKGROUND, np.uint8)
    for i, ccdnum in enumerate(plane.ccdnums):
        slot = plane.camera.by_number[int(ccdnum)]
        x0, y0 = round(slot.x0 * scale), round(slot.y0 * scale)
        x1 = min(width, max(x0 + 1, round((slot.x0 + slot.width) * scale)))
        y1 = min(height, max(y0 + 1, round((slot.y0 + slot.height) * scale)))
        values = plane.own_blocks(i) if stretch == "sky" else plane.own_part(i)
        averaged = resample(images.display(values, plane.camera), y1 - y0, x1 - x0)
        rgb[y0:y1, x0:x1] = coloured(shades(averaged, i, plane, stretch), stretch)
    return jpeg(rgb)
