"""How well inspectors agree: figures with bootstrap intervals over exposures, and the numbers behind them. Pure.

Everything here uses the answers in `Ballots`: blind single votes, on all inspected exposures. If only the exposures are
known that somebody flagged, then those on which all inspectors agree are missing. All figures except Dice would be far
too low, so they are not given. A figure from fewer than FEWEST_EXPOSURES exposures with two answers is left out, with
the reason. So is a figure about bad answers from fewer than FEWEST_BAD exposures that somebody called bad.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from triptych.pipeline.reasons import REASONS
from triptych.pipeline.votes import coefficients
from triptych.pipeline.votes.blind_votes import BAD, GOOD, NOBODY, UNSURE, Ballots
from triptych.pipeline.votes.coefficients import RESAMPLES, Tally, interval, tally
from triptych.pipeline.votes.sorted_votes import values_of

FEWEST_EXPOSURES = 20
FEWEST_BAD = 10
FEW = f"too few: fewer than {FEWEST_EXPOSURES} exposures with two answers"
FEW_BAD = f"too few: fewer than {FEWEST_BAD} exposures that somebody calls bad"
FLAGGED = "not given: only exposures that somebody calls bad are known here, not those on which all agree"
ALIKE = "not defined: everybody always gave the same answer"

# name -> (title, function of patterns and weights, whether it is about bad answers only)
FIGURES = {
    "alpha": ("Krippendorff's alpha", coefficients.alpha_nominal, False),
    "alpha_ordinal": ("alpha, good < unsure < bad", coefficients.alpha_ordinal, False),
    "ac1": ("Gwet's AC1", coefficients.gwet_ac1, False),
    "raw": ("raw agreement", coefficients.raw_agreement, False),
    "dice": ("Dice on bad", coefficients.dice_bad, True),
    "fleiss": ("Fleiss' kappa, where all answered", coefficients.fleiss_kappa, False),
}
PAIR_FIGURES = {
    "kappa": ("Cohen's kappa", coefficients.cohen_kappa, False),
    **{name: FIGURES[name] for name in ("alpha", "ac1", "raw", "dice")},
}
OPINION = ["camera", "expnum", "inspector", "judgement", "reasons"]
GROUP_FIGURES = {name: FIGURES[name] for name in ("alpha", "ac1", "dice")}


def headline(found: Ballots, resamples: int = RESAMPLES, seed: int = 0) -> dict:
    """{name: figure} of FIGURES, and the numbers behind them: see `ballot_counts`."""
    counted = tally(found, resamples, seed)
    return {**ballot_counts(found), "figures": _figures(found, counted, FIGURES)}


def ballot_counts(found: Ballots) -> dict:
    """The numbers behind the figures: n_exposures, n_units with an answer, n_paired with two good or bad answers,
    n_votes, n_assumed, left_out, share of bad and of unsure answers, inspectors, assumption."""
    given = found.answers >= 0
    total = int(given.sum())
    return {
        "unit": found.unit,
        "inspectors": list(found.inspectors),
        "n_exposures": len(np.unique(found.exposure_codes)),
        "n_units": len(found),
        "n_paired": int(_paired(found.answers).sum()),
        "n_votes": found.n_votes,
        "n_assumed": found.n_assumed,
        "left_out": dict(found.left_out or {}),
        "assumption": found.assumption,
        "share_bad": float((found.answers == BAD).sum() / total) if total else None,
        "share_unsure": float((found.answers == UNSURE).sum() / total) if total else None,
        "only_flagged": found.only_flagged,
    }


def pairs(found: Ballots, resamples: int = RESAMPLES, seed: int = 0) -> list[dict]:
    """Each pair of inspectors: first, second, n, n_both, n_first, n_second (bad from both, from one only), n_good,
    figures of PAIR_FIGURES."""
    return [
        {"first": a, "second": b, **pair(found.of((a, b)), resamples, seed)}
        for a, b in combinations(found.inspectors, 2)
    ]


def pair(two: Ballots, resamples: int = RESAMPLES, seed: int = 0) -> dict:
    """One row of `pairs`, for ballots of two inspectors."""
    first, second = two.answers.T
    both = _paired(two.answers)
    counts = {
        "n": int(both.sum()),
        "n_both": int(((first == BAD) & (second == BAD)).sum()),
        "n_first": int(((first == BAD) & (second == GOOD)).sum()),
        "n_second": int(((first == GOOD) & (second == BAD)).sum()),
        "n_good": int(((first == GOOD) & (second == GOOD)).sum()),
    }
    return {**counts, "figures": _figures(two, tally(two, resamples, seed), PAIR_FIGURES)}


def by_group(found: Ballots, groups: pd.Series, resamples: int = RESAMPLES, seed: int = 0) -> list[dict]:
    """Figures of GROUP_FIGURES for each group of inspected exposures: group, n, n_bad, figures.

    groups : name of the group by (camera, expnum). Exposures without a group, or without a number, are left out.
    """
    keys = pd.MultiIndex.from_frame(found.units[["camera", "expnum"]])
    names = groups.reindex(keys).to_numpy(object)
    named = replace(found, only_flagged=found.only_flagged or bool((found.units["expnum"] == NOBODY).any()))
    rows = []
    for name in sorted({str(name) for name in names if isinstance(name, str) and name}):
        part = named.where(names == name)
        row = {"group": name, "n": int(_paired(part.answers).sum()), "n_bad": _n_bad(part.answers)}
        rows.append(row | {"figures": _figures(part, tally(part, resamples, seed), GROUP_FIGURES)})
    return rows


def by_reason(found: Ballots, resamples: int = RESAMPLES, seed: int = 0) -> list[dict]:
    """How well inspectors agree on each reason, the most frequent first.

    A row has: reason; n, exposures for which somebody names it; n_paired, those of them with two answers; votes that
    name it; alone, {inspector: votes that name it if nobody else calls the exposure bad}; figures, {same, bad}.

    same : Dice on the reason: if one inspector names it, how likely another one does. bad : Dice on bad among the
    exposures for which somebody names it: inspectors may agree that it is bad but give another reason. Neither depends
    on the number of good exposures, so both may be computed from flagged exposures.
    """
    judged = np.isin(found.answers, (GOOD, BAD))
    alone_bad = (found.answers == BAD).sum(axis=1) == 1
    rows = []
    for reason in found.reasons["reason"].unique():
        named = found.has_reason(reason)
        touched = named.any(axis=1)
        part = found.where(touched & (judged.sum(axis=1) >= 2))
        alone = (named & alone_bad[:, None]).sum(axis=0)
        row = {
            "reason": str(reason),
            "n": int(touched.sum()),
            "n_paired": len(part),
            "votes": int(named.sum()),
            "alone": {name: int(n) for name, n in zip(found.inspectors, alone, strict=True) if n},
        }
        rows.append(row | {"figures": _reason_figures(part, reason, resamples, seed)})
    order = list(REASONS)
    return sorted(rows, key=lambda row: (-row["n"], order.index(row["reason"]) if row["reason"] in order else 99))


def _reason_figures(part: Ballots, reason: str, resamples: int, seed: int) -> dict:
    if len(part) < FEWEST_BAD:
        return {name: _figure(None, len(part), FEW_BAD) for name in ("same", "bad")}
    named = part.has_reason(reason)
    marked = np.where(named, np.int8(BAD + 1), part.answers)  # a fourth answer: bad for this reason
    counted = tally(_with(part, marked), resamples, seed)
    judged = np.isin(counted.patterns, (GOOD, BAD, BAD + 1))
    same = coefficients.dice_of(counted.patterns == BAD + 1, judged, counted.weights)
    bad = coefficients.dice_of(counted.patterns >= BAD, judged, counted.weights)
    return {"same": _figure(same, len(part)), "bad": _figure(bad, len(part))}


def _with(found: Ballots, answers: np.ndarray) -> Ballots:
    return replace(found, answers=answers)


def posterior(found: Ballots, resamples: int = RESAMPLES, seed: int = 0) -> dict:
    """Dawid-Skene's model of the answers: share of bad units, sensitivity and specificity of each inspector (figures),
    and probability : (n_units,) float64 of bad, NaN without a good or bad answer.

    With two or three inspectors and no known answers the model is only just identified: it takes errors that all
    inspectors share for the truth.
    """
    counted = tally(found, resamples, seed)
    n = int(_paired(found.answers).sum())
    if n < FEWEST_EXPOSURES:
        few = _figure(None, n, FEW)
        empty = {name: {"sensitivity": few, "specificity": few} for name in found.inspectors}
        return {"share": few, "inspectors": empty, "probability": np.full(len(found), np.nan)}
    fitted = coefficients.dawid_skene(counted.patterns, counted.weights)
    people = {
        name: {
            "sensitivity": _figure(fitted.sensitivity[:, i], n),
            "specificity": _figure(fitted.specificity[:, i], n),
        }
        for i, name in enumerate(found.inspectors)
    }
    answered = np.isin(counted.patterns, (GOOD, BAD)).any(axis=1)
    chance = np.where(answered, fitted.probability[0], np.nan)[counted.place]
    return {"share": _figure(fitted.share, n), "inspectors": people, "probability": chance}


def unlike_majority(found: Ballots, probability: np.ndarray) -> pd.DataFrame:
    """Units with a number where the posterior disagrees with the majority of the answers: camera, expnum, ccdname,
    n_bad, n_good, p_bad. A tie is listed if the posterior is surer than 0.9."""
    n_bad, n_good = (found.answers == BAD).sum(axis=1), (found.answers == GOOD).sum(axis=1)
    known = ~np.isnan(probability) & (found.units["expnum"] != NOBODY).to_numpy()
    believed = np.where(np.isnan(probability), 0.5, probability)
    other = ((n_bad > n_good) & (believed < 0.5)) | ((n_good > n_bad) & (believed >= 0.5))
    tied = (n_bad == n_good) & (n_bad > 0) & (np.abs(believed - 0.5) > 0.4)
    rows = found.units.assign(n_bad=n_bad, n_good=n_good, p_bad=probability)[known & (other | tied)]
    return rows.sort_values("p_bad", ascending=False, ignore_index=True)


def single_votes(opinions: pd.DataFrame) -> pd.DataFrame:
    """Exposures that rest on one vote, and those on which votes differ.

    opinions : current ones, from `sorted_votes.opinions`. Returns camera, expnum, n_bad, n_good, n_unsure, bad_by,
    good_by, unsure_by (tuples of names), reasons (tuple) and kind: 'one vote' (one inspector says bad, nobody says good
    or unsure), 'divided' (bad and good), 'unsure' (somebody is unsure, and not both bad and good are said). Other
    exposures are left out. An imported blank is no answer, so an imported bad vote beside a blank is 'one vote'.
    """
    gathered = {}
    for camera, expnum, inspector, judgement, reasons in zip(*values_of(opinions, OPINION), strict=True):
        by, named = gathered.setdefault((camera, int(expnum)), ({"bad": [], "good": [], "unsure": []}, {}))
        by[judgement].append(inspector)
        if judgement == "bad":
            named.update(dict.fromkeys(reasons))
    rows = []
    for thing in sorted(gathered):
        by, named = gathered[thing]
        n_bad, n_good, n_unsure = (len(names) for names in by.values())
        kind = "divided" if n_bad and n_good else "unsure" if n_unsure else "one vote" if n_bad == 1 else ""
        if kind:
            people = (tuple(sorted(names)) for names in by.values())
            rows.append((*thing, n_bad, n_good, n_unsure, *people, tuple(named), kind))
    columns = ["camera", "expnum", "n_bad", "n_good", "n_unsure", "bad_by", "good_by", "unsure_by", "reasons", "kind"]
    return pd.DataFrame(rows, columns=columns)


def _paired(answers: np.ndarray) -> np.ndarray:
    """(n_units,) bool: whether a unit has two or more good or bad answers."""
    return np.isin(answers, (GOOD, BAD)).sum(axis=1) >= 2


def _n_bad(answers: np.ndarray) -> int:
    return int(((answers == BAD).any(axis=1) & _paired(answers)).sum())


def _figures(found: Ballots, counted: Tally, wanted: dict) -> dict:
    answers = found.answers
    n, n_bad = int(_paired(answers).sum()), _n_bad(answers)
    figures = {}
    for name, (_title, function, about_bad) in wanted.items():
        if n < FEWEST_EXPOSURES:
            figures[name] = _figure(None, n, FEW)
        elif found.only_flagged and not about_bad:
            figures[name] = _figure(None, n, FLAGGED)
        elif about_bad and n_bad < FEWEST_BAD:
            figures[name] = _figure(None, n, FEW_BAD)
        elif name == "fleiss":
            n_full = int(np.isin(answers, (GOOD, BAD)).all(axis=1).sum())
            few = "" if n_full >= FEWEST_EXPOSURES else f"too few: all answered on {n_full} exposures"
            values = None if few else function(counted.patterns, counted.weights)
            figures[name] = _figure(values, n_full, few)
        else:
            figures[name] = _figure(function(counted.patterns, counted.weights), n)
    return figures


def _figure(values: np.ndarray | None, n: int, why: str = "") -> dict:
    """{value, low, high, n, why}. If value is None, why says why. values[0] is of the data itself, not resampled."""
    if values is None or np.isnan(values[0]):
        return {"value": None, "low": None, "high": None, "n": int(n), "why": why or ALIKE}
    low, high = interval(values[1:])
    known = not np.isnan(low)
    return {
        "value": float(values[0]),
        "low": low if known else None,
        "high": high if known else None,
        "n": int(n),
        "why": "",
    }
