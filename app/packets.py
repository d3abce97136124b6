"""Pictures as packets of unsigned 16-bit codes, which the browser stretches itself (static/mosaic_data.js reads them).

Layout: b"TPIX", length of the header (uint32, little-endian), header (JSON, padded with blanks to a multiple of 8),
then sections of uint16 codes. A code c > 0 stands for `zero + step * c` in the header's `unit`; 0 = nothing recorded.
"""

import gzip
import json
import struct

import numpy as np

from app.sky_view import BLOCK_PIXELS, STRETCH_LIMITS, block_levels, full_pixels_per_preview, sky_range

MAGIC = b"TPIX"
STEP_SIGMA = 0.04  # one code; its rounding error is 0.012 of the sky noise
DEEPEST_SIGMA = 600.0  # below the sky; what lies deeper or beyond the last code is clipped
MOST = 65535


def packet(header, sections):
    """Bytes of a packet.

    header : dict of plain values. sections : name -> uint16 array of any shape; the header gets their places.
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
    """(header, sections) of a packet: what the browser does, for tests and scripts."""
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
    """Gzipped bytes, the same for the same input; fast rather than small."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def encode(pixels, sky, sigma):
    """Codes of an image.

    pixels : float32 of any shape, NaN = nothing recorded. sky, sigma : floats, same unit. Returns (codes uint16 of the
    same shape, zero, step).
    """
    recorded = np.isfinite(pixels)
    step = max(STEP_SIGMA * float(sigma), 1e-9)
    lowest = max(float(pixels[recorded].min()), sky - DEEPEST_SIGMA * sigma) if recorded.any() else float(sky)
    zero = lowest - step
    with np.errstate(invalid="ignore"):
        codes = np.clip(np.rint((pixels - zero) / step), 1, MOST)
    return np.where(recorded, codes, 0).astype(np.uint16), zero, step


def levels(pixels):
    """Sky and noise of each CCD: (n_ccd,) float64 medians and robust standard deviations; NaN where all is blank.

    pixels : (n_ccd, ny, nx) float32, NaN = nothing recorded. Every second pixel in each direction is enough.
    """
    skies, sigmas = np.full(len(pixels), np.nan), np.full(len(pixels), np.nan)
    for i, image in enumerate(pixels):
        thinned = image[::2, ::2] if image.size > 4096 else image
        good = thinned[np.isfinite(thinned)]
        if good.size:
            skies[i] = np.median(good)
            sigmas[i] = 1.4826 * np.median(np.abs(good - skies[i]))
    return skies, sigmas


def common_level(skies, sigmas):
    """(sky, sigma) of the whole exposure; a frame without any noise gets sigma 1."""
    with_noise = sigmas[np.isfinite(sigmas) & (sigmas > 0)]
    sigma = float(np.median(with_noise)) if with_noise.size else 1.0
    return float(np.nanmedian(skies)) if np.isfinite(skies).any() else 0.0, sigma


def mosaic_packet(ccdnums, pixels, ccds, exposure, camera):
    """Packet of one exposure: the preview of every CCD, and its sky averaged to blocks of 120 detector pixels.

    ccdnums : (n_ccd,). pixels : (n_ccd, ny, nx) float32, array orientation, NaN = nothing recorded.
    ccds : DataFrame of ccds.parquet rows indexed by ccdnum. exposure : row of exposures.parquet. camera : Camera.
    """
    skies, sigmas = levels(pixels)
    sky, sigma = common_level(skies, sigmas)
    codes, zero, step = encode(pixels, sky, sigma)
    rows = [ccds.loc[int(number)] for number in ccdnums]
    size = max(1, round(BLOCK_PIXELS / full_pixels_per_preview(rows[0], camera))) if rows else 1
    blocks = block_levels(pixels, size)
    deviations = blocks - skies[:, None, None]
    block_codes, block_zero, block_step = encode(deviations + sky, sky, sigma / 4)
    range_adu = sky_range(deviations, exposure)
    layers = [_layer(row, i, skies[i], sigmas[i], sky, sigma, size) for i, row in enumerate(rows)]
    mjd = float(exposure["mjd_obs"])
    here = {row["ccdname"] for row in rows}
    header = {
        **_about(exposure, camera),
        "unit": unit_of(exposure),
        "columns": int(pixels.shape[2]),
        "rows": int(pixels.shape[1]),
        "layers": len(rows),
        "zero": zero,
        "step": step,
        "sky": sky,
        "sigma": sigma,
        "ccds": layers,
        "missing": {name: camera.missing(name, mjd) for name in camera.names if name not in here},
        "stretches": {
            **STRETCH_LIMITS,
            "sky": {"low": -range_adu / sigma, "high": range_adu / sigma},
        },
        "blocks": {
            "columns": int(blocks.shape[2]),
            "rows": int(blocks.shape[1]),
            "size": size,
            "zero": block_zero,
            "step": block_step,
        },
    }
    return packet(header, {"pixels": codes, "blocks": block_codes})


def _layer(row, layer, sky, sigma, common_sky, common_sigma, size):
    nx, ny = int(row["preview_nx"]), int(row["preview_ny"])
    return {
        "ccdname": str(row["ccdname"]),
        "ccdnum": int(row["ccdnum"]),
        "image_id": int(row["image_id"]),
        "layer": layer,
        "columns": int(row["naxis1"]),
        "rows": int(row["naxis2"]),
        "nx": nx,
        "ny": ny,
        "bx": -(-nx // size),
        "by": -(-ny // size),
        "sky": float(sky) if np.isfinite(sky) else common_sky,
        "sigma": float(sigma) if np.isfinite(sigma) and sigma > 0 else common_sigma,
    }


def _about(exposure, camera):
    return {
        "expnum": int(exposure["expnum"]),
        "camera": camera.name,
        "band": str(exposure["band"]),
        "exptime": _number(exposure["exptime"]),
        "mjd_obs": _number(exposure["mjd_obs"]),
    }


def _number(value):
    return float(value) if np.isfinite(value) else None


def unit_of(exposure):
    """ADU, or 'counts' for an exposure that was read from a ready-made picture."""
    return "counts" if str(exposure["source"]).lower().endswith((".jpg", ".jpeg", ".png")) else "ADU"


def ccd_packet(pixels, row, exposure, camera, note=""):
    """Packet of one CCD at full resolution.

    pixels : (naxis2, naxis1) float32, ADU, NaN = nothing recorded. row : its row of ccds.parquet.
    """
    skies, sigmas = levels(pixels[None, ::2, ::2])
    sky, sigma = common_level(skies, sigmas)
    codes, zero, step = encode(pixels, sky, sigma)
    layer = _layer({**row, "preview_nx": pixels.shape[1], "preview_ny": pixels.shape[0]}, 0, sky, sigma, sky, sigma, 1)
    header = {
        **_about(exposure, camera),
        "unit": unit_of(exposure),
        "columns": int(pixels.shape[1]),
        "rows": int(pixels.shape[0]),
        "layers": 1,
        "zero": zero,
        "step": step,
        "sky": sky,
        "sigma": sigma,
        "ccds": [layer],
        "missing": {},
        "stretches": STRETCH_LIMITS,
        "note": note,
    }
    return packet(header, {"pixels": codes})


def geometry(camera):
    """Slots of a camera as plain values for the browser; all lengths in full-resolution pixels of the sky canvas.

    orientation : column and row of a CCD's array, 0 to 1, as [across, down, constant] of its place in the slot.
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
