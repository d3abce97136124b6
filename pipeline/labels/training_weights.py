"""How much a label counts when a classifier is fitted: what it rests on, and how well the voters agree.

A training image has a `basis`, one of BASES, and a `weight` in (0, 1]: the WEIGHTS of its basis times the agreement of
the votes. The agreement is the probability that the verdict is right, by Dawid and Skene's model of inspectors who
make mistakes (Appl. Stat. 28, 20, 1979). The model is fitted to all votes on exposures of the run except bulk votes,
because those are one judgement of many exposures. If there is too little to fit (fewer than FEWEST_EXPOSURES exposures
with two answers, or fewer than FEWEST_BAD that somebody calls bad, as in `agreement`), the error rates would be
guesses that could even reverse a verdict. Then the agreement is the plain share of good and bad answers that say what
the verdict says. It is rounded to a twentieth, so that one more vote does not change every weight a little, and it is
at least one twentieth.

A lead's decision, the truth of a simulation and an imported list have no votes; their agreement is 1.
`python -m benchmarks.accuracy.training_weights` measures what the weights are worth.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.votes import sorted_votes
from triptych.pipeline.votes import verdicts as consensus
from triptych.pipeline.votes.agreement import FEWEST_BAD, FEWEST_EXPOSURES

# basis -> weight of a label on which all voters agree
WEIGHTS: dict[str, float] = {
    "decision": 1.0,  # a lead has decided
    "votes": 1.0,  # two or more inspectors, who each looked at it alone, say what the verdict says
    "single_vote": 0.7,  # only one does; the others have not voted, voted in bulk, or say something else
    "bulk_votes": 0.4,  # only bulk votes say it
    "truth": 1.0,  # a simulation or a table of what is known
    "annotation": 1.0,  # an imported panel that judged CCD by CCD
    "label_list": 0.8,  # a list; who looked at what, and how, is not known
    "unlisted": 0.5,  # nobody has said anything: good because nobody complained
}
BASES = tuple(WEIGHTS)
BASES_OF_VOTES = ("decision", "votes", "single_vote", "bulk_votes")
STEPS = 20
_VOTED = {"good", "bad"}


def basis_of_verdicts(votes: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """What each verdict rests on: `basis` and `agreement`, one row per row of `verdicts`, with the same index.

    votes : those that the verdicts count. verdicts : of exposures or, with `ccdname`, of CCDs that were judged one by
    one, from `verdicts`. A verdict that is neither good nor bad gets the basis `single_vote`; it teaches nothing.
    """
    by_ccd = "ccdname" in verdicts
    keys = ["camera", "expnum", "ccdname"] if by_ccd else ["camera", "expnum"]
    own = (sorted_votes.ccd_opinions if by_ccd else sorted_votes.opinions)(votes).merge(
        _ways(votes), on=["camera", "expnum", "inspector"]
    )
    own = own.merge(verdicts[[*keys, "verdict"]], on=keys)
    own = own[own.judgement.isin(_VOTED)]
    own["agrees"] = own.judgement == own.verdict
    agreeing = own[own.agrees].groupby([*keys, "via"]).size().unstack(fill_value=0)
    counts = verdicts[keys].merge(agreeing.reset_index(), on=keys, how="left")
    counts = counts.reindex(columns=["single", "import", "bulk"], fill_value=0).fillna(0)
    looked = counts.single + counts["import"]
    panel = by_ccd & (counts["import"] > 0) & (counts.single == 0)
    tests = [verdicts.adjudicated.to_numpy(bool), panel, looked >= 2, looked == 1, counts.bulk > 0]
    basis = np.select(tests, ["decision", "annotation", "votes", "single_vote", "bulk_votes"], "single_vote")
    found = pd.DataFrame({"basis": basis.astype(object)}, index=verdicts.index)
    found["agreement"] = np.where(found.basis == "decision", 1.0, _agreement(own, keys, verdicts))
    return found


def weights(basis: pd.Series, agreement: pd.Series) -> pd.Series:
    """The WEIGHTS of each basis times the agreement: float64 in (0, 1]."""
    return basis.map(WEIGHTS).astype(float) * agreement.astype(float)


def _ways(votes: pd.DataFrame) -> pd.DataFrame:
    """How each inspector judged each exposure: `camera, expnum, inspector, via`.

    The newest vote on the whole exposure decides; without one, the newest vote on a CCD.
    """
    rows = votes.assign(
        whole=votes.ccdname == "", number=votes.vote_id if "vote_id" in votes else np.arange(len(votes))
    )
    rows = rows.sort_values(["whole", "number"], kind="stable")
    rows = rows.drop_duplicates(["camera", "expnum", "inspector"], keep="last")
    return rows[["camera", "expnum", "inspector", "via"]]


def _agreement(own: pd.DataFrame, keys: list[str], verdicts: pd.DataFrame) -> np.ndarray:
    """(n_verdicts,) float64 probability or share, in steps of 1 / STEPS.

    own : good and bad opinions, with `via`, `agrees`.
    """
    things = list(verdicts[keys].itertuples(index=False, name=None))
    shares = own.groupby(keys).agrees.mean()
    shares.index = shares.index.to_flat_index()
    agreement = shares.reindex(pd.Index(things, tupleize_cols=False)).to_numpy(float)
    looked = own[own.via != "bulk"]
    if _enough(looked, keys):
        p_bad = consensus.posterior_bad(looked, keys, things)
        right = np.where(verdicts.verdict == "bad", p_bad, 1 - p_bad)
        agreement = np.where(np.isnan(right), agreement, right)
    return np.maximum(np.round(np.nan_to_num(agreement) * STEPS), 1) / STEPS


def _enough(looked: pd.DataFrame, keys: list[str]) -> bool:
    """Whether there are enough opinions to fit the inspectors' error rates."""
    things = looked.assign(bad=looked.judgement == "bad").groupby(keys).bad.agg(["size", "any"])
    return int((things["size"] >= 2).sum()) >= FEWEST_EXPOSURES and int(things["any"].sum()) >= FEWEST_BAD
