"""What FITS headers say: which exposure, which CCD, and facts about the exposure.

The file's present name and the position of an HDU are never used.
"""

import math
import re
import warnings
from collections.abc import Sequence

from astropy.coordinates import Angle
from astropy.io.fits import Header
from astropy.time import Time

from triptych.pipeline.camera import CAMERAS, Camera, Ccd, at_telescope, camera_of
from triptych.pipeline.pixels.hdus import ImageHdu, Unusable
from triptych.pipeline.pixels.words import text

# keywords with the file's name at acquisition, and the pattern of the exposure number in such names
NAME_KEYS = ("FILENAME", "ORIGFILE", "DTACQNAM", "DTNSANAM", "DTINSTRU", "RAWFILE")
NAME_PATTERNS = {
    "decam": re.compile(r"DECam_(\d{6,16})(?!\d)|\bD(\d{8})(?!\d)"),
    "mosaic3": re.compile(r"\bmos3\.(\d{1,16})(?!\d)"),
    # d7421.0250 is exposure 74210250, as in the survey's tables and its bad-exposure list
    "90prime": re.compile(r"\bd(\d{4})\.(\d{4})\b"),
}
# legacypipe numbers the first exposures of MzLS, whose EXPNUM is blank, by their time: kp4m.20160125T082555 is
# 160125082555
OBSID_PATTERNS = {"mosaic3": re.compile(r"kp4m\.20(\d{6})T(\d{6})$")}
DIGITS = 16  # of an exposure number; 100 times it is an image_id, which has 64 bits
CALIBRATIONS = {
    *("zero", "zeros", "bias", "dark", "darks", "flat", "flats", "dflat", "dflats", "sflat", "tflat", "domeflat"),
    *("skyflat", "twiflat", "twilight", "lampflat", "focus", "fringe", "arc", "comp", "pinhole", "mastercal"),
}
KIND_KEYS = ("OBSTYPE", "IMAGETYP", "IMGTYPE", "OBS-TYPE", "PROCTYPE")
# what is outside these is unknown: days, seconds, airmass, pixels
FIRST_MJD, LAST_MJD = 44239.0, 88069.0  # from 1980 to 2100
LONGEST = 86400.0
FARTHEST = 40.0  # airmass at the horizon
WIDEST = 1000.0  # pixels of a star


def camera_of_file(headers: Sequence[Header], default: Camera) -> Camera:
    """The camera that the headers name, or `default` if they name none, and no other telescope.

    Unusable if they name an unknown camera, a telescope that is not that of `default`, or contradict themselves.
    """
    for header in headers:
        telescope = text(header, "TELESCOP")
        found = camera_of({"INSTRUME": text(header, "INSTRUME"), "TELESCOP": telescope})
        if found:
            other = next((each for each in CAMERAS.values() if telescope and at_telescope(each, telescope)), found)
            if other is not found and not at_telescope(found, telescope):
                said = f"INSTRUME is {text(header, 'INSTRUME')!r} but TELESCOP is {telescope!r}"
                raise Unusable("contradiction", f"{said}; correct the header")
            return found
        if text(header, "INSTRUME"):
            raise Unusable("unknown_camera", f"INSTRUME is {text(header, 'INSTRUME')!r}")
    for header in headers:
        telescope = text(header, "TELESCOP")
        if telescope and not at_telescope(default, telescope):
            raise Unusable("unknown_camera", f"no INSTRUME, and TELESCOP is {telescope!r}, not that of {default.title}")
    return default


def expnum_of(headers: Sequence[Header], camera: Camera) -> int:
    """Exposure number: EXPNUM as number or text, else OBSID or a recorded file name. Unusable if there is none."""
    written = [text(header, "EXPNUM") for header in headers if text(header, "EXPNUM")]
    for header in headers:
        if number := number_in(header):
            return number
    for key, patterns in (("OBSID", OBSID_PATTERNS), *((key, NAME_PATTERNS) for key in NAME_KEYS)):
        for header in headers:
            if camera.name in patterns and (found := patterns[camera.name].search(text(header, key))):
                number = int("".join(group for group in found.groups() if group))
                if number:
                    return number
    problem = f"EXPNUM is {written[0]!r}" if written else "no EXPNUM"
    raise Unusable("no_expnum", f"{problem}, and no exposure number in {', '.join(NAME_KEYS)}")


def number_in(header: Header) -> int:
    """EXPNUM of one header; 0 if it has none that can be used."""
    return _whole(text(header, "EXPNUM"))


def number_of(image: ImageHdu, primary: Header, images: Sequence[ImageHdu]) -> int:
    """EXPNUM of one image of a file; 0 if no header has one.

    Unusable if its header contradicts the primary one, or if it has none and the other images have different ones.
    """
    own, common = number_in(image.header), number_in(primary)
    if own and common and own != common:
        detail = f"EXPNUM is {own} in HDU {image.hdu} and {common} in HDU 0; correct the header"
        raise Unusable("contradiction", detail)
    others = {number for each in images if (number := number_in(each.header))}
    if not own and not common and len(others) > 1:
        raise Unusable("no_expnum", f"HDU {image.hdu} has no EXPNUM, and the others of the file differ")
    return own or common or next(iter(others), 0)


def _whole(value: str) -> int:
    """A positive integer written as `941420`, `0941420` or `941420.0`; 0 for anything else."""
    return int(value.split(".")[0]) if re.fullmatch(rf"[0-9]{{1,{DIGITS}}}(\.0*)?", value) else 0


def ccd_of(image: ImageHdu, camera: Camera, primary: Header | None = None) -> Ccd | None:
    """The CCD of an image, by EXTNAME, DETPOS, CCDNAME or CCDNUM; None for a focus chip.

    primary : a header to use if the image's own header names no CCD. Unusable if none names a CCD of the camera, or if
    name and number disagree.
    """
    for header in (image.header, primary) if primary is not None else (image.header,):
        names = [text(header, key).upper() for key in ("EXTNAME", "DETPOS", "CCDNAME")]
        number = _whole(text(header, "CCDNUM"))
        if any(camera.is_focus(name) for name in names) or camera.is_focus("", number):
            return None
        known = list(dict.fromkeys(name for name in names if name in camera.by_name))
        if len(known) > 1:
            raise Unusable("unknown_ccd", f"HDU {image.hdu} names {' and '.join(known)}; correct the header")
        named = camera.by_name[known[0]] if known else None
        numbered = camera.by_number.get(number)
        if named and number and named is not numbered:
            raise Unusable(
                "unknown_ccd", f"HDU {image.hdu} is named {named.name} ({named.number}) but CCDNUM is {number}"
            )
        if named or numbered:
            return named or numbered
    given = [f"{key} {text(image.header, key)!r}" for key in ("EXTNAME", "CCDNUM") if text(image.header, key)]
    raise Unusable(
        "unknown_ccd", f"HDU {image.hdu} names no {camera.title} CCD ({', '.join(given) or 'no name, no number'})"
    )


def exposure_facts(headers: Sequence[Header], camera: Camera) -> dict:
    """Facts about an exposure. The first header that has a value counts.

    filter : as written; band : one letter; mjd_obs : days; exptime : seconds; ra, dec : degrees; night : YYYYMMDD.
    Missing texts are '', missing numbers are NaN, and so are those that cannot be: a night in 1858, an airmass of -999.
    """
    mjd = _first_number(headers, ("MJD-OBS", "MJD_OBS"), FIRST_MJD, LAST_MJD)
    if math.isnan(mjd):
        mjd = next((mjd for header in headers if FIRST_MJD <= (mjd := _mjd(text(header, "DATE-OBS"))) < LAST_MJD), mjd)
    filter_name = _first_text(headers, ("FILTER", "BAND"))
    return {
        "camera": camera.name,
        "filter": filter_name,
        "band": band_of(filter_name) or band_of(_first_text(headers, ("BAND",))),
        "mjd_obs": mjd,
        "night": camera.night(mjd),
        "exptime": _first_number(headers, ("EXPTIME", "EXPREQ"), 0, LONGEST),
        "ra": _first_angle(headers, ("RA", "TELRA", "CRVAL1"), hours=True, least=0, most=360),
        "dec": _first_angle(headers, ("DEC", "TELDEC", "CRVAL2"), hours=False, least=-90, most=90),
        "airmass": _first_number(headers, ("AIRMASS",), 0.9, FARTHEST),
        "object": _first_text(headers, ("OBJECT",)),
        "propid": _first_text(headers, ("PROPID",)),
        "plver": _first_text(headers, ("PLVER",)),
        "plprocid": _first_text(headers, ("PLPROCID",)),
    }


def band_of(filter_name: str) -> str:
    """Band of a long filter name: z for `z DECam SDSS c0004 9260.0 1520.0`, r for the Bok telescope's `bokr`."""
    name = filter_name.strip()
    if name.lower().startswith("bok"):
        return name[3:4]
    return name[:1]


def is_calibration(headers: Sequence[Header]) -> str:
    """Which card says that it is a bias, dark, flat or focus frame, such as `OBSTYPE is 'flat dome'`; '' if none."""
    for key in KIND_KEYS:
        for header in headers:
            kind = text(header, key)
            if CALIBRATIONS & set(re.split(r"[^a-z]+", kind.lower())):
                return f"{key} is {kind!r}"
    return ""


def is_stack(headers: Sequence[Header]) -> str:
    """Which card says that several exposures were combined; '' if none."""
    for header in headers:
        for key in ("PROCTYPE", "PRODTYPE"):
            if re.search(r"stack|coadd", text(header, key).lower()):
                return f"{key} is {text(header, key)!r}"
        if _number(text(header, "NCOMBINE")) > 1:
            return f"NCOMBINE is {text(header, 'NCOMBINE')}"
    return ""


def _first_text(headers: Sequence[Header], keys: Sequence[str]) -> str:
    return next((value for key in keys for header in headers if (value := text(header, key))), "")


def _first_number(
    headers: Sequence[Header], keys: Sequence[str], least: float = -math.inf, most: float = math.inf
) -> float:
    """The first value from `least` to `most` that is a finite number, perhaps with a unit; NaN if there is none."""
    for key in keys:
        for header in headers:
            value = _number(text(header, key))
            if math.isfinite(value) and least <= value <= most:
                return value
    return math.nan


def _number(value: str) -> float:
    """The number of `90`, `90.0 sec` or `90 s`; NaN of anything else."""
    found = re.fullmatch(r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?:s|sec|secs|seconds?|deg|degrees|d)?\.?", value)
    try:
        return float(found.group(1)) if found else math.nan
    except ValueError:
        return math.nan


def positive(header: Header, key: str) -> float | None:
    """A positive finite number in a header; None if there is none."""
    value = _first_number([header], (key,))
    return value if value > 0 else None


def width_of(header: Header) -> float | None:
    """FWHM of a header, pixels; None if there is none that can be."""
    value = positive(header, "FWHM")
    return value if value and value < WIDEST else None


def saturation_of(header: Header) -> float | None:
    """The lowest of the levels, in ADU, at which the amplifiers of a CCD saturate; None if no header says it."""
    levels = [level for key in ("SATURATA", "SATURATB", "SATURATE") if (level := positive(header, key))]
    return min(levels, default=None)


def scales_of(header: Header) -> list[float] | None:
    """CD1_1, CD1_2, CD2_1, CD2_2 of a header, degrees per pixel; None if one is missing."""
    found = [_first_number([header], (key,)) for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2")]
    return found if all(map(math.isfinite, found)) else None


def _first_angle(headers: Sequence[Header], keys: Sequence[str], *, hours: bool, least: float, most: float) -> float:
    """Degrees of the first readable angle from `least` to `most`.

    Plain numbers are degrees; `05:36:49.0` is hours if `hours`, else degrees; `5h36m49s` is hours.
    """
    for key in keys:
        for header in headers:
            value = text(header, key)
            try:
                if re.search(r"\d\s*[:hd\s]\s*\d", value):
                    degrees = round(float(Angle(value, unit="hourangle" if hours else "deg").deg), 8)
                else:
                    degrees = _number(value)
            except (ValueError, TypeError):
                continue
            if math.isfinite(degrees) and least <= degrees <= most:
                return degrees
    return math.nan


def _mjd(date: str) -> float:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of years that are in doubt
            return float(Time(date, scale="utc").mjd) if date else math.nan
    except ValueError:
        return math.nan
