"""JPEG pictures: one CCD as a thumbnail, one exposure as a small mosaic. Pure functions from arrays to bytes.

Stretches, orientation and colours are those of the mosaic that the browser draws from app/pictures/packets.py.
"""

import io

import numpy as np
from PIL import Image

from triptych.app.pictures.sky_measured import STRETCH_LIMITS
from triptych.pipeline.errors import choose
from triptych.pipeline.pixels import images

QUALITY = 85
BACKGROUND = 10  # grey of the panel around the CCDs
BLANK = (22, 23, 25)  # where nothing was recorded
SMALLEST_SIDE = 56  # smaller thumbnails are enlarged smoothly
# blue below the sky, dark at the sky, red above it; the same table is in static/mosaic/stretch.js
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
    """Shades 0 to 1 of pixels of one CCD of a plane; NaN = nothing recorded.

    values : pixels, with any binning. i : index of the CCD in the plane, or (n,) indices for (n, ny, nx) values
    """
    choose(stretch, images.STRETCHES, "stretch")
    skies = plane.block_skies if stretch == "sky" else plane.skies
    own = stretch == "sky" or STRETCH_LIMITS[stretch]["ownSky"]
    sky = np.where(np.isfinite(skies[i]), skies[i], plane.sky) if own else plane.sky
    if np.ndim(i) and own:
        sky = sky[:, None, None]
    if stretch == "sky":
        return np.clip(0.5 + (values - sky) / (2 * plane.sky_reach), 0, 1)
    return images.STRETCHES[stretch](values, sky, plane.sigma)


def coloured(shade, stretch):
    """(height, width, 3) uint8: colours of shades 0 to 1. NaN becomes BLANK."""
    stops = np.array(DIVERGING if stretch == "sky" else ((0, 0, 0), (255, 255, 255)), float)
    at = np.linspace(0, 1, len(stops))
    recorded = np.isfinite(shade)
    level = np.where(recorded, shade, 0)
    rgb = np.stack([np.interp(level, at, stops[:, c]) for c in range(3)], axis=-1)
    return np.where(recorded[..., None], rgb + 0.5, BLANK).astype(np.uint8)


def jpeg(rgb):
    """JPEG bytes of (height, width, 3) uint8. A picture without colour is stored in grey."""
    grey = (rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all()
    picture = Image.fromarray(rgb[..., 0] if grey else rgb)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def thumbnail(plane, i, stretch):
    """JPEG of one CCD, north up, east left, at the size of the preview.

    i : index of the CCD in the plane. stretch : a name in pipeline.pixels.images.STRETCHES
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
    """JPEG of a whole exposure. Each CCD is averaged to the size of its slot, then stretched. width : in pixels"""
    scale = width / plane.camera.canvas[0]
    height = max(1, round(plane.camera.canvas[1] * scale))
    rgb = np.full((height, width, 3), BACKGROUND, np.uint8)
    for places, boxes, values in averaged(plane, scale, stretch):
        tiles = coloured(shades(values, np.asarray(places), plane, stretch), stretch)
        for tile, (x0, y0, x1, y1) in zip(tiles, boxes, strict=True):
            part = rgb[y0:y1, x0:x1]  # a slot at the edge may reach beyond the picture
            part[:] = tile[: part.shape[0], : part.shape[1]]
    return jpeg(rgb)


def averaged(plane, scale, stretch):
    """Average the CCDs to the sizes of their slots. CCDs of the same sizes are done together.

    Yields (indices in the plane, boxes (x0, y0, x1, y1) on the picture, values (n, height, width) with north up).
    """
    groups = {}
    for i, ccdnum in enumerate(plane.ccdnums):
        slot = plane.camera.by_number[int(ccdnum)]
        x0, y0 = round(slot.x0 * scale), round(slot.y0 * scale)
        x1 = max(x0 + 1, round((slot.x0 + slot.width) * scale))
        y1 = max(y0 + 1, round((slot.y0 + slot.height) * scale))
        shape = plane.own_blocks(i).shape if stretch == "sky" else plane.own_shapes[i]
        groups.setdefault((tuple(shape), y1 - y0, x1 - x0), []).append((i, (x0, y0, x1, y1)))
    source = plane.blocks if stretch == "sky" else plane.pixels
    for (shape, high, wide), members in groups.items():
        places = [i for i, _ in members]
        images_there = source[places, : shape[0], : shape[1]]
        shown = np.stack([images.display(image, plane.camera) for image in images_there])
        yield places, [box for _, box in members], shrunk(shown, high, wide)


def shrunk(values, high, wide):
    """(n, high, wide) float32: means of (n, ny, nx) values over equal parts. NaN for parts that recorded nothing.

    If the picture is smaller than that, its pixels are repeated.
    """
    for axis, size in ((1, high), (2, wide)):
        n = values.shape[axis]
        if n < size:
            values = np.take(values, np.arange(size) * n // size, axis=axis)
    recorded = np.isfinite(values)
    total, count = np.where(recorded, values, 0), recorded.astype(np.float32)
    for axis, size in ((1, high), (2, wide)):
        starts = np.arange(size) * values.shape[axis] // size
        total, count = np.add.reduceat(total, starts, axis=axis), np.add.reduceat(count, starts, axis=axis)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)
