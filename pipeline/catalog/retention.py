"""Which old stages may be removed: a later stage holds the same, and nothing refers to the old one.

Each time new exposures arrive, the run gets a new embedding, new placed maps and clusters, a new prediction and new
candidates. Each of them contains everything that the one before contained. An earlier stage is outdated when

- embedding: a later one of the same backbone has all of its exposures, unchanged;
- cluster, map: it was placed, so its frozen stage and the embedding can make it again;
- prediction: a later one is by the same model;
- candidates: their prediction is outdated.

An outdated stage is removed only if all of this is true:

- it is not among the newest `keep` of its kind;
- it was replaced more than a day ago, because a page that was opened earlier may still show it;
- no pointer of the run refers to it, and no pointer that a retraining has moved;
- no vote refers to it (a vote names the prediction that was on screen), and no result of a job;
- no model or other stage that stays has it as a parent or extends it, directly or through other stages.

Models, retrainings and evaluations always stay, and so do clusters and maps that were computed and not placed.
"""

import calendar
import json
import os
import shutil
import time
from itertools import pairwise

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import STAGE_COMMANDS, Catalog
from triptych.pipeline.catalog.stage import Stage

PAGE_SECONDS = 24 * 3600.0
KINDS = ("candidates", "prediction", "map3d", "map2d", "cluster", "embedding")
Key = tuple[str, str]


def remove(catalog: Catalog, store, *, keep: int, page_seconds: float = PAGE_SECONDS) -> list[Stage]:
    """Remove the outdated stages of a run and return them.

    store : the run's LabelStore. keep : at least 1, per kind.
    """
    gone = removable(catalog, store, keep=keep, page_seconds=page_seconds)
    for stage in gone:
        _remove(stage)
    return gone


def removable(catalog: Catalog, store, *, keep: int, page_seconds: float = PAGE_SECONDS) -> list[Stage]:
    """The stages that `remove` would remove. A stage comes before the stages that it was made from."""
    stages = {kind: catalog.stages(kind) for kind in STAGE_COMMANDS}
    every = {(stage.kind, stage.stage_id): stage for own in stages.values() for stage in own}
    staying = {key: stage for key, stage in every.items() if not _outlived(stage, stages)}
    for kind in KINDS:
        own = stages[kind]
        staying |= {(kind, stage.stage_id): stage for stage in own[-max(1, keep) :]}
        for stage, after in pairwise(own):
            if time.time() - _written(after) < page_seconds:
                staying[kind, stage.stage_id] = stage
    info = catalog.refresh().info
    named = set(info["current"].items()) | _named_by_people(store, every)
    named |= {key for move in info.get("moves", []) for when in ("from", "to") for key in move[when].items()}
    staying |= {key: every[key] for key in named if key in every}
    _with_all_they_rest_on(staying, every)
    return [stage for kind in KINDS for stage in stages[kind] if (kind, stage.stage_id) not in staying]


def _outlived(stage: Stage, stages: dict[str, list[Stage]]) -> bool:
    later = [other for other in stages[stage.kind] if other.info["number"] > stage.info["number"]]
    if stage.kind == "embedding":
        return any(_holds(other, stage) for other in later)
    if stage.kind in ("cluster", "map2d", "map3d"):
        return "frozen" in stage.parameters
    if stage.kind == "prediction":
        return any(_parent(other, "model") == _parent(stage, "model") for other in later)
    if stage.kind == "candidates":
        predictions = {own.stage_id: own for own in stages["prediction"]}
        prediction = predictions.get(_parent(stage, "prediction"))
        return prediction is None or _outlived(prediction, stages)
    return False


def _holds(later: Stage, earlier: Stage) -> bool:
    """Whether the later embedding has every exposure of the earlier one, from the same pixels and the same backbone."""
    if not earlier.parameters.get("digest") or later.parameters.get("digest") != earlier.parameters["digest"]:
        return False
    if not all((stage.path / "inputs.parquet").exists() for stage in (later, earlier)):
        return False
    columns = ["expnum", "n_images", "content"]
    return set(earlier.table("inputs")[columns].itertuples(index=False, name=None)) <= set(
        later.table("inputs")[columns].itertuples(index=False, name=None)
    )


def _parent(stage: Stage, kind: str) -> str:
    return next((own["stage_id"] for own in stage.parents if own["kind"] == kind), "")


def _written(stage: Stage) -> float:
    return calendar.timegm(time.strptime(stage.info["created"], "%Y-%m-%dT%H:%M:%SZ"))


def _named_by_people(store, every: dict[Key, Stage]) -> set[Key]:
    """Stages named in any vote or in any job's result. Candidates made from such a prediction count as named too."""
    seen = {screen.get("stage") for screen in store.votes(current=False).screen}
    predictions = {("prediction", name) for name in seen if isinstance(name, str) and name}
    jobs = json.dumps([result for result in store.jobs(run=None).result if result])
    named = predictions | {key for key in every if f'"{key[1]}"' in jobs}
    return named | {
        key
        for key, stage in every.items()
        if stage.kind == "candidates" and ("prediction", _parent(stage, "prediction")) in named
    }


def _with_all_they_rest_on(staying: dict[Key, Stage], every: dict[Key, Stage]) -> None:
    """Add parents and frozen stages of all that stays, and what retrainings name, until none is missing."""
    left = list(staying.values())
    while left:
        stage = left.pop()
        keys = {(own["kind"], own["stage_id"]) for own in stage.parents}
        if "frozen" in stage.parameters:
            keys.add((stage.kind, stage.parameters["frozen"]))
        if "extends" in stage.info:
            keys.add((stage.kind, stage.info["extends"]["stage_id"]))
        if stage.kind == "retraining":
            text = "".join(path.read_text() for path in stage.path.glob("*.json"))
            keys |= {key for key in every if f'"{key[1]}"' in text}
        for key in keys & every.keys() - staying.keys():
            staying[key] = every[key]
            left.append(every[key])


def _remove(stage: Stage) -> None:
    """Hide a stage in one step, then delete it. If killed in between, the next new stage deletes the rest."""
    aside = stage.path.with_name(f".aside-gone-{stage.stage_id}")
    with locks.hold_folder(aside):
        os.rename(stage.path, aside)
        shutil.rmtree(aside, ignore_errors=True)
