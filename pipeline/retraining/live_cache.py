"""The state that follows the votes, on disk: memory-mapped arrays in the folder `live` of a run.

It is a cache. It is made under a temporary name and renamed. It says which embedding and model it was made from. It is
made again if these have changed, if a file is missing or has another size, or if the answers of a few random images
differ from those of a full search. While the arrays change, a file `changing` exists; so if the process is killed
meanwhile, nobody trusts the state. A state from before the machine's last restart is not trusted either, because
nothing is forced to disk. Whoever opens it must hold the lock of `alone_with`.

It takes 410 bytes per image with 15 reduced features and 7 neighbours: 2.3 GB for 5,670,000 images.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import put_in_place, write_json
from triptych.pipeline.catalog.stage import Stage, gone_on_failure
from triptych.pipeline.classifier.classifier import Classifier, Model
from triptych.pipeline.classifier.cross_fitted_heads import indicators
from triptych.pipeline.classifier.prediction_table import asks_neighbours, exposure_blocks
from triptych.pipeline.errors import BadInput
from triptych.pipeline.retraining.live_cells import lay_out
from triptych.pipeline.retraining.live_neighbours import Live, Update, started
from triptych.pipeline.vectors.neighbours import in_order
from triptych.pipeline.vectors.reduction import reduced

FORMAT = 1
CHECKED = 24  # number of images whose answers are compared with a full search after every update
STILL = ("tiles", "rough", "low", "high", "rows", "exposures", "slots", "middle", "image_ids")
MOVING = ("numbers", "distances", "counts", "whole", "far", "reason", "probability", "p_good")
BEFORE = ("reason", "probability", "p_good")


@dataclass(frozen=True)
class Kept:
    """The state now and when the model was fitted.

    live : the state now. before : `numbers` (slots, k), and reason, probability and p_good (n,) of each image from the
    model's own training rows. taught : those rows, like `Live.training`. made : whether it had to be made again.
    """

    live: Live
    before: dict[str, np.ndarray]
    taught: pd.DataFrame
    folder: Path
    made: bool

    def teach(self, table: pd.DataFrame, threads: int | None = None) -> Update:
        """Change to another training set, also on disk. DamagedState if the answers are then wrong."""
        marker = self.folder / "changing"
        marker.touch()
        update = self.live.teach(table, threads=threads)
        _check_some(self.live)
        _write_training(self.folder, "training", self.live.training)
        _write_plain(self.folder, numbers=self.live.numbers)
        marker.unlink()
        return update


class DamagedState(Exception):
    """The state on disk gives other answers than a full search."""


@contextlib.contextmanager
def alone_with(catalog: Catalog) -> Iterator[None]:
    """Wait until no other process uses the state of this run, then hold its lock during the block."""
    catalog.live_folder.mkdir(exist_ok=True)
    with locks.exclusive(catalog.live_folder / "one.lock"):
        yield


def opened(
    catalog: Catalog,
    embedding: Stage,
    stage: Stage,
    model: Model,
    *,
    threads: int | None = None,
    going_on: Callable | None = None,
) -> Kept:
    """The state of this embedding and model. It is made first if there is none that can be trusted.

    stage : that of `model`. going_on : called between blocks while the state is made; it may raise to stop. BadInput if
    there are no images.
    """
    folder = catalog.live_folder / "state"
    wanted = {"format": FORMAT, "embedding": embedding.digest, "model": stage.digest, "started": _start_of_machine()}
    found = _read(folder, wanted, model.classifier)
    return found or _made(folder, wanted, embedding, model, threads, going_on)


def forget(catalog: Catalog) -> None:
    """Delete the state. It is made again when it is needed."""
    shutil.rmtree(catalog.live_folder / "state", ignore_errors=True)


def _start_of_machine() -> str:
    """An id that changes with each restart of the machine; '' if the system has none."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _read(folder: Path, wanted: dict, classifier: Classifier) -> Kept | None:
    if not (folder / "state.json").exists() or (folder / "changing").exists():
        return None
    try:
        plain = json.loads((folder / "state.json").read_text())
        if any(plain[name] != value for name, value in wanted.items()):
            return None
        # Copy on write, so that these arrays cannot be changed by mistake; compiled code needs one kind of array.
        arrays = {name: _mapped(folder, name, "c") for name in STILL} | {
            name: _mapped(folder, name, "r+") for name in MOVING
        }
        before = {name: _mapped(folder, f"before_{name}", "c") for name in ("numbers", *BEFORE)}
        if any(list(array.shape) != plain["shapes"][name] for name, array in arrays.items()):
            return None
        numbers, counts = arrays["numbers"], arrays["counts"]
        if (
            numbers.max() >= plain["numbers"]
            or numbers.min() < -1
            or counts.max() > numbers.shape[1]
            or counts.min() < 0
        ):
            return None  # compiled code does not check them
        training, taught = (_read_training(folder, name) for name in ("training", "taught"))
        live = Live(arrays, plain, classifier, training, plain["numbers"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # an incomplete or foreign file
        return None
    return Kept(live, before, taught, folder, made=False)


def _made(folder: Path, wanted: dict, embedding: Stage, model: Model, threads, going_on) -> Kept:
    keys, vectors = embedding.table("keys"), embedding.array()
    if not len(keys):
        raise BadInput("there is no image to follow; ingest and embed some exposures first")
    locks.clear_unfinished(folder.parent)
    aside = folder.parent / f".aside-{os.getpid()}-{time.monotonic_ns()}"
    with locks.hold_folder(aside), gone_on_failure(aside):
        aside.mkdir()

        def make(name: str, shape: tuple, kind) -> np.ndarray:
            return np.asarray(np.lib.format.open_memmap(aside / f"{name}.npy", "w+", kind, shape))

        expnums = keys.expnum.to_numpy()
        places = make("reduced", (len(keys), len(model.reduction.offset)), np.float64)

        def reduce(block: slice) -> None:
            if going_on:
                going_on()
            places[block] = reduced(model.reduction, vectors[block])

        for _ in in_order(reduce, exposure_blocks(expnums), threads):
            pass
        laid_out = lay_out(places, expnums, make)
        (aside / "reduced.npy").unlink()
        live = started(laid_out, keys.image_id.to_numpy(), model.classifier, make)
        live.teach(model.training, threads=threads, going_on=going_on)
        before = {name: make(f"before_{name}", live.arrays[name].shape, live.arrays[name].dtype) for name in BEFORE}
        k = model.classifier.neighbours
        before["numbers"] = make("before_numbers", (len(live.lists.counts), k), np.int32)
        for name, array in before.items():
            array[:] = live.arrays[name][:, :k] if name == "numbers" else live.arrays[name]
        for name in ("training", "taught"):
            _write_training(aside, name, live.training)
        shapes = {name: list(live.arrays[name].shape) for name in (*STILL, *MOVING)}
        settings = {"classifier": asdict(model.classifier), "numbers": live.numbers, "shapes": shapes}
        write_json(aside / "state.json", {**wanted, **live.plain, **settings})
        shutil.rmtree(folder, ignore_errors=True)
        put_in_place(aside, folder)
    return Kept(live, before, live.training, folder, made=True)


def _mapped(folder: Path, name: str, mode: Literal["c", "r+"]) -> np.ndarray:
    return np.asarray(np.load(folder / f"{name}.npy", mmap_mode=mode, allow_pickle=False))


def _write_training(folder: Path, name: str, training: pd.DataFrame) -> None:
    aside = folder / f".{name}.parquet"
    training.assign(reasons=training.reasons.map(list)).to_parquet(aside, index=False)
    put_in_place(aside, folder / f"{name}.parquet")


def _read_training(folder: Path, name: str) -> pd.DataFrame:
    training = pd.read_parquet(folder / f"{name}.parquet")
    return training.assign(reasons=pd.Series([tuple(own) for own in training.reasons], dtype=object))


def _write_plain(folder: Path, **values) -> None:
    write_json(folder / "state.json", {**json.loads((folder / "state.json").read_text()), **values})


def _check_some(live: Live) -> None:
    """Compare a few random images with a full search among all training rows. DamagedState if they differ."""
    some = np.sort(np.random.default_rng().integers(0, len(live.arrays["slots"]), CHECKED))
    model = live.frozen_model()
    full = asks_neighbours(model, indicators(model.training.reasons, model.classes), len(some))
    right = full(live.vectors(some), pd.DataFrame({"expnum": live.expnums(some)}))
    found = live.answer(some)
    same = all(np.array_equal(getattr(found, name), getattr(right, name)) for name in ("rows", "distances", "shares"))
    if not same:
        raise DamagedState(f"answers of {len(some)} images differ from those of a full search")
