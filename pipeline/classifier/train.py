"""Fits a classifier to the labels of a run, and writes the model stage."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier.classifier import (
    CLASSIFIERS,
    DEFAULT,
    Classifier,
    Model,
    fit,
    has_head,
)
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.metrics import ccd_metrics
from triptych.pipeline.classifier.model_files import write_model
from triptych.pipeline.classifier.parameter_search import search
from triptych.pipeline.classifier.predict import predict_images
from triptych.pipeline.classifier.simulated_teacher import Teacher, teacher_for
from triptych.pipeline.classifier.surroundings import surrounded
from triptych.pipeline.classifier.whole_exposures import with_view
from triptych.pipeline.errors import BadInput, LabelError, choose
from triptych.pipeline.labels.recipe import Recipe, balanced, with_good_pool
from triptych.pipeline.labels.training_set import TrainingSet, read_training_set, training_set
from triptych.pipeline.vectors.rows import rows_of

__all__ = [
    "CLASSIFIERS",
    "DEFAULT",
    "Classifier",
    "Model",
    "Search",
    "fit",
    "has_head",
    "indicators",
    "learn",
    "predict_images",
    "read_training_set",
    "train",
    "training_set",
]

AS_LABELLED = Recipe()
SPLITS = ("exposure", "image")


@dataclass(frozen=True)
class Search:
    """Search for the parameters first. by : accuracy or macro_f1. candidates : number of settings, 0 = by the data."""

    by: str = "accuracy"
    candidates: int = 0


def embedded(training: TrainingSet, keys: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The training rows that have a vector, and the positions of those vectors. Others are counted as left out."""
    places = rows_of(keys, training.table.image_id)
    training.left_out["images without an embedding"] = int((places < 0).sum())
    return training.table[places >= 0].reset_index(drop=True), places[places >= 0]


def compose_training_set(
    catalog: Catalog,
    store,
    embedding: Stage,
    *,
    policy: str = "majority",
    recipe: Recipe = AS_LABELLED,
    survey: pd.DataFrame | None = None,
    seed: int = 0,
) -> TrainingSet:
    """Read the training set and add the recipe's good exposures.

    The recipe's balance is applied later, before the fit.
    """
    training = read_training_set(catalog, store, policy=policy)
    if recipe.good_pool == "labelled":
        return training
    ccds, spoken_of = catalog.ccds(), (store.labels(), store.votes(), store.draws(catalog.camera))
    listed = {(row.camera, row.expnum) for frame in spoken_of for row in frame[["camera", "expnum"]].itertuples()}
    ccds = ccds[ccds.image_id.isin(embedding.table("keys").image_id)]
    return with_good_pool(
        training, recipe, ccds=ccds, exposures=catalog.exposures(), listed=listed, survey=survey, seed=seed
    )


def learn(
    vectors: np.ndarray,
    keys: pd.DataFrame,
    taught: pd.DataFrame,
    answers: dict[int, bool],
    *,
    classifier: str | Classifier = DEFAULT,
    surroundings: np.ndarray | None = None,
    teacher: Teacher | None = None,
    camera: str = "decam",
    seed: int = 0,
    progress: Callable | None = None,
) -> Model:
    """Fit a classifier to labelled images, and its view of whole exposures to the exposures of those images.

    vectors : (n, dim) in the order of `keys`. taught : training rows, all of them in `keys`. answers : expnum ->
    whether it is bad; only exposures with training rows are used. surroundings : from `surrounded` for `vectors`; None
    computes them. teacher : from `simulated_teacher.teacher_for`.
    """
    own = np.flatnonzero(keys.expnum.isin(taught.expnum))
    vectors, keys = np.asarray(vectors[own]), keys.iloc[own].reset_index(drop=True)
    places = rows_of(keys, taught.image_id)
    seen = None
    if has_head(classifier):
        seen = surrounded(vectors, keys, camera) if surroundings is None else surroundings[own]
    model = fit(
        vectors[places],
        taught,
        classifier=classifier,
        surroundings=None if seen is None else seen[places],
        teacher=teacher,
        camera=camera,
        seed=seed,
        progress=progress,
    )
    return with_view(model, vectors, keys, answers, surroundings=seen, teacher=teacher)


def fit_stage(
    catalog: Catalog,
    embedding: Stage,
    training: TrainingSet,
    *,
    classifier: str | Classifier = DEFAULT,
    simulated: bool = True,
    seed: int = 0,
    progress: Callable | None = None,
) -> Model:
    """Fit a classifier to the vectors of an embedding stage. LabelError if there are too few labels."""
    table, _ = embedded(training, embedding.table("keys"))
    _check_teachable(table)
    return learn(
        embedding.array(),
        embedding.table("keys"),
        table,
        training.answers,
        classifier=classifier,
        teacher=teacher_of(catalog, embedding) if simulated else None,
        camera=catalog.camera,
        seed=seed,
        progress=progress,
    )


def teacher_of(catalog: Catalog, embedding: Stage) -> Teacher | None:
    """The simulated teacher for an embedding's backbone and the run's camera; None if there is none."""
    return teacher_for(embedding.parameters.get("digest", ""), catalog.camera)


def _check_teachable(table: pd.DataFrame) -> None:
    advice = "vote, or run `triptych labels import RUN FILE`"
    if table.expnum.nunique() < 2:
        raise LabelError(f"labels cover {table.expnum.nunique()} embedded exposures, but two are needed; {advice}")
    present = {reason for reasons in table.reasons for reason in reasons}
    if len(present) < 2:
        raise LabelError(f"every labelled image says {present.pop()!r}, but two different labels are needed; {advice}")


def train(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    classifier: str = "",
    recipe: Recipe = AS_LABELLED,
    survey: pd.DataFrame | None = None,
    searching: Search | None = None,
    test_share: float = 0.0,
    split: str = "exposure",
    seed: int = 0,
    progress: Callable | None = None,
) -> Stage:
    """Fit to the votes (under `policy`) and the imported labels; write and return the model stage.

    classifier : a name in CLASSIFIERS; by default DEFAULT, or `knn` for a search. recipe : how to compose the training
    set. survey : a survey-ccds table. searching : search for the best parameters instead of using the classifier's.
    test_share : share of the exposures (or images, see `split`) that do not teach and are predicted instead; the
    figures are stored in the stage as `test`. BadInput for options that do not go together, LabelError for too few
    labels.
    """
    embedding = catalog.stage("embedding")
    report = progress or (lambda *_: None)
    classifier = choose(classifier or ("knn" if searching else DEFAULT), CLASSIFIERS, "classifier")
    choose(split, SPLITS, "split")
    if split == "image" and not test_share:
        raise BadInput("--split image only says how to choose the test images; give --test-share 0.3 with it")
    report(0, 2, "labels")
    revision = store.revision()
    training = compose_training_set(catalog, store, embedding, policy=policy, recipe=recipe, survey=survey, seed=seed)
    table, places = embedded(training, embedding.table("keys"))
    _check_teachable(table)
    held_out = set_aside(table, test_share, split, seed)
    taught = balanced(table[~held_out], recipe, seed=seed)
    if len(taught) < len(table):
        training.left_out["images left out for balance"] = int((~held_out).sum() - len(taught))
        training.left_out["images set aside for the test"] = int(held_out.sum())
        training = replace(training, table=taught)
    chosen, searched = classifier, None
    if searching:
        if has_head(classifier):
            raise BadInput(
                f"--search is for the parameters of neighbours, but {classifier} has learners; search with knn"
            )
        searched = search(
            embedding.array()[places[taught.index]],
            taught,
            by=searching.by,
            candidates=searching.candidates,
            given=CLASSIFIERS[classifier],
            seed=seed,
            progress=progress,
        )
        chosen = searched.best
    report(0, 2, "fitting")
    keys, tested = embedding.table("keys"), set(table.expnum[held_out]) if split == "exposure" else set()
    answers = {expnum: bad for expnum, bad in training.answers.items() if expnum not in tested}
    model = learn(
        embedding.array(),
        keys,
        taught,
        answers,
        classifier=chosen,
        teacher=teacher_of(catalog, embedding) if recipe.simulated else None,
        camera=catalog.camera,
        seed=seed,
        progress=progress,
    )
    test = _tested(model, embedding, table[held_out], split) if test_share else None
    parameters = {"policy": policy, "store_revision": revision, **recipe.parameters()}
    if test_share:
        parameters |= {"test_share": test_share, "split": split}
    stage = write_model(
        catalog, embedding, model, training.report(), parameters=parameters, searched=searched, test=test
    )
    report(2, 2, "model written")
    return stage


def set_aside(table: pd.DataFrame, share: float, split: str, seed: int) -> np.ndarray:
    """Return (n,) bool: the rows of a training table that are set aside for the test.

    Each reason loses the same share (an exposure or image counts under the rarest of its labels). At least one exposure
    or image of each reason stays to teach. BadInput unless 0 <= share < 1.
    """
    if not 0 <= share < 1:
        raise BadInput(f"a test share of {share} leaves nothing to learn from; give at least 0 and less than 1")
    units = (table.expnum if split == "exposure" else table.image_id).to_numpy()
    pairs = pd.DataFrame({"unit": units, "reasons": table.reasons}).explode("reasons").drop_duplicates()
    pairs["units"] = pairs.groupby("reasons").unit.transform("size")
    kinds = pairs.sort_values(["unit", "units", "reasons"]).drop_duplicates("unit")
    rng = np.random.default_rng(seed)
    held_out = []
    for _, own in kinds.groupby("reasons"):
        drawn = rng.permutation(own.unit.to_numpy())
        held_out.append(drawn[: min(round(share * len(own)), len(own) - 1)])
    return np.isin(units, np.concatenate(held_out)) if held_out else np.zeros(len(table), bool)


def _tested(model: Model, embedding: Stage, table: pd.DataFrame, split: str) -> dict:
    """Figures on the images that were set aside. If split by image, other images of the same exposure may answer."""
    if table.empty:
        raise LabelError("the test share leaves no exposure to test on; label more exposures or give a larger share")
    keys = embedding.table("keys")
    own = np.flatnonzero(keys.expnum.isin(table.expnum))
    prediction = predict_images(
        model, embedding.array()[own], keys.iloc[own].reset_index(drop=True), own_exposure=split == "image"
    )
    prediction = prediction[prediction.image_id.isin(table.image_id)].reset_index(drop=True)
    figures = ccd_metrics(table.sort_values("image_id").reasons.reset_index(drop=True), prediction)
    return {"split": split, "images": len(table), "exposures": int(table.expnum.nunique()), "ccd": figures}
