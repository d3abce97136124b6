"""A CCD together with its surroundings."""

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.classifier.surroundings import groups_of, neighbour_weights, pooled, surrounded
from triptych.pipeline.image_ids import image_id_of

DIM = 4


def drawn(ccdnums, expnums=(7, 9), seed: int = 0):
    """Vectors of some CCDs of some exposures, in order, and their keys."""
    pairs = [(expnum, ccdnum) for expnum in expnums for ccdnum in ccdnums]
    keys = pd.DataFrame({"image_id": [image_id_of(e, c) for e, c in pairs], "expnum": [e for e, _ in pairs]})
    return np.random.default_rng(seed).normal(0, 1, (len(keys), DIM)).astype(np.float32), keys


def parts(found):
    """own vector, neighbours' mean, exposure's median, place."""
    return np.split(found, [DIM, 2 * DIM, 3 * DIM], axis=1)


def test_weights_of_neighbours_add_up_to_one_and_fall_with_distance():
    ccdnums = np.array([25, 26, 27, 32, 62])
    weights = neighbour_weights("decam", ccdnums)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(np.diag(weights), 0)
    assert weights[0, 1] > weights[0, 2] > weights[0, 4]
    own = neighbour_weights("decam", ccdnums, itself=True)
    np.testing.assert_allclose(own.sum(axis=1), 1, rtol=1e-6)
    assert (own.argmax(axis=1) == np.arange(5)).all()


def test_the_mean_around_a_ccd_leaves_the_ccd_itself_out():
    vectors, keys = drawn(range(1, 8), expnums=(7,))
    before = parts(surrounded(vectors, keys, "decam"))[1]
    changed = vectors.copy()
    changed[3] += 100
    after = parts(surrounded(changed, keys, "decam"))[1]
    np.testing.assert_allclose(after[3], before[3], atol=1e-5)
    assert (np.abs(after - before).max(axis=1) > 1e-3).sum() == 6


def test_own_vector_median_and_place():
    vectors, keys = drawn(range(1, 8))
    own, _, median, place = parts(surrounded(vectors, keys, "decam"))
    np.testing.assert_array_equal(own, vectors)
    for expnum in (7, 9):
        rows = (keys.expnum == expnum).to_numpy()
        np.testing.assert_allclose(median[rows], np.tile(np.median(vectors[rows], axis=0), (7, 1)))
    np.testing.assert_array_equal(place[:7], place[7:])
    assert len(np.unique(place[:7], axis=0)) == 7


def test_other_exposures_do_not_matter():
    vectors, keys = drawn(range(1, 8))
    both = surrounded(vectors, keys, "decam")
    rows = (keys.expnum == 9).to_numpy()
    alone = surrounded(vectors[rows], keys[rows].reset_index(drop=True), "decam")
    np.testing.assert_array_equal(both[rows], alone)


def test_the_order_of_rows_does_not_matter():
    vectors, keys = drawn(range(1, 20), expnums=(7, 9, 4))
    order = np.random.default_rng(1).permutation(len(keys))
    mixed = surrounded(vectors[order], keys.iloc[order].reset_index(drop=True), "decam")
    np.testing.assert_allclose(mixed, surrounded(vectors, keys, "decam")[order], atol=1e-6)


def test_a_ccd_alone_is_its_own_surroundings():
    vectors, keys = drawn([12], expnums=(3,))
    own, around, median, _ = parts(surrounded(vectors, keys, "decam"))
    np.testing.assert_array_equal(own, around)
    np.testing.assert_array_equal(own, median)


@pytest.mark.parametrize(("camera", "ccdnums"), [("mosaic3", range(1, 5)), ("90prime", range(1, 5))])
def test_the_other_cameras(camera, ccdnums):
    vectors, keys = drawn(ccdnums)
    found = surrounded(vectors, keys, camera)
    assert found.shape == (8, 3 * DIM + 2)
    assert np.isfinite(found).all()


def test_groups_are_whole_exposures_and_nothing_has_none():
    groups = groups_of(np.array([5, 3, 5, 3, 9]))
    assert [own.tolist() for own in groups] == [[1, 3], [0, 2], [4]]
    assert groups_of(np.empty(0, int)) == []
    assert surrounded(np.empty((0, DIM)), pd.DataFrame({"image_id": [], "expnum": []}), "decam").shape == (0, 14)


def test_the_focal_plane_as_one_vector():
    vectors, keys = drawn(range(1, 20), expnums=(7, 4))
    expnums, planes = pooled(vectors, keys)
    assert expnums.tolist() == [4, 7]
    own = vectors[(keys.expnum == 4).to_numpy()]
    np.testing.assert_allclose(planes[0], np.concatenate([own.mean(0), own.std(0), own.min(0), own.max(0)]))
    order = np.random.default_rng(1).permutation(len(keys))
    mixed = pooled(vectors[order], keys.iloc[order].reset_index(drop=True))
    np.testing.assert_allclose(mixed[1], planes, atol=1e-6)
    assert pooled(vectors[:0], keys[:0])[1].shape == (0, 4 * DIM)
