"""Figures of single inspectors: pace, consistency, sensitivity and specificity, drift. Pure functions on plain frames.

A rate has its 95 % Wilson interval (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)), which is also right for few trials.
With fewer than FEWEST trials the rate is left out, with the reason.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.votes.blind_votes import BAD, CODES, UNSURE, Ballots

FEWEST = 10
FEW = f"too few: fewer than {FEWEST}"
BLOCK = 100  # number of votes per point of a drift
LONGEST_SECONDS = 600  # longer times are breaks and do not count
_Z = 1.959963984540054
_THING = ["camera", "expnum"]


def rate(hits: int, trials: int) -> dict:
    """{value, low, high, n, why} of a share, with its Wilson interval. value is None with fewer than FEWEST trials."""
    if trials < FEWEST:
        return {"value": None, "low": None, "high": None, "n": int(trials), "why": FEW}
    share, z2 = hits / trials, _Z**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z / (1 + z2 / trials) * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return {
        "value": float(share),
        "low": float(max(0.0, middle - half)),
        "high": float(min(1.0, middle + half)),
        "n": int(trials),
        "why": "",
    }


def inspector_table(
    found: Ballots,
    votes: pd.DataFrame,
    repeats: pd.DataFrame | None = None,
    decisions: pd.DataFrame | None = None,
    known: pd.DataFrame | None = None,
) -> list[dict]:
    """One dict per inspector of `found`: inspector, n_votes, bad, unsure (figures), pace, consistency, against_leads,
    against_known, drift.

    votes : `LabelStore.votes(current=False)`; repeats : vote_id, inspector, judgement; decisions : current
    adjudications (camera, expnum, judgement); known : camera, expnum, judgement of exposures with a known answer
    """
    rows = []
    single = votes[(votes["ccdname"] == "") & (votes["via"] == "single") & votes["retracted_utc"].isna()]
    truth = {"against_leads": _truth(decisions), "against_known": _truth(known)}
    either = pd.concat([truth["against_known"], truth["against_leads"]])
    either = either[~either.index.duplicated()]
    for column, name in enumerate(found.inspectors):
        answers = found.answers[:, column]
        given = int((answers >= 0).sum())
        own = _answers_of(found, column)
        rows.append(
            {
                "inspector": name,
                "n_votes": given,
                "bad": rate(int((answers == BAD).sum()), given),
                "unsure": rate(int((answers == UNSURE).sum()), given),
                "pace": pace(single[single["inspector"] == name]),
                "consistency": consistency(votes, repeats, name),
                **{word: against(own, answer) for word, answer in truth.items()},
                "drift": drift(single[(single["inspector"] == name) & single["blind"].astype(bool)], either),
            }
        )
    return rows


def pace(votes: pd.DataFrame) -> dict:
    """{seconds, n, days: [{day, seconds, n}]}: median seconds on screen per single vote.

    None with fewer than FEWEST.
    """
    seconds = np.array([_seconds(screen) for screen in votes["screen"]], dtype=float)
    frame = pd.DataFrame({"day": votes["created_utc"].str[:10].to_numpy(object), "seconds": seconds}).dropna()
    days = [
        {"day": str(day), "seconds": _median(own["seconds"]), "n": len(own)}
        for day, own in frame.groupby("day", sort=True)
    ]
    return {"seconds": _median(frame["seconds"]), "n": len(frame), "days": days}


def consistency(votes: pd.DataFrame, repeats: pd.DataFrame | None, inspector: str) -> dict:
    """Share of repeated exposures to which the inspector gave the same judgement as before."""
    if repeats is None or not len(repeats):
        return rate(0, 0)
    own = repeats[repeats["inspector"] == inspector].merge(
        votes[["vote_id", "judgement"]], on="vote_id", suffixes=("", "_before")
    )
    return rate(int((own["judgement"] == own["judgement_before"]).sum()), len(own))


def against(own: pd.Series, truth: pd.Series) -> dict:
    """{sensitivity, specificity}: the share of bad exposures that were called bad, and of good ones called good.

    Unsure counts as neither. own : code by (camera, expnum); truth : 'good' or 'bad' by (camera, expnum)
    """
    answers, right = own.align(truth, join="inner")
    is_bad = (right == "bad").to_numpy(bool)
    answers = answers.to_numpy()
    return {
        "sensitivity": rate(int((answers[is_bad] == BAD).sum()), int(is_bad.sum())),
        "specificity": rate(int((answers[~is_bad] == CODES["good"]).sum()), int((~is_bad).sum())),
    }


def drift(votes: pd.DataFrame, truth: pd.Series) -> dict:
    """{blocks, days}: [{of, n, bad, sensitivity}] for every BLOCK votes in the order they were cast, and for every day.

    truth : 'good' or 'bad' by (camera, expnum), from known answers and decisions together
    """
    votes = votes.sort_values("vote_id")
    right = truth.reindex(pd.MultiIndex.from_frame(votes[_THING])) if len(truth) else pd.Series([None] * len(votes))
    called_bad, is_bad = (votes["judgement"] == "bad").to_numpy(), (right == "bad").to_numpy()
    frame = pd.DataFrame({"n": 1, "bad": called_bad, "hit": called_bad & is_bad, "is_bad": is_bad})
    blocks = np.arange(len(votes)) // BLOCK * BLOCK + 1
    return {"blocks": _by(frame, blocks), "days": _by(frame, votes["created_utc"].str[:10].to_numpy(object))}


def _by(frame: pd.DataFrame, names: np.ndarray) -> list[dict]:
    sums = frame.groupby(names, sort=False).sum()
    return [
        {"of": str(row.Index), "n": int(row.n), "bad": rate(row.bad, row.n), "sensitivity": rate(row.hit, row.is_bad)}
        for row in sums.itertuples()
    ]


def _answers_of(found: Ballots, column: int) -> pd.Series:
    given = found.answers[:, column] >= 0
    if found.unit != "exposure":
        given = np.zeros(len(found), bool)  # decisions and known answers concern whole exposures
    return pd.Series(found.answers[given, column], pd.MultiIndex.from_frame(found.units.loc[given, _THING]))


def _truth(frame: pd.DataFrame | None) -> pd.Series:
    if frame is None or not len(frame):
        return pd.Series([], index=pd.MultiIndex.from_arrays([[], []], names=_THING), dtype=object)
    known = frame[frame["judgement"].isin(["good", "bad"])].drop_duplicates(_THING, keep="last")
    return pd.Series(known["judgement"].to_numpy(object), pd.MultiIndex.from_frame(known[_THING]))


def _seconds(screen) -> float:
    value = screen.get("seconds") if isinstance(screen, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LONGEST_SECONDS:
        return float(value)
    return np.nan


def _median(seconds: pd.Series) -> float | None:
    return float(seconds.median()) if len(seconds) >= FEWEST else None
