"""A classifier that learns from labelled images and gives every image a probability per reason.

The default is the published one: MinMaxScaler -> PCA(15) -> VarianceThreshold(0.001) -> 7 nearest neighbours by
Manhattan distance. Two things differ from it on purpose:

- An image with several labels is one training image. The neighbours vote on each label apart (one indicator per
  reason), so a probability is the share of neighbours that carry the reason, and the probabilities of an image sum
  to one only where no neighbour has several labels. `reason` is the likeliest one; of equally likely ones the first in
  the vocabulary's order, good last.
- No image is its own neighbour, nor is any image of its own exposure. CCDs of one exposure are nearly copies of each
  other, so otherwise a labelled image would only be told its own label, and the probability on screen would be a lie.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from pipeline.catalog import Catalog, Stage
from pipeline.errors import BadInput, LabelError, choose
from pipeline.neighbours import nearest
from pipeline.reasons import GOOD, REASONS
from pipeline.reduction import Reduction, fit_reduction
from pipeline.training import TrainingSet, read_training_set, training_set

__all__ = [
    "CLASSIFIERS",
    "Classifier",
    "Model",
    "fit",
    "predict",
    "predict_images",
    "read_model",
    "read_training_set",
    "train",
    "training_set",
]


@dataclass(frozen=True)
class Classifier:
    """Parameters of a k-nearest-neighbour classifier on reduced vectors (Manhattan distance, equal votes)."""

    scaler: str = "minmax"
    components: int = 15
    threshold: float = 0.001
    neighbours: int = 7


CLASSIFIERS: dict[str, Classifier] = {
    "knn": Classifier(scaler="minmax", components=15, threshold=0.001, neighbours=7),
}


@dataclass(frozen=True)
class Model:
    """A fitted classifier: arrays and a table, nothing that needs pickling.

    vectors : (n, kept) float64, the reduced training images. training : their rows, in the same order, with
    `image_id, expnum, ccdname, reasons, source, provenance`.
    """

    name: str
    classifier: Classifier
    reduction: Reduction
    vectors: np.ndarray
    training: pd.DataFrame
    seed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels it can give, in vocabulary order, good last."""
        taught = {reason for reasons in self.training.reasons for reason in reasons}
        return tuple(name for name in (*REASONS, GOOD) if name in taught)


def indicators(reasons: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Return (n, n_classes) bool: which image carries which label."""
    return np.array([[name in own for name in classes] for own in reasons], dtype=bool).reshape(len(reasons), -1)


def rows_of(keys: pd.DataFrame, image_ids) -> np.ndarray:
    """Places of `image_ids` in an embedding's keys (sorted by image_id); -1 where it is not embedded."""
    known = keys.image_id.to_numpy()
    wanted = np.asarray(image_ids, dtype=np.int64)
    places = np.searchsorted(known, wanted)
    if not len(known):
        return np.full(len(wanted), -1)
    return np.where(known[np.minimum(places, len(known) - 1)] == wanted, places, -1)


def fit(vectors: np.ndarray, training: pd.DataFrame, *, classifier: str = "knn", seed: int = 0) -> Model:
    """Fit a classifier by name.

    vectors : (n, dim), one embedding vector per row of `training`, a training set's table.
    """
    settings = CLASSIFIERS[choose(classifier, CLASSIFIERS, "classifier")]
    reduction = fit_reduction(
        vectors, scaler=settings.scaler, components=settings.components, threshold=settings.threshold, seed=seed
    )
    vectors = reduction.apply(vectors)
    return Model(classifier, settings, reduction, vectors, training.reset_index(drop=True), seed)


def probabilities(
    model: Model, vectors: np.ndarray, expnums: np.ndarray, *, progress: Callable | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask the neighbours of each image.

    vectors : (n, dim). expnums : (n,) int64, whose training images are left out.
    Returns probability (n, n_classes) float64 in the order of `model.classes`; rows (n, k) int64 into the training
    table, -1 where there are fewer neighbours than k; distances (n, k) float64.
    """
    reduced = model.reduction.apply(vectors)
    if not np.isfinite(reduced).all():
        bad = int((~np.isfinite(reduced).all(axis=1)).sum())
        raise BadInput(f"{bad} of {len(reduced)} vectors hold NaN or infinity; run `triptych embed` again")
    k = model.classifier.neighbours
    rows, distances = nearest(reduced, expnums, model.vectors, model.training.expnum.to_numpy(), k, progress=progress)
    labelled = np.vstack([indicators(model.training.reasons, model.classes), np.zeros(len(model.classes), bool)])
    shares = np.zeros((len(rows), len(model.classes)))
    for place in range(k):
        shares += labelled[rows[:, place]]
    return shares / np.maximum((rows >= 0).sum(axis=1), 1)[:, None], rows, distances


def predict_images(
    model: Model, vectors: np.ndarray, keys: pd.DataFrame, *, progress: Callable | None = None
) -> pd.DataFrame:
    """Predict images: `image_id, expnum, ccdname, reason, probability, p_good, p_<Reason>..., neighbour_*`.

    vectors : (n, dim) in the order of `keys` (`image_id, expnum, ccdname`).
    """
    shares, rows, distances = probabilities(model, vectors, keys.expnum.to_numpy(), progress=progress)
    best = shares.argmax(axis=1)
    table = keys[["image_id", "expnum", "ccdname"]].reset_index(drop=True)
    table["reason"] = np.array(model.classes, dtype=object)[best]
    table["probability"] = shares[np.arange(len(shares)), best]
    table["p_good"] = shares[:, model.classes.index(GOOD)] if GOOD in model.classes else 0.0
    for place, name in enumerate(model.classes):
        if name != GOOD:
            table[f"p_{name}"] = shares[:, place]
    ids = model.training.image_id.to_numpy()
    found = rows >= 0
    if found.all():
        table["neighbour_ids"] = list(ids[rows])
        table["neighbour_distances"] = list(distances)
    else:
        table["neighbour_ids"] = [ids[row[hit]] for row, hit in zip(rows, found, strict=True)]
        table["neighbour_distances"] = [d[hit] for d, hit in zip(distances, found, strict=True)]
    return table


def embedded(training: TrainingSet, keys: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The training rows that have a vector, and where those vectors are; the others are counted as left out."""
    places = rows_of(keys, training.table.image_id)
    training.left_out["images without an embedding"] = int((places < 0).sum())
    return training.table[places >= 0].reset_index(drop=True), places[places >= 0]


def fit_stage(embedding: Stage, training: TrainingSet, *, classifier: str = "knn", seed: int = 0) -> Model:
    """Fit on the vectors of an embedding stage, if there is enough to learn from."""
    table, places = embedded(training, embedding.table("keys"))
    _check_teachable(table)
    return fit(embedding.array()[places], table, classifier=classifier, seed=seed)


def _check_teachable(table: pd.DataFrame) -> None:
    advice = "vote, or run `triptych labels import RUN FILE`"
    if table.expnum.nunique() < 2:
        raise LabelError(f"labels cover {table.expnum.nunique()} embedded exposures and two are needed; {advice}")
    said = {reason for reasons in table.reasons for reason in reasons}
    if len(said) < 2:
        raise LabelError(f"every labelled image says {said.pop()!r} and two different labels are needed; {advice}")


def write_model(
    catalog: Catalog, embedding: Stage, model: Model, report: dict, *, parameters: dict, make_current: bool = True
) -> Stage:
    """Write a model stage: arrays `vectors`, `matrix`, `offset`; table `training`; JSON `classifier`, `report`."""
    parameters = {"classifier": model.name, "seed": model.seed, **parameters}
    with catalog.new_stage(
        "model", model.name, parents=[embedding], parameters=parameters, make_current=make_current
    ) as writer:
        writer.write_array(model.vectors)
        writer.write_array(model.reduction.matrix, "matrix")
        writer.write_array(model.reduction.offset, "offset")
        writer.write_table(model.training.assign(reasons=model.training.reasons.map(list)), "training")
        writer.write_json(
            {"name": model.name, **asdict(model.classifier), "classes": model.classes, "seed": model.seed}, "classifier"
        )
        writer.write_json(report, "report")
    return writer.stage


def read_model(stage: Stage) -> Model:
    """Read a model stage back."""
    settings = stage.json("classifier")
    training = stage.table("training")
    return Model(
        name=settings["name"],
        classifier=Classifier(**{name: settings[name] for name in Classifier.__dataclass_fields__}),
        reduction=Reduction(stage.array("matrix", mmap=False), stage.array("offset", mmap=False)),
        vectors=stage.array("vectors", mmap=False),
        training=training.assign(reasons=training.reasons.map(tuple)),
        seed=settings["seed"],
    )


def train(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    classifier: str = "knn",
    seed: int = 0,
    progress: Callable | None = None,
) -> Stage:
    """Learn from votes (under `policy`) and imported labels; write and return the model stage."""
    embedding = catalog.stage("embedding")
    report = progress or (lambda *_: None)
    report(0, 2, "labels")
    revision = store.revision()
    training = read_training_set(catalog, store, policy=policy)
    report(1, 2, "fitting")
    model = fit_stage(embedding, training, classifier=classifier, seed=seed)
    stage = write_model(
        catalog, embedding, model, training.report(), parameters={"policy": policy, "store_revision": revision}
    )
    report(2, 2, "model written")
    return stage


def write_prediction(
    catalog: Catalog, embedding: Stage, model: Stage, table: pd.DataFrame, *, make_current: bool = True
) -> Stage:
    """Write a prediction stage."""
    parameters = {"classifier": model.parameters["classifier"], "left_out": "own exposure"}
    with catalog.new_stage(
        "prediction", model.name, parents=[embedding, model], parameters=parameters, make_current=make_current
    ) as writer:
        writer.write_table(table)
    return writer.stage


def predict(catalog: Catalog, *, progress: Callable | None = None) -> Stage:
    """Predict every embedded image with the current model; write and return the prediction stage."""
    embedding, stage = catalog.stage("embedding"), catalog.stage("model")
    table = predict_images(read_model(stage), embedding.array(), embedding.table("keys"), progress=progress)
    return write_prediction(catalog, embedding, stage, table)
