"""The map as one picture, for browsers without WebGL2.

It uses plain arrays, because the picture must come at once. Datashader would compile for seconds before the first one.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor

from triptych.app.map.points import HALF_RANGE, NOWHERE

LARGEST = 4096  # pixels along a side
LARGEST_POINT = 256  # pixels across
LARGEST_NUMBER = 1e9
EYE = 3.6  # distance of the eye, as in static/map/camera.js
PAGE = (13, 17, 23)


@dataclass(frozen=True)
class View:
    """How the map is seen: the numbers of static/map/camera.js, in CSS pixels.

    rotation : 9 numbers, column-major; isolate : legend labels that are shown, () = all
    """

    width: int
    height: int
    dims: int
    scale: float
    x: float
    y: float
    size: float
    rotation: tuple
    isolate: tuple = ()

    @classmethod
    def from_query(cls, query):
        """A View from the arguments of an address (name -> text). ValueError if one is missing or out of range."""
        rotation = tuple(float(value) for value in query.get("rotation", "1,0,0,0,1,0,0,0,1").split(","))
        isolate = tuple(label for label in query.get("isolate", "").split("|") if label)
        numbers = {name: float(query.get(name, 0)) for name in ("scale", "x", "y", "size")}
        view = cls(
            int(query["w"]), int(query["h"]), int(query.get("dims", 2)), rotation=rotation, isolate=isolate, **numbers
        )
        if not (0 < view.width <= LARGEST and 0 < view.height <= LARGEST and view.scale > 0 and len(rotation) == 9):
            raise ValueError("its size, scale or rotation is out of range")
        numbers = [view.scale, view.x, view.y, view.size, *rotation]
        if view.dims not in (2, 3) or not (np.abs(numbers) <= LARGEST_NUMBER).all() or view.size > LARGEST_POINT:
            raise ValueError("its numbers are out of range")
        return view


def project(places, view):
    """Positions of points on the screen, as the browser computes them.

    places : (n, dims) uint16
    Returns x, y (n,) float32 in pixels; NaN for a point that is not on the map.
    """
    q = places.astype(np.float32) / HALF_RANGE - 1
    q[places[:, 0] == NOWHERE] = np.nan
    if view.dims == 3:
        q = q @ np.asarray(view.rotation, np.float32).reshape(3, 3)
        q = q[:, :2] * (EYE / (EYE - q[:, 2]))[:, None]
    return view.width / 2 + view.x + view.scale * q[:, 0], view.height / 2 + view.y - view.scale * q[:, 1]


def draw(table, header, codes, view):
    """PNG bytes of one view.

    table : app.map.points.MapTable; header : Colours.header() of the colouring; codes : (n,) uint8
    """
    picture = np.empty((view.height, view.width, 3), np.float32)
    picture[:] = PAGE
    if view.dims in table.places:
        x, y = project(table.places[view.dims], view)
        inside = (x >= 0) & (x < view.width) & (y >= 0) & (y < view.height)
        pixels = (y[inside].astype(np.int64) * view.width + x[inside].astype(np.int64), codes[inside])
        disc = disc_of(view.size)
        for entries, opacity in layers(header["entries"], view.isolate):
            for entry in entries:
                cover(picture, entry, pixels, disc, opacity)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(picture).astype(np.uint8)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def cover(picture, entry, pixels, disc, opacity):
    """Draw one class into picture (height, width, 3) float32.

    pixels : (flat pixel number, code) of the points in view; disc : (k, k) float 0..1, the pixels that a point covers
    """
    place, codes = pixels
    height, width = picture.shape[:2]
    shown = place[(codes >= entry["first"]) & (codes <= entry["last"])]
    if not len(shown):
        return
    from scipy.ndimage import grey_dilation  # slow to import, and few browsers ask

    points = np.zeros(height * width, np.float32)
    points[shown] = 1
    ink = grey_dilation(points.reshape(height, width), structure=disc - 1, mode="constant")
    ink = opacity * np.clip(ink, 0, 1)[..., None]
    picture *= 1 - ink
    picture += ink * np.array(ImageColor.getrgb(entry["colour"]), np.float32)


def disc_of(size):
    """(k, k) float 0..1: how much of each pixel a point covers; 1 in the middle. size : diameter in pixels"""
    reach = int(np.ceil(size / 2))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(size / 2 + 0.5 - np.hypot(x, y), 0, 1)
    disc[reach, reach] = 1
    return disc


def layers(entries, isolate):
    """((entries, opacity), ...): groups of legend entries in the order of drawing, background first."""
    shown = [entry for entry in entries if not isolate or entry["label"] in isolate]
    context = [{**entry, "colour": "#3a424d"} for entry in entries if entry not in shown]
    return (
        (context, 0.4),
        ([entry for entry in shown if entry["quiet"]], 0.7),
        (sorted((entry for entry in shown if not entry["quiet"]), key=lambda entry: -entry["count"]), 0.95),
    )
