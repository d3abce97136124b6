"""A classifier's head: several learners, each fitted without some of the exposures, that answer together.

The exposures that teach are divided into FOLDS folds, and one learner is fitted without each fold. All learners answer
for a new exposure. For an exposure that taught, only the learner that was fitted without it answers, so nobody gets
their own label back.

The answers about held-out exposures also decide three things, all by cross-entropy. Does the linear learner use the
simulated teacher? Yes, if that helps by more than the standard error over exposures. How are its answer and the
forest's mixed? The forest answers alone unless a mix is better by as much. How sharp is the result? So the
probabilities are calibrated. The forest learns only from the survey's own labels.

With one step, good is a label like the others. With two steps, a first set of learners tells good from bad. A second
set, which learns only from the bad images, tells the reasons. The probability of a reason is the product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from triptych.pipeline.classifier import learners
from triptych.pipeline.classifier.folds import deal
from triptych.pipeline.classifier.learners import (
    Forest,
    Linear,
    fit_forest,
    fit_linear,
    sharpened,
    surprise,
    surprises,
)
from triptych.pipeline.classifier.simulated_teacher import WEIGHT, Teacher
from triptych.pipeline.reasons import GOOD, REASONS

FOLDS = 5
# If all images of an exposure have the same labels, only this many teach: 60 near copies teach no more than 20.
ALIKE = 20
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # shares of the forest in the mix that are tried
SHARPEST = 4.0
KINDS = ("linear", "forest", "mixed")


@dataclass(frozen=True)
class Step:
    """One question to the learners: which of `labels`? Each fold has its own learners.

    share : the forest's share of the answer. simulated : whether the linear learners use the simulated teacher.
    """

    labels: tuple[str, ...]
    linear: tuple[Linear, ...]
    forest: tuple[Forest, ...]
    share: float
    sharpness: float
    simulated: bool = False

    def of_fold(self, fold: int, x: np.ndarray) -> np.ndarray:
        """Answers of one fold's learners: (n, dim) -> (n, n_labels)."""
        linear = self.linear[fold].probabilities(x) if self.share < 1 else 0.0
        forest = self.forest[fold].probabilities(x) if self.share > 0 else 0.0
        return sharpened(np.asarray((1 - self.share) * linear + self.share * forest), self.sharpness)


@dataclass(frozen=True)
class Head:
    """folds : for each fold, the exposures that its learners were not fitted on.

    steps : one, or two (bad, then why).
    """

    steps: tuple[Step, ...]
    folds: tuple[np.ndarray, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that the head can give, in vocabulary order, good last."""
        return self.steps[0].labels if len(self.steps) == 1 else (*self.steps[1].labels, GOOD)

    def of_fold(self, fold: int, x: np.ndarray) -> np.ndarray:
        """Answers of one fold's learners: (n, dim) -> (n, n_classes), in the order of `classes`."""
        answers = [step.of_fold(fold, x) for step in self.steps]
        if len(self.steps) == 1:
            return answers[0]
        return np.hstack([answers[0] * answers[1], 1 - answers[0]])

    def probabilities(
        self,
        x: np.ndarray,
        expnums: np.ndarray,
        *,
        own_exposure: bool = False,
        progress: Callable | None = None,
    ) -> np.ndarray:
        """Probabilities (n, n_classes) float64 of images x (n, dim) float32 of exposures `expnums` (n,).

        own_exposure : let all learners answer, even those that were fitted on the image's exposure.
        """
        total, n_answers = np.zeros((len(x), len(self.classes))), np.zeros(len(x))
        held = [np.isin(expnums, fold_expnums) for fold_expnums in self.folds]
        taught = np.any(held, axis=0) & (not own_exposure)
        for fold, fold_expnums in enumerate(held):
            rows = np.flatnonzero(fold_expnums | ~taught)
            total[rows] += self.of_fold(fold, x[rows])
            n_answers[rows] += 1
            if progress:
                progress((fold + 1) * len(x) // len(held), len(x), "learners")
        return total / n_answers[:, None]


def indicators(reasons: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Return (n, n_classes) bool: which image has which label."""
    return np.array([[name in own for name in classes] for own in reasons], dtype=bool).reshape(
        len(reasons), len(classes)
    )


def relative(weights: np.ndarray) -> np.ndarray:
    """Scale weights (n,) so that the largest is at least 1.

    If all labels have the same weight, that changes nothing.
    """
    return weights / min(weights.max(initial=0) or 1.0, 1.0)


def alike(training: pd.DataFrame, most: int, seed: int) -> np.ndarray:
    """Row numbers of a training table that teach.

    Of an exposure whose images all have the same labels, `most` images are drawn at random. Of others, all teach.
    """
    own = pd.DataFrame({"expnum": training.expnum.to_numpy(), "reasons": training.reasons.map("|".join).to_numpy()})
    own["drawn"] = np.random.default_rng(seed).random(len(own))
    same = own.groupby("expnum").reasons.transform("nunique") == 1
    return np.flatnonzero(~same | (own.groupby("expnum").drawn.rank() <= most))


def fit_head(
    x: np.ndarray,
    training: pd.DataFrame,
    *,
    kind: str,
    two_steps: bool = False,
    teacher: Teacher | None = None,
    seed: int = 0,
    progress: Callable | None = None,
) -> Head:
    """Fit the learners of every fold, and decide how to mix them.

    x : (n, dim) float32, one row per row of `training` (`expnum, reasons`, and perhaps `weight`, which counts relative
    to the largest). kind : one of KINDS. teacher : the simulated teacher, if it was made with the same backbone.
    progress : called with (done, total, text) after each learner.
    """
    rows = alike(training, ALIKE, seed)
    table = training.iloc[rows].reset_index(drop=True)
    if kind == "forest":
        teacher = None
    taught = {label for own in training.reasons for label in own} | set(teacher.labels if teacher else ())
    classes = tuple(name for name in (*REASONS, GOOD) if name in taught)
    weights = relative(table["weight"].to_numpy(float)) if "weight" in table else np.ones(len(table))
    folds = tuple(deal(table, FOLDS, seed))
    own = Lesson(np.ascontiguousarray(x[rows], np.float32), indicators(table.reasons, classes), weights)
    simulated = None
    if teacher:
        size = np.full(len(teacher.reasons), WEIGHT)
        simulated = Lesson(teacher.images, indicators(teacher.reasons, classes), size)
    expnums = table.expnum.to_numpy()
    held = [np.isin(expnums, fold) for fold in folds]
    good = own.carried[:, -1] if classes[-1] == GOOD else np.zeros(len(table), bool)
    one_step = not two_steps or good.all() or not good.any()
    count_fit = _counted(
        progress,
        len(folds)
        * {"linear": 1 + bool(simulated), "forest": 1, "mixed": 2 + bool(simulated)}[kind]
        * (1 if one_step else 2),
    )
    if one_step:
        return Head((_fit_step(own, simulated, held, expnums, classes, kind, seed, count_fit),), folds)
    bad, reasons = (simulated.bad(), simulated.reasons()) if simulated else (None, None)
    first = _fit_step(own.bad(), bad, held, expnums, ("bad",), kind, seed, count_fit)
    within = [fold[~good] for fold in held]
    second = _fit_step(own.reasons(), reasons, within, expnums[~good], classes[:-1], kind, seed, count_fit)
    return Head((first, second), folds)


def _counted(progress: Callable | None, total: int) -> Callable[[], None]:
    """Return a function that reports one more fitted learner to `progress` each time it is called."""
    fitted = count(1)
    return lambda: progress(next(fitted), total, "learners") if progress else None


@dataclass(frozen=True)
class Lesson:
    """Images that teach.

    x : (n, dim) float32. carried : (n, n_labels) bool, which image has which label. weights : (n,).
    """

    x: np.ndarray
    carried: np.ndarray
    weights: np.ndarray

    def of(self, rows: np.ndarray) -> "Lesson":
        """Some of the images. rows : (n,) bool, or places."""
        return Lesson(self.x[rows], self.carried[rows], self.weights[rows])

    def bad(self) -> "Lesson":
        """The same images with the single label "bad"; good must be the last label."""
        return Lesson(self.x, ~self.carried[:, -1:], self.weights)

    def reasons(self) -> "Lesson":
        """The bad images with all labels except good; good must be the last label."""
        bad = ~self.carried[:, -1]
        return Lesson(self.x[bad], self.carried[bad, :-1], self.weights[bad])

    def and_(self, other: "Lesson") -> "Lesson":
        """These images and, after them, the other ones."""
        return Lesson(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in vars(self)))


def _fit_step(own: Lesson, besides: Lesson | None, held, expnums, labels, kind: str, seed: int, tell: Callable) -> Step:
    """Fit one step's learners, fold by fold. If a fold leaves no images to teach, all images teach.

    tell : called after each fit.
    """
    taught = [~fold if (~fold).any() else np.ones(len(fold), bool) for fold in held]
    lessons = [own.of(rows) for rows in taught]
    linear, forest, simulated = (), (), False
    unseen = {"linear": np.zeros(own.carried.shape), "forest": np.zeros(own.carried.shape)}
    if kind != "forest":
        answers = []
        for more in (None, besides) if besides else (None,):
            parts = []
            for lesson in lessons:
                parts.append(fit_linear(*vars(lesson.and_(more) if more else lesson).values()))
                tell()
            answers.append((parts, _unseen(parts, own, held)))
        simulated = bool(besides) and _clearly_better(answers[1][1], answers[0][1], own.carried, expnums)
        linear, unseen["linear"] = answers[simulated]
    if kind != "linear":
        forest = []
        for fold, lesson in enumerate(lessons):
            groups = expnums[taught[fold]]
            forest.append(fit_forest(*vars(lesson).values(), seed=1000 * seed + fold, groups=groups))
            tell()
        unseen["forest"] = _unseen(forest, own, held)
    found = []
    for share in {"linear": (0.0,), "forest": (1.0,), "mixed": SHARES}[kind]:
        mixed = (1 - share) * unseen["linear"] + share * unseen["forest"]
        best = minimize_scalar(
            lambda power, mixed=mixed: surprise(sharpened(mixed, power), own.carried, own.weights),
            bounds=(1 / SHARPEST, SHARPEST),
            method="bounded",
        )
        found.append((best.fun, share, float(best.x), sharpened(mixed, best.x)))
    chosen, alone = min(found, key=lambda one: one[:2]), found[-1]
    if alone[1] == 1 and not _clearly_better(chosen[3], alone[3], own.carried, expnums):
        chosen = alone
    _, share, sharpness, _ = chosen
    return Step(
        tuple(labels),
        tuple(linear) if share < 1 else (),
        tuple(forest) if share > 0 else (),
        share,
        sharpness,
        simulated and share < 1,
    )


def _clearly_better(new: np.ndarray, old: np.ndarray, carried: np.ndarray, expnums: np.ndarray) -> bool:
    """Whether the new answers have a lower cross-entropy, by more than the standard error over exposures."""
    gained = pd.Series(surprises(old, carried) - surprises(new, carried)).groupby(expnums).mean()
    return bool(gained.mean() > gained.std(ddof=0) / np.sqrt(len(gained)))


def _unseen(parts, own: Lesson, held) -> np.ndarray:
    """(n, n_labels) answers about each image from the learner that was fitted without it."""
    probabilities = np.zeros(own.carried.shape)
    for part, fold in zip(parts, held, strict=True):
        probabilities[fold] = part.probabilities(own.x[fold])
    return probabilities


def as_arrays(head: Head) -> tuple[dict[str, np.ndarray], dict]:
    """A head as named arrays, and the rest of it as plain values for JSON."""
    arrays, steps = {}, []
    for number, step in enumerate(head.steps):
        for name, parts in (("linear", step.linear), ("forest", step.forest)):
            for fold, part in enumerate(parts):
                arrays |= {f"{number}-{name}-{fold}-{field}": value for field, value in vars(part).items()}
        steps.append(
            {"labels": step.labels, "share": step.share, "sharpness": step.sharpness, "simulated": step.simulated}
        )
    return arrays, {"steps": steps, "folds": [[int(e) for e in own] for own in head.folds]}


def from_arrays(arrays: dict[str, np.ndarray], plain: dict) -> Head:
    """The inverse of `as_arrays`."""
    folds = tuple(np.array(own, np.int64) for own in plain["folds"])
    steps = []
    for number, step in enumerate(plain["steps"]):
        parts = {}
        for name, kind in (("linear", learners.Linear), ("forest", learners.Forest)):
            fields = kind.__dataclass_fields__
            fitted_folds = [
                fold for fold in range(len(folds)) if f"{number}-{name}-{fold}-{next(iter(fields))}" in arrays
            ]
            parts[name] = tuple(
                kind(**{field: arrays[f"{number}-{name}-{fold}-{field}"] for field in fields}) for fold in fitted_folds
            )
        plainly = {name: step[name] for name in ("share", "sharpness", "simulated")}
        steps.append(Step(tuple(step["labels"]), **parts, **plainly))
    return Head(tuple(steps), folds)
