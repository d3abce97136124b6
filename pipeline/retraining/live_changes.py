"""What the votes since the last training change: exposures with a new answer from their neighbours, and the causes.

"Before" is the answer from the neighbours of the model that made the current predictions. "After" is the answer of the
same search among today's training set. Both use the model's reduction. If the model also has learners, its own
predictions change only with a retraining; until then, this shows what its neighbours say.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier.classifier import has_head
from triptych.pipeline.classifier.model_files import read_model
from triptych.pipeline.errors import StageMissing, StageStale
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.retraining import live_cache
from triptych.pipeline.retraining.live_cache import DamagedState, Kept
from triptych.pipeline.retraining.live_neighbours import LABELS, Live
from triptych.pipeline.retraining.live_written import COLUMNS, LABEL_COLUMNS, LiveChanges, no_changes, write

NAMES = np.array([*LABELS, ""], dtype=object)  # the last one is for images without any answer


def follow(
    catalog: Catalog,
    store,
    *,
    labelled=None,
    threads: int | None = None,
    going_on: Callable | None = None,
) -> LiveChanges:
    """Update the state of a run to the store's votes and labels, and write down what that changes.

    labelled : a stand-in for the catalog that reads only the rows of labelled exposures, for `read_training_set`.
    going_on : called between blocks if the state has to be made; it may raise to stop. StageMissing without a
    prediction; StageStale if the predictions are of an older embedding.
    """
    started = time.monotonic()
    with live_cache.alone_with(catalog):
        catalog.refresh()
        if not catalog.has("prediction"):
            raise StageMissing(f"{catalog.name} has no prediction yet; run `triptych predict {catalog.path}`")
        prediction = catalog.stage("prediction", fresh=False)
        embedding, stage = prediction.parent("embedding"), prediction.parent("model")
        if catalog.info["current"].get("embedding") != embedding.stage_id:
            raise StageStale(f"the predictions are of {embedding.stage_id}; run `triptych retrain {catalog.path}`")
        revision, model = int(store.revision()), read_model(stage)
        policy = stage.parameters.get("policy", "majority")
        taught = read_training_set(labelled or catalog, store, policy=policy).table
        taught = taught if "weight" in model.training else taught.drop(columns="weight", errors="ignore")

        def opened() -> Kept:
            return live_cache.opened(catalog, embedding, stage, model, threads=threads, going_on=going_on)

        kept = opened()
        try:
            kept.teach(taught, threads=threads)
        except (DamagedState, IndexError, KeyError, ValueError):
            live_cache.forget(catalog)
            kept = opened()
            kept.teach(taught, threads=threads)
        table, counts = _compared(kept)
        labels = _labels(kept, table, taught, model.training)
        info = {
            "revision": revision,
            "model": stage.stage_id,
            "prediction": prediction.stage_id,
            "learners": has_head(model.classifier),
            "neighbours": model.classifier.neighbours,
            "made": kept.made,
            "seconds": round(time.monotonic() - started, 3),
            "training": len(taught),
            **counts,
            "error": "",
        }
        found = LiveChanges(table, labels, info)
        write(catalog, found)
    return found


def _compared(kept: Kept) -> tuple[pd.DataFrame, dict]:
    """The table of changed exposures, and counts for `info`."""
    live, before = kept.live, kept.before
    now = live.arrays
    images = np.flatnonzero(
        (now["reason"] != before["reason"])
        | (now["probability"] != before["probability"])
        | (now["p_good"] != before["p_good"])
    )
    causes, counts = _causes(kept, images)
    if not len(images):
        return no_changes(), {"images": 0, "exposures": 0, **counts}
    changed = pd.DataFrame({"expnum": live.expnums(images), "image_id": now["image_ids"][images]})
    own = changed.groupby("expnum").image_id
    table = pd.DataFrame({"n_ccds": own.size(), "image_ids": own.agg(list)})
    everything = _ccds_of(live, changed.expnum.unique())
    for when, arrays in (("before", before), ("after", now)):
        table = table.join(_summary(live, everything, arrays, when))
    table["causes"] = causes.reindex(table.index)
    table["causes"] = [own if isinstance(own, list) else [] for own in table.causes]
    moved = (table.bad_probability_after - table.bad_probability_before).abs()
    table = table.assign(moved=moved).reset_index()
    table = table.sort_values(["moved", "expnum"], ascending=[False, True], kind="stable", ignore_index=True)
    return table[list(COLUMNS)].astype(COLUMNS), {"images": len(images), "exposures": len(table), **counts}


def _ccds_of(live: Live, expnums: np.ndarray) -> np.ndarray:
    """Row numbers of all images of some exposures."""
    hit = np.isin(live.arrays["exposures"], expnums) & (live.arrays["rows"] >= 0)
    return np.sort(live.arrays["rows"][hit]).astype(np.int64)


def _summary(live: Live, images: np.ndarray, arrays: dict, when: str) -> pd.DataFrame:
    """For each exposure n_bad, reason and bad_probability, with `when` added to their names."""
    table = pd.DataFrame({"expnum": live.expnums(images), "reason": NAMES[arrays["reason"][images]]})
    table["bad"] = 1 - arrays["p_good"][images]
    groups = table.groupby("expnum")
    found = pd.DataFrame({"bad_probability": groups.bad.mean()})
    bad = table[table.reason.isin(list(REASONS))]
    found["n_bad"] = bad.groupby("expnum").size().reindex(found.index).fillna(0).astype("int64")
    often = bad.groupby(["expnum", "reason"]).size().rename("n").reset_index()
    often["order"] = often.reason.map({name: place for place, name in enumerate(REASONS)})
    often = often.sort_values(["expnum", "n", "order"], ascending=[True, False, True]).drop_duplicates("expnum")
    found["reason"] = often.set_index("expnum").reason.reindex(found.index).fillna(GOOD)
    return found.add_suffix(f"_{when}")


def _labels(kept: Kept, table: pd.DataFrame, taught: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """LABEL_COLUMNS of the causes in a table. taught, before : the training sets of now and of the model."""
    causes = sorted({cause for own in table.causes for cause in own})
    columns = ["image_id", "expnum", "ccdname", "reasons", "basis", "provenance"]
    sides = [
        side.reindex(columns=columns)[side.image_id.isin(causes)].drop_duplicates("image_id")
        for side in (before, taught)
    ]
    if kept.live.classifier.one_row_per_label:
        reasons = before.explode("reasons").groupby("image_id").reasons.agg(tuple)
        sides[0] = sides[0].assign(reasons=sides[0].image_id.map(reasons))
    both = sides[0].merge(sides[1], on="image_id", how="outer", suffixes=("_before", "_after"))
    found = both[["image_id"]].copy()
    for name in ("expnum", "ccdname", "basis", "provenance"):
        found[name] = both[f"{name}_after"].where(both[f"{name}_after"].notna(), both[f"{name}_before"])
    for when in ("before", "after"):
        found[f"reasons_{when}"] = [",".join(own) if isinstance(own, tuple) else "" for own in both[f"reasons_{when}"]]
    cases = [both.reasons_before.isna(), both.reasons_after.isna()]
    found["what"] = np.select(cases, ["new", "gone"], "changed")
    texts = {name: found[name].fillna("").astype(str) for name in ("ccdname", "basis", "provenance")}
    return found.assign(**texts, expnum=found.expnum.astype("int64"))[list(LABEL_COLUMNS)]


def _causes(kept: Kept, images: np.ndarray) -> tuple[pd.Series, dict]:
    """expnum -> image_ids of the labels behind the changes of some images, and how many labels changed in which way."""
    live, taught = kept.live, kept.taught
    both = taught.merge(live.training, on="key", how="outer", suffixes=("_before", "_after"), indicator=True)
    in_both = both["_merge"] == "both"
    differs = [own != other for own, other in zip(both.reasons_before, both.reasons_after, strict=True)]
    other_label = in_both & np.array(differs, bool)
    other_weight = in_both & ~other_label & (both.weight_before != both.weight_after)
    added, removed = both["_merge"] == "right_only", both["_merge"] == "left_only"
    counts = {"added": added, "removed": removed, "relabelled": other_label, "reweighted": other_weight}
    counts = {name: int(rows.sum()) for name, rows in counts.items()}
    slots, k = live.arrays["slots"][images], live.classifier.neighbours
    looked_at = [("after", live.lists.numbers[slots, :k]), ("before", kept.before["numbers"][slots])]
    found = []
    for strong, rows in ((True, added | removed | other_label), (False, other_weight)):
        for when, numbers in looked_at:
            own = both[rows & both[f"number_{when}"].notna()]
            image_of = np.full(live.numbers + 1, -1)
            image_of[own[f"number_{when}"].astype("int64")] = own[f"image_id_{when}"].astype("int64")
            causing = image_of[numbers]
            places, columns = np.nonzero(causing >= 0)
            expnums = live.expnums(images[places])
            found.append(pd.DataFrame({"expnum": expnums, "cause": causing[places, columns], "strong": strong}))
    found = pd.concat(found, ignore_index=True).drop_duplicates()
    explained = found.expnum.isin(found.expnum[found.strong])
    found = found[found.strong | ~explained].drop_duplicates(["expnum", "cause"]).sort_values(["expnum", "cause"])
    return found.groupby("expnum").cause.agg(lambda own: [int(one) for one in own]), counts
