"""t-SNE maps: the same every time, for few images and for many."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.manifold import trustworthiness
from sklearn.preprocessing import MinMaxScaler

from tests import vectors
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.vectors import maps, placing, tsne


@pytest.mark.parametrize("dims", [2, 3])
def test_a_map_of_a_run(tmp_path, dims):
    catalog, truth = vectors.make(tmp_path / "run")
    steps = []
    stage = maps.make_map(catalog, dims=dims, iterations=250, progress=lambda *step: steps.append(step))
    table = stage.table()
    assert stage.kind == f"map{dims}d"
    assert list(table) == ["image_id", *"xyz"[:dims]]
    assert table.image_id.tolist() == truth.image_id.tolist()
    places = table.drop(columns="image_id").to_numpy()
    assert np.isfinite(places).all()
    assert trustworthiness(catalog.stage("embedding").array(), places, n_neighbors=10) > 0.85
    assert steps[-1][:2] == (500, 500)
    assert maps.make_map(catalog, dims=dims, iterations=250).digest == stage.digest


@pytest.mark.parametrize("n", [1, 3, 7, 8, 9, 30])
@pytest.mark.parametrize("dims", [2, 3])
def test_few_images(n, dims):
    drawn = np.random.default_rng(0).normal(size=(n, min(n, 5)))
    places = tsne.tsne(drawn, dims=dims, iterations=50, exaggerated=50)
    assert places.shape == (n, dims)
    assert np.isfinite(places).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_threads_do_not_change_the_map(dims):
    drawn = np.random.default_rng(0).normal(size=(300, 5))
    one, two = (tsne.tsne(drawn, dims=dims, iterations=50, exaggerated=50, jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_identical_images():
    places = tsne.tsne(np.ones((40, 4)), iterations=50, exaggerated=50)
    assert np.isfinite(places).all()


def test_other_dimensions_are_refused():
    with pytest.raises(BadInput, match="2 or 3"):
        tsne.tsne(np.ones((40, 4)), dims=4)


@pytest.mark.parametrize("dims", [2, 3])
def test_published_preset(tmp_path, dims):
    """The classifier's space and scikit-learn's t-SNE, twice the same."""
    catalog, _ = vectors.make(tmp_path / "run", exposures=30)
    stages = [maps.make_map(catalog, dims=dims, preset="published", iterations=250) for _ in range(2)]
    assert stages[0].digest == stages[1].digest
    assert stages[0].parameters["perplexity"] == 50
    drawn = catalog.stage("embedding").array().astype(np.float64)
    reduced = PCA(15, random_state=0).fit_transform(MinMaxScaler().fit_transform(drawn))
    reduced = VarianceThreshold(0.001).fit_transform(reduced)
    np.testing.assert_allclose(placing.open_map(stages[0])[1].apply(drawn), reduced, atol=1e-9)
    assert trustworthiness(reduced, stages[0].table().drop(columns="image_id"), n_neighbors=10) > 0.85


def test_gradients_by_name():
    drawn = np.random.default_rng(0).normal(size=(60, 4))
    with pytest.raises(UnknownName, match="auto, bh, fft, exact"):
        tsne.tsne(drawn, gradient="tree")
    with pytest.raises(BadInput, match="two dimensions only"):
        tsne.tsne(drawn, dims=3, gradient="fft")
    with pytest.raises(BadInput, match="its own gradient"):
        tsne.published_tsne(drawn, gradient="exact")


@pytest.mark.slow
@pytest.mark.parametrize(("dims", "exaggerated", "iterations"), [(2, 100, 50), (3, 25, 10)])
def test_more_than_ten_thousand_points(dims, exaggerated, iterations):
    """Above this number openTSNE would pick a gradient that does not exist in three dimensions."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 5, 10_500)
    drawn = rng.normal(0, 6, (5, 8))[kinds] + rng.normal(size=(10_500, 8))
    drawn = drawn[:, np.argsort(-drawn.var(axis=0))]
    places = tsne.tsne(drawn, dims=dims, iterations=iterations, exaggerated=exaggerated, jobs=1)
    assert np.isfinite(places).all()
    middles = np.stack([places[kinds == kind].mean(axis=0) for kind in range(5)])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == kinds).mean() > 0.95
