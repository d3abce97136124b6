"""A CCD together with its exposure: what the neighbouring CCDs show, and what is usual in this exposure.

One CCD's vector does not tell everything. A ghost's disc may leave nothing but sky on the CCDs that it covers, a noisy
crate shows only beside quiet CCDs, and a cloud covers all of them. So a learner reads the CCD's own vector, the mean
of the vectors around it, the median of its exposure, and its place on the focal plane.
"""

import numpy as np
import pandas as pd

from triptych.pipeline import focal_plane
from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.image_ids import ccdnum_of

REACH = 0.9  # standard deviation, in CCD widths, of the Gaussian weights of neighbours


def neighbour_weights(camera: str, ccdnums: np.ndarray, *, itself: bool = False) -> np.ndarray:
    """(n_ccd, n_ccd) weights of an exposure's CCDs as neighbours of each other. Each row sums to one.

    itself : whether a CCD counts as its own neighbour. A CCD that is alone always does.
    """
    places = focal_plane.centres(camera_named(camera), ccdnums)
    weights = np.exp(-((places[:, None] - places[None]) ** 2).sum(-1) / 2 / REACH**2)
    if not itself and len(weights) > 1:
        np.fill_diagonal(weights, 0)
    return weights / weights.sum(1, keepdims=True)


def groups_of(expnums: np.ndarray) -> list[np.ndarray]:
    """Row numbers of each exposure, in the order of the exposure numbers."""
    order = np.argsort(expnums, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(np.asarray(expnums)[order])) + 1) if len(order) else []


def surrounded(vectors: np.ndarray, keys: pd.DataFrame, camera: str) -> np.ndarray:
    """Return (n, 3 * dim + 2) float32: own vector, mean of the neighbours, median of the exposure, x and y in CCD
    widths.

    vectors : (n, dim) in the order of `keys` (`image_id, expnum`). Give all CCDs of each exposure, because they are the
    surroundings of each other.
    """
    vectors = np.asarray(vectors, np.float32)
    dim = vectors.shape[1]
    ccdnums = ccdnum_of(keys.image_id.to_numpy())
    found = np.empty((len(vectors), 3 * dim + 2), np.float32)
    for rows in groups_of(keys.expnum.to_numpy()):
        own = vectors[rows]
        found[rows, :dim] = own
        found[rows, dim : 2 * dim] = neighbour_weights(camera, ccdnums[rows]).astype(np.float32) @ own
        found[rows, 2 * dim : 3 * dim] = np.median(own, axis=0)
        found[rows, 3 * dim :] = focal_plane.centres(camera_named(camera), ccdnums[rows])
    return found


def pooled(vectors: np.ndarray, keys: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The focal plane as one vector. Return expnums (n_exposures,), sorted, and (n_exposures, 4 * dim) float32: mean,
    standard deviation, minimum and maximum of each number over the exposure's CCDs.

    vectors : (n, dim) in the order of `keys` (`expnum`).
    """
    groups = groups_of(keys.expnum.to_numpy())
    vectors = np.asarray(vectors, np.float32)
    found = np.empty((len(groups), 4 * vectors.shape[1]), np.float32)
    for place, rows in enumerate(groups):
        own = vectors[rows]
        found[place] = np.concatenate([own.mean(0), own.std(0), own.min(0), own.max(0)])
    return np.array([keys.expnum.to_numpy()[rows[0]] for rows in groups], np.int64), found
