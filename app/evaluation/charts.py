"""Charts for the page of an evaluation: HoloViews elements with Bokeh, dark and without a toolbar.

Each public function takes a part of an evaluation's metrics and returns a HoloViews element.
"""

import holoviews as hv
import numpy as np
from bokeh.models import HoverTool
from bokeh.themes import Theme

hv.extension("bokeh", logo=False)

PANEL, LINE, TEXT, MUTED = "#161b22", "#30363d", "#e6edf3", "#9da7b3"
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Okabe and Ito's colours differ in every kind of colour vision. The dashes show a line that lies under another one.
COLOURS = ("#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00")
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot", "solid")
# From the colour of the panel through the accent to white; darker is less.
RAMP = ("#161b22", "#17304f", "#1b4a7f", "#2569b3", "#3f8be0", "#7db4f5", "#c3dcfb")
DARK_TEXT_ABOVE = 0.72

THEME = Theme(
    json={
        "attrs": {
            "Plot": {"background_fill_color": PANEL, "border_fill_color": PANEL, "outline_line_color": None},
            "Axis": {
                "axis_label_text_color": MUTED,
                "axis_label_text_font": FONT,
                "axis_label_text_font_size": "12px",
                "axis_label_text_font_style": "normal",
                "major_label_text_color": MUTED,
                "major_label_text_font": FONT,
                "major_label_text_font_size": "11px",
                "axis_line_color": LINE,
                "major_tick_line_color": LINE,
                "minor_tick_line_color": None,
            },
            "Grid": {"grid_line_color": LINE, "grid_line_alpha": 0.6},
            "Legend": {
                "background_fill_color": PANEL,
                "background_fill_alpha": 0.85,
                "border_line_color": None,
                "label_text_color": TEXT,
                "label_text_font": FONT,
                "label_text_font_size": "12px",
                "label_height": 18,
                "glyph_width": 22,
                "padding": 2,
                "spacing": 6,
                "margin": 6,
            },
        }
    }
)
PLAIN = {"toolbar": None, "default_tools": [], "responsive": True, "show_grid": True, "backend": "bokeh"}


def spoken(name: str) -> str:
    """A name with blanks in place of underscores."""
    return name.replace("_", " ")


def _hover(*rows: tuple[str, str]) -> HoverTool:
    return HoverTool(tooltips=list(rows), attachment="horizontal", show_arrow=False)


def confusion(counts: dict, *, height: int = 510) -> hv.Overlay:
    """Confusion matrix: rows are true labels, columns predicted ones. The colour is the share of the row, the text the
    number of images.

    counts : {labels, counts} as in the metrics
    """
    labels = [spoken(name) for name in counts["labels"]]
    values = np.array(counts["counts"]).reshape(len(labels), len(labels))
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    cells = [
        (labels[column], labels[row], shares[row, column], int(values[row, column]))
        for row, column in np.ndindex(values.shape)
    ]
    matrix = hv.HeatMap(
        cells,
        kdims=[hv.Dimension("predicted", values=labels), hv.Dimension("true", values=labels[::-1])],
        vdims=["share", "images"],
    ).opts(
        cmap=list(RAMP),
        clim=(0, 1),
        height=height,
        xrotation=45,
        xlabel="predicted",
        ylabel="true",
        line_color=PANEL,
        line_width=1,
        tools=[
            _hover(
                ("true", "@true"), ("predicted", "@predicted"), ("images", "@images"), ("of this label", "@share{0.0%}")
            )
        ],
        **{**PLAIN, "show_grid": False},
    )
    written = [matrix]
    for bright, colour in ((True, "#0d1117"), (False, TEXT)):
        own = [(x, y, str(n)) for x, y, share, n in cells if n and (share > DARK_TEXT_ABOVE) == bright]
        if own:
            text = hv.Labels(own, kdims=["predicted", "true"], vdims="n")
            written.append(text.opts(text_color=colour, text_font_size="11px", backend="bokeh"))
    return hv.Overlay(written)


def reliability(curves: dict[str, dict], *, xlabel: str, ylabel: str, height: int = 420) -> hv.Overlay:
    """Stated probability against the share for which it is true. curves : title -> a calibration with its `bins`

    The area of a mark grows with the number of images or exposures in its bin.
    """
    drawn = [hv.Curve([(0, 0), (1, 1)]).opts(color=MUTED, line_dash="dotted", line_width=1, backend="bokeh")]
    hover = [("stated", "@stated{0.00}"), ("holds", "@holds{0.00}"), ("n", "@n{0,0}")]
    for place, (title, own) in enumerate(curves.items()):
        # a bin with few members is small, because it tells little
        rows = [
            (row["mean_probability"], row["share_right"], row["n"], 4 + 14 * (row["n"] / max(own["n"], 1)) ** 0.5)
            for row in own["bins"]
        ]
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        drawn.append(
            hv.Curve([row[:2] for row in rows], "stated", "holds", label=title).opts(
                color=colour, line_dash=dash, backend="bokeh"
            )
        )
        marks = hv.Points(rows, ["stated", "holds"], ["n", "size"])
        drawn.append(marks.opts(color=colour, size="size", tools=[_hover(*hover)], backend="bokeh"))
    return _square(hv.Overlay(drawn), xlabel, ylabel, height)


def precision_recall(rules: dict[str, dict], *, height: int = 460) -> hv.Overlay:
    """Precision against recall for each rule. A filled mark is the rule's own cut, an open one the best threshold."""
    drawn = []
    hover = [("recall", "@recall{0.000}"), ("precision", "@precision{0.000}"), ("threshold", "@threshold{0.000}")]
    for place, (name, row) in enumerate(rules.items()):
        curve, colour = row["curve"], COLOURS[place % len(COLOURS)]
        points = list(zip(curve["recall"], curve["precision"], curve["threshold"], strict=True))
        points = [(0.0, points[0][1], points[0][2]), *points] if points else []
        title = spoken(name)
        line = hv.Curve(points, "recall", ["precision", "threshold"], label=title)
        drawn.append(
            line.opts(color=colour, line_dash=DASHES[place % len(DASHES)], line_width=2, tools=[_hover(*hover)])
        )
    for place, row in enumerate(rules.values()):
        colour, best = COLOURS[place % len(COLOURS)], row["best"]
        cut = hv.Points([(row["recall"], row["precision"], row["n_candidates"])], ["recall", "precision"], "sent")
        said = [("its own cut", "recall @recall{0.000}, precision @precision{0.000}"), ("sent", "@sent")]
        drawn.append(cut.opts(color=colour, size=11, line_color=PANEL, tools=[_hover(*said)]))
        at = hv.Points([(best["recall"], best["precision"], best["threshold"])], ["recall", "precision"], "threshold")
        said = [("best threshold", "@threshold{0.000}"), *hover[:2]]
        drawn.append(
            at.opts(color=PANEL, fill_alpha=0, size=15, line_color=colour, line_width=2, tools=[_hover(*said)])
        )
    return _square(hv.Overlay(drawn), "recall", "precision", height)


def _square(overlay: hv.Overlay, xlabel: str, ylabel: str, height: int) -> hv.Overlay:
    """The overlay with axes from 0 to 1, a small margin, and the legend above."""
    return overlay.opts(
        hv.opts.Overlay(
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
            xlabel=xlabel,
            ylabel=ylabel,
            height=height,
            legend_position="top",
            legend_cols=4,
            **PLAIN,
        )
    )
