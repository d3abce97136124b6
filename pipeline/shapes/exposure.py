"""Star shapes of one exposure: what is common to its CCDs, and how it varies over the focal plane.

FWHM and ellipticity are fitted with the lowest orders of position, as telescopes are aligned by: the mean, a tilt, and
what grows with the square of the distance from the centre. The ellipticity is a complex number, e1 + i e2, and so is
the position, North + i East. Its square has the orientation of spokes, which is that of astigmatism out of focus
(Schechter and Levinson 2011, PASP 123, 812).
"""

import math

import numpy as np
import pandas as pd

from triptych.pipeline.camera import Camera

# column -> what it is, with its unit; positions are in units of the distance from the centre to the edge
COLUMNS: dict[str, str] = {
    "n_ccds_measured": "CCDs with star shapes",
    "n_stars": "stars measured on all of them",
    "fwhm_arcsec": "median FWHM of the CCDs, arcsec",
    "fwhm_over_night": "FWHM over the median FWHM of the same night's exposures",
    "fwhm_tilt_east": "rise of the FWHM from the centre to the eastern edge, as a share of it",
    "fwhm_tilt_north": "the same to the northern edge",
    "fwhm_curvature": "rise of the FWHM from the centre to the edge all round, as a share of it",
    "e1": "median e1 of the CCDs: what all stars of the exposure share",
    "e2": "median e2 of the CCDs",
    "e_coherent": "length of that mean ellipticity",
    "e_tilt": "change of the ellipticity from the centre to the edge that is linear in position",
    "e_radial": "ellipticity at the edge along spokes from the centre; below 0 along circles",
    "e_spiral": "the same, 45 degrees to the spokes",
    "e_residual": "scatter of the CCDs' e1 and e2 about that fit",
}
FEWEST_CCDS = 12  # for a fit over the focal plane
ROUNDS = 2  # of fits; the second leaves out what is far from the first
FAR = 5.0  # sigma


def exposure_shapes(camera: Camera, ccds: pd.DataFrame) -> dict[str, float]:
    """Star shapes of one exposure: COLUMNS without `fwhm_over_night` -> value, NaN = unknown.

    ccds : `ccdname` and `shapes.ccd.COLUMNS` of its CCDs.
    """
    row = dict.fromkeys((name for name in COLUMNS if name != "fwhm_over_night"), math.nan)
    own = ccds[np.isfinite(ccds["fwhm_arcsec"].to_numpy(float))]
    row["n_ccds_measured"] = float(len(own))
    if own.empty:
        return row
    fwhm, e1, e2 = (own[name].to_numpy(float) for name in ("fwhm_arcsec", "e1", "e2"))
    typical = float(np.median(fwhm))
    mean = float(np.median(e1)), float(np.median(e2))
    row |= {"n_stars": float(own["n_stars"].sum()), "fwhm_arcsec": typical, "e1": mean[0], "e2": mean[1]}
    row["e_coherent"] = math.hypot(*mean)
    if len(own) >= FEWEST_CCDS:
        z = positions(camera, own["ccdname"])
        one = np.ones(len(z))
        north, east = np.real(z), np.imag(z)
        width = _fit(np.stack([one, east, north, np.abs(z) ** 2], 1), fwhm / typical)[0]
        row |= {"fwhm_tilt_east": width[1], "fwhm_tilt_north": width[2], "fwhm_curvature": width[3]}
        shape, residual = _fit(np.stack([one, east, north, z**2], 1), e1 + 1j * e2)
        row["e_tilt"] = math.sqrt(abs(shape[1]) ** 2 + abs(shape[2]) ** 2)
        row |= {"e_radial": shape[3].real, "e_spiral": shape[3].imag, "e_residual": residual}
    return {name: float(f"{value:.5g}") for name, value in row.items()}


def positions(camera: Camera, ccdnames) -> np.ndarray:
    """Middles of CCDs on the sky, North + i East, in units of the distance from the centre to the edge: (n,) complex"""
    width, height = camera.canvas
    slots = [camera.by_name[name] for name in ccdnames]
    east = np.array([width / 2 - slot.x0 - slot.width / 2 for slot in slots])
    north = np.array([height / 2 - slot.y0 - slot.height / 2 for slot in slots])
    return (north + 1j * east) / (max(width, height) / 2)


def _fit(terms: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients of `terms` (n, k) that fit `values` (n,), and the scatter left, without what is far off."""
    kept = np.ones(len(values), bool)
    for _ in range(ROUNDS):
        fit = np.linalg.lstsq(terms[kept], values[kept], rcond=None)[0]
        away = np.abs(values - terms @ fit)
        scatter = float(np.sqrt(np.mean(away[kept] ** 2)))
        near = away <= FAR * max(1.4826 * float(np.median(away)), 1e-6)
        if near.sum() < FEWEST_CCDS:
            break
        kept = near
    return fit, scatter


def over_night(exposures: pd.DataFrame, fwhm: pd.Series) -> pd.Series:
    """FWHM of exposures over the median of their night; NaN where the FWHM or the night is unknown.

    exposures : `expnum`, `night` (-1 = unknown). fwhm : arcsec, indexed by expnum.
    """
    night = exposures.set_index("expnum")["night"].reindex(fwhm.index)
    usual = fwhm.groupby(night.to_numpy()).transform("median")
    return (fwhm / usual).where(night.to_numpy() > 0).round(4)
