"""Training rows sorted into cells, and an exact neighbour search that skips most cells.

A k-d split puts LANES rows that are close together into each cell, and each cell knows the box around its rows. Queries
are sorted by the cell that they fall into, and the queries of one cell are answered together. Cells are visited in
order of the distance between their box and the box around these queries. A query skips a cell that is farther away than
its k-th neighbour.

Boxes and rows are first measured in float32, several lanes at a time, against a limit that is raised by more than all
rounding errors together. Whatever is within the limit is measured again in float64, in the order of the features, and
only that decides. So the answer equals brute force in float64 bit for bit, including ties:

- Coordinates are shifted to the middle of the training rows and divided by a power of two, so that training rows are
  between -1 and 1. With u = 2**-24, a coordinate difference in float32 is at most |q - x| + e, where e is u times the
  sum of the two coordinates' absolute values. By Minkowski's inequality, these e raise a distance by at most u times
  the sum of the absolute values in both vectors (`spread` bounds that sum for any training row). The other operations
  (`dim` sums and `power` products of positive numbers) have a relative error below (dim + 2 power + 8) u. The limit
  allows for twice both.
- Rounding keeps the order of numbers, and a box in float32 is the box of the float32 rows. So the distance to the box
  is never larger than the float32 distance to a row in it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

# Number of rows in a cell, whose distances are summed side by side; largest number of queries answered together.
LANES = 64
GROUP = 64
# The number of features is padded with zeros to a multiple of this, because so many are summed at once.
STRIDE = 4
# After so many cells, check again how far the farthest k-th neighbour of a group of queries is.
LOOK_AGAIN = 16
# Differences and sums of larger numbers may overflow, so such queries are answered by brute force.
LARGEST = 1e150


class Rows(NamedTuple):
    """Training rows in tiles of LANES.

    tiles : (n_cells, dim, LANES) float64. rows : (n_cells, LANES) int64, the row number of each lane; -1 for the empty
    lanes of the last cell. exposures : (n_cells, LANES) int64, `expnum` of each lane.
    """

    tiles: np.ndarray
    rows: np.ndarray
    exposures: np.ndarray


class Cells(NamedTuple):
    """Training rows sorted into cells.

    tiles, rows, exposures : see Rows. rough : the tiles in float32, relative to `middle` (dim,) and times `scale`. low,
    high : (dim, n_cells) float32, the box of each cell, in the same units. split_by, split_at, below, above :
    (n_cells - 1,) the tree; a child -1 - c stands for cell c. spread : sum over features of the largest absolute value
    in `rough`.
    """

    tiles: np.ndarray
    rows: np.ndarray
    exposures: np.ndarray
    rough: np.ndarray
    low: np.ndarray
    high: np.ndarray
    split_by: np.ndarray
    split_at: np.ndarray
    below: np.ndarray
    above: np.ndarray
    middle: np.ndarray
    scale: float
    spread: float


def _split(training: np.ndarray) -> tuple[np.ndarray, list]:
    """Row numbers in the order of their cells; and the tree: (feature, value, child below, child above) per node."""
    order, nodes = np.arange(len(training)), []

    def grow(first: int, last: int) -> int:
        if last - first == 1:
            return -1 - first
        node, middle = len(nodes), (first + last + 1) // 2
        nodes.append(())
        own = order[first * LANES : last * LANES]
        points = training[own]
        widest = int(points.var(axis=0).argmax())
        cut = (middle - first) * LANES
        parts = np.argpartition(points[:, widest], cut)
        order[first * LANES : last * LANES] = own[parts]
        nodes[node] = (widest, points[parts[cut], widest], grow(first, middle), grow(middle, last))
        return node

    grow(0, -(-len(training) // LANES))
    return order, nodes


def in_rows(training: np.ndarray, exposures: np.ndarray) -> Rows:
    """Training rows in their given order, for brute force. training : (m, dim) float64. exposures : (m,) int64."""
    return _laid_out(np.arange(len(training)), training, exposures)


def _laid_out(order: np.ndarray, training: np.ndarray, exposures: np.ndarray) -> Rows:
    n_cells = -(-len(order) // LANES)
    rows = np.full(n_cells * LANES, -1)
    rows[: len(order)] = order
    # Sorted within a cell, because ties go to the smaller row number: then few rows must change places.
    rows = np.sort(rows.reshape(n_cells, LANES), axis=1)
    # An empty lane repeats a row of its own cell, so that it does not enlarge the box.
    standing_in = np.where(rows < 0, rows[:, -1:], rows)
    tiles = np.ascontiguousarray(_filled(training)[standing_in].transpose(0, 2, 1))
    return Rows(tiles, rows, np.where(rows < 0, -1, exposures[standing_in]))


def _filled(vectors: np.ndarray) -> np.ndarray:
    return np.pad(vectors, ((0, 0), (0, -vectors.shape[1] % STRIDE)))


def in_cells(training: np.ndarray, exposures: np.ndarray) -> Cells:
    """Sort training rows into cells.

    training : (m, dim) float64, m > 0, absolute values up to LARGEST. exposures : (m,) int64.
    """
    order, nodes = _split(training)
    laid_out = _laid_out(order, training, exposures)
    low, high = laid_out.tiles.min(axis=(0, 2)), laid_out.tiles.max(axis=(0, 2))
    middle = low + (high - low) / 2
    widest = max((high - middle).max(), (middle - low).max(), 1 / LARGEST)
    scale = float(2.0 ** -np.ceil(np.log2(widest)))
    rough = ((laid_out.tiles - middle[:, None]) * scale).astype(np.float32)
    split_by, split_at, below, above = zip(*nodes, strict=True) if nodes else ((), (), (), ())
    return Cells(
        *laid_out,
        rough,
        np.ascontiguousarray(rough.min(axis=2).T),
        np.ascontiguousarray(rough.max(axis=2).T),
        np.array(split_by, np.int64),
        np.array(split_at, np.float64),
        np.array(below, np.int64),
        np.array(above, np.int64),
        middle,
        scale,
        float(np.abs(rough).max(axis=(0, 2)).sum(dtype=np.float64)),
    )


class _Room(NamedTuple):
    """Working memory of a search: arrays per lane, per query of a group, per feature and per cell."""

    near: np.ndarray
    near_terms: np.ndarray
    near_squares: np.ndarray
    exact: np.ndarray
    terms: np.ndarray
    squares: np.ndarray
    group: np.ndarray
    limits: np.ndarray
    apart: np.ndarray
    gaps: np.ndarray
    gap_squares: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    bounds: np.ndarray
    cell_gaps: np.ndarray
    cell_squares: np.ndarray


def _room(n_cells: int, dim: int) -> _Room:
    lanes = [np.empty(LANES, kind) for kind in (np.float32,) * 3 + (np.float64,) * 3]
    group = [np.empty((dim, GROUP), np.float32), *(np.empty(GROUP, np.float32) for _ in range(4))]
    return _Room(*lanes, *group, *np.empty((2, dim), np.float32), *np.empty((3, n_cells), np.float32))


def search(cells: Cells, queries: np.ndarray, query_exposures: np.ndarray, k: int, power: int) -> tuple:
    """The k nearest rows of each query, without rows of the query's own exposure. One thread; releases the GIL.

    queries : (n, dim) float64, absolute values up to LARGEST. query_exposures : (n,) int64.
    Returns rows (n, k) int64, -1 if there are fewer than k, and distances ** power (n, k) float64, infinite there.
    """
    n_cells, dim, _ = cells.tiles.shape
    filled = _filled(queries)
    with np.errstate(over="ignore"):
        rough = ((filled - cells.middle) * cells.scale).astype(np.float32)
        slack = 2.0**-23 * (np.abs(rough).sum(axis=1, dtype=np.float64) + cells.spread)
    factor = 1 + 2.0**-22 * (dim + 2 * power + 8)
    cell_of = _cell_of(cells, filled)
    order = np.argsort(cell_of, kind="stable")
    rows, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
    queries_in_cells = (filled, rough, query_exposures, slack)
    _search(cells, queries_in_cells, factor, order, cell_of, power, _room(n_cells, dim), rows, distances)
    return rows, distances


def brute_force(rows: Rows, queries: np.ndarray, query_exposures: np.ndarray, k: int, power: int) -> tuple:
    """The same as `search`, by measuring every row, for any queries.

    A row at a distance that is not finite is left out.
    """
    found, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
    sums, terms, squares = np.empty((3, LANES))
    _brute_force(tuple(rows), _filled(queries), query_exposures, power, sums, terms, squares, found, distances)
    return found, distances


@njit(nogil=True, cache=True)
def _brute_force(laid_out, queries, query_exposures, power, sums, terms, squares, rows, distances):
    tiles, cell_rows, exposures = laid_out
    last = rows.shape[1] - 1
    for i in range(len(queries)):
        for cell in range(len(tiles)):
            measure(tiles, cell, queries, i, power, sums, terms, squares)
            farthest = distances[i, last]
            count = 0
            for lane in range(LANES):
                count += sums[lane] <= farthest
            if count == 0:
                continue
            for lane in range(LANES):
                row = cell_rows[cell, lane]
                if row >= 0 and sums[lane] <= distances[i, last] and exposures[cell, lane] != query_exposures[i]:
                    insert(rows, distances, i, row, sums[lane])


@njit(nogil=True, cache=True)
def _cell_of(cells, queries):
    """(n,) int64: the cell that each query falls into."""
    found = np.zeros(len(queries), np.int64)
    if len(cells.split_by) == 0:
        return found
    for i in range(len(queries)):
        node = 0
        while node >= 0:
            lower = queries[i, cells.split_by[node]] < cells.split_at[node]
            node = cells.below[node] if lower else cells.above[node]
        found[i] = -1 - node
    return found


@njit(nogil=True, cache=True)
def raise_to(values, power, squares):
    """values **= power, by repeated squaring, always in the same order of products. `squares` is overwritten."""
    for j in range(len(values)):
        squares[j] = values[j]
        values[j] = values[j] if power & 1 else 1
    left = power >> 1
    while left:
        for j in range(len(values)):
            squares[j] *= squares[j]
        if left & 1:
            for j in range(len(values)):
                values[j] *= squares[j]
        left >>= 1


@njit(nogil=True, cache=True)
def measure(tiles, cell, queries, i, power, sums, terms, squares):
    """sums (lanes,) = sum of |query - row| ** power over the features, in their order; float32 or float64."""
    sums[:] = 0
    if power == 1:
        for d in range(0, tiles.shape[1], STRIDE):
            q0, q1, q2, q3 = queries[i, d], queries[i, d + 1], queries[i, d + 2], queries[i, d + 3]
            for lane in range(LANES):
                sums[lane] = (
                    sums[lane]
                    + abs(q0 - tiles[cell, d, lane])
                    + abs(q1 - tiles[cell, d + 1, lane])
                    + abs(q2 - tiles[cell, d + 2, lane])
                    + abs(q3 - tiles[cell, d + 3, lane])
                )
        return
    for d in range(tiles.shape[1]):
        value = queries[i, d]
        if power == 2:
            for lane in range(LANES):
                apart = value - tiles[cell, d, lane]
                sums[lane] += apart * apart
        else:
            for lane in range(LANES):
                terms[lane] = abs(value - tiles[cell, d, lane])
            raise_to(terms, power, squares)
            for lane in range(LANES):
                sums[lane] += terms[lane]


@njit(nogil=True, cache=True)
def insert(rows, distances, i, row, distance):
    """Insert a row into the nearest of query i, in order of (distance, row), if it is near enough."""
    last = rows.shape[1] - 1
    # "not <=" because it also rejects NaN
    if not distance <= distances[i, last] or distance == np.inf:
        return
    if distance == distances[i, last] and row > rows[i, last]:
        return
    place = last
    while place > 0 and (
        distances[i, place - 1] > distance or (distances[i, place - 1] == distance and rows[i, place - 1] > row)
    ):
        distances[i, place] = distances[i, place - 1]
        rows[i, place] = rows[i, place - 1]
        place -= 1
    distances[i, place] = distance
    rows[i, place] = row


@njit(nogil=True, cache=True)
def _limit(farthest, slack, factor, scale, power):
    """The largest float32 measurement possible for a row that is no farther than `farthest` (to the power)."""
    root = farthest if power == 1 else farthest ** (1 / power)
    limit = (root * scale + slack) ** power * factor
    # 1.2e-38: underflow is below the smallest normal number. 2**-22: rounding to float32 must be upwards.
    return np.float32((limit + 1.2e-38) * (1 + 2.0**-22))


@njit(nogil=True, cache=True)
def _gap(low, high, lowest, highest):
    return max(max(low - highest, lowest - high), np.float32(0))


@njit(nogil=True, cache=True)
def _measure_gaps(low, high, lowest, highest, power, sums, gaps, squares):
    """sums (n,) = distance ** power between the boxes low..high, (dim, n), and the box lowest..highest, (dim,)."""
    sums[:] = 0
    for d in range(0, len(low), STRIDE):
        if power == 1:
            for j in range(len(sums)):
                sums[j] = (
                    sums[j]
                    + _gap(low[d, j], high[d, j], lowest[d], highest[d])
                    + _gap(low[d + 1, j], high[d + 1, j], lowest[d + 1], highest[d + 1])
                    + _gap(low[d + 2, j], high[d + 2, j], lowest[d + 2], highest[d + 2])
                    + _gap(low[d + 3, j], high[d + 3, j], lowest[d + 3], highest[d + 3])
                )
            continue
        for e in range(d, d + STRIDE):
            for j in range(len(sums)):
                gaps[j] = _gap(low[e, j], high[e, j], lowest[e], highest[e])
            raise_to(gaps, power, squares)
            for j in range(len(sums)):
                sums[j] += gaps[j]


@njit(nogil=True, cache=True)
def _gather(rough_queries, order, start, stop, group, lower, upper):
    """Put a group's queries side by side, repeat the last one to fill up, and find the box around them."""
    for d in range(len(group)):
        for g in range(GROUP):
            group[d, g] = rough_queries[order[min(start + g, stop - 1)], d]
        lower[d], upper[d] = group[d].min(), group[d].max()


@njit(nogil=True, cache=True)
def _search(cells, asked, factor, order, cell_of, power, room, rows, distances):
    """Fill `rows` and `distances` (to the power), (n, k). order : the queries sorted by `cell_of`.

    For speed, arrays are taken out of their tuples once (each access counts references), and the inner loop has few
    calls.
    """
    queries, rough_queries, query_exposures, slack = asked
    tiles, cell_rows, exposures, rough, low, high = cells[:6]
    near, near_terms, near_squares, exact, terms, squares = room[:6]
    group, limits, apart, gaps, gap_squares, lower, upper, bounds, cell_gaps, cell_squares = room[6:]
    scale, last = cells.scale, rows.shape[1] - 1
    start = 0
    while start < len(order):
        own = cell_of[order[start]]
        stop = start + 1
        while stop < len(order) and stop - start < GROUP and cell_of[order[stop]] == own:
            stop += 1
        _gather(rough_queries, order, start, stop, group, lower, upper)
        _measure_gaps(low, high, lower, upper, power, bounds, cell_gaps, cell_squares)
        bounds[own] = np.nan  # never visit the own cell again, even while there is no limit
        limits[:], apart[:] = np.inf, 0
        kept = np.empty(0, np.int64)
        turn = -1
        # The own cell first, so that most other cells need not even be sorted.
        while turn < len(kept):
            cell = own if turn < 0 else kept[turn]
            if turn >= 0:
                if turn % LOOK_AGAIN == 0 and bounds[cell] > limits[: stop - start].max():
                    break
                _measure_gaps(group, group, low[:, cell], high[:, cell], power, apart, gaps, gap_squares)
            for g in range(stop - start):
                limit = limits[g]
                if apart[g] > limit:
                    continue
                i = order[start + g]
                measure(rough, cell, rough_queries, i, power, near, near_terms, near_squares)
                count = 0
                for lane in range(LANES):
                    count += near[lane] <= limit
                if count == 0:
                    continue
                measure(tiles, cell, queries, i, power, exact, terms, squares)
                for lane in range(LANES):
                    row = cell_rows[cell, lane]
                    if near[lane] > limit or row < 0 or exposures[cell, lane] == query_exposures[i]:
                        continue
                    if exact[lane] <= distances[i, last]:
                        insert(rows, distances, i, row, exact[lane])
                limits[g] = _limit(distances[i, last], slack[i], factor, scale, power)
            turn += 1
            if turn == 0:
                kept = np.flatnonzero(bounds <= limits[: stop - start].max())
                kept = kept[np.argsort(bounds[kept])]
        start = stop
