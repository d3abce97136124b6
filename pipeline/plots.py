"""Figures of an evaluation, as PNG files."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PAGE, TEXT, MUTED = "#0d1117", "#e6edf3", "#9da7b3"
# Three of Okabe and Ito's colours, told apart by every kind of colour vision.
BARS = {"precision": "#56b4e9", "recall": "#e69f00", "f1": "#cc79a7"}


def _figure(width: float, height: float, title: str):
    figure = Figure(figsize=(width, height), dpi=120, facecolor=PAGE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=PAGE)
    axes.set_title(title, color=TEXT, fontsize=11)
    axes.tick_params(colors=MUTED, labelsize=9)
    for side in axes.spines.values():
        side.set_color(MUTED)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, facecolor=PAGE, metadata={"Software": "Triptych"})


def confusion(counts: dict, path: Path) -> None:
    """Draw a confusion matrix: `counts` has `labels` (n) and `counts` (n, n), rows true, columns predicted."""
    labels = [name.replace("_", " ") for name in counts["labels"]]
    values = np.array(counts["counts"])
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    size = 2.6 + 0.55 * len(labels)
    figure, axes = _figure(size + 1, size, "CCDs of held-out exposures: true label by row, predicted by column")
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted", color=TEXT)
    axes.set_ylabel("true", color=TEXT)
    for row, column in np.argwhere(values):
        colour = "black" if shares[row, column] > 0.6 else "white"
        axes.text(column, row, values[row, column], ha="center", va="center", fontsize=8, color=colour)
    _save(figure, path)


def reasons(rows: dict, path: Path) -> None:
    """Draw precision, recall and F1 of each label as bars; `rows` as in an evaluation's `reasons`."""
    names = list(rows)
    figure, axes = _figure(8, 1.4 + 0.5 * len(names), "CCDs of held-out exposures, per reason")
    at = np.arange(len(names))
    for place, (measure, colour) in enumerate(BARS.items()):
        values = [rows[name][measure] for name in names]
        axes.barh(at + 0.26 * (place - 1), values, height=0.24, color=colour, label=measure.replace("f1", "F1"))
    axes.set_yticks(at, [f"{name.replace('_', ' ')} ({rows[name]['support']})" for name in names])
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.invert_yaxis()
    axes.grid(axis="x", color=MUTED, alpha=0.25)
    axes.legend(
        facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1)
    )
    _save(figure, path)
