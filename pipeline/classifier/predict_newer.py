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
    from triptych.pipeline.classifier import model_files
    from triptych.pipeline.classifier.predict import answers_of
    from triptych.pipeline.classifier.prediction_table import prediction_blocks, write_blocks

    taught, keys = model_files.read_model(model), vectors.table("keys")
    blocks = prediction_blocks(
        answers_of(taught, len(keys)),
        vectors.array(),
        keys,
        taught.classes,
        taught.training.image_id.to_numpy(),
        progress=progress,
    )
    parameters = {"classifier": model.parameters["classifier"], "left_out": "own exposure"}
    with catalog.new_stage("prediction", model.name, parents=[vectors, model], parameters=parameters) as writer:
        writer.note_rows(write_blocks(writer.folder / "table.parquet", blocks))
    return writer.stage


def comparable(one: Stage, other: Stage) -> bool:
    """Whether two embeddings are of the same backbone, so that what was taught on one can answer on the other."""
    return _backbone(one) == _backbone(other)


def _backbone(stage: Stage) -> tuple:
    return (stage.parameters.get("digest") or stage.parameters.get("backbone"), stage.array().shape[1])
