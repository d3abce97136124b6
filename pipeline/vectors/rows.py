"""Finds rows in a table of vectors by image_id."""

import numpy as np
import pandas as pd


def rows_of(keys: pd.DataFrame, image_ids) -> np.ndarray:
    """Row numbers of `image_ids` in an embedding's keys (sorted by image_id); -1 if an image is not embedded."""
    known = keys.image_id.to_numpy()
    wanted = np.asarray(image_ids, dtype=np.int64)
    places = np.searchsorted(known, wanted)
    if not len(known):
        return np.full(len(wanted), -1)
    return np.where(known[np.minimum(places, len(known) - 1)] == wanted, places, -1)
