"""Applies a model to an embedding that is newer than the one it was fitted on, because new exposures have come."""

from collections.abc import Callable

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage


def predict(catalog: Catalog, vectors: Stage, model: Stage, *, progress: Callable | None = None) -> Stage:
    """Predict an embedding with a model that may have been fitted on an earlier one; make the stage current, return it.

    If a stage from the same embedding and model exists, it is used.
    """
    parents = [(stage.kind, stage.stage_id, stage.digest) for stage in (vectors, model)]
    for stage in reversed(catalog.stages("prediction")):
        if [(own["kind"], own["stage_id"], own["digest"]) for own in stage.parents] == parents:
            if catalog.info["current"].get("prediction") != stage.stage_id:
                catalog.make_current(stage)
            return stage
    # imported here: the learners are slow to import, and most callers of this module never predict
    from triptych.pipeline.classifier.model_files import read_model
    from triptych.pipeline.classifier.predict import predicted_blocks, write_prediction

    blocks = predicted_blocks(read_model(model), vectors.array(), vectors.table("keys"), progress=progress)
    return write_prediction(catalog, vectors, model, blocks)


def comparable(one: Stage, other: Stage) -> bool:
    """Whether two embeddings have the same backbone, so that a model fitted on one can be used on the other."""
    return _backbone(one) == _backbone(other)


def _backbone(stage: Stage) -> tuple:
    return (stage.parameters.get("digest") or stage.parameters.get("backbone"), stage.array().shape[1])
