"""Compiled code for the live neighbours: it removes rows from the neighbour lists of images, and adds rows to them.

A list has up to `width` neighbours of one image, the nearest first; equal distances are in the order of the training
rows' keys. It is always the beginning of the sorted list of all possible neighbours. `whole` says that it has all of
them and room for more. So a list stays right, but shorter, when it loses rows. A row that would come after the last one
of a list that is not whole cannot be added, because an unknown row may come between.

Rows are first measured in float32 against a limit that is raised by more than the rounding errors, then again in
float64: see `neighbour_cells`. Its functions are used here too, with images in the cells and training rows as queries.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from triptych.pipeline.vectors.neighbour_cells import LANES, _limit, _measure_gaps, measure

REMOVED, RELABELLED = 1, 2


class Lists(NamedTuple):
    """The neighbours of all images, one list per slot.

    numbers : (slots, width) int32, training rows, -1 = none. distances : (slots, width) float64, to the power, infinite
    where there is none. counts : (slots,) int8. whole : (slots,) bool. far : (slots,) float64, the distance beyond
    which nothing can enter the list: infinite for a whole list, negative infinity for one that is too short to be used.
    """

    numbers: np.ndarray
    distances: np.ndarray
    counts: np.ndarray
    whole: np.ndarray
    far: np.ndarray


class Added(NamedTuple):
    """Training rows to add, m of them.

    exact : (m, dim) float64. rough : (m, dim) float32, relative to the middle and times the scale of the cells. columns
    : `rough` transposed, (dim, m). numbers : (m,) int32. exposures : (m,) int64. slack : the largest, see
    `neighbour_cells`.
    """

    exact: np.ndarray
    rough: np.ndarray
    columns: np.ndarray
    numbers: np.ndarray
    exposures: np.ndarray
    slack: float


class Room(NamedTuple):
    """Working memory of one thread: arrays per lane, and per added row."""

    near: np.ndarray
    near_terms: np.ndarray
    near_squares: np.ndarray
    limits: np.ndarray
    exact: np.ndarray
    terms: np.ndarray
    squares: np.ndarray
    bounds: np.ndarray
    gaps: np.ndarray
    gap_squares: np.ndarray


def room(added: int) -> Room:
    """Room for one thread. added : number of new training rows"""
    lanes = [np.empty(LANES, kind) for kind in (np.float32,) * 4 + (np.float64,) * 3]
    return Room(*lanes, *np.empty((3, added), np.float32))


@njit(nogil=True, cache=True)
def _far(lists, slot, fewest):
    """The largest distance at which a row can still enter the list of a slot."""
    count = lists.counts[slot]
    if lists.whole[slot]:
        return np.inf
    return lists.distances[slot, count - 1] if count >= fewest else -np.inf


@njit(nogil=True, cache=True)
def drop(lists, first, last, flags, fewest, changed):
    """Remove flagged rows from the lists of some slots.

    flags : (n_numbers,) uint8: REMOVED, RELABELLED or 0 for each training row. fewest : number of neighbours that
    decide an answer; a list that has fewer afterwards and is not whole is too short. changed : (slots,) bool, set to
    True if one of the first `fewest` rows was flagged.
    """
    numbers, distances, counts, _, far = lists
    for slot in range(first, last):
        count, kept = counts[slot], 0
        for place in range(count):
            number = numbers[slot, place]
            flag = flags[number]
            if flag and place < fewest:
                changed[slot] = True
            if flag == REMOVED:
                continue
            if kept < place:
                numbers[slot, kept] = number
                distances[slot, kept] = distances[slot, place]
            kept += 1
        if kept == count:
            continue
        for place in range(kept, count):
            numbers[slot, place] = -1
            distances[slot, place] = np.inf
        counts[slot] = kept
        far[slot] = _far(lists, slot, fewest)


@njit(nogil=True, cache=True)
def _put(lists, keys, slot, number, distance, fewest):
    """Insert a row into a list. Return its place, or the width of the list if it was not inserted."""
    numbers, distances, counts, whole, far = lists
    count, width = counts[slot], numbers.shape[1]
    place = count
    while place > 0 and (
        distances[slot, place - 1] > distance
        or (distances[slot, place - 1] == distance and keys[numbers[slot, place - 1]] > keys[number])
    ):
        place -= 1
    if place == width or (place == count and not whole[slot]):
        return width
    for later in range(min(count, width - 1), place, -1):
        numbers[slot, later] = numbers[slot, later - 1]
        distances[slot, later] = distances[slot, later - 1]
    numbers[slot, place] = number
    distances[slot, place] = distance
    if count < width:
        counts[slot] = count + 1
        # A full list cannot be known to be whole, because the next row may be left out.
        whole[slot] = whole[slot] and count + 1 < width
    far[slot] = _far(lists, slot, fewest)
    return place


@njit(nogil=True, cache=True)
def add(lists, cells, boxes, first, last, added, keys, scale, factor, power, fewest, room, changed):
    """Add rows to the lists of the images in some cells. Return how many pairs were measured in float64.

    cells : (tiles, rough, rows, exposures), boxes : (low, high), from `live_cells.lay_out`. keys : (n_numbers,) int64,
    the order of equal distances. changed : (slots,) bool, set to True if a row enters the first `fewest`.
    """
    tiles, rough, rows, exposures = cells
    low, high = boxes
    exact_rows, rough_rows, columns, numbers, added_exposures, slack = added
    near, near_terms, near_squares, limits, exact, terms, squares, bounds, gaps, gap_squares = room
    far = lists.far
    measured = 0
    for cell in range(first, last):
        farthest = -np.inf
        for lane in range(LANES):
            farthest = max(farthest, far[cell * LANES + lane])
        if farthest < 0:
            continue
        limit = _limit(farthest, slack, factor, scale, power)
        _measure_gaps(columns, columns, low[cell], high[cell], power, bounds, gaps, gap_squares)
        known = False
        for j in range(len(numbers)):
            if bounds[j] > limit:
                continue
            if not known:
                for lane in range(LANES):
                    own = far[cell * LANES + lane]
                    limits[lane] = -1 if own < 0 or rows[cell, lane] < 0 else _limit(own, slack, factor, scale, power)
                known = True
            measure(rough, cell, rough_rows, j, power, near, near_terms, near_squares)
            count = 0
            for lane in range(LANES):
                count += near[lane] <= limits[lane]
            if count == 0:
                continue
            measured += count
            measure(tiles, cell, exact_rows, j, power, exact, terms, squares)
            for lane in range(LANES):
                slot = cell * LANES + lane
                if near[lane] > limits[lane] or exposures[cell, lane] == added_exposures[j]:
                    continue
                if not exact[lane] <= far[slot] or exact[lane] == np.inf:
                    continue
                place = _put(lists, keys, slot, numbers[j], exact[lane], fewest)
                if place < fewest:
                    changed[slot] = True
                limits[lane] = _limit(far[slot], slack, factor, scale, power)
    return measured
