"""A model on an embedding that is newer than the one it was taught on, as when exposures came since."""

from collections.abc import Callable

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage


def predict(catalog: Catalog, vectors: Stage, model: Stage, *, progress: Callable | None = None) -> Stage:
    """Predict an embedding by a model that may have been taught on an earlier one; the stage, made current.

    The stage that the same two gave before is taken as it is.
    """
    parents = [(stage.kind, stage.stage_id, stage.digest) for stage in (vectors, model)]
    for stage in reversed(catalog.stages("prediction")):
        if [(own["kind"], own["stage_id"], own["digest"]) for own in stage.parents] == parents:
            if catalog.info["current"].get("prediction") != stage.stage_id:
                catalog.make_current(stage)
            return stage
    # learners are slow to import, and most who ask about models never predict
    from triptych.pipeline.classifier.model_files import read_model
    from triptych.pipeline.classifier.predict import predicted_blocks, write_prediction

    blocks = predicted_blocks(read_model(model), vectors.array(), vectors.table("keys"), progress=progress)
    return write_prediction(catalog, vectors, model, blocks)


def comparable(one: Stage, other: Stage) -> bool:
    """Whether two embeddings are of the same backbone, so that what was taught on one can answer on the other."""
    return _backbone(one) == _backbone(other)


def _backbone(stage: Stage) -> tuple:
    return (stage.parameters.get("digest") or stage.parameters.get("backbone"), stage.array().shape[1])
