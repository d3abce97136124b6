"""Classical image statistics of CCD previews: sky, noise, texture on every scale, number and shapes of stars.

They are sensitive to doubled and trailed stars, the width of stars, noise, stripes, steps between amplifiers, and
levels relative to the exposure's other CCDs. Nothing is trained.
"""

import numpy as np
from scipy import ndimage

from triptych.pipeline.focal_plane import sky

STAR = 4  # half width, in pixels, of the cut-outs in which star shapes are measured
MOST_STARS = 60
SCALES = 5


def squash(values: np.ndarray, scale: float) -> np.ndarray:
    """Map any real number smoothly to -1..1, so that one odd CCD cannot stretch a scaler's range."""
    return np.tanh(np.nan_to_num(np.asarray(values, np.float32), posinf=1e6, neginf=-1e6) / scale)


def halve(pixels: np.ndarray) -> np.ndarray:
    """Mean of 2 x 2 pixels. An odd last row or column is dropped. pixels : (n, y, x), no NaN."""
    ny, nx = pixels.shape[1] // 2 * 2, pixels.shape[2] // 2 * 2
    p = pixels[:, :ny, :nx]
    return (p[:, ::2, ::2] + p[:, 1::2, ::2] + p[:, ::2, 1::2] + p[:, 1::2, 1::2]) / 4


def double(pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Repeat each pixel 2 x 2, then cut to `shape` or repeat the edge."""
    big = pixels.repeat(2, axis=1).repeat(2, axis=2)
    pad = [(0, 0), (0, max(0, shape[0] - big.shape[1])), (0, max(0, shape[1] - big.shape[2]))]
    return np.pad(big, pad, mode="edge")[:, : shape[0], : shape[1]]


def texture(signal: np.ndarray) -> np.ndarray:
    """Spread in each octave of scale, and how it differs between y and x: (n, 3 * SCALES).

    signal : (n, y, x) float32, sky noise = 1, stars clipped, 0 where blank.
    """
    columns, level = [], signal
    for _ in range(SCALES):
        if min(level.shape[1:]) < 4:
            columns += [columns[-3], columns[-2], columns[-1]]
            continue
        small = halve(level)
        band = level - double(small, level.shape[1:])
        down = ((level[:, 1:] - level[:, :-1]) ** 2).mean((1, 2))
        across = ((level[:, :, 1:] - level[:, :, :-1]) ** 2).mean((1, 2))
        columns.append(np.log(band.std((1, 2)) + 0.02))
        columns.append(np.log((down + 1e-4) / (across + 1e-4)))
        columns.append(np.log(level.std((1, 2)) + 0.02))
        level = small
    return np.stack(columns, 1)


def stars(signal: np.ndarray) -> np.ndarray:
    """Number, brightness and median shape of an image's brightest peaks: (24,).

    signal : (y, x), sky noise = 1, 0 = blank.
    """
    inner = signal[STAR:-STAR, STAR:-STAR]
    if min(inner.shape) < 3:
        return np.zeros(24, np.float32)
    highest = ndimage.maximum_filter(signal, size=2 * STAR - 1)[STAR:-STAR, STAR:-STAR]
    rows, columns = np.nonzero((inner == highest) & (inner > 6))
    order = np.argsort(-inner[rows, columns], kind="stable")
    counts = [np.log1p(len(order)), np.log1p((inner[rows, columns] > 30).sum()), np.log1p((inner > 5).sum())]
    order = order[:MOST_STARS]
    if not len(order):
        return np.concatenate([counts, np.zeros(21)]).astype(np.float32)
    steps = np.arange(2 * STAR + 1)
    cuts = signal[(rows[order, None] + steps)[:, :, None], (columns[order, None] + steps)[:, None, :]]
    cuts = cuts / cuts.sum((1, 2), keepdims=True).clip(1e-3)
    shape = np.median(cuts, axis=0)
    shape = shape / max(float(shape.sum()), 1e-3)
    y, x = np.mgrid[-STAR : STAR + 1, -STAR : STAR + 1]
    r, a = np.hypot(y, x), np.arctan2(y, x)
    profile = [shape[(r >= low) & (r < low + 1)].mean() / max(shape[STAR, STAR], 1e-3) for low in range(1, STAR + 1)]
    size = np.sqrt(max(float((shape * r**2).sum()), 0))
    round_ = [(shape * r**2 * f).sum() / (size**2 + 0.1) for f in (np.cos(2 * a), np.sin(2 * a))]
    ring = [(shape[(r > 1) & (r < 3)] * f[(r > 1) & (r < 3)]).sum() for f in (np.cos(2 * a), np.sin(2 * a))]
    turned = np.corrcoef(shape.ravel(), shape[::-1, ::-1].ravel())[0, 1]
    spread = cuts.std(0).mean() * 50
    peak = inner[rows[order], columns[order]]
    bright = [np.log(np.median(peak)), np.log(peak[0]), np.log(peak[min(9, len(peak) - 1)])]
    rest = [shape[STAR, STAR] * 3, *profile, size, np.hypot(*round_), *round_, np.hypot(*ring), *ring, turned, spread]
    values = np.array([*counts, *rest, *bright])
    return np.nan_to_num(np.concatenate([values, np.zeros(24 - len(values))])).astype(np.float32)


def statistics(pixels: np.ndarray) -> np.ndarray:
    """Statistics of one exposure's CCDs: (n_ccd, DIM) float32 in -1..1; zeros for a blank CCD.

    pixels : (n_ccd, y, x) float32, ADU, NaN = blank.
    """
    pixels = np.asarray(pixels, np.float32)
    median, sigma = sky(pixels)
    alive = np.isfinite(median)
    if not alive.any():
        return np.zeros((len(pixels), DIM), np.float32)
    middle = float(np.nanmedian(median))
    noise = float(np.nanmedian(sigma)) or max(1e-3 * abs(middle), 1e-6)
    own = np.where(alive, median, middle)[:, None, None]
    signal = np.where(np.isfinite(pixels), (pixels - own) / noise, 0).astype(np.float32)
    clipped = np.clip(signal, -4, 4)
    half = pixels.shape[2] // 2
    quantiles = np.quantile(clipped.reshape(len(pixels), -1), [0.01, 0.1, 0.9], axis=1)
    sides = [clipped[:, :, :half].mean((1, 2)) - clipped[:, :, half:].mean((1, 2))]
    ends = [clipped[:, : pixels.shape[1] // 2].mean((1, 2)) - clipped[:, pixels.shape[1] // 2 :].mean((1, 2))]
    rows, columns = clipped.mean(2).std(1), clipped.mean(1).std(1)
    level = np.stack(
        [
            squash(np.where(alive, median - middle, 0) / noise, 3),
            squash(np.log(np.where(alive, sigma, noise) / noise + 1e-3), 0.7),
            np.full(len(pixels), squash(np.log(max(middle, 1.0)) - 6, 3)),
            np.full(len(pixels), squash(np.log(noise * noise / max(middle, 1.0) + 1e-6), 4)),
            np.full(len(pixels), squash(np.log(np.nanstd(median) / noise + 0.02), 3)),
            *squash(quantiles, 2),
            squash(sides[0], 1),
            squash(np.abs(sides[0]), 1),
            squash(ends[0], 1),
            squash(np.log(rows + 0.01) + 2, 2),
            squash(np.log(columns + 0.01) + 2, 2),
            squash((signal < -4).mean((1, 2)) * 50, 1),
            squash(np.sqrt((signal > 20).mean((1, 2))) * 4, 1),
        ],
        1,
    )
    shapes = np.stack([stars(image) for image in signal])
    values = [level, squash(texture(clipped) + 0.7, 1.5), squash(shapes, 3)]
    return np.where(alive[:, None], np.concatenate(values, 1), 0).astype(np.float32)


DIM = 15 + 3 * SCALES + 24
