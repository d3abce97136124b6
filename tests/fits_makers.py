"""Small real FITS files for tests: exposures of the four-CCD camera in every form in which files occur."""

from pathlib import Path

import numpy as np
from astropy.io import fits

SHAPE = (48, 32)
CCDS = ("CCD1", "CCD2", "CCD3", "CCD4")


def pixels(ccdname: str, expnum: int = 0, shape=SHAPE) -> np.ndarray:
    """Sky of 100 + 10 x CCD number ADU with noise of 2: (ny, nx) float32, the same for the same names."""
    number = int(ccdname[-1])
    noise = np.random.default_rng([expnum, number]).normal(0, 2, shape)
    return (100 + 10 * number + noise).astype(np.float32)


def primary(expnum=101, **cards) -> fits.PrimaryHDU:
    """A primary HDU with the header of a Mosaic-3 exposure. A card with the value None is left out."""
    hdu = fits.PrimaryHDU()
    header = {
        "INSTRUME": "Mosaic3",
        "EXPNUM": expnum,
        "FILTER": "zd DECam k1038",
        "MJD-OBS": 57458.4,
        "EXPTIME": 80.0,
        "RA": "14:29:07.97",
        "DEC": "35:06:28.8",
        "AIRMASS": 1.1,
        "OBJECT": "MzLS_1_z",
        "PLVER": "V4.3",
    }
    for key, value in {**header, **{key.replace("_", "-"): value for key, value in cards.items()}}.items():
        if value is not None:
            hdu.header[key] = value
    return hdu


def image(ccdname: str, data: np.ndarray, *, packed: bool = False, **cards) -> fits.ImageHDU | fits.CompImageHDU:
    """An image HDU of one CCD, plain or tile-compressed."""
    header = fits.Header({"CCDNUM": int(ccdname[-1]), **cards})
    if packed:
        return fits.CompImageHDU(data, header, name=ccdname, compression_type="RICE_1")
    return fits.ImageHDU(data, header, name=ccdname)


def write(path: Path, *hdus) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(list(hdus)).writeto(path, overwrite=True)
    return path


def exposure(path: Path, expnum=101, ccds=CCDS, *, packed: bool = False, **cards) -> Path:
    """A multi-extension file of one exposure."""
    seed = int(expnum) if str(expnum).strip().isdigit() else 0
    return write(path, primary(expnum, **cards), *(image(name, pixels(name, seed), packed=packed) for name in ccds))
