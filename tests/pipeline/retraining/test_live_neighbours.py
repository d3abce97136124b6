"""A prediction that follows the training set equals a full prediction exactly, after any number of rounds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.pipeline.classifier.classifier import Classifier
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.prediction_table import as_table, asks_neighbours
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.retraining import live_neighbours
from triptych.pipeline.retraining.live_cells import lay_out
from triptych.pipeline.retraining.live_neighbours import LABELS, started
from triptych.pipeline.vectors import neighbours

CCDS = 4
SAID = [("good",), ("PSF",), ("Ghost_Scatter",), ("PSF", "Ghost_Scatter"), ("Clouds_transparency",)]


def images(n: int) -> tuple[np.ndarray, np.ndarray]:
    """image_ids and expnums of n images, with CCDS images per exposure."""
    expnums = np.arange(n) // CCDS + 1
    return image_id_of(expnums, np.arange(n) % CCDS + 1), expnums


def following(vectors: np.ndarray, classifier: Classifier) -> live_neighbours.Live:
    image_ids, expnums = images(len(vectors))
    return started(lay_out(vectors, expnums), image_ids, classifier)


def table_of(image_ids: np.ndarray, said: list, weights=None) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": image_ids, "reasons": pd.Series(said, dtype=object)})
    return table if weights is None else table.assign(weight=weights)


def check(state: live_neighbours.Live) -> None:
    """The whole state equals a full prediction with the same reduction."""
    image_ids, expnums = images(len(state.arrays["slots"]))
    everything = np.arange(len(image_ids))
    model = state.frozen_model()
    keys = pd.DataFrame({"image_id": image_ids, "expnum": expnums, "ccdname": "N1"})
    full = asks_neighbours(model, indicators(model.training.reasons, model.classes), len(keys))
    expected, found = full(state.vectors(everything), keys), state.answer(everything)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)
    np.testing.assert_array_equal(found.shares, expected.shares)
    training_ids = model.training.image_id.to_numpy()
    table = as_table(expected, keys, model.classes, training_ids)
    assert as_table(found, keys, model.classes, training_ids).equals(table)
    assert [LABELS[place] for place in state.arrays["reason"]] == table["reason"].to_pylist()
    for name in ("probability", "p_good"):
        np.testing.assert_array_equal(state.arrays[name], table[name].to_numpy())


def kept(state: live_neighbours.Live) -> dict:
    return {name: state.arrays[name].copy() for name in ("reason", "probability", "p_good")} | {
        "answer": state.answer(np.arange(len(state.arrays["slots"])))
    }


@st.composite
def histories(draw):
    """Vectors of whole numbers, a classifier, and training sets one after another."""
    n, dim = draw(st.integers(8, 150)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = rng.integers(0, draw(st.integers(2, 4)), (n, dim)).astype(float)
    classifier = Classifier(
        neighbours=draw(st.integers(1, 6)),
        power=draw(st.sampled_from([1, 2])),
        one_row_per_label=draw(st.booleans()),
    )
    image_ids, _ = images(n)
    weighted, steps = draw(st.booleans()), draw(st.lists(st.sampled_from("ardlws"), min_size=3, max_size=8))
    first = rng.random(n) < draw(st.sampled_from([0.05, 0.3, 0.8]))
    first[rng.integers(n)] = True
    said = rng.integers(0, len(SAID), n)
    weights = np.ones(n)
    history = []
    for step in ["", *steps]:
        some = rng.integers(0, n, rng.integers(1, max(2, n // 10)))
        if step in ("a", "s"):
            first[some] = True
        if step in ("r", "s"):
            first[rng.permutation(np.flatnonzero(first))[: len(some)]] = False
        if step == "d":
            first[rng.random(n) < 0.6] = False
        if step in ("l", "s"):
            said[rng.integers(0, n, len(some))] = rng.integers(0, len(SAID), len(some))
        if step == "w" and weighted:
            weights[some] = rng.choice([0.25, 0.3, 0.7, 1.0], len(some))
        if not first.any():
            first[rng.integers(n)] = True
        history.append(table_of(image_ids[first], [SAID[k] for k in said[first]], weights[first] if weighted else None))
    return vectors, classifier, history


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(1, 2))
def test_after_every_round_it_is_a_full_prediction(history, threads):
    vectors, classifier, tables = history
    state = following(vectors, classifier)
    before = None
    for table in tables:
        update = state.teach(table, threads=threads)
        check(state)
        after = kept(state)
        if before is not None:
            others = np.setdiff1d(np.arange(len(vectors)), update.images)
            for name in ("reason", "probability", "p_good"):
                np.testing.assert_array_equal(before[name][others], after[name][others])
        before = after


def groups(n: int, dim: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles, widths = np.random.default_rng(1).normal(0, 2, (12, dim)), np.geomspace(0.02, 2, 12)
    kinds = rng.choice(12, n)
    return middles[kinds] + rng.normal(0, 1, (n, dim)) * widths[kinds, None]


SETS = {
    "groups": groups(6000, 15, 0),
    "ties": np.random.default_rng(2).integers(0, 3, (5000, 6)).astype(float),
    "alike": np.ones((1000, 3)),
    "far from zero": 1e9 + groups(3000, 7, 3),
    "tiny": 1e-200 * groups(3000, 7, 4),
    "unlike scales": groups(3000, 8, 5) * np.geomspace(1e-12, 1e12, 8),
}


@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("name", SETS)
def test_few_new_labels_among_many(name, power, monkeypatch):
    monkeypatch.setattr(neighbours, "WORTH_SORTING", 0)
    vectors, rng = SETS[name], np.random.default_rng(7)
    image_ids, _ = images(len(vectors))
    states = {threads: following(vectors, Classifier(neighbours=7, power=power)) for threads in (1, 2)}
    own = rng.permutation(len(vectors))[:600]
    said = rng.integers(0, len(SAID), len(vectors))
    for step in range(4):
        table = table_of(image_ids[own], [SAID[k] for k in said[own]])
        for threads, state in states.items():
            update = state.teach(table, threads=threads)
            if step:
                assert min(update.added, update.removed, update.relabelled) > 0
                assert update.refilled < len(vectors)
        check(states[1])
        for array in states[1].arrays:
            np.testing.assert_array_equal(states[1].arrays[array], states[2].arrays[array])
        own = np.concatenate([own[20:], rng.permutation(np.setdiff1d(np.arange(len(vectors)), own))[:50]])
        said[own[:30]] = (said[own[:30]] + 1) % len(SAID)


def test_cells_are_left_out_that_are_too_far_away():
    vectors = SETS["groups"]
    image_ids, _ = images(len(vectors))
    state = following(vectors, Classifier(neighbours=7))
    state.teach(table_of(image_ids[::10], [SAID[k % 3] for k in range(600)]))
    rows = np.r_[0 : len(vectors) : 10, 1]
    update = state.teach(table_of(image_ids[rows], [SAID[k % 3] for k in range(601)]))
    assert update.added == 1
    assert 0 < update.measured < len(vectors) / 20
    assert 0 < len(update.images) <= update.measured


def test_an_image_never_learns_from_its_own_exposure():
    state = following(np.zeros((8, 2)), Classifier(neighbours=3))
    state.teach(table_of(images(8)[0][:1], [("PSF",)]))
    answer = state.answer(np.arange(8))
    assert (answer.rows[:4] == -1).all()
    assert (answer.rows[4:, 0] == 0).all()
    assert LABELS[state.arrays["reason"][7]] == "PSF"
    check(state)


def test_a_label_of_no_embedded_image_is_left_out():
    state = following(np.eye(8), Classifier(neighbours=2))
    assert state.teach(table_of([101, 999_901], [("PSF",), (GOOD,)])).added == 1
    assert state.teach(table_of([101], [("PSF",)])).images.tolist() == []


def test_a_list_that_lost_rows_takes_no_equal_one_that_others_come_before():
    image_ids, _ = images(60)
    state = following(np.ones((60, 2)), Classifier(neighbours=1))
    rows = list(range(8, 48, 4))
    for gone, come in ((None, None), (rows[0], 56), (rows[1], None), (rows[2], None), (rows[3], None), (rows[4], 50)):
        rows = [row for row in rows if row != gone] + [come] * (come is not None)
        update = state.teach(table_of(image_ids[sorted(rows)], [SAID[row % 5] for row in sorted(rows)]))
        assert gone is None or update.refilled < 60
        check(state)


def test_a_list_that_held_all_rows_knows_when_it_no_longer_does():
    image_ids, _ = images(60)
    state = following(np.arange(60.0)[:, None] // 4, Classifier(neighbours=1))
    histories = [[8, 12, 16], [8, 12, 16, 20], [8, 12, 16, 20, 24], [16, 20, 24], [20, 24], [24]]
    for rows in histories:
        state.teach(table_of(image_ids[rows], [SAID[row // 4 % 5] for row in rows]))
        check(state)
