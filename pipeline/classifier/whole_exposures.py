"""Adds to a model its view of whole exposures, from its answers about CCDs and about the focal plane as one vector."""

from dataclasses import replace

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.classifier import Model, classes_of
from triptych.pipeline.classifier.cross_fitted_heads import Head, fit_head
from triptych.pipeline.classifier.exposure_calibration import learn_view
from triptych.pipeline.classifier.predict import predict_images, whole_bad
from triptych.pipeline.classifier.simulated_teacher import Teacher
from triptych.pipeline.classifier.surroundings import pooled
from triptych.pipeline.reasons import GOOD


def with_view(
    model: Model,
    vectors: np.ndarray,
    keys: pd.DataFrame,
    answers: dict[int, bool],
    *,
    surroundings: np.ndarray | None = None,
    teacher: Teacher | None = None,
) -> Model:
    """The same model with a view of whole exposures, fitted to its own answers about the exposures that taught it.

    vectors : (n, dim) in the order of `keys`. answers : expnum -> whether it is bad. Only exposures in `keys` count,
    with all their CCDs.
    """
    own = np.flatnonzero(keys.expnum.isin(list(answers)))
    if not len(own):
        return model
    vectors, own_keys = vectors[own], keys.iloc[own].reset_index(drop=True)
    seen = None if surroundings is None else surroundings[own]
    p_good = predict_images(model, vectors, own_keys, surroundings=seen).p_good.to_numpy()
    if model.head:
        model = replace(model, whole=_fit_whole(vectors, own_keys, model.training, answers, teacher, model.seed))
    whole, weights = whole_bad(model, vectors, own_keys), exposure_weights(model.training)
    return replace(model, view=learn_view(p_good, own_keys, answers, model.camera, whole, weights))


def exposure_weights(training: pd.DataFrame) -> pd.Series:
    """How much the answer of each exposure counts: expnum -> the largest weight of its labels; 1 without weights."""
    if "weight" not in training:
        return pd.Series(1.0, np.unique(training.expnum))
    return training.groupby("expnum").weight.max().astype(float)


def _fit_whole(vectors, keys: pd.DataFrame, training: pd.DataFrame, answers, teacher, seed: int) -> Head | None:
    """Fit learners of the focal plane as one vector to the exposures with a known answer. None if there are too few."""
    expnums, planes = pooled(vectors, keys)
    carried = training.groupby("expnum").reasons.agg(lambda own: {reason for reasons in own for reason in reasons})
    reasons_of = [carried.get(expnum, set()) - {GOOD} if answers[int(expnum)] else {GOOD} for expnum in expnums]
    weights = exposure_weights(training).reindex(expnums, fill_value=1.0).to_numpy()
    table = pd.DataFrame({"expnum": expnums, "reasons": [tuple(sorted(own)) for own in reasons_of], "weight": weights})
    known = (table.reasons.map(len) > 0).to_numpy()
    if known.sum() < 2 or len(classes_of(table.reasons)) < 2:
        return None
    own = table[known].reset_index(drop=True)
    return fit_head(planes[known], own, kind="linear", teacher=teacher.of_planes() if teacher else None, seed=seed)
