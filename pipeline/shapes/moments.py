"""Adaptive second moments of many stars at once.

Each star is weighted by the elliptical Gaussian that fits it best, so that neither noise far out nor a cut at some
brightness changes its shape (Bernstein and Jarvis 2002, AJ 123, 583; Hirata and Seljak 2003, MNRAS 343, 459).
"""

from dataclasses import dataclass

import numpy as np

ROUNDS = 7
LEAST_SIGMA = 0.6  # pixels; a Gaussian narrower than that falls between the pixels


@dataclass(frozen=True)
class Moments:
    """Of n stars, (n,) float64 each: centre x, y and second moments xx, xy, yy, in pixels and pixels squared.

    flux : of the Gaussian, ADU. good : whether the fit came to an end within the cut-out.
    """

    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    flux: np.ndarray
    good: np.ndarray

    @property
    def sigma(self) -> np.ndarray:
        """Size of each star, in pixels: the sigma of a round Gaussian of the same area."""
        return np.maximum(self.xx * self.yy - self.xy**2, 0) ** 0.25

    @property
    def longest(self) -> np.ndarray:
        """Sigma along the major axis, in pixels."""
        half = (self.xx - self.yy) / 2
        return np.sqrt((self.xx + self.yy) / 2 + np.hypot(half, self.xy))


def adaptive_moments(stamps: np.ndarray, sigma: float = 2.0) -> Moments:
    """Moments of stars in cut-outs, each star near the middle of its own.

    stamps : (n, size, size) float32, ADU above the sky, no NaN. sigma : pixels, of the first weight.
    """
    n, size = len(stamps), stamps.shape[-1]
    step = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    y, x = (axis.ravel() for axis in np.meshgrid(step, step, indexing="ij"))
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    light = stamps.reshape(n, -1)
    cx, cy, xy = np.zeros(n), np.zeros(n), np.zeros(n)
    xx, yy = np.full(n, sigma**2), np.full(n, sigma**2)
    total, good = np.ones(n), np.ones(n, bool)
    most = (size / 3.0) ** 2
    for _ in range(ROUNDS):
        determinant = np.maximum(xx * yy - xy * xy, LEAST_SIGMA**4)
        a, b, c = yy / determinant, -xy / determinant, xx / determinant  # the inverse
        terms = [
            a * cx * cx + 2 * b * cx * cy + c * cy * cy,
            -2 * (a * cx + b * cy),
            -2 * (b * cx + c * cy),
            a,
            2 * b,
            c,
        ]
        weight = np.exp(np.minimum(-0.5 * (np.stack(terms, 1).astype(np.float32) @ basis), 0))
        sums = ((light * weight) @ basis.T).astype(float)
        total = sums[:, 0]
        good &= total > 0
        safe = np.where(good, total, 1.0)
        mean_x, mean_y = sums[:, 1] / safe, sums[:, 2] / safe
        # A Gaussian weighted by itself has half its moments. Going on to the doubled moments M by M W^-1 M, from the
        # weight's W, is twice the step that they suggest and nearly ends at once.
        mxx = 2 * (sums[:, 3] / safe - mean_x**2)
        mxy = 2 * (sums[:, 4] / safe - mean_x * mean_y)
        myy = 2 * (sums[:, 5] / safe - mean_y**2)
        new = [
            mxx * mxx * a + 2 * mxx * mxy * b + mxy * mxy * c,
            mxx * mxy * a + (mxx * myy + mxy * mxy) * b + mxy * myy * c,
            mxy * mxy * a + 2 * mxy * myy * b + myy * myy * c,
        ]
        good &= (new[0] > 0) & (new[2] > 0) & (new[0] + new[2] < 2 * most) & (new[0] * new[2] > new[1] ** 2)
        good &= np.hypot(mean_x, mean_y) < size / 4
        cx, cy = np.where(good, mean_x, 0), np.where(good, mean_y, 0)
        xx = np.where(good, np.maximum(new[0], LEAST_SIGMA**2), sigma**2)
        yy = np.where(good, np.maximum(new[2], LEAST_SIGMA**2), sigma**2)
        xy = np.where(good, new[1], 0)
    good &= (xx + yy) / 2 > 1.1 * LEAST_SIGMA**2  # less is noise in one pixel
    return Moments(cx, cy, xx, xy, yy, 2 * total, good)
