"""Learners that answer together: which may answer for which exposure, the two steps, and calibration."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.classifier import train
from triptych.pipeline.classifier.cross_fitted_heads import (
    ALIKE,
    FOLDS,
    KINDS,
    Head,
    alike,
    as_arrays,
    fit_head,
    from_arrays,
)
from triptych.pipeline.classifier.metrics import calibration
from triptych.pipeline.classifier.simulated_teacher import Teacher
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.reasons import GOOD

CCDS = 6
DIM = 10


def table_of(reasons, expnums) -> pd.DataFrame:
    """Training rows of exposures of CCDS images each."""
    ccdnums = 1 + np.arange(len(expnums)) % CCDS
    return pd.DataFrame({"image_id": image_id_of(expnums, ccdnums), "expnum": expnums, "reasons": reasons})


def separable(exposures: int = 40, *, seed: int = 0, spread: float = 1.0):
    """Images that are good, PSF, Noise, or PSF and Noise, and their table. Each reason has its own direction."""
    rng = np.random.default_rng(seed)
    expnums = np.repeat(np.arange(1, exposures + 1), CCDS)
    kinds = [(GOOD,), ("PSF",), ("Noise",), ("PSF", "Noise")]
    codes = np.maximum(rng.integers(-2, 4, len(expnums)), 0)
    x = rng.normal(0, spread, (len(expnums), DIM))
    x[:, 0] += 6 * np.isin(codes, [1, 3])
    x[:, 1] += 6 * np.isin(codes, [2, 3])
    return x.astype(np.float32), table_of(pd.Series([kinds[c] for c in codes]), expnums)


def overlapping(exposures: int, *, seed: int):
    """Good and PSF images that overlap: x (n, DIM), table, whether PSF."""
    rng = np.random.default_rng(seed)
    expnums = np.repeat(np.arange(1, exposures + 1), CCDS)
    bad = rng.random(len(expnums)) < 0.4
    x = rng.normal(0, 1, (len(expnums), DIM))
    x[:, :3] += 0.9 * bad[:, None]
    reasons = pd.Series([("PSF",) if own else (GOOD,) for own in bad])
    return x.astype(np.float32), table_of(reasons, expnums), bad


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("two_steps", [False, True])
def test_an_exposure_is_answered_by_those_whom_it_has_not_taught(kind, two_steps):
    """Vectors that show only which exposure an image belongs to, and labels drawn per exposure. Nothing can be learned
    from other exposures; everything can from the same one."""
    rng = np.random.default_rng(4)
    expnums = np.repeat(np.arange(1, 61), CCDS)
    own = rng.normal(0, 1, (61, 80))
    x = (own[expnums] + rng.normal(0, 0.01, (len(expnums), 80))).astype(np.float32)
    bad = (rng.random(61) < 0.5)[expnums]
    table = table_of(pd.Series([("PSF",) if one else (GOOD,) for one in bad]), expnums)
    head = fit_head(x, table, kind=kind, two_steps=two_steps)
    good = head.classes.index(GOOD)
    honest = head.probabilities(x, expnums)[:, good] < 0.5
    flattered = head.probabilities(x, expnums, own_exposure=True)
    # The sharpness found for chance is low, so compare with the middle of what is said rather than with one half.
    flattered = flattered[:, good] < np.median(flattered[:, good])
    assert (flattered == bad).mean() > 0.9
    assert 0.25 < (honest == bad).mean() < 0.7


def test_every_fold_answers_a_new_exposure_and_one_answers_for_one_that_taught():
    x, table = separable()
    head = fit_head(x, table, kind="linear")
    assert len(head.folds) == FOLDS
    assert sorted(np.concatenate(head.folds)) == list(range(1, 41))
    each = np.stack([head.of_fold(fold, x) for fold in range(FOLDS)])
    new = np.full(len(x), 999)
    np.testing.assert_allclose(head.probabilities(x, new), each.mean(axis=0))
    of = np.array([next(i for i, own in enumerate(head.folds) if e in own) for e in table.expnum])
    np.testing.assert_allclose(head.probabilities(x, table.expnum.to_numpy()), each[of, np.arange(len(x))])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("two_steps", [False, True])
def test_an_image_with_two_labels_gets_both(kind, two_steps):
    x, table = separable()
    head = fit_head(x, table, kind=kind, two_steps=two_steps)
    assert head.classes == ("PSF", "Noise", GOOD)
    asked, truth = separable(seed=1)
    said = head.probabilities(asked, truth.expnum.to_numpy() + 1000)
    both = truth.reasons.map(len).to_numpy() == 2
    assert ((said[both, :2] > 0.5).all(axis=1)).mean() > 0.95
    assert (said[both, 2] < 0.5).mean() > 0.95
    good = (truth.reasons == (GOOD,)).to_numpy()
    assert (said[good, :2] < 0.5).all(axis=1).mean() > 0.95
    assert said.min() >= 0
    assert said.max() <= 1


def test_of_two_steps_no_reason_is_likelier_than_being_bad():
    x, table = separable(spread=3.0)
    head = fit_head(x, table, kind="mixed", two_steps=True)
    assert [step.labels for step in head.steps] == [("bad",), ("PSF", "Noise")]
    said = head.probabilities(x, table.expnum.to_numpy() + 1000)
    assert (said[:, :2] <= 1 - said[:, 2:] + 1e-12).all()


def test_two_steps_without_good_images_are_one():
    x, table = separable()
    bad = (table.reasons != (GOOD,)).to_numpy()
    head = fit_head(x[bad], table[bad].reset_index(drop=True), kind="mixed", two_steps=True)
    assert len(head.steps) == 1
    assert head.classes == ("PSF", "Noise")


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_can_be_believed(kind):
    """On classes that overlap, with a few hundred training images. Without calibration the learners are further off."""
    errors, raw_errors = [], []
    for seed in range(3):
        x, table, _ = overlapping(60, seed=seed)
        head = fit_head(x, table, kind=kind)
        asked, truth, bad = overlapping(800, seed=100 + seed)
        said = head.probabilities(asked, truth.expnum.to_numpy() + 10_000)[:, 0]
        assert ((said > 0.5) == bad).mean() > 0.7
        plainly = Head(tuple(replace(step, sharpness=1.0) for step in head.steps), head.folds)
        raw = plainly.probabilities(asked, truth.expnum.to_numpy() + 10_000)[:, 0]
        errors.append(calibration(said, bad)["expected_calibration_error"])
        raw_errors.append(calibration(raw, bad)["expected_calibration_error"])
    assert np.mean(errors) < 0.06
    assert np.mean(errors) < np.mean(raw_errors)


def test_learners_that_hesitate_are_sharpened():
    """A regularised learner is too cautious if there are few images; a forest is if images are noisy."""
    x, table, _ = overlapping(40, seed=0)
    for kind in KINDS:
        assert fit_head(x, table, kind=kind).steps[0].sharpness > 1.1


def test_the_mix_is_no_worse_than_the_better_of_its_parts():
    x, table, _ = overlapping(80, seed=3)
    asked, truth, bad = overlapping(800, seed=4)
    loss = {}
    for kind in KINDS:
        said = fit_head(x, table, kind=kind).probabilities(asked, truth.expnum.to_numpy() + 10_000)[:, 0]
        loss[kind] = -np.where(bad, np.log(said), np.log(1 - said)).mean()
    assert loss["mixed"] < min(loss["linear"], loss["forest"]) + 0.01


def test_of_an_exposure_of_one_kind_some_images_teach_and_of_a_mixed_one_all():
    expnums = np.repeat([1, 2, 3], 60)
    reasons = pd.Series([(GOOD,)] * 60 + [("PSF",)] * 60 + [(GOOD,), ("PSF",)] * 30)
    table = table_of(reasons, expnums)
    rows = alike(table, ALIKE, seed=0)
    assert table.expnum.iloc[rows].value_counts().to_dict() == {3: 60, 1: ALIKE, 2: ALIKE}
    np.testing.assert_array_equal(rows, alike(table, ALIKE, seed=0))
    assert not np.array_equal(rows, alike(table, ALIKE, seed=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("two_steps", [False, True])
def test_a_head_as_arrays_and_back(kind, two_steps):
    x, table = separable()
    teacher = Teacher(x[:60] + 0.1, table.reasons[:60], "digest", "decam", "")
    head = fit_head(x, table, kind=kind, two_steps=two_steps, teacher=teacher)
    arrays, plain = as_arrays(head)
    back = from_arrays(arrays, plain)
    assert back.classes == head.classes
    assert [(s.labels, s.share, s.sharpness, s.simulated) for s in back.steps] == [
        (s.labels, s.share, s.sharpness, s.simulated) for s in head.steps
    ]
    for expnums in (table.expnum.to_numpy(), np.full(len(x), 999)):
        np.testing.assert_array_equal(back.probabilities(x, expnums), head.probabilities(x, expnums))


@pytest.mark.parametrize("two_steps", [False, True])
def test_the_simulated_teacher_is_listened_to_where_it_helps(two_steps):
    """Four exposures of the survey teach little. A teacher with the same pattern helps; one with nonsense does not."""
    x, table = separable(6, spread=2.0)
    shown, truth = separable(200, seed=9, spread=2.0)
    helps = Teacher(shown, truth.reasons, "digest", "decam", "")
    shuffled = truth.reasons.sample(frac=1, random_state=0).reset_index(drop=True)
    nonsense = Teacher(shown, shuffled, "digest", "decam", "")
    asked, known = separable(100, seed=5, spread=2.0)
    right = {}
    for name, teacher in (("none", None), ("helps", helps), ("nonsense", nonsense)):
        head = fit_head(x, table, kind="linear", two_steps=two_steps, teacher=teacher)
        assert head.steps[0].simulated == (name == "helps")
        said = head.probabilities(asked, known.expnum.to_numpy() + 1000)
        wanted = train.indicators(known.reasons, head.classes)
        right[name] = ((said > 0.5) == wanted).all(axis=1).mean()
    assert right["helps"] > right["none"] + 0.02
    assert right["nonsense"] == pytest.approx(right["none"], abs=0.02)


def test_a_teacher_brings_reasons_that_the_survey_has_not_seen():
    x, table = separable(6, spread=2.0)
    shown, truth = separable(100, seed=9, spread=2.0)
    known = [tuple("Wonky" if label == "Noise" else label for label in own) for own in truth.reasons]
    head = fit_head(x, table, kind="linear", teacher=Teacher(shown, pd.Series(known), "digest", "decam", ""))
    assert "Wonky" in head.classes
    assert fit_head(x, table, kind="forest", teacher=Teacher(shown, pd.Series(known), "", "decam", "")).classes == (
        "PSF",
        "Noise",
        GOOD,
    )


@pytest.mark.parametrize("taught", [False, True])
def test_the_same_seed_is_the_same_head(taught):
    x, table, _ = overlapping(30, seed=0)
    shown, truth, _ = overlapping(60, seed=9)
    teacher = Teacher(shown, truth.reasons, "digest", "decam", "") if taught else None
    one, again, other = (as_arrays(fit_head(x, table, kind="mixed", teacher=teacher, seed=seed)) for seed in (1, 1, 2))
    assert one[1] == again[1]
    assert all(values.tobytes() == again[0][name].tobytes() for name, values in one[0].items())
    assert one[1] != other[1]


def test_very_few_exposures():
    for exposures in (1, 2):
        x, table = separable(exposures)
        said = fit_head(x, table, kind="mixed").probabilities(x, table.expnum.to_numpy())
        assert np.isfinite(said).all()
