"""Retrains on the votes: new training set, model, prediction and candidates, and what they change.

Everything is computed before anything is written. The new stages become current only when all of them are on disk. If
it is stopped before that, by a cancel, an error or a kill, the run is unchanged. If two retrainings of a run are asked
for at once, the second waits for the first and uses its result, unless the labels have changed meanwhile.
"""

import contextlib
import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier import candidates, model_files, predict, train
from triptych.pipeline.classifier.predict import predicted_blocks
from triptych.pipeline.errors import BadInput, Cancelled
from triptych.pipeline.labels.recipe import Recipe
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.retraining import gain, leftovers, models
from triptych.pipeline.retraining.changes import CHANGES, KINDS, Diff, changed_ccds, compare, diff
from triptych.pipeline.store.retrain_log import RetrainLog

__all__ = ["CHANGES", "RetrainReport", "changed_ccds", "compare", "retrain"]

WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class RetrainReport:
    """What a retraining did.

    before : kind -> Stage (or None) that was current. after : kind -> the new Stage. The kinds are model, prediction
    and candidates. training : counts of the training set. changed : exposures whose answer changed, see `changes.diff`.
    stage : the `retraining` stage, which has all this and the figures before and after.
    """

    before: dict[str, Stage | None]
    after: dict[str, Stage]
    training: dict
    changed: pd.DataFrame
    stage: Stage

    def summary(self) -> dict:
        """Plain values, for a job's result or a log."""
        return {
            "before": {kind: stage.stage_id if stage else "" for kind, stage in self.before.items()},
            "after": {kind: stage.stage_id for kind, stage in self.after.items()},
            "retraining": self.stage.stage_id,
            "training": self.training,
            "changed": {name: int((self.changed.change == name).sum()) for name in CHANGES},
            "entered": [int(e) for e in self.changed.expnum[self.changed.change == "entered"]],
            "left": [int(e) for e in self.changed.expnum[self.changed.change == "left"]],
        }

    def __str__(self) -> str:
        counts = self.summary()["changed"]
        stages = ", ".join(f"{kind}/{stage.stage_id}" for kind, stage in self.after.items())
        taught = f"{self.training['images']} images of {self.training['exposures']} exposures"
        return (
            f"{stages}: taught by {taught}; exposures: {counts['entered']} entered the candidates, "
            f"{counts['left']} left, {counts['reasons']} changed reasons, {counts['ccds']} only on some CCDs"
        )


def retrain(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    classifier: str = "",
    rule: str | None = None,
    seed: int = 0,
    by: str = "",
    job: int = 0,
    progress: Callable | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RetrainReport:
    """Train again on all votes and labels, and make the new model, prediction and candidates current.

    classifier, rule : by default those of the current model and candidates, including what a search has found. by, job
    : who asked, and the job's number, for the log. progress : called with (done, total, text). cancelled : called
    between steps; if it returns True, Cancelled is raised and the run is unchanged.
    """
    request = {"policy": policy, "classifier": classifier, "rule": rule, "seed": seed}
    steps = _Steps(progress, cancelled)
    earlier = [stage.stage_id for stage in catalog.stages("retraining")]
    waited = False
    while True:
        with locks.try_exclusive(catalog.path / leftovers.LOCK) as alone:
            if alone:
                done = _just_done(catalog, store, request, earlier) if waited else None
                return done or _logged(catalog, store, request, steps, by=by, job=job)
        waited = True
        steps.at(0, "waiting for the retraining that is running")
        time.sleep(WAIT_SECONDS)


def _just_done(catalog: Catalog, store, request: dict, earlier: list[str]) -> RetrainReport | None:
    """The result of a retraining that ended while this one waited, if it was the same request with the same labels."""
    wanted = {name: value for name, value in request.items() if value not in ("", None)}
    wanted["store_revision"] = store.revision()
    current = catalog.refresh().info["current"].get("retraining")
    for stage in catalog.stages("retraining"):
        given = {name: stage.parameters.get(name) for name in wanted}
        if stage.stage_id == current and stage.stage_id not in earlier and given == wanted:
            return report_of(stage)
    return None


def report_of(stage: Stage) -> RetrainReport:
    """What a retraining did, read from its stage. CatalogError if one of its stages is gone."""
    report = stage.json("report")
    opened = functools.partial(stage.catalog.stage, fresh=False)
    return RetrainReport(
        before={kind: opened(kind, own) if own else None for kind, own in report["before"].items()},
        after={kind: opened(kind, own) for kind, own in report["after"].items()},
        training=report["training"]["after"],
        changed=stage.table(),
        stage=stage,
    )


def _logged(catalog, store, asked, steps, *, by: str, job: int) -> RetrainReport:
    log = RetrainLog(store, str(catalog.path), by=by, job=job)
    left = leftovers.clear(catalog)
    log.say(f"started, policy {asked['policy']}")
    if left:
        log.say(f"an earlier retraining was killed; removed what it left: {', '.join(left)}")
    try:
        report = _retrain(catalog, store, steps, log.say, by=by, **asked)
    except Cancelled:
        log.say("cancelled; the run is unchanged")
        raise
    except Exception as error:
        log.say(f"failed: {error}; the run is unchanged")
        raise
    log.say(f"done: {report}")
    return report


def _retrain(catalog, store, steps, say, *, policy, classifier, rule, seed, by) -> RetrainReport:
    catalog.refresh()
    before = {kind: _current(catalog, kind) for kind in KINDS}
    rule = rule or (before["candidates"].parameters.get("rule") if before["candidates"] else None) or candidates.DEFAULT
    if not classifier:
        classifier = model_files.classifier_of(before["model"]) if before["model"] else train.DEFAULT
    embedding, revision = catalog.stage("embedding"), store.revision()
    steps.at(0, "labels")
    training = read_training_set(catalog, store, policy=policy)
    held = gain.held_out(catalog, store, policy)  # now, as later the store may be away
    say(f"{len(training.table)} images of {training.table.expnum.nunique()} exposures teach")
    steps.at(5, "fitting")
    simulated = not before["model"] or before["model"].parameters.get("simulated", True)
    model = train.fit_stage(
        catalog,
        embedding,
        training,
        classifier=classifier,
        simulated=simulated,
        seed=seed,
        progress=steps.between(5, 60),
    )
    say(f"fitted {model.name}")
    steps.at(60, "predicting")
    embedded = embedding.array(), embedding.table("keys")
    predicted = list(predicted_blocks(model, *embedded, progress=steps.between(60, 82)))
    table = pa.concat_tables(predicted).to_pandas()
    say(f"predicted {len(table)} images")
    steps.at(82, "candidates")
    sampled = candidates.sampled_images(catalog)
    scored = candidates.score(table, sampled, rule=rule)
    steps.at(84, "comparing")
    old = _comparable(before["prediction"], rule)
    taught_before = _taught_before(before)
    changes = diff(old, table, taught_before=taught_before, taught_after=model.training, sampled=sampled, rule=rule)
    _say_changes(say, changes)
    steps.at(87, "measuring")
    measured = gain.measure(old, table, held, rule=rule, sampled=sampled, seed=seed)
    steps.at(90, "writing")
    report = {
        "before": {kind: stage.stage_id if stage else "" for kind, stage in before.items()},
        "training": {"before": _report_of(before["model"]), "after": training.report()},
        "labels": changes.label_counts(),
        "counts": changes.counts(),
        "metrics": measured,
        "policy": policy,
        "rule": rule,
    }
    parameters = {"policy": policy, "store_revision": revision, **Recipe(simulated=simulated).parameters()}
    written = _write(catalog, embedding, model, predicted, scored, changes, report, rule, parameters, steps, by)
    steps.done()
    after = {kind: written[kind] for kind in KINDS}
    return RetrainReport(
        before=before, after=after, training=training.report(), changed=changes.table, stage=written["retraining"]
    )


def _say_changes(say: Callable[[str], None], changes: Diff) -> None:
    labels, counts = changes.label_counts(), changes.counts()
    numbers = ", ".join(f"{labels[change]['images']} {change}" for change in labels)
    say(f"labels of images since the last model: {numbers}")
    say(f"exposures changed: {counts['changed']}; {counts['entered']} entered the candidates, {counts['left']} left")


def _current(catalog: Catalog, kind: str) -> Stage | None:
    return catalog.stage(kind, fresh=False) if catalog.has(kind) else None


def _comparable(prediction: Stage | None, rule: str) -> pd.DataFrame | None:
    """The table of the current prediction; None if there is none or it is too old for the rule."""
    if prediction is None:
        return None
    table = prediction.table()
    try:
        candidates.score(table.iloc[:0], [], rule=rule)
    except BadInput:
        return None
    return table


def _taught_before(before: dict[str, Stage | None]) -> pd.DataFrame | None:
    """The training table of the model behind the current prediction, else of the current model."""
    model = before["prediction"].parent("model") if before["prediction"] else before["model"]
    return model.table("training") if model else None


def _report_of(model: Stage | None) -> dict | None:
    return model.json("report") if model and (model.path / "report.json").exists() else None


def _write(
    catalog, embedding, model, predicted, scored, changes, report, rule, parameters, steps, by
) -> dict[str, Stage]:
    """Write the four stages, then move the pointers together. If anything fails, remove what was written."""
    written: dict[str, Stage] = {}
    existing = {stage.path for kind in leftovers.ALL_KINDS for stage in catalog.stages(kind)}
    leftovers.note(catalog, {"classifier": model.name, "seed": model.seed, **parameters})
    try:
        written["model"] = model_files.write_model(
            catalog, embedding, model, report["training"]["after"], parameters=parameters, make_current=False
        )
        steps.at(93, "writing")
        written["prediction"] = predict.write_prediction(
            catalog, embedding, written["model"], predicted, make_current=False
        )
        steps.at(96, "writing")
        written["candidates"] = candidates.write_candidates(
            catalog, written["prediction"], scored, rule, make_current=False
        )
        report = report | {"after": {kind: written[kind].stage_id for kind in KINDS}}
        settings = {**parameters, "rule": rule, "classifier": model.name, "seed": model.seed}
        with catalog.new_stage(
            "retraining", model.name, parents=[written["prediction"]], parameters=settings, make_current=False
        ) as writer:
            writer.write_table(changes.table)
            writer.write_table(changes.labels, "labels")
            writer.write_json(report, "report")
        written["retraining"] = writer.stage
        steps.at(99, "writing")
        models.point(catalog, written, by=by, why="retrained")
    except BaseException:
        for stage in written.values():
            if stage.path not in existing:
                shutil.rmtree(stage.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            (catalog.path / "retraining").rmdir()  # works only if it is empty
        raise
    finally:
        leftovers.forget(catalog)
    return written


class _Steps:
    """Reports progress in per cent, and stops when asked to."""

    def __init__(self, progress: Callable | None, cancelled: Callable[[], bool] | None):
        self.progress, self.cancelled = progress, cancelled

    def at(self, percent: float, text: str) -> None:
        if self.cancelled and self.cancelled():
            raise Cancelled("retraining was cancelled; the run is unchanged")
        if self.progress:
            self.progress(percent, 100, text)

    def between(self, start: float, end: float) -> Callable:
        """A progress callback for one part of the work."""
        return lambda done, total, text="": self.at(start + (end - start) * done / max(total, 1), text)

    def done(self) -> None:
        if self.progress:
            self.progress(100, 100, "done")
