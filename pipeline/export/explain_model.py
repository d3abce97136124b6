"""What a model says about one exposure, why, and what taught the model: read from its stages, as plain values."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.damage import reading
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier.candidates import RULES
from triptych.pipeline.errors import CatalogError
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.reasons import REASONS

DRIVERS = 6  # number of CCDs that are named
ASKED = 3  # for so many of them, the nearest labelled images are shown
NEIGHBOURS = 12
LIKELY_BAD = 0.5
LABEL = ("reasons", "source", "provenance", "basis", "weight")
CHAIN = ("candidates", "prediction", "model", "embedding")


def stages_of(catalog: Catalog, prediction: str | None = None) -> dict[str, Stage]:
    """kind -> stage behind an opinion: the prediction, its parents, and the candidates made from it."""
    name = catalog.info["current"].get("prediction") if prediction is None else prediction
    stage = _open(catalog, "prediction", name)
    if stage is None:
        own = _open(catalog, "embedding", catalog.info["current"].get("embedding"))
        return {"embedding": own} if own else {}
    found: dict[str, Stage | None] = {"prediction": stage}
    for parent in stage.parents:
        found[parent["kind"]] = _open(catalog, parent["kind"], parent["stage_id"])
    found["candidates"] = catalog.made_from("candidates", "prediction", stage.stage_id)
    return {kind: own for kind in CHAIN if (own := found.get(kind)) is not None}


def _open(catalog: Catalog, kind: str, stage_id: str | None) -> Stage | None:
    """A stage; None if it does not exist or cannot be opened."""
    if not stage_id:
        return None
    try:
        return catalog.stage(kind, stage_id, fresh=False)
    except CatalogError:
        return None


def opinion_then(catalog: Catalog, prediction: str, expnum: int) -> dict | None:
    """A short summary of what a prediction stage says (see `scores_of`); None if it is gone or lacks the exposure."""
    stage = _open(catalog, "prediction", prediction)
    rows = _rows(stage, expnum, ["p_good", "exposure_probability"])
    if stage is None or rows.empty:
        return None
    model = next((parent["stage_id"] for parent in stage.parents if parent["kind"] == "model"), "")
    chosen = catalog.made_from("candidates", "prediction", prediction)
    return {"stage": prediction, "model": model} | scores_of(chosen, rows, expnum)


def opinion_of(catalog: Catalog, stages: dict[str, Stage], expnum: int) -> dict | None:
    """What the model says now, and why; None if it has not predicted the exposure.

    The values of `scores_of`; n_ccds; n_likely_bad : CCDs more likely bad than good; drivers : [{ccdname, p_bad,
    reason}], the worst first; neighbours : [{image_id, expnum, ccdname, of_ccdname, distance} and LABEL], the labelled
    images nearest to the worst CCDs, nearest first: their labels, where these come from and rest on, and their weight
    """
    stage = stages.get("prediction")
    wanted = ["image_id", "ccdname", "reason", "p_good", "exposure_probability"]
    wanted += ["neighbour_ids", "neighbour_distances", *(f"p_{name}" for name in REASONS)]
    rows = _rows(stage, expnum, wanted)
    if stage is None or rows.empty:
        return None
    rows = rows.sort_values(["p_good", "image_id"], kind="stable")
    names = [name for name in REASONS if f"p_{name}" in rows]
    best = rows[[f"p_{name}" for name in names]].to_numpy().argmax(axis=1) if names else np.zeros(len(rows), int)
    drivers = [
        {"ccdname": row.ccdname, "p_bad": 1 - row.p_good, "reason": names[place] if names else ""}
        for row, place in zip(rows.head(DRIVERS).itertuples(), best, strict=False)
    ]
    return {
        "stage": stage.stage_id,
        **scores_of(stages.get("candidates"), rows, expnum),
        "n_ccds": len(rows),
        "n_likely_bad": int((rows["p_good"] < 1 - LIKELY_BAD).sum()),
        "drivers": drivers,
        "neighbours": neighbours_of(stages.get("model"), rows, expnum) if "neighbour_ids" in rows else [],
    }


def scores_of(candidates: Stage | None, rows: pd.DataFrame, expnum: int) -> dict:
    """The scores that the model and the candidate rule give an exposure.

    exposure_probability (None if an old stage lacks it) and, if a rule scored the exposure: candidates (stage), rule,
    asks (the rule as text), is_candidate, bad_probability, rank, n_ranked, n_bad_ccds, n_counted, reasons
    """
    chance = float(rows["exposure_probability"].iloc[0]) if "exposure_probability" in rows else None
    scored = _rows(candidates, expnum, None, "exposures_scored")
    if candidates is None or scored.empty:
        return {"exposure_probability": chance, "rule": ""}
    own = scored.iloc[0]
    rule = RULES.get(own["rule"])
    asks = "" if rule is None else f"probability of the exposure above {rule.above:g}"
    if rule is not None and not rule.whole:
        asks = f"{int(rule.needed(own['n_ccds']))} of {own['n_ccds']} CCDs above {rule.above:g}"
    return {
        "exposure_probability": chance,
        "candidates": candidates.stage_id,
        "rule": own["rule"],
        "asks": asks,
        "is_candidate": rule is not None and bool(own["bad_probability"] > rule.above),
        "bad_probability": float(own["bad_probability"]),
        "rank": int(own["rank"]),
        "n_ranked": _count(candidates, "exposures_scored"),
        "n_bad_ccds": int(own["n_bad_ccds"]),
        "n_counted": int(own["n_ccds"]),
        "reasons": [name for name in str(own["reasons"]).split(",") if name],
    }


def neighbours_of(model: Stage | None, rows: pd.DataFrame, expnum: int) -> list[dict]:
    """The labelled images of other exposures that are nearest to the worst rows of a prediction."""
    nearest: dict[int, tuple[float, str]] = {}
    for row in rows.head(ASKED).itertuples():
        for image_id, distance in zip(row.neighbour_ids, row.neighbour_distances, strict=True):
            known = nearest.get(int(image_id))
            if expnum_of(int(image_id)) != expnum and (known is None or distance < known[0]):
                nearest[int(image_id)] = (float(distance), str(row.ccdname))
    labels = labels_of(model, [expnum_of(image_id) for image_id in nearest])
    labels = {row["image_id"]: row for row in labels.to_dict("records")}
    ordered = sorted(nearest.items(), key=lambda item: (item[1][0], item[0]))
    return [
        {name: labels[image_id][name] for name in ("image_id", "expnum", "ccdname", *LABEL)}
        | {"distance": distance, "of_ccdname": of_ccdname}
        for image_id, (distance, of_ccdname) in ordered
        if image_id in labels
    ][:NEIGHBOURS]


def labels_of(model: Stage | None, expnums) -> pd.DataFrame:
    """Rows of a model's training set that belong to some exposures: image_id, expnum, ccdname and LABEL.

    Older models, without weights, have basis '' and weight 1.
    """
    columns = ["image_id", "expnum", "ccdname", *LABEL]
    if model is None or not (model.path / "training.parquet").exists():
        return pd.DataFrame(columns=columns)
    known = [name for name in columns if name in model.columns("training")]
    rows = model.rows_of(sorted(set(expnums)), known, "training").reindex(columns=columns)
    return rows.assign(basis=rows["basis"].fillna(""), weight=rows["weight"].fillna(1.0).astype(float))


def taught_by(model: Stage | None, expnum: int) -> dict | None:
    """What the exposure taught the model: {stage, policy, revision (of the store when it was trained), n_images,
    labels: [LABEL and ccdnames]}, with images of the same label grouped. None without a model."""
    if model is None:
        return None
    rows = labels_of(model, [expnum])
    rows["reasons"] = rows["reasons"].map(tuple)
    groups = rows.groupby(list(LABEL), sort=False, dropna=False)
    labels = [dict(zip(LABEL, key, strict=True)) | {"ccdnames": own["ccdname"].tolist()} for key, own in groups]
    parameters = model.parameters
    about = {"policy": parameters.get("policy", ""), "revision": parameters.get("store_revision")}
    return {"stage": model.stage_id, **about, "n_images": model.info["rows"], "labels": labels}


def chain_of(catalog: Catalog, stages: dict[str, Stage]) -> list[dict]:
    """The stages behind an opinion, the last one made first: kind, stage_id, digest, created, seconds, rows,
    parameters, versions, parents, and current: whether it is the run's current stage."""
    current = catalog.info["current"]
    columns = ("digest", "created", "seconds", "rows", "parameters", "versions", "parents")
    return [
        {"kind": kind, "stage_id": stage.stage_id, "current": current.get(kind) == stage.stage_id}
        | {name: stage.info[name] for name in columns}
        for kind, stage in stages.items()
    ]


def _rows(stage: Stage | None, expnum: int, columns: list[str] | None, name: str = "table") -> pd.DataFrame:
    """The rows of an exposure in a table of a stage, with those columns that exist. Empty without such a table."""
    if stage is None or not (stage.path / f"{name}.parquet").exists():
        return pd.DataFrame()
    known = stage.columns(name)
    return stage.rows_of([expnum], [c for c in columns or known if c in known], name)


def _count(stage: Stage, name: str) -> int:
    path = stage.path / f"{name}.parquet"
    with reading(path):
        return pq.ParquetFile(path).metadata.num_rows
