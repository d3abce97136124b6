"""The exposures of a simulated survey: nights, fields, bands, and how many of each kind of bad exposure.

45 % are bad, 13 % are good but suspicious, and the rest are plainly good. Every reason occurs at least once in a survey
of 18 exposures or more, and at least twice from 40 on. Kinds are spread evenly over the nights, so that the first part
of a survey can be training data for the last.
"""

import math
from dataclasses import replace

import numpy as np

from triptych.pipeline.camera import Camera
from triptych.pipeline.errors import BadInput
from triptych.pipeline.simulation.conditions import BANDS, STRONG, Field, Observation
from triptych.pipeline.simulation.defects import DEFECTS, SUSPICIOUS
from triptych.pipeline.simulation.image_defects import shortened

BAD_SHARE = 0.45
SUSPICIOUS_SHARE = 0.13
# Order in which exposures are given to reasons. The first ones are commoner, as in the published lists.
RANK = (
    "Ghost_Scatter",
    "Clouds_transparency",
    "PSF",
    "Bad_CCD",
    "Telescope_Moving",
    "Out_of_focus",
    "Noise",
    "Streak",
    "Saturated",
    "NObjects",
    "Fringing",
    "Nonoptimal_exp",
    "Wonky",
)
# Every BOTH-th exposure, if bad, also has a bad CCD.
BOTH = 9
LATITUDE = -30.16606  # Cerro Tololo
LONGITUDE = -70.81489
# MJD and number of the first exposure of each night. About 15 exposures are taken in a night.
NIGHTS = ((56604.03, 252930), (57069.05, 411390), (57828.03, 629980), (58426.05, 790210), (58600.02, 849130))
PROGRAMMES = (("2014B-0404", "DECaLS_{n}_{band}"), ("2012B-0001", "DES survey hex {n}"), ("2019A-0305", "DELVE {n}"))


def shares(exposures: int) -> dict[str, int]:
    """Number of exposures of each kind: reasons, kinds of suspicious exposures, 'good'. They sum to `exposures`."""
    if exposures < 1:
        raise BadInput(f"a survey needs at least 1 exposure; {exposures} were asked for")
    enough = exposures >= len(RANK) + len(SUSPICIOUS) + 1
    bad = max(round(BAD_SHARE * exposures), len(RANK) if enough else 0)
    odd = max(round(SUSPICIOUS_SHARE * exposures), len(SUSPICIOUS) if enough else 0)
    if exposures >= 2 * (len(RANK) + len(SUSPICIOUS)) + 6:
        bad, odd = max(bad, 2 * len(RANK)), max(odd, 2 * len(SUSPICIOUS))
    counts = {"good": exposures - bad - odd}
    for names, total in ((RANK, bad), (tuple(SUSPICIOUS), odd)):
        for place, name in enumerate(names):
            counts[name] = total // len(names) + (place < total % len(names))
    return counts


def kinds_in_time(exposures: int, rng: np.random.Generator) -> list[str]:
    """The kind of each exposure in order of time. Each kind is spread evenly over the survey."""
    places = []
    for kind, n in shares(exposures).items():
        for index in range(n):
            places.append(((index + rng.uniform(0.3, 0.9)) / n, kind))
    return [kind for _, kind in sorted(places)]


def plan(exposures: int, seed: int, camera: Camera, strengths: str = STRONG) -> list[Observation]:
    """All observations of the survey, in order of time. strengths : one of STRENGTHS."""
    rng = np.random.default_rng([seed, 1])
    kinds = kinds_in_time(exposures, rng)
    nights = min(len(NIGHTS), max(1, math.ceil(exposures / 8)))
    observations: list[Observation] = []
    for night, of_night in enumerate(np.array_split(np.array(kinds, dtype=object), nights)):
        mjd, expnum = NIGHTS[night * len(NIGHTS) // nights]
        observations += _one_night(list(of_night), mjd, expnum + 7 * (seed % 1000), seed, night, len(observations))
    return [replace(observation, strengths=strengths) for observation in observations]


def _one_night(kinds: list[str], mjd: float, expnum: int, seed: int, night: int, before: int) -> list[Observation]:
    rng = np.random.default_rng([seed, 2, night])
    moon, seeing = rng.uniform(1.0, 1.35), rng.uniform(0.9, 1.25)
    bands = list(rng.permutation(list(BANDS)))
    fields: dict[str, Field] = {}
    taken: list[Observation] = []
    for index, kind in enumerate(kinds):
        band = _band_for(kind, str(bands[index // 2 % len(bands)]), rng)
        visit = f"{'crowded' if kind == 'crowded_field' else index // 6}"
        if visit not in fields:
            fields[visit] = _field(rng, mjd, crowded=kind == "crowded_field")
        taken.append(
            _observe(
                kind, band, fields[visit], mjd, expnum, moon, seeing * rng.uniform(0.9, 1.15), seed, before + index
            )
        )
        mjd = mjd + (taken[-1].exptime + rng.uniform(28, 40)) / 86400
        expnum += 1
        if index % 6 == 5:  # go to the next field, somewhat later
            skipped = int(rng.integers(8, 30))
            mjd, expnum = mjd + skipped * 0.0014, expnum + skipped
    return taken


def _band_for(kind: str, band: str, rng) -> str:
    """Fringes occur in z and Y, and saturation in g and r. Everything else can occur in any band."""
    if kind == "Fringing":
        return str(rng.choice(["z", "Y"]))
    return str(rng.choice(["g", "r"])) if kind == "Saturated" else band


def _field(rng, mjd: float, *, crowded: bool) -> Field:
    """A field that is above the horizon at that time. A crowded field has many more stars."""
    ra = (sidereal_time(mjd) + rng.uniform(-28, 28)) % 360
    dec = float(rng.uniform(-55, 10))
    propid, name = PROGRAMMES[int(rng.integers(len(PROGRAMMES)))]
    stars = rng.uniform(14, 24) if crowded else rng.uniform(0.6, 1.4)
    number = int(rng.integers(1000, 36000))
    return Field(name.replace("{n}", str(number)), round(ra, 6), round(dec, 6), propid, float(stars), number)


def _observe(kind, band, field, mjd, expnum, moon, seeing, seed, place) -> Observation:
    rng = np.random.default_rng([seed, 3, place])
    airmass = airmass_of(field, mjd)
    reasons = (kind,) if kind in DEFECTS else ()
    if reasons and place % BOTH == 0 and kind not in ("Bad_CCD", "Saturated", "NObjects"):
        reasons = (kind, "Bad_CCD")
    observation = Observation(
        expnum=expnum,
        mjd=round(mjd, 8),
        band=band,
        exptime=round(BANDS[band].exptime * rng.uniform(0.7, 1.4)),
        field=replace(field, name=field.name.replace("{band}", band)),
        airmass=airmass,
        fwhm=BANDS[band].seeing * seeing * airmass**0.6,
        moon=moon,
        du=float(rng.uniform(-350, 350)),
        dv=float(rng.uniform(-350, 350)),
        reasons=reasons,
        suspicious=kind if kind in SUSPICIOUS else "",
        strength=float(rng.uniform(0.25, 1.0)),
        seed=seed,
    )
    return replace(observation, exptime=shortened(observation)) if kind == "Nonoptimal_exp" else observation


def sidereal_time(mjd: float) -> float:
    """Local mean sidereal time at Cerro Tololo, in degrees."""
    return (280.46062 + 360.98564737 * (mjd - 51544.5) + LONGITUDE) % 360


def hour_angle(field: Field, mjd: float) -> float:
    """Hour angle in degrees, -180 to 180, positive in the West."""
    return (sidereal_time(mjd) - field.ra + 180) % 360 - 180


def airmass_of(field: Field, mjd: float) -> float:
    """Secant of the zenith distance, at most 2.5."""
    angle, dec, latitude = np.radians([hour_angle(field, mjd), field.dec, LATITUDE])
    height = np.sin(latitude) * np.sin(dec) + np.cos(latitude) * np.cos(dec) * np.cos(angle)
    return round(float(min(1 / max(height, 0.4), 2.5)), 2)


def single(
    seed: int,
    *,
    reason: str = "good",
    suspicious: str = "",
    band: str = "",
    strength: float | None = None,
    strengths: str = STRONG,
) -> Observation:
    """One observation of any kind, for `simulate_exposure`."""
    rng = np.random.default_rng([seed, 9])
    kind = suspicious or reason
    mjd, expnum = NIGHTS[int(rng.integers(len(NIGHTS)))]
    band = band or _band_for(kind, str(rng.choice(list(BANDS))), rng)
    field = _field(rng, mjd, crowded=kind == "crowded_field")
    observation = _observe(kind, band, field, mjd, expnum + seed % 20000, rng.uniform(1, 1.35), 1.0, seed, 1)
    observation = replace(observation, strengths=strengths)
    return observation if strength is None else replace(observation, strength=float(strength))
