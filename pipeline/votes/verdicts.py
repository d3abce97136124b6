"""What the current votes imply: verdicts under a named policy, on exposures and on single CCDs. Pure functions.

An inspector has one opinion of an exposure: their vote on the whole exposure, else the sum of their votes on its CCDs
(bad if any CCD is bad, else unsure if any is unsure, else good). Votes are counted against the panel. The panel is the
number of inspectors who should judge each exposure, or of those who did if they are more.

A verdict is `bad`, `good`, `split` (all votes are in, and they do not decide) or `open` (more votes could decide).

A lead's decision on an exposure outranks its votes, if it is about the pipeline version that was voted on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from triptych.pipeline.errors import choose
from triptych.pipeline.votes.sorted_votes import SortedVotes, sort_votes, values_of

VERDICTS = ("bad", "good", "split", "open")
VERDICT_COLUMNS = ["camera", "expnum", "verdict", "n_bad", "n_good", "n_unsure", "p_bad", "inspectors", "reasons"]
VERDICT_COLUMNS += ["adjudicated", "lead"]


@dataclass(frozen=True)
class Policy:
    """A way to turn votes into verdicts. decide(counts, panel) -> (n,) array of VERDICTS.

    `counts` has n_bad, n_good, n_unsure, n_votes, and p_bad (NaN unless `posterior`). panel : (n,) int, at least
    n_votes.
    """

    name: str
    rule: str
    decide: Callable[[pd.DataFrame, np.ndarray], np.ndarray]


def _any(counts: pd.DataFrame, panel: np.ndarray) -> np.ndarray:
    all_in = counts.n_votes >= panel
    return np.select([counts.n_bad >= 1, all_in & (counts.n_unsure == 0), all_in], ["bad", "good", "split"], "open")


def _majority(counts: pd.DataFrame, panel: np.ndarray) -> np.ndarray:
    conditions = [2 * counts.n_bad > panel, 2 * counts.n_good > panel, counts.n_votes >= panel]
    return np.select(conditions, ["bad", "good", "split"], "open")


def _unanimous(counts: pd.DataFrame, panel: np.ndarray) -> np.ndarray:
    conditions = [counts.n_bad >= panel, counts.n_good >= panel, counts.n_votes >= panel]
    return np.select(conditions, ["bad", "good", "split"], "open")


def _posterior(counts: pd.DataFrame, panel: np.ndarray) -> np.ndarray:
    enough = 2 * (counts.n_bad + counts.n_good) > panel
    conditions = [enough & (counts.p_bad >= 0.5), enough, counts.n_votes >= panel]
    return np.select(conditions, ["bad", "good", "split"], "open")


POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy("any", "bad from at least one inspector", _any),
        Policy("majority", "bad from more than half of the panel", _majority),
        Policy("unanimous", "bad from the whole panel", _unanimous),
        Policy("posterior", "Dawid-Skene: more than half of the panel voted, probability of bad >= 0.5", _posterior),
    )
}


def verdicts(
    votes: pd.DataFrame | SortedVotes, policy: str = "majority", panel: int = 3, decisions: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return one row per exposure that has a vote or a decision, sorted by camera and expnum: VERDICT_COLUMNS.

    votes : current votes from `LabelStore.votes()` (camera, expnum, ccdname, inspector, judgement, reasons).
    decisions : current decisions from `LabelStore.adjudications()`; then votes need the column plver too.
    inspectors : names of those who voted. reasons : those of the decision, else of the bad votes, most frequent first.
    adjudicated, lead : whether the verdict is a lead's decision, and whose. Counts and p_bad are always of the votes.
    """
    given = sort_votes(votes)
    return _overruled(_by_votes(given, policy, panel), decisions_on(given.votes, decisions))


def _by_votes(given: SortedVotes, policy: str, panel: int) -> pd.DataFrame:
    """`verdicts` without decisions, made once."""
    if (policy, panel) not in given.kept:
        given.kept[policy, panel] = _decide(given.counts, given.opinions, ["camera", "expnum"], policy, panel)
    return given.kept[policy, panel].copy(deep=False)


def ccd_verdicts(
    votes: pd.DataFrame | SortedVotes, policy: str = "majority", panel: int = 3, decisions: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return one row per CCD with a vote of its own: VERDICT_COLUMNS, and ccdname.

    Inspectors who judged the exposure as a whole count on each of these CCDs too: with their judgement if they ticked
    no CCD; as good, on CCDs that they did not tick, if they ticked others. If a lead decided that the exposure is bad,
    the CCDs that `bad_ccds` names are bad (all CCDs if it names none), and the others are good.
    """
    given = sort_votes(votes)
    table = _decide(given.ccd_counts, given.ccd_opinions, ["camera", "expnum", "ccdname"], policy, panel)
    decided = decisions_on(given.votes, decisions)
    if not decided:
        return table
    parts = bad_ccds(given, policy, panel, decisions)
    rows = []
    for key, ccdname, verdict in zip(_keys(table), *values_of(table, ["ccdname", "verdict"]), strict=True):
        decision = decided.get(key)
        if decision is None:
            rows.append((verdict, False, ""))
        else:
            bad = decision.judgement == "bad" and ccdname in (parts[key] or (ccdname,))
            rows.append(("bad" if bad else "good", True, decision.lead))
    changed = ["verdict", "adjudicated", "lead"]
    return table.assign(**pd.DataFrame(rows, columns=changed, index=table.index))


def bad_ccds(
    votes: pd.DataFrame | SortedVotes, policy: str = "majority", panel: int = 3, decisions: pd.DataFrame | None = None
) -> dict[tuple[str, int], tuple[str, ...]]:
    """Return the bad part of each bad exposure, by (camera, expnum): the names of its bad CCDs, or () for all of it.

    The whole exposure is bad if the votes of those who called it bad without ticking a CCD are enough, or if nobody
    ticked a CCD. If the exposure is bad under the policy but no single CCD is, every CCD that somebody ticked is bad.
    If only a lead's decision makes the exposure bad, every CCD is bad that was ticked by those who called it bad.
    """
    given = sort_votes(votes)
    found, ticks = _bad_ccds_by_votes(given, policy, panel), given.ticks
    for key, decision in decisions_on(given.votes, decisions).items():
        if decision.judgement == "good":
            found.pop(key, None)
        else:
            found.setdefault(key, tuple(sorted(ticks.get(key, ()))))
    return dict(sorted(found.items()))


def _bad_ccds_by_votes(given: SortedVotes, policy: str, panel: int) -> dict:
    """`bad_ccds` without decisions."""
    whole = _by_votes(given, policy, panel)
    bad, ticks = set(_keys(whole[whole.verdict == "bad"])), given.ticks
    if not ticks:
        return dict.fromkeys(sorted(bad), ())
    if policy == "posterior":  # what it learns of the inspectors is to come from the votes on these exposures
        given = given.on(bad)
    without = _by_votes(given.without_ticks, policy, panel)
    bad_without_ticks = set(_keys(without[without.verdict == "bad"]))
    agreed = {}
    single = ccd_verdicts(given, policy, panel)
    single = single[single.verdict == "bad"]
    for camera, expnum, ccdname in zip(*values_of(single, ["camera", "expnum", "ccdname"]), strict=True):
        agreed.setdefault((camera, int(expnum)), set()).add(ccdname)
    found = {}
    for key in sorted(bad):
        partly = key in ticks and key not in bad_without_ticks
        found[key] = tuple(sorted(agreed.get(key) or ticks[key])) if partly else ()
    return found


def decisions_on(votes: pd.DataFrame, decisions: pd.DataFrame | None) -> dict[tuple[str, int], Any]:
    """{(camera, expnum): decision} of the decisions that hold; the newest if there are several.

    A decision does not hold if the votes on its exposure are of another pipeline version. An unknown version ('')
    matches any. decision : a row with adjudication_id, plver, lead, judgement, reasons, comment.
    """
    if decisions is None or decisions.empty:
        return {}
    decided = votes.expnum.isin(decisions.expnum)
    versions = {}
    for camera, expnum, plver in zip(*values_of(votes[decided], ["camera", "expnum", "plver"]), strict=True):
        versions.setdefault((camera, int(expnum)), set()).add(plver)
    found = {}
    for decision in decisions.sort_values("adjudication_id").itertuples():
        key = (decision.camera, int(decision.expnum))
        voted = versions.get(key, {""})
        if decision.plver in voted or decision.plver == "" or "" in voted:
            found[key] = decision
    return found


def _overruled(table: pd.DataFrame, decided: dict) -> pd.DataFrame:
    """Verdicts of exposures (VERDICT_COLUMNS), with a lead's decision in place of the verdict where there is one."""
    if not decided:
        return table
    unvoted = sorted(set(decided) - set(_keys(table)))
    rows = [(*key, "open", 0, 0, 0, np.nan, (), (), False, "") for key in unvoted]
    parts = [part for part in (table, pd.DataFrame(rows, columns=VERDICT_COLUMNS)) if len(part)]
    table = pd.concat(parts).sort_values(["camera", "expnum"], ignore_index=True)
    found = [decided.get(key) for key in _keys(table)]
    rows = list(zip(found, table.verdict, table.reasons, strict=True))
    table["verdict"] = [verdict if own is None else own.judgement for own, verdict, _ in rows]
    named = [tuple(reasons if own is None else own.reasons) or reasons for own, _, reasons in rows]
    table["reasons"] = pd.Series(named, dtype=object, index=table.index)
    table["adjudicated"] = [own is not None for own in found]
    table["lead"] = ["" if own is None else own.lead for own in found]
    return table


def _decide(counts: pd.DataFrame, frame: pd.DataFrame, keys: list[str], policy: str, panel: int) -> pd.DataFrame:
    """Verdicts (VERDICT_COLUMNS) by the columns `keys`. counts : of SortedVotes; frame : the opinions in them"""
    choose(policy, POLICIES, "policy")
    columns = VERDICT_COLUMNS if "ccdname" not in keys else [*VERDICT_COLUMNS[:2], "ccdname", *VERDICT_COLUMNS[2:]]
    things = list(zip(*values_of(counts, keys), strict=True))
    counts = counts.assign(p_bad=posterior_bad(frame, keys, things) if policy == "posterior" else np.nan)
    size = np.maximum(int(panel), counts.n_votes.to_numpy())
    counts["verdict"] = POLICIES[policy].decide(counts, size) if things else pd.Series(dtype="str")
    counts = counts.assign(adjudicated=False, lead=pd.Series("", index=counts.index, dtype="str"))
    return counts[columns]


def posterior_bad(frame: pd.DataFrame, keys: list[str], things: list[tuple]) -> np.ndarray:
    """Probability of bad for each thing, by Dawid-Skene from the good and bad opinions: (n,) float64, NaN without any.

    If all opinions are the same, nothing can be learnt about the inspectors, and the probability is 1 or 0.
    """
    frame = frame[frame.judgement != "unsure"]
    if frame.empty:
        return np.full(len(things), np.nan)
    place = {thing: number for number, thing in enumerate(things)}
    tasks = [place[thing] for thing in zip(*values_of(frame, keys), strict=True)]
    answers = pd.DataFrame({"task": tasks, "worker": frame.inspector.astype(object), "label": frame.judgement == "bad"})
    one_kind = answers.label.nunique() == 1
    probability = answers.groupby("task").label.mean() if one_kind else _dawid_skene(answers)
    return probability.reindex(range(len(things))).to_numpy(dtype=float)


def _dawid_skene(answers: pd.DataFrame) -> pd.Series:
    """Probability of bad by task. answers : task, worker, label (True = bad), one row per task and worker."""
    from triptych.pipeline.votes.blind_votes import BAD, GOOD, MISSING
    from triptych.pipeline.votes.coefficients import dawid_skene

    (tasks, task), (workers, worker) = (np.unique(answers[name], return_inverse=True) for name in ("task", "worker"))
    codes = np.full((len(tasks), len(workers)), MISSING, np.int8)
    codes[task, worker] = np.where(answers.label, BAD, GOOD)
    patterns, pattern, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    fitted = dawid_skene(patterns, counts[None].astype(float))
    return pd.Series(fitted.probability[0][pattern.ravel()], index=tasks)


def _keys(frame: pd.DataFrame) -> Iterable[tuple[str, int]]:
    return zip(frame.camera.to_numpy(object).tolist(), frame.expnum.astype(int).tolist(), strict=True)
