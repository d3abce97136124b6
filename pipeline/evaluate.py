"""How well the classifier does on exposures that it has never seen.

Whole exposures are held out: leave-one-exposure-out for up to 40 labelled exposures, ten folds of exposures above
that. Scaler, PCA and selector are fitted again in every fold, on the training exposures alone.

CCDs: an image's predicted labels are its likeliest one and every other one that more than half of its neighbours
carry. On single-label data that is the likeliest label alone. Precision, recall and F1 are per label over those sets;
`accuracy` is the share of images whose likeliest label is one of their true labels; the macro average is over the
labels that occur in the truth, good among them. In the confusion matrix every image is counted once: its row is the
predicted label where that is one of its true ones, else its first true one. No probability cut is applied anywhere.

Exposures: all embedded CCDs of a held-out exposure are predicted, and the candidate rules are applied to the sampled
ones. An exposure counts as bad when its verdict says so, or, without one, when any of its labelled CCDs is bad.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipeline import candidates, classify, plots
from pipeline.catalog import Catalog
from pipeline.errors import BadInput, LabelError
from pipeline.reasons import GOOD, REASONS
from pipeline.training import TrainingSet, read_training_set

LEAVE_ONE_OUT_UP_TO = 40
FOLDS = 10


def folds_of(table: pd.DataFrame, folds: int | None, seed: int) -> list[np.ndarray]:
    """Return disjoint sets of exposures, one per fold, that together are all exposures of a training table.

    Exposures of one kind (the rarest of their labels) are dealt to different folds, in seeded order, so that a reason
    known from few exposures is not held out all at once.
    """
    known = np.unique(table.expnum)
    if len(known) < 2:
        raise LabelError(
            f"labels cover {len(known)} embedded exposures and evaluation needs at least two; "
            "vote, or run `triptych labels import RUN FILE`"
        )
    if folds is None:
        folds = len(known) if len(known) <= LEAVE_ONE_OUT_UP_TO else FOLDS
    if folds < 2:
        raise BadInput(f"{folds} folds cannot hold anything out; give 2 or more")
    if folds >= len(known):
        return list(known[:, None])
    pairs = table[["expnum", "reasons"]].explode("reasons").drop_duplicates()
    pairs["exposures"] = pairs.groupby("reasons").expnum.transform("size")
    pairs = pairs.sort_values(["expnum", "exposures", "reasons"])
    kinds = pairs.drop_duplicates("expnum").set_index("expnum").reasons.reindex(known)
    codes = pd.factorize(kinds, sort=True)[0]
    dealt = known[np.lexsort((np.random.default_rng(seed).random(len(known)), codes))]
    return [np.sort(dealt[fold::folds]) for fold in range(folds)]


def held_out(
    vectors: np.ndarray,
    keys: pd.DataFrame,
    training: TrainingSet,
    *,
    classifier: str = "knn",
    folds: int | None = None,
    seed: int = 0,
    progress: Callable | None = None,
) -> tuple[pd.DataFrame, int]:
    """Predict every labelled exposure by a model that never saw it; return the prediction table and number of folds.

    vectors : (n, dim) in the order of `keys`. The table has the columns of a prediction stage, one row per embedded
    CCD of a labelled exposure, sorted by image_id.
    """
    table, places = classify.embedded(training, keys)
    groups = folds_of(table, folds, seed)
    expnums = keys.expnum.to_numpy()
    found = []
    for done, held in enumerate(groups):
        if progress:
            progress(done, len(groups), "folds")
        teaches = ~table.expnum.isin(held).to_numpy()
        asked = np.flatnonzero(np.isin(expnums, held))
        model = classify.fit(vectors[places[teaches]], table[teaches], classifier=classifier, seed=seed)
        found.append(classify.predict_images(model, vectors[asked], keys.iloc[asked]))
    if progress:
        progress(len(groups), len(groups), "folds")
    table = pd.concat(found, ignore_index=True).sort_values("image_id", ignore_index=True)
    chances = [name for name in table if name.startswith("p_")]
    return table.fillna(dict.fromkeys(chances, 0.0)), len(groups)


def predicted_sets(prediction: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Return (n, n_classes) bool: the likeliest label, and every other one above one half."""
    likeliest = prediction.reason.to_numpy()[:, None] == np.array(classes, dtype=object)
    columns = [prediction.get(f"p_{name}", pd.Series(0.0, prediction.index)).to_numpy() for name in classes]
    return likeliest | (np.stack(columns, axis=1) > 0.5)


def rates(truth: np.ndarray, said: np.ndarray) -> dict:
    """Precision, recall, F1 and support of one label. truth, said : (n,) bool. Undefined ratios are 0."""
    hits = int((truth & said).sum())
    precision = hits / max(int(said.sum()), 1)
    recall = hits / max(int(truth.sum()), 1)
    f1 = 2 * hits / max(int(truth.sum() + said.sum()), 1)
    return {"precision": precision, "recall": recall, "f1": f1, "support": int(truth.sum())}


def ccd_metrics(truth: pd.Series, prediction: pd.DataFrame) -> dict:
    """Compare true labels with predictions, CCD by CCD.

    truth : tuples of labels, in the order of `prediction`'s rows.
    """
    seen = {label for own in truth for label in own} | set(prediction.reason)
    classes = tuple(name for name in (*REASONS, GOOD) if name in seen)
    true = classify.indicators(truth, classes)
    said = predicted_sets(prediction, classes)
    reasons = {name: rates(true[:, place], said[:, place]) for place, name in enumerate(classes)}
    likeliest = np.array([classes.index(name) for name in prediction.reason], dtype=int)
    right = true[np.arange(len(true)), likeliest]
    rows = np.where(right, likeliest, true.argmax(axis=1))
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (rows, likeliest), 1)
    occurring = [row["f1"] for row in reasons.values() if row["support"]]
    is_good = np.array([own == (GOOD,) for own in truth])
    return {
        "reasons": reasons,
        "macro_f1": float(np.mean(occurring)) if occurring else 0.0,
        "accuracy": float(right.mean()) if len(right) else 0.0,
        "confusion": {"labels": list(classes), "counts": counts.tolist()},
        "bad": rates(~is_good, (prediction.reason != GOOD).to_numpy()),
        "n": len(truth),
    }


def exposure_metrics(answers: dict[int, bool], prediction: pd.DataFrame, sampled, *, rule: str) -> dict:
    """Precision and recall of the candidates that each rule makes of held-out predictions; `rule`'s own on top."""
    found = {}
    for name in candidates.RULES:
        scored = candidates.score(prediction, sampled, rule=name)
        scored = scored[scored.expnum.isin(list(answers))]
        sent = scored.expnum.isin(candidates.chosen(scored).expnum).to_numpy()
        bad = scored.expnum.map(answers).to_numpy(dtype=bool)
        found[name] = {**rates(bad, sent), "n_candidates": int(sent.sum()), "n": len(scored)}
    return {"rule": rule, **found[rule], "rules": found}


def evaluate(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    classifier: str = "knn",
    rule: str = "published",
    folds: int | None = None,
    seed: int = 0,
    progress: Callable | None = None,
) -> dict:
    """Evaluate on held-out exposures, write an evaluation stage with its plots, and return its metrics.

    folds : number of folds; by default one exposure is left out at a time up to 40 labelled exposures, else ten folds.
    """
    embedding = catalog.stage("embedding")
    keys, revision = embedding.table("keys"), store.revision()
    training = read_training_set(catalog, store, policy=policy)
    prediction, n_folds = held_out(
        embedding.array(), keys, training, classifier=classifier, folds=folds, seed=seed, progress=progress
    )
    truth = training.table[training.table.image_id.isin(prediction.image_id)]
    asked = prediction[prediction.image_id.isin(truth.image_id)].reset_index(drop=True)
    n_exposures = int(truth.expnum.nunique())
    metrics = {
        "ccd": ccd_metrics(truth.reasons, asked),
        "exposure": exposure_metrics(training.answers, prediction, candidates.sampled_images(catalog), rule=rule),
        "split": {
            "by": "exposure",
            "kind": "leave-one-exposure-out" if n_folds == n_exposures else "folds of exposures",
            "folds": n_folds,
            "exposures": n_exposures,
            "images": len(truth),
            "seed": seed,
        },
        "labels": {"policy": policy, "store_revision": revision, **training.report()},
        "classifier": classifier,
        "embedding": embedding.stage_id,
    }
    parameters = {"policy": policy, "classifier": classifier, "rule": rule, "seed": seed, "store_revision": revision}
    with catalog.new_stage("evaluation", classifier, parents=[embedding], parameters=parameters) as writer:
        writer.write_json(metrics, "metrics")
        writer.write_table(prediction.drop(columns=["neighbour_ids", "neighbour_distances"]))
        plots.confusion(metrics["ccd"]["confusion"], writer.folder / "confusion.png")
        plots.reasons(metrics["ccd"]["reasons"], writer.folder / "reasons.png")
    return {**metrics, "stage": writer.stage.stage_id}


def as_text(metrics: dict) -> str:
    """The figures of an evaluation as a table for the terminal."""
    ccd, exposure, split = metrics["ccd"], metrics["exposure"], metrics["split"]
    head = f"{'':<22}{'precision':>10}{'recall':>10}{'F1':>10}{'support':>10}"

    def line(name: str, row: dict) -> str:
        measures = "".join(f"{row[key]:>10.3f}" for key in ("precision", "recall", "f1"))
        return f"{name:<22}{measures}{row['support']:>10}"

    lines = [f"CCDs of held-out exposures ({split['images']} images, {split['exposures']} exposures, {split['kind']})"]
    lines += [head, *(line(name, row) for name, row in ccd["reasons"].items()), line("any reason", ccd["bad"])]
    lines += [
        f"macro F1 {ccd['macro_f1']:.3f}, accuracy {ccd['accuracy']:.3f}",
        "",
        "Exposures, by candidate rule",
        head,
    ]
    lines += [line(name, row) for name, row in exposure["rules"].items()]
    labels = metrics["labels"]
    said = ", ".join(f"{reason} {n}" for reason, n in labels["reasons"].items())
    lines += ["", f"Labels under {labels['policy']}: {said}"]
    lines += [f"Not used, no known reason: {word!r} ({n})" for word, n in list(labels["unmapped"].items())[:10]]
    lines += [f"Not used, {why}: {n}" for why, n in labels["left_out"].items() if n]
    return "\n".join(lines)
