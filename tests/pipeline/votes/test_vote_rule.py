"""How many votes the adaptive rule asks for, and its errors, for simulated inspectors with known error rates."""

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.errors import TriptychError
from triptych.pipeline.votes.vote_rule import (
    ASKED,
    LATER,
    SETTLED,
    QueueSettings,
    asked_of,
    counted,
    drawn_for_control,
    saving,
    settings_of,
    share_of,
    vote_progress,
)

PANEL = 3
NAMES = ("amy", "ben", "cai")
ADAPTIVE = QueueSettings(rule="adaptive", control=0.0)


def ballots(*rows):
    frame = pd.DataFrame(rows, columns=["expnum", "inspector", "judgement"])
    return frame.assign(vote_id=range(1, len(frame) + 1), via="single", blind=True)


def stand(said, settings=ADAPTIVE, probability=0.5, control=()):
    rows = [(7, name, judgement) for name, judgement in zip(NAMES, said, strict=False)]
    model = pd.Series({7: probability})
    return vote_progress([7], counted(ballots(*rows)), model, control, settings, PANEL).loc[7]


@pytest.mark.parametrize(
    ("said", "probability", "settled"),
    [
        ((), 0.5, False),
        (("good",), 0.5, False),
        (("good", "good"), 0.5, True),
        (("bad", "bad"), 0.5, True),
        (("good", "bad"), 0.5, False),
        (("unsure", "unsure"), 0.5, False),
        (("good", "unsure"), 0.5, False),
        (("good", "good"), 0.95, False),
        (("bad", "bad"), 0.05, False),
        (("bad", "bad"), 0.95, True),
        (("good", "good"), np.nan, True),
        (("good", "bad", "unsure"), 0.5, True),
    ],
)
def test_two_votes_settle_where_they_agree_and_the_model_is_not_strongly_against(said, probability, settled):
    assert stand(said, probability=probability)["settled"] == settled


def test_without_the_rule_and_in_the_control_the_whole_panel_votes():
    assert not stand(("good", "good"), QueueSettings())["settled"]
    assert stand(("good", "good", "good"), QueueSettings())["settled"]
    assert not stand(("good", "good"), control=[7])["settled"]
    assert stand(("good", "good"), control=[7])["needed"] == PANEL


def test_bulk_votes_and_votes_that_were_not_blind_settle_nothing():
    rows = ballots((7, "amy", "good"), (7, "ben", "good"), (8, "amy", "good"), (8, "ben", "good"))
    rows.loc[1, "via"], rows.loc[3, "blind"] = "bulk", False
    table = vote_progress([7, 8], counted(rows), pd.Series(dtype=float), (), ADAPTIVE, PANEL)
    assert table["n_votes"].tolist() == [1, 1]
    assert not table["settled"].any()


def test_the_first_to_be_asked_are_two_of_three_and_share_the_work():
    expnums = np.arange(3000)
    table = vote_progress(expnums, counted(ballots()), pd.Series(dtype=float), (), ADAPTIVE, PANEL)
    asked = np.array([asked_of(name, NAMES, table, ADAPTIVE, PANEL) == ASKED for name in NAMES])
    assert (asked.sum(axis=0) == 2).all()
    assert asked.mean(axis=1) == pytest.approx(2 / 3, abs=0.03)


def test_a_third_is_asked_alike_for_split_votes_and_for_control_and_not_before():
    expnums = np.arange(200)
    none = vote_progress(expnums, counted(ballots()), pd.Series(dtype=float), expnums[:100], ADAPTIVE, PANEL)
    third = [e for e in expnums if asked_of("cai", NAMES, none, ADAPTIVE, PANEL)[e] == LATER]
    split, kept = next(e for e in third if e >= 100), next(e for e in third if e < 100)
    done = next(e for e in third if e > split)
    rows = ballots(
        *((split, "amy", "good"), (split, "ben", "bad"), (kept, "amy", "good"), (kept, "ben", "good")),
        *((done, "amy", "good"), (done, "ben", "good")),
    )
    table = vote_progress(expnums, counted(rows), pd.Series(dtype=float), expnums[:100], ADAPTIVE, PANEL)
    now = asked_of("cai", NAMES, table, ADAPTIVE, PANEL)
    assert (now[split], now[kept], now[done]) == (ASKED, ASKED, SETTLED)


def simulate(settings, n=4000, seed=5, bad=0.2, miss=0.15, alarm=0.03, unsure=0.03):
    """Three inspectors with the same error rates vote until nothing is left to ask. Returns truth, ballots, control."""
    rng = np.random.default_rng(seed)
    expnums = np.arange(n)
    truth = rng.random(n) < bad
    model = pd.Series(np.where(truth, rng.beta(5, 2, n), rng.beta(2, 5, n)))
    control = drawn_for_control(expnums, settings) if settings.rule != "all" else ()
    votes = ballots()
    for _ in range(2 * PANEL):
        rows = []
        for name in NAMES:
            own = votes.loc[votes["inspector"] == name, "expnum"]
            left = expnums[~np.isin(expnums, own)]
            table = vote_progress(left, counted(votes), model, control, settings, PANEL)
            left = left[asked_of(name, NAMES, table, settings, PANEL) == ASKED]
            says_bad = np.where(truth[left], rng.random(len(left)) > miss, rng.random(len(left)) < alarm)
            said = np.where(rng.random(len(left)) < unsure, "unsure", np.where(says_bad, "bad", "good"))
            rows += zip(left, [name] * len(left), said, strict=True)
        votes = ballots(*zip(votes["expnum"], votes["inspector"], votes["judgement"], strict=True), *rows)
    return truth, model, votes, control


def wrong(truth, votes):
    counts = votes.groupby(["expnum", "judgement"]).size().unstack(fill_value=0)
    return ((counts["bad"] > counts["good"]).to_numpy() != truth).mean()


def test_the_rule_saves_a_quarter_of_the_votes_and_hardly_any_verdict():
    truth, model, all_votes, _ = simulate(QueueSettings())
    assert len(all_votes) == PANEL * len(truth)
    settings = QueueSettings(rule="adaptive", control=0.1)
    truth, model, votes, control = simulate(settings)
    assert votes.groupby("expnum").size().isin([2, 3]).all()
    assert len(votes) < 0.80 * len(all_votes)
    assert wrong(truth, votes) < wrong(truth, all_votes) + 0.01
    found = saving(np.arange(len(truth)), counted(votes), model, control, settings, PANEL)
    assert found["votes_saved"] == len(all_votes) - len(votes)
    assert found["n_control"] == len(control)
    assert found["others_waiting"] == found["control_waiting"] == 0


def test_the_control_tells_what_the_saved_votes_would_have_said():
    settings = QueueSettings(rule="adaptive", control=0.25)
    truth, model, votes, control = simulate(settings, unsure=0.0)
    found = saving(np.arange(len(truth)), counted(votes), model, control, settings, PANEL)["good_pairs"]
    bad = 0.2 * 0.15**2 / (0.2 * 0.15**2 + 0.8 * 0.97**2)  # of the pairs that agree on good
    expected = bad * 0.85 + (1 - bad) * 0.03
    assert found["n"] > 500
    assert abs(found["share"] - expected) < 3 * np.sqrt(expected * (1 - expected) / found["n"])
    assert found["low"] < found["share"] < found["high"]
    assert found["share"] == found["turned"] / found["n"]


def test_without_any_pair_there_is_no_share():
    assert share_of(0, 0) == {"n": 0, "turned": 0, "share": None, "low": None, "high": None}
    few = share_of(10, 0)
    assert few["low"] == 0.0
    assert few["high"] == pytest.approx(0.2775, abs=1e-4)  # Wilson's interval of 0 of 10


def test_the_control_is_the_same_for_the_same_seed_and_grows_with_its_share():
    expnums = np.arange(10_000)
    small = drawn_for_control(expnums, QueueSettings(control=0.05))
    large = drawn_for_control(expnums, QueueSettings(control=0.10))
    assert len(small) == pytest.approx(500, abs=80)
    assert set(small) < set(large)
    assert set(drawn_for_control(expnums, QueueSettings(control=0.05, seed=1))) != set(small)


def test_settings_out_of_bounds_are_refused_with_the_bounds():
    assert settings_of(None) == QueueSettings()
    assert settings_of({"repeats": "0.1", "packet": "month=2013-10;band=g"}).packet == "band=g;month=2013-10"
    for values, says in (
        ({"repeats": 0.5}, "0 to 0.2"),
        ({"repeat_age": 5}, "40 or more"),
        ({"rule": "some"}, "all, adaptive"),
        ({"order": "split"}, "leads"),
        ({"control": "many"}, "float"),
        ({"shares": 1}, "repeats"),
    ):
        with pytest.raises(TriptychError, match=says):
            settings_of(values)
