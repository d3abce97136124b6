"""Every CCD image of a run -> one vector each, written as an embedding stage.

Work is cut into units, one exposure or a few of its CCDs; each finished unit is a small file in a hidden work folder,
so that a killed run goes on where it stopped. The vectors of a unit depend on its pixels and the backbone alone:
neither the number of processes nor what else is in the run changes them.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import backbones, parallel
from pipeline.backbones import BACKBONES
from pipeline.camera import CAMERAS
from pipeline.catalog import Catalog, Stage
from pipeline.errors import BadInput, CatalogError
from pipeline.images import full_ccd

__all__ = ["BACKBONES", "embed"]

FEW_UNITS = 8  # fewer than this are not worth starting processes for
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Unit:
    """Some CCD images of one exposure that are embedded together. content : digest of the exposure's pixels."""

    expnum: int
    image_ids: tuple[int, ...]
    content: str
    camera: str

    @property
    def file_name(self) -> str:
        return f"{self.expnum}-{self.image_ids[0]}-{len(self.image_ids)}-{self.content}.npy"


@dataclass(frozen=True)
class Task:
    """What every unit of one run of embed() needs. loaded : the backbone in memory, which reads `reads` pixels."""

    catalog: Catalog
    loaded: object
    reads: str
    work: Path
    ccds: pd.DataFrame

    def stored(self, unit: Unit) -> np.ndarray | None:
        """Vectors of a unit that an interrupted run has finished; None if there are none to be trusted."""
        try:
            values = np.load(self.work / unit.file_name, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return values if values.shape == (len(unit.image_ids), self.loaded.dim) else None

    def compute(self, unit: Unit) -> np.ndarray:
        """Embed one unit and keep the result in the work folder: (n_images, dim) float32, finite."""
        if self.reads == "preview":
            ccdnums, pixels = self.catalog.preview(unit.expnum)
            values = self.loaded.vectors(CAMERAS[unit.camera], ccdnums, pixels)
            rows = pd.Index(ccdnums.astype(np.int64)).get_indexer([i % 100 for i in unit.image_ids])
            if (rows < 0).any():
                raise CatalogError(f"the preview of exposure {unit.expnum} lacks a CCD; run `triptych ingest` again")
            values = values[rows]
        else:
            values = self.loaded.vectors([full_ccd(self.catalog, i, self.ccds) for i in unit.image_ids])
        values = np.nan_to_num(np.asarray(values, np.float32))
        aside = self.work / f".{unit.file_name}.{os.getpid()}.npy"
        self.work.mkdir(parents=True, exist_ok=True)
        np.save(aside, values, allow_pickle=False)
        os.replace(aside, self.work / unit.file_name)
        return values


def content_of(catalog: Catalog, expnum: int) -> str:
    """Digest of an exposure's stored preview, from the checksums in its archive's directory: nothing is decoded."""
    path = catalog.preview_path(expnum)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(member.filename, member.CRC, member.file_size) for member in archive.infolist()]
    except (OSError, zipfile.BadZipFile):
        raise CatalogError(f"the preview of exposure {expnum} cannot be read; run `triptych ingest` again") from None
    return hashlib.sha256(repr(sorted(members)).encode()).hexdigest()[:16]


def plan(images: pd.DataFrame, inputs: pd.DataFrame, size: int | None) -> list[Unit]:
    """Cut images (columns image_id, expnum; sorted) into units of at most `size` images of one exposure.

    inputs : columns expnum, content, camera.
    """
    units = []
    of = {row.expnum: row for row in inputs.itertuples()}
    for expnum, rows in images.groupby("expnum", sort=True):
        ids = [int(i) for i in rows.image_id]
        step = size or len(ids)
        cuts = [tuple(ids[first : first + step]) for first in range(0, len(ids), step)]
        units += [Unit(int(expnum), cut, of[expnum].content, of[expnum].camera) for cut in cuts]
    return units


def embed(
    catalog: Catalog,
    *,
    backbone: str = "triptych",
    device: str = "auto",
    batch: int | None = None,
    only_sampled: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Stage:
    """Embed the run's CCD images and return the stage: `vectors` (n, dim) float32 and table `keys`, by image_id.

    backbone : a name of BACKBONES; `dinov2-paper:MODEL` or `dinov2-sky:MODEL` with a folder or hub name; or a bare
    folder or hub name, which is taken as `dinov2-paper:MODEL`.
    device : auto, cpu, cuda, mps; for the transformers. batch : images at once on the device (8 on cuda, else 1).
    workers : processes for backbones that read previews (default: one per core). progress(done, total) counts images.
    What an earlier stage of the same backbone holds of unchanged exposures is taken from there; when nothing at all
    has changed, that stage itself is returned.
    """
    name, model = backbones.parse(backbone)
    if batch is not None and batch < 1:
        raise BadInput(f"batch is {batch}; give 1 or more images")
    images = _images(catalog, only_sampled)
    reads = BACKBONES[name].reads
    if reads == "full":
        from pipeline.dinov2 import pick_device

        device = pick_device(device)
        batch = batch or (8 if device.startswith("cuda") else 1)
    loaded = BACKBONES[name].open(model, device)
    parameters = {"backbone": name, "model": model, "digest": loaded.digest, "only_sampled": only_sampled}
    inputs = _inputs(catalog, images)
    earlier = _earlier(catalog, loaded.digest)
    for stage in earlier:
        if stage.table("inputs").equals(inputs) and stage.table("keys").image_id.equals(images.image_id):
            if catalog.info["current"].get("embedding") != stage.stage_id:
                catalog.make_current(stage)
            return stage
    vectors, missing = _reuse(earlier, images, inputs, loaded.dim)
    work = catalog.path / "embedding" / f".work-{_digest(parameters)}"
    task = Task(catalog, loaded, reads, work, catalog.ccds())
    units = plan(images[missing], inputs, batch if reads == "full" else None)
    done = int((~missing).sum())
    order = pd.Index(images.image_id)
    with catalog.new_stage("embedding", _stage_name(name, model), parameters=parameters) as writer:
        for unit, values in _computed(task, units, backbone, workers):
            vectors[order.get_indexer(unit.image_ids)] = values
            done += len(unit.image_ids)
            if progress:
                progress(done, len(images))
        writer.write_array(vectors)
        writer.write_table(images, "keys")
        writer.write_table(inputs, "inputs")
    shutil.rmtree(work, ignore_errors=True)
    return writer.stage


def _images(catalog: Catalog, only_sampled: bool) -> pd.DataFrame:
    ccds = catalog.ccds().sort_values("image_id", kind="stable")
    images = ccds[ccds.sampled] if only_sampled else ccds
    if images.empty:
        raise CatalogError(f"{catalog.name} has no CCD images to embed; run `triptych ingest {catalog.path} SOURCE`")
    return images[["image_id", "expnum", "ccdname"]].reset_index(drop=True)


def _inputs(catalog: Catalog, images: pd.DataFrame) -> pd.DataFrame:
    """What the vectors depend on, one row per exposure: expnum, n_images, content, camera."""
    inputs = images.groupby("expnum", sort=True).size().reset_index(name="n_images")
    cameras = catalog.exposures().set_index("expnum").camera
    inputs["content"] = [content_of(catalog, expnum) for expnum in inputs.expnum]
    inputs["camera"] = [cameras.get(expnum) or catalog.camera for expnum in inputs.expnum]
    return inputs


def _stage_name(name: str, model: str) -> str:
    """Name of the stage's folder: the backbone, and the last part of the model's name."""
    words = "".join(c if c.isalnum() else "-" for c in Path(model).name.lower()).strip("-") if model else ""
    return f"{name}-{words}"[:60] if words else name


def _digest(parameters: dict) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]


def _earlier(catalog: Catalog, digest: str) -> list[Stage]:
    """Earlier stages of the same backbone, newest first."""
    stages = reversed(catalog.stages("embedding"))
    return [s for s in stages if s.parameters.get("digest") == digest and (s.path / "inputs.parquet").exists()]


def _reuse(earlier: list[Stage], images: pd.DataFrame, inputs: pd.DataFrame, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, dim) with the rows that an earlier stage has filled in, and which rows (n,) are missing."""
    vectors = np.zeros((len(images), dim), np.float32)
    missing = np.ones(len(images), bool)
    content = images.expnum.map(inputs.set_index("expnum").content)
    for stage in earlier:
        keys, known = stage.table("keys"), stage.table("inputs").set_index("expnum").content
        same = (content == images.expnum.map(known)).to_numpy()
        rows = pd.Index(keys.image_id).get_indexer(images.image_id)
        take = missing & same & (rows >= 0)
        if take.any():
            vectors[take] = stage.array()[rows[take]]
            missing &= ~take
    return vectors, missing


def _computed(task: Task, units: list[Unit], backbone: str, workers: int | None) -> Iterator[tuple[Unit, np.ndarray]]:
    """Each unit with its vectors: first those found in the work folder, then the others as they are finished."""
    todo = []
    for unit in units:
        values = task.stored(unit)
        if values is None:
            todo.append(unit)
        else:
            yield unit, values
    if task.reads == "full" or len(todo) < FEW_UNITS:
        workers = 1
    compute = partial(_compute, str(task.catalog.path), backbone, str(task.work)) if workers != 1 else task.compute
    for unit, values in parallel.unordered(compute, todo, workers):
        if isinstance(values, parallel.WorkerLost):
            raise CatalogError(f"a process died on exposure {unit.expnum}; free some memory and run it again")
        yield unit, values


@lru_cache(maxsize=1)
def _task_of(run: str, backbone: str, work: str) -> Task:
    """A worker process's own task, made once."""
    name, loaded = backbones.open_backbone(backbone)
    return Task(Catalog.open(run), loaded, BACKBONES[name].reads, Path(work), pd.DataFrame())


def _compute(run: str, backbone: str, work: str, unit: Unit) -> np.ndarray:
    return _task_of(run, backbone, work).compute(unit)
