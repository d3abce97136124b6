"""The exposure as a whole: what all of its CCDs say together -> one calibrated probability that it is bad.

Six numbers describe an exposure: how bad its worst CCD is, its second and its fifth worst, the worst group of
neighbouring CCDs, all of them on the mean, and what learners make of the focal plane as one vector. A logistic
regression of them on the exposures whose answer is known gives the probability. What it learns from are answers of
learners (or neighbours) that had not seen the exposure, so it knows how far they can be believed: one CCD that a thin
trail crosses is another thing than ten that a ghost covers.
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
FEWEST = 3  # exposures of either answer that are needed to learn from
# Where there is too little to learn from the second worst CCD decides.
UNTAUGHT = np.array([0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
STRENGTH = 1.0


@dataclass(frozen=True)
class ExposureView:
    """probability = sigmoid(slopes @ numbers + offset). slopes : (6,). taught : by how many exposures, 0 for none."""

    slopes: tuple[float, ...] = tuple(UNTAUGHT)
    offset: float = 0.0
    taught: int = 0

    def probabilities(self, numbers: np.ndarray) -> np.ndarray:
        """(n_exposures, 6) from `describe` -> (n_exposures,) probability of being bad."""
        return expit(numbers @ np.array(self.slopes) + self.offset)


def describe(
    p_good: np.ndarray, keys: pd.DataFrame, camera: str, whole: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return expnums (n_exposures,) and (n_exposures, 6) log-odds of being bad: worst, second and fifth worst CCD,
    worst neighbourhood, mean, focal plane as one vector.

    p_good : (n,) of the images in `keys` (`image_id, expnum`), all embedded CCDs of each exposure. whole :
    (n_exposures,) probability of being bad by the vector of the whole focal plane; without it that number is one half.
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
    """Fit the view on the exposures whose answer is known.

    p_good : (n,) of the images in `keys`, none of them from a model that its own exposure has taught. answers : expnum
    -> whether it is bad. whole : see `describe`. weights : expnum -> how much its answer counts beside the surest one,
    1 where it is not in it. With fewer than FEWEST good or bad exposures the second worst CCD alone decides.
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
    """Return (n,) the probability of its exposure for each image of `keys`."""
    expnums, numbers = describe(p_good, keys, camera, whole)
    chances = view.probabilities(numbers)
    return chances[np.searchsorted(expnums, keys.expnum.to_numpy())]
