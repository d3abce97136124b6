"""All models of a run, which of them is in use, and how to use another one: pointers move, and nothing is deleted.

The log of moves is in `run.json` beside the pointers and is written in the same step, so the two always match. It only
grows.
"""

from collections.abc import Callable, Mapping

from triptych.pipeline import clock
from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.catalog.transaction import Draft
from triptych.pipeline.classifier import candidates
from triptych.pipeline.classifier.predict_newer import comparable, predict
from triptych.pipeline.errors import CatalogError, StageMissing, choose
from triptych.pipeline.retraining.changes import KINDS

MOVES_LOCK = ".moves.lock"
FIGURES = ("precision", "recall", "f1")


def point(catalog: Catalog, stages: Mapping[str, Stage | str], *, by: str = "", why: str = "") -> None:
    """Make stages of several kinds current in one step, and note who did it, when and why.

    stages : kind -> Stage or stage id; '' = none.
    """
    ids = {kind: stage.stage_id if isinstance(stage, Stage) else str(stage) for kind, stage in stages.items()}
    with locks.wait_turn(catalog.path / MOVES_LOCK):
        catalog.refresh()
        was = {kind: catalog.info["current"].get(kind, "") for kind in ids}
        move = {"utc": clock.utc(), "by": by, "why": why, "from": was, "to": ids}
        catalog.set_info(current=ids, moves=[*catalog.info.get("moves", []), move])


def moves(catalog: Catalog) -> list[dict]:
    """All moves of the pointers, oldest first: utc, by, why, from and to (kind -> stage id)."""
    return list(catalog.refresh().info.get("moves", []))


def models(catalog: Catalog) -> list[dict]:
    """All models of the run, newest first, as plain values.

    model, prediction, candidates, retraining : stage ids, '' = none. created, seconds (that the fit took), classifier,
    policy, store_revision, rule.
    taught : counts of its training set. current : whether the run uses it. behind : whether it only has to predict new
    exposures before it can be used. problem : why it cannot be used, '' if it can. figures : {precision, recall, f1} of
    exposures with value, low, high (or None), n and kinds, as measured when it or its successor was trained; {} if that
    never happened.
    """
    catalog.refresh()
    current = catalog.info["current"]
    predictions = _made_from(catalog, "prediction", "model")
    chosen = _made_from(catalog, "candidates", "prediction")
    measured = _measured(catalog)
    rule = _rule_in_use(catalog)
    found = []
    for stage in reversed(catalog.stages("model")):
        made = predictions.get(stage.stage_id, [])
        on_this = [one for one in made if _parent_id(one, "embedding") == current.get("embedding")]
        prediction = _newest(on_this or made, current.get("prediction"))
        own = chosen.get(prediction.stage_id, []) if prediction else []
        same_rule = [one for one in own if one.parameters.get("rule") == rule]
        own_candidates = _newest(same_rule or own, current.get("candidates"))
        figures = measured.get((stage.stage_id, prediction.stage_id if prediction else ""), {})
        found.append(
            {
                "model": stage.stage_id,
                "prediction": prediction.stage_id if prediction else "",
                "candidates": own_candidates.stage_id if own_candidates else "",
                "retraining": figures.get("retraining", ""),
                "created": stage.info["created"],
                "seconds": float(stage.info.get("seconds", 0)),
                "classifier": stage.parameters.get("classifier", stage.name),
                "policy": stage.parameters.get("policy", ""),
                "store_revision": stage.parameters.get("store_revision"),
                "rule": own_candidates.parameters.get("rule", "") if own_candidates else "",
                "n_candidates": own_candidates.info["rows"] if own_candidates else None,
                "taught": _taught(stage),
                "current": bool(prediction)
                and current.get("model") == stage.stage_id
                and current.get("prediction") == prediction.stage_id,
                "behind": bool(made) and not on_this and _same_vectors(catalog, stage),
                "problem": _problem(catalog, stage, prediction, own_candidates),
                "figures": figures.get("figures", {}),
            }
        )
    return found


def model_of(catalog: Catalog, prediction_id: str) -> str:
    """The id of the model that made a prediction; '' if it is unknown."""
    for stage in catalog.stages("prediction"):
        if stage.stage_id == prediction_id:
            return _parent_id(stage, "model")
    return ""


def use(catalog: Catalog, model: str, *, by: str = "", why: str = "chosen", progress: Callable | None = None) -> dict:
    """Make an earlier or later model current, with its prediction and candidates. Return its row of `models`.

    progress : if given, a model that is behind first predicts the new exposures, which may take minutes. Open pages
    keep what they show until their users switch. StageMissing or CatalogError if the model cannot be used.
    """
    known = {row["model"]: row for row in models(catalog)}
    if not known:
        raise StageMissing(f"{catalog.name} has no model yet; run `triptych train {catalog.path}`")
    row = known[choose(model, known, "model")]
    if row["behind"] and progress:
        row |= _caught_up(catalog, row, progress)
    elif row["problem"]:
        raise CatalogError(f"model {model} cannot be used: {row['problem']}")
    for kind in KINDS:
        catalog.stage(kind, row[kind], fresh=False)  # raises if a stage or one of its parents has changed
    if not row["current"]:
        point(catalog, {name: row[name] for name in (*KINDS, "retraining")}, by=by, why=why)
    return row | {"current": True}


def _caught_up(catalog: Catalog, row: dict, progress: Callable) -> dict:
    """Let a model predict exposures that are new to it.

    Return its prediction and candidates, which are not current yet.
    """
    draft = Draft.of(catalog)
    draft.set_info(current={"model": row["model"]})
    model = draft.stage("model", fresh=False)
    prediction = predict(draft, draft.stage("embedding"), model, progress=progress)
    chosen = candidates.find(draft, rule=row["rule"] or candidates.DEFAULT)
    return {"prediction": prediction.stage_id, "candidates": chosen.stage_id}


def _problem(catalog: Catalog, model: Stage, prediction: Stage | None, chosen: Stage | None) -> str:
    embedding = catalog.info["current"].get("embedding", "")
    if not _same_vectors(catalog, model):
        return (
            f"it was trained on embedding/{_parent_id(model, 'embedding')}, but the run now has embedding/{embedding} "
            "of another backbone; run `triptych retrain` to train on that one"
        )
    if prediction is None:
        return "it has predicted nothing, or its prediction is gone; run `triptych train` and `triptych predict` again"
    if embedding and _parent_id(prediction, "embedding") != embedding:
        return "it has not predicted the newest exposures; `triptych models use RUN MODEL` predicts them, then uses it"
    if chosen is None:
        return f"prediction/{prediction.stage_id} has no candidates; run `triptych retrain` to get a complete model"
    return ""


def _same_vectors(catalog: Catalog, model: Stage) -> bool:
    """Whether a model was trained on the run's embedding, or on an earlier one of the same backbone."""
    embedding, own = catalog.info["current"].get("embedding", ""), _parent_id(model, "embedding")
    known = {stage.stage_id: stage for stage in catalog.stages("embedding")}
    if not embedding or own == embedding:
        return True
    return own in known and embedding in known and comparable(known[own], known[embedding])


def _made_from(catalog: Catalog, kind: str, parent: str) -> dict[str, list[Stage]]:
    """Stage id of the parent -> stages of a kind that were made from it, oldest first."""
    digests = {stage.stage_id: stage.digest for stage in catalog.stages(parent)}
    found: dict[str, list[Stage]] = {}
    for stage in catalog.stages(kind):
        for one in stage.parents:
            if one["kind"] == parent and digests.get(one["stage_id"]) == one["digest"]:
                found.setdefault(one["stage_id"], []).append(stage)
    return found


def _parent_id(stage: Stage, kind: str) -> str:
    return next((parent["stage_id"] for parent in stage.parents if parent["kind"] == kind), "")


def _newest(stages: list[Stage], wanted: str | None) -> Stage | None:
    """The stage with the wanted id if there is one, else the newest; None if there are none."""
    named = [stage for stage in stages if stage.stage_id == wanted]
    return (named or stages)[-1] if stages else None


def _rule_in_use(catalog: Catalog) -> str:
    current = catalog.info["current"].get("candidates")
    return next((s.parameters.get("rule", "") for s in catalog.stages("candidates") if s.stage_id == current), "")


def _taught(model: Stage) -> dict:
    """Counts of a model's training set; {} if it has no report."""
    try:
        return model.json("report") or {}
    except FileNotFoundError:
        return {}


def _measured(catalog: Catalog) -> dict[tuple[str, str], dict]:
    """(model, prediction) -> figures of exposures, and the retraining that made them ('' if none did)."""
    found: dict[tuple[str, str], dict] = {}
    for stage in catalog.stages("retraining"):
        report = stage.json("report")
        measured = report.get("metrics") or {}
        for when in ("before", "after"):
            ids = report[when]
            figures = {name: (measured.get("exposure", {}).get(name) or {}).get(when) for name in FIGURES}
            key = (ids.get("model", ""), ids.get("prediction", ""))
            if when == "before" and found.get(key, {}).get("retraining"):
                continue
            own = {"figures": {**figures, "n": measured.get("n", 0), "kinds": measured.get("kinds", {})}}
            first = found.get(key, {}).get("retraining", "")
            found[key] = own | {"retraining": first or (stage.stage_id if when == "after" else "")}
    return found
