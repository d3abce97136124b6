"""A classifier that learns from labelled images and gives every image a probability for each reason.

`knn` is the published one: MinMaxScaler -> PCA(15) -> VarianceThreshold(0.001) -> 7 nearest neighbours by Manhattan
distance. Two things differ from the publication on purpose:

- An image with several labels is one training image. The neighbours vote on each label separately (one indicator per
  reason). So a probability is the share of neighbours that have the reason, and the probabilities of an image sum to
  one only if no neighbour has several labels. `reason` is the likeliest label; if several are equally likely, the
  first in vocabulary order, with good last.
- An image is never its own neighbour, and no image of the same exposure is its neighbour. CCDs of one exposure are
  nearly copies of each other. Otherwise a labelled image would get its own label back, and the probability on screen
  would be false.

`published` keeps to the publication in the first of these: an image with several labels is several training images.

`linear`, `forest`, `mixed` (the default) and `two_step` also have learners (see `cross_fitted_heads`). The learners
read a CCD together with its surroundings and give the probabilities. The neighbours are still found, because they show
why. The rule about the own exposure holds for learners too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.cross_fitted_heads import Head, fit_head
from triptych.pipeline.classifier.exposure_calibration import ExposureView
from triptych.pipeline.classifier.simulated_teacher import Teacher
from triptych.pipeline.classifier.surroundings import surrounded
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.vectors.reduction import Reduction, fit_reduction


@dataclass(frozen=True)
class Classifier:
    """Parameters of a k-nearest-neighbour classifier on reduced vectors.

    scaler : a name in reduction.SCALERS. power : p of the Minkowski distance; 1 is Manhattan. one_row_per_label : an
    image with several labels teaches as several images with one label each, as in the published code. learner : a name
    in cross_fitted_heads.KINDS; then the learners give the probabilities. two_steps : they first decide between good
    and bad, then which reason.
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
    """A fitted classifier, as arrays and a table. Nothing needs pickling.

    name : of the classifier; `searched` if a search has chosen its parameters. vectors : (n, kept) float64, the reduced
    training images. training : their rows, in the same order, with `image_id, expnum, ccdname, reasons, source,
    provenance, basis, weight`; without `weight` all count alike. head : the learners, if the classifier has any.
    whole : learners that read the focal plane as one vector. view : turns their answers and those about the CCDs into
    one probability per exposure. camera : whose focal plane it was.
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
        """The labels that the model can give, in vocabulary order, good last."""
        return self.head.classes if self.head else classes_of(self.training.reasons)


def classes_of(reasons: pd.Series) -> tuple[str, ...]:
    """The labels that occur in `reasons`, in vocabulary order, good last."""
    taught = {reason for own in reasons for reason in own}
    return tuple(name for name in (*REASONS, GOOD) if name in taught)


def has_head(classifier: str | Classifier) -> bool:
    """Whether a classifier has learners, which read a CCD's surroundings. classifier : a name or parameters."""
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
    """Fit a classifier, given by name or by its parameters.

    vectors : (n, dim), one embedding vector per row of `training`, the table of a training set. surroundings : from
    `surrounded` for those rows, for a classifier with learners; None computes them from these rows only. teacher : the
    simulated images that a linear learner may use too. BadInput if the vectors hold NaN or infinity.
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


def _check_finite(vectors: np.ndarray) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = int((~finite).sum())
        raise BadInput(f"{bad} of {len(vectors)} vectors hold NaN or infinity; run `triptych embed` again")
