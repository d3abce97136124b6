"""Pictures as packets of unsigned 16-bit codes. The browser reads them (static/mosaic/data.js) and stretches them.

Layout: b"TPIX", length of the header (uint32, little-endian), header (JSON, padded with blanks to a multiple of 8),
then sections of uint16 codes. A code c > 0 means `zero + step * c` in the header's `unit`; 0 = nothing recorded.
"""

import json
import struct
import zlib

import numpy as np

from triptych.app.pictures.sky_measured import STRETCH_LIMITS, without_zeros
from triptych.pipeline.pixels.sky_levels import common_level, levels

MAGIC = b"TPIX"
STEP_SIGMA = 0.04  # step of one code in sky noise; the rounding error is 0.012 of the sky noise
DEEPEST_SIGMA = (
    600.0  # lowest value, in sky noise below the sky; lower values and those above the last code are clipped
)
MOST = 65535


def packet(header, sections):
    """Bytes of a packet.

    header : dict of plain values. sections : name -> uint16 array of any shape
    The header gets {name: [offset in bytes, number of codes]} as `sections`.
    """
    places, offset = {}, 0
    for name, codes in sections.items():
        places[name] = [offset, int(codes.size)]
        offset += 2 * codes.size
    text = json.dumps({**header, "sections": places}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    body = [np.ascontiguousarray(codes, "<u2").tobytes() for codes in sections.values()]
    return b"".join([MAGIC, struct.pack("<I", len(text)), text, *body])


def read_packet(data):
    """(header, sections) of a packet. The browser does the same; this is for tests and scripts.

    Raises ValueError if the data are not a packet.
    """
    if data[:4] != MAGIC:
        raise ValueError("this is not a picture packet")
    (length,) = struct.unpack("<I", data[4:8])
    header = json.loads(data[8 : 8 + length])
    start = 8 + length
    sections = {
        name: np.frombuffer(data, "<u2", count, start + offset) for name, (offset, count) in header["sections"].items()
    }
    return header, sections


def compressed(data):
    """Gzipped bytes, the same for the same input.

    It compresses only runs of equal bytes. A search for other repeats would take twice the time and save a fifth,
    because noise repeats almost nothing.
    """
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_RLE)
    return squeeze.compress(data) + squeeze.flush()


def encode(pixels, sky, sigma):
    """(codes, zero, step) of an image. codes : uint16, of the shape of pixels

    pixels : float32 of any shape, NaN = nothing recorded. sky, sigma : floats, in the unit of the pixels
    """
    recorded = np.isfinite(pixels)
    step = max(STEP_SIGMA * float(sigma), 1e-9)
    lowest = max(float(pixels[recorded].min()), sky - DEEPEST_SIGMA * sigma) if recorded.any() else float(sky)
    zero = lowest - step
    with np.errstate(invalid="ignore"):
        codes = np.clip(np.rint((pixels - zero) / step), 1, MOST)
    return np.where(recorded, codes, 0).astype(np.uint16), zero, step


def mosaic_packet(plane):
    """Packet of one exposure: the preview of every CCD, and medians of its sky in blocks of 120 detector pixels.

    plane : app.pictures.sky_measured.Plane. `missing` in the header says why a CCD is not there or recorded nothing:
    'dead', 'absent', 'half' or '' (not known).
    """
    rows = [plane.ccds.loc[int(number)] for number in plane.ccdnums]
    codes, zero, step = encode(plane.pixels, plane.sky, plane.sigma)
    block_codes, block_zero, block_step = encode(plane.blocks, plane.sky, plane.sigma / 4)
    reach = plane.sky_reach / plane.sigma
    recorded = {row["ccdname"] for row, sky in zip(rows, plane.skies, strict=True) if np.isfinite(sky)}
    mjd = float(plane.exposure["mjd_obs"])
    header = {
        **_about(plane.exposure, plane.camera, plane.pixels.shape, zero, step, plane.sky, plane.sigma),
        "ccds": [_layer(plane, i, row) for i, row in enumerate(rows)],
        "missing": {name: plane.camera.missing(name, mjd) for name in plane.camera.names if name not in recorded},
        "sky_range": plane.sky_range,
        "stretches": {**STRETCH_LIMITS, "sky": {"low": -reach, "high": reach, "ownSky": True}},
        "blocks": {
            "columns": int(plane.blocks.shape[2]),
            "rows": int(plane.blocks.shape[1]),
            "size": plane.block,
            "zero": block_zero,
            "step": block_step,
        },
    }
    return packet(header, {"pixels": codes, "blocks": block_codes})


def _layer(plane, i, row):
    """What the browser needs to know of one CCD.

    columns, rows : at full resolution; nx, ny : in the preview; bx, by : in the sky view
    """
    ny, nx = plane.own_part(i).shape
    by, bx = plane.own_blocks(i).shape
    sky, sigma, block_sky = (float(each[i]) for each in (plane.skies, plane.sigmas, plane.block_skies))
    return {
        "ccdname": str(row["ccdname"]),
        "ccdnum": int(row["ccdnum"]),
        "image_id": int(row["image_id"]),
        "layer": i,
        "columns": int(row["naxis1"]),
        "rows": int(row["naxis2"]),
        "nx": nx,
        "ny": ny,
        "bx": bx,
        "by": by,
        "sky": sky if np.isfinite(sky) else plane.sky,
        "block_sky": block_sky if np.isfinite(block_sky) else plane.sky,
        "sigma": sigma if sigma > 0 else plane.sigma,
    }


def _about(exposure, camera, shape, zero, step, sky, sigma):
    return {
        "expnum": int(exposure["expnum"]),
        "camera": camera.name,
        "band": str(exposure["band"]),
        "exptime": _number(exposure["exptime"]),
        "mjd_obs": _number(exposure["mjd_obs"]),
        "unit": unit_of(exposure),
        "layers": shape[0],
        "rows": shape[1],
        "columns": shape[2],
        "zero": zero,
        "step": step,
        "sky": sky,
        "sigma": sigma,
    }


def _number(value):
    return float(value) if np.isfinite(value) else None


def unit_of(exposure):
    """Unit of an exposure's pixels: 'ADU', or 'counts' if it was read from a JPEG or PNG picture."""
    return "counts" if str(exposure["source"]).lower().endswith((".jpg", ".jpeg", ".png")) else "ADU"


def ccd_packet(pixels, row, exposure, camera, note=""):
    """Packet of one CCD at full resolution.

    pixels : (naxis2, naxis1) float32, ADU, NaN = nothing recorded. row : of ccds.parquet. note : text to show
    """
    sky, sigma = common_level(*levels(pixels[None]))
    codes, zero, step = encode(without_zeros(pixels, sky, sigma), sky, sigma)
    ny, nx = pixels.shape
    header = {
        **_about(exposure, camera, (1, ny, nx), zero, step, sky, sigma),
        "ccds": [
            {
                "ccdname": str(row["ccdname"]),
                "ccdnum": int(row["ccdnum"]),
                "image_id": int(row["image_id"]),
                "layer": 0,
                "columns": nx,
                "rows": ny,
                "nx": nx,
                "ny": ny,
                "sky": sky,
                "sigma": sigma,
            }
        ],
        "stretches": STRETCH_LIMITS,
        "note": note,
    }
    return packet(header, {"pixels": codes})


def mask_packet(header, texels):
    """Packet of a data-quality mask. header, texels : as `quality_masks` gives them; None = no mask, so no pixels"""
    return packet(header, {"mask": np.zeros(0, np.uint16) if texels is None else texels})


def geometry(camera):
    """The slots of a camera's CCDs, as plain values for the browser. Lengths are in full-resolution pixels.

    orientation : how to find the column and the row in a CCD's array (0 to 1) from a place in its slot: coefficients
    [across, down, constant]
    """
    return {
        "camera": camera.name,
        "title": camera.title,
        "canvas": list(camera.canvas),
        "pixel_scale": camera.pixel_scale,
        "orientation": {
            "column": [0, -1, 1] if camera.flip_rows else [0, 1, 0],
            "row": [-1, 0, 1] if camera.flip_columns else [1, 0, 0],
        },
        "ccds": [
            {
                "ccdname": ccd.name,
                "ccdnum": ccd.number,
                "row": ccd.row,
                "x0": ccd.x0,
                "y0": ccd.y0,
                "width": ccd.width,
                "height": ccd.height,
            }
            for ccd in camera.ccds
        ],
    }
