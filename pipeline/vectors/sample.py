"""Which images of a large survey are clustered or laid out. The others are placed among them.

HDBSCAN and t-SNE cost more than twice as much for twice the images. So above a number of images, a sample is computed.
An image is in the sample if a hash of its `image_id` is among the lowest. That is as good as a random draw, and a
survey that grows keeps most of its sample.
"""

import numpy as np

from triptych.pipeline.errors import BadInput
from triptych.pipeline.image_ids import mixed

# Above so many images, so many are clustered or laid out.
MOST = 100_000
LEAST = 50
STEP = np.uint64(0x9E3779B97F4A7C15)  # between the numbers of two seeds


def sampled_rows(image_ids: np.ndarray, most: int = MOST, seed: int = 0) -> np.ndarray:
    """Rows (m,) int64, rising, of the images to compute with: all of them up to `most`, else that many.

    image_ids : (n,) int64, each once. BadInput if `most` is below LEAST.
    """
    if most < LEAST:
        raise BadInput(f"a sample of {most} images is too small to show groups; give at least {LEAST}")
    if len(image_ids) <= most:
        return np.arange(len(image_ids))
    with np.errstate(over="ignore"):
        hashes = mixed(np.asarray(image_ids, np.int64).astype(np.uint64) + STEP * np.uint64(seed))
    return np.sort(np.argpartition(hashes, most - 1)[:most])


def words(n_sampled: int, n: int, verb: str) -> str:
    """How a stage was made from a sample, as one line: `100,000 of 5,672,660 images clustered, ...`."""
    return f"{n_sampled:,} of {n:,} images {verb}, the others placed among them"
