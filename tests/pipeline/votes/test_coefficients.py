"""Every coefficient against a published implementation or example, and the bootstrap against a plain loop."""

import krippendorff
import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats import inter_rater

from triptych.pipeline.votes import coefficients as co
from triptych.pipeline.votes.blind_votes import BAD, GOOD, MISSING, UNSURE, Ballots

ANSWERS = arrays(np.int8, st.tuples(st.integers(4, 40), st.integers(2, 5)), elements=st.sampled_from([-1, 0, 1, 2]))


def ballots_of(answers, exposures=None) -> Ballots:
    """Ballots of a plain matrix; exposures : number of the exposure of each row."""
    answers = np.asarray(answers, np.int8)
    expnums = np.arange(len(answers)) if exposures is None else exposures
    units = pd.DataFrame({"camera": "decam", "expnum": expnums, "ccdname": ""})
    names = tuple(f"i{n}" for n in range(answers.shape[1]))
    none = pd.DataFrame({"unit": [], "inspector": [], "reason": []})
    return Ballots("exposure", names, units, answers, none)


def value(function, answers) -> float:
    counted = co.tally(ballots_of(answers), resamples=1)
    return function(counted.patterns, counted.weights)[0]


def two_by_two(both, first, second, neither) -> np.ndarray:
    """Answers of two inspectors: bad from both, from the first alone, from the second alone, good from both."""
    cells = [(BAD, BAD, both), (BAD, GOOD, first), (GOOD, BAD, second), (GOOD, GOOD, neither)]
    return np.array([(a, b) for a, b, n in cells for _ in range(n)], np.int8)


def judged(answers) -> np.ndarray:
    """Answers as the krippendorff package takes them: one row per inspector, NaN for missing."""
    return np.where(answers == MISSING, np.nan, answers.astype(float)).T


def varied(answers) -> bool:
    return len({*answers[answers != MISSING].tolist()}) > 1 and ((answers != MISSING).sum(axis=1) >= 2).any()


@settings(max_examples=60, deadline=None)
@given(ANSWERS)
def test_alpha_is_that_of_the_krippendorff_package(answers):
    ordinal = value(co.alpha_ordinal, answers)
    sure = np.where(answers == UNSURE, MISSING, answers)
    for ours, level, given_answers in (
        (value(co.alpha_nominal, answers), "nominal", sure),
        (ordinal, "ordinal", answers),
    ):
        paired = given_answers[(given_answers != MISSING).sum(axis=1) >= 2]
        if not varied(paired):
            assert np.isnan(ours)
            continue
        assert ours == pytest.approx(krippendorff.alpha(judged(paired), level_of_measurement=level), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(5, 40), st.integers(2, 5)), elements=st.sampled_from([GOOD, BAD])))
def test_kappas_are_those_of_statsmodels(answers):
    assume(varied(answers))
    counts = np.stack([(answers == GOOD).sum(axis=1), (answers == BAD).sum(axis=1)], axis=1)
    assert value(co.fleiss_kappa, answers) == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-9)
    two = answers[:, :2]
    assume(len(np.unique(two)) == 2)
    expected = inter_rater.cohens_kappa(inter_rater.to_table(two // 2, bins=2)[0], return_results=False)
    assert value(co.cohen_kappa, two) == pytest.approx(expected, abs=1e-9)


def test_two_raters_who_nearly_always_say_the_same_rare_answer():
    """Gwet, Br. J. Math. Stat. Psychol. 61, 29 (2008): of 125 subjects 118 +/+, 5 +/-, 2 -/+ and none -/-.

    By hand: raw 118/125; chance of AC1 2 * 0.972 * 0.028; Dice on + 2 * 118 / (2 * 118 + 7).
    """
    answers = two_by_two(118, 5, 2, 0)
    assert value(co.raw_agreement, answers) == pytest.approx(0.944)
    assert value(co.gwet_ac1, answers) == pytest.approx((0.944 - 0.054432) / (1 - 0.054432))
    assert value(co.gwet_ac1, answers) == pytest.approx(0.9408, abs=5e-5)
    assert value(co.cohen_kappa, answers) == pytest.approx(-0.0234, abs=5e-5)
    assert value(co.dice_bad, answers) == pytest.approx(236 / 243)


def test_the_example_of_krippendorff():
    """Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section A: ten units, two observers."""
    answers = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], np.int8).T * 2
    assert value(co.alpha_nominal, answers) == pytest.approx(0.095, abs=5e-4)


def test_three_raters_by_hand():
    """Four exposures: bbb, bbg, bgg, ggg. Raw (1 + 1/3 + 1/3 + 1) / 4; share of bad 1/2, so AC1 equals
    (2/3 - 1/2) / (1/2); Dice sum(n(n-1)) / sum(n * 2) = (6 + 2 + 0) / (6 + 4 + 2)."""
    answers = [[BAD] * 3, [BAD, BAD, GOOD], [BAD, GOOD, GOOD], [GOOD] * 3]
    assert value(co.raw_agreement, answers) == pytest.approx(2 / 3)
    assert value(co.gwet_ac1, answers) == pytest.approx(1 / 3)
    assert value(co.dice_bad, answers) == pytest.approx(8 / 12)


@settings(max_examples=40, deadline=None)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_neither_the_order_of_exposures_nor_that_of_inspectors_matters(answers, random):
    rows, columns = list(range(answers.shape[0])), list(range(answers.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    for function in (co.alpha_nominal, co.alpha_ordinal, co.gwet_ac1, co.dice_bad, co.raw_agreement, co.fleiss_kappa):
        same = value(function, answers[rows][:, columns])
        assert same == pytest.approx(value(function, answers), nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(ANSWERS)
def test_no_figure_is_above_one_and_all_agreed_is_one(answers):
    for function in (co.alpha_nominal, co.alpha_ordinal, co.gwet_ac1, co.dice_bad, co.raw_agreement):
        assert not value(function, answers) > 1 + 1e-12
    alike = np.where(answers[:, :1] == BAD, BAD, GOOD) * np.ones_like(answers)
    if varied(alike):
        for function in (co.alpha_nominal, co.alpha_ordinal, co.gwet_ac1, co.dice_bad, co.raw_agreement):
            assert value(function, alike) == pytest.approx(1)


THREE = ((0.9, 0.95), (0.7, 0.9), (0.6, 0.98))


def made_up(n=400, seed=3, people=THREE) -> np.ndarray:
    """Answers of people with different skill (hit, quiet). Some are missing, some unsure."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.25
    columns = []
    for hit, quiet in people:
        bad = np.where(truth, rng.random(n) < hit, rng.random(n) > quiet)
        columns.append(np.where(rng.random(n) < 0.05, UNSURE, np.where(bad, BAD, GOOD)))
    answers = np.stack(columns, axis=1)
    answers[rng.random(answers.shape) < 0.1] = MISSING
    return answers.astype(np.int8)


@pytest.mark.parametrize("function", [co.alpha_nominal, co.alpha_ordinal, co.gwet_ac1, co.dice_bad, co.fleiss_kappa])
def test_the_bootstrap_is_that_of_a_plain_loop(function):
    """Drawing patterns equals drawing exposures: the same spread and interval, up to the noise of resampling."""
    answers, rng = made_up(), np.random.default_rng(1)
    counted = co.tally(ballots_of(answers), resamples=2000)
    fast = function(counted.patterns, counted.weights)[1:]
    slow = np.array([value(function, answers[rng.integers(0, len(answers), len(answers))]) for _ in range(600)])
    assert fast.std() == pytest.approx(slow.std(), rel=0.12)
    assert np.allclose(co.interval(fast), co.interval(slow), atol=0.35 * slow.std())


def test_ccds_of_an_exposure_are_drawn_together():
    """Each exposure has ten CCDs with the same answer: the spread is that of 40 exposures, not of 400 CCDs."""
    few = made_up(40)
    repeated = co.tally(ballots_of(np.repeat(few, 10, axis=0), np.repeat(np.arange(40), 10)), resamples=2000)
    single = co.tally(ballots_of(few), resamples=2000)
    spread = [co.raw_agreement(counted.patterns, counted.weights)[1:].std() for counted in (repeated, single)]
    assert spread[0] == pytest.approx(spread[1], rel=0.1)


def test_the_same_seed_gives_the_same_intervals():
    first, again = (co.tally(ballots_of(made_up()), seed=5) for _ in range(2))
    assert np.array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, co.tally(ballots_of(made_up()), seed=6).weights)


def test_dawid_skene_is_that_of_crowd_kit():
    answers = made_up(300, people=(*THREE, *THREE))  # six settle soon
    counted = co.tally(ballots_of(answers), resamples=3)
    fitted = co.dawid_skene(counted.patterns, counted.weights)
    ours = fitted.probability[0][counted.place]
    task, worker = np.nonzero(np.isin(answers, (GOOD, BAD)))
    frame = pd.DataFrame(
        {"task": task, "worker": worker, "label": np.where(answers[task, worker] == BAD, "bad", "good")}
    )
    theirs = DawidSkene(n_iter=60, tol=-1).fit(frame)  # its bound falls at first, and any tolerance would stop it
    assert np.allclose(theirs.probas_["bad"].to_numpy(), ours[theirs.probas_.index], atol=1e-4)
    for worker in range(6):
        assert fitted.sensitivity[0, worker] == pytest.approx(theirs.errors_.loc[(worker, "bad"), "bad"], abs=1e-4)
        assert fitted.specificity[0, worker] == pytest.approx(theirs.errors_.loc[(worker, "good"), "good"], abs=1e-4)


def test_dawid_skene_of_a_resample_is_that_of_its_exposures():
    """Each row of weights is fitted by itself: the same as fitting only those exposures."""
    answers = made_up(300)
    counted = co.tally(ballots_of(answers), resamples=2)
    together = co.dawid_skene(counted.patterns, counted.weights)
    for row in range(3):
        rows = np.repeat(counted.patterns, counted.weights[row].astype(int), axis=0)
        alone = co.tally(ballots_of(rows), resamples=1)
        assert co.dawid_skene(alone.patterns, alone.weights[:1]).share[0] == pytest.approx(
            together.share[row], abs=1e-4
        )


def test_nothing_to_compare_is_no_number():
    for answers in (np.empty((0, 2)), np.full((30, 2), GOOD), np.array([[BAD, MISSING], [MISSING, GOOD]])):
        assert np.isnan(value(co.alpha_nominal, answers))
    assert np.isnan(value(co.cohen_kappa, np.full((30, 2), GOOD)))
