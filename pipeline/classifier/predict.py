"""A classifier on the images of a run: the stage of predictions."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier.classifier import (
    Model,
    indicators,
    whole_bad,
)
from triptych.pipeline.classifier.exposure_calibration import exposure_probability
from triptych.pipeline.classifier.model_files import read_model
from triptych.pipeline.classifier.prediction_table import (
    Answer,
    asks_neighbours,
    prediction_blocks,
    write_blocks,
)
from triptych.pipeline.classifier.surroundings import surrounded
from triptych.pipeline.reasons import GOOD


def write_prediction(
    catalog: Catalog, embedding: Stage, model: Stage, table: pd.DataFrame, *, make_current: bool = True
) -> Stage:
    """Write a prediction stage."""
    with _prediction_stage(catalog, embedding, model, make_current=make_current) as writer:
        writer.write_table(table)
    return writer.stage


def _prediction_stage(catalog: Catalog, embedding: Stage, model: Stage, *, make_current: bool = True):
    parameters = {"classifier": model.parameters["classifier"], "left_out": "own exposure"}
    return catalog.new_stage(
        "prediction", model.name, parents=[embedding, model], parameters=parameters, make_current=make_current
    )


def predict(catalog: Catalog, *, progress: Callable | None = None) -> Stage:
    """Predict every embedded image with the current model; write and return the prediction stage."""
    embedding, stage = catalog.stage("embedding"), catalog.stage("model")
    model, keys = read_model(stage), embedding.table("keys")
    blocks = prediction_blocks(
        answers_of(model, len(keys)),
        embedding.array(),
        keys,
        model.classes,
        model.training.image_id.to_numpy(),
        progress=progress,
    )
    with _prediction_stage(catalog, embedding, stage) as writer:
        writer.note_rows(write_blocks(writer.folder / "table.parquet", blocks))
    return writer.stage


def answers_of(model: Model, n: int) -> Callable:
    """Return function(vectors, keys) -> Answer for blocks of whole exposures, n images in all."""
    neighbours = asks_neighbours(model, indicators(model.training.reasons, model.classes), n)

    def answer(vectors: np.ndarray, keys: pd.DataFrame) -> Answer:
        said = neighbours(vectors, keys)
        if model.head:
            seen = surrounded(vectors, keys, model.camera)
            said = replace(said, shares=model.head.probabilities(seen, keys.expnum.to_numpy()))
        p_good = said.shares[:, model.classes.index(GOOD)] if GOOD in model.classes else np.zeros(len(keys))
        chance = exposure_probability(model.view, p_good, keys, model.camera, whole_bad(model, vectors, keys))
        return replace(said, more={"exposure_probability": chance})

    return answer
