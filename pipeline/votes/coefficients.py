"""Coefficients of agreement and their bootstrap, for any number of resamples at once.

All exposures with the same answers count alike, so it is enough to know how often each pattern of answers occurs.
Drawing n exposures with replacement is then one multinomial draw over the distinct patterns. So 1,000 resamples of
20,000 exposures take a thousand draws over a few dozen patterns, and every coefficient is arithmetic on weighted
patterns.

patterns : (n_patterns, n_inspectors) int8 of MISSING, GOOD, UNSURE, BAD
weights : (n_resamples, n_patterns) float64, how often each pattern occurs; row 0 of a `Tally` is the data itself
Each coefficient is (n_resamples,) float64, NaN if it is not defined (everybody always gave the same answer, say).

Krippendorff, Content Analysis (2004), chapter 11 (alpha); Gwet, Br. J. Math. Stat. Psychol. 61, 29 (2008) (AC1);
Cicchetti and Feinstein, J. Clin. Epidemiol. 43, 551 (1990) (specific agreement, which is Dice's for two people);
Cohen, Educ. Psychol. Meas. 20, 37 (1960); Fleiss, Psychol. Bull. 76, 378 (1971); Dawid and Skene, Appl. Stat. 28, 20
(1979).
"""

from dataclasses import dataclass

import numpy as np

from triptych.pipeline.votes.blind_votes import BAD, GOOD, UNSURE, Ballots

RESAMPLES = 1000
LEVEL = 95  # per cent
DAWID_SKENE_ITERATIONS = 3000
DAWID_SKENE_TOLERANCE = 1e-6  # largest change of a probability in one iteration at which the fit stops
_TINY = 1e-10


@dataclass(frozen=True, eq=False)
class Tally:
    """patterns, weights : see the module. place : (n_units,) the row in `patterns` of each unit."""

    patterns: np.ndarray
    weights: np.ndarray
    place: np.ndarray


def tally(found: Ballots, resamples: int = RESAMPLES, seed: int = 0) -> Tally:
    """Patterns of answers, how often each occurs in the data, and how often in `resamples` random draws of exposures.

    All units of an exposure are drawn together.
    """
    patterns, place = np.unique(found.answers, axis=0, return_inverse=True)
    place = place.reshape(-1)
    data = np.bincount(place, minlength=len(patterns)).astype(float)
    rng = np.random.default_rng(seed)
    _, exposure = np.unique(found.exposure_codes, return_inverse=True)
    n_exposures = exposure.max(initial=-1) + 1
    if n_exposures == 0:
        return Tally(patterns, np.zeros((resamples + 1, len(patterns))), place)
    if n_exposures == len(found):
        drawn = rng.multinomial(n_exposures, data / n_exposures, size=resamples).astype(float)
    else:
        bundles = np.zeros((n_exposures, len(patterns)))
        np.add.at(bundles, (exposure, place), 1)
        often = rng.multinomial(n_exposures, np.full(n_exposures, 1 / n_exposures), size=resamples)
        drawn = often @ bundles
    return Tally(patterns, np.vstack([data, drawn]), place)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The LEVEL % interval of resampled values, from percentiles. Undefined (NaN) values are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.percentile(values, [50 - LEVEL / 2, 50 + LEVEL / 2])
    return float(low), float(high)


def alpha_nominal(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha of good and bad. Unsure counts as missing. Units with one answer do not count."""
    good, bad, paired = _two(patterns)
    observed = weights @ _per(good * bad, good + bad - 1)
    n_good, n_bad = weights @ (good * paired), weights @ (bad * paired)
    return 1 - _divide((n_good + n_bad - 1) * observed, n_good * n_bad)


def alpha_ordinal(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha of the order good < unsure < bad, with the ordinal metric."""
    counts = np.stack([(patterns == code).sum(axis=1) for code in (GOOD, UNSURE, BAD)]).astype(float)
    total = counts.sum(axis=0)
    n = weights @ (counts * (total >= 2)).T  # (n_resamples, 3)
    above, below = 0.0, 0.0
    for a, b in ((0, 1), (0, 2), (1, 2)):
        distance = (n[:, a : b + 1].sum(axis=1) - (n[:, a] + n[:, b]) / 2) ** 2
        above = above + weights @ _per(counts[a] * counts[b], total - 1) * distance
        below = below + n[:, a] * n[:, b] * distance
    return 1 - _divide((n.sum(axis=1) - 1) * above, below)


def raw_agreement(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of pairs of inspectors who gave the same answer, good or bad, averaged over units."""
    good, bad, paired = _two(patterns)
    same = _per(good * (good - 1) + bad * (bad - 1), (good + bad) * (good + bad - 1))
    return _divide(weights @ same, weights @ paired)


def gwet_ac1(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gwet's AC1 of good and bad: agreement beyond chance, less affected if one answer is rare."""
    good, bad, paired = _two(patterns)
    share = _divide(weights @ (_per(bad, good + bad) * paired), weights @ paired)
    chance = 2 * share * (1 - share)
    return _divide(raw_agreement(patterns, weights) - chance, 1 - chance)


def dice_bad(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Specific agreement on bad: if one inspector says bad, how likely another one does."""
    good, bad, _ = _two(patterns)
    return _dice(bad, good + bad, weights)


def dice_of(named: np.ndarray, judged: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Specific agreement on any mark. named, judged : (n_patterns, n_inspectors) bool."""
    return _dice((named & judged).sum(axis=1).astype(float), judged.sum(axis=1).astype(float), weights)


def cohen_kappa(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cohen's kappa of good and bad between two inspectors. patterns : (n_patterns, 2)."""
    both = np.isin(patterns, (GOOD, BAD)).all(axis=1)
    first, second = (patterns[:, 0] == BAD) & both, (patterns[:, 1] == BAD) & both
    n = weights @ both.astype(float)
    observed = _divide(weights @ (both & (first == second)).astype(float), n)
    a, b = _divide(weights @ first.astype(float), n), _divide(weights @ second.astype(float), n)
    chance = a * b + (1 - a) * (1 - b)
    return _divide(observed - chance, 1 - chance)


def fleiss_kappa(patterns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fleiss' kappa of good and bad, for the units that every inspector answered."""
    full = np.isin(patterns, (GOOD, BAD)).all(axis=1)
    weights = weights * full
    good, bad, _ = _two(patterns)
    share = _divide(weights @ bad, weights @ (good + bad))
    chance = share**2 + (1 - share) ** 2
    return _divide(raw_agreement(patterns, weights) - chance, 1 - chance)


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """probability : (n_resamples, n_patterns) of bad. share : (n_resamples,) of bad units. sensitivity, specificity :
    (n_resamples, n_inspectors). NaN if they cannot be computed."""

    probability: np.ndarray
    share: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray


def dawid_skene(patterns: np.ndarray, weights: np.ndarray) -> DawidSkene:
    """Dawid and Skene's model of good and bad answers by expectation-maximisation, separately for each resample.

    It starts from the share of bad answers, like crowd-kit, with which the tests compare it.
    """
    says_bad, says_good = (patterns == BAD).astype(float), (patterns == GOOD).astype(float)
    answered = (says_bad + says_good).sum(axis=1)
    weights = weights * (answered > 0)
    bad = np.tile(_per(says_bad.sum(axis=1), answered), (len(weights), 1))
    moving = np.arange(len(weights))  # resamples that have not converged yet
    for _ in range(DAWID_SKENE_ITERATIONS):
        before = bad[moving]
        bad[moving] = now = _believe(weights[moving], before, says_bad, says_good)
        moved = (np.abs(now - before) * (weights[moving] > 0)).max(axis=1, initial=0)
        moving = moving[moved > DAWID_SKENE_TOLERANCE]
        if not len(moving):
            break
    share = _divide((weights * bad).sum(axis=1), weights.sum(axis=1))
    hit, _ = _rates(weights * bad, says_bad, says_good)
    _, quiet = _rates(weights * (1 - bad), says_bad, says_good)
    return DawidSkene(bad, share, hit, quiet)


def _believe(weights: np.ndarray, bad: np.ndarray, says_bad: np.ndarray, says_good: np.ndarray) -> np.ndarray:
    """One iteration: each inspector's rates from the present probabilities, then new probabilities from the rates."""
    share = _divide((weights * bad).sum(axis=1, keepdims=True), weights.sum(axis=1, keepdims=True))
    hit, miss = _rates(weights * bad, says_bad, says_good)
    alarm, quiet = _rates(weights * (1 - bad), says_bad, says_good)
    log_odds = np.log(np.maximum(1 - share, _TINY)) - np.log(np.maximum(share, _TINY))
    log_odds = log_odds + np.log(alarm / hit) @ says_bad.T + np.log(quiet / miss) @ says_good.T
    return 1 / (1 + np.exp(np.clip(log_odds, -700, 700)))


def _rates(weights: np.ndarray, says_bad: np.ndarray, says_good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n_resamples, n_inspectors) shares of bad and of good answers, weighted by `weights`."""
    bad, good = np.maximum(weights @ says_bad, _TINY), np.maximum(weights @ says_good, _TINY)
    return bad / (bad + good), good / (bad + good)


def _two(patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of good and of bad answers in each pattern, and 1.0 if there are two or more in all."""
    good, bad = (patterns == GOOD).sum(axis=1).astype(float), (patterns == BAD).sum(axis=1).astype(float)
    return good, bad, (good + bad >= 2).astype(float)


def _dice(named: np.ndarray, judged: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _divide(weights @ (named * (named - 1)), weights @ (named * (judged - 1)))


def _per(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, or 0 where below is not positive."""
    return np.divide(above, below, out=np.zeros_like(above, dtype=float), where=below > 0)


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) > 0)
