"""Quality against the number of labels: how many exposures must be judged before a method is good enough.

Exposures that teach are drawn at random: 5, 10, 20 and so on, up to all. Each draw is an order, so smaller sets are
part of larger ones. Every method learns from the same sets and is asked about the same exposures, which never teach.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from triptych.pipeline.classifier import train
from triptych.pipeline.errors import BadInput, LabelError, choose
from triptych.pipeline.evaluation import probe_models
from triptych.pipeline.evaluation.evaluate import folds_of
from triptych.pipeline.evaluation.probe_metrics import figures
from triptych.pipeline.evaluation.probe_targets import REASONS_TARGET, Target
from triptych.pipeline.reasons import GOOD

SIZES = (5, 10, 20, 40, 80, 160, 320, 640)
DRAWS = 3
HELD_PARTS = 3  # one of so many parts of the exposures is held out
# name -> kind and level of a probe; any other name is a classifier
PROBES: dict[str, tuple[str, str]] = {
    "linear": ("linear", "ccd"),
    "attentive": ("attentive", "ccd"),
    "linear of exposures": ("linear", "exposure"),
    "attentive of exposures": ("attentive", "exposure"),
}
METHODS = ("knn", *PROBES)
MEASURES = ("ccd_macro_f1", "ccd_bad_f1", "exposure_macro_f1", "exposure_bad_f1", "exposure_average_precision")
NUMBER_MEASURES = ("ccd_r2", "exposure_r2")


def label_curve(
    vectors: np.ndarray,
    keys: pd.DataFrame,
    target: Target,
    *,
    methods: Sequence[str] = METHODS,
    sizes: Sequence[int] = SIZES,
    draws: int = DRAWS,
    held=None,
    camera: str = "decam",
    seed: int = 0,
    progress: Callable | None = None,
) -> pd.DataFrame:
    """Measure every method for every size and draw.

    vectors : (n, dim) in the order of `keys`. methods : names in PROBES, or of classifiers (only for the target
    `reasons`). sizes : numbers of exposures that teach. Too large ones are left out, and all exposures is always the
    last size, with one draw. held : exposures to ask about; by default a third of them.
    Returns `method, exposures, draw, images` and MEASURES or NUMBER_MEASURES, NaN if a method does not give a measure.
    BadInput if no method fits the target, LabelError with too few labelled exposures.
    """
    for method in methods:
        choose(method, (*PROBES, *train.CLASSIFIERS), "method")
    methods = [method for method in methods if target.name == REASONS_TARGET or method in PROBES]
    if not methods or draws < 1:
        raise BadInput(f"{target.name} can be learned by {', '.join(PROBES)}; name one of them, with at least one draw")
    held = folds_of(target.strata(), HELD_PARTS, seed)[0] if held is None else np.unique(held)
    pool = np.setdiff1d(target.table.expnum, held)
    if len(pool) < 2 or not target.table.expnum.isin(held).any():
        raise LabelError(f"{len(pool)} labelled exposures are left to teach, but two are needed; label more of them")
    sizes = [size for size in sorted(set(sizes)) if 2 <= size < len(pool)] + [len(pool)]
    orders = [_drawn(target.of(pool), [seed, draw]) for draw in range(draws)]
    is_held_out = keys.expnum.isin(held).to_numpy()
    rows, total = [], len(methods) * ((len(sizes) - 1) * draws + 1)
    for draw, order in enumerate(orders):
        for size in sizes if draw == 0 else sizes[:-1]:
            teach = target.of(order[:size])
            for method in methods:
                if progress:
                    progress(len(rows), total, f"{method}, {size} exposures")
                table, level = _predicted(method, vectors, keys, teach, is_held_out, camera, seed + draw)
                found = figures(target.of(held), table, level)
                rows.append(
                    {"method": method, "exposures": size, "draw": draw, "images": len(teach.table)} | _flat(found)
                )
    if progress:
        progress(total, total, "label curve")
    return pd.DataFrame(rows)


def _drawn(target: Target, seed: list[int]) -> np.ndarray:
    """Exposures in random order. The first two are one bad and one good, because one kind alone teaches nothing."""
    exposures = target.exposures()
    order = np.random.default_rng(seed).permutation(exposures.expnum.to_numpy())
    if target.labels:
        is_good = exposures.set_index("expnum").value.map(lambda own: own == (GOOD,)).loc[order].to_numpy()
        other = np.flatnonzero(is_good != is_good[0])
        if len(other):
            order[[1, other[0]]] = order[[other[0], 1]]
    return order


def summary(curve: pd.DataFrame) -> list[dict]:
    """Mean and spread (standard deviation over draws) of every measure, one row per method and size."""
    measures = [name for name in (*MEASURES, *NUMBER_MEASURES) if name in curve]
    rows = []
    for (method, size), own in curve.groupby(["method", "exposures"], sort=False):
        row = {"method": method, "exposures": int(size), "draws": len(own), "images": float(own.images.mean())}
        for name in measures:
            values = own[name].dropna()
            spread = float(values.std()) if len(values) > 1 else 0.0
            row[name] = {"mean": float(values.mean()), "spread": spread} if len(values) else None
        rows.append(row)
    return rows


def _predicted(method, vectors, keys, teach: Target, asked, camera: str, seed: int) -> tuple[pd.DataFrame, str]:
    """Predictions of every embedded CCD (or exposure) in `asked`, and whether they are of CCDs or exposures."""
    if method in PROBES:
        kind, level = PROBES[method]
        probe = probe_models.fit_probe(vectors, keys, teach, kind=kind, level=level, camera=camera, seed=seed)
        return probe_models.ask_probe(probe, vectors[asked], keys[asked]), level
    taught = teach.table.rename(columns={"value": "reasons"}).assign(source="", provenance="truth")
    model = train.learn(vectors, keys, taught, {}, classifier=method, camera=camera, seed=seed)
    return train.predict_images(model, vectors[asked], keys[asked].reset_index(drop=True)), "ccd"


def _flat(found: dict) -> dict:
    """The measures of `figures` as one flat row."""
    row = {}
    for level in ("ccd", "exposure"):
        own = found.get(level)
        if "r2" in found["exposure"]:
            row[f"{level}_r2"] = own["r2"] if own else np.nan
            continue
        row[f"{level}_macro_f1"] = own["macro_f1"] if own else np.nan
        row[f"{level}_bad_f1"] = own["bad"]["f1"] if own else np.nan
    if "average_precision" in found["exposure"]:
        row["exposure_average_precision"] = found["exposure"]["average_precision"]
    return row
