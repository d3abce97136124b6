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


def reliability(curves: dict, path: Path) -> None:
    """Draw stated probability against the share that was right; `curves` as in an evaluation's `reliability`."""
    figure, axes = _figure(5.4, 5, "Held-out CCDs: how far to believe probabilities")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
    lines = {"label": ("likeliest label", "#56b4e9", "o"), "bad": ("being bad", "#e69f00", "s")}
    for name, (title, colour, marker) in lines.items():
        rows = curves[name]["bins"]
        stated, right = [row["mean_probability"] for row in rows], [row["share_right"] for row in rows]
        title = f"{title}, expected error {curves[name]['expected_calibration_error']:.3f}"
        axes.plot(stated, right, color=colour, marker=marker, markersize=5, linewidth=1.5, label=title)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("stated probability", color=TEXT)
    axes.set_ylabel("share that was right", color=TEXT)
    axes.grid(color=MUTED, alpha=0.25)
    axes.legend(facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="upper left")
    _save(figure, path)


def leak(splits: dict, path: Path) -> None:
    """Draw the F1 of each label, split by image and by exposure; `splits` as in an evaluation's `leak`."""
    names = list(splits["exposure"]["reasons"])
    figure, axes = _figure(8, 1.4 + 0.4 * len(names), "F1 on the same CCDs: split by image and by exposure")
    at = np.arange(len(names))
    for place, (split, colour) in enumerate((("image", "#d55e00"), ("exposure", "#56b4e9"))):
        values = [splits[split]["reasons"].get(name, {"f1": 0.0})["f1"] for name in names]
        title = f"by {split}, macro F1 {splits[split]['macro_f1']:.2f}"
        axes.barh(at + 0.36 * (place - 0.5), values, height=0.34, color=colour, label=title)
    axes.set_yticks(at, [name.replace("_", " ") for name in names])
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.grid(axis="x", color=MUTED, alpha=0.25)
    axes.legend(
        facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1)
    )
    _save(figure, path)
