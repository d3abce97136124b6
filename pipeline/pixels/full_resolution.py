"""One CCD or its mask at full resolution, from the file that was ingested.

Values are float32 ADU, or grey levels for focal-plane pictures, NaN where nothing was recorded. The orientation is that
of the FITS array (axis 0 = y).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io.fits import Header

from triptych.pipeline.camera import DECAM, Camera, camera
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.pixels import compressed_tiles, focal_plane_pictures
from triptych.pipeline.pixels.file_paths import path_of
from triptych.pipeline.pixels.fits import PixelReader, blank_value
from triptych.pipeline.pixels.hdus import ImageHdu, Unusable, scan
from triptych.pipeline.pixels.headers import camera_of_file, ccd_of, expnum_of, exposure_facts


def read_header_facts(path: str | Path, default: Camera = DECAM) -> dict:
    """Facts about the exposure in a FITS file: expnum, camera, filter, band, mjd_obs, night, exptime, ra, dec, ..."""
    primary, images = scan(path)
    headers = [primary, *(image.header for image in images[:1])]
    found = camera_of_file(headers, default)
    return {"expnum": expnum_of(headers, found), **exposure_facts(headers, found)}


def read_ccd(source: str | Path, hdu: int | str) -> np.ndarray:
    """Full-resolution pixels (ny, nx) float32 of one image of a FITS file. hdu : HDU index or EXTNAME."""
    if isinstance(hdu, str):
        named = {image.name.upper(): image.hdu for image in scan(source)[1]}
        hdu = named[choose(hdu.upper(), named, f"image in {Path(source).name}")]
    with PixelReader(source) as reader:
        return reader.read_float(hdu, blank_value(reader.header(hdu)))


def read_mask(source: str | Path, hdu: int) -> np.ndarray:
    """Data-quality mask (ny, nx) bool: True where the pixel is bad, that is, any bit of the mask is set."""
    with PixelReader(source) as reader:
        return reader.read(hdu) != 0


def full_ccd(catalog: Catalog, image_id: int, ccds: pd.DataFrame | None = None) -> np.ndarray:
    """Full-resolution pixels (ny, nx) float32 of one CCD image of a run, from the file that was ingested.

    ccds : the run's CCD table, to avoid reading it again. BadInput if the file is gone or no longer has that CCD.
    """
    row = _ccd_row(catalog, image_id, ccds)
    source = path_of(row.source)
    if not source.exists():
        raise BadInput(f"{row.source} has gone; bring it back, or ingest the exposure from where it is now")
    found = camera(row.camera if hasattr(row, "camera") and row.camera else catalog.camera)
    try:
        if focal_plane_pictures.is_picture_name(source):
            tiles = focal_plane_pictures.read_tiles(focal_plane_pictures.tiles_path(source), found)
            images = focal_plane_pictures.cut_tiles(focal_plane_pictures.read_grey(source), tiles, found)
            if int(row.ccdnum) not in images and int(row.ccdnum) in set(tiles.ccdnum):
                return np.full(
                    (row.naxis2, row.naxis1), np.nan, np.float32
                )  # a blank tile, in a run of an older version
            return images[int(row.ccdnum)]
        header, pixels = _read(source, int(row.image_hdu))
    except (Unusable, KeyError) as error:
        raise BadInput(f"{row.source} can no longer be read ({error}); ingest it again") from None
    if pixels.shape != (row.naxis2, row.naxis1) or not _is_ccd(header, int(row.image_hdu), found, row.ccdname):
        raise BadInput(f"{row.source} has changed and HDU {row.image_hdu} is not {row.ccdname}; ingest it again")
    return pixels


def _read(source: Path, hdu: int) -> tuple[Header, np.ndarray]:
    """Header and pixels of one image."""
    with PixelReader(source) as reader:
        header = reader.header(hdu)
        blank = blank_value(header)
        pixels = _fast(source, hdu, blank)
        return header, reader.read_float(hdu, blank) if pixels is None else pixels


def _fast(source: Path, hdu: int, blank: float | None) -> np.ndarray | None:
    """Pixels from the compiled decoder, if it is already compiled and can read the file; else None."""
    if (
        not compressed_tiles.is_compiled()
        or (table := compressed_tiles.tile_tables(source).get(hdu)) is None
        or not table.fits(blank)
    ):
        return None
    from triptych.pipeline.pixels import rice

    return rice.window(source, hdu, table=table)


def _is_ccd(header, hdu: int, camera: Camera, ccdname: str) -> bool:
    try:
        ccd = ccd_of(ImageHdu(hdu, header, (), ""), camera)
    except Unusable:
        return True  # this header names no CCD, so the CCD was known from the primary header
    return ccd is not None and ccd.name == ccdname


def full_mask(catalog: Catalog, image_id: int, ccds: pd.DataFrame | None = None) -> np.ndarray | None:
    """Data-quality mask (ny, nx) bool of one CCD image, True where bad; None if there is no mask."""
    row = _ccd_row(catalog, image_id, ccds)
    if not row.mask_source or not path_of(row.mask_source).exists():
        return None
    return read_mask(path_of(row.mask_source), int(row.mask_hdu))


def _ccd_row(catalog: Catalog, image_id: int, ccds: pd.DataFrame | None):
    table = catalog.ccds() if ccds is None else ccds
    rows = table[table.image_id == int(image_id)]
    if rows.empty:
        raise BadInput(
            f"{catalog.name} has no CCD image {image_id}; `triptych status {catalog.path}` lists what it has"
        )
    return next(rows.itertuples(index=False))
