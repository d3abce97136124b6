"""Plots of an evaluation, as PNG files."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PAGE, TEXT, MUTED = "#0d1117", "#e6edf3", "#9da7b3"
# Three of Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
BARS = {"precision": "#56b4e9", "recall": "#e69f00", "f1": "#cc79a7"}
# The same palette, for candidate rules and classifiers.
SERIES = ("#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00")
DASHES = ("-", "--", ":", "-.")


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


def confusion(
    counts: dict, path: Path, title: str = "CCDs of held-out exposures: true label by row, predicted by column"
) -> None:
    """Draw a confusion matrix. counts : `labels` (n) and `counts` (n, n), rows true, columns predicted."""
    labels = [name.replace("_", " ") for name in counts["labels"]]
    values = np.array(counts["counts"])
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    size = 2.6 + 0.55 * len(labels)
    figure, axes = _figure(size + 1, size, title)
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted", color=TEXT)
    axes.set_ylabel("true", color=TEXT)
    for row, column in np.argwhere(values):
        colour = "black" if shares[row, column] > 0.6 else "white"
        axes.text(column, row, str(values[row, column]), ha="center", va="center", fontsize=8, color=colour)
    _save(figure, path)


def reasons(rows: dict, path: Path, title: str = "CCDs of held-out exposures, per reason") -> None:
    """Draw precision, recall and F1 of each label as bars. rows : an evaluation's `reasons`."""
    names = list(rows)
    figure, axes = _figure(8, 1.4 + 0.5 * len(names), title)
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
    """Draw the stated probability against the share that was right. curves : an evaluation's `reliability`."""
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
    """Draw the F1 of each label, split by image and by exposure. splits : an evaluation's `leak`."""
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


def _rule_lines(rules) -> dict[str, dict[str, Any]]:
    """Colour and dashes of each rule. Where lines coincide, the dashes show both."""
    return {
        name: {"color": SERIES[place % len(SERIES)], "linestyle": DASHES[place % len(DASHES)]}
        for place, name in enumerate(rules)
    }


def exposure_curves(rules: dict, path: Path) -> None:
    """Draw precision against recall of whole exposures. rules : of an evaluation's `exposure`.

    A filled mark is a rule's own cut. An open mark is the threshold where the smaller of the two is largest.
    """
    figure, axes = _figure(6.4, 5.4, "Held-out exposures: precision and recall at every threshold")
    for name, line in _rule_lines(rules).items():
        row, colour = rules[name], line["color"]
        title = f"{name}, average precision {row['average_precision']:.3f}"
        recall, precision = row["curve"]["recall"], row["curve"]["precision"]
        axes.plot([0, *recall], [*precision[:1], *precision], **line, linewidth=1.5, label=title)
        axes.plot(row["recall"], row["precision"], "o", color=colour, markersize=8)
        best = row["best"]
        axes.plot(best["recall"], best["precision"], "o", color=colour, markersize=11, fillstyle="none")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("recall", color=TEXT)
    axes.set_ylabel("precision", color=TEXT)
    axes.grid(color=MUTED, alpha=0.25)
    axes.legend(facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="lower left")
    _save(figure, path)


def _area(n: int, of: int) -> float:
    """Area of a mark, in points squared, for a bin of n out of `of`. A bin with few gets a small mark."""
    return 12 + 240 * n / max(of, 1)


def exposure_reliability(rules: dict, path: Path) -> None:
    """Draw the bad_probability of exposures against the share that is bad. rules : of an evaluation's `exposure`.

    The area of a mark grows with the number of exposures in its bin.
    """
    figure, axes = _figure(5.4, 5, "Held-out exposures: how far to believe bad_probability")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=":")
    for name, line in _rule_lines(rules).items():
        own = rules[name]["calibration"]
        stated = [row["mean_probability"] for row in own["bins"]]
        right = [row["share_right"] for row in own["bins"]]
        title = f"{name}, expected error {own['expected_calibration_error']:.3f}"
        axes.plot(stated, right, **line, linewidth=1.5, label=title)
        axes.scatter(stated, right, s=[_area(row["n"], own["n"]) for row in own["bins"]], color=line["color"], zorder=3)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("bad_probability", color=TEXT)
    axes.set_ylabel("share of exposures that are bad", color=TEXT)
    axes.grid(color=MUTED, alpha=0.25)
    axes.legend(facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="upper left")
    _save(figure, path)


def false_alarms(found: dict, path: Path) -> None:
    """Draw the share of good exposures, by kind, that each rule sends. found : an evaluation's `suspicious`."""
    rows = {**found["kinds"], "plain good": found["plain"]}
    rules = list(found["plain"]["rules"])
    figure, axes = _figure(8, 1.6 + 0.5 * len(rows), "Good exposures taken for bad ones")
    at, height = np.arange(len(rows)), 0.8 / (len(rules) + 1)
    bars = {"CCDs called bad": [row["ccds_called_bad"] for row in rows.values()]}
    bars |= {f"sent by {name}": [row["rules"][name]["share"] for row in rows.values()] for name in rules}
    for place, ((title, values), colour) in enumerate(
        zip(bars.items(), (TEXT, *(line["color"] for line in _rule_lines(rules).values())), strict=True)
    ):
        axes.barh(at + height * (place - len(rules) / 2), values, height=0.9 * height, color=colour, label=title)
    axes.set_yticks(at, [f"{name.replace('_', ' ')} ({row['n_exposures']})" for name, row in rows.items()])
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("share", color=TEXT)
    axes.grid(axis="x", color=MUTED, alpha=0.25)
    axes.legend(
        facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1)
    )
    _save(figure, path)


def compared(found: dict, path: Path) -> None:
    """Draw the F1 of each label for each classifier, and the macro F1 last. found : an evaluation's `compare`."""
    names = list(dict.fromkeys(label for own in found.values() for label in own["ccd"]["reasons"]))
    figure, axes = _figure(8, 1.6 + 0.14 * (len(names) + 1) * (len(found) + 1), "F1 of held-out CCDs, by classifier")
    at, height = np.arange(len(names) + 1), 0.84 / len(found)
    for place, (name, own) in enumerate(found.items()):
        rows, colour = own["ccd"]["reasons"], SERIES[place % len(SERIES)]
        values = [rows[label]["f1"] if label in rows else 0.0 for label in names] + [own["ccd"]["macro_f1"]]
        title = f"{name}, macro F1 {own['ccd']['macro_f1']:.3f}"
        shift = height * (place - (len(found) - 1) / 2)
        axes.barh(at + shift, values, height=0.9 * height, color=colour, label=title)
    axes.set_yticks(at, [*(label.replace("_", " ") for label in names), "macro F1"])
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(names) + 0.6)
    axes.invert_yaxis()
    axes.grid(axis="x", color=MUTED, alpha=0.25)
    axes.legend(
        facecolor=PAGE, edgecolor=MUTED, labelcolor=TEXT, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1)
    )
    _save(figure, path)


def numbers(truth: np.ndarray, predicted: np.ndarray, path: Path, *, title: str, unit: str, logarithm: bool) -> None:
    """Draw predicted against true numbers of held-out images or exposures. truth, predicted : (n,) float."""
    figure, axes = _figure(5.4, 5, title)
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=":")
    some = np.random.default_rng(0).permutation(len(truth))[:20_000]
    axes.plot(truth[some], predicted[some], ".", color="#56b4e9", markersize=3, alpha=0.5)
    if logarithm:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlabel(f"true{f', {unit}' if unit else ''}", color=TEXT)
    axes.set_ylabel(f"predicted{f', {unit}' if unit else ''}", color=TEXT)
    axes.grid(color=MUTED, alpha=0.25)
    _save(figure, path)


# Okabe and Ito's colours, for lines that also differ in their markers.
LINES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2", "#e6edf3")
MARKERS = "osD^vPX*"


def label_curve(rows: list[dict], path: Path, *, panels: dict[str, str], title: str = "") -> None:
    """Draw quality against the number of labelled exposures, one panel per measure.

    rows : from `label_curve.summary`. panels : measure -> its title. A method without that measure is left out.
    """
    panels = {name: text for name, text in panels.items() if any(row.get(name) for row in rows)}
    figure = Figure(figsize=(4.3 * len(panels), 4.2), dpi=120, facecolor=PAGE, layout="constrained")
    FigureCanvasAgg(figure)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    every = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (measure, text) in zip(every, panels.items(), strict=True):
        axes.set_facecolor(PAGE)
        axes.set_title(text, color=TEXT, fontsize=10)
        axes.tick_params(colors=MUTED, labelsize=8)
        for side in axes.spines.values():
            side.set_color(MUTED)
        for place, method in enumerate(methods):
            own = [row for row in rows if row["method"] == method and row.get(measure)]
            at = [row["exposures"] for row in own]
            middle = np.array([row[measure]["mean"] for row in own])
            spread = np.array([row[measure]["spread"] for row in own])
            colour, marker = LINES[place % len(LINES)], MARKERS[place % len(MARKERS)]
            axes.plot(at, middle, color=colour, marker=marker, markersize=4, linewidth=1.5, label=method)
            axes.fill_between(at, middle - spread, middle + spread, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        ticks = sorted({row["exposures"] for row in rows})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_ylim(top=1.0)
        axes.set_xlabel("labelled exposures", color=TEXT, fontsize=9)
        axes.grid(color=MUTED, alpha=0.25)
    handles = {}
    for axes in every:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(len(handles), 5),
        fontsize=8,
        facecolor=PAGE,
        edgecolor=MUTED,
        labelcolor=TEXT,
    )
    if title:
        figure.suptitle(title, color=TEXT, fontsize=11)
    _save(figure, path)
