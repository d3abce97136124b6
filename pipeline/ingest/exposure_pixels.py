"""The pixels of one exposure, read once: statistics, star shapes and preview of every CCD.

One CCD per thread is in memory.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from triptych.pipeline.camera import camera
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.ingest.exposure_files import ExposurePlan
from triptych.pipeline.pixels import checksums, focal_plane_pictures
from triptych.pipeline.pixels.compressed_tiles import TileTable, tile_tables
from triptych.pipeline.pixels.file_paths import written
from triptych.pipeline.pixels.fits import PixelReader
from triptych.pipeline.pixels.hdus import Unusable, damage_of
from triptych.pipeline.pixels.images import block_mean, preview_bin, sky_of, thinning
from triptych.pipeline.pixels.sky_levels import levels
from triptych.pipeline.shapes import ccd as star_shapes
from triptych.pipeline.shapes.ccd import StarShapes, strip_rows
from triptych.pipeline.shapes.detection import QUAD
from triptych.pipeline.shapes.frame import Frame, frame_of


@dataclass
class ExposureRead:
    """Results from the pixels: rows of the CCD table, and [path, ccdname, problem, detail] of CCDs that failed.

    shapes : rows of the table of star shapes, one for each row of the CCD table.
    """

    rows: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    shapes: list = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """What is kept of a CCD's pixels: its statistics, its preview and the shapes of its stars.

    preview : (ny, nx) float32 ADU, means over blocks of `bin` pixels. shape : of the CCD. sky_median, sky_sigma : ADU.
    n_recorded : number of finite pixels. n_filled : number of those that are not exactly 0. stars : see
    `shapes.ccd.COLUMNS`.
    """

    shape: tuple[int, int]
    bin: int
    preview: np.ndarray
    sky_median: float
    sky_sigma: float
    n_recorded: int
    n_filled: int
    stars: dict[str, float]


def measure(pixels: np.ndarray, frame: Frame | None = None) -> Measured:
    """Preview, statistics and star shapes of one CCD from all its pixels (ny, nx) float32.

    frame : None where there are no stars to be measured, as in pictures.
    """
    recorded = np.isfinite(pixels)
    bin, step = preview_bin(pixels.shape), thinning(pixels.shape)
    counts = int(np.count_nonzero(recorded)), int(np.count_nonzero(recorded & (pixels != 0)))
    shapes = star_shapes.measure_stars(pixels, frame) if frame else star_shapes.unknown()
    return Measured(pixels.shape, bin, block_mean(pixels, bin), *sky_of(pixels[::step, ::step]), *counts, shapes)


def measure_tiles(table: TileTable, frame: Frame) -> Measured | None:
    """The same from compressed tiles, by the compiled decoder; None if that decoder cannot read them."""
    from triptych.pipeline.pixels import rice  # takes half a second, too long for a few small files

    bin = preview_bin(table.shape)
    stars = StarShapes(table.shape, frame)
    take = stars.add if stars.possible else None
    try:
        found = rice.measure(table, bin, thinning(table.shape), QUAD, strip_rows(table.shape), take)
    except OSError:
        return None  # the other reader will say what is wrong with the file
    if found is None:
        return None
    counts = found.n_recorded, found.n_filled
    return Measured(table.shape, bin, found.means, *sky_of(found.thinned), *counts, stars.row())


def read_exposure(
    catalog: Catalog, plan: ExposurePlan, *, fast: bool = False, threads: int = 1, preview: Path | None = None
) -> ExposureRead:
    """Read every CCD of an exposure and write its preview, to its place in the run or to the path `preview`.

    fast : use the compiled decoder, in `threads` threads, for files that it can read. The result is the same.
    """
    read = ExposureRead()
    previews = {}
    for source in sorted({ccd["source"] for ccd in plan.ccds}):
        ccds = [ccd for ccd in plan.ccds if ccd["source"] == source]
        try:
            if focal_plane_pictures.is_picture_name(source):
                found = _of_picture(source, ccds, plan.camera)
            else:
                found = _of_file(source, ccds, plan.camera, read.problems, threads if fast else 0)
            for ccd, measured in found:
                previews[ccd["ccdnum"]] = _take(plan, ccd, measured, read)
        except MemoryError:
            raise
        except Exception as error:  # a file of somebody else may raise anything, and costs itself only
            read.problems.append([source, "", *_problem(error)])
    previews = {ccdnum: preview for ccdnum, preview in previews.items() if preview is not None}
    if previews:
        ccdnums = sorted(previews)
        stacked = _stack([previews[ccdnum] for ccdnum in ccdnums])
        catalog.write_preview(plan.expnum, ccdnums, stacked, preview)
        noted = dict(zip(ccdnums, zip(*levels(stacked), strict=True), strict=True))
        for row in read.rows:
            row["preview_sky_adu"], row["preview_sigma_adu"] = map(float, noted[row["ccdnum"]])
    return read


def _problem(error: Exception) -> tuple[str, str]:
    """Problem and detail of what a file or CCD raised."""
    if isinstance(error, Unusable):
        return error.problem, error.detail
    if isinstance(error, OSError):
        return "unreadable", error.strerror or str(error)
    return "corrupt_pixels", f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _of_picture(source: str, ccds: list[dict], camera_name: str) -> Iterator[tuple[dict, Measured]]:
    """The CCDs in one focal-plane picture."""
    found = camera(camera_name)
    tiles = focal_plane_pictures.read_tiles(focal_plane_pictures.tiles_path(source), found)
    images = focal_plane_pictures.cut_tiles(focal_plane_pictures.read_grey(source), tiles, found)
    if not images:
        raise Unusable("all_nan", "no tile of the picture has a recorded pixel")
    yield from ((ccd, measure(images[ccd["ccdnum"]])) for ccd in ccds if ccd["ccdnum"] in images)


def _of_file(
    source: str, ccds: list[dict], camera_name: str, problems: list, threads: int
) -> Iterator[tuple[dict, Measured]]:
    """The CCDs in one FITS file. Those that cannot be decoded are added to `problems`."""
    found = camera(camera_name)
    frames = {ccd["hdu"]: frame_of(found, ccd["shape"], ccd.get("cd"), ccd.get("saturation")) for ccd in ccds}
    tables = tile_tables(source) if threads else {}
    tables = {ccd["hdu"]: tables[ccd["hdu"]] for ccd in ccds if ccd["hdu"] in tables}
    sound = not any(ccd.get("span") for ccd in ccds)
    with ThreadPoolExecutor(max(1, threads)) as pool, PixelReader(source, sound or None) as reader:
        started = {
            ccd["hdu"]: pool.submit(measure_tiles, tables[ccd["hdu"]], frames[ccd["hdu"]])
            for ccd in ccds
            if ccd["hdu"] in tables and tables[ccd["hdu"]].fits(ccd["blank"]) and not ccd.get("span")
        }
        for ccd in ccds:
            hdu, span = ccd["hdu"], ccd.get("span")
            try:
                _check_sum(source, ccd)
                measured = started[hdu].result() if hdu in started else None
                if measured is None:
                    blank = ccd["blank"]
                    pixels = reader.read_span(hdu, span, blank) if span else reader.read_float(hdu, blank)
                    measured = measure(pixels, frames[hdu])
            except MemoryError:
                raise
            except Exception as error:  # damaged pixels may raise anything, and cost their CCD only
                problem, detail = _problem(error)
                problems.append(
                    [source, ccd["ccdname"], problem, detail if detail.startswith("HDU") else f"HDU {hdu}: {detail}"]
                )
                continue
            yield ccd, measured


def _check_sum(source: str, ccd: dict) -> None:
    """Unusable if the data of a CCD do not have the sum that its header says."""
    if found := ccd.get("datasum"):
        start, count, said = found
        total = checksums.sum_of_file(source, start, count)
        if not checksums.agree(total, said):
            raise Unusable("damaged", damage_of(ccd["hdu"], said, total))


def _take(plan: ExposurePlan, ccd: dict, measured: Measured, read: ExposureRead) -> np.ndarray | None:
    """Add the row of one CCD, or its problem, to `read`. Return its preview, or None if it has no pixels."""
    picture = ccd["hdu"] < 0  # in a picture, 0 is a grey level
    if not measured.n_recorded:
        read.problems.append([ccd["source"], ccd["ccdname"], "all_nan", f"HDU {ccd['hdu']} has no finite pixel"])
        return None
    filled = measured.n_recorded if picture else measured.n_filled
    key = {"image_id": image_id_of(plan.expnum, ccd["ccdnum"]), "expnum": plan.expnum, "ccdname": ccd["ccdname"]}
    read.shapes.append({**key, **measured.stars})
    ny, nx = measured.shape
    read.rows.append(
        {
            **key,
            "ccdnum": ccd["ccdnum"],
            "image_hdu": ccd["hdu"],
            "hdu_name": ccd["hdu_name"],
            "camera": plan.camera,
            "source": written(ccd["source"]),
            "mask_source": written(ccd["mask_source"]),
            "mask_hdu": ccd["mask_hdu"],
            "naxis1": nx,
            "naxis2": ny,
            "bin": measured.bin,
            "preview_ny": measured.preview.shape[0],
            "preview_nx": measured.preview.shape[1],
            "sky_median_adu": measured.sky_median,
            "sky_sigma_adu": measured.sky_sigma,
            "blank_fraction": round(1 - filled / (ny * nx), 6),
            # records from older versions have no FWHM
            "fwhm_pix": math.nan if ccd.get("fwhm") is None else ccd["fwhm"],
        }
    )
    return measured.preview


def _stack(previews: list[np.ndarray]) -> np.ndarray:
    """Previews of different sizes as one (n_ccd, ny, nx) float32, NaN outside each CCD's own area."""
    ny, nx = np.max([preview.shape for preview in previews], axis=0)
    stacked = np.full((len(previews), ny, nx), np.nan, dtype=np.float32)
    for plane, preview in zip(stacked, previews, strict=True):
        plane[: preview.shape[0], : preview.shape[1]] = preview
    return stacked
