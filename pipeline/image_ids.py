"""image_id, the number of one CCD image, made from the exposure number and the CCD number. Only this file knows how.

Every function takes numbers, arrays, Series or an Index, and returns the same type.
"""

from typing import Any

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
