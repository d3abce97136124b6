"""How much the answer on an exposure is expected to teach, and an order in which successive exposures differ. Pure.

Three things make an exposure worth asking about:

- *Uncertainty*: the entropy of the probability that it is bad (uncertainty sampling: Lewis and Gale 1994, "A sequential
  algorithm for training text classifiers").
- *Disagreement*: the labelled neighbours of its CCDs form a committee. The entropy of their labels says how divided
  they are (query by committee: Seung, Opper and Sompolinsky 1992; vote entropy: Dagan and Engelson 1995). A few CCDs
  decide about an exposure, so its most divided CCDs count.
- *Diversity*: an exposure that is similar to one already labelled or asked teaches little more. The next exposure is
  the one with the largest product of squared gain and distance to the nearest of those (k-centre greedy: Sener and
  Savarese 2018, "Active learning for convolutional neural networks: a core-set approach"; weighted by gain as in
  Brinker 2003). An exposure also counts less, the more of its cluster have been asked.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

DIVIDED_CCDS = 5  # number of an exposure's CCDs whose neighbours count
CHOSEN_APART = 400  # number of exposures that are chosen one by one; nobody judges more before they get a new order
CONSIDERED = 20  # the choice is among so many times CHOSEN_APART exposures, those with the largest gain
NEAR_BEST = 0.85  # one is drawn from all that are worth at least this share of the best, so that inspectors differ
EMPHASIS = 2  # power of the gain relative to the distance; found on three simulated surveys, see docs/asking.md
FLOOR = 0.1  # bits that every answer is assumed to be worth


def bits(probability) -> np.ndarray:
    """(n,) float64 in [0, 1]: entropy in bits of a yes-or-no probability; 1 if the probability is unknown."""
    p = np.clip(np.nan_to_num(np.asarray(probability, dtype=float), nan=0.5), 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nan_to_num(p * np.log2(p)) - np.nan_to_num((1 - p) * np.log2(1 - p))


def vote_entropy(neighbour_ids: Iterable[np.ndarray], labels: pd.Series) -> np.ndarray:
    """(n,) float64 in [0, 1]: how divided the labelled neighbours of each image are.

    neighbour_ids : for each image the image_ids of its neighbours. labels : image_id -> its reasons as one text, each
    image once. A neighbour without a label does not vote. The entropy over the different labels is divided by the
    largest possible one; it is 0 with fewer than two votes.
    """
    own = [np.asarray(ids, dtype=np.int64) for ids in neighbour_ids]
    rows = np.repeat(np.arange(len(own)), [len(ids) for ids in own])
    codes, _ = pd.factorize(labels.astype(str), sort=True)
    places = pd.Index(labels.index).get_indexer(np.concatenate(own) if own else np.empty(0, np.int64))
    rows, answers = rows[places >= 0], codes[places[places >= 0]]
    total = np.bincount(rows, minlength=len(own)).astype(float)
    pairs, counts = np.unique(np.stack([rows, answers]), axis=1, return_counts=True)
    share = counts / total[pairs[0]]
    found = np.bincount(pairs[0], weights=-share * np.log2(share), minlength=len(own))
    return found / np.log2(np.maximum(total, 2))


def disagreement(prediction: pd.DataFrame, labels: pd.Series) -> pd.Series:
    """expnum -> mean vote entropy of its DIVIDED_CCDS most divided CCDs.

    prediction : `expnum, neighbour_ids`, one row per image; neighbours do not include the own exposure. labels : see
    `vote_entropy`.
    """
    own = pd.DataFrame(
        {
            "expnum": prediction["expnum"].to_numpy(np.int64),
            "entropy": vote_entropy(prediction["neighbour_ids"].to_numpy(), labels),
        }
    ).sort_values(["expnum", "entropy"], ascending=[True, False], kind="stable")
    return own[own.groupby("expnum").cumcount() < DIVIDED_CCDS].groupby("expnum")["entropy"].mean()


def gain_of(probability, divided) -> np.ndarray:
    """(n,) float64 in [FLOOR, 1 + FLOOR]: the mean of uncertainty and disagreement, in bits, plus the floor.

    probability : that an exposure is bad, NaN = unknown. divided : its disagreement, NaN = unknown.
    """
    return (bits(probability) + np.nan_to_num(np.asarray(divided, dtype=float))) / 2 + FLOOR


def chosen_apart(
    gain: np.ndarray, places: np.ndarray, group: np.ndarray, asked: np.ndarray, *, most: int, draws: np.ndarray
) -> np.ndarray:
    """(<= most,) int64 rows in the order to ask: large gain, far from what was asked, few asked of the same cluster.

    gain : (n,) float64. places : (n, dim) float64, positions in the reduced space. group : (n,) int, clusters, -1 = in
    none. asked : (n,) bool, already answered; these are not chosen again. draws : (n,) float64 in [0, 1), random
    numbers that choose one of those within NEAR_BEST. The time grows as most x n.
    """
    places = places / max(float(np.sqrt(places.var(axis=0).sum())), 1e-12)
    reach = np.full(len(gain), np.inf)
    if asked.any():
        from scipy.spatial import cKDTree  # imported here because it is slow, and every server would wait for it

        reach = cKDTree(places[asked]).query(places)[0] ** 2
    left, found, of_group = ~asked, [], np.zeros(int(group.max(initial=-1)) + 2)
    np.add.at(of_group, group[asked], 1)
    for _ in range(min(most, int(left.sum()))):
        away = np.sqrt(np.where(np.isfinite(reach), reach, 1.0))
        worth = gain**EMPHASIS * away / np.where(group < 0, 1.0, np.sqrt(1.0 + of_group[group]))
        worth[~left] = -np.inf
        best = np.flatnonzero(worth >= NEAR_BEST * worth.max())
        row = int(best[np.argmin(draws[best])])
        found.append(row)
        left[row] = False
        of_group[group[row]] += 1
        reach = np.minimum(reach, ((places - places[row]) ** 2).sum(axis=1))
    return np.array(found, dtype=np.int64)
