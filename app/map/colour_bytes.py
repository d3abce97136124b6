"""Colour codes of a whole map for one user. They are made once for each state of the store and kept as bytes."""

import json
import threading

import numpy as np
from cachetools import LRUCache

from triptych.app.colours.colours import paint
from triptych.app.judging.viewer import Viewer
from triptych.app.map.points import map_table

KEPT_BYTES = 128_000_000  # colour codes of all users together
_kept = LRUCache(KEPT_BYTES, getsizeof=len)
_kept_lock = threading.Lock()
_painting = threading.Lock()  # one map at a time, because colouring millions of points needs much memory


def colour_bytes(viewer: Viewer, colour_by, *, assisted):
    """Colours.tobytes() of the survey's whole map: uint32 length of a JSON header, the header, one code per point.

    assisted : whether the model's opinion is shown before the vote
    """
    table = map_table(viewer.survey)
    # The revision is read before the votes, so that the codes kept under it are never older than it.
    known = (
        viewer.app.boot_id,
        viewer.survey.version,
        table.version,
        viewer.name,
        viewer.role,
        colour_by,
        assisted,
    )
    key = (*known, int(viewer.store.revision()))
    with _kept_lock:
        content = _kept.get(key)
    if content is not None:
        return content
    with _painting:
        with _kept_lock:
            content = _kept.get(key)
        if content is None:
            content = paint(viewer, colour_by, table.images, assisted=assisted).tobytes()
            with _kept_lock:
                if len(content) <= KEPT_BYTES:
                    _kept[key] = content
    return content


def opened(content):
    """(header as a dict, (n,) uint8 codes) of colour_bytes."""
    length = int.from_bytes(content[:4], "little")
    return json.loads(content[4 : 4 + length]), np.frombuffer(content, np.uint8, offset=4 + length)
