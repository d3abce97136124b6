"""The exact gradient against Barnes-Hut that opens every cell, and a map made with it."""

import numpy as np
import pytest
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.tsne import kl_divergence_bh
from sklearn.manifold import trustworthiness

from triptych.pipeline.errors import BadInput
from triptych.pipeline.vectors import tsne
from triptych.pipeline.vectors.tsne_gradient import ExactGradient


def drawn(n, dims, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 8))
    return vectors, rng.normal(0, 10, (n, dims))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("device", ["processor", "cpu"])
def test_it_is_barnes_hut_that_leaves_nothing_out(dims, device):
    vectors, places = drawn(700, dims)
    P = PerplexityBasedNN(vectors, perplexity=20, method="exact").P
    wanted_divergence, wanted = kl_divergence_bh(places, P, 1, {"theta": 0.0}, should_eval_error=True)
    divergence, gradient = ExactGradient(device)(places, P, should_eval_error=True, n_jobs=2)
    assert np.abs(gradient - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert divergence == pytest.approx(wanted_divergence, rel=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("device", ["processor", "cpu"])
def test_towards_a_frozen_map(dims, device):
    vectors, frozen = drawn(300, dims)
    new, places = drawn(50, dims, seed=1)
    P = PerplexityBasedNN(vectors, perplexity=20, method="exact").to_new(new, perplexity=5)
    asked = {"reference_embedding": frozen, "should_eval_error": True}
    wanted_divergence, wanted = kl_divergence_bh(places, P, 1, {"theta": 0.0}, **asked)
    divergence, gradient = ExactGradient(device)(places, P, **asked)
    assert np.abs(gradient - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert divergence == pytest.approx(wanted_divergence, rel=1e-5)


def test_threads_and_places_that_coincide_do_not_matter():
    vectors, places = drawn(600, 2)
    places[:40] = places[0]
    P = PerplexityBasedNN(vectors, perplexity=20, method="exact").P
    one, two = (ExactGradient()(places, P, n_jobs=jobs)[1] for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.isfinite(one).all()


def test_other_degrees_of_freedom_are_refused():
    with pytest.raises(BadInput, match="Barnes-Hut"):
        ExactGradient()(np.zeros((3, 2)), None, dof=0.5)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_map_made_with_it(dims):
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 300)
    vectors = rng.normal(0, 5, (4, 6))[kinds] + rng.normal(size=(300, 6))
    exact, near = (tsne.tsne(vectors, dims=dims, iterations=150, gradient=name) for name in ("exact", "bh"))
    assert trustworthiness(vectors, exact) > trustworthiness(vectors, near) - 0.01
    assert trustworthiness(vectors, exact) > 0.9
