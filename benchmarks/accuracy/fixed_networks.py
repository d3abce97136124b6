"""Networks that nobody has trained, to compare the own backbone with."""

from functools import lru_cache

import numpy as np

from triptych.pipeline import focal_plane

SIZE = (64, 32)


def _standard(pixels: np.ndarray) -> np.ndarray:
    """Any exposure -> (n_ccd, 64, 32) float32, sky noise = 1, squeezed by arcsinh, 0 where blank."""
    detail, smooth = focal_plane.normalise(focal_plane.resample(pixels, *SIZE))
    return np.nan_to_num(np.arcsinh(detail + smooth))


@lru_cache(maxsize=1)
def _morlet(scales: int = 4, angles: int = 4) -> list[tuple[int, np.ndarray]]:
    """(scale, filter in the frequency domain) of oriented Morlet wavelets on SIZE, reflected to twice its size."""
    ny, nx = 2 * SIZE[0], 2 * SIZE[1]
    fy, fx = np.meshgrid(np.fft.fftfreq(ny), np.fft.fftfreq(nx), indexing="ij")
    bank = []
    for scale in range(scales):
        centre, width = 0.35 / 2**scale, 0.14 / 2**scale
        for angle in np.arange(angles) * np.pi / angles:
            u, v = fx * np.cos(angle) + fy * np.sin(angle), -fx * np.sin(angle) + fy * np.cos(angle)
            gabor = np.exp(-((u - centre) ** 2 + (v / 0.7) ** 2) / 2 / width**2)
            gabor -= np.exp(-(centre**2) / 2 / width**2) * np.exp(-(u**2 + (v / 0.7) ** 2) / 2 / width**2)
            bank.append((scale, gabor))
    return bank


def scattering(pixels: np.ndarray) -> np.ndarray:
    """Logarithms of the mean of |x * w1| and ||x * w1| * w2| with ever coarser w2: (n_ccd, 1 + 16 + 96)."""
    images = _standard(pixels)
    images = np.concatenate([images, images[:, ::-1]], 1)
    images = np.concatenate([images, images[:, :, ::-1]], 2)
    spectrum, columns = np.fft.fft2(images), [images.mean((1, 2))]
    for scale, first in _morlet():
        once = np.abs(np.fft.ifft2(spectrum * first))
        columns.append(np.log(once.mean((1, 2)) + 1e-3))
        again = np.fft.fft2(once)
        for coarser, second in _morlet():
            if coarser > scale:
                columns.append(np.log(np.abs(np.fft.ifft2(again * second)).mean((1, 2)) + 1e-3))
    return np.stack(columns, 1)


def random_convolutions(pixels: np.ndarray, kernels: int = 256) -> np.ndarray:
    """Largest value and share of positive values behind random dilated 5 x 5 kernels: (n_ccd, 2 * kernels)."""
    images, rng, columns = _standard(pixels), np.random.default_rng(0), []
    spectrum = np.fft.rfft2(images)
    for _ in range(kernels):
        step = int(2 ** rng.uniform(0, 3))
        kernel = np.zeros(SIZE, np.float32)
        rows, across = np.meshgrid(np.arange(5) * step % SIZE[0], np.arange(5) * step % SIZE[1], indexing="ij")
        weights = rng.normal(0, 1, (5, 5))
        np.add.at(kernel, (rows, across), weights - weights.mean())
        seen = np.fft.irfft2(spectrum * np.fft.rfft2(kernel), SIZE) + rng.uniform(-1, 1)
        columns += [np.log1p(np.maximum(seen.max((1, 2)), 0)), (seen > 0).mean((1, 2))]
    return np.stack(columns, 1)
