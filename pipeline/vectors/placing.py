"""Places new images on a frozen map, by their neighbours among the images from which the map was made.

The map does not change. A place depends only on the frozen map, not on other new images, so adding more images later
moves nothing. `median` puts an image at the median of its neighbours' places and takes about a millisecond.
`transform` continues from there with openTSNE's optimisation, which finds a better place.

`trust`, between 0 and 1, is the share of the image's nearest neighbours that are also near its place on the map, times
how familiar the image is. An image is familiar (1) if it is as close to its neighbours as the map's images are to
theirs. If it is twice as far away as 95 % of them, this factor is a quarter: a map has no place for something new.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pandas as pd
from openTSNE import PartialTSNEEmbedding, TSNEEmbedding
from openTSNE.affinity import joint_probabilities_nn
from scipy.spatial import cKDTree

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.vectors import frozen_stages, rest, tsne
from triptych.pipeline.vectors.neighbours import WORTH_SORTING, Neighbourhood, neighbourhood
from triptych.pipeline.vectors.reduction import Reduction
from triptych.pipeline.vectors.tsne_gradient import ExactGradient

FILE = "landmarks"
NEIGHBOURS = 15
PERPLEXITY = 5.0
ITERATIONS = 250
# On the map, a neighbour counts as near if it is among this many times NEIGHBOURS nearest images.
NEAR = 2
# Number of map images that are used to measure how close neighbours usually are.
SAMPLED = 5_000
FAMILIAR = 0.95
# Up to this many pairs of new and map images, the exact gradient is faster than building a tree at each iteration.
EXACT_PAIRS = 20_000_000
# Up to this many pairs, use one thread: on a busy machine, waiting for a second one costs more than it saves.
ONE_THREAD_PAIRS = 2_000_000


class FrozenMap:
    """The images of a map ("landmarks"), their places, and search trees of both. Open it once, place many times.

    vectors : (n, k) float, the landmarks in the reduced space. places : (n, dims) float, their places on the map.
    BadInput if there are fewer than tsne.FEWEST.
    """

    def __init__(self, vectors: np.ndarray, places: np.ndarray, jobs: int | None = None):
        if len(vectors) < tsne.FEWEST:
            raise BadInput(f"the map has only {len(vectors)} images; leave out --place to make a new one")
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float64)
        self.places = np.ascontiguousarray(places, dtype=np.float64)
        self.jobs = jobs or os.cpu_count()
        self.k = min(NEIGHBOURS, len(vectors) - 1)
        self.tree = cKDTree(self.vectors, leafsize=32)
        self.tree_on_map = cKDTree(self.places)
        sampled = self.vectors[:: -(-len(vectors) // SAMPLED)]
        # the nearest landmark of each landmark is itself
        self.usual = np.quantile(self.tree.query(sampled, self.k + 1, workers=self.jobs)[0][:, 1:].mean(1), FAMILIAR)

    def neighbours(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest landmarks of `vectors` (m, k), nearest first: distances (m, self.k) float64 and row numbers."""
        if len(vectors) * len(self.vectors) >= WORTH_SORTING:
            rows, distances = self.in_cells.nearest(vectors, np.full(len(vectors), -1), self.k, power=2)
            return distances, rows
        workers = self.jobs if len(vectors) > 100 else 1
        return self.tree.query(vectors, self.k, workers=workers)

    @cached_property
    def in_cells(self) -> Neighbourhood:
        """The landmarks prepared for many queries: in 15 dimensions this search is about four times as fast."""
        return neighbourhood(self.vectors, np.zeros(len(self.vectors), np.int64), WORTH_SORTING)

    def place(self, vectors: np.ndarray, how: str = "median") -> tuple[np.ndarray, np.ndarray]:
        """Return places (m, dims) float64 and trust (m,) float64 of new `vectors` (m, k). how : a name in PLACINGS."""
        method = PLACINGS[choose(how, PLACINGS, "way of placing")]
        if not len(vectors):
            return np.empty((0, self.places.shape[1])), np.empty(0)
        distances, rows = self.neighbours(vectors)
        places = method(self, distances, rows)
        return places, self.trust(places, distances, rows)

    def trust(self, places: np.ndarray, distances: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """How far the places (m, dims) can be trusted, (m,) float64 in [0, 1]; the module says how it is measured."""
        n_near = min(NEAR * self.k, len(self.places))
        reach = self.tree_on_map.query(places, n_near, workers=self.jobs if len(places) > 100 else 1)[0][:, -1]
        apart = np.linalg.norm(self.places[rows] - places[:, None], axis=2)
        agreeing = (apart <= reach[:, None] * (1 + 1e-9)).mean(axis=1)
        familiar = np.minimum(1, self.usual / np.maximum(distances.mean(axis=1), 1e-300))
        return agreeing * familiar**2


def by_median(landmarks: FrozenMap, distances: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The median of the neighbours' places, axis by axis."""
    return np.median(landmarks.places[rows], axis=1)


def by_transform(landmarks: FrozenMap, distances: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """openTSNE's `transform` with its default settings, starting from the median.

    Its affinities need only the neighbours, so those of the frozen map are not computed again. The gradient is exact
    for few images. For many it is interpolated in two dimensions, and Barnes-Hut in three.
    """
    n, dims = landmarks.places.shape
    few = len(rows) * n <= EXACT_PAIRS
    jobs = 1 if len(rows) * n <= ONE_THREAD_PAIRS else landmarks.jobs
    method = ExactGradient() if few else "fft" if dims == 2 else "bh"
    middle = (landmarks.places.max(axis=0) + landmarks.places.min(axis=0)) / 2
    # openTSNE asks only for the number of the map's affinities, so an empty array will do
    reference = TSNEEmbedding(landmarks.places - middle, SimpleNamespace(P=np.empty((n, 0))))
    affinities = joint_probabilities_nn(
        rows,
        distances,
        [min(PERPLEXITY, rows.shape[1] / 3)],
        symmetrize=False,
        normalization="point-wise",
        n_reference_samples=n,
        n_jobs=jobs,
    )
    start = by_median(landmarks, distances, rows) - middle
    placed = PartialTSNEEmbedding(start, reference, P=affinities, negative_gradient_method=method).optimize(
        n_iter=ITERATIONS,
        learning_rate=0.1,
        exaggeration=1.5,
        momentum=0.8,
        max_grad_norm=0.25,
        theta=tsne.THETA,
        n_jobs=jobs,
    )
    return np.asarray(placed) + middle


# name -> function(FrozenMap, distances (m, k), rows (m, k)) -> places (m, dims)
PLACINGS: dict[str, Callable] = {"transform": by_transform, "median": by_median}


@dataclass(frozen=True)
class Landmarks:
    """What is needed to place images on a computed map.

    reduction : of vectors. reduced : (n, k) float64, the images laid out. places : (n, dims) float32, as in the table.
    """

    reduction: Reduction
    reduced: np.ndarray
    places: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """All that `landmarks_in` needs to make them again."""
        return {"reduced": self.reduced, "places": self.places, **self.reduction.arrays()}


def landmarks_of(base: Stage, current: Stage) -> Landmarks:
    """The landmarks of a computed map stage.

    They are kept with it, or with the current stage that placed images on it; else its reduction is fitted again to the
    images laid out.
    """
    for stage in (current, base):
        if stage.has_arrays(FILE):
            stored = stage.arrays(FILE)
            return Landmarks(Reduction.of_arrays(stored), stored["reduced"], stored["places"])
    preset, table = tsne.PRESETS[base.parameters.get("preset", "default")], base.table()
    laid_out = rest.landmarks_of(table)
    vectors = rest.taken(base.parent("embedding").array(), laid_out)
    reduction = preset.reduction(vectors, base.parameters["seed"])
    places = table[list(tsne.AXES[: base.parameters["dims"]])].to_numpy(np.float32)[laid_out]
    return Landmarks(reduction, reduction.apply(vectors), places)


def open_map(stage: Stage, jobs: int | None = None) -> tuple[FrozenMap, Reduction]:
    """Open a computed map stage to place on, and its reduction."""
    found = landmarks_of(stage, stage)
    return FrozenMap(found.reduced, found.places, jobs), found.reduction


def place(
    catalog: Catalog,
    *,
    dims: int = 2,
    how: str = "transform",
    jobs: int | None = None,
    progress: Callable | None = None,
) -> Stage:
    """Place the images of the current embedding that are not on the map; write and return a new map stage.

    It has a row for every image of the embedding. Images of the frozen map keep their place and their trust (if they
    were laid out: `placed` false, trust 1); new and changed ones are placed. The stage's parent is the embedding; its
    parameters name the frozen map. If there is nothing to place, the current map is returned. how : a name in PLACINGS.
    """
    if dims not in (2, 3):
        raise BadInput(f"a map has 2 or 3 dimensions, not {dims}")
    choose(how, PLACINGS, "way of placing")
    kind, embedding = f"map{dims}d", catalog.stage("embedding")
    base, current = frozen_stages.original(catalog, kind), catalog.stage(kind, fresh=False)
    done = current.parameters.get("how", how) == how and current.parent("embedding").digest == embedding.digest
    if done:
        return current
    report = progress or (lambda *_: None)
    report(0, 3, "comparing with the map")
    follows = frozen_stages.following(current, embedding)
    rows, image_ids = frozen_stages.rows_to_place(follows, embedding)
    known = frozen_stages.known_rows(base, embedding, rows)
    report(1, 3, "opening the map")
    landmarks = landmarks_of(base, current)
    frozen = FrozenMap(landmarks.reduced, landmarks.places, jobs)
    new, known, before = known < 0, np.maximum(known, 0), base.table()
    report(2, 3, f"placing {new.sum()} images")
    places = before[list(tsne.AXES[:dims])].to_numpy()[known]
    trust, placed = np.ones(len(known)), new
    if "placed" in before:
        trust, placed = before.trust.to_numpy()[known], new | before.placed.to_numpy()[known]
    vectors, own = embedding.array(), np.flatnonzero(new)
    wanted = np.zeros(len(vectors), bool)
    wanted[rows[own]] = True
    reduced = rest.reduced_rows(landmarks.reduction, vectors, wanted)
    for start in range(0, len(own), rest.BLOCK):
        block = slice(start, start + rest.BLOCK)
        places[own[block]], trust[own[block]] = frozen.place(reduced[block], how)
    table = tsne.map_table(pd.DataFrame({"image_id": image_ids}), places).assign(placed=placed, trust=trust)
    parameters = {**base.parameters, "frozen": base.stage_id, "frozen_digest": base.digest, "how": how}
    with catalog.new_stage(kind, "placed", parents=[embedding], parameters=parameters) as writer:
        if follows:
            follows.write_table(writer, table)
        else:
            writer.write_table(table)
        if not base.has_arrays(FILE):
            writer.write_arrays(landmarks.arrays(), FILE)
    report(3, 3, "placed")
    return writer.stage
