"""What an image of a FITS file is: the sky, a mask, a weight map, or something else.

The archive's file name says it, because headers of mask files are often copied from the image; then PRODTYPE, the names
of planes (EXTTYPE, DES_EXT, EXTNAME), the unit, and words in the file's name. A file's name may say that it is no
image of the sky, never that it is one.
"""

import re
from pathlib import Path

from astropy.io.fits import Header

from triptych.pipeline.pixels.words import text

# archive names such as c4d_131122_030338_ooi_z_ls9.fits.fz: letters of the observation, the processing and the product
ARCHIVE_NAME = re.compile(r"[a-z0-9]{3}_\d{6}_\d{6}_([a-z])([a-z])([a-z])[_.]")
PRODUCT_LETTERS = {"i": "image", "d": "mask", "w": "weight"}
PRODUCT_WORDS = {"image": "image", "dqmask": "mask", "wtmap": "weight", "expmap": "other", "resampled": "image"}
MASK_WORDS = ("MASK", "MSK", "DQ", "DQM", "DQMASK", "BPM", "FLAG", "FLAGS", "BADPIX")
WEIGHT_WORDS = (
    *("WEIGHT", "WEIGHTS", "WGT", "WHT", "WT", "WTMAP", "IVAR", "INVVAR", "VAR", "VARIANCE"),
    *("ERR", "ERROR", "ERRORS", "UNC", "UNCERT", "UNCERTAINTY", "RMS", "SIGMA", "EXPMAP"),
)
PLANE_NAMES = {
    **dict.fromkeys(("IMAGE", "SCI", "SCIENCE"), "image"),
    **dict.fromkeys(MASK_WORDS, "mask"),
    **dict.fromkeys(WEIGHT_WORDS, "weight"),
}
PLANE_KEYS = ("EXTTYPE", "DES_EXT", "EXTNAME")
ENDINGS = re.compile(r"\.(FITS|FIT|FTS)?(\.?(FZ|GZ|BZ2))*$")
SQUARED = re.compile(r"^1\s*/|(\^|\*\*)\s*\(?[-+]?2|(adu|electrons?|counts?|dn|e)-?2$")  # units of variance and weight


def product_of(path: str | Path, primary: Header) -> tuple[str, str]:
    """What a file holds (image, mask, weight or other), and the archive's processing letter (o, k, r, s, ... or '')."""
    found = ARCHIVE_NAME.search(Path(path).name.lower())
    if found:
        return PRODUCT_LETTERS.get(found.group(3), "other"), found.group(2)
    processing = "r" if text(primary, "PROCTYPE").lower() == "raw" else ""
    return PRODUCT_WORDS.get(text(primary, "PRODTYPE").lower(), "image"), processing


def calibration_in_name(path: str | Path) -> str:
    """What an archive name says of a bias, dark or flat; '' if it says nothing of them."""
    found = ARCHIVE_NAME.search(Path(path).name.lower())
    if found and (found.group(1) in "zdf" or found.group(2) == "m"):
        return f"the archive name says {found.group(1)}{found.group(2)}"
    return ""


def stack_in_name(path: str | Path) -> str:
    """What an archive name says of a stack; '' if it says nothing of one."""
    found = ARCHIVE_NAME.search(Path(path).name.lower())
    return f"the archive name says {found.group(1)}s" if found and found.group(2) == "s" else ""


def said_by_name(path: str | Path) -> str:
    """`mask` or `weight` if the first or the last word of the file's name says so, as in `deep2g.wht.fits`; else ''."""
    stem = ENDINGS.sub("", Path(path).name.upper())
    words = [word for word in re.split(r"[^A-Z0-9]+", stem) if word]
    found = {PLANE_NAMES[word] for word in words[:1] + words[-1:] if word in PLANE_NAMES} - {"image"}
    return found.pop() if len(found) == 1 else ""


def plane_of(header: Header) -> str:
    """What one HDU holds: image, mask or weight; '' if its header does not say."""
    for key in PLANE_KEYS:
        word = text(header, key).upper()
        if word in PLANE_NAMES:
            return PLANE_NAMES[word]
        if any(part in MASK_WORDS for part in _parts(word)):
            return "mask"
        if any(part in WEIGHT_WORDS for part in _parts(word)):
            return "weight"
    product = PRODUCT_WORDS.get(text(header, "PRODTYPE").lower(), "")
    if product in ("mask", "weight"):
        return product
    if any(key.startswith("MP_") for key in header):  # the LSST pipelines list the bits of a mask under such names
        return "mask"
    unit = text(header, "BUNIT").lower()
    return "weight" if SQUARED.search(unit) and "arcsec" not in unit else ""


def _parts(word: str) -> list[str]:
    return re.split(r"[^A-Z0-9]+", word)


def is_whole_numbers(header: Header) -> bool:
    """Whether an image has integers that are not scaled, as masks have: no image that was processed has them."""
    scaled = header.get("BSCALE", 1) != 1 or header.get("BZERO", 0) != 0
    bits = header.get("ZBITPIX", header.get("BITPIX", 0))
    return not scaled and isinstance(bits, int) and bits > 0
