"""How many images of a class lists teach at most, and which.

A list of 245,000 good exposures names five million images, nearly all of them alike. The publication drew 12,000 good
images for training, six CCDs of each of 2,000 exposures. Once lists name more images of a class than that, as many are
drawn here. The draw is a fixed hash of the exposure and image numbers, so a survey that grows keeps nearly all of them,
and two runs of the same survey draw the same. What inspectors said is never left out.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.image_ids import mixed
from triptych.pipeline.reasons import GOOD

MOST_IMAGES = 12_000
MOST_CCDS = 6
WHY = f"images of long lists, of which {MOST_IMAGES:,} of a class teach, {MOST_CCDS} of an exposure"


def enough(rows: pd.DataFrame, most: int = MOST_IMAGES, each: int = MOST_CCDS) -> np.ndarray:
    """(n,) bool: the rows that teach. An image that teaches one of its classes teaches all of them.

    rows : one per image and class, `image_id, expnum, reason`. most : images of a class; a class with no more than that
    teaches whole. each : CCDs of an exposure, of a larger class.
    """
    kept = np.zeros(len(rows), bool)
    reasons = rows.reason.to_numpy(object)
    for reason in pd.unique(rows.reason):
        own = np.flatnonzero(reasons == reason)
        if len(own) > most:
            own = own[drawn(rows.expnum.to_numpy()[own], rows.image_id.to_numpy()[own], most, each)]
        kept[own] = True
    return rows.image_id.isin(rows.image_id[kept]).to_numpy() if not kept.all() else kept


def drawn(expnums: np.ndarray, image_ids: np.ndarray, most: int, each: int) -> np.ndarray:
    """Places (k,) int64 of at most `most` images, at most `each` of an exposure."""
    order = np.lexsort((mixed(image_ids), expnums, mixed(expnums)))
    first = np.flatnonzero(np.diff(expnums[order], prepend=-1))
    within = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return np.sort(order[within < each][:most])


def without_the_plainly_good(
    labels: pd.DataFrame, exposures: pd.DataFrame, judged, most: int = MOST_IMAGES, each: int = MOST_CCDS
) -> tuple[pd.DataFrame, int]:
    """Labels without most of the exposures about which lists say nothing but good, and the number of their images.

    labels : imported labels that teach. exposures : `camera, expnum, n_ccds` of the run. judged : expnums with a vote
    or a decision; these stay. It looks at exposures only, so the images of a long list need not be read.
    """
    plain = (labels.ccdname == "") & (labels.reason == GOOD)
    plain &= ~labels.expnum.isin(labels.expnum[~plain]) & ~labels.expnum.isin(list(judged))
    named = exposures[["camera", "expnum", "n_ccds"]].merge(labels.loc[plain, ["camera", "expnum"]].drop_duplicates())
    sizes = named.n_ccds.clip(lower=1).to_numpy()
    if sizes.sum() <= most:
        return labels, 0
    order = np.argsort(mixed(named.expnum), kind="stable")
    before = np.cumsum(np.minimum(sizes[order], each)) - np.minimum(sizes[order], each)
    stay = order[before < most]
    left_out = int(sizes.sum() - sizes[stay].sum())
    return labels[~plain | labels.expnum.isin(named.expnum.iloc[stay])], left_out
