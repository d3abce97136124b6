"""image_id, the number of one CCD image: made of the numbers of its exposure and its CCD. Only this file knows how.

Every function takes numbers, arrays, Series or an Index, and gives the same.
"""

from typing import Any

CCDS = 100  # room for CCD numbers in one exposure


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
    """Every image_id that an exposure may have. They follow each other: sorted images of one exposure are one slice."""
    return range(CCDS * expnum, CCDS * (expnum + 1))
