"""The nearest neighbours against brute force in plain numpy: exactly equal, also for ties."""

import numpy as np
import pytest

from triptych.pipeline.vectors import neighbours
from triptych.pipeline.vectors.neighbours import nearest, nearest_blocks

rng = np.random.default_rng(5)


def plain(queries, own, training, exposures, k, power):
    """Brute force: sum over the features in their order; ties in the order of the rows."""
    rows, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.inf)
    for i, query in enumerate(queries):
        total = np.zeros(len(training))
        for d in range(len(query)):
            apart = np.abs(query[d] - training[:, d])
            term = {1: apart, 2: apart * apart, 3: apart * apart * apart, 5: (apart * apart) * (apart * apart) * apart}
            total += term[power]
        total[exposures == own[i]] = np.inf
        total[~np.isfinite(total)] = np.inf
        order = np.argsort(total, kind="stable")[:k]
        order = order[np.isfinite(total[order])]
        rows[i, : len(order)], distances[i, : len(order)] = order, total[order]
    return rows, distances if power == 1 else distances ** (1 / power)


def groups(n: int, dim: int) -> np.ndarray:
    """Vectors in a few groups of different size and width, as in embeddings."""
    kinds = rng.choice(12, n, p=rng.dirichlet(np.ones(12)))
    middles, widths = np.random.default_rng(1).normal(0, 2, (12, dim)), np.geomspace(0.02, 2, 12)
    return middles[kinds] + rng.normal(0, 1, (n, dim)) * widths[kinds, None]


SETS = {
    "groups": (groups(3000, 15), groups(400, 15)),
    "one feature": (rng.normal(size=(1500, 1)), rng.normal(size=(200, 1))),
    "uniform": (rng.uniform(size=(1500, 15)), rng.uniform(-0.5, 1.5, (200, 15))),
    "ties": (rng.integers(0, 3, (2000, 6)).astype(float), rng.integers(0, 3, (300, 6)).astype(float)),
    "all alike": (np.ones((700, 5)), np.ones((100, 5))),
    "nearly alike": (1 + rng.integers(0, 3, (900, 4)) * 2.0**-50, 1 + rng.integers(0, 3, (100, 4)) * 2.0**-50),
    "far from zero": (1e9 + groups(900, 7), 1e9 + groups(100, 7)),
    "tiny": (1e-200 * groups(900, 7), 1e-200 * groups(100, 7)),
    "queries far away": (groups(900, 7), 1e30 * groups(100, 7)),
    "unlike scales": (groups(900, 8) * np.geomspace(1e-12, 1e12, 8), groups(100, 8) * np.geomspace(1e-12, 1e12, 8)),
}


@pytest.fixture
def always_sorted(monkeypatch):
    monkeypatch.setattr(neighbours, "WORTH_SORTING", 0)


@pytest.mark.parametrize("power", [1, 2, 3, 5])
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("price", [0, 10**12], ids=["cells", "brute force"])
def test_equal_to_brute_force_in_numpy_to_the_last_bit(name, power, price, monkeypatch):
    monkeypatch.setattr(neighbours, "WORTH_SORTING", price)
    training, queries = SETS[name]
    exposures, own = np.arange(len(training)) // 20, np.arange(len(queries)) % 40
    with np.errstate(over="ignore", under="ignore"):
        expected = plain(queries, own, training, exposures, 7, power)
    found = nearest(queries, own, training, exposures, 7, power=power)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_cells_are_sorted_only_where_that_pays():
    training, exposures = groups(2000, 5), np.arange(2000)
    few = neighbours.neighbourhood(training, exposures, 10)
    many = neighbours.neighbourhood(training, exposures, 10_000_000)
    assert len(few.laid_out) < len(many.laid_out)
    queries, own = groups(50, 5), np.full(50, -1)
    for one, other in zip(few.nearest(queries, own, 5), many.nearest(queries, own, 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_own_exposure_is_left_out_and_ties_go_by_order():
    training = np.array([[0.0], [1.0], [1.0], [-1.0], [5.0]])
    exposures = np.array([1, 2, 3, 4, 5])
    rows, distances = nearest(np.array([[0.0], [0.0]]), np.array([1, 9]), training, exposures, 3)
    assert rows.tolist() == [[1, 2, 3], [0, 1, 2]]
    assert distances.tolist() == [[1, 1, 1], [0, 1, 1]]


@pytest.mark.usefixtures("always_sorted")
def test_an_exposure_that_fills_whole_cells_is_left_out():
    training = np.concatenate([np.zeros((500, 3)), groups(300, 3)])
    exposures = np.concatenate([np.full(500, 7), np.arange(100, 400)])
    queries, own = np.zeros((5, 3)), np.full(5, 7)
    rows, distances = nearest(queries, own, training, exposures, 4)
    expected = plain(queries, own, training, exposures, 4, 1)
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_array_equal(distances, expected[1])
    assert rows.min() >= 500


@pytest.mark.parametrize("price", [0, 10**12], ids=["cells", "brute force"])
def test_fewer_rows_than_asked_for(price, monkeypatch):
    monkeypatch.setattr(neighbours, "WORTH_SORTING", price)
    training, exposures = np.arange(70.0)[:, None], np.r_[np.full(68, 1), 2, 3]
    rows, distances = nearest(np.array([[0.0], [0.0]]), np.array([1, 2]), training, exposures, 4)
    assert rows.tolist() == [[68, 69, -1, -1], [0, 1, 2, 3]]
    assert distances.tolist() == [[68, 69, np.inf, np.inf], [0, 1, 2, 3]]
    rows, distances = nearest(np.zeros((2, 3)), np.zeros(2), np.empty((0, 3)), np.empty(0), 2)
    assert (rows == -1).all()
    assert np.isinf(distances).all()


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("price", [0, 10**12], ids=["cells", "brute force"])
def test_what_is_not_finite_is_nobodys_neighbour(power, price, monkeypatch):
    monkeypatch.setattr(neighbours, "WORTH_SORTING", price)
    training, queries = groups(300, 4), groups(30, 4)
    queries[3, 1], queries[4, 0], queries[5, 2], queries[6] = np.nan, np.inf, -np.inf, 1e200
    exposures, own = np.arange(300), np.full(30, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = plain(queries, own, training, exposures, 5, power)
    for found, right in zip(nearest(queries, own, training, exposures, 5, power=power), expected, strict=True):
        np.testing.assert_array_equal(found, right)
    assert (expected[0][3:6] == -1).all()
    training[10, 0], training[20, 1] = np.nan, np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        expected = plain(queries, own, training, exposures, 5, power)
    for found, right in zip(nearest(queries, own, training, exposures, 5, power=power), expected, strict=True):
        np.testing.assert_array_equal(found, right)
    assert not np.isin(expected[0], [10, 20]).any()


@pytest.mark.usefixtures("always_sorted")
@pytest.mark.parametrize(("size", "threads"), [(13, 1), (13, 5), (100_000, 1), (64, 3)])
def test_neither_blocks_nor_threads_change_anything(size, threads, monkeypatch):
    training, queries = SETS["ties"]
    exposures, own = np.arange(len(training)) // 9, np.arange(len(queries)) % 50
    whole = nearest(queries, own, training, exposures, 7)
    monkeypatch.setattr(neighbours, "BLOCK", size)
    parts = list(nearest_blocks(lambda b: (queries[b], own[b]), len(queries), training, exposures, 7, threads=threads))
    assert [part[0].start for part in parts] == [0, *(part[0].stop for part in parts[:-1])]
    assert parts[-1][0].stop == len(queries)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), whole[0])
    np.testing.assert_array_equal(np.concatenate([part[2] for part in parts]), whole[1])


def test_blocks_are_read_only_when_they_are_wanted(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 10)
    read = []

    def queries(block: slice):
        read.append(block.start)
        return np.zeros((block.stop - block.start, 2)), np.full(block.stop - block.start, -1)

    found = nearest_blocks(queries, 1000, np.ones((5, 2)), np.arange(5), 3, threads=2)
    next(found)
    assert len(read) <= 4
    assert len(list(found)) == 99
    assert sorted(read) == list(range(0, 1000, 10))


def test_progress_is_told():
    told = []
    nearest(np.zeros((9, 2)), np.zeros(9), np.ones((5, 2)), np.arange(5), 3, progress=lambda *step: told.append(step))
    assert told[-1] == (9, 9, "neighbours")
