"""What an answer is expected to teach: uncertainty, divided neighbours, and a choice of different exposures."""

import numpy as np
import pandas as pd

from triptych.pipeline.votes import expected_gain
from triptych.pipeline.votes.expected_gain import bits, chosen_apart, disagreement, gain_of, vote_entropy
from triptych.pipeline.votes.queue_order import ordered


def test_a_coin_is_worth_one_bit_a_certainty_none_and_the_unknown_a_whole_one():
    assert bits([0.0, 0.5, 1.0, np.nan]).tolist() == [0.0, 1.0, 0.0, 1.0]
    assert np.isclose(bits([0.11])[0], 0.5, atol=0.01)


def test_neighbours_are_divided_by_their_labels_and_one_without_a_label_does_not_vote():
    labels = pd.Series({1: "good", 2: "good", 3: "PSF", 4: "Noise"})
    near = [np.array([1, 2]), np.array([1, 3]), np.array([1, 2, 3, 4]), np.array([1, 9]), np.array([], int)]
    assert np.allclose(vote_entropy(near, labels), [0, 1, 1.5 / 2, 0, 0])


def test_an_exposure_is_as_divided_as_its_most_divided_ccds():
    labels = pd.Series({1: "good", 2: "PSF"})
    calm, torn = np.array([1, 1]), np.array([1, 2])
    most = expected_gain.DIVIDED_CCDS
    prediction = pd.DataFrame({"expnum": [7] * 60 + [8] * 60, "neighbour_ids": [torn] * most + [calm] * 115})
    found = disagreement(prediction, labels)
    assert found[7] == 1
    assert found[8] == 0


def test_gain_grows_with_uncertainty_and_with_disagreement():
    gain = gain_of([0.5, 0.5, 0.99, 0.99], [1, 0, 1, np.nan])
    assert gain[0] > gain[1] > gain[3]
    assert gain[0] > gain[2] > gain[3] >= expected_gain.FLOOR


def test_of_equal_gain_the_unlike_are_asked_first_and_the_answered_never():
    places = np.array([[0.0], [0.1], [5.0], [5.1], [10.0], [10.1]])
    asked = np.array([True, False, False, False, False, False])
    draws = np.linspace(0, 0.9, 6)
    first = chosen_apart(np.ones(6), places, np.full(6, -1), asked, most=9, draws=draws)
    assert sorted(first) == [1, 2, 3, 4, 5]
    assert 1 not in first[:2]
    assert len({int(places[row, 0]) for row in first[:2]}) == 2


def test_a_cluster_that_was_asked_about_waits_for_the_others():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    places = rng.normal(size=(60, 3)) * 0.1 + np.eye(3)[group]
    first = chosen_apart(np.ones(60), places, group, np.zeros(60, bool), most=9, draws=rng.random(60))
    assert set(group[first[:4]]) == {0, 1, 2}


def test_in_the_queue_the_taught_come_last_and_beyond_the_chosen_only_gain_counts(monkeypatch):
    monkeypatch.setattr(expected_gain, "CHOSEN_APART", 10)
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "probability": rng.random(300),
            "disagreement": rng.random(300),
            "taught": rng.random(300) < 0.3,
            "group": rng.integers(-1, 4, 300),
            "place_0": rng.normal(size=300),
        },
        index=np.arange(300) + 7,
    )
    found = table.loc[ordered(table, "gain", 5)]
    assert found["taught"].is_monotonic_increasing
    assert len(found.index.unique()) == 300
    rest = found[~found["taught"]].iloc[10:]
    assert (np.diff(gain_of(rest["probability"], rest["disagreement"])) < 0.05).all()
