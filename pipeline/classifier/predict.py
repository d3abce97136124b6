"""What a fitted classifier says about images: the one way from vectors to predictions.

It works in blocks of whole exposures (see `prediction_table`), so only a part of a survey is in memory at a time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier.classifier import Model
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.exposure_calibration import exposure_probability
from triptych.pipeline.classifier.model_files import read_model
from triptych.pipeline.classifier.prediction_table import Answer, asks_neighbours, prediction_blocks, write_blocks
from triptych.pipeline.classifier.surroundings import pooled, surrounded
from triptych.pipeline.reasons import GOOD


def answers_of(model: Model, n: int, *, own_exposure: bool = False) -> Callable[..., Answer]:
    """Return a function (vectors, keys, surroundings=None) -> Answer for blocks of whole exposures, n images in all.

    own_exposure : let training images of an image's own exposure answer too, as the published code does. Use it only
    to show how much that flatters. surroundings : from `surrounded` for the block; None computes them.
    """
    neighbours = asks_neighbours(model, indicators(model.training.reasons, model.classes), n, own_exposure=own_exposure)

    def answer(vectors: np.ndarray, keys: pd.DataFrame, surroundings: np.ndarray | None = None) -> Answer:
        answer = neighbours(vectors, keys)
        if model.head:
            seen = surrounded(vectors, keys, model.camera) if surroundings is None else surroundings
            shares = model.head.probabilities(seen, keys.expnum.to_numpy(), own_exposure=own_exposure)
            answer = replace(answer, shares=shares)
        p_good = answer.shares[:, model.classes.index(GOOD)] if GOOD in model.classes else np.zeros(len(keys))
        chance = exposure_probability(model.view, p_good, keys, model.camera, whole_bad(model, vectors, keys))
        return replace(answer, more={"exposure_probability": chance})

    return answer


def predicted_blocks(
    model: Model,
    vectors: np.ndarray,
    keys: pd.DataFrame,
    *,
    own_exposure: bool = False,
    surroundings: np.ndarray | None = None,
    progress: Callable | None = None,
) -> Iterator[pa.Table]:
    """Yield the prediction table of all images in blocks, in the order of `keys`: `image_id, expnum, ccdname, reason,
    probability, p_good, p_<Reason>...`, `exposure_probability` (that the whole exposure is bad), `neighbour_*`.

    vectors : (n, dim) in the order of `keys` (`image_id, expnum, ccdname`), sorted by exposure, with all embedded CCDs
    of each exposure. For `own_exposure` and `surroundings` see `answers_of`.
    """
    answer = answers_of(model, len(keys), own_exposure=own_exposure)
    ids = model.training.image_id.to_numpy()
    yield from prediction_blocks(
        answer, vectors, keys, model.classes, ids, surroundings=surroundings, progress=progress
    )


def predict_images(model: Model, vectors: np.ndarray, keys: pd.DataFrame, **options) -> pd.DataFrame:
    """The prediction table of all images in one frame. For the arguments see `predicted_blocks`."""
    return pa.concat_tables(predicted_blocks(model, vectors, keys, **options)).to_pandas()


def whole_bad(model: Model, vectors: np.ndarray, keys: pd.DataFrame) -> np.ndarray | None:
    """(n_exposures,) probability of being bad, from the focal plane as one vector.

    None if the model has no such part.
    """
    if model.whole is None or GOOD not in model.whole.classes:
        return None
    expnums, planes = pooled(vectors, keys)
    return 1 - model.whole.probabilities(planes, expnums)[:, model.whole.classes.index(GOOD)]


def parameters_of(classifier: str) -> dict:
    """The parameters of a prediction stage. classifier : the name in the model's parameters."""
    return {"classifier": classifier, "left_out": "own exposure"}


def write_prediction(
    catalog: Catalog, embedding: Stage, model: Stage, blocks: Iterable[pa.Table], *, make_current: bool = True
) -> Stage:
    """Write a prediction stage, block by block. blocks : from `predicted_blocks`."""
    given = parameters_of(model.parameters["classifier"])
    with catalog.new_stage(
        "prediction", model.name, parents=[embedding, model], parameters=given, make_current=make_current
    ) as writer:
        writer.note_rows(write_blocks(writer.folder / "table.parquet", blocks))
    return writer.stage


def predict(catalog: Catalog, *, progress: Callable | None = None) -> Stage:
    """Predict every embedded image with the current model. Write and return the prediction stage."""
    embedding, stage = catalog.stage("embedding"), catalog.stage("model")
    model = read_model(stage)
    blocks = predicted_blocks(model, embedding.array(), embedding.table("keys"), progress=progress)
    return write_prediction(catalog, embedding, stage, blocks)
