"""Searches for the best parameters of the classifier, by successive halving over the published space.

Many settings are tried on few images. The better half of them is tried again on twice as many images, until one is left
or all images are used. Each trial is scored in three folds of whole exposures, so no setting gains by recognising an
exposure. A trial uses the classifier itself, so the score is of what `predict` would do.

The winner is then compared with the given setting on all images, in the same folds. It is used only if its score is
higher.

The published space also has the leaf size of the search tree. Neighbours are exact here, so the leaf size would change
nothing and is left out.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GroupKFold, HalvingRandomSearchCV, cross_val_score

from triptych.pipeline.classifier.classifier import Classifier, fit
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.metrics import ccd_metrics
from triptych.pipeline.classifier.prediction_table import as_table, asks_neighbours
from triptych.pipeline.errors import LabelError, choose
from triptych.pipeline.vectors.reduction import SCALERS

FOLDS = 3
GIVEN = Classifier()
FACTOR = 2
SPACE: dict[str, tuple] = {
    "scaler": tuple(SCALERS),
    "components": (5, 10, 15, 25, 30, 50, 70, 100),
    "threshold": (0.0, 0.001, 0.01),
    "neighbours": (1, 3, 5, 7, 10, 20, 30),
    "power": (1, 2, 3, 5),
}
SCORES = ("accuracy", "macro_f1")
BETWEEN = "|"


class Trial(ClassifierMixin, BaseEstimator):
    """One setting as a scikit-learn estimator. X : (n, dim) vectors. y : the labels of each, joined by BETWEEN."""

    def __init__(self, scaler="minmax", components=15, threshold=0.001, neighbours=7, power=1, apart=False, seed=0):
        self.scaler = scaler
        self.components = components
        self.threshold = threshold
        self.neighbours = neighbours
        self.power = power
        self.apart = apart
        self.seed = seed

    def fit(self, X, y):
        """Fit the classifier with this setting, as scikit-learn asks for it. Returns self."""
        self.classes_ = np.unique(y)
        settings = Classifier(**{name: getattr(self, name) for name in SPACE}, one_row_per_label=self.apart)
        self.model_ = fit(X, _rows(y), classifier=settings, seed=self.seed)
        return self

    def table(self, X) -> pd.DataFrame:
        """The prediction table of (n, dim) vectors. Folds are of whole exposures, so no neighbour must be left out."""
        keys = pd.DataFrame({"image_id": np.arange(len(X)), "expnum": -1, "ccdname": ""})
        model = self.model_
        answer = asks_neighbours(model, indicators(model.training.reasons, model.classes), len(X))(X, keys)
        return as_table(answer, keys, model.classes, model.training.image_id.to_numpy()).to_pandas()

    def predict(self, X):
        """(n,) the most probable label of each vector."""
        return self.table(X).reason.to_numpy()


def _rows(y) -> pd.DataFrame:
    """A training table from joined labels. The image ids do not matter here."""
    rows = np.arange(len(y))
    reasons = [tuple(text.split(BETWEEN)) for text in y]
    return pd.DataFrame({"image_id": rows, "expnum": rows, "ccdname": "", "reasons": reasons})


@dataclass(frozen=True)
class Schedule:
    """candidates : number of settings at the start.

    images : number of images at the start. rounds : number of rounds.
    """

    candidates: int
    images: int
    rounds: int

    @property
    def trials(self) -> int:
        """Number of fits in all rounds together."""
        left, total = self.candidates, 0
        for _ in range(self.rounds):
            total += left * FOLDS
            left = math.ceil(left / FACTOR)
        return total


def schedule(n_images: int, n_labels: int, candidates: int = 0) -> Schedule:
    """Plan the halving. By default there are as many settings as the images allow, as published.

    The first round has at least two images per fold and label. With few settings it has more, so that the last round
    uses nearly all images.
    """
    least = min(n_images, 2 * FOLDS * n_labels)
    settings = min(candidates or n_images // least, math.prod(map(len, SPACE.values())))
    rounds = min(1 + int(math.log(n_images // least, FACTOR)), 1 + int(math.log(settings, FACTOR)))
    return Schedule(settings, max(least, n_images // FACTOR ** (rounds - 1)), rounds)


@dataclass
class _Scorer:
    """Scores a trial and reports the progress. It is called once per fit."""

    by: str
    total: int
    progress: Callable | None
    done: int = 0

    def __call__(self, trial: Trial, X, y) -> float:
        score = ccd_metrics(_rows(y).reasons, trial.table(X))[self.by]
        self.done += 1
        if self.progress:
            self.progress(self.done, max(self.total, self.done), "search")
        return score


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    best : the setting that won. table : one row per setting and round, the best of the last round first, with `round,
    images, scaler, components, threshold, neighbours, power, score, score_spread`: mean and standard deviation over the
    folds. report : how the search was done, as plain values.
    """

    best: Classifier
    table: pd.DataFrame
    report: dict


def search(
    vectors: np.ndarray,
    training: pd.DataFrame,
    *,
    by: str = "accuracy",
    candidates: int = 0,
    given: Classifier = GIVEN,
    seed: int = 0,
    progress: Callable | None = None,
) -> SearchResult:
    """Search on the images of a training table.

    vectors : (n, dim), one per row of `training`. by : the score to maximise, one of SCORES; the published search used
    accuracy. candidates : number of settings at the start, 0 = as many as the images allow. given : used unless the
    search finds a better one; its `one_row_per_label` holds for all settings. LabelError with fewer than FOLDS
    exposures.
    """
    choose(by, SCORES, "score")
    n_exposures = training.expnum.nunique()
    if n_exposures < FOLDS:
        raise LabelError(f"a search needs labels on {FOLDS} exposures, but there are {n_exposures}; label more of them")
    labels = np.array([BETWEEN.join(own) for own in training.reasons])
    plan = schedule(len(labels), len(np.unique(labels)), candidates)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    scorer = _Scorer(by, plan.trials + 2 * FOLDS, progress)
    blank = Trial(apart=given.one_row_per_label, seed=seed)
    halving = HalvingRandomSearchCV(
        blank,
        {name: list(values) for name, values in SPACE.items()},
        n_candidates=plan.candidates,
        min_resources=plan.images,
        factor=FACTOR,
        cv=folds,
        scoring=scorer,
        refit=False,
        error_score=0.0,
        random_state=seed,
    )
    groups = training.expnum.to_numpy()
    with warnings.catch_warnings():
        # A power transform of a nearly constant feature may overflow. Such a trial simply gets its score.
        warnings.simplefilter("ignore", RuntimeWarning)
        halving.fit(np.asarray(vectors), labels, groups=groups)
        table = _table(halving.cv_results_)
        found = {name: type(values[0])(table[name].iloc[0]) for name, values in SPACE.items()}
        before = {name: getattr(given, name) for name in SPACE}
        scores = []
        for settings in (found, before):
            trial = clone(blank).set_params(**settings)
            each = cross_val_score(trial, vectors, labels, groups=groups, cv=folds, scoring=scorer, error_score="raise")
            scores.append(each.mean())
    best = found if scores[0] > scores[1] else before
    report = {
        "by": by,
        "best": best,
        "score": float(max(scores)),
        "found": {**found, "score": float(scores[0])},
        "given": {**before, "score": float(scores[1])},
        "folds": FOLDS,
        "folds_of": "exposures",
        "factor": FACTOR,
        "candidates": plan.candidates,
        "rounds": plan.rounds,
        "trials": scorer.done,
        "images": len(labels),
        "exposures": int(n_exposures),
        "seed": seed,
        "space": {name: list(values) for name, values in SPACE.items()},
    }
    return SearchResult(replace(given, **best), table, report)


def _table(results: dict) -> pd.DataFrame:
    table = pd.DataFrame({"round": results["iter"], "images": results["n_resources"]})
    for name in SPACE:
        table[name] = [setting[name] for setting in results["params"]]
    table["score"] = results["mean_test_score"]
    table["score_spread"] = results["std_test_score"]
    # Of equal settings the one drawn first wins, so a search gives the same result every time.
    return table.sort_values(["round", "score"], ascending=False, kind="stable", ignore_index=True)
