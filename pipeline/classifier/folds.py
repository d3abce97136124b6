"""Divides exposures into folds. All CCDs of an exposure are in the same fold."""

import numpy as np
import pandas as pd


def deal(table: pd.DataFrame, folds: int, seed: int) -> list[np.ndarray]:
    """Return disjoint sets of exposures, one per fold. Together they are all exposures of a training table.

    Exposures of one kind (by the rarest of their labels) go to different folds, in an order given by the seed. So a
    reason with few exposures is not held out all at once. There are at most as many folds as exposures.
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
