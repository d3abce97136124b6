"""Probes an embedding: what a simple model can read from it, on exposures that did not teach the model.

`probe` holds out whole exposures in folds, fits a probe to the others, and writes a stage: predictions of the held-out
images, figures, plots, and a probe that was fitted to all labelled images. Targets: see `probe_targets`. Models: see
`probe_models`. Quality against the number of labels: see `label_curve`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import choose
from triptych.pipeline.evaluation import label_curve, plots
from triptych.pipeline.evaluation.evaluate import folds_of
from triptych.pipeline.evaluation.probe_metrics import figures, truth_of
from triptych.pipeline.evaluation.probe_models import KINDS, LEVELS, Probe, ask_probe, check_installed, fit_probe
from triptych.pipeline.evaluation.probe_targets import Target, read_target

FOLDS = 5
# kind -> default level
USUAL_LEVEL = {"linear": "ccd", "attentive": "exposure"}
PANELS = {
    "ccd_macro_f1": "CCDs: macro F1 of the reasons",
    "ccd_bad_f1": "CCDs: F1 of bad",
    "exposure_bad_f1": "exposures: F1 of bad",
    "ccd_r2": "CCDs: R2",
    "exposure_r2": "exposures: R2",
}


def held_out(
    vectors: np.ndarray,
    keys: pd.DataFrame,
    target: Target,
    *,
    kind: str = "linear",
    level: str = "ccd",
    camera: str = "decam",
    folds: int = FOLDS,
    seed: int = 0,
    progress: Callable | None = None,
) -> pd.DataFrame:
    """Predict every known image (or exposure) by a probe that its exposure did not teach.

    vectors : (n, dim) in the order of `keys`. Returns the columns of `ask_probe` with `true` (a list of labels, or a
    number) and `fold`, sorted by image_id (or expnum).
    """
    groups = folds_of(target.strata(), folds, seed)
    found = []
    for fold, held in enumerate(groups):
        if progress:
            progress(fold, len(groups), "folds")
        teach = target.of(np.setdiff1d(target.table.expnum, held))
        probe = fit_probe(vectors, keys, teach, kind=kind, level=level, camera=camera, seed=seed)
        is_held_out = keys.expnum.isin(held).to_numpy()
        found.append(ask_probe(probe, vectors[is_held_out], keys[is_held_out]).assign(fold=fold))
    table = pd.concat(found, ignore_index=True)
    if level == "ccd":
        table = table[table.image_id.isin(target.table.image_id)]
    table = table.sort_values("image_id" if level == "ccd" else "expnum", ignore_index=True)
    true = truth_of(target, table, level)
    if progress:
        progress(len(groups), len(groups), "folds")
    return table.assign(true=[list(own) for own in true] if target.labels else true)


def probe(
    catalog: Catalog,
    store,
    *,
    target: str = "reasons",
    kind: str = "linear",
    level: str | None = None,
    folds: int = FOLDS,
    curve: bool = False,
    sizes: tuple[int, ...] = label_curve.SIZES,
    draws: int = label_curve.DRAWS,
    methods: tuple[str, ...] = label_curve.METHODS,
    policy: str = "majority",
    seed: int = 0,
    progress: Callable | None = None,
) -> dict:
    """Probe the current embedding, write a probe stage with plots, and return its metrics.

    target : reasons, bad, seeing, sky, airmass, exptime, or a numeric column of the run's tables. level : ccd or
    exposure; by default ccd for a linear probe and exposure for an attentive one. curve : also measure quality against
    the number of labelled exposures, with `methods`, at `sizes`, in `draws` draws.
    """
    choose(kind, KINDS, "kind of probe")
    check_installed(kind, *(label_curve.PROBES[name][0] for name in methods if curve and name in label_curve.PROBES))
    level = choose(level, LEVELS, "level of a probe") if level else USUAL_LEVEL[kind]
    embedding = catalog.stage("embedding")
    vectors, keys = embedding.array(), embedding.table("keys")
    labelled = read_target(catalog, store, target, keys, policy=policy)
    options = {"kind": kind, "level": level, "camera": catalog.camera, "seed": seed}
    table = held_out(vectors, keys, labelled, folds=folds, progress=progress, **options)
    fitted = fit_probe(vectors, keys, labelled, **options)
    known = labelled.table
    metrics = {
        "target": {
            "name": target,
            "unit": labelled.unit,
            "logarithm": labelled.logarithm,
            "labels": list(labelled.labels),
        },
        "probe": {"kind": kind, "level": level, "chosen": fitted.chosen},
        **figures(labelled, table, level),
        "split": {
            "by": "exposure",
            "folds": int(table.fold.nunique()),
            "exposures": int(known.expnum.nunique()),
            "images": len(known),
            "seed": seed,
        },
        "embedding": embedding.stage_id,
    }
    rows = None
    if curve:
        rows = label_curve.label_curve(
            vectors,
            keys,
            labelled,
            methods=methods,
            sizes=sizes,
            draws=draws,
            camera=catalog.camera,
            seed=seed,
            progress=progress,
        )
        metrics["curve"] = label_curve.summary(rows)
    parameters = {"target": target, "kind": kind, "level": level, "policy": policy, "seed": seed}
    with catalog.new_stage("probe", f"{kind}-{target}", parents=[embedding], parameters=parameters) as writer:
        writer.write_json(metrics, "metrics")
        writer.write_table(table)
        writer.write_json(fitted.settings(), "probe")
        # the name of an array must not be `allow_pickle`, a parameter of savez
        np.savez(writer.folder / "weights.npz", **fitted.weights)  # pyright: ignore[reportArgumentType]
        if rows is not None:
            writer.write_table(rows, "curve")
        _draw(metrics, labelled, table, level, writer.folder)
    return {**metrics, "stage": writer.stage.stage_id}


def read_probe(stage: Stage) -> Probe:
    """Read the probe of a stage, to use `ask_probe` on other images of the same backbone."""
    settings = stage.json("probe")
    path = stage.path / "weights.npz"
    with reading(path), np.load(path, allow_pickle=False) as stored:
        weights = {name: stored[name] for name in stored.files}
    return Probe(**{**settings, "labels": tuple(settings["labels"])}, weights=weights)


def _draw(metrics: dict, target: Target, table: pd.DataFrame, level: str, folder: Path) -> None:
    title_start = "CCDs of held-out exposures" if level == "ccd" else "Held-out exposures"
    own = metrics[level]
    if target.labels:
        plots.confusion(
            own["confusion"], folder / "confusion.png", f"{title_start}: true label by row, predicted by column"
        )
        plots.reasons(own["reasons"], folder / "reasons.png", f"{title_start}, per label")
        plots.reliability(own["reliability"], folder / "reliability.png")
    else:
        title = f"{title_start}: {target.name}, R2 {own['r2']:.2f}"
        truth, predicted = table.true.to_numpy(float), table.predicted.to_numpy(float)
        path = folder / "numbers.png"
        plots.numbers(truth, predicted, path, title=title, unit=target.unit, logarithm=target.logarithm)
    if "curve" in metrics:
        title = f"{target.name}: quality against labels"
        plots.label_curve(metrics["curve"], folder / "curve.png", panels=PANELS, title=title)


def as_text(metrics: dict) -> str:
    """The figures as text for a terminal."""
    target, split, model = metrics["target"], metrics["split"], metrics["probe"]
    lines = [
        f"{model['kind']} probe of {target['name']}, asked per {model['level']}, on {metrics['embedding']}: "
        f"{split['images']} images of {split['exposures']} exposures, {split['folds']} folds of exposures"
    ]
    for level, name in (("ccd", "CCDs"), ("exposure", "exposures")):
        own = metrics.get(level)
        if own and "r2" in own:
            unit = "dex" if target["logarithm"] else target["unit"]
            lines.append(
                f"{name:<10} R2 {own['r2']:.3f}  RMSE {own['rmse']:.3g} {unit}  rank {own['rank']:.3f}  n {own['n']}"
            )
        elif own:
            bad = own["bad"]
            text = f"{name:<10} macro F1 {own['macro_f1']:.3f}  accuracy {own['accuracy']:.3f}  bad: precision "
            text += f"{bad['precision']:.3f} recall {bad['recall']:.3f} F1 {bad['f1']:.3f}  n {own['n']}"
            cut_free = own.get("average_precision")
            lines.append(text + (f"  average precision {cut_free:.3f}" if cut_free is not None else ""))
    if metrics.get("curve"):
        lines += ["", *curve_lines(metrics["curve"])]
    return "\n".join(lines)


def curve_lines(rows: list[dict]) -> list[str]:
    """A summary of `label_curve` as a Markdown table: mean and, with more than one draw, spread."""
    measures = [name for name in (*label_curve.MEASURES, *label_curve.NUMBER_MEASURES) if name in rows[0]]
    lines = [
        "| method | labelled exposures | " + " | ".join(name.replace("_", " ") for name in measures) + " |",
        "| --- | ---: |" + " ---: |" * len(measures),
    ]
    for row in rows:
        cells = [_cell(row[name], row["draws"]) for name in measures]
        lines.append(f"| {row['method']} | {row['exposures']} | " + " | ".join(cells) + " |")
    return lines


def _cell(value: dict | None, draws: int) -> str:
    if not value:
        return ""
    return f"{value['mean']:.3f}" + (f" ± {value['spread']:.3f}" if draws > 1 else "")
