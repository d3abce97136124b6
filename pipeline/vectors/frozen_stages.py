"""Stages that stay fixed while new images are added to them: the frozen stage, and which images are new."""

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import BadInput, StageStale

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


def known_rows(frozen: Stage, embedding: Stage) -> np.ndarray:
    """The row in `frozen`'s embedding of each row of `embedding`, (n,) int64; -1 if the image is new or changed.

    BadInput if the two embeddings have different backbones.
    """
    earlier = frozen.parent("embedding")
    before, after = earlier.array(), embedding.array()
    backbones = [s.parameters.get("digest") or s.parameters.get("backbone") for s in (earlier, embedding)]
    if before.shape[1] != after.shape[1] or backbones[0] != backbones[1]:
        raise BadInput(
            f"{frozen.kind}/{frozen.stage_id} was made from {earlier.stage_id}, but the current embedding "
            f"{embedding.stage_id} has another backbone; leave out --place to make a new one"
        )
    rows = pd.Index(earlier.table("keys").image_id).get_indexer(embedding.table("keys").image_id)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        same = (np.asarray(before[np.maximum(block, 0)]) == np.asarray(after[start : start + BLOCK])).all(axis=1)
        block[~same] = -1
    return rows.astype(np.int64)
