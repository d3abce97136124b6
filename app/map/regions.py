"""Selections as short text: a lasso or a box as its outline on the map, single images as their ids.

A lasso around a million points has about a hundred vertices. The text goes into the page's address and to the server.
The server finds the same points as the browser, because both compare the same integers with the same formula
(static/map/region.js).

A selection is a list of steps joined by `~`, each `OP.KIND.…` with OP r (replace), a (add) or s (subtract):

    r.2.K.OUTLINE             points inside an outline on the flat map
    r.3.K.OUTLINE.ROTATION    points behind an outline on the solid map, as seen with this rotation
    r.i.IDS                   single images, in their order
    ….f.COLOURING:LABEL|…     two last fields: only points of these classes of the legend

OUTLINE: base64url of zigzag varints: the difference of each vertex to the one before, in units of 2^-K of the projected
map, whose half width is 1. ROTATION: base64url of nine little-endian int16, column-major, 1 = 32767. IDS: varints of
differences, like OUTLINE.
"""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import quote, unquote

import numpy as np

from triptych.app.map.points import HALF_RANGE, NOWHERE
from triptych.pipeline.errors import BadInput

OPERATIONS = {"r": "replace", "a": "add", "s": "subtract"}
LONGEST = 4000  # characters of a whole selection
MOST_STEPS = 24
MOST_IDS = 500
EYE = 3.6  # distance of the eye, as in static/map/camera.js
ROTATION_UNIT = 32767
BLOCK = 500_000
FINEST = 24  # the largest K


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a selection.

    op : replace, add or subtract; dims : 2, 3, or 0 for single images
    outline : (m, 2) int64 in units of 2**-k; rotation : (9,) float64; image_ids : (m,) int64
    colour_by, labels : the step takes only these classes of a colouring; '' and () = all
    """

    op: str
    dims: int
    k: int = 0
    outline: np.ndarray | None = None
    rotation: np.ndarray | None = None
    image_ids: np.ndarray | None = None
    colour_by: str = ""
    labels: tuple = ()


def parse(text):
    """The list of Steps in a selection's text. BadInput if the text is too long or cannot be read."""
    parts = text.split("~")
    if len(text) > LONGEST or len(parts) > MOST_STEPS:
        raise BadInput("this address names too long a selection; lasso the points again")
    try:
        return [step_of(part) for part in parts]
    except (ValueError, IndexError, KeyError, binascii.Error):
        raise BadInput("this address names a selection that cannot be read; lasso the points again") from None


def step_of(text):
    fields = text.split(".")
    colour_by, labels = "", ()
    if "f" in fields[3:]:
        at = fields.index("f", 3)
        colour_by, _, named = unquote(fields[at + 1]).partition(":")
        labels = tuple(unquote(name) for name in named.split("|"))
        fields = fields[:at]
    op, kind = OPERATIONS[fields[0]], fields[1]
    more = {"colour_by": colour_by, "labels": labels}
    if kind == "i":
        return Step(op, 0, image_ids=np.cumsum(integers(fields[2])), **more)
    k, dims = int(fields[2]), int(kind)
    outline = integers(fields[3]).reshape(-1, 2).cumsum(axis=0)
    if dims not in (2, 3) or not 0 <= k <= FINEST or len(outline) < 3:
        raise ValueError(text)
    rotation = None
    if dims == 3:
        rotation = np.frombuffer(unpacked(fields[4]), "<i2", 9).astype(float) / ROTATION_UNIT
    return Step(op, dims, k, outline, rotation, **more)


def text_of_images(image_ids):
    """Text of a selection of single images. '' if there are none, or too many for an address."""
    ids = np.asarray(image_ids, np.int64)
    if not 0 < len(ids) <= MOST_IDS:
        return ""
    return f"r.i.{packed(np.diff(ids, prepend=0))}"


def joined(before, text):
    """Text of a selection with one more step. '' if it is too long for an address."""
    if text.startswith("r") or not before:
        return text
    both = f"{before}~{text}"
    return both if len(both) <= LONGEST and both.count("~") < MOST_STEPS else ""


def integers(text):
    """(n,) int64 from base64url of zigzag varints."""
    raw = np.frombuffer(unpacked(text), np.uint8).astype(np.int64)
    ends = np.flatnonzero(raw < 128)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise ValueError("a number is cut off")
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() > 8:
        raise ValueError("a number is too long")
    shifts = 7 * (np.arange(len(raw)) - np.repeat(starts, ends - starts + 1))
    values = np.add.reduceat((raw & 127) << shifts, starts)
    return (values >> 1) ^ -(values & 1)


def packed(values):
    """base64url of zigzag varints of (n,) int64."""
    out = bytearray()
    for value in np.asarray(values, np.int64).tolist():
        value = 2 * value if value >= 0 else -2 * value - 1
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        out.append(value)
    return base64.urlsafe_b64encode(bytes(out)).decode().rstrip("=")


def unpacked(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def filter_text(colour_by, labels):
    """The last two fields of a step that takes only some classes."""
    named = "|".join(quote(label, safe="").replace(".", "%2E") for label in labels)
    return f".f.{quote(f'{colour_by}:{named}', safe='').replace('.', '%2E')}"


def resolve(steps, table, chosen, codes_of):
    """(n,) bool: the points that a selection takes.

    table : app.map.points.MapTable; chosen : (n,) bool, the points selected before the first step
    codes_of : function colour_by -> ((n,) uint8, legend entries as dicts), for steps that take only some classes
    """
    for step in steps:
        found = points_of_step(step, table)
        if step.colour_by:
            codes, entries = codes_of(step.colour_by)
            shown = np.zeros(256, bool)
            for entry in entries:
                if entry["label"] in step.labels:
                    shown[entry["first"] : entry["last"] + 1] = True
            found &= shown[codes]
        if step.op == "replace":
            chosen = found
        elif step.op == "add":
            chosen = chosen | found
        else:
            chosen = chosen & ~found
    return chosen


def points_of_step(step, table):
    """(n,) bool: the points of one step, whatever their class."""
    found = np.zeros(len(table), bool)
    if step.dims == 0:
        found[table.images.index_of(step.image_ids)] = True
    elif step.dims in table.places:
        places = table.places[step.dims]
        for start in range(0, len(table), BLOCK):
            found[start : start + BLOCK] = inside(step, places[start : start + BLOCK])
    return found


def inside(step, places):
    """(n,) bool: which places lie inside a step's outline, by the even-odd rule. places : (n, dims) uint16"""
    unit = float(2**step.k)
    x, y = projected(step, places)
    x, y = x * unit, y * unit
    (left, top), (right, bottom) = step.outline.min(axis=0), step.outline.max(axis=0)
    near = np.flatnonzero((x >= left) & (x <= right) & (y >= top) & (y <= bottom) & (places[:, 0] != NOWHERE))
    near = near[np.argsort(y[near], kind="stable")]
    px, py = x[near], y[near]
    odd = np.zeros(len(near), bool)
    corners = step.outline.astype(float)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:
            continue
        low, high = (ay, by) if ay < by else (by, ay)
        # the edge counts for points with low <= y < high
        first, after = np.searchsorted(py, low, "left"), np.searchsorted(py, high, "left")
        part = slice(first, after)
        odd[part] ^= px[part] < ax + (bx - ax) * (py[part] - ay) / (by - ay)
    found = np.zeros(len(places), bool)
    found[near[odd]] = True
    return found


def projected(step, places):
    """(x, y), each (n,) float64: positions on the projected map, whose half width is 1. places : (n, dims) uint16"""
    q = places.astype(np.float64) / HALF_RANGE - 1
    if step.dims == 2:
        return q[:, 0], q[:, 1]
    r = step.rotation
    sx, sy, sz = q[:, 0], q[:, 1], q[:, 2]
    nearness = EYE / (EYE - (r[2] * sx + r[5] * sy + r[8] * sz))
    return (r[0] * sx + r[3] * sy + r[6] * sz) * nearness, (r[1] * sx + r[4] * sy + r[7] * sz) * nearness
