"""Sky and noise of previews, used for the display limits of pictures."""

import numpy as np

LEVEL_PIXELS = 2500  # least number of pixels of each CCD that are used for its sky and noise
CLIPPINGS = 3
NORMAL_QUARTILES = 1.349  # sigmas between the quartiles of a normal distribution


def levels(pixels):
    """Sky and noise of each CCD, (n_ccd,) float64 each; NaN if all is blank.

    pixels : (n_ccd, ny, nx) float32, NaN = nothing recorded. Exact zeros count only if there is nothing else. The sky
    is the median; the noise is from the quartiles as for a normal distribution; both after clipping stars at 3 sigma
    three times. Some thousand evenly spaced pixels give the level to three per cent of the noise, enough for the limits
    of a picture. For speed, all CCDs are sorted at once, and clipping only moves the ends of the sorted range.
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
    flat = np.flatnonzero(sigma == 0)  # with coarse grey levels, most values equal the median
    sigma[flat] = [np.nanstd(values[i]) for i in flat]
    return sky, sigma


def _quantile(ordered, first, after, share):
    """(n,) quantiles of rows in ascending order, of which only [first, after) counts; NaN if that is empty."""
    place = np.maximum(first + np.rint(share * (after - 1 - first)).astype(int), 0)
    return np.where(after > first, ordered[np.arange(len(ordered)), np.minimum(place, ordered.shape[1] - 1)], np.nan)


def common_level(skies, sigmas):
    """(sky, sigma) of the whole exposure. sigma is 1 if there is no noise at all."""
    with_noise = sigmas[np.isfinite(sigmas) & (sigmas > 0)]
    sigma = float(np.median(with_noise)) if with_noise.size else 1.0
    return float(np.nanmedian(skies)) if np.isfinite(skies).any() else 0.0, sigma
