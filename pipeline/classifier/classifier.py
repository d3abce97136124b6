"""A classifier that learns from labelled images and gives every image a probability per reason.

The default `knn` is the published one: MinMaxScaler -> PCA(15) -> VarianceThreshold(0.001) -> 7 nearest neighbours by
Manhattan distance. Two things differ from it on purpose:

- An image with several labels is one training image. The neighbours vote on each label apart (one indicator per
  reason), so a probability is the share of neighbours that carry the reason, and the probabilities of an image sum
  to one only where no neighbour has several labels. `reason` is the likeliest one; of equally likely ones the first in
  the vocabulary's order, good last.
- No image is its own neighbour, nor is any image of its own exposure. CCDs of one exposure are nearly copies of each
  other, so otherwise a labelled image would only be told its own label, and the probability on screen would be a lie.

`published` keeps to the code in the first of these: an image with several labels is several training images.

`linear`, `forest`, `mixed` and `two_step` have a head of learners beside the neighbours (see `heads`), which read a CCD
together with its surroundings and give the probabilities; the neighbours are found all the same, for they show why. The
rule about the own exposure holds for learners too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.cross_fitted_heads import Head, fit_head, indicators
from triptych.pipeline.classifier.exposure_calibration import ExposureView, exposure_probability, learn_view
from triptych.pipeline.classifier.simulated_teacher import Teacher
from triptych.pipeline.classifier.surroundings import pooled, surrounded
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.vectors.neighbours import nearest
from triptych.pipeline.vectors.reduction import Reduction, fit_reduction


@dataclass(frozen=True)
class Classifier:
    """Parameters of a k-nearest-neighbour classifier on reduced vectors.

    scaler : a name in reduction.SCALERS. power : p of the Minkowski distance, 1 is Manhattan. one_row_per_label : an
    image with several labels teaches as several images with one label each, as the published code has it. learner : a
    name in heads.KINDS, which then gives the probabilities; two_steps : good or bad first, then which reason.
    """

    scaler: str = "minmax"
    components: int = 15
    threshold: float = 0.001
    neighbours: int = 7
    power: int = 1
    one_row_per_label: bool = False
    learner: str = ""
    two_steps: bool = False


CLASSIFIERS: dict[str, Classifier] = {
    "knn": Classifier(scaler="minmax", components=15, threshold=0.001, neighbours=7),
    "published": Classifier(scaler="minmax", components=15, threshold=0.001, neighbours=7, one_row_per_label=True),
    "linear": Classifier(learner="linear"),
    "forest": Classifier(learner="forest"),
    "mixed": Classifier(learner="mixed"),
    "two_step": Classifier(learner="mixed", two_steps=True),
}
DEFAULT = "mixed"


@dataclass(frozen=True)
class Model:
    """A fitted classifier: arrays and a table, nothing that needs pickling.

    name : that of the classifier, `searched` where a search has chosen its parameters. vectors : (n, kept) float64, the
    reduced training images. training : their rows, in the same order, with `image_id, expnum, ccdname, reasons, source,
    provenance, basis, weight`; without `weight` all count alike. head : the learners, where the classifier has any.
    whole : learners of the focal plane as one vector. view : what they and the CCDs make of an exposure as a whole.
    camera : whose focal plane it was.
    """

    name: str
    classifier: Classifier
    reduction: Reduction
    vectors: np.ndarray
    training: pd.DataFrame
    seed: int = 0
    head: Head | None = None
    whole: Head | None = None
    view: ExposureView = field(default_factory=ExposureView)
    camera: str = "decam"

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels it can give, in vocabulary order, good last."""
        return self.head.classes if self.head else classes_of(self.training.reasons)


def classes_of(reasons: pd.Series) -> tuple[str, ...]:
    """The labels that occur, in vocabulary order, good last."""
    taught = {reason for own in reasons for reason in own}
    return tuple(name for name in (*REASONS, GOOD) if name in taught)


def has_head(classifier: str | Classifier) -> bool:
    """Whether a classifier, by name or by its parameters, reads a CCD's surroundings."""
    return bool((CLASSIFIERS[classifier] if isinstance(classifier, str) else classifier).learner)


def fit(
    vectors: np.ndarray,
    training: pd.DataFrame,
    *,
    classifier: str | Classifier = "knn",
    surroundings: np.ndarray | None = None,
    teacher: Teacher | None = None,
    camera: str = "decam",
    seed: int = 0,
    progress: Callable | None = None,
) -> Model:
    """Fit a classifier, by name or by its parameters.

    vectors : (n, dim), one embedding vector per row of `training`, a training set's table. surroundings : what
    `surrounded` gives for those rows, for a classifier with a head; without it the rows are each other's surroundings.
    teacher : what a linear learner may listen to besides.
    """
    if isinstance(classifier, str):
        name, settings = classifier, CLASSIFIERS[choose(classifier, CLASSIFIERS, "classifier")]
    else:
        name, settings = "searched", classifier
    training = training.reset_index(drop=True)
    head = None
    if settings.learner:
        if surroundings is None:
            surroundings = surrounded(vectors, training, camera)
        _check_finite(surroundings)
        head = fit_head(
            surroundings,
            training,
            kind=settings.learner,
            two_steps=settings.two_steps,
            teacher=teacher,
            seed=seed,
            progress=progress,
        )
    if settings.one_row_per_label:
        training = training.explode("reasons")
        vectors = vectors[training.index]
        training = training.assign(reasons=[(reason,) for reason in training.reasons]).reset_index(drop=True)
    reduction = fit_reduction(
        vectors, scaler=settings.scaler, components=settings.components, threshold=settings.threshold, seed=seed
    )
    return Model(name, settings, reduction, reduction.apply(vectors), training, seed, head, camera=camera)


def with_view(
    model: Model,
    vectors: np.ndarray,
    keys: pd.DataFrame,
    answers: dict[int, bool],
    *,
    surroundings: np.ndarray | None = None,
    teacher: Teacher | None = None,
) -> Model:
    """The same model with a view of whole exposures, learnt from its own answers about the exposures that taught it.

    vectors : (n, dim) in the order of `keys`. answers : expnum -> whether it is bad; only exposures that are in `keys`
    count, with all their CCDs.
    """
    own = np.flatnonzero(keys.expnum.isin(list(answers)))
    if not len(own):
        return model
    vectors, asked = vectors[own], keys.iloc[own].reset_index(drop=True)
    seen = None if surroundings is None else surroundings[own]
    p_good = predict_images(model, vectors, asked, surroundings=seen).p_good.to_numpy()
    if model.head:
        model = replace(model, whole=_fit_whole(vectors, asked, model.training, answers, teacher, model.seed))
    whole, weights = whole_bad(model, vectors, asked), exposure_weights(model.training)
    return replace(model, view=learn_view(p_good, asked, answers, model.camera, whole, weights))


def exposure_weights(training: pd.DataFrame) -> pd.Series:
    """How much the answer of each exposure counts: expnum -> the weight of its surest label, 1 where none has any."""
    if "weight" not in training:
        return pd.Series(1.0, np.unique(training.expnum))
    return training.groupby("expnum").weight.max().astype(float)


def _fit_whole(vectors, keys: pd.DataFrame, training: pd.DataFrame, answers, teacher, seed: int) -> Head | None:
    """Learners of the focal plane as one vector, taught by the exposures whose answer is known."""
    expnums, planes = pooled(vectors, keys)
    carried = training.groupby("expnum").reasons.agg(lambda own: {reason for reasons in own for reason in reasons})
    said = [carried.get(expnum, set()) - {GOOD} if answers[int(expnum)] else {GOOD} for expnum in expnums]
    weights = exposure_weights(training).reindex(expnums, fill_value=1.0).to_numpy()
    table = pd.DataFrame({"expnum": expnums, "reasons": [tuple(sorted(own)) for own in said], "weight": weights})
    known = (table.reasons.map(len) > 0).to_numpy()
    if known.sum() < 2 or len(classes_of(table.reasons)) < 2:
        return None
    own = table[known].reset_index(drop=True)
    return fit_head(planes[known], own, kind="linear", teacher=teacher.of_planes() if teacher else None, seed=seed)


def whole_bad(model: "Model", vectors: np.ndarray, keys: pd.DataFrame) -> np.ndarray | None:
    """(n_exposures,) probability of being bad by the focal plane as one vector, None where the model has no such."""
    if model.whole is None or GOOD not in model.whole.classes:
        return None
    expnums, planes = pooled(vectors, keys)
    return 1 - model.whole.probabilities(planes, expnums)[:, model.whole.classes.index(GOOD)]


def _check_finite(vectors: np.ndarray) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = int((~finite).sum())
        raise BadInput(f"{bad} of {len(vectors)} vectors hold NaN or infinity; run `triptych embed` again")


def probabilities(
    model: Model, vectors: np.ndarray, expnums: np.ndarray, *, progress: Callable | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask the neighbours of each image.

    vectors : (n, dim). expnums : (n,) int64, whose training images are left out; -1 leaves none out.
    Returns probability (n, n_classes) float64 in the order of `model.classes`; rows (n, k) int64 into the training
    table, -1 where there are fewer neighbours than k; distances (n, k) float64.
    """
    reduced = model.reduction.apply(vectors)
    _check_finite(reduced)
    k = model.classifier.neighbours
    taught = model.training.expnum.to_numpy()
    rows, distances = nearest(
        reduced, expnums, model.vectors, taught, k, power=model.classifier.power, progress=progress
    )
    weights = model.training["weight"].to_numpy() if "weight" in model.training else np.ones(len(taught))
    labelled = indicators(model.training.reasons, model.classes) * weights[:, None]
    # One row more, of nothing, for the neighbours that are not there (row -1).
    labelled, weights = np.vstack([labelled, np.zeros(len(model.classes))]), np.append(weights, 0)
    shares, total = np.zeros((len(rows), len(model.classes))), np.zeros(len(rows))
    for place in range(k):
        shares += labelled[rows[:, place]]
        total += weights[rows[:, place]]
    return shares / np.where(total > 0, total, 1)[:, None], rows, distances


def chances(shares: np.ndarray, classes: tuple[str, ...]) -> pd.DataFrame:
    """Return `reason, probability, p_good, p_<Reason>...` of images. shares : (n, n_classes), of each class."""
    best = shares.argmax(axis=1)
    table = pd.DataFrame({"reason": np.array(classes, dtype=object)[best]})
    table["probability"] = shares[np.arange(len(shares)), best]
    table["p_good"] = shares[:, classes.index(GOOD)] if GOOD in classes else 0.0
    for place, name in enumerate(classes):
        if name != GOOD:
            table[f"p_{name}"] = shares[:, place]
    return table


def predict_images(
    model: Model,
    vectors: np.ndarray,
    keys: pd.DataFrame,
    *,
    own_exposure: bool = False,
    surroundings: np.ndarray | None = None,
    progress: Callable | None = None,
) -> pd.DataFrame:
    """Predict images: `image_id, expnum, ccdname, reason, probability, p_good, p_<Reason>..., neighbour_*`, and
    `exposure_probability`, that the whole exposure is bad.

    vectors : (n, dim) in the order of `keys` (`image_id, expnum, ccdname`), all embedded CCDs of each exposure.
    surroundings : what `surrounded` gives for them, computed here without it. own_exposure : let the training images of
    an image's own exposure answer too, as the published code does; only right for showing how that flatters.
    """
    left_out = np.full(len(keys), -1) if own_exposure else keys.expnum.to_numpy()
    first, second = (_half_of(progress, len(keys), half) for half in (0, 1)) if model.head else (progress, None)
    shares, rows, distances = probabilities(model, vectors, left_out, progress=first)
    if model.head:
        if surroundings is None:
            surroundings = surrounded(vectors, keys, model.camera)
        shares = model.head.probabilities(
            surroundings, keys.expnum.to_numpy(), own_exposure=own_exposure, progress=second
        )
    table = pd.concat(
        [keys[["image_id", "expnum", "ccdname"]].reset_index(drop=True), chances(shares, model.classes)], axis=1
    )
    table["exposure_probability"] = exposure_probability(
        model.view, table.p_good.to_numpy(), table, model.camera, whole_bad(model, vectors, table)
    )
    ids = model.training.image_id.to_numpy()
    found = rows >= 0
    if found.all():
        table["neighbour_ids"] = list(ids[rows])
        table["neighbour_distances"] = list(distances)
    else:
        table["neighbour_ids"] = [ids[row[hit]] for row, hit in zip(rows, found, strict=True)]
        table["neighbour_distances"] = [d[hit] for d, hit in zip(distances, found, strict=True)]
    return table


def _half_of(progress: Callable | None, n: int, half: int) -> Callable | None:
    """The first (0) or second (1) half of a progress of n images, so that it never goes back."""
    return progress and (lambda done, total, text="": progress((half * n + done) // 2, n, text))
