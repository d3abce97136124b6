"""image_id, the number of one CCD image, made from the exposure number and the CCD number. Only this file knows how.

Every function about them takes numbers, arrays, Series or an Index, and returns the same type.
"""

from typing import Any

import numpy as np

CCDS = 100  # one more than the largest CCD number


def image_id_of(expnum: Any, ccdnum: Any) -> Any:
    """The image_id of a CCD of an exposure."""
    return CCDS * expnum + ccdnum


def expnum_of(image_id: Any) -> Any:
    """The exposure that an image belongs to."""
    return image_id // CCDS


def ccdnum_of(image_id: Any) -> Any:
    """The number of an image's CCD in its exposure."""
    return image_id % CCDS


def ids_of(expnum: int) -> range:
    """Every image_id that an exposure may have. They are consecutive, so sorted images of an exposure are one slice."""
    return range(CCDS * expnum, CCDS * (expnum + 1))


def mixed(numbers: Any) -> np.ndarray:
    """(n,) uint64 that look random, one for each whole number, always the same: splitmix64 (Steele, Lea, Flood 2014).

    Different numbers give different ones. So it draws a sample, or an order, that needs no table.
    """
    with np.errstate(over="ignore"):
        values = np.asarray(numbers).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
