"""Whole exposures dealt to folds."""

import numpy as np
import pandas as pd


def deal(table: pd.DataFrame, folds: int, seed: int) -> list[np.ndarray]:
    """Return disjoint sets of exposures, one per fold, that together are all exposures of a training table.

    Exposures of one kind (the rarest of their labels) are dealt to different folds, in seeded order, so that a reason
    known from few exposures is not held out all at once. As many folds as exposures at most.
    """
    known = np.unique(table.expnum)
    if folds >= len(known):
        return list(known[:, None])
    pairs = table[["expnum", "reasons"]].explode("reasons").drop_duplicates()
    pairs["exposures"] = pairs.groupby("reasons").expnum.transform("size")
    pairs = pairs.sort_values(["expnum", "exposures", "reasons"])
    kinds = pairs.drop_duplicates("expnum").set_index("expnum").reasons.reindex(known)
    codes = pd.factorize(kinds, sort=True)[0]
    dealt = known[np.lexsort((np.random.default_rng(seed).random(len(known)), codes))]
    return [np.sort(dealt[fold::folds]) for fold in range(folds)]
