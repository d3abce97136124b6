"""Pictures that show how a masked model fills in the hidden parts of a CCD."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from triptych.pipeline.evaluation.plots import PAGE, TEXT

COLUMNS = ("original", "what the model was shown", "what it filled in")
COLOURS = 64


def odd_ones(images: np.ndarray, groups: np.ndarray, n_odd: int, n_any: int, seed: int) -> np.ndarray:
    """Row numbers of images worth looking at: the n_odd with most large-scale structure, one per group; n_any others.

    images : (n, ny, nx) prepared, NaN = blank. groups : (n,) exposure of each.
    """
    cuts = [np.array_split(np.arange(size), 8) for size in images.shape[1:]]
    clipped = np.clip(np.nan_to_num(images.astype(np.float32)), -2, 2)
    blocks = np.stack([clipped[:, rows].mean(1)[:, columns].mean(1) for rows in cuts[0] for columns in cuts[1]], 1)
    order = np.argsort(-blocks.std(1), kind="stable")
    _, first = np.unique(groups[order], return_index=True)
    odd = order[np.sort(first)][:n_odd]
    rest = np.setdiff1d(np.arange(len(images)), odd)
    some = np.random.default_rng(seed).permutation(rest)[:n_any]
    return np.concatenate([odd, some]).astype(np.int64)


def draw(originals: np.ndarray, masked: np.ndarray, painted: np.ndarray, path: Path) -> None:
    """Write a picture with one CCD per row, in three columns.

    originals, painted : (n, ny, nx) prepared pixels, NaN = blank. masked : (n, ny, nx) bool, True where hidden.
    """
    # the long side of a CCD is drawn across, as on the sky, so that many fit on a page
    shown = np.where(masked, np.nan, originals)
    made = np.where(masked & np.isfinite(originals), painted, originals)
    n, ny, nx = originals.shape
    figure = Figure(figsize=(9, 0.45 + n * 3 * nx / ny), dpi=100, facecolor=PAGE, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(n, 3, squeeze=False)
    for row in range(n):
        finite = originals[row][np.isfinite(originals[row])]
        low, high = np.percentile(finite, [1, 99.5]) if finite.size else (0.0, 1.0)
        for column, picture in enumerate((originals, shown, made)):
            place = axes[row, column]
            place.set_facecolor("#30405a")
            place.imshow(picture[row].T, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
            if row == 0:
                place.set_title(COLUMNS[column], color=TEXT, fontsize=9)
    canvas.draw()
    # noise compresses badly; few colours keep the file small
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(COLOURS).save(path, "PNG", optimize=True)
