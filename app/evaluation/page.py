"""An evaluation as one HTML file with all its charts, tables, scripts and style.

The page loads nothing from elsewhere, so you can mail it, archive it with a data release, or open it from a disk.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bokeh.embed import components
from bokeh.util.paths import bokehjs_path
from holoviews import render
from jinja2 import Environment, FileSystemLoader, select_autoescape

from triptych.app import palette
from triptych.app.evaluation import charts
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier.candidates import RULES
from triptych.pipeline.errors import BadInput
from triptych.pipeline.evaluation.report_text import CALIBRATED, compared_rows
from triptych.pipeline.reasons import GOOD, REASONS

PAGES = Path(__file__).resolve().parents[2] / "static"
NAME = "evaluation.html"


def write_pages(evaluation_stage: Stage, folder: str | Path) -> Path:
    """Write an evaluation stage as `evaluation.html` into a folder, and return the path of the file.

    The folder is made if it does not exist. Raises BadInput if it is a file, or if the evaluation is too old.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file; name a folder for the pages")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    path.write_text(page(evaluation_stage), encoding="utf-8")
    return path


def page(stage: Stage) -> str:
    """The page of an evaluation stage, as HTML."""
    metrics = stage.json("metrics")
    if "suspicious" not in metrics:
        raise BadInput(f"evaluation/{stage.stage_id} is of an older kind; run `triptych evaluate` again")
    in_order(metrics)
    script, divs = components(
        {name: render(chart, backend="bokeh") for name, chart in drawings(metrics).items()}, theme=charts.THEME
    )
    environment = Environment(loader=FileSystemLoader(PAGES), autoescape=select_autoescape(), trim_blocks=True)
    environment.filters["spoken"] = charts.spoken
    return environment.get_template("evaluation/evaluation.html").render(
        stage=stage,
        metrics=metrics,
        rule=metrics["exposure"]["rule"],
        rules=metrics["exposure"]["rules"],
        intervals=intervals(metrics["spread"]["figures"], metrics["exposure"]["rules"]),
        colours=palette.REASON_COLOURS,
        unknown=palette.UNLABELLED,
        lines=charts.COLOURS,
        reasons=reason_rows(metrics["ccd"]),
        alarms=alarm_rows(metrics["suspicious"]),
        compared=compared_rows(metrics["compare"], metrics["exposure"]["rule"]) if "compare" in metrics else {},
        # Only BokehJS. Panel's scripts, which HoloViews would add, ask for further files.
        library=(bokehjs_path() / "js" / "bokeh.min.js").read_text(encoding="utf-8"),
        script=script,
        divs=divs,
    )


def in_order(metrics: dict) -> None:
    """Sort reasons and rules in the order in which the program lists them, and put the classifier before its rivals.

    The JSON of a stage is sorted by key, so this order is lost in it. The metrics are changed in place.
    """
    for found in _every(metrics):
        for key, names in (
            ("reasons", (*REASONS, GOOD)),
            ("by_reason", REASONS),
            ("surviving", (*REASONS, GOOD)),
            ("rules", RULES),
            ("compare", (metrics["classifier"],)),
            ("survey_ccds", RULES),
        ):
            if isinstance(found.get(key), dict):
                own = found[key]
                found[key] = {name: own[name] for name in sorted(own, key=partial(_place, tuple(names)))}


def _every(value) -> Iterator[dict]:
    """A dict and every dict inside it."""
    if isinstance(value, dict):
        yield value
        for own in list(value.values()):
            yield from _every(own)


def _place(names: tuple[str, ...], name: str) -> tuple[int, str]:
    return (names.index(name) if name in names else len(names), name)


def drawings(metrics: dict) -> dict:
    """Name -> chart, for all charts of the page."""
    rules = metrics["exposure"]["rules"]
    ccd = {CALIBRATED[name]: own for name, own in metrics["ccd"]["reliability"].items()}
    exposures = {charts.spoken(name): row["calibration"] for name, row in rules.items()}
    return {
        "confusion": charts.confusion(metrics["ccd"]["confusion"]),
        "curves": charts.precision_recall(rules),
        "ccd_reliability": charts.reliability(ccd, xlabel="stated probability", ylabel="share that was right"),
        "exposure_reliability": charts.reliability(exposures, xlabel="bad_probability", ylabel="share that is bad"),
    }


def reason_rows(ccd: dict) -> list[dict]:
    """One row per label for the table of reasons: figures without a cut, and at the first probability cut if there is
    one."""
    cut = next(iter(ccd["cuts"].values()), None)
    rows = []
    for name, row in [*ccd["reasons"].items(), ("any reason", ccd["bad"])]:
        above = (cut["bad"] if name == "any reason" else cut["reasons"].get(name)) if cut else None
        survive = cut["share"] if name == "any reason" and cut else cut["surviving"].get(name, 0.0) if cut else 0.0
        rows.append({"name": name, **row, "above_f1": above["f1"] if above else 0.0, "survive": survive})
    return rows


def intervals(found: dict, rules: dict) -> dict[str, dict]:
    """The intervals in order: those of the CCDs' figures first, then those of each rule."""
    names = ["macro_f1", "bad_f1", *(f"{rule}.{key}" for rule in rules for key in ("precision", "recall", "best"))]
    return {name: found[name] for name in names if name in found}


def alarm_rows(found: dict) -> dict[str, dict]:
    """Kind of good exposure -> its row. The rows of all suspicious and of the plain ones come last."""
    together = {"any suspicious": found["any"]} if found["kinds"] else {}
    return {**found["kinds"], **together, "plain good": found["plain"]}
