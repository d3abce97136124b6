"""How well a classifier does on exposures that did not teach it.

Whole exposures are held out: one at a time for up to 40 labelled exposures, ten folds of exposures above that. Scaler,
PCA and selector are fitted again in every fold, only to the training exposures. A recipe's balance thins out what
teaches, never what is tested.

CCDs: see `metrics`. Only the figures under `cuts` use a probability cut. Each of them says what share of the images
passes it.

Exposures: all embedded CCDs of a held-out exposure are predicted, and the candidate rules are applied to the sampled
ones. An exposure counts as bad if its verdict says so or, without a verdict, if any of its labelled CCDs is bad. See
`exposure_metrics`, `suspicious` for good exposures that look odd, and `bootstrap` for the intervals.

Comparison: several classifiers on the same labels in the same folds. `difference` is paired, on the same resamples.

Leak: the published split is by image, so most images are tested with others of their own exposure in the training set.
`leak` has the same classifier on the same images, with as many folds, split by image and by exposure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, model_files, train
from triptych.pipeline.classifier.classifier import CLASSIFIERS, Classifier
from triptych.pipeline.classifier.folds import deal
from triptych.pipeline.classifier.metrics import ccd_metrics, cut_metrics, rates, reliability
from triptych.pipeline.classifier.simulated_teacher import Teacher
from triptych.pipeline.classifier.surroundings import surrounded
from triptych.pipeline.errors import BadInput, LabelError, choose
from triptych.pipeline.evaluation import plots
from triptych.pipeline.evaluation.bootstrap import interval, resampled, spread
from triptych.pipeline.evaluation.exposure_metrics import exposure_metrics, judged, scored_exposures
from triptych.pipeline.evaluation.report_text import as_text
from triptych.pipeline.labels import survey_ccds
from triptych.pipeline.labels.recipe import Recipe, balanced
from triptych.pipeline.labels.suspicious import SuspiciousList, false_alarms, suspicious
from triptych.pipeline.labels.training_set import TrainingSet

__all__ = ["as_text", "ccd_metrics", "evaluate", "held_out", "rates"]

LEAVE_ONE_OUT_UP_TO = 40
FOLDS = 10
AS_LABELLED = Recipe()
CUTS = (0.9,)
CURRENT_MODEL = "model"


def folds_of(table: pd.DataFrame, folds: int | None, seed: int) -> list[np.ndarray]:
    """Divide the exposures of a training table into folds; see `deal`. folds : None = one exposure each, or ten folds.

    LabelError with fewer than two exposures, BadInput with fewer than two folds.
    """
    known = np.unique(table.expnum)
    if len(known) < 2:
        raise LabelError(
            f"labels cover {len(known)} embedded exposures, but evaluation needs at least two; "
            "vote, or run `triptych labels import RUN FILE`"
        )
    if folds is None:
        folds = len(known) if len(known) <= LEAVE_ONE_OUT_UP_TO else FOLDS
    if folds < 2:
        raise BadInput(f"{folds} folds cannot hold anything out; give 2 or more")
    return deal(table, folds, seed)


def held_out(
    vectors: np.ndarray,
    keys: pd.DataFrame,
    training: TrainingSet,
    *,
    classifier: str | Classifier = train.DEFAULT,
    folds: int | None = None,
    recipe: Recipe = AS_LABELLED,
    split: str = "exposure",
    besides=(),
    teacher: Teacher | None = None,
    camera: str = "decam",
    seed: int = 0,
    progress: Callable | None = None,
) -> tuple[pd.DataFrame, int]:
    """Predict every labelled exposure by a model that it did not teach. Return the prediction table and number of
    folds.

    vectors : (n, dim) in the order of `keys`. The table has the columns of a prediction stage, one row per embedded
    CCD of a labelled exposure, sorted by image_id. split : `image` holds out single labelled images instead, so that
    others of their exposure teach, to show how much that flatters. besides : expnums to predict too. Those without a
    label teach nothing, and the model of the first fold predicts them.
    """
    table, _ = train.embedded(training, keys)
    by_image = split == "image"
    wanted = np.flatnonzero(keys.expnum.isin([*table.expnum, *besides]))
    vectors, keys = np.asarray(vectors[wanted]), keys.iloc[wanted].reset_index(drop=True)
    seen = surrounded(vectors, keys, camera) if train.has_head(classifier) else None
    units, known = (table.image_id, keys.image_id) if by_image else (table.expnum, keys.expnum)
    groups = folds_of(table.assign(expnum=units), folds, seed)
    found = []
    for done, held in enumerate(groups):
        if progress:
            progress(done, len(groups), "folds")
        teaches = balanced(table[~units.isin(held)], recipe, seed=seed)
        unlabelled = [] if done or by_image else np.setdiff1d(besides, units)
        rows = np.flatnonzero(np.isin(known, [*held, *unlabelled]))
        hidden = () if by_image else held
        model = train.learn(
            vectors,
            keys,
            teaches,
            {expnum: bad for expnum, bad in training.answers.items() if expnum not in hidden},
            classifier=classifier,
            surroundings=seen,
            teacher=teacher,
            camera=camera,
            seed=seed,
        )
        found.append(
            train.predict_images(
                model,
                vectors[rows],
                keys.iloc[rows].reset_index(drop=True),
                own_exposure=by_image,
                surroundings=None if seen is None else seen[rows],
            )
        )
    if progress:
        progress(len(groups), len(groups), "folds")
    table = pd.concat(found, ignore_index=True).sort_values("image_id", ignore_index=True)
    chances = [name for name in table if name.startswith("p_")]
    return table.fillna(dict.fromkeys(chances, 0.0)), len(groups)


@dataclass(frozen=True)
class Figures:
    """Results of held-out predictions of one classifier.

    truth, predicted : the labelled images, and their predictions in the same order. found : rule -> exposures.
    draws : name -> every figure, on the exposures themselves and on resamples of them.
    """

    truth: pd.DataFrame
    predicted: pd.DataFrame
    ccd: dict
    found: dict[str, pd.DataFrame]
    exposure: dict
    suspicious: dict
    draws: dict[str, np.ndarray]


def figures(
    training: TrainingSet, prediction: pd.DataFrame, sampled, listed: SuspiciousList, *, rule: str, seed: int = 0
) -> Figures:
    """Compare held-out predictions with what is known. sampled : image_ids that count for the candidate rules."""
    truth = training.table[training.table.image_id.isin(prediction.image_id)].reset_index(drop=True)
    predicted = prediction[prediction.image_id.isin(truth.image_id)].reset_index(drop=True)
    scored = scored_exposures(prediction, sampled)
    found = judged(scored, training.answers, training.table)
    return Figures(
        truth=truth,
        predicted=predicted,
        ccd=ccd_metrics(truth.reasons, predicted),
        found=found,
        exposure=exposure_metrics(found, rule=rule),
        suspicious=false_alarms(prediction, scored, listed, training.answers),
        draws=resampled(truth, predicted, found, seed=seed),
    )


def compared(all_figures: dict[str, Figures], *, seed: int) -> dict:
    """Classifiers side by side: name -> `ccd, exposure, suspicious, spread`, and the `difference` to the first one."""
    first = next(iter(all_figures.values()))
    return {
        name: {
            "ccd": {key: own.ccd[key] for key in ("macro_f1", "accuracy", "bad", "reasons", "n")},
            "exposure": own.exposure,
            "suspicious": own.suspicious,
            "spread": _spread(own, seed),
            "difference": {key: interval(values - first.draws[key]) for key, values in own.draws.items()},
        }
        for name, own in all_figures.items()
    }


def _spread(own: Figures, seed: int) -> dict:
    return spread(own.draws, n_exposures=int(own.truth.expnum.nunique()), seed=seed)


def leak(
    vectors: np.ndarray, keys: pd.DataFrame, training: TrainingSet, by_exposure: pd.DataFrame, folds: int, **options
) -> dict:
    """The same figures split by image and by exposure, on the same labelled images.

    by_exposure : held-out predictions by exposure. options : for `held_out`. Each split has figures without a cut and,
    under `cuts`, above CUTS. `macro_f1_gained` is what the split by image adds to the macro F1.
    """
    by_image, _ = held_out(vectors, keys, training, folds=folds, split="image", **options)
    truth = training.table[training.table.image_id.isin(by_image.image_id)].reset_index(drop=True)
    found = {}
    for split, prediction in (("image", by_image), ("exposure", by_exposure)):
        predicted = prediction[prediction.image_id.isin(truth.image_id)].reset_index(drop=True)
        found[split] = {**ccd_metrics(truth.reasons, predicted), "cuts": _cuts(truth.reasons, predicted, CUTS)}
    return {**found, "macro_f1_gained": found["image"]["macro_f1"] - found["exposure"]["macro_f1"], "folds": folds}


def _cuts(truth: pd.Series, prediction: pd.DataFrame, cuts) -> dict:
    return {f"{above:g}": cut_metrics(truth, prediction, above) for above in cuts}


def chosen_classifier(catalog: Catalog, name: str) -> str | Classifier:
    """A classifier by name, or the parameters of the run's current model (which a search may have found)."""
    if name == CURRENT_MODEL:
        return model_files.classifier_of(catalog.stage("model"))
    return choose(name, (*CLASSIFIERS, CURRENT_MODEL), "classifier")


def evaluate(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    classifier: str = train.DEFAULT,
    rule: str = candidates.DEFAULT,
    folds: int | None = None,
    recipe: Recipe = AS_LABELLED,
    survey: pd.DataFrame | None = None,
    cuts: tuple[float, ...] = CUTS,
    show_leak: bool = False,
    compare: Sequence[str] = (),
    seed: int = 0,
    progress: Callable | None = None,
) -> dict:
    """Evaluate on held-out exposures, write an evaluation stage with plots, and return its metrics.

    folds : number of folds; by default one exposure at a time for up to 40 labelled exposures, else ten folds.
    classifier : a name, or `model` for the parameters of the current model. recipe : how to compose the training set.
    survey : a survey-ccds table to compare with. cuts : probabilities above which images are also measured separately.
    compare : names of other classifiers to measure on the same labels in the same folds.
    """
    choose(rule, candidates.RULES, "candidate rule")
    settings = {name: chosen_classifier(catalog, name) for name in (classifier, *compare)}
    embedding = catalog.stage("embedding")
    vectors, keys, revision = embedding.array(), embedding.table("keys"), store.revision()
    training = train.compose_training_set(
        catalog, store, embedding, policy=policy, recipe=recipe, survey=survey, seed=seed
    )
    listed = suspicious(store.labels(), catalog.exposures(), training.answers)
    sampled = candidates.sampled_images(catalog)
    teacher = train.teacher_of(catalog, embedding) if recipe.simulated else None
    options = {"recipe": recipe, "teacher": teacher, "camera": catalog.camera, "seed": seed, "progress": progress}
    every = {}
    for name, own in settings.items():
        predicted, n_folds = held_out(
            vectors, keys, training, classifier=own, folds=folds, besides=listed.expnums, **options
        )
        every[name] = figures(training, predicted, sampled, listed, rule=rule, seed=seed)
        if name == classifier:
            prediction = predicted
    main = every[classifier]
    n_exposures = int(main.truth.expnum.nunique())
    metrics = {
        "ccd": {
            **main.ccd,
            "cuts": _cuts(main.truth.reasons, main.predicted, cuts),
            "reliability": reliability(main.truth.reasons, main.predicted),
        },
        "exposure": main.exposure,
        "suspicious": main.suspicious,
        "spread": _spread(main, seed),
        "split": {
            "by": "exposure",
            "kind": "leave-one-exposure-out" if n_folds == n_exposures else "folds of exposures",
            "folds": n_folds,
            "exposures": n_exposures,
            "images": len(main.truth),
            "seed": seed,
        },
        "labels": {"policy": policy, "store_revision": revision, **training.report()},
        "classifier": classifier,
        "embedding": embedding.stage_id,
    }
    if compare:
        metrics["compare"] = compared(every, seed=seed)
    if show_leak:
        metrics["leak"] = leak(vectors, keys, training, prediction, n_folds, classifier=settings[classifier], **options)
    if survey is not None:
        survey = survey[survey.camera == catalog.camera]
        metrics["survey_ccds"] = {
            name: survey_ccds.compare(own, survey, training.answers) for name, own in main.found.items()
        }
    parameters = {"policy": policy, "classifier": classifier, "rule": rule, "seed": seed, "store_revision": revision}
    parameters |= recipe.parameters() | ({"compare": ",".join(compare)} if compare else {})
    with catalog.new_stage("evaluation", classifier, parents=[embedding], parameters=parameters) as writer:
        writer.write_json(metrics, "metrics")
        writer.write_table(prediction.drop(columns=["neighbour_ids", "neighbour_distances"]))
        _draw(metrics, writer.folder)
    return {**metrics, "stage": writer.stage.stage_id}


def _draw(metrics: dict, folder) -> None:
    plots.confusion(metrics["ccd"]["confusion"], folder / "confusion.png")
    plots.reasons(metrics["ccd"]["reasons"], folder / "reasons.png")
    plots.reliability(metrics["ccd"]["reliability"], folder / "reliability.png")
    plots.exposure_curves(metrics["exposure"]["rules"], folder / "exposures.png")
    plots.exposure_reliability(metrics["exposure"]["rules"], folder / "exposure_reliability.png")
    plots.false_alarms(metrics["suspicious"], folder / "false_alarms.png")
    if "compare" in metrics:
        plots.compared(metrics["compare"], folder / "compare.png")
    if "leak" in metrics:
        plots.leak(metrics["leak"], folder / "leak.png")
