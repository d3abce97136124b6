"""The neighbours of every image, updated with the training set: what a new label changes, without a full prediction.

The reduction is that of the last full training. Every image keeps its nearest training rows, a few more than an answer
needs. A new training row is measured only against images in cells that are near enough. A removed row is taken out of
the lists, and an image searches again only if it has too few left. A new label of the same row changes no neighbour.
The answers are then computed by the code of a full prediction. Everything is exact: rows, distances, shares and answers
equal those of a full prediction with the same reduction bit for bit, in any order of votes and with any number of
threads.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.classifier import Classifier, Model, classes_of
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.prediction_table import Answer, shares_of
from triptych.pipeline.parallel import cores
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.retraining.live_cells import in_memory, vectors_at
from triptych.pipeline.retraining.live_kernels import RELABELLED, REMOVED, Added, Lists, add, drop, room
from triptych.pipeline.vectors.neighbour_cells import LANES
from triptych.pipeline.vectors.neighbours import in_order, neighbourhood
from triptych.pipeline.vectors.reduction import Reduction

SPARE = 3
BLOCK = 65_536
# If more than this share of a training set is new, every image searches again, because that is faster.
NEW_SHARE = 0.25
LABELS = (*REASONS, GOOD)
LABEL_OF = {name: place for place, name in enumerate(LABELS)}
KEYS = 64  # an image has up to so many training rows, one for each label
NO_TRAINING = {"key": "int64", "number": "int64", "image_id": "int64", "slot": "int64", "expnum": "int64"}


@dataclass(frozen=True)
class Update:
    """What an update changed.

    images : (n,) int64, ascending, rows of the images with a changed neighbour or a changed label of a neighbour.
    added, removed, relabelled : numbers of training rows. refilled : number of images that searched among all training
    rows. measured : number of pairs of an image and an added row that were measured in float64.
    """

    images: np.ndarray
    added: int
    removed: int
    relabelled: int
    refilled: int
    measured: int


def empty_lists(n_cells: int, width: int, n: int, make: Callable = in_memory) -> dict[str, np.ndarray]:
    """Lists without neighbours, and no answers: the arrays that `Live` changes, by name."""
    slots = n_cells * LANES
    arrays = {
        "numbers": make("numbers", (slots, width), np.int32),
        "distances": make("distances", (slots, width), np.float64),
        "counts": make("counts", (slots,), np.int8),
        "whole": make("whole", (slots,), np.bool_),
        "far": make("far", (slots,), np.float64),
        "reason": make("reason", (n,), np.int8),
        "probability": make("probability", (n,), np.float64),
        "p_good": make("p_good", (n,), np.float64),
    }
    first = {"numbers": -1, "distances": np.inf, "counts": 0, "whole": True, "far": np.inf, "reason": -1}
    for name, values in arrays.items():
        values[:] = first.get(name, 0)
    return arrays


class Live:
    """Images in cells, with their neighbours. Make it with `started`, or read it with `live_cache.opened`.

    arrays : those of `live_cells.lay_out` and `empty_lists`, and `image_ids` (n,) int64, ascending. plain : `dim,
    scale, spread`. training : the present training rows, in the order of `key`: `key, number, image_id, slot, expnum,
    reasons, weight`. `number` is what the lists hold; no number is used twice. numbers : how many numbers were given so
    far.
    """

    def __init__(self, arrays: dict, plain: dict, classifier: Classifier, training=None, numbers: int = 0):
        self.arrays, self.plain, self.classifier, self.numbers = arrays, plain, classifier, numbers
        self.training = training if training is not None else _no_training()
        self.lists = Lists(*(arrays[name] for name in Lists._fields))

    # ---- asking

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that can be given, like those of a model with these training rows."""
        return classes_of(self.training.reasons)

    def answer(self, images: np.ndarray) -> Answer:
        """What the neighbours say about some images, like a full prediction. images : (n,) rows."""
        k, power = self.classifier.neighbours, self.classifier.power
        slots = self.arrays["slots"][images]
        place_of = np.full(self.numbers + 1, -1)
        place_of[self.training.number.to_numpy()] = np.arange(len(self.training))
        rows, distances = place_of[self.lists.numbers[slots, :k]], self.lists.distances[slots, :k]
        shares = shares_of(self.training, indicators(self.training.reasons, self.classes))(rows)
        return Answer(shares, rows, distances if power == 1 else distances ** (1 / power))

    def frozen_model(self) -> Model:
        """A model with the present training rows and the same reduced vectors. It does not reduce them further."""
        dim = self.plain["dim"]
        training = self.training[["image_id", "expnum", "reasons", "weight"]].reset_index(drop=True)
        vectors = vectors_at(self.arrays["tiles"], self.training.slot.to_numpy(), dim)
        settings = replace(self.classifier, learner="", two_steps=False)
        return Model("live", settings, Reduction(np.eye(dim), np.zeros(dim)), vectors, training)

    def vectors(self, images: np.ndarray) -> np.ndarray:
        """(n, dim) float64: the reduced vectors of some images."""
        return vectors_at(self.arrays["tiles"], self.arrays["slots"][images], self.plain["dim"])

    def expnums(self, images: np.ndarray) -> np.ndarray:
        """(n,) int64: the exposures of some images."""
        return self.arrays["exposures"].reshape(-1)[self.arrays["slots"][images]]

    # ---- following

    def teach(self, table: pd.DataFrame, *, threads: int | None = None, going_on: Callable | None = None) -> Update:
        """Change to another training set, and answer again wherever that changes something.

        table : `image_id, reasons` and perhaps `weight`, one row per image. Unknown images are left out. going_on :
        called between blocks of a long search; it may raise to stop, and then the state must be thrown away.
        """
        new, flags = self._compared(table)
        added, fewest, slots = new[new.number < 0], self.classifier.neighbours, len(self.lists.counts)
        first_class = self.classes[:1]
        rows, changed = self.arrays["rows"].reshape(-1), np.zeros(slots, bool)
        blocks = [range(start, min(start + BLOCK, slots)) for start in range(0, slots, BLOCK)]
        if flags.any():
            _all(in_order(lambda b: drop(self.lists, b.start, b.stop, flags, fewest, changed), blocks, threads))
        new.loc[added.index, "number"] = self.numbers + np.arange(len(added))
        self.numbers += len(added)
        self.training = new
        measured = 0
        if len(added) > NEW_SHARE * len(new):
            short = np.flatnonzero(rows >= 0)
        else:
            measured = self._add(new.loc[added.index], changed, threads) if len(added) else 0
            short = np.flatnonzero((self.lists.far == -np.inf) & (rows >= 0))
        self._search(short, changed, threads, going_on)
        if self.classes[:1] != first_class:
            changed |= self.lists.counts == 0  # without neighbours, the first label is the answer
        images = np.sort(rows[changed]).astype(np.int64)
        images = images[images >= 0]
        self._answer_anew(images, threads)
        counted = np.bincount(flags, minlength=3)
        return Update(images, len(added), int(counted[REMOVED]), int(counted[RELABELLED]), len(short), measured)

    def _compared(self, table: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        """The new training rows, with the numbers of those that were there before, and a flag for each old number."""
        new, old = self._rows(table), self.training
        places = np.searchsorted(old.key.to_numpy(), new.key.to_numpy())
        known = np.zeros(len(new), bool)
        if len(old):
            places = np.minimum(places, len(old) - 1)
            known = old.key.to_numpy()[places] == new.key.to_numpy()
        new["number"] = np.where(known, old.number.to_numpy()[places] if len(old) else -1, -1)
        flags = np.zeros(self.numbers + 1, np.uint8)
        flags[old.number[~old.key.isin(new.key)]] = REMOVED
        before = old.iloc[places[known]]
        other = before.reasons.to_numpy() != new.reasons[known].to_numpy()
        other |= before.weight.to_numpy() != new.weight[known].to_numpy()
        flags[before.number.to_numpy()[other]] = RELABELLED
        return new, flags

    def _rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Training rows from a training set's table, in the order of their keys, without numbers."""
        image_ids = self.arrays["image_ids"]
        table = table.sort_values("image_id", kind="stable", ignore_index=True)
        places = np.searchsorted(image_ids, table.image_id.to_numpy(np.int64))
        known = image_ids[np.minimum(places, len(image_ids) - 1)] == table.image_id.to_numpy()
        table, places = table[known], places[known]
        found = pd.DataFrame({"image_id": table.image_id.to_numpy(np.int64), "slot": self.arrays["slots"][places]})
        found["expnum"] = self.expnums(places)
        found["reasons"] = pd.Series([tuple(own) for own in table.reasons], dtype=object)
        found["weight"] = table["weight"].to_numpy(float) if "weight" in table else 1.0
        found["key"] = found.image_id * KEYS
        if self.classifier.one_row_per_label:
            found = found.explode("reasons", ignore_index=True)
            found["key"] += found.reasons.map(LABEL_OF).astype("int64")
            found["reasons"] = pd.Series([(reason,) for reason in found.reasons], dtype=object)
        return found.astype({"slot": "int64"})

    def _add(self, added: pd.DataFrame, changed: np.ndarray, threads: int | None) -> int:
        arrays, plain, power = self.arrays, self.plain, self.classifier.power
        dim = arrays["tiles"].shape[1]
        exact = vectors_at(arrays["tiles"], added.slot.to_numpy(), dim)
        rough = ((exact - arrays["middle"]) * plain["scale"]).astype(np.float32)
        slack = 2.0**-23 * (np.abs(rough).sum(axis=1, dtype=np.float64).max() + plain["spread"])
        numbers = added.number.to_numpy(np.int32)
        coming = Added(exact, rough, np.ascontiguousarray(rough.T), numbers, added.expnum.to_numpy(), float(slack))
        keys = np.zeros(self.numbers, np.int64)
        keys[self.training.number] = self.training.key
        cells = tuple(arrays[name] for name in ("tiles", "rough", "rows", "exposures"))
        boxes, factor = (arrays["low"], arrays["high"]), 1 + 2.0**-22 * (dim + 2 * power + 8)
        size = max(1, min(BLOCK // LANES, -(-len(arrays["low"]) // (threads or cores()))))
        blocks = [range(start, min(start + size, len(arrays["low"]))) for start in range(0, len(arrays["low"]), size)]

        def run(block: range) -> int:
            bounds = (block.start, block.stop)
            more = (self.plain["scale"], factor, power, self.classifier.neighbours, room(len(numbers)), changed)
            return add(self.lists, cells, boxes, *bounds, coming, keys, *more)

        return sum(in_order(run, blocks, threads))

    def _search(self, slots: np.ndarray, changed: np.ndarray, threads: int | None, going_on: Callable | None) -> None:
        """Fill the lists of some slots again, from all training rows."""
        if not len(slots):
            return
        tiles, exposures = self.arrays["tiles"], self.arrays["exposures"].reshape(-1)
        dim, k, power = self.plain["dim"], self.classifier.neighbours, self.classifier.power
        numbers, distances, counts, whole, far = self.lists
        width = numbers.shape[1]
        own = vectors_at(tiles, self.training.slot.to_numpy(), dim)
        taught = neighbourhood(own, self.training.expnum.to_numpy(), len(slots))
        number_of = np.append(self.training.number.to_numpy(), -1)

        def run(block: np.ndarray) -> None:
            if going_on:
                going_on()
            rows, found = taught.to_the_power(vectors_at(tiles, block, dim), exposures[block], width, power)
            now = number_of[rows]
            changed[block] |= (now[:, :k] != numbers[block, :k]).any(axis=1)
            numbers[block], distances[block] = now, found
            counts[block] = (rows >= 0).sum(axis=1)
            whole[block] = rows[:, -1] < 0
            far[block] = np.where(rows[:, -1] < 0, np.inf, found[:, -1])

        size = max(1, min(BLOCK, -(-len(slots) // (threads or cores()))))
        _all(in_order(run, (slots[start : start + size] for start in range(0, len(slots), size)), threads))

    def _answer_anew(self, images: np.ndarray, threads: int | None) -> None:
        classes = self.classes
        places = np.array([LABEL_OF[name] for name in classes] or [-1])

        def run(block: np.ndarray) -> None:
            shares = self.answer(block).shares
            if not classes:
                shares = np.zeros((len(block), 1))
            best = shares.argmax(axis=1)
            self.arrays["reason"][block] = places[best]
            self.arrays["probability"][block] = shares[np.arange(len(block)), best]
            self.arrays["p_good"][block] = shares[:, classes.index(GOOD)] if GOOD in classes else 0

        _all(in_order(run, (images[start : start + BLOCK] for start in range(0, len(images), BLOCK)), threads))


def _all(done) -> None:
    for _ in done:
        pass


def _no_training() -> pd.DataFrame:
    table = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in NO_TRAINING.items()})
    return table.assign(reasons=pd.Series(dtype=object), weight=pd.Series(dtype=float))


def started(
    laid_out: tuple[dict, dict], image_ids: np.ndarray, classifier: Classifier, make: Callable = in_memory
) -> Live:
    """A `Live` of images from `live_cells.lay_out`, without training rows. image_ids : (n,) int64, ascending."""
    arrays, plain = laid_out
    more = empty_lists(len(arrays["rows"]), classifier.neighbours + SPARE, len(image_ids), make)
    more["far"][arrays["rows"].reshape(-1) < 0] = -np.inf
    ids = make("image_ids", image_ids.shape, np.int64)
    ids[:] = image_ids
    return Live({**arrays, **more, "image_ids": ids}, plain, classifier)
