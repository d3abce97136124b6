"""Finds rows in a table of vectors by image_id."""

import numpy as np
import pandas as pd


def among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) bool: which values are in `known`, which is rising."""
    if not len(known):
        return np.zeros(len(values), bool)
    return known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values


def rows_of(keys: pd.DataFrame | pd.Series, image_ids) -> np.ndarray:
    """Row numbers of `image_ids` in an embedding's keys; -1 if an image is not embedded.

    keys : with the column `image_id`, or that column; rising.
    """
    known = (keys.image_id if isinstance(keys, pd.DataFrame) else keys).to_numpy()
    wanted = np.asarray(image_ids, dtype=np.int64)
    places = np.searchsorted(known, wanted)
    if not len(known):
        return np.full(len(wanted), -1)
    return np.where(known[np.minimum(places, len(known) - 1)] == wanted, places, -1)
