"""New exposures on frozen maps and clusters: nothing moves, and new ones are placed near similar ones."""

import dataclasses
import time

import numpy as np
import openTSNE
import pytest
from sklearn.metrics import adjusted_rand_score

from tests import vectors
from triptych.pipeline import memory
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, StageStale, UnknownName
from triptych.pipeline.vectors import clusters, frozen_stages, maps, placing, rest, tsne

FIRST = 24


def grow(catalog: Catalog, n_exposures: int) -> None:
    """Make the current embedding that of the first `n_exposures` exposures."""
    whole = catalog.stages("embedding")[0]
    keys = whole.table("keys")
    rows = (keys.expnum <= n_exposures).to_numpy()
    with catalog.new_stage("embedding", "drawn") as writer:
        writer.write_array(whole.array()[rows])
        writer.write_table(keys[rows], "keys")


@pytest.fixture
def run(tmp_path):
    """A run whose embedding has 24 of its 36 exposures."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=36, spread=0.7)
    grow(catalog, FIRST)
    return catalog, truth


@pytest.mark.parametrize("how", ["median", "transform"])
@pytest.mark.parametrize("dims", [2, 3])
def test_new_images_land_among_their_kind(run, dims, how):
    catalog, truth = run
    frozen = maps.make_map(catalog, dims=dims, iterations=250)
    grow(catalog, 36)
    stage = placing.place(catalog, dims=dims, how=how)
    table = stage.table()
    assert list(table) == ["image_id", *"xyz"[:dims], "placed", "trust"]
    assert table.image_id.tolist() == truth.image_id.tolist()
    assert table.placed.tolist() == (truth.expnum > FIRST).tolist()
    axes = list("xyz"[:dims])
    np.testing.assert_array_equal(table[axes][~table.placed], frozen.table()[axes])
    assert (table.trust[~table.placed] == 1).all()
    assert table.trust.between(0, 1).all()
    assert table.trust[table.placed].median() > 0.5
    places = table[axes].to_numpy()
    nearest = [np.linalg.norm(places[~table.placed] - place, axis=1).argmin() for place in places[table.placed]]
    found = truth.reason[~table.placed].to_numpy()[nearest]
    assert (found == truth.reason[table.placed]).mean() > 0.9
    assert stage.parameters["frozen"] == frozen.stage_id
    assert [parent["kind"] for parent in stage.parents] == ["embedding"]
    assert catalog.stage(f"map{dims}d").stage_id == stage.stage_id


def test_a_second_round_starts_from_the_same_frozen_map(run):
    catalog, _ = run
    frozen = maps.make_map(catalog, iterations=250)
    grow(catalog, 30)
    first = placing.place(catalog, how="median").table().set_index("image_id")
    grow(catalog, 36)
    stage = placing.place(catalog, how="median")
    second = stage.table().set_index("image_id")
    assert stage.parameters["frozen"] == frozen.stage_id
    np.testing.assert_array_equal(second.loc[first.index], first)


def test_one_and_all_are_placed_alike(run):
    catalog, truth = run
    landmarks, reduction = placing.open_map(maps.make_map(catalog, iterations=250))
    grow(catalog, 36)
    new = reduction.apply(catalog.stage("embedding").array()[(truth.expnum > FIRST).to_numpy()])
    for how in placing.PLACINGS:
        together, trust = landmarks.place(new, how)
        one, its_trust = landmarks.place(new[5:6], how)
        np.testing.assert_allclose(one[0], together[5], atol=1e-9)
        assert its_trust[0] == pytest.approx(trust[5])


def test_transform_is_that_of_open_tsne():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 450)
    drawn = rng.normal(0, 5, (4, 6))[kinds] + rng.normal(size=(450, 6))
    fitted = openTSNE.TSNE(
        initialization=tsne._start(drawn[:400], 2, 0), neighbors="exact", negative_gradient_method="bh", theta=0.01
    ).fit(drawn[:400])
    ours, _ = placing.FrozenMap(drawn[:400], np.asarray(fitted)).place(drawn[400:], "transform")
    middle = (np.max(fitted, axis=0) + np.min(fitted, axis=0)) / 2
    theirs = np.asarray(fitted.transform(drawn[400:])) + np.asarray(middle)
    assert np.abs(ours - theirs).max() < 0.01 * np.ptp(theirs, axis=0).max()


@pytest.mark.parametrize("dims", [2, 3])
def test_many_images_take_a_tree_or_a_grid_to_the_same_places(run, dims, monkeypatch):
    catalog, _ = run
    landmarks, reduction = placing.open_map(maps.make_map(catalog, dims=dims, iterations=250))
    grow(catalog, 36)
    new = reduction.apply(catalog.stage("embedding").array()[-72:])
    exact, _ = landmarks.place(new, "transform")
    monkeypatch.setattr(placing, "EXACT_PAIRS", 0)
    quick, _ = landmarks.place(new, "transform")
    extent = np.ptp(landmarks.places, axis=0).max()
    assert np.median(np.linalg.norm(exact - quick, axis=1)) < 0.02 * extent


def test_what_the_map_has_never_seen_is_not_trusted(run):
    catalog, _ = run
    landmarks, reduction = placing.open_map(maps.make_map(catalog, iterations=250))
    rng = np.random.default_rng(1)
    known = reduction.apply(catalog.stage("embedding").array()[::7])
    strange = known + rng.normal(0, 40, known.shape)
    for how in placing.PLACINGS:
        assert np.median(landmarks.place(known, how)[1]) > 0.6
        assert (landmarks.place(strange, how)[1] < 0.2).all()


def test_a_place_by_neighbours_takes_a_moment(run):
    catalog, _ = run
    landmarks, reduction = placing.open_map(maps.make_map(catalog, iterations=250))
    one = reduction.apply(catalog.stage("embedding").array()[:1])
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        landmarks.place(one)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.005


def test_nothing_new_makes_no_stage_and_a_finer_place_does(run):
    catalog, _ = run
    frozen = maps.make_map(catalog, iterations=250)
    assert placing.place(catalog).stage_id == frozen.stage_id
    grow(catalog, 30)
    quick = placing.place(catalog, how="median")
    assert placing.place(catalog, how="median").stage_id == quick.stage_id
    finer = placing.place(catalog, how="transform")
    assert finer.stage_id != quick.stage_id
    assert finer.parameters["frozen"] == frozen.stage_id


def test_a_changed_image_is_placed_anew_and_a_lost_one_is_left_out(run):
    catalog, truth = run
    maps.make_map(catalog, iterations=250)
    embedding = catalog.stage("embedding")
    changed = embedding.array(mmap=False)[1:].copy()
    changed[4] += 0.5
    with catalog.new_stage("embedding", "drawn") as writer:
        writer.write_array(changed)
        writer.write_table(embedding.table("keys")[1:], "keys")
    table = placing.place(catalog, how="median").table()
    assert table.image_id[table.placed].tolist() == [truth.image_id[5]]
    assert truth.image_id[0] not in set(table.image_id)


def test_another_backbone_cannot_be_placed(run):
    catalog, _ = run
    maps.make_map(catalog, iterations=250)
    clusters.cluster(catalog)
    keys = catalog.stage("embedding").table("keys")
    with catalog.new_stage("embedding", "wider") as writer:
        writer.write_array(np.ones((len(keys), 7), np.float32))
        writer.write_table(keys, "keys")
    with pytest.raises(BadInput, match="another backbone"):
        placing.place(catalog)
    with pytest.raises(BadInput, match="another backbone"):
        clusters.place(catalog)
    with pytest.raises(StageStale):
        catalog.stage("map2d")


def test_unknown_ways_are_refused(run):
    catalog, _ = run
    with pytest.raises(UnknownName, match="transform, median"):
        placing.place(catalog, how="mean")
    with pytest.raises(BadInput, match="2 or 3"):
        placing.place(catalog, dims=4)


@pytest.mark.parametrize("preset", ["default", "published"])
def test_new_images_join_the_clusters_of_their_kind(run, preset):
    catalog, truth = run
    frozen = clusters.cluster(catalog, preset=preset)
    grow(catalog, 36)
    stage = clusters.place(catalog)
    table = stage.table()
    assert list(table) == ["image_id", "cluster", "membership", "placed"]
    assert table.placed.tolist() == (truth.expnum > FIRST).tolist()
    assert table.cluster[~table.placed].tolist() == frozen.table().cluster.tolist()
    assert table.membership.between(0, 1).all()
    new = table[table.placed & (table.cluster >= 0)]
    assert len(new) > 0.5 * table.placed.sum()
    kind = truth.reason[~table.placed].groupby(table.cluster[~table.placed]).agg(lambda r: r.value_counts().index[0])
    assert (kind.loc[new.cluster].to_numpy() == truth.reason[new.index]).mean() > 0.9
    assert stage.parameters["frozen"] == frozen.stage_id
    assert stage.json("metrics") == frozen.json("metrics")
    assert clusters.place(catalog).stage_id == stage.stage_id


def test_placing_images_that_were_clustered_gives_their_cluster(run):
    catalog, _ = run
    stage = clusters.cluster(catalog)
    labels, _ = clusters.assign(stage, catalog.stage("embedding").array())
    assert adjusted_rand_score(labels, stage.table().cluster) > 0.95


def test_a_large_run_lays_out_a_sample_and_places_the_rest(run, monkeypatch):
    catalog, truth = run
    laid_out = []
    draw = tsne.PRESETS["default"].draw
    preset = dataclasses.replace(
        tsne.PRESETS["default"], draw=lambda reduced, **given: laid_out.append(len(reduced)) or draw(reduced, **given)
    )
    monkeypatch.setitem(tsne.PRESETS, "default", preset)
    frozen = maps.make_map(catalog, iterations=250, most=80)
    table = frozen.table()
    assert laid_out == [80]
    assert list(table) == ["image_id", "x", "y", "placed", "trust"]
    assert (table.placed.sum(), frozen.parameters["sampled"], frozen.parameters["rest"]) == (
        len(table) - 80,
        80,
        "median",
    )
    assert (table.trust[~table.placed] == 1).all()
    assert table.trust[table.placed].median() > 0.5
    kind = truth.reason[: len(table)]
    places = table[["x", "y"]].to_numpy()
    nearest = [np.linalg.norm(places[~table.placed] - place, axis=1).argmin() for place in places[table.placed]]
    assert (kind[~table.placed].to_numpy()[nearest] == kind[table.placed]).mean() > 0.85
    monkeypatch.setattr(rest, "BLOCK", 32)
    monkeypatch.setattr(placing, "WORTH_SORTING", 1)
    again = maps.make_map(catalog, iterations=250, most=80).table()
    np.testing.assert_allclose(again[["x", "y", "trust"]], table[["x", "y", "trust"]], rtol=1e-5)


def test_later_images_are_placed_among_the_sample_and_nothing_moves(run):
    catalog, truth = run
    frozen = {"map2d": maps.make_map(catalog, iterations=250, most=80), "cluster": clusters.cluster(catalog, most=80)}
    grow(catalog, 36)
    for kind, stage in (("map2d", placing.place(catalog, how="median")), ("cluster", clusters.place(catalog))):
        before, after = frozen[kind].table(), stage.table()
        assert after.image_id.tolist() == truth.image_id.tolist()
        assert after[: len(before)].equals(before)
        assert after.placed[len(before) :].all()
        assert frozen_stages.n_new(stage) == len(truth) - len(before)
        assert frozen_stages.n_new(frozen[kind]) == 0
        assert catalog.stage(kind).stage_id == stage.stage_id
    assert clusters.place(catalog).stage_id == catalog.stage("cluster").stage_id


def test_a_map_that_does_not_fit_is_refused_before_it_starts(run, monkeypatch):
    catalog, _ = run
    said = []
    monkeypatch.setattr(memory, "memory_bytes", lambda: 1 << 20)
    with pytest.raises(BadInput, match=r"a map of 80 images takes about 0.5 GB.*give a smaller number to --sample"):
        maps.make_map(catalog, most=80, progress=lambda *at: said.append(at))
    assert not said
