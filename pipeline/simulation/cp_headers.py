"""Headers of the Community Pipeline's files, as lists of cards. They do not depend on when they are written."""

import hashlib

import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.simulation.conditions import BANDS, PIXEL_SCALE, Observation
from triptych.pipeline.simulation.exposure import CcdFrame
from triptych.pipeline.simulation.survey_plan import LATITUDE, LONGITUDE, hour_angle, sidereal_time

PLVER = "V4.8.2"
PROPOSERS = {"2014B-0404": "Schlegel", "2012B-0001": "Frieman", "2019A-0305": "Drlica-Wagner"}
# Reasons for which the astrometric solution may fail
NO_ASTROMETRY = ("Saturated", "NObjects", "Telescope_Moving")


def card(name: str, value, comment: str = "") -> dict:
    """One header card, as fitsio takes it."""
    return {"name": name, "value": value, "comment": comment}


def calendar(mjd: float, digits: int = 6) -> str:
    """ISO date and time (UTC) of a modified Julian date."""
    step = np.timedelta64(round((mjd - 40587) * 86400e6), "us")
    return str((np.datetime64("1970-01-01T00:00:00", "us") + step).astype("datetime64[us]"))[: 20 + digits].rstrip(".")


def sexagesimal(value: float, digits: int = 2) -> str:
    """Hours or degrees as HH:MM:SS.ss, with a minus sign if negative."""
    seconds = round(abs(value) * 3600, digits)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if value < 0 else ''}{int(hours):02d}:{int(minutes):02d}:{seconds:0{3 + digits}.{digits}f}"


def archive_name(observation: Observation, product: str) -> str:
    """`c4d_170316_062107_ooi_z_v1.fits.fz`. The time in it is when the file was saved, shortly after the exposure."""
    taken = calendar(observation.mjd + (observation.exptime + 47) / 86400, 0)
    stamp = taken[2:].replace("-", "").replace(":", "").replace("T", "_")
    return f"c4d_{stamp}_{product}_{observation.band}_v1.fits.fz"


def processing(observation: Observation) -> str:
    """The seven characters of PLPROCID, one value per night."""
    return hashlib.sha256(f"{observation.seed} {int(observation.mjd - 0.2)}".encode()).hexdigest()[:7]


def has_astrometry(observation: Observation) -> bool:
    """Whether the pipeline found where the exposure points: not if stars are strongly spoiled."""
    hopeless = observation.strength > 0.6 and any(reason in NO_ASTROMETRY for reason in observation.reasons)
    return not hopeless


def primary_cards(observation: Observation, camera: Camera, binning: int, product: str) -> list[dict]:
    """Cards of the primary HDU, in the archive's order."""
    field, mjd, exptime = observation.field, observation.mjd, observation.exptime
    night = str(camera.night(mjd))
    night_dashed = f"{night[:4]}-{night[4:6]}-{night[6:]}"
    begun, done = calendar(mjd), calendar(mjd + 40)
    name = archive_name(observation, product)
    ra, dec = pointing(observation)
    angle = hour_angle(field, mjd)
    solved = has_astrometry(observation)
    proposer = PROPOSERS.get(field.propid, "Schlegel")
    procid = processing(observation)
    cards = [
        card("DATE", done[:19], "Date FITS file was generated"),
        card("ORIGIN", "Triptych simulation", "FITS file originator"),
        card("OBJECT", field.name, "Name of the object observed"),
        card("PROCTYPE", "InstCal", "Data processing level"),
        card("PRODTYPE", "image" if product == "ooi" else "dqmask", "Data product type"),
        card("PIXSCAL1", round(PIXEL_SCALE * binning, 4), "[arcsec/pixel] Pixel scale, axis 1"),
        card("PIXSCAL2", round(PIXEL_SCALE * binning, 4), "[arcsec/pixel] Pixel scale, axis 2"),
        card("OBS-LONG", -LONGITUDE, "[deg] Observatory east longitude"),
        card("TELESCOP", "CTIO 4.0-m telescope", "Telescope name"),
        card("OBSERVAT", "CTIO", "Observatory name"),
        card("OBS-LAT", LATITUDE, "[deg] Observatory latitude"),
        card("OBS-ELEV", 2215.0, "[m] Observatory elevation"),
        card("INSTRUME", "DECam", "Instrument used to obtain these data"),
        card("EXPREQ", float(exptime), "[s] Requested exposure duration"),
        card("EXPTIME", float(exptime), "[s] Exposure duration"),
        card("EXPDUR", float(exptime), "[s] Exposure duration"),
        card("DARKTIME", round(exptime + 2.06, 5), "[s] Dark time"),
        card("OBSID", "ct4m" + calendar(mjd, 0).replace("-", "").replace(":", "").lower(), "Unique Observation ID"),
        card("DATE-OBS", begun, "UTC epoch"),
        card("TIME-OBS", begun[11:], "Time of observation start (UTC)"),
        card("MJD-OBS", mjd, "MJD of observation start"),
        card("MJD-END", round(mjd + exptime / 86400, 8), "Exposure end"),
        card("OPENSHUT", calendar(mjd + 1 / 86400), "Time when shutter opened (UTC)"),
        card("TIMESYS", "UTC", "Time system"),
        card("EXPNUM", observation.expnum, "DECam exposure number"),
        card("OBSTYPE", "object", "Type of observation"),
        card("CAMSHUT", "Open", "Camera shutter at exposure start"),
        card("PROGRAM", "Simulated survey", "Current observing program"),
        card("OBSERVER", "Simulation", "Observer name(s)"),
        card("PROPOSER", proposer, "Proposal Principle Investigator"),
        card("DTPI", proposer, "Principal Investigator"),
        card("PROPID", field.propid, "Proposal ID"),
        card("EXCLUDED", "", "DECam components not used for this frame"),
        card("GUIDER", 1, "Guider (0-absent,1-ok,2-lost star,3-los"),
        card("FILTER", BANDS[observation.band].filter, "Unique filter identifier"),
        card("INSTANCE", f"DECam_{night}", "SISPI instance name"),
        card("ERRORS", "None", "SISPI readout errors"),
        card("TELEQUIN", 2000.0, "Equinox of telescope coordinates"),
        card("TELSTAT", "Track", "Telescope tracking status"),
        card("RA", sexagesimal(ra / 15), "[h] RA exposure center"),
        card("DEC", sexagesimal(dec, 1), "[deg] DEC exposure center"),
        card("CENTRA", ra, "[deg] RA exposure center"),
        card("CENTDEC", dec, "[deg] DEC exposure center"),
        card("TELRA", sexagesimal(ra / 15, 3), "[HH:MM:SS] Telescope RA"),
        card("TELDEC", sexagesimal(dec, 3), "[DD:MM:SS] Telescope DEC"),
        card("HA", sexagesimal(angle / 15, 3), "[HH:MM:SS] Telescope hour angle"),
        card("ST", sexagesimal(sidereal_time(mjd) / 15), "[HH:MM:SS] Local sidereal time"),
        card("ZD", round(float(np.degrees(np.arccos(1 / observation.airmass))), 2), "[deg] Telescope zenith distance"),
        card("VSUB", True, "True if CCD substrate voltage is on"),
        card("AIRMASS", observation.airmass, "Airmass"),
        card("G-SEEING", round(observation.fwhm, 3), "[arcsec] Guider average seeing"),
        card("MULTIEXP", False, "Frame contains multiple exposures if true"),
        card("HDRVER", "13", "DECam fits header version"),
        card("DTSITE", "ct", "observatory location"),
        card("DTTELESC", "ct4m", "telescope identifier"),
        card("DTINSTRU", "decam", "instrument identifier"),
        card("DTCALDAT", night_dashed, "calendar date from observing schedule"),
        card("DTPROPID", field.propid, "observing proposal ID"),
        card("DTACQNAM", f"/data_local/images/DTS/{field.propid}/DECam_{observation.expnum:08d}.fits.fz", "file name"),
        card("DTNSANAM", name, "file name in NOAO Science Archive"),
        card("DETSIZE", "[1:29400,1:29050]", "Detector size"),
        card("CCDSEC", f"[1:{camera.ccd_shape[1]},1:{camera.ccd_shape[0]}]", "CCD section to display"),
        card("CCDBIN1", binning, "Pixel binning, axis 1"),
        card("CCDBIN2", binning, "Pixel binning, axis 2"),
        card("RADESYS", "ICRS", "World coordinate reference frame"),
        card("EQUINOX", 2000.0, "Mean equinox"),
        card("PHOTFLAG", int("Clouds_transparency" not in observation.reasons), "Night Photometric (1) or not (0)"),
        card("BAND", observation.band),
        card("NITE", night),
        card("SCAMPFLG", 0 if solved else 1, "0=no WARNING; 1=WARNING exists"),
    ]
    if solved:
        one_second = observation.magnitude_of_one_adu - 2.5 * np.log10(exptime)
        cards += [
            card("PHOTREF", "PS1", "Photometric ref. catalog"),
            card("MAGZERO", round(observation.magnitude_of_one_adu, 3), "[mag] Magnitude zero point"),
            card("MAGZPT", round(float(one_second), 3), "[mag] Magnitude zero point per sec"),
        ]
    return [
        *cards,
        card("FILENAME", f"DECALS_{procid}-{observation.band}-{calendar(mjd, 0).replace('-', '').replace(':', '')}_oi"),
        card("PLVER", PLVER),
        card("PLDNAME", f"DECALS_{procid}"),
        card("PLQUEUE", "DECALS"),
        card("PLPROCID", procid),
        card("PLFNAME", f"DECALS_{procid}-{observation.band}-{calendar(mjd, 0).replace('-', '').replace(':', '')}_oi"),
        card("WCSCAL", "Successful" if solved else "Failed", "Astrometric calibration"),
    ]


def ccd_cards(observation: Observation, camera: Camera, binning: int, frame: CcdFrame) -> list[dict]:
    """Cards of one CCD's HDU."""
    ccd, number = frame.ccd, frame.ccd.number
    electronics = np.random.default_rng([41, number])  # belongs to the CCD, so it is the same on every night
    gains, noises = electronics.uniform(3.7, 4.2, 2), electronics.uniform(5.6, 6.4, 2)
    full = electronics.uniform(41000, 47000, 2)
    finite = frame.pixels[np.isfinite(frame.pixels)]
    some = finite[:: 1 + finite.size // 20000]
    middle = float(np.median(some)) if some.size else 0.0
    spread = 1.4826 * float(np.median(np.abs(some - middle))) if some.size else 0.0
    row, column = ccd.row - 1, round((camera.canvas[0] - ccd.width - ccd.x0) / camera.canvas[0] * 7 * 4096)
    return [
        card("INHERIT", True, "Inherits global header"),
        card("DATE", calendar(observation.mjd + 40, 0), "Date FITS file was generated"),
        card(
            "DETSEC", f"[{row * 2048 + 1}:{(row + 1) * 2048},{column + 1}:{column + 4096}]", "Location on Focal Plane"
        ),
        card("DETECTOR", f"S3-{100 + number}_{100000 + 571 * number}-{number % 25 + 1}-1", "Detector Identifier"),
        card("CCDNUM", number, "CCD number"),
        card("DETPOS", ccd.name, "detector position ID"),
        card("GAINA", round(float(gains[0]), 6)),
        card("RDNOISEA", round(float(noises[0]), 6), "[electrons] Read noise for amp A"),
        card("SATURATA", round(float(full[0]), 2)),
        card("GAINB", round(float(gains[1]), 6)),
        card("RDNOISEB", round(float(noises[1]), 6), "[electrons] Read noise for amp B"),
        card("SATURATB", round(float(full[1]), 2)),
        card("SATURATE", round(float(full.max()), 2)),
        card("FPA", "DECAM_BKP1", "DECam focal plane name"),
        *wcs_cards(observation, camera, binning, frame),
        card("NSATPIX", int((finite > 0.95 * full.min()).sum()), "Number of saturated pixels"),
        card("FWHM", round(observation.fwhm / PIXEL_SCALE / binning, 4), "Median FWHM in pixels"),
        card("ELLIPTIC", round(float(electronics.uniform(0.03, 0.09)), 4), "Median ELLIPTICITY"),
        card("AVSKY", round(middle, 4)),
        card("AVSIG", round(spread, 5)),
        card("ARAWGAIN", round(float(gains.mean()) + 0.5, 2), "[e/adu] Average raw gain"),
        card("FZALGOR", "RICE_1"),
        card("FZQVALUE", 4),
        card("FZQMETHD", "SUBTRACTIVE_DITHER_1"),
    ]


def wcs_cards(observation: Observation, camera: Camera, binning: int, frame: CcdFrame) -> list[dict]:
    """TPV projection around the pointing, without distortion. A dither moves the pointing, not the detector."""
    (ny, nx), ccd = camera.ccd_shape, frame.ccd
    width, height = camera.canvas
    column, row = width / 2 - ccd.x0, height / 2 - ccd.y0
    y = ny - 1 - column if camera.flip_columns else column
    x = nx - 1 - row if camera.flip_rows else row
    scale = PIXEL_SCALE * binning / 3600
    ra, dec = pointing(observation)
    cards = [
        card("WCSAXES", 2, "WCS Dimensionality"),
        card("CTYPE1", "RA---TPV", "WCS projection type for this axis"),
        card("CTYPE2", "DEC--TPV", "WCS projection type for this axis"),
        card("CUNIT1", "deg", "Axis unit"),
        card("CUNIT2", "deg", "Axis unit"),
        card("CRVAL1", ra, "World coordinate on this axis"),
        card("CRVAL2", dec, "World coordinate on this axis"),
        card("CRPIX1", round((x + 0.5) / binning + 0.5, 4), "Reference pixel on this axis"),
        card("CRPIX2", round((y + 0.5) / binning + 0.5, 4), "Reference pixel on this axis"),
        card("CD1_1", 0.0, "Linear projection matrix"),
        card("CD1_2", scale if camera.flip_columns else -scale, "Linear projection matrix"),
        card("CD2_1", scale if camera.flip_rows else -scale, "Linear projection matrix"),
        card("CD2_2", 0.0, "Linear projection matrix"),
    ]
    for axis in (1, 2):
        for term in range(11):
            if term != 3:
                cards.append(card(f"PV{axis}_{term}", float(term == 1), "Projection distortion parameter"))
    middle = ccd.x0 + ccd.width / 2 - width / 2, ccd.y0 + ccd.height / 2 - height / 2
    centre = sky_position(ra, dec, *middle)
    return [
        *cards,
        card("CENRA1", round(centre[0], 6), "[deg] RA CCD center"),
        card("CENDEC1", round(centre[1], 6), "[deg] DEC CCD center"),
    ]


def pointing(observation: Observation) -> tuple[float, float]:
    """RA and Dec, in degrees, of the centre of the focal plane. A source at the field's centre is at (du, dv)."""
    ra, dec = sky_position(observation.field.ra, observation.field.dec, -observation.du, -observation.dv)
    return round(ra, 8), round(dec, 8)


def sky_position(ra: float, dec: float, u: float, v: float) -> tuple[float, float]:
    """RA and Dec, in degrees, of a focal-plane position (detector pixels West and South of the pointing)."""
    xi, eta = -np.radians(u * PIXEL_SCALE / 3600), -np.radians(v * PIXEL_SCALE / 3600)
    ra, dec = np.radians([ra, dec])
    along = np.cos(dec) - eta * np.sin(dec)
    east = np.degrees(ra + np.arctan2(xi, along)) % 360
    return float(east), float(np.degrees(np.arctan2(np.sin(dec) + eta * np.cos(dec), np.hypot(xi, along))))
