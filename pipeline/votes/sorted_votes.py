"""Current votes, sorted out and counted once for all that is asked about them, such as the verdicts of each policy."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd

from triptych.pipeline.reasons import REASONS

COUNT_COLUMNS = ["n_bad", "n_good", "n_unsure", "inspectors", "reasons"]
_GRAVITY = {"good": 0, "unsure": 1, "bad": 2}
_VOCABULARY = {name: place for place, name in enumerate(REASONS)}
_TICK = ("camera", "expnum", "inspector", "ccdname")


class SortedVotes:
    """What `votes` say, without a policy. Each part is made when it is first asked for. Do not change the votes.

    votes : current votes from `LabelStore.votes()` (camera, expnum, ccdname, inspector, judgement, reasons)
    """

    def __init__(self, votes: pd.DataFrame):
        self.votes = votes
        self.kept = {}  # what others have made of it, for themselves

    @cached_property
    def opinions(self) -> pd.DataFrame:
        """See `opinions`."""
        return _opinions(*self._sorted_out)

    @cached_property
    def ccd_opinions(self) -> pd.DataFrame:
        """See `ccd_opinions`."""
        return _ccd_opinions(*self._sorted_out)

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per exposure with a vote, sorted: camera, expnum, COUNT_COLUMNS, n_votes."""
        return _counts(self.opinions, ["camera", "expnum"])

    @cached_property
    def ccd_counts(self) -> pd.DataFrame:
        """One row per CCD with a vote of its own, sorted: camera, expnum, ccdname, COUNT_COLUMNS, n_votes."""
        return _counts(self.ccd_opinions, ["camera", "expnum", "ccdname"])

    @cached_property
    def ticks(self) -> dict[tuple[str, int], set[str]]:
        """{(camera, expnum): names of the CCDs ticked by those who called the exposure bad}."""
        return self._ticking[1]

    @cached_property
    def without_ticks(self) -> "SortedVotes":
        """The votes of all but those who called an exposure bad and ticked CCDs on it."""
        if not self._ticking[0]:
            return self
        things = zip(*values_of(self.votes, ["camera", "expnum", "inspector"]), strict=True)
        tickers = self._ticking[0]
        return SortedVotes(self.votes[np.array([thing not in tickers for thing in things], dtype=bool)])

    def on(self, keys: set[tuple[str, int]]) -> "SortedVotes":
        """The votes on some exposures. keys : (camera, expnum)"""
        things = zip(*values_of(self.votes, ["camera", "expnum"]), strict=True)
        return SortedVotes(self.votes[np.array([thing in keys for thing in things], dtype=bool)])

    @cached_property
    def _sorted_out(self) -> tuple[dict, dict]:
        return _sorted_out(self.votes)

    @cached_property
    def _ticking(self) -> tuple[set, dict]:
        return _ticks(self.votes, self.opinions)


def sort_votes(votes: pd.DataFrame | SortedVotes) -> SortedVotes:
    """The SortedVotes of some votes, which may be one already."""
    return votes if isinstance(votes, SortedVotes) else SortedVotes(votes)


def opinions(votes: pd.DataFrame) -> pd.DataFrame:
    """One row per exposure and inspector: camera, expnum, inspector, judgement, reasons."""
    return SortedVotes(votes).opinions


def ccd_opinions(votes: pd.DataFrame) -> pd.DataFrame:
    """One row per inspector and CCD with a vote of its own: camera, expnum, ccdname, inspector, judgement, reasons."""
    return SortedVotes(votes).ccd_opinions


def _opinions(whole: dict, single: dict) -> pd.DataFrame:
    found = {}
    for thing, own in single.items():
        gravest = max((judgement for judgement, _ in own.values()), key=_GRAVITY.__getitem__)
        reasons = [r for judgement, names in own.values() if judgement == gravest for r in names]
        found[thing] = (gravest, tuple(dict.fromkeys(reasons)))
    found.update(whole)
    rows = [(*thing, *opinion) for thing, opinion in found.items()]
    return pd.DataFrame(rows, columns=["camera", "expnum", "inspector", "judgement", "reasons"])


def _ccd_opinions(whole: dict, single: dict) -> pd.DataFrame:
    named, judges = {}, {}
    for (camera, expnum, _inspector), own in single.items():
        named.setdefault((camera, expnum), set()).update(own)
    for camera, expnum, inspector in dict.fromkeys([*whole, *single]):
        judges.setdefault((camera, expnum), []).append(inspector)
    rows = []
    for (camera, expnum), ccdnames in named.items():
        for inspector in judges[camera, expnum]:
            own = single.get((camera, expnum, inspector), {})
            judgement, reasons = whole.get((camera, expnum, inspector), ("", ()))
            rest = ("good", ()) if own and judgement == "bad" else (judgement, reasons)
            for ccdname in sorted(ccdnames):
                opinion = own.get(ccdname, rest)
                if opinion[0]:
                    rows.append((camera, expnum, ccdname, inspector, *opinion))
    return pd.DataFrame(rows, columns=["camera", "expnum", "ccdname", "inspector", "judgement", "reasons"])


def _sorted_out(votes: pd.DataFrame) -> tuple[dict, dict]:
    """The newest vote of each inspector: {(camera, expnum, inspector): (judgement, reasons)} on whole exposures, and
    {(camera, expnum, inspector): {ccdname: (judgement, reasons)}} on CCDs."""
    whole, single = {}, {}
    if "vote_id" in votes:
        votes = votes.sort_values("vote_id", kind="stable")
    columns = ["camera", "expnum", "inspector", "ccdname", "judgement", "reasons"]
    for camera, expnum, inspector, ccdname, judgement, reasons in zip(*values_of(votes, columns), strict=True):
        thing = (camera, int(expnum), inspector)
        if ccdname == "":
            whole[thing] = (judgement, tuple(reasons))
        else:
            single.setdefault(thing, {})[ccdname] = (judgement, tuple(reasons))
    return whole, single


def _counts(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    gathered = {}
    named = [*keys, "inspector", "judgement", "reasons"]
    for *key, inspector, judgement, reasons in zip(*values_of(frame, named), strict=True):
        gathered.setdefault(tuple(key), []).append((inspector, judgement, reasons))
    rows = [(*key, *_count(gathered[key])) for key in sorted(gathered)]
    counts = pd.DataFrame(rows, columns=[*keys, *COUNT_COLUMNS])
    counts = counts.astype({"expnum": "int64", "n_bad": "int64", "n_good": "int64", "n_unsure": "int64"})
    return counts.assign(n_votes=counts.n_bad + counts.n_good + counts.n_unsure)


def _count(opinions: list[tuple]) -> tuple:
    judgements = [judgement for _, judgement, _ in opinions]
    names = tuple(sorted(inspector for inspector, _, _ in opinions))
    n_bad = judgements.count("bad")
    named = [reason for _, judgement, own in opinions if judgement == "bad" for reason in own] if n_bad else []
    ordered = sorted(set(named), key=lambda r: (-named.count(r), _VOCABULARY.get(r, len(_VOCABULARY)), r))
    return n_bad, judgements.count("good"), judgements.count("unsure"), names, tuple(ordered)


def _ticks(votes: pd.DataFrame, own: pd.DataFrame) -> tuple[set, dict]:
    """{(camera, expnum, inspector)} who called an exposure bad and ticked CCDs, and {(camera, expnum): CCD names}."""
    own = own[own.judgement == "bad"]
    callers = set(zip(*values_of(own, ["camera", "expnum", "inspector"]), strict=True))
    ticked = votes[(votes.ccdname != "") & (votes.judgement == "bad")]
    tickers, ticks = set(), {}
    for camera, expnum, inspector, ccdname in zip(*values_of(ticked, _TICK), strict=True):
        if (camera, expnum, inspector) in callers:
            tickers.add((camera, expnum, inspector))
            ticks.setdefault((camera, int(expnum)), set()).add(ccdname)
    return tickers, ticks


def values_of(frame: pd.DataFrame, columns: Iterable[str]) -> list[list]:
    """The values of some columns as lists. To walk through a column of texts itself takes five times as long."""
    return [frame[name].to_numpy(object).tolist() for name in columns]
