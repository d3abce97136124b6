"""Exposures that a lead should look at: the votes do not decide, or their decision may be wrong. Pure functions."""

import numpy as np
import pandas as pd

from triptych.pipeline.votes import verdicts
from triptych.pipeline.votes.sorted_votes import SortedVotes, values_of

# state -> when an exposure is in it; the first four wait for a lead, the others are shown on request
STATES = {
    "split": "all votes are in and do not decide",
    "unsure": "somebody is unsure",
    "differ": "votes are missing, and those cast differ",
    "posterior": "Dawid-Skene and the majority disagree",
    "outvoted": "all votes are in, and the majority outvoted somebody",
    "single_bad": "bad by one imported vote; nobody else's answer is known",
}
WAITING = ("split", "unsure", "differ", "posterior")
COLUMNS = ["camera", "expnum", "states", "n_bad", "n_good", "n_unsure", "p_bad", "verdict", "inspectors", "reasons"]
COLUMNS += ["plver", "last_vote_utc"]


def undecided(votes: pd.DataFrame, panel: int = 3) -> pd.DataFrame:
    """Return one row per exposure that is in at least one of STATES, sorted by camera and expnum: COLUMNS.

    votes : current votes from `LabelStore.votes()`, of one pipeline version per exposure. states : tuple of names.
    p_bad : by Dawid-Skene, NaN without a good or bad vote. verdict : of the majority. plver : of the last vote.
    """
    given = SortedVotes(votes)
    table = verdicts.verdicts(given, "majority", panel)
    posterior = verdicts.verdicts(given, "posterior", panel)
    table["p_bad"] = posterior.p_bad.to_numpy()
    last = votes.drop_duplicates(["camera", "expnum"], keep="last")[["camera", "expnum", "plver", "created_utc"]]
    table = table.merge(last.rename(columns={"created_utc": "last_vote_utc"}), on=["camera", "expnum"], how="left")
    n_votes = table.n_bad + table.n_good + table.n_unsure
    all_in, differs = n_votes >= panel, (table.n_bad > 0) & (table.n_good > 0)
    decided = table.verdict.isin(["bad", "good"])
    is_in = {
        "split": table.verdict == "split",
        "unsure": table.n_unsure > 0,
        "differ": differs & ~all_in & ~decided,
        "posterior": decided & posterior.verdict.isin(["bad", "good"]) & (table.verdict != posterior.verdict),
        "outvoted": differs & decided,
        "single_bad": (table.n_bad == 1) & (n_votes == 1) & _imported(votes, table),
    }
    flags = np.column_stack([np.asarray(is_in[name], dtype=bool) for name in STATES])
    states = [tuple(name for name, holds in zip(STATES, row, strict=True) if holds) for row in flags]
    table["states"] = pd.Series(states, dtype=object, index=table.index)
    return table.loc[flags.any(axis=1), COLUMNS].reset_index(drop=True)


def _imported(votes: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """(n,) bool: whether all votes on an exposure came from a file."""
    by_hand = votes[votes.via != "import"]
    keys = set(zip(*values_of(by_hand, ["camera", "expnum"]), strict=True))
    return np.array([key not in keys for key in zip(*values_of(table, ["camera", "expnum"]), strict=True)], dtype=bool)
