"""Stages that stay fixed while new images are added to them: the frozen stage, and which images are new."""

import numpy as np

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.extension import Following, changed_exposures
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import BadInput, StageStale
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.memory import let_go
from triptych.pipeline.vectors.rows import among, rows_of

BLOCK = 65_536


def original(catalog: Catalog, kind: str) -> Stage:
    """The stage that was computed: the current one, or the frozen one to which the current one adds images.

    StageStale if the frozen stage has changed since.
    """
    current = catalog.stage(kind, fresh=False)
    if "frozen" not in current.parameters:
        return current
    base = catalog.stage(kind, current.parameters["frozen"], fresh=False)
    if base.digest != current.parameters["frozen_digest"]:
        raise StageStale(
            f"{kind}/{base.stage_id} was changed since {current.stage_id}; leave out --place to make a new one"
        )
    return base


def following(current: Stage, embedding: Stage) -> Following | None:
    """How the next stage of placed images follows the current one; None if all its rows must be looked at again."""
    difference = changed_exposures(current.parent("embedding"), embedding)
    if difference is None or len(difference[1]) or "placed" not in current.columns():
        return None
    n_rows = len(embedding.rows_of(difference[0], ["image_id"], "keys"))
    return Following.of(current, difference[0], n_rows)


def rows_to_place(follows: Following | None, embedding: Stage) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the embedding that are looked at, (m,) int64, and their image_ids: all if nothing is followed."""
    image_ids = embedding.table("keys", ["image_id"]).image_id.to_numpy()
    rows = np.arange(len(image_ids))
    if follows:
        rows = np.flatnonzero(among(expnum_of(image_ids), follows.changed))
    return rows, image_ids[rows]


def known_rows(frozen: Stage, embedding: Stage, wanted: np.ndarray | None = None) -> np.ndarray:
    """The row in `frozen`'s embedding of each wanted row of `embedding`, (m,) int64; -1 if the image is new or changed.

    wanted : (m,) int64, rising; None = all rows. BadInput if the two embeddings have different backbones.
    """
    earlier = frozen.parent("embedding")
    before, after = earlier.array(), embedding.array()
    backbones = [s.parameters.get("digest") or s.parameters.get("backbone") for s in (earlier, embedding)]
    if before.shape[1] != after.shape[1] or backbones[0] != backbones[1]:
        raise BadInput(
            f"{frozen.kind}/{frozen.stage_id} was made from {earlier.stage_id}, but the current embedding "
            f"{embedding.stage_id} has another backbone; leave out --place to make a new one"
        )
    ids = [stage.table("keys", ["image_id"]).image_id for stage in (earlier, embedding)]
    wanted = np.arange(len(ids[1])) if wanted is None else wanted
    rows = rows_of(ids[0], ids[1].to_numpy()[wanted])
    for start in range(0, len(rows), BLOCK):
        block, own = rows[start : start + BLOCK], wanted[start : start + BLOCK]
        own = slice(own[0], own[-1] + 1) if own[-1] + 1 - own[0] == len(own) else own
        same = (np.asarray(before[np.maximum(block, 0)]) == np.asarray(after[own])).all(axis=1)
        block[~same] = -1
        let_go(before)
        let_go(after)
    return rows.astype(np.int64)


def n_new(stage: Stage) -> int:
    """How many images a placed stage has that its frozen stage lacks, or that have changed since; 0 if none was placed.

    An image that the frozen stage had already placed among its sample is not new.
    """
    if "frozen" not in stage.parameters:
        return 0
    base = stage.catalog.stage(stage.kind, stage.parameters["frozen"], fresh=False)
    table = stage.table(columns=["image_id", "placed"])
    if "placed" in base.columns():
        before = base.table(columns=["image_id", "placed"])
        table = table[~table.image_id.isin(before.image_id[before.placed])]
    return int(table.placed.sum())
