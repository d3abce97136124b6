"""Sky and noise of previews, as the limits of pictures need them."""

import numpy as np

LEVEL_PIXELS = 2500  # of each CCD, at least, whose median and spread are its sky and noise
CLIPPINGS = 3
NORMAL_QUARTILES = 1.349  # sigmas between the quartiles of a normal distribution


def levels(pixels):
    """Sky and noise of each CCD: (n_ccd,) float64; NaN where all is blank.

    pixels : (n_ccd, ny, nx) float32, NaN = nothing recorded; exact zeros count only if nothing else is there. Median,
    and quartiles as a normal distribution has them, after clipping stars at 3 sigma thrice. Some thousand pixels,
    evenly thinned, give the level to three per cent of the noise: these are limits of a picture, and measured each time
    an exposure is first drawn, so all CCDs are sorted at once and clipping is a matter of places in the order.
    """
    if not len(pixels):
        return np.empty(0), np.empty(0)
    step = max(1, int(np.sqrt(pixels[0].size / LEVEL_PIXELS)))
    values = pixels[:, ::step, ::step].reshape(len(pixels), -1).astype(float)
    lit = (np.isfinite(values) & (values != 0)).any(axis=1)
    values[lit[:, None] & (values == 0)] = np.nan
    values.sort(axis=1)  # NaN last
    first, after = np.zeros(len(values), int), np.isfinite(values).sum(axis=1)
    for _ in range(CLIPPINGS + 1):
        low, sky, high = (_quantile(values, first, after, share) for share in (0.25, 0.5, 0.75))
        sigma = (high - low) / NORMAL_QUARTILES
        first = (values < (sky - 3 * sigma)[:, None]).sum(axis=1)
        after = (values <= (sky + 3 * sigma)[:, None]).sum(axis=1)
    flat = np.flatnonzero(sigma == 0)  # coarse grey levels: most values are the median
    sigma[flat] = [np.nanstd(values[i]) for i in flat]
    return sky, sigma


def _quantile(ordered, first, after, share):
    """(n,) of rows sorted upwards, of which [first, after) count; NaN where none does."""
    place = np.maximum(first + np.rint(share * (after - 1 - first)).astype(int), 0)
    return np.where(after > first, ordered[np.arange(len(ordered)), np.minimum(place, ordered.shape[1] - 1)], np.nan)


def common_level(skies, sigmas):
    """(sky, sigma) of the whole exposure; a frame without any noise gets sigma 1."""
    with_noise = sigmas[np.isfinite(sigmas) & (sigmas > 0)]
    sigma = float(np.median(with_noise)) if with_noise.size else 1.0
    return float(np.nanmedian(skies)) if np.isfinite(skies).any() else 0.0, sigma
