"""Several learners, each taught by other exposures, that answer together: a classifier's head.

The exposures that teach are dealt to FOLDS folds, and one learner is fitted without each. A new exposure is answered by
all of them, one that taught by the learner that has not seen it: nobody is told their own label. What the
learners say of the exposures they have not seen sets, besides, whether the linear one listens to the simulated teacher
(if that helps by more than the standard error over exposures), how its answer and the forest's are mixed (the forest
answers alone unless a mix is as clearly better), and how sharp the result is, all by cross-entropy; so the
probabilities are calibrated. The forest learns from the survey's own labels alone.

With one step, good is a label like the others. With two, a first pair of learners tells good from bad and a second one,
taught by the bad images alone, the reasons; a reason's probability is the product.
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
# Of an exposure whose images all have the same labels this many teach; sixty near copies teach no more than that.
ALIKE = 20
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the forest in the mix
SHARPEST = 4.0
KINDS = ("linear", "forest", "mixed")


@dataclass(frozen=True)
class Step:
    """One question to learners: `labels`, and per fold what answers it. share : the forest's part of the answer.
    simulated : whether the linear learners listen to the simulated teacher."""

    labels: tuple[str, ...]
    linear: tuple[Linear, ...]
    forest: tuple[Forest, ...]
    share: float
    sharpness: float
    simulated: bool = False

    def of_fold(self, fold: int, x: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, n_labels) of one fold's learners."""
        linear = self.linear[fold].probabilities(x) if self.share < 1 else 0.0
        forest = self.forest[fold].probabilities(x) if self.share > 0 else 0.0
        return sharpened(np.asarray((1 - self.share) * linear + self.share * forest), self.sharpness)


@dataclass(frozen=True)
class Head:
    """folds : per fold the exposures that its learners have not seen. steps : one, or two: bad, then which reason."""

    steps: tuple[Step, ...]
    folds: tuple[np.ndarray, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels it can give, in vocabulary order, good last."""
        return self.steps[0].labels if len(self.steps) == 1 else (*self.steps[1].labels, GOOD)

    def of_fold(self, fold: int, x: np.ndarray) -> np.ndarray:
        """(n, n_classes) from one fold's learners, in the order of `classes`."""
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
        """(n, dim) float32 of images of exposures (n,) -> (n, n_classes) float64.

        own_exposure : let all learners answer, those too that the image's exposure has taught.
        """
        total, asked = np.zeros((len(x), len(self.classes))), np.zeros(len(x))
        held = [np.isin(expnums, own) for own in self.folds]
        taught = np.any(held, axis=0) & (not own_exposure)
        for fold, own in enumerate(held):
            rows = np.flatnonzero(own | ~taught)
            total[rows] += self.of_fold(fold, x[rows])
            asked[rows] += 1
            if progress:
                progress((fold + 1) * len(x) // len(held), len(x), "learners")
        return total / asked[:, None]


def indicators(reasons: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Return (n, n_classes) bool: which image carries which label."""
    return np.array([[name in own for name in classes] for own in reasons], dtype=bool).reshape(
        len(reasons), len(classes)
    )


def relative(weights: np.ndarray) -> np.ndarray:
    """Weights (n,) such that the surest label counts in full; labels that all rest on the same count as without."""
    return weights / min(weights.max(initial=0) or 1.0, 1.0)


def alike(training: pd.DataFrame, most: int, seed: int) -> np.ndarray:
    """Rows of a training table that teach: `most` drawn at random of exposures whose images all have the same labels,
    all of the others."""
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
    """Fit the learners of every fold, and what sets their mix.

    x : (n, dim) float32 per row of `training` (`expnum, reasons`, perhaps `weight`, which counts relative to the
    surest label). kind : one of KINDS. teacher : the simulated one, where it saw with the same backbone. progress :
    called with (done, total, text) after each learner.
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
    besides = None
    if teacher:
        size = np.full(len(teacher.reasons), WEIGHT)
        besides = Lesson(teacher.images, indicators(teacher.reasons, classes), size)
    expnums = table.expnum.to_numpy()
    held = [np.isin(expnums, fold) for fold in folds]
    good = own.carried[:, -1] if classes[-1] == GOOD else np.zeros(len(table), bool)
    one_step = not two_steps or good.all() or not good.any()
    tell = _counted(
        progress,
        len(folds)
        * {"linear": 1 + bool(besides), "forest": 1, "mixed": 2 + bool(besides)}[kind]
        * (1 if one_step else 2),
    )
    if one_step:
        return Head((_fit_step(own, besides, held, expnums, classes, kind, seed, tell),), folds)
    bad, reasons = (besides.bad(), besides.reasons()) if besides else (None, None)
    first = _fit_step(own.bad(), bad, held, expnums, ("bad",), kind, seed, tell)
    within = [fold[~good] for fold in held]
    second = _fit_step(own.reasons(), reasons, within, expnums[~good], classes[:-1], kind, seed, tell)
    return Head((first, second), folds)


def _counted(progress: Callable | None, total: int) -> Callable[[], None]:
    """A function that tells `progress` of one more learner fitted each time it is called."""
    fitted = count(1)
    return lambda: progress(next(fitted), total, "learners") if progress else None


@dataclass(frozen=True)
class Lesson:
    """Images that teach. x : (n, dim) float32. carried : (n, n_labels) bool, good last. weights : (n,)."""

    x: np.ndarray
    carried: np.ndarray
    weights: np.ndarray

    def of(self, rows: np.ndarray) -> "Lesson":
        return Lesson(self.x[rows], self.carried[rows], self.weights[rows])

    def bad(self) -> "Lesson":
        """The same images with one label: not good."""
        return Lesson(self.x, ~self.carried[:, -1:], self.weights)

    def reasons(self) -> "Lesson":
        """The bad images with all labels but good."""
        bad = ~self.carried[:, -1]
        return Lesson(self.x[bad], self.carried[bad, :-1], self.weights[bad])

    def and_(self, other: "Lesson") -> "Lesson":
        return Lesson(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in vars(self)))


def _fit_step(own: Lesson, besides: Lesson | None, held, expnums, labels, kind: str, seed: int, tell: Callable) -> Step:
    """Fit one step's learners fold by fold; where a fold leaves nothing to teach, all images do. tell : called after
    each of them."""
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
    """Whether new answers surprise less than old ones, by more than the standard error over exposures."""
    gained = pd.Series(surprises(old, carried) - surprises(new, carried)).groupby(expnums).mean()
    return bool(gained.mean() > gained.std(ddof=0) / np.sqrt(len(gained)))


def _unseen(parts, own: Lesson, held) -> np.ndarray:
    """(n, n_labels) answers about each image from the part of the fold that it was held out of."""
    said = np.zeros(own.carried.shape)
    for part, fold in zip(parts, held, strict=True):
        said[fold] = part.probabilities(own.x[fold])
    return said


def as_arrays(head: Head) -> tuple[dict[str, np.ndarray], dict]:
    """A head as named arrays, and the rest of it as plain values."""
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
            there = [fold for fold in range(len(folds)) if f"{number}-{name}-{fold}-{next(iter(fields))}" in arrays]
            parts[name] = tuple(
                kind(**{field: arrays[f"{number}-{name}-{fold}-{field}"] for field in fields}) for fold in there
            )
        plainly = {name: step[name] for name in ("share", "sharpness", "simulated")}
        steps.append(Step(tuple(step["labels"]), **parts, **plainly))
    return Head(tuple(steps), folds)
