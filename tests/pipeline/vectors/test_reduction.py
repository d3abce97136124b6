"""Every scaler gives the same result as scikit-learn's pipeline, but from stored arrays."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from triptych.pipeline.errors import UnknownName
from triptych.pipeline.vectors.neighbours import nearest
from triptych.pipeline.vectors.reduction import SCALERS, fit_reduction

THEIRS = {
    "minmax": MinMaxScaler,
    "standard": StandardScaler,
    "maxabs": MaxAbsScaler,
    "robust": RobustScaler,
    "normalizer": Normalizer,
    "power": PowerTransformer,
}


def skewed(n: int, seed: int) -> np.ndarray:
    """(n, 12) vectors with long tails, both signs, and one constant feature."""
    rng = np.random.default_rng(seed)
    vectors = rng.gamma(2.0, 1.0, (n, 12)) - 1.0
    vectors[:, 3] = 4.0
    return vectors


@pytest.mark.parametrize("name", SCALERS)
def test_the_same_numbers_as_scikit_learn(name):
    known, asked = skewed(300, 1), skewed(80, 2)
    theirs = make_pipeline(THEIRS[name](), PCA(5, random_state=0), VarianceThreshold(0.01)).fit(known)
    ours = fit_reduction(known, scaler=name, components=5, threshold=0.01)
    np.testing.assert_allclose(ours.apply(asked), theirs.transform(asked), atol=1e-9)


def test_all_published_scalers_are_there_and_a_slip_is_met_with_the_nearest():
    assert set(SCALERS) == set(THEIRS)
    with pytest.raises(UnknownName, match="Did you mean 'robust'"):
        fit_reduction(skewed(10, 0), scaler="robus")


@pytest.mark.parametrize("power", [1, 2, 3, 5])
def test_neighbours_by_every_published_distance(power):
    known, asked = skewed(400, 3), skewed(50, 4)
    distances, rows = NearestNeighbors(n_neighbors=7, p=power, algorithm="brute").fit(known).kneighbors(asked)
    our_rows, our_distances = nearest(asked, np.full(50, -1), known, np.arange(400), 7, power=power)
    np.testing.assert_array_equal(our_rows, rows)
    np.testing.assert_allclose(our_distances, distances, rtol=1e-9)
