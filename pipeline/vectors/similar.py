"""The images most similar to one or several picked images, one per exposure.

The distance is Euclidean over standardised embedding features. With several picked images the query is their mean, and
the weight of each feature is the inverse of its variance among them, as in the similarity search of the SimMIM sky
embeddings. So what the picked images share counts, and where they differ does not. A few images say little about a
variance, so it is mixed with the survey's own variance, as if PRIOR more images had that one. With a single picked
image, all features have the same weight. The query `nearest` measures the distance to the nearest picked image
instead, which suits picked images of several kinds.
"""

import threading
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from cachetools import LRUCache, cached

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.vectors.rows import rows_of

BLOCK = 65_536
PRIOR = 4.0
OPENED = 4  # embeddings


def _to_mean(block: np.ndarray, picked: np.ndarray) -> np.ndarray:
    variance = (((picked - picked.mean(axis=0)) ** 2).sum(axis=0) + PRIOR) / (len(picked) - 1 + PRIOR)
    weights = 1 / variance
    weights *= len(weights) / weights.sum()
    return np.sqrt((((block - picked.mean(axis=0)) ** 2) * weights).mean(axis=1))


def _to_nearest(block: np.ndarray, picked: np.ndarray) -> np.ndarray:
    return np.min([np.sqrt(((block - one) ** 2).mean(axis=1)) for one in picked], axis=0)


# name -> function (block (n, dim), picked (m, dim), both standardised) -> distance (n,)
QUERIES: dict[str, Callable] = {"mean": _to_mean, "nearest": _to_nearest}


def search(
    vectors: np.ndarray,
    picked: np.ndarray,
    scale: tuple[np.ndarray, np.ndarray],
    *,
    query: str = "mean",
    progress: Callable | None = None,
) -> np.ndarray:
    """Return the distance (n,) float64 of every vector to the picked ones.

    vectors : (n, dim) float, may be memory-mapped. picked : (m,) row numbers. scale : mean and standard deviation
    (dim,) of the features. query : a name in QUERIES.
    """
    measure = QUERIES[choose(query, QUERIES, "similarity query")]
    mean, deviation = scale
    query_vectors = (np.asarray(vectors[picked], dtype=np.float64) - mean) / deviation
    distances = np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        block = (np.asarray(vectors[start : start + BLOCK], dtype=np.float64) - mean) / deviation
        distances[start : start + BLOCK] = measure(block, query_vectors)
        if progress:
            progress(min(start + BLOCK, len(vectors)), len(vectors), "similar images")
    return distances


def feature_scale(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (dim,) float64 of each feature; the deviation is 1 if a feature never varies."""
    total, squares = np.zeros(vectors.shape[1]), np.zeros(vectors.shape[1])
    mean = np.asarray(vectors[:BLOCK], dtype=np.float64).mean(axis=0)
    for start in range(0, len(vectors), BLOCK):
        block = np.asarray(vectors[start : start + BLOCK], dtype=np.float64) - mean
        total += block.sum(axis=0)
        squares += (block**2).sum(axis=0)
    shift = total / len(vectors)
    deviation = np.sqrt(np.maximum(squares / len(vectors) - shift**2, 0))
    return mean + shift, np.where(deviation > 1e-9 * (1 + np.abs(mean)), deviation, 1.0)


@cached(LRUCache(OPENED), key=lambda stage: (stage.path, stage.digest), lock=threading.Lock())
def _open(stage: Stage) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Feature scale and keys of an embedding stage. Read once per process, because stages never change."""
    return *feature_scale(stage.array()), stage.table("keys")


def similar(
    catalog: Catalog, image_ids, *, k: int = 36, query: str = "mean", progress: Callable | None = None
) -> pd.DataFrame:
    """Return the k images most similar to the picked ones: `image_id, expnum, ccdname, distance`, nearest first.

    Only the nearest image of each exposure is listed, and none of the picked images' own exposures. BadInput if an
    image is not embedded or nothing is picked.
    """
    picked = np.unique(np.asarray(list(image_ids), dtype=np.int64))
    if not len(picked):
        raise BadInput("no image was picked; give at least one as EXPNUM-CCDNAME")
    if k < 1:
        raise BadInput(f"k is {k}; ask for 1 image or more")
    embedding = catalog.stage("embedding")
    mean, deviation, keys = _open(embedding)
    places = rows_of(keys, picked)
    if (places < 0).any():
        missing = ", ".join(map(str, picked[places < 0][:5]))
        raise BadInput(f"not embedded: image {missing}; run `triptych embed {catalog.path}`")
    distances = search(embedding.array(), places, (mean, deviation), query=query, progress=progress)
    table = keys[["image_id", "expnum", "ccdname"]].assign(distance=distances)
    table = table[~table.expnum.isin(keys.expnum.iloc[places])]
    table = table.sort_values(["distance", "image_id"], kind="stable").drop_duplicates("expnum")
    return table.head(k).reset_index(drop=True)


def image_ids(catalog: Catalog, names: Iterable[str]) -> list[int]:
    """Turn names that a person writes, EXPNUM-CCDNAME such as 941420-N10, into image_ids of the run.

    If nothing was ingested into the run, the images are those of its embedding, which was computed elsewhere. BadInput
    or UnknownName if the run has no such image.
    """
    ccds = catalog.ccds()
    if ccds.empty and catalog.has("embedding"):
        ccds = catalog.stage("embedding").table("keys")
    known = dict(zip(zip(ccds.expnum, ccds.ccdname, strict=True), ccds.image_id, strict=True))
    found = []
    for name in names:
        expnum, _, ccdname = name.strip().partition("-")
        if not expnum.isdigit() or not ccdname:
            raise BadInput(f"{name!r} is not an image; write EXPNUM-CCDNAME, as in 941420-N10")
        if (int(expnum), ccdname) not in known:
            own = sorted(other for number, other in known if number == int(expnum))
            if not own:
                raise BadInput(
                    f"{catalog.name} has no exposure {expnum}; `triptych ingest {catalog.path} FILE` adds it"
                )
            choose(ccdname, own, f"CCD of exposure {expnum}")
        found.append(int(known[int(expnum), ccdname]))
    return found
