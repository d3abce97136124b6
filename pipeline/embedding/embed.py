"""Turns every CCD image of a run into a vector, and writes them as an embedding stage.

The work is divided into units: an exposure, or a few of its CCDs. Each finished unit is a small file in a hidden work
folder, so an interrupted run continues where it stopped. The vectors of a unit depend only on its pixels and the
backbone. The number of processes, devices or machines does not change them, nor does the rest of the run.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline import parallel
from triptych.pipeline.catalog import previews
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.extension import Following, changed_exposures
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.embedding import backbones, work_units
from triptych.pipeline.embedding.backbones import BACKBONES
from triptych.pipeline.embedding.work_units import Models, Order, Task, Unit
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.extras import need
from triptych.pipeline.ingest import reprocessed

__all__ = ["BACKBONES", "embed"]

FEW_UNITS = 8  # for fewer units than this, it does not pay to start processes
Progress = Callable[[int, int], None]


def embed(
    catalog: Catalog,
    *,
    backbone: str = "triptych",
    device: str = "auto",
    batch: int | None = None,
    only_sampled: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    compiled: bool = False,
    progress: Progress | None = None,
) -> Stage:
    """Embed the run's CCD images and return the stage: `vectors` (n, dim) float32 and table `keys`, by image_id.

    backbone : a name in BACKBONES; `dinov2-paper:MODEL` or `dinov2-sky:MODEL` with a folder or hub name; or only a
    folder or hub name, which means `dinov2-paper:MODEL`.
    device : for transformers: auto, cpu, cuda, mps, or several with commas; auto and cuda use all GPUs. batch : number
    of images at once on a device (default: 8 on cuda, else 1). compiled : compile the transformer with torch first.
    workers : number of processes for backbones that read previews; number of threads that read ahead for the others
    (default: one per core). scheduler : a Dask cluster for all the work, see `dask_cluster.connect`. progress : called
    with (done, total) images.
    Vectors of unchanged exposures come from earlier stages of the same backbone: the new stage extends the last one if
    few exposures of a large run are new (see `extension`), else they are copied. If nothing has changed at all, the
    earlier stage is returned. BadInput or CatalogError if there is nothing to embed or an option cannot be used.
    """
    name, model = backbones.parse(backbone)
    if batch is not None and batch < 1:
        raise BadInput(f"batch is {batch}; give 1 or more images")
    images = _images(catalog, only_sampled)
    order = Order(str(catalog.path), str(backbone), device, compiled)
    with _worker_pool(order, scheduler, workers) as pool:
        made = pool.made
        parameters = {"backbone": name, "model": model, "digest": made["digest"], "only_sampled": only_sampled}
        work = catalog.path / "embedding" / f".work-{work_units.digest_of(parameters)}"
        inputs = _inputs(catalog, images)
        earlier = _earlier(catalog, made["digest"])
        for stage in earlier:
            same = stage.table("inputs").equals(inputs)
            if same and stage.table("keys", ["image_id"]).image_id.equals(images.image_id):
                if catalog.info["current"].get("embedding") != stage.stage_id:
                    catalog.make_current(stage)
                shutil.rmtree(work, ignore_errors=True)  # left if the process was killed after the stage was written
                reprocessed.measure(catalog, stage)
                return stage
        following = _following(earlier, images, inputs)
        own = images[images.expnum.isin(following.changed)].reset_index(drop=True) if following else images
        vectors, missing = _reuse(earlier, own, inputs, made["dim"])
        order = replace(order, work=str(work), digest=made["digest"], inputs=work_units.digest_of(inputs.to_json()))
        todo = work_units.plan(own[missing], inputs, (batch or made["batch"]) if made["reads"] == "full" else None)
        done = len(images) - int(missing.sum())
        rows = pd.Index(own.image_id)
        with catalog.new_stage("embedding", _stage_name(name, model), parameters=parameters) as writer:
            work.mkdir(exist_ok=True)
            for unit, values in _computed(pool, order, todo):
                vectors[rows.get_indexer(unit.image_ids)] = values
                done += len(unit.image_ids)
                if progress:
                    progress(done, len(images))
            if following:
                following.write_array(writer, vectors, own)
                following.write_table(writer, own, "keys")
            else:
                writer.write_array(vectors)
                writer.write_table(images, "keys")
            writer.write_table(inputs, "inputs")
    shutil.rmtree(work, ignore_errors=True)
    reprocessed.measure(catalog, writer.stage)
    return writer.stage


def _images(catalog: Catalog, only_sampled: bool) -> pd.DataFrame:
    ccds = catalog.ccds(["image_id", "expnum", "ccdname", "sampled"])
    images = ccds[ccds.sampled] if only_sampled else ccds
    if not images.image_id.is_monotonic_increasing:
        images = images.sort_values("image_id", kind="stable")
    if images.empty:
        raise CatalogError(f"{catalog.name} has no CCD images to embed; run `triptych ingest {catalog.path} SOURCE`")
    return images[["image_id", "expnum", "ccdname"]].reset_index(drop=True)


def _inputs(catalog: Catalog, images: pd.DataFrame) -> pd.DataFrame:
    """What the vectors depend on, one row per exposure: expnum, n_images, content, camera."""
    inputs = images.groupby("expnum", sort=True).size().reset_index(name="n_images")
    known = catalog.exposures().reindex(columns=["expnum", "camera", "preview_digest"]).set_index("expnum")
    known = known.reindex(inputs.expnum).fillna("")
    digests = zip(inputs.expnum, known.preview_digest, strict=True)
    inputs["content"] = [digest or previews.content_of(catalog, expnum) for expnum, digest in digests]
    inputs["camera"] = [camera or catalog.camera for camera in known.camera]
    return inputs


def _stage_name(name: str, model: str) -> str:
    """Name of the stage: the backbone, and the last part of the model's name."""
    words = "".join(c if c.isalnum() else "-" for c in Path(model).name.lower()).strip("-") if model else ""
    return f"{name}-{words}"[:60] if words else name


def _earlier(catalog: Catalog, digest: str) -> list[Stage]:
    """Earlier stages of the same backbone, newest first."""
    stages = reversed(catalog.stages("embedding"))
    return [s for s in stages if s.parameters.get("digest") == digest and (s.path / "inputs.parquet").exists()]


def _following(earlier: list[Stage], images: pd.DataFrame, inputs: pd.DataFrame) -> Following | None:
    """How a new stage follows the newest earlier one; None if there is none, or it has exposures that are gone."""
    difference = changed_exposures(earlier[0], inputs) if earlier else None
    if difference is None or len(difference[1]):
        return None
    return Following.of(earlier[0], difference[0], int(images.expnum.isin(difference[0]).sum()))


def _reuse(earlier: list[Stage], images: pd.DataFrame, inputs: pd.DataFrame, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, dim) with the rows that earlier stages have, and which rows (n,) are still missing."""
    vectors = np.zeros((len(images), dim), np.float32)
    missing = np.ones(len(images), bool)
    content = images.expnum.map(inputs.set_index("expnum").content)
    for stage in earlier:
        same = (content == images.expnum.map(stage.table("inputs").set_index("expnum").content)).to_numpy()
        if not (missing & same).any():
            continue
        keys = stage.table("keys", ["image_id"])
        rows = pd.Index(keys.image_id).get_indexer(images.image_id)
        take = missing & same & (rows >= 0)
        if take.any():
            vectors[take] = stage.array()[rows[take]]
            missing &= ~take
    return vectors, missing


# ---- where the work is done


def _computed(pool: "LocalWorkers | DaskWorkers", order: Order, todo: list[Unit]) -> Iterator[tuple[Unit, np.ndarray]]:
    """Yield each unit with its vectors: first those found in the work folder, then the others as they are finished."""
    work, left = Path(order.work), []
    finished = set(os.listdir(work))  # list the folder once: on shared folders, to ask for each file is slow
    for unit in todo:
        values = work_units.stored(work, unit, pool.made["dim"]) if unit.file_name in finished else None
        if values is None:
            left.append(unit)
        else:
            yield unit, values
    for unit, values in pool.compute(order, left):
        if isinstance(values, parallel.WorkerLost):
            raise CatalogError(f"a process died on exposure {unit.expnum}; free some memory and run the command again")
        yield unit, values


class LocalWorkers:
    """Works on this machine: in processes for previews, in threads around the devices for full-resolution pixels."""

    def __init__(self, order: Order, workers: int | None):
        self.models = Models(order.backbone, order.device, order.compiled)
        self.made = self.models.described()
        self.workers = workers

    def compute(self, order: Order, todo: list[Unit]) -> Iterator[tuple[Unit, np.ndarray]]:
        """Each unit with its vectors, (n, dim) float32, in the order in which they are done."""
        task = Task(Catalog.open(order.run), self.models, Path(order.work))
        if self.models.reads == "full":
            return parallel.in_threads(task.compute, todo, self.models.threads(self.workers))
        if len(todo) < FEW_UNITS or self.workers == 1:
            return parallel.unordered(task.compute, todo, 1)
        return parallel.unordered(partial(work_units.compute, order), todo, self.workers)


class DaskWorkers:
    """Works on a Dask cluster. Its workers load the backbone; this process does not."""

    def __init__(self, order: Order, cluster):
        self.cluster = cluster
        self.made = cluster.call(work_units.describe, order)

    def compute(self, order: Order, todo: list[Unit]) -> Iterator[tuple[Unit, np.ndarray]]:
        """Each unit with its vectors, (n, dim) float32, in the order in which they are done."""
        key = f"triptych-{order.key}-"
        return self.cluster.unordered(
            lambda unit: (work_units.compute, order, unit), todo, key=lambda unit: key + unit.file_name
        )


@contextlib.contextmanager
def _worker_pool(order: Order, scheduler: str | None, workers: int | None) -> "Iterator[LocalWorkers | DaskWorkers]":
    if not scheduler:
        yield LocalWorkers(order, workers)
        return
    need("a Dask cluster", "distributed")
    from triptych.pipeline.dask_cluster import connect

    with connect(scheduler, workers) as cluster:
        yield DaskWorkers(order, cluster)
