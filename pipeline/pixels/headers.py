"""What FITS headers say: which exposure, which CCD, and facts about the exposure.

The file's present name and the position of an HDU are never used.
"""

import math
import re
from collections.abc import Sequence

from astropy.coordinates import Angle
from astropy.io.fits import Header
from astropy.time import Time

from triptych.pipeline.camera import Camera, Ccd, camera_of
from triptych.pipeline.pixels.fits import ImageHdu, Unusable, text

# keywords with the file's name at acquisition, and the pattern of the exposure number in such names
NAME_KEYS = ("FILENAME", "ORIGFILE", "DTACQNAM", "DTNSANAM", "DTINSTRU", "RAWFILE")
NAME_PATTERNS = {
    "decam": re.compile(r"DECam_(\d{6,})|\bD(\d{8})(?!\d)"),
    "mosaic3": re.compile(r"\bmos3\.(\d+)"),
    # d7421.0250 is exposure 74210250, as in the survey's tables and its bad-exposure list
    "90prime": re.compile(r"\bd(\d{4})\.(\d{4})\b"),
}
CALIBRATIONS = ("zero", "bias", "dark", "flat", "dome flat", "sky flat", "dflat", "twilight flat", "focus")


def camera_of_file(headers: Sequence[Header], default: Camera) -> Camera:
    """The camera that the headers name, or `default` if they name none. Unusable if they name an unknown camera."""
    for header in headers:
        found = camera_of(header)
        if found:
            return found
        if text(header, "INSTRUME"):
            raise Unusable("unknown_camera", f"INSTRUME is {text(header, 'INSTRUME')!r}")
    return default


def expnum_of(headers: Sequence[Header], camera: Camera) -> int:
    """Exposure number: EXPNUM as number or text, else from a recorded file name. Unusable if there is none."""
    written = [text(header, "EXPNUM") for header in headers if text(header, "EXPNUM")]
    for value in written:
        if number := _whole(value):
            return number
    for header in headers:
        for key in NAME_KEYS:
            if found := NAME_PATTERNS[camera.name].search(text(header, key)):
                return int("".join(group for group in found.groups() if group))
    problem = f"EXPNUM is {written[0]!r}" if written else "no EXPNUM"
    raise Unusable("no_expnum", f"{problem}, and no exposure number in {', '.join(NAME_KEYS)}")


def _whole(value: str) -> int:
    """A positive integer written as `941420`, `0941420` or `941420.0`; 0 for anything else."""
    return int(float(value)) if re.fullmatch(r"\d{1,16}(\.0*)?", value) else 0


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
        named = next((camera.by_name[name] for name in names if name in camera.by_name), None)
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
    Missing texts are '', missing numbers are NaN.
    """
    mjd = _first_number(headers, ("MJD-OBS",))
    if math.isnan(mjd):
        mjd = _mjd(_first_text(headers, ("DATE-OBS",)))
    filter_name = _first_text(headers, ("FILTER", "BAND"))
    return {
        "camera": camera.name,
        "filter": filter_name,
        "band": band_of(filter_name) or band_of(_first_text(headers, ("BAND",))),
        "mjd_obs": mjd,
        "night": camera.night(mjd),
        "exptime": _first_number(headers, ("EXPTIME", "EXPREQ")),
        "ra": _first_angle(headers, ("RA", "TELRA", "CRVAL1"), hours=True),
        "dec": _first_angle(headers, ("DEC", "TELDEC", "CRVAL2"), hours=False),
        "airmass": _first_number(headers, ("AIRMASS",)),
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
    """The observation type, if it is a bias, dark, flat or focus frame; else ''."""
    kind = _first_text(headers, ("OBSTYPE",)).lower()
    return kind if kind in CALIBRATIONS else ""


def _first_text(headers: Sequence[Header], keys: Sequence[str]) -> str:
    return next((value for key in keys for header in headers if (value := text(header, key))), "")


def _first_number(headers: Sequence[Header], keys: Sequence[str]) -> float:
    for key in keys:
        for header in headers:
            try:
                value = float(text(header, key))
            except ValueError:
                continue
            if math.isfinite(value):
                return value
    return math.nan


def positive(header: Header, key: str) -> float | None:
    """A positive finite number in a header; None if there is none."""
    value = _first_number([header], (key,))
    return value if value > 0 else None


def saturation_of(header: Header) -> float | None:
    """The lowest of the levels, in ADU, at which the amplifiers of a CCD saturate; None if no header says it."""
    levels = [level for key in ("SATURATA", "SATURATB", "SATURATE") if (level := positive(header, key))]
    return min(levels, default=None)


def scales_of(header: Header) -> list[float] | None:
    """CD1_1, CD1_2, CD2_1, CD2_2 of a header, degrees per pixel; None if one is missing."""
    found = [_first_number([header], (key,)) for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2")]
    return found if all(map(math.isfinite, found)) else None


def _first_angle(headers: Sequence[Header], keys: Sequence[str], *, hours: bool) -> float:
    """Degrees of the first readable angle.

    Plain numbers are degrees; `05:36:49.0` is hours if `hours`, else degrees.
    """
    for key in keys:
        for header in headers:
            value = text(header, key)
            try:
                if re.search(r"\d[:\s]\d", value):
                    return round(float(Angle(value, unit="hourangle" if hours else "deg").deg), 8)
                if value and math.isfinite(float(value)):
                    return float(value)
            except ValueError:
                continue
    return math.nan


def _mjd(date: str) -> float:
    try:
        return float(Time(date, scale="utc").mjd) if date else math.nan
    except ValueError:
        return math.nan
