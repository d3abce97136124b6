"""The exposure as a whole: what all of its CCDs say together becomes one calibrated probability that it is bad.

Six numbers describe an exposure: how bad its worst CCD is, its second worst, its fifth worst, its worst group of
neighbouring CCDs, all CCDs on average, and what learners say about the focal plane as one vector. A logistic regression
of these numbers, fitted to exposures with a known answer, gives the probability. It is fitted to answers of learners
(or neighbours) that were not taught by the exposure, so it learns how far such answers can be trusted. One CCD crossed
by a thin trail is not the same as ten CCDs covered by a ghost.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from triptych.pipeline.classifier.cross_fitted_heads import relative
from triptych.pipeline.classifier.surroundings import groups_of, neighbour_weights
from triptych.pipeline.image_ids import ccdnum_of

SURE = 1e-3
FEWEST = 3  # exposures needed of each answer, good and bad
# If there are fewer, the second worst CCD decides.
UNTAUGHT = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
STRENGTH = 1.0


@dataclass(frozen=True)
class ExposureView:
    """probability = sigmoid(slopes @ numbers + offset).

    slopes : (6,). taught : number of exposures fitted to, 0 = none.
    """

    slopes: tuple[float, ...] = tuple(UNTAUGHT)
    offset: float = 0.0
    taught: int = 0

    def probabilities(self, numbers: np.ndarray) -> np.ndarray:
        """Probability of being bad, (n_exposures,), from the numbers of `describe`, (n_exposures, 6)."""
        return expit(numbers @ np.array(self.slopes) + self.offset)


def describe(
    p_good: np.ndarray, keys: pd.DataFrame, camera: str, whole: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return expnums (n_exposures,) and six numbers for each, (n_exposures, 6): log-odds of being bad of the worst,
    second worst and fifth worst CCD, of the worst neighbourhood, on average, and of the focal plane as one vector.

    p_good : (n,) of the images in `keys` (`image_id, expnum`): all embedded CCDs of each exposure. whole :
    (n_exposures,) probability of being bad from the vector of the whole focal plane; one half is used if it is None.
    """
    bad = 1 - np.asarray(p_good, float)
    expnums, ccdnums = keys.expnum.to_numpy(), ccdnum_of(keys.image_id.to_numpy())
    groups = groups_of(expnums)
    numbers = np.empty((len(groups), 6))
    for place, rows in enumerate(groups):
        worst = np.sort(bad[rows])[::-1]
        around = neighbour_weights(camera, ccdnums[rows], itself=True) @ bad[rows]
        numbers[place] = [
            worst[0],
            worst[min(1, len(rows) - 1)],
            worst[min(4, len(rows) - 1)],
            around.max(),
            worst.mean(),
            0.5 if whole is None else whole[place],
        ]
    found = np.array([expnums[rows[0]] for rows in groups], np.int64)
    return found, logit(np.clip(numbers, SURE, 1 - SURE))


def learn_view(
    p_good: np.ndarray,
    keys: pd.DataFrame,
    answers: dict[int, bool],
    camera: str,
    whole: np.ndarray | None = None,
    weights: pd.Series | None = None,
) -> ExposureView:
    """Fit the view to the exposures with a known answer.

    p_good : (n,) of the images in `keys`, from models that were not taught by the image's own exposure. answers :
    expnum -> whether it is bad. whole : see `describe`. weights : expnum -> how much its answer counts, relative to the
    largest; 1 if it is missing. With fewer than FEWEST good or bad exposures, the second worst CCD decides alone.
    """
    expnums, numbers = describe(p_good, keys, camera, whole)
    known = np.isin(expnums, list(answers))
    bad = np.array([answers[int(expnum)] for expnum in expnums[known]], bool)
    if min(bad.sum(), (~bad).sum()) < FEWEST:
        return ExposureView()
    counts = np.ones(len(bad))
    if weights is not None:
        counts = relative(weights.reindex(expnums[known], fill_value=1.0).to_numpy(float))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH))
    model.fit(numbers[known], bad, logisticregression__sample_weight=counts)
    scaler, logistic = model[0], model[1]
    slopes = logistic.coef_[0] / scaler.scale_
    return ExposureView(
        tuple(float(slope) for slope in slopes), float(logistic.intercept_[0] - slopes @ scaler.mean_), len(bad)
    )


def exposure_probability(
    view: ExposureView, p_good: np.ndarray, keys: pd.DataFrame, camera: str, whole: np.ndarray | None = None
) -> np.ndarray:
    """Return (n,): for each image of `keys`, the probability that its exposure is bad."""
    expnums, numbers = describe(p_good, keys, camera, whole)
    chances = view.probabilities(numbers)
    return chances[np.searchsorted(expnums, keys.expnum.to_numpy())]
