"""Bright sources of one CCD, found on a map of 4 x 4 pixels by `sep` (Source Extractor as a library).

A square of 4 x 4 pixels of DECam is 1 arcsec wide. Stars of usual seeing keep most of their signal in it, and cosmic
rays lose most of theirs; and the map is sixteen times smaller than the CCD.
"""

from dataclasses import dataclass

import numpy as np
import sep

QUAD = 4  # pixels along each side of a square of the map
MESH = 64  # squares along each side of a cell of the sky background
ABOVE = 5.0  # sigma above the sky, of every square of a source
BRIGHT = 25.0  # least signal-to-noise of a source that is measured
LEAST_SQUARES = 3
MOST_SQUARES = 80_000  # of one strip that are in sources; sep prepares memory for as many, which takes its time
NOISE_SQUARES = 10_000  # they give the noise to about one per cent
MOST_ADU = 1e12  # no detector counts more, and the sums of such numbers overflow

sep.set_extract_pixstack(MOST_SQUARES)


@dataclass(frozen=True)
class Sources:
    """Sources of one CCD or a part of it, and its sky.

    x, y : (n,) float64, centres in pixels, 0 = middle of the first pixel. flux : (n,) ADU, summed over pixels.
    signal_to_noise : (n,). above : (ny, nx) float32, ADU above the sky of each square, 0 where nothing was recorded.
    sky : (ny // 4, nx // 4) float32, ADU, of cells of 4 x 4 squares, NaN where blank. noise : ADU, of one pixel if
    pixels are independent.
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    signal_to_noise: np.ndarray
    above: np.ndarray
    sky: np.ndarray
    noise: float


def quads(pixels: np.ndarray) -> np.ndarray:
    """Means of squares of QUAD x QUAD pixels. Rows and columns that do not fill a square are left out.

    pixels : (ny, nx) float32. Returns (ny // 4, nx // 4) float32, NaN where any pixel of the square is. The order of
    the sums is that of the compiled decoder, so both give the same bits.
    """
    ny, nx = (side // QUAD * QUAD for side in pixels.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        rows = pixels[0:ny:QUAD, :nx] + pixels[1:ny:QUAD, :nx]
        for step in range(2, QUAD):
            rows += pixels[step:ny:QUAD, :nx]
        squares = rows[:, 0::QUAD] + rows[:, 1::QUAD]
        for step in range(2, QUAD):
            squares += rows[:, step::QUAD]
    return squares * np.float32(1 / QUAD**2)


def find(squares: np.ndarray) -> Sources | None:
    """Sources on a map of `quads`; None if it has no noise, or nothing that can be told from it.

    squares : (ny, nx) float32, ADU, NaN = nothing recorded.
    """
    known = _sky(squares)
    if known is None:
        return None
    coarse, empty = known
    above = _without(squares, coarse)
    with np.errstate(over="ignore", invalid="ignore"):
        whole = bool(np.isfinite(above.sum()))  # one pass where, as usual, nothing is blank
    blank = None if whole else ~np.isfinite(above)
    if blank is not None:
        above[blank] = 0
    noise = _noise(above, blank)
    if not noise > 0:
        return None
    try:
        found = sep.extract(
            above,
            ABOVE * noise,
            mask=blank,
            minarea=LEAST_SQUARES,
            filter_kernel=None,
            deblend_nthresh=1,
            deblend_cont=1.0,
            clean=False,
        )
    except Exception:  # sep raises this bare where more squares are bright than it holds: no sky with stars on it
        return None
    return Sources(
        x=found["x"] * QUAD + (QUAD - 1) / 2,
        y=found["y"] * QUAD + (QUAD - 1) / 2,
        flux=found["flux"] * QUAD**2,
        signal_to_noise=found["flux"] / (noise * np.sqrt(np.maximum(found["npix"], 1))),
        above=above,
        sky=np.where(empty, np.float32(np.nan), coarse),
        noise=noise * QUAD,
    )


def _sky(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The sky of cells of 4 x 4 squares, and which of them are blank, as far as that. None if all are.

    It is measured on means of 4 x 4 squares, which is quicker and sees the same sky.
    """
    means = quads(squares)
    empty = ~np.isfinite(means)
    if empty.all() or np.abs(means[~empty]).max() > MOST_ADU:
        return None
    side = MESH // QUAD
    background = sep.Background(np.where(empty, np.float32(0), means), mask=empty, bw=side, bh=side, fw=3, fh=3)
    return background.back(dtype=np.float32), empty


def _without(squares: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """The squares minus the sky of the coarse cell that each is in, or the last cell before it."""
    ny, (rows, columns) = len(squares), coarse.shape
    above = np.empty_like(squares)
    repeated = coarse.repeat(QUAD, axis=1)
    for step in range(QUAD):
        own = above[step : rows * QUAD : QUAD]
        np.subtract(squares[step : rows * QUAD : QUAD, : columns * QUAD], repeated, out=own[:, : columns * QUAD])
    above[rows * QUAD :, : columns * QUAD] = squares[rows * QUAD :, : columns * QUAD] - repeated[-1]
    above[:, columns * QUAD :] = squares[:, columns * QUAD :] - coarse[np.minimum(np.arange(ny) // QUAD, rows - 1), -1:]
    return above


def _noise(above: np.ndarray, blank: np.ndarray | None) -> float:
    """Noise of the squares, ADU: 1.4826 x median absolute value, of about NOISE_SQUARES of them."""
    step = max(1, int(np.sqrt(above.size / NOISE_SQUARES)))
    thinned = above[::step, ::step]
    thinned = thinned.ravel() if blank is None else thinned[~blank[::step, ::step]]
    return 1.4826 * median(np.abs(thinned)) if thinned.size else 0.0


def median(values: np.ndarray) -> float:
    """Median of (n,) numbers, n at least 1, none of them NaN: ten times quicker than NumPy's on a few dozen."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    return float(np.partition(values, (half - 1, half))[half - 1 : half + 1].mean())
