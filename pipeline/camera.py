"""Cameras: CCD names and numbers, their places on the focal plane, and CCDs that were dead, absent or half blank.

A CCD is identified by its name (`N12`) and number (43), never by its position in a file. Slots are in canvas pixels:
the whole focal plane at full resolution as seen on the sky, North up and East left, x to the right, y downwards.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from triptych.pipeline.errors import choose


@dataclass(frozen=True)
class Ccd:
    """One CCD and its slot on the canvas: x0, y0, width, height in full-resolution pixels, as displayed."""

    name: str
    number: int
    row: int
    x0: float
    y0: float
    width: int
    height: int


@dataclass(frozen=True)
class Outage:
    """A CCD that is `dead`, `absent` or `half` blank from `first_mjd` until before `last_mjd`."""

    ccdname: str
    state: str
    first_mjd: float = -math.inf
    last_mjd: float = math.inf


@dataclass(frozen=True)
class Camera:
    """One camera.

    ccds : in order of their number. ccd_shape : (ny, nx) of one CCD's array. canvas : (width, height) in pixels.
    pixel_scale : arcseconds per pixel. longitude_deg : of the telescope, East positive. instruments : spellings of
    INSTRUME, in lower case. telescopes : what TELESCOP begins with or has as words, in lower case. flip_rows,
    flip_columns : what to flip after a CCD array is transposed, so that North is up and East is left. focus : name ->
    number of the focus and guide chips.
    """

    name: str
    title: str
    ccds: tuple[Ccd, ...]
    ccd_shape: tuple[int, int]
    canvas: tuple[int, int]
    pixel_scale: float
    longitude_deg: float
    instruments: tuple[str, ...]
    telescopes: tuple[str, ...] = ()
    flip_rows: bool = False
    flip_columns: bool = False
    focus: Mapping[str, int] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Ccd]:
        """The CCDs by their name, such as `S29`."""
        return {ccd.name: ccd for ccd in self.ccds}

    @cached_property
    def by_number(self) -> dict[int, Ccd]:
        """The CCDs by their number."""
        return {ccd.number: ccd for ccd in self.ccds}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """CCD names, in order of their number."""
        return tuple(ccd.name for ccd in self.ccds)

    def number(self, ccdname: str) -> int:
        """CCD number of a name in upper or lower case: number('n12') is 43 for DECam. UnknownName if there is none."""
        return self.by_name[choose(str(ccdname).strip().upper(), self.by_name, f"{self.title} CCD")].number

    def name_of(self, ccdnum: int) -> str:
        """CCD name of a number. UnknownName if there is no such number."""
        return self._ccd(ccdnum).name

    def slot(self, ccdname: str) -> Ccd:
        """The CCD of that name, with its slot."""
        return self.by_number[self.number(ccdname)]

    def _ccd(self, ccdnum: int) -> Ccd:
        if int(ccdnum) not in self.by_number:
            choose(str(ccdnum), [str(number) for number in self.by_number], f"{self.title} CCD number")
        return self.by_number[int(ccdnum)]

    def is_focus(self, ccdname: str, ccdnum: int | None = None) -> bool:
        """Whether this is the name or the number of a focus or guide chip, which is not a CCD image."""
        return str(ccdname).strip().upper() in self.focus or (not ccdname and ccdnum in self.focus.values())

    def missing(self, ccdname: str, mjd: float | None = None) -> str:
        """'' or 'dead', 'absent', 'half': what was wrong with a CCD at a time. Missing or blank is not bad.

        If the time is unknown (None or NaN), only outages that have not ended count.
        """
        now = math.inf if mjd is None or math.isnan(mjd) else mjd
        for outage in self.outages:
            begun = outage.first_mjd <= now
            if outage.ccdname == ccdname and begun and (now < outage.last_mjd or outage.last_mjd == math.inf):
                return outage.state
        return ""

    def night(self, mjd: float | None) -> int:
        """Local night as YYYYMMDD, the date of its evening; -1 if the time is unknown.

        A night runs from noon to noon of local mean solar time (UTC + longitude / 15 hours), like the calendar date of
        the archives. An exposure at 03:03 UTC on 22 November at CTIO belongs to 20131121.
        """
        if mjd is None or not math.isfinite(mjd):
            return -1
        return _calendar_date(math.floor(mjd + self.longitude_deg / 360.0 - 0.5))


def _calendar_date(mjd: int) -> int:
    """YYYYMMDD (Gregorian) of an integer modified Julian date."""
    a = mjd + 2432045  # Fliegel and Van Flandern's algorithm, from the Julian day number of that date
    b = (4 * a + 3) // 146097
    c = a - 146097 * b // 4
    d = (4 * c + 3) // 1461
    e = c - 1461 * d // 4
    m = (5 * e + 2) // 153
    day = e - (153 * m + 2) // 5 + 1
    month = m + 3 - 12 * (m // 10)
    year = 100 * b + d - 4800 + m // 10
    return 10000 * year + 100 * month + day


# DECam from North to South on the sky: CCD numbers of each row from left (East) to right (West)
DECAM_ROWS = (
    (3, 2, 1),
    (7, 6, 5, 4),
    (12, 11, 10, 9, 8),
    (18, 17, 16, 15, 14, 13),
    (24, 23, 22, 21, 20, 19),
    (31, 30, 29, 28, 27, 26, 25),
    (38, 37, 36, 35, 34, 33, 32),
    (44, 43, 42, 41, 40, 39),
    (50, 49, 48, 47, 46, 45),
    (55, 54, 53, 52, 51),
    (59, 58, 57, 56),
    (62, 61, 60),
)
DECAM_PITCH = (4249.0, 2249)


def _decam_name(number: int) -> str:
    """S29 is 1, S30 is 2, S31 is 3, S25 is 4, and so on. N1 is 32."""
    southern = (29, 30, 31, *range(25, 29), *range(20, 25), *range(14, 20), *range(8, 14), *range(1, 8))
    northern = (*range(1, 8), *range(8, 14), *range(14, 20), *range(20, 25), *range(25, 29), *range(29, 32))
    return f"S{southern[number - 1]}" if number <= 31 else f"N{northern[number - 32]}"


def _decam_ccds() -> tuple[Ccd, ...]:
    ccds = []
    for row, numbers in enumerate(DECAM_ROWS):
        left = (7 - len(numbers)) * DECAM_PITCH[0] / 2
        for column, number in enumerate(numbers):
            x0 = left + column * DECAM_PITCH[0]
            ccds.append(Ccd(_decam_name(number), number, row + 1, x0, row * DECAM_PITCH[1], 4094, 2046))
    return tuple(sorted(ccds, key=lambda ccd: ccd.number))


def _square_ccds(rows: tuple[tuple[int, int], ...], size: tuple[int, int], gap: tuple[int, int]) -> tuple[Ccd, ...]:
    """Four CCDs in two rows of two. size and gap : (x, y) in canvas pixels."""
    ccds = [
        Ccd(f"CCD{number}", number, row + 1, column * (size[0] + gap[0]), row * (size[1] + gap[1]), *size)
        for row, numbers in enumerate(rows)
        for column, number in enumerate(numbers)
    ]
    return tuple(sorted(ccds, key=lambda ccd: ccd.number))


DECAM = Camera(
    name="decam",
    title="DECam",
    ccds=_decam_ccds(),
    ccd_shape=(4094, 2046),
    canvas=(29590, 26787),
    pixel_scale=0.262,
    longitude_deg=-70.8065,
    instruments=("decam",),
    telescopes=("ctio 4", "blanco"),
    # right ascension rises along array y, declination falls along array x
    flip_columns=True,
    focus={"FS1": 72, "FS2": 71, "FS3": 64, "FS4": 63, "FN1": 73, "FN2": 74, "FN3": 70, "FN4": 69},
    outages=(
        Outage("N30", "dead", first_mjd=56238.0),  # 2012-11-07
        # off from the end of November 2013 (focal planes of December show it blank) until it came back on 2016-12-22
        Outage("S30", "absent", first_mjd=56626.0, last_mjd=57744.0),
        Outage("S7", "half"),
    ),
)
# Slots follow the directions of right ascension and declination as measured in survey-ccds tables. Gaps are nominal.
MOSAIC3 = Camera(
    name="mosaic3",
    title="Mosaic-3",
    ccds=_square_ccds(rows=((4, 2), (3, 1)), size=(4096, 4112), gap=(115, 115)),
    ccd_shape=(4096, 4112),
    canvas=(2 * 4096 + 115, 2 * 4112 + 115),
    pixel_scale=0.26,
    longitude_deg=-111.5997,
    instruments=("mosaic3",),
    telescopes=("kpno 4", "mayall"),
    # right ascension rises along array y, declination rises along array x
    flip_rows=True,
    flip_columns=True,
)
BOK = Camera(
    name="90prime",
    title="90Prime",
    ccds=_square_ccds(rows=((1, 3), (2, 4)), size=(4096, 4032), gap=(366, 118)),
    ccd_shape=(4096, 4032),
    canvas=(2 * 4096 + 366, 2 * 4032 + 118),
    pixel_scale=0.4533,
    longitude_deg=-111.6004,
    instruments=("90prime",),
    telescopes=("bok", "steward 2.3"),
    # right ascension falls along array y, declination falls along array x: transposing is enough
)

CAMERAS: dict[str, Camera] = {"decam": DECAM, "mosaic3": MOSAIC3, "90prime": BOK}
ALIASES = {"mosaic": "mosaic3", "mosaic-3": "mosaic3", "bok": "90prime", "des": "decam"}


def camera(name: str) -> Camera:
    """The camera of that name, in upper or lower case, or in the survey tables' spelling (`mosaic`).

    Else UnknownName.
    """
    lowered = str(name).strip().lower()
    return CAMERAS[choose(ALIASES.get(lowered, lowered), CAMERAS, "camera")]


def camera_of(header: Mapping) -> Camera | None:
    """The camera that a FITS header names in INSTRUME, else in TELESCOP; None if it names no known camera."""
    instrument = re.sub(r"[^a-z0-9]", "", str(header.get("INSTRUME") or "").lower())
    if instrument:
        return next((found for found in CAMERAS.values() if instrument in found.instruments), None)
    telescope = str(header.get("TELESCOP") or "")
    # the Mayall telescope had other cameras too
    return next((found for found in (DECAM, BOK) if at_telescope(found, telescope)), None)


def at_telescope(camera: Camera, name: str) -> bool:
    """Whether TELESCOP is that of a camera's telescope."""
    lowered = name.strip().lower()
    return any(lowered.startswith(one) or re.search(rf"\b{re.escape(one)}\b", lowered) for one in camera.telescopes)
