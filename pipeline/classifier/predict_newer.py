"""Applies a model to an embedding that is newer than the one it was fitted on, because new exposures have come."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.extension import Following, changed_exposures
from triptych.pipeline.catalog.stage import Stage, installed_versions
from triptych.pipeline.errors import CatalogError
from triptych.pipeline.vectors.rows import among


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
    from triptych.pipeline.classifier.predict import parameters_of, predict_images, predicted_blocks, write_prediction

    follows, keys, array = following(catalog, vectors, model), vectors.table("keys"), vectors.array()
    if follows is None:
        blocks = predicted_blocks(read_model(model), array, keys, progress=progress)
        return write_prediction(catalog, vectors, model, blocks)
    rows = np.flatnonzero(among(keys.expnum.to_numpy(), follows.changed))
    own = keys.iloc[rows].reset_index(drop=True)
    predicted = predict_images(read_model(model), array[rows], own, progress=progress)
    given = parameters_of(model.parameters["classifier"])
    with catalog.new_stage("prediction", model.name, parents=[vectors, model], parameters=given) as writer:
        follows.write_table(writer, predicted)
    return writer.stage


def following(catalog: Catalog, vectors: Stage, model: Stage) -> Following | None:
    """How a prediction follows the newest one that this installation made with this model.

    None if there is none, or if it lacks nothing new, or if some of its exposures are gone: then all images are
    predicted.
    """
    for stage in reversed(catalog.stages("prediction")):
        same = stage.has_parent("model", model.stage_id) and stage.info["versions"] == installed_versions()
        if not same or not stage.has_table():
            continue
        with suppress(CatalogError):  # what it rests on may have been removed by hand
            difference = changed_exposures(stage.parent("embedding"), vectors)
            if difference is None or not len(difference[0]) or len(difference[1]):
                return None
            return Following.of(stage, difference[0], len(vectors.rows_of(difference[0], ["image_id"], "keys")))
        return None
    return None


def comparable(one: Stage, other: Stage) -> bool:
    """Whether two embeddings have the same backbone, so that a model fitted on one can be used on the other."""
    return _backbone(one) == _backbone(other)


def _backbone(stage: Stage) -> tuple:
    return (stage.parameters.get("digest") or stage.parameters.get("backbone"), stage.array().shape[1])
