"""The map as one picture, drawn with Datashader: for browsers without WebGL2."""

import io
from dataclasses import dataclass

import numpy as np

from app.map_points import HALF_RANGE, NOWHERE

LARGEST = 4096  # pixels along a side
EYE = 3.6  # distance of the eye, as in static/map/camera.js
PAGE = (13, 17, 23)


@dataclass(frozen=True)
class View:
    """Where a picture is seen from: the numbers of static/map/camera.js, in CSS pixels.

    rotation : 9 numbers, column-major; isolate : labels of the legend that are shown, () = all
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
        """A View from the arguments of an address, as text; ValueError where they make none."""
        rotation = tuple(float(value) for value in query.get("rotation", "1,0,0,0,1,0,0,0,1").split(","))
        isolate = tuple(label for label in query.get("isolate", "").split("|") if label)
        numbers = {name: float(query.get(name, 0)) for name in ("scale", "x", "y", "size")}
        view = cls(
            int(query["w"]), int(query["h"]), int(query.get("dims", 2)), rotation=rotation, isolate=isolate, **numbers
        )
        if not (0 < view.width <= LARGEST and 0 < view.height <= LARGEST and view.scale > 0 and len(rotation) == 9):
            raise ValueError("its size, scale or rotation is out of range")
        if view.dims not in (2, 3) or not np.isfinite([view.scale, view.x, view.y, view.size, *rotation]).all():
            raise ValueError("its numbers are out of range")
        return view


def project(places, view):
    """Screen places of points as in the browser.

    places : (n, dims) uint16
    Returns x, y (n,) float32 in pixels; NaN where a point has no place.
    """
    q = places.astype(np.float32) / HALF_RANGE - 1
    q[places[:, 0] == NOWHERE] = np.nan
    if view.dims == 3:
        q = q @ np.asarray(view.rotation, np.float32).reshape(3, 3)
        q = q[:, :2] * (EYE / (EYE - q[:, 2]))[:, None]
    return view.width / 2 + view.x + view.scale * q[:, 0], view.height / 2 + view.y - view.scale * q[:, 1]


def draw(table, header, codes, view):
    """PNG bytes of one view.

    table : app.map_points.MapTable; header : what app.colours.Colours says beside the codes (palette, entries)
    codes : (n,) uint8
    """
    import datashader
    import pandas as pd
    from datashader import transfer_functions
    from PIL import Image

    picture = Image.new("RGBA", (view.width, view.height), (*PAGE, 255))
    if view.dims in table.places:
        x, y = project(table.places[view.dims], view)
        canvas = datashader.Canvas(view.width, view.height, x_range=(0, view.width), y_range=(0, view.height))
        for entries, strength in layers(header["entries"], view.isolate):
            for entry in entries:
                shown = (codes >= entry["first"]) & (codes <= entry["last"])
                points = pd.DataFrame({"x": x[shown], "y": view.height - y[shown]}).dropna()
                if len(points):
                    shaded = transfer_functions.shade(
                        canvas.points(points, "x", "y"), cmap=[entry["colour"]], how="eq_hist", min_alpha=strength
                    )
                    spread = transfer_functions.spread(shaded, px=max(0, round(view.size / 2 - 0.5)), shape="circle")
                    picture.alpha_composite(spread.to_pil(origin="lower"))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def layers(entries, isolate):
    """Legend entries in the order to draw them, with the least opacity (0..255) of each group: background first."""
    shown = [entry for entry in entries if not isolate or entry["label"] in isolate]
    context = [{**entry, "colour": "#3a424d"} for entry in entries if entry not in shown]
    return (
        (context, 70),
        ([entry for entry in shown if entry["quiet"]], 120),
        (sorted((entry for entry in shown if not entry["quiet"]), key=lambda entry: -entry["count"]), 200),
    )
