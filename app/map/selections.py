"""Selections on a map: from text to image_ids, and, if they are long, to the browser as one bit per point."""

import secrets
import threading

import numpy as np
from cachetools import LRUCache

from triptych.app.judging.viewer import Viewer
from triptych.app.map import regions
from triptych.app.map.colour_bytes import colour_bytes, opened
from triptych.app.map.points import map_table

KEPT_BYTES = 64_000_000
_kept: LRUCache[str, tuple] = LRUCache(KEPT_BYTES, getsizeof=lambda one: len(one[1]))
_lock = threading.Lock()


def images_of_region(viewer: Viewer, text, chosen, *, assisted):
    """(n,) int64: the image_ids that a selection's text takes for this user.

    text : see app.map.regions. chosen : image_ids selected before its first step
    Single images keep the order of the text; other selections are sorted. Raises BadInput if the text cannot be read.
    """
    table = map_table(viewer.survey)
    steps = regions.parse(text)
    if len(steps) == 1 and steps[0].dims == 0 and steps[0].op == "replace" and not steps[0].colour_by:
        return steps[0].image_ids  # in their order
    before = np.zeros(len(table), bool)
    if steps[0].op != "replace":
        before[table.index_of(chosen)] = True

    def codes_of(colour_by):
        header, codes = opened(colour_bytes(viewer, colour_by, assisted=assisted))
        return codes, header["entries"]

    taken = regions.resolve(steps, table, before, codes_of)
    by_id = table.images.by_id
    return np.asarray(table.image_ids)[by_id[taken[by_id]]]


def keep_bits(user, n, indices):
    """Keep a selection, so that this user's browser can fetch it. Returns the token of its address.

    n : number of points; indices : the selected ones
    """
    state = np.zeros(n, np.uint8)
    state[indices] = 1
    token = secrets.token_hex(8)
    with _lock:
        _kept[token] = (user.name, np.packbits(state, bitorder="little").tobytes())
    return token


def kept_bits(user, token):
    """Bytes of a kept selection, lowest bit first. None if it is no longer kept or belongs to another user."""
    with _lock:
        owner, bits = _kept.get(token, ("", None))
    return bits if owner == user.name else None
