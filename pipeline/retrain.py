"""Votes -> training set -> new model, prediction and candidates, and what changed by it.

Everything is computed before anything is written, and the run points at the new stages only after all of them are on
disk. Stopped before that, by a cancel, an error or a kill, the run is as it was.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline import candidates, classify
from pipeline.catalog import Catalog, Stage
from pipeline.errors import Cancelled
from pipeline.training import read_training_set

CHANGES = ("entered", "left", "reasons", "ccds")


@dataclass(frozen=True)
class RetrainReport:
    """What a retraining did.

    before : kind -> Stage (or None) that was current; after : kind -> the new Stage; kinds are model, prediction and
    candidates. training : what taught it, as counts. changed : exposures whose answer changed, see `compare`.
    """

    before: dict[str, Stage | None]
    after: dict[str, Stage]
    training: dict
    changed: pd.DataFrame

    def summary(self) -> dict:
        """Plain values for a job's result or a log."""
        return {
            "before": {kind: stage.stage_id if stage else "" for kind, stage in self.before.items()},
            "after": {kind: stage.stage_id for kind, stage in self.after.items()},
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
            f"{stages}: taught by {taught}; {counts['entered']} exposures entered the candidates, "
            f"{counts['left']} left, {counts['reasons']} changed reasons, {counts['ccds']} only on some CCDs"
        )


def compare(old: pd.DataFrame | None, new: pd.DataFrame, n_changed_ccds: pd.Series) -> pd.DataFrame:
    """Exposures whose answer differs between two scored tables, those that moved most first.

    old, new : `exposures_scored` tables; old is None before the first prediction. n_changed_ccds : expnum -> number of
    CCDs whose reason changed. Returns `expnum, change, was_candidate, is_candidate, reasons_before, reasons_after,
    bad_probability_before, bad_probability_after, rank_before, rank_after, n_changed_ccds`; `change` is the first of
    CHANGES that holds: it entered or left the candidates, its reasons changed, some of its CCDs' reasons did.
    """
    old = new.iloc[:0] if old is None else old
    columns = ["reasons", "bad_probability", "rank"]
    both = new.set_index("expnum")[columns].join(
        old.set_index("expnum")[columns], lsuffix="_after", rsuffix="_before", how="left"
    )
    both["is_candidate"] = both.index.isin(candidates.chosen(new).expnum)
    both["was_candidate"] = both.index.isin(candidates.chosen(old).expnum)
    both["n_changed_ccds"] = n_changed_ccds.reindex(both.index).fillna(0).astype("int64")
    both["reasons_before"] = both.reasons_before.astype(object).fillna("")
    both["rank_before"] = both.rank_before.astype("Int64")
    tests = [
        both.is_candidate & ~both.was_candidate,
        both.was_candidate & ~both.is_candidate,
        both.reasons_after.astype(object) != both.reasons_before,
        both.n_changed_ccds > 0,
    ]
    both["change"] = np.select(tests, CHANGES, default="")
    both["moved"] = (both.bad_probability_after - both.bad_probability_before.fillna(0)).abs()
    both = both[both.change != ""].reset_index()
    both = both.sort_values(["moved", "expnum"], ascending=[False, True], kind="stable", ignore_index=True)
    names = [f"{name}_{when}" for name in ("reasons", "bad_probability", "rank") for when in ("before", "after")]
    return both[["expnum", "change", "was_candidate", "is_candidate", *names, "n_changed_ccds"]]


def changed_ccds(old: pd.DataFrame | None, new: pd.DataFrame) -> pd.Series:
    """expnum -> number of CCDs with another reason than before."""
    if old is None:
        return pd.Series(dtype="int64")
    both = new[["image_id", "expnum", "reason"]].merge(old[["image_id", "reason"]], on="image_id")
    both = both[both.reason_x != both.reason_y]
    return both.groupby("expnum").size()


def retrain(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    classifier: str = "",
    rule: str | None = None,
    seed: int = 0,
    progress: Callable | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RetrainReport:
    """Learn again from all votes and labels, and make the new model, prediction and candidates current.

    classifier, rule : those of the current model and candidates unless named, with what a search has found.
    progress : called with (done, total, text). cancelled : asked between steps; when it says True, Cancelled is raised
    and the run is as it was.
    """
    catalog.refresh()
    before = {kind: _current(catalog, kind) for kind in ("model", "prediction", "candidates")}
    rule = rule or (before["candidates"].parameters.get("rule") if before["candidates"] else None) or candidates.DEFAULT
    if not classifier:
        classifier = classify.classifier_of(before["model"]) if before["model"] else classify.DEFAULT
    steps = _Steps(progress, cancelled)
    embedding, revision = catalog.stage("embedding"), store.revision()
    steps.at(0, "labels")
    training = read_training_set(catalog, store, policy=policy)
    steps.at(5, "fitting")
    simulated = not before["model"] or before["model"].parameters.get("simulated", True)
    model = classify.fit_stage(
        catalog,
        embedding,
        training,
        classifier=classifier,
        simulated=simulated,
        seed=seed,
        progress=steps.between(5, 60),
    )
    steps.at(60, "predicting")
    table = classify.predict_images(model, embedding.array(), embedding.table("keys"), progress=steps.between(60, 85))
    steps.at(85, "candidates")
    scored = candidates.score(table, candidates.sampled_images(catalog), rule=rule)
    changed = _changes(before["prediction"], table, scored, catalog, rule)
    steps.at(90, "writing")
    parameters = {"policy": policy, "store_revision": revision}
    after = _write(catalog, embedding, model, training.report(), table, scored, rule, parameters, steps)
    steps.done()
    return RetrainReport(before=before, after=after, training=training.report(), changed=changed)


def _current(catalog: Catalog, kind: str) -> Stage | None:
    return catalog.stage(kind, fresh=False) if catalog.has(kind) else None


def _changes(before: Stage | None, table, scored, catalog: Catalog, rule: str) -> pd.DataFrame:
    """Compare with the prediction that was current, scored under the same rule."""
    old = before.table() if before else None
    old_scored = None if old is None else candidates.score(old, candidates.sampled_images(catalog), rule=rule)
    return compare(old_scored, scored, changed_ccds(old, table))


def _write(catalog, embedding, model, report, table, scored, rule, parameters, steps) -> dict[str, Stage]:
    """Write the three stages, then move the pointers together; on any failure take the written ones away again."""
    written: dict[str, Stage] = {}
    there = {stage.path for kind in ("model", "prediction", "candidates") for stage in catalog.stages(kind)}
    try:
        written["model"] = classify.write_model(
            catalog, embedding, model, report, parameters=parameters, make_current=False
        )
        steps.at(93, "writing")
        written["prediction"] = classify.write_prediction(
            catalog, embedding, written["model"], table, make_current=False
        )
        steps.at(96, "writing")
        written["candidates"] = candidates.write_candidates(
            catalog, written["prediction"], scored, rule, make_current=False
        )
        steps.at(99, "writing")
        catalog.set_info(current={kind: stage.stage_id for kind, stage in written.items()})
    except BaseException:
        for stage in written.values():
            if stage.path not in there:
                shutil.rmtree(stage.path, ignore_errors=True)
        raise
    return written


class _Steps:
    """Tells the progress in per cent, and stops when asked to."""

    def __init__(self, progress: Callable | None, cancelled: Callable[[], bool] | None):
        self.progress, self.cancelled = progress, cancelled

    def at(self, percent: float, text: str) -> None:
        if self.cancelled and self.cancelled():
            raise Cancelled("retraining was cancelled; the run is as it was")
        if self.progress:
            self.progress(percent, 100, text)

    def between(self, start: float, end: float) -> Callable:
        """A progress callback for one part of the work."""
        return lambda done, total, text="": self.at(start + (end - start) * done / max(total, 1), text)

    def done(self) -> None:
        if self.progress:
            self.progress(100, 100, "done")
