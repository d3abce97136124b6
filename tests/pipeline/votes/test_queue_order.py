"""Orders, packets and what is mixed into a queue: seeded, different for everybody, and nothing lost."""

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.errors import TriptychError
from triptych.pipeline.votes.queue_order import (
    BAND_WIDTH,
    ORDERS,
    draws_of,
    has_value,
    in_packet,
    latitude_names,
    mixed,
    ordered,
    packet_text,
    parse_packet,
    places_of,
    seed_of,
    slots,
    values_in,
)

AMY, BEN = seed_of("run", "amy"), seed_of("run", "ben")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    n = 240
    group = rng.integers(-1, 5, n)
    score = np.where(rng.random(n) < 0.05, np.nan, rng.random(n))
    frame = pd.DataFrame(
        {
            "score": score,
            "probability": score,
            "night": 20131000 + rng.integers(1, 9, n),
            "mjd_obs": 56500 + rng.random(n),
            "division": rng.integers(0, 3, n) / 2,
            "disagreement": np.where(rng.random(n) < 0.05, np.nan, rng.random(n)),
            "taught": rng.random(n) < 0.2,
            "group": group,
            "place_0": 10.0 * group + rng.normal(size=n),
            "place_1": rng.normal(size=n),
        },
        index=pd.Index(rng.permutation(np.arange(500_000, 500_000 + n))),
    )
    return frame


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_holds_every_exposure_once_is_repeatable_and_differs_between_inspectors(table, order):
    amy = ordered(table, order, AMY)
    assert sorted(amy) == sorted(table.index)
    assert (ordered(table.sample(frac=1, random_state=1), order, AMY) == amy).all()
    assert (ordered(table, order, BEN) != amy).mean() > 0.5


@pytest.mark.parametrize("order", [name for name in ORDERS if name not in ("similar", "gain")])
def test_an_order_stays_as_it_is_while_exposures_leave(table, order):
    left = table.sample(frac=0.5, random_state=2)
    whole = ordered(table, order, AMY)
    assert ordered(left, order, AMY).tolist() == whole[np.isin(whole, left.index)].tolist()


def test_by_score_the_bands_fall_and_within_a_band_the_score_says_nothing(table):
    scores = table["score"].loc[ordered(table, "score", AMY)].to_numpy()
    known = scores[np.isfinite(scores)]
    assert np.isnan(scores[len(known) :]).all()
    assert (np.diff(known) < BAND_WIDTH).all()
    assert (np.diff(known) > 0).mean() > 0.3


def test_by_uncertainty_the_probability_nearest_one_half_comes_first(table):
    away = np.abs(table["probability"].loc[ordered(table, "uncertainty", AMY)].dropna().to_numpy() - 0.5)
    assert (np.diff(away) > -BAND_WIDTH).all()
    assert away[:10].max() < away[-10:].min()


def test_by_night_a_night_is_in_one_piece_and_goes_one_way_in_time(table):
    rows = table.loc[ordered(table, "night", AMY)]
    pieces = (rows["night"].diff() != 0).cumsum()
    assert pieces.max() == rows["night"].nunique()
    for _, night in rows.groupby(pieces):
        assert night["mjd_obs"].is_monotonic_increasing or night["mjd_obs"].is_monotonic_decreasing


def test_by_likeness_groups_are_in_one_piece_and_neighbours_are_near(table):
    rows = table.loc[ordered(table, "similar", AMY)]
    pieces = (rows["group"].diff() != 0).cumsum()
    assert pieces.max() == rows["group"].nunique()
    assert rows["group"].iloc[-1] == -1
    own = rows[rows["group"] == 2][["place_0", "place_1"]].to_numpy()
    step = np.linalg.norm(np.diff(own, axis=0), axis=1).mean()
    chance = np.linalg.norm(np.diff(np.random.default_rng(0).permutation(own), axis=0), axis=1).mean()
    assert step < 0.6 * chance


def test_places_keep_what_is_near_near():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3) * 8, 20, axis=0)
    found = places_of(np.hstack([centres, np.zeros((60, 4))]) + rng.normal(size=(60, 7)), dims=2)
    assert found.shape == (60, 2)
    middles = found.reshape(3, 20, 2).mean(axis=1)
    nearest = np.linalg.norm(found[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == np.repeat([0, 1, 2], 20)).all()
    assert places_of(np.ones((1, 4))).shape == (1, 1)


def test_an_unknown_order_names_the_known_ones(table):
    with pytest.raises(TriptychError, match="score, uncertainty"):
        ordered(table, "scores", 0)


def splitmix(state):
    """The published splitmix64 on Python's own integers."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_draws_are_even_and_the_same_everywhere():
    draws = draws_of(np.arange(20_000), 5)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.histogram(draws, bins=10, range=(0, 1))[0] == pytest.approx(2000, abs=200)
    assert draws_of([243671], 1)[0] == (splitmix(243671 + 1) >> 11) / 2**53
    assert abs(np.corrcoef(draws_of(np.arange(5000), AMY), draws_of(np.arange(5000), BEN))[0, 1]) < 0.05


def test_a_packet_is_read_and_written_in_one_form():
    assert packet_text(parse_packet(" month=2013-10 ; band=g")) == "band=g;month=2013-10"
    assert parse_packet("") == {}
    with pytest.raises(TriptychError, match="FACET=VALUE"):
        parse_packet("band")
    with pytest.raises(TriptychError, match="latitude"):
        parse_packet("lattitude=high")


def test_a_packet_holds_what_has_all_of_its_values():
    facets = pd.DataFrame({"band": ["g", "g", "r"], "month": ["2013-10", "2014-01", "2013-10"]})
    assert in_packet(facets, {"band": "g", "month": "2013-10"}).tolist() == [True, False, False]
    assert in_packet(facets, {}).all()


def test_latitudes_have_three_names_on_both_sides_of_the_plane():
    assert latitude_names([5, -5, 20, -39.9, 40, -90, np.nan]).tolist() == [
        "low",
        "low",
        "middle",
        "middle",
        "high",
        "high",
        "",
    ]


def test_slots_are_one_in_so_many_and_stay_where_they_are():
    whole = slots(0.04, AMY, 0, 10_000)
    assert len(whole) == 400
    assert [place for place in whole if 130 <= place < 700] == slots(0.04, AMY, 130, 700)
    assert slots(0.04, BEN, 0, 10_000) != whole
    assert slots(0, AMY, 0, 100) == []


def test_what_is_mixed_in_comes_at_its_place_and_nothing_is_lost_or_twice():
    queue, repeats, known = list(range(100)), [900, 901], [50, 800]
    rank = {expnum: place for place, expnum in enumerate([*queue, 900, 901, 800])}
    found = mixed(queue, [([10, 30], repeats), ([10, 20, 70], known)], rank, start=5, seed=1)
    assert sorted(found) == sorted({*queue, *repeats, *known})
    assert {found[5], found[25]} == set(repeats)
    assert found[15] in known
    assert [expnum for expnum in found if expnum in queue and expnum != 50] == [e for e in queue if e != 50]


def test_what_is_mixed_in_stands_near_its_place_in_the_order():
    queue, pool = list(range(0, 1000, 2)), list(range(1, 1000, 2))
    rank = {expnum: expnum for expnum in range(1000)}
    found = mixed(queue, [(slots(0.1, 1, 0, 500), pool)], rank, start=0, seed=1)
    for place, expnum in enumerate(found[:-1]):
        if expnum % 2:
            assert abs(expnum - found[place + 1]) < 12


def test_a_facet_may_have_several_values_at_once():
    column = pd.Series(["lists,neighbours", "lists", "", "neighbours"])
    assert has_value(column, "lists").tolist() == [True, True, False, False]
    assert has_value(column, "").tolist() == [False, False, True, False]
    assert values_in(column) == ["lists", "neighbours"]
    frame = pd.DataFrame({"doubtful": column})
    assert in_packet(frame, {"doubtful": "neighbours"}).tolist() == [True, False, False, True]
