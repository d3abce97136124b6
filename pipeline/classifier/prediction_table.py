"""Predictions of any number of images in limited memory: from the vectors to a Parquet file, block by block.

A block is a number of whole exposures, because an answer may depend on all CCDs of an exposure. Its rows become one
row group. At most one block per thread is in memory, and one that waits to be written.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.pipeline.errors import BadInput
from triptych.pipeline.memory import let_go
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.vectors.neighbours import in_order, neighbourhood
from triptych.pipeline.vectors.reduction import reduced

# Least number of images in a block.
BLOCK = 65_536


@dataclass(frozen=True)
class Answer:
    """What a classifier says about n images.

    shares : (n, n_classes) float64, probability of each class. rows : (n, k) int64, neighbours among the training
    images, -1 if there are fewer than k. distances : (n, k) float64. more : further columns, name -> (n,).
    """

    shares: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    more: dict[str, np.ndarray] = field(default_factory=dict)


def exposure_blocks(expnums: np.ndarray, size: int = 0) -> list[slice]:
    """Slices of whole exposures, each with at least `size` (BLOCK) images except the last. expnums : (n,), grouped."""
    size = size or BLOCK
    starts = np.flatnonzero(np.r_[True, expnums[1:] != expnums[:-1]]) if len(expnums) else np.empty(0, int)
    bounds = [0]
    while (after := np.searchsorted(starts, bounds[-1] + size)) < len(starts):
        bounds.append(int(starts[after]))
    bounds.append(len(expnums))
    return [slice(start, stop) for start, stop in pairwise(bounds) if stop > start]


def asks_neighbours(model, labelled: np.ndarray, n: int, *, own_exposure: bool = False) -> Callable:
    """Return a function (vectors, keys) -> Answer, from the neighbours of each image among the training images.

    model : its `reduction, vectors, training, classifier` are read. labelled : (m, n_classes), which training image
    has which label. n : how many images will be asked about. own_exposure : use training images of the same exposure
    too.
    """
    training, settings = model.training, model.classifier
    taught = neighbourhood(model.vectors, training.expnum.to_numpy(), n)
    shares = shares_of(training, labelled)

    def answer(vectors: np.ndarray, keys: pd.DataFrame) -> Answer:
        left_out = np.full(len(keys), -1) if own_exposure else keys.expnum.to_numpy()
        places = reduced(model.reduction, vectors)
        rows, distances = taught.nearest(places, left_out, settings.neighbours, power=settings.power)
        return Answer(shares(rows), rows, distances)

    return answer


def shares_of(training: pd.DataFrame, labelled: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function rows -> shares: the share of an image's neighbours, by weight, that have each label.

    training : its `weight` is read, if it has one. labelled : (m, n_classes), which of its rows has which label.
    rows : (n, k) int64, neighbours of each image, -1 if there are fewer. shares : (n, n_classes) float64.
    """
    weights = training["weight"].to_numpy() if "weight" in training else np.ones(len(training))
    # One more row, of zeros, for missing neighbours (row -1).
    labelled = np.vstack([labelled * weights[:, None], np.zeros(labelled.shape[1])])
    weights = np.append(weights, 0)

    def shares(rows: np.ndarray) -> np.ndarray:
        found, total = np.zeros((len(rows), labelled.shape[1])), np.zeros(len(rows))
        for place in range(rows.shape[1]):
            found += labelled[rows[:, place]]
            total += weights[rows[:, place]]
        return found / np.where(total > 0, total, 1)[:, None]

    return shares


def as_table(answer: Answer, keys: pd.DataFrame, classes: tuple[str, ...], training_ids: np.ndarray) -> pa.Table:
    """The prediction table of some images: `image_id, expnum, ccdname, reason, probability, p_good, p_<Reason>...`,
    further columns, `neighbour_ids, neighbour_distances`.

    keys : their `image_id, expnum, ccdname`. training_ids : (m,) int64, the `image_id` of each training image.
    """
    best = answer.shares.argmax(axis=1)
    columns = {
        "image_id": pa.array(keys.image_id.to_numpy()),
        "expnum": pa.array(keys.expnum.to_numpy()),
        "ccdname": pa.array(keys.ccdname, pa.string()),
        "reason": pa.array(classes, pa.string()).take(pa.array(best)),
        "probability": pa.array(answer.shares[np.arange(len(best)), best]),
        "p_good": pa.array(answer.shares[:, classes.index(GOOD)] if GOOD in classes else np.zeros(len(best))),
    }
    for place, name in enumerate(classes):
        if name != GOOD:
            columns[f"p_{name}"] = pa.array(answer.shares[:, place])
    columns |= {name: pa.array(values) for name, values in answer.more.items()}
    found = answer.rows >= 0
    ends = pa.array(np.r_[0, found.sum(axis=1).cumsum()].astype(np.int32))
    columns["neighbour_ids"] = pa.ListArray.from_arrays(ends, pa.array(training_ids[answer.rows[found]]))
    columns["neighbour_distances"] = pa.ListArray.from_arrays(ends, pa.array(answer.distances[found]))
    return pa.table(columns)


def prediction_blocks(
    answer: Callable[..., Answer],
    vectors: np.ndarray,
    keys: pd.DataFrame,
    classes: tuple[str, ...],
    training_ids: np.ndarray,
    *,
    surroundings: np.ndarray | None = None,
    threads: int | None = None,
    progress: Callable | None = None,
) -> Iterator[pa.Table]:
    """Yield the prediction table of all images in blocks, in the order of `keys`. Threads do not change the result.

    answer : function (vectors, keys) for a block, called in threads. vectors : (n, dim), read block by block and best
    memory-mapped. keys : `image_id, expnum, ccdname` of each, sorted by exposure. surroundings : (n, m); if given,
    `answer` also gets the rows of its block.
    """

    def predicted(block: slice) -> pa.Table:
        own = keys.iloc[block].reset_index(drop=True)
        further = () if surroundings is None else (surroundings[block],)
        table = as_table(answer(vectors[block], own, *further), own, classes, training_ids)
        let_go(vectors)
        return table

    done = 0
    for table in in_order(predicted, exposure_blocks(keys.expnum.to_numpy()), threads):
        done += len(table)
        if progress:
            progress(done, len(keys), "predictions")
        yield table


def write_blocks(path: str | Path, tables: Iterable[pa.Table]) -> int:
    """Write tables with the same columns to one Parquet file, each as a row group. Return the number of rows.

    BadInput if there is no table.
    """
    rows, writer = 0, None
    try:
        for table in tables:
            if writer is None:
                # Nearly every distance and every image_id is unique; a dictionary of them only costs time.
                alike = [name for name in table.column_names if name not in ("image_id", "neighbour_distances")]
                writer = pq.ParquetWriter(path, table.schema, use_dictionary=alike)
            writer.write_table(table, row_group_size=max(len(table), 1))
            rows += len(table)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise BadInput("there is no image to predict; ingest and embed some exposures first")
    return rows
