"""Retrains on the votes: new training set, model, prediction and candidates, and what they change.

The prediction is written aside, block by block, and what follows from it is computed from there, so that a survey of
any size fits in memory. The new stages become current only when all of them are on disk. If it is stopped before that,
by a cancel, an error or a kill, the run is unchanged. If two retrainings of a run are asked for at once, the second
waits for the first and uses its result, unless the labels have changed meanwhile.
"""

import contextlib
import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.classifier import candidates, model_files, predict, train
from triptych.pipeline.classifier.classifier import Model
from triptych.pipeline.classifier.predict import predicted_blocks
from triptych.pipeline.classifier.prediction_parts import parts_of
from triptych.pipeline.classifier.prediction_table import write_blocks
from triptych.pipeline.errors import Cancelled
from triptych.pipeline.labels.recipe import Recipe, balanced
from triptych.pipeline.retraining import gain, leftovers, models
from triptych.pipeline.retraining.changes import CHANGES, KINDS, Diff, changed_ccds, compare, diff, scores
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

    classifier, rule : by default those of the current model and candidates, including what a search has found. The
    training set is composed as the current model's was, but without a survey-ccds table, which no stage keeps. by, job
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
    recipe = Recipe.of(before["model"].parameters) if before["model"] else Recipe()
    steps.at(0, "labels")
    training = train.compose_training_set(catalog, store, embedding, policy=policy, recipe=recipe, seed=seed)
    training = replace(training, table=balanced(training.table, recipe, seed=seed).reset_index(drop=True))
    held = gain.held_out(catalog, store, policy)  # now, as later the store may be away
    say(f"{len(training.table)} images of {training.table.expnum.nunique()} exposures teach")
    steps.at(5, "fitting")
    model = train.fit_stage(
        catalog,
        embedding,
        training,
        classifier=classifier,
        simulated=recipe.simulated,
        seed=seed,
        progress=steps.between(5, 60),
    )
    say(f"fitted {model.name}")
    report = {
        "before": {kind: stage.stage_id if stage else "" for kind, stage in before.items()},
        "training": {"before": _report_of(before["model"]), "after": training.report()},
        "policy": policy,
        "rule": rule,
    }
    parameters = {"policy": policy, "store_revision": revision, **recipe.parameters()}
    draft = _Draft(catalog, embedding, model, parameters, report, steps, by)
    try:
        written = draft.write(before, held, say)
    except BaseException:
        draft.remove()
        raise
    finally:
        leftovers.forget(catalog)
    steps.done()
    after = {kind: written[kind] for kind in KINDS}
    return RetrainReport(
        before=before, after=after, training=training.report(), changed=draft.changes.table, stage=written["retraining"]
    )


def _say_changes(say: Callable[[str], None], changes: Diff) -> None:
    labels, counts = changes.label_counts(), changes.counts()
    numbers = ", ".join(f"{labels[change]['images']} {change}" for change in labels)
    say(f"labels of images since the last model: {numbers}")
    say(f"exposures changed: {counts['changed']}; {counts['entered']} entered the candidates, {counts['left']} left")


def _current(catalog: Catalog, kind: str) -> Stage | None:
    return catalog.stage(kind, fresh=False) if catalog.has(kind) else None


def _comparable(prediction: Stage | None, rule: str) -> Stage | None:
    """The current prediction; None if there is none or it is too old for the rule."""
    return prediction if prediction and candidates.is_new_enough(prediction, rule) else None


def _taught_before(before: dict[str, Stage | None]) -> pd.DataFrame | None:
    """The training table of the model behind the current prediction, else of the current model."""
    model = before["prediction"].parent("model") if before["prediction"] else before["model"]
    return model.table("training") if model else None


def _report_of(model: Stage | None) -> dict | None:
    return model.json("report") if model and (model.path / "report.json").exists() else None


@dataclass
class _Draft:
    """The stages of one retraining while they are written. The pointers move together at the end."""

    catalog: Catalog
    embedding: Stage
    model: Model
    parameters: dict
    report: dict
    steps: "_Steps"
    by: str
    changes: Diff = field(init=False)
    written: dict[str, Stage] = field(default_factory=dict)
    existing: set[Path] = field(default_factory=set)

    def write(self, before: dict[str, Stage | None], held: pd.DataFrame, say: Callable) -> dict[str, Stage]:
        """Predict, compare, and write the four stages. before : what was current. held : see `gain.held_out`."""
        catalog, model, written, steps = self.catalog, self.model, self.written, self.steps
        steps.at(60, "predicting")
        with catalog.new_stage(
            "prediction",
            model.name,
            parents=[self.embedding],
            parameters=predict.parameters_of(model.name),
            make_current=False,
        ) as writer:
            path = writer.folder / "table.parquet"
            embedded = self.embedding.array(), self.embedding.table("keys")
            writer.note_rows(write_blocks(path, predicted_blocks(model, *embedded, progress=steps.between(60, 82))))
            say(f"predicted {writer.rows} images")
            scored = self._compare(before, path, held, say)
            steps.at(90, "writing")
            self.existing = {stage.path for kind in leftovers.ALL_KINDS for stage in catalog.stages(kind)}
            leftovers.note(catalog, {"classifier": model.name, "seed": model.seed, **self.parameters})
            written["model"] = model_files.write_model(
                catalog,
                self.embedding,
                model,
                self.report["training"]["after"],
                parameters=self.parameters,
                make_current=False,
            )
            writer.add_parent(written["model"])
            steps.at(93, "writing")
        written["prediction"] = writer.stage
        steps.at(96, "writing")
        rule = self.report["rule"]
        written["candidates"] = candidates.write_candidates(
            catalog, written["prediction"], scored, rule, make_current=False
        )
        report = self.report | {"after": {kind: written[kind].stage_id for kind in KINDS}}
        settings = {**self.parameters, "rule": rule, "classifier": model.name, "seed": model.seed}
        with catalog.new_stage(
            "retraining", model.name, parents=[written["prediction"]], parameters=settings, make_current=False
        ) as writer:
            writer.write_table(self.changes.table)
            writer.write_table(self.changes.labels, "labels")
            writer.write_json(report, "report")
        written["retraining"] = writer.stage
        steps.at(99, "writing")
        models.point(catalog, written, by=self.by, why="retrained")
        return written

    def _compare(self, before: dict[str, Stage | None], path: Path, held: pd.DataFrame, say) -> pd.DataFrame:
        """Score the new prediction, a file, and compare it with that before; complete the report."""
        rule, seed = self.report["rule"], self.model.seed
        self.steps.at(82, "candidates")
        old, new = _comparable(before["prediction"], rule), parts_of(path)
        sampled = [] if candidates.RULES[rule].whole else candidates.sampled_images(self.catalog)
        scored = scores(old, new, sampled, rule)
        self.steps.at(84, "comparing")
        self.changes = diff(
            old,
            new,
            taught_before=_taught_before(before),
            taught_after=self.model.training,
            sampled=sampled,
            rule=rule,
            scored=scored,
        )
        _say_changes(say, self.changes)
        self.steps.at(87, "measuring")
        found = {
            "labels": self.changes.label_counts(),
            "counts": self.changes.counts(),
            "metrics": gain.measure(old, new, held, rule=rule, sampled=sampled, seed=seed, scored=scored),
        }
        last = {"policy": self.report.pop("policy"), "rule": self.report.pop("rule")}
        self.report |= found | last
        return scored["after"]

    def remove(self) -> None:
        """Remove what was written, after a failure."""
        for stage in self.written.values():
            if stage.path not in self.existing:
                shutil.rmtree(stage.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.catalog.path / "retraining").rmdir()  # works only if it is empty


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
