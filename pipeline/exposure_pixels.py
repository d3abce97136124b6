"""The pixels of one exposure, read once: statistics and preview of every CCD, one CCD in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pipeline import pictures
from pipeline.camera import camera
from pipeline.catalog import Catalog
from pipeline.exposure_files import ExposurePlan
from pipeline.fits_files import PixelReader, Unusable, as_float
from pipeline.images import block_mean, preview_bin, sky


@dataclass
class ExposureRead:
    """What the pixels gave: rows of the CCD table, and (path, ccdname, problem, detail) of the CCDs that were lost."""

    rows: list = field(default_factory=list)
    problems: list = field(default_factory=list)


def read_exposure(catalog: Catalog, plan: ExposurePlan) -> ExposureRead:
    """Read every CCD of an exposure, one at a time, and write its preview."""
    read = ExposureRead()
    previews = {}
    for source in sorted({ccd["source"] for ccd in plan.ccds}):
        ccds = [ccd for ccd in plan.ccds if ccd["source"] == source]
        try:
            for ccd, pixels in _pixels_of(source, ccds, plan.camera, read.problems):
                previews[ccd["ccdnum"]] = _measure(plan, ccd, pixels, read)
        except Unusable as error:
            read.problems.append([source, "", error.problem, error.detail])
        except OSError as error:
            read.problems.append([source, "", "unreadable", error.strerror or str(error)])
    previews = {ccdnum: preview for ccdnum, preview in previews.items() if preview is not None}
    if previews:
        ccdnums = sorted(previews)
        catalog.write_preview(plan.expnum, ccdnums, _stack([previews[ccdnum] for ccdnum in ccdnums]))
    return read


def _pixels_of(source: str, ccds: list[dict], camera_name: str, problems: list) -> Iterator[tuple[dict, np.ndarray]]:
    """Pixels of the CCDs that lie in one file; a CCD that cannot be decoded goes to `problems`."""
    if pictures.is_picture_name(source):
        found = camera(camera_name)
        tiles = pictures.read_tiles(pictures.tiles_path(source), found)
        images = pictures.cut_tiles(pictures.read_grey(source), tiles, found)
        yield from ((ccd, images[ccd["ccdnum"]]) for ccd in ccds if ccd["ccdnum"] in images)
        return
    with PixelReader(source) as reader:
        for ccd in ccds:
            try:
                pixels = as_float(reader.read(ccd["hdu"]), ccd["blank"])
            except Unusable as error:
                problems.append([source, ccd["ccdname"], error.problem, error.detail])
                continue
            yield ccd, pixels


def _measure(plan: ExposurePlan, ccd: dict, pixels: np.ndarray, read: ExposureRead) -> np.ndarray | None:
    """Statistics and preview of one CCD: adds its row, or its problem, and returns the preview or None."""
    recorded = np.isfinite(pixels)
    picture = ccd["hdu"] < 0  # of a picture a blank tile is a CCD too, and black is a grey level
    if not picture and not recorded.any():
        read.problems.append([ccd["source"], ccd["ccdname"], "all_nan", f"HDU {ccd['hdu']} has no finite pixel"])
        return None
    preview = block_mean(pixels, bin := preview_bin(pixels.shape))
    median, sigma = sky(pixels)
    filled = np.count_nonzero(recorded if picture else recorded & (pixels != 0))
    read.rows.append(
        {
            "image_id": 100 * plan.expnum + ccd["ccdnum"],
            "expnum": plan.expnum,
            "ccdname": ccd["ccdname"],
            "ccdnum": ccd["ccdnum"],
            "image_hdu": ccd["hdu"],
            "hdu_name": ccd["hdu_name"],
            "camera": plan.camera,
            "source": ccd["source"],
            "mask_source": ccd["mask_source"],
            "mask_hdu": ccd["mask_hdu"],
            "naxis1": pixels.shape[1],
            "naxis2": pixels.shape[0],
            "bin": bin,
            "preview_ny": preview.shape[0],
            "preview_nx": preview.shape[1],
            "sky_median_adu": median,
            "sky_sigma_adu": sigma,
            "blank_fraction": round(1 - filled / pixels.size, 6),
        }
    )
    return preview


def _stack(previews: list[np.ndarray]) -> np.ndarray:
    """Previews of different sizes as one (n_ccd, ny, nx) float32, NaN beyond each one's own part."""
    ny, nx = np.max([preview.shape for preview in previews], axis=0)
    stacked = np.full((len(previews), ny, nx), np.nan, dtype=np.float32)
    for plane, preview in zip(stacked, previews, strict=True):
        plane[: preview.shape[0], : preview.shape[1]] = preview
    return stacked
