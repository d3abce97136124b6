"""Values of FITS headers as text."""

import warnings

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning


def text(header: fits.Header, key: str) -> str:
    """A header value as stripped text; '' if it is missing or undefined.

    A value that is not written as the standard asks, such as a name without quotes, is given as it stands.
    """
    try:
        value = header.get(key, "")
    except (fits.VerifyError, ValueError):
        return _as_it_stands(header, key)
    return "" if value is None or isinstance(value, fits.card.Undefined) else str(value).strip()


def _as_it_stands(header: fits.Header, key: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            return header.cards[key].image[10:].split("/")[0].strip(" '")
    except (fits.VerifyError, ValueError, KeyError):
        return ""
