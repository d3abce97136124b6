"""What a killed retraining leaves: finished stages that never became current. The next retraining removes them.

Before it writes its first stage, a retraining notes which stages exist and which parameters its own will have. The note
is deleted when the pointers have moved, or when a failed retraining has removed its stages itself.
"""

import json
import shutil
from collections.abc import Mapping

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_json
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.retraining.changes import KINDS

NOTE = ".retrain.json"
LOCK = ".retrain.lock"
ALL_KINDS = (*KINDS, "retraining")


def note(catalog: Catalog, parameters: Mapping) -> None:
    """Note which stages exist. parameters : those that the new model stage will have."""
    existing = {kind: [stage.stage_id for stage in catalog.stages(kind)] for kind in ALL_KINDS}
    write_json(catalog.path / NOTE, {"there": existing, "parameters": dict(parameters)})


def forget(catalog: Catalog) -> None:
    """Remove the note, because the retraining has ended and left nothing."""
    (catalog.path / NOTE).unlink(missing_ok=True)


def clear(catalog: Catalog) -> list[str]:
    """Remove and name what a killed retraining has left. Call it only while no other retraining runs."""
    path = catalog.path / NOTE
    for left in catalog.path.glob(f".{NOTE}.*.aside"):
        left.unlink(missing_ok=True)
    if not path.exists():
        return []
    noted = json.loads(path.read_text())
    info = catalog.refresh().info
    used = {(kind, own) for kind, own in info["current"].items()}
    used |= {
        (kind, own) for move in info.get("moves", []) for when in ("from", "to") for kind, own in move[when].items()
    }
    ours = {stage.stage_id for stage in catalog.stages("model") if stage.parameters == noted["parameters"]}
    models = {stage.stage_id: _parent(stage, "model") for stage in catalog.stages("prediction")}
    left = []
    for kind in ALL_KINDS:
        for stage in catalog.stages(kind):
            model = stage.stage_id if kind == "model" else _parent(stage, "model")
            model = model or models.get(_parent(stage, "prediction"), "")
            if model in ours and stage.stage_id not in noted["there"][kind] and (kind, stage.stage_id) not in used:
                left.append(stage)
        locks.clear_unfinished(catalog.path / kind)
    for stage in left:
        shutil.rmtree(stage.path, ignore_errors=True)
    forget(catalog)
    return [f"{stage.kind}/{stage.stage_id}" for stage in left]


def clear_if_idle(catalog: Catalog) -> list[str]:
    """Do the same as `clear`, unless a retraining is running."""
    with locks.try_exclusive(catalog.path / LOCK) as alone:
        return clear(catalog) if alone else []


def _parent(stage: Stage, kind: str) -> str:
    return next((parent["stage_id"] for parent in stage.parents if parent["kind"] == kind), "")
