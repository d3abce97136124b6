"""The linear learner and the forest against scikit-learn's own."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from triptych.pipeline.classifier import learners


def drawn(n: int = 300, dim: int = 12, *, seed: int = 0):
    """Images whose features differ in scale, two labels that depend on some features, weights; and new images."""
    rng = np.random.default_rng(seed)
    scale, level = 10.0 ** rng.uniform(-2, 2, dim), rng.normal(0, 50, dim)
    plain = rng.normal(0, 1, (n + 40, dim))
    carried = np.stack([plain[:n, 0] + plain[:n, 1] > 0, plain[:n, 2] > 1], axis=1)
    x = (plain * scale + level).astype(np.float32)
    return x[:n], carried, rng.choice([0.5, 1.0, 2.0], n), x[n:]


def test_the_linear_learner_is_scikit_learns_pipeline_as_one_matrix():
    x, carried, weights, asked = drawn()
    found = learners.fit_linear(x, carried, weights).probabilities(asked)
    for label, own in enumerate(carried.T):
        plain = make_pipeline(
            StandardScaler(),
            PCA(12, svd_solver="full"),
            LogisticRegression(C=learners.STRENGTH, solver="newton-cholesky"),
        ).fit(x.astype(float), own, logisticregression__sample_weight=weights)
        np.testing.assert_allclose(found[:, label], plain.predict_proba(asked.astype(float))[:, 1], atol=1e-4)


def test_more_numbers_than_images():
    x, carried, weights, asked = drawn(20, 60)
    found = learners.fit_linear(x, carried, weights).probabilities(asked)
    assert found.shape == (40, 2)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("labels", [1, 2])
def test_the_forest_is_scikit_learns_extremely_randomised_trees(labels):
    x, carried, weights, asked = drawn()
    carried = carried[:, :labels]
    found = learners.fit_forest(x, carried, weights, seed=3).probabilities(asked)
    plain = ExtraTreesRegressor(
        learners.TREES,
        min_samples_leaf=learners.LEAF,
        max_leaf_nodes=learners.MOST_LEAVES,
        max_features=learners.FEATURES,
        random_state=3,
    ).fit(x, carried.astype(float) if labels > 1 else carried[:, 0].astype(float), weights)
    np.testing.assert_allclose(found, plain.predict(asked).reshape(40, labels), atol=1e-6)
    assert ((found > 0.5)[:, 0] == (plain.predict(asked).reshape(40, labels)[:, 0] > 0.5)).all()


def test_a_label_that_all_or_none_carry_is_the_answer_for_everything():
    x, _, weights, asked = drawn()
    carried = np.tile([True, False], (len(x), 1))
    for learner in (
        learners.fit_linear(x, carried, weights),
        learners.fit_forest(x, carried, weights, seed=0),
    ):
        found = learner.probabilities(asked)
        np.testing.assert_allclose(found, np.tile([1.0, 0.0], (len(asked), 1)), atol=2 * learners.SURE)


def test_one_image_alone_teaches_its_labels():
    x, _, weights, asked = drawn()
    found = learners.fit_linear(x[:1], np.array([[True, False]]), weights[:1]).probabilities(asked)
    np.testing.assert_allclose(found, np.tile([1.0, 0.0], (len(asked), 1)), atol=2 * learners.SURE)


@pytest.mark.parametrize("fit", [learners.fit_linear, learners.fit_forest], ids=["linear", "forest"])
def test_the_same_again_to_the_last_bit(fit):
    x, carried, weights, asked = drawn()
    seed = {} if fit is learners.fit_linear else {"seed": 5}
    one, again = (fit(x, carried, weights, **seed) for _ in range(2))
    for name, values in vars(one).items():
        assert values.tobytes() == getattr(again, name).tobytes()
    np.testing.assert_array_equal(one.probabilities(asked), again.probabilities(asked))
    if seed:
        other = fit(x, carried, weights, seed=6)
        assert not np.array_equal(other.probabilities(asked), one.probabilities(asked))


def test_weights_count_as_copies_do():
    x, carried, _, asked = drawn(60)
    weights = np.where(np.arange(60) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(60), weights.astype(int))
    # Standardising knows no weights, so the copies may shift it a little; a random weight would shift far more.
    plain = learners.fit_linear(x, carried, np.ones(60)).probabilities(asked)
    weighted = learners.fit_linear(x, carried, weights).probabilities(asked)
    copied = learners.fit_linear(x[twice], carried[twice], np.ones(len(twice))).probabilities(asked)
    assert np.abs(weighted - copied).mean() < np.abs(plain - copied).mean()


def test_sharpness_moves_the_odds_and_surprise_is_least_at_the_truth():
    shares = np.array([[0.2], [0.5], [0.9]])
    np.testing.assert_allclose(learners.sharpened(shares, 1), shares)
    assert (np.abs(learners.sharpened(shares, 2) - 0.5) >= np.abs(shares - 0.5)).all()
    np.testing.assert_allclose(learners.sharpened(np.array([expit(1.0)]), 0.5), expit(0.5))
    rng = np.random.default_rng(0)
    carried, ones = rng.random((5000, 1)) < 0.3, np.ones(5000)
    said = [learners.surprise(np.full((5000, 1), p), carried, ones) for p in (0.1, 0.3, 0.6)]
    assert said[1] == min(said)
    assert np.isfinite(learners.surprise(np.zeros((5000, 1)), carried, ones))
