"""Units of embedding: some CCD images of one exposure, and the file that stores their vectors until all are done.

Any process that sees the run folder can compute a unit: this one, another one, one on another machine. The vectors
depend only on the pixels and the backbone. The work folder is named after the backbone and the file after the pixels,
so every process can use what another one has finished.
"""

import contextlib
import hashlib
import json
import queue
import secrets
import socket
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.embedding import backbones
from triptych.pipeline.embedding.backbones import BACKBONES
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.image_ids import ccdnum_of
from triptych.pipeline.parallel import cores
from triptych.pipeline.pixels.full_resolution import full_ccd

AT_ONCE = 2  # number of units that share a device, so that it need not wait while data is copied to it


@dataclass(frozen=True)
class Unit:
    """Some CCD images of one exposure that are embedded together. content : digest of the exposure's pixels."""

    expnum: int
    image_ids: tuple[int, ...]
    content: str
    camera: str

    @property
    def file_name(self) -> str:
        """Name of the file that its vectors wait in."""
        return f"{self.expnum}-{self.image_ids[0]}-{len(self.image_ids)}-{self.content}.npy"


@dataclass(frozen=True)
class Order:
    """What a process must know to help, small enough to be sent with each unit.

    run, work : folders that every process sees under the same path. digest : of the backbone that must make the
    vectors. inputs : digest of the run's exposures, so that nobody uses the tables of an earlier ingest.
    """

    run: str
    backbone: str
    device: str
    compiled: bool = False
    work: str = ""
    digest: str = ""
    inputs: str = ""

    @property
    def key(self) -> str:
        """Digest of the order: 16 hex digits."""
        return digest_of(asdict(self))


def digest_of(value) -> str:
    """Digest of any JSON value: 16 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def plan(images: pd.DataFrame, inputs: pd.DataFrame, size: int | None) -> list[Unit]:
    """Divide images (columns image_id, expnum; sorted) into units of at most `size` images of one exposure.

    inputs : columns expnum, content, camera. size : None = whole exposures.
    """
    units = []
    of = {row.expnum: row for row in inputs.itertuples()}
    for expnum, rows in images.groupby("expnum", sort=True):
        ids = [int(i) for i in rows.image_id]
        step = size or len(ids)
        cuts = [tuple(ids[first : first + step]) for first in range(0, len(ids), step)]
        units += [Unit(int(expnum), cut, of[expnum].content, of[expnum].camera) for cut in cuts]
    return units


class Models:
    """A backbone in memory, once per device. Several threads may use it; each takes a free device."""

    def __init__(self, backbone: str, device: str = "cpu", compiled: bool = False):
        self.name, _ = backbones.parse(backbone)
        self.reads = BACKBONES[self.name].reads
        self.devices = ["cpu"]
        backbones.check_installed(self.name)
        if self.reads == "full":
            from triptych.pipeline.embedding.dinov2 import pick_devices

            self.devices = pick_devices(device)
        elif compiled:
            raise BadInput(f"{self.name} is not a neural network; leave out --compile")
        loaded = [backbones.open_backbone(backbone, device)[1] for device in self.devices]
        if compiled:
            for backbone_here in loaded:
                backbone_here.transformer.compile()
        self.first = loaded[0]
        self.dim = self.first.dim
        self.digest = self.first.digest + ("-compiled" if compiled else "")
        self._free: queue.SimpleQueue = queue.SimpleQueue()
        for backbone_here in loaded * (AT_ONCE if self.on_gpu else 1):
            self._free.put(backbone_here)

    @property
    def on_gpu(self) -> bool:
        """Whether the vectors are computed on a CUDA device."""
        return self.devices[0].startswith("cuda")

    def described(self) -> dict:
        """Digest, length of a vector, kind of pixels to read, and default number of images at once."""
        return {"digest": self.digest, "dim": self.dim, "reads": self.reads, "batch": 8 if self.on_gpu else 1}

    def threads(self, readers: int | None = None) -> int:
        """Number of threads that keep the devices busy: one for each unit on a device, and some that read ahead."""
        readers = readers or (cores() if self.on_gpu else len(self.devices))
        return len(self.devices) * (AT_ONCE if self.on_gpu else 1) + readers

    def of_preview(self, camera: str, ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Vectors (n_ccd, dim) float32 of a whole exposure (n_ccd, ny, nx) float32, ADU."""
        return self.first.vectors(CAMERAS[camera], ccdnums, pixels)

    def of_full(self, images: list[np.ndarray]) -> np.ndarray:
        """Vectors (n, dim) float32 of full-resolution images (ny, nx) float32, ADU, on the next free device."""
        prepared = [self.first.prepare(image) for image in images]
        loaded = self._free.get()
        try:
            return loaded.transformer.vectors(prepared)
        finally:
            self._free.put(loaded)


class Task:
    """What this process needs for all units of one call of embed()."""

    def __init__(self, catalog: Catalog, models: Models, work: Path):
        self.catalog = catalog
        self.models = models
        self.work = work
        self.ccds = catalog.ccds() if models.reads == "full" else None

    def stored(self, unit: Unit) -> np.ndarray | None:
        """Vectors of a finished unit; None if there is no valid file."""
        return stored(self.work, unit, self.models.dim)

    def compute(self, unit: Unit) -> np.ndarray:
        """Embed one unit and store the result in the work folder: (n_images, dim) float32, finite."""
        if self.models.reads == "preview":
            ccdnums, pixels = self.catalog.preview(unit.expnum)
            values = self.models.of_preview(unit.camera, ccdnums, pixels)
            rows = pd.Index(ccdnums.astype(np.int64)).get_indexer([ccdnum_of(i) for i in unit.image_ids])
            if (rows < 0).any():
                raise CatalogError(f"the preview of exposure {unit.expnum} lacks a CCD; run `triptych ingest` again")
            values = values[rows]
        else:
            values = self.models.of_full([full_ccd(self.catalog, i, self.ccds) for i in unit.image_ids])
        values = np.nan_to_num(np.asarray(values, np.float32))
        # a random name, not the process number: another machine may have the same number
        aside = self.work / f".{unit.file_name}.{secrets.token_hex(6)}.npy"
        with contextlib.suppress(FileNotFoundError):  # another process has finished the stage and removed the folder
            np.save(aside, values, allow_pickle=False)
            put_in_place(aside, self.work / unit.file_name)
        return values


def stored(work: Path, unit: Unit, dim: int) -> np.ndarray | None:
    """Vectors (n_images, dim) float32 of a finished unit; None if there is no valid file."""
    try:
        values = np.load(work / unit.file_name, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return values if values.shape == (len(unit.image_ids), dim) else None


# ---- in other processes

_opening = threading.Lock()
_opened: dict[Order, Task] = {}  # only the last one, because a model is large


def describe(order: Order) -> dict:
    """What this process would make: digest, dim and default batch of the backbone in the order, loaded again."""
    return Models(order.backbone, order.device, order.compiled).described()


def compute(order: Order, unit: Unit) -> np.ndarray:
    """Vectors (n_images, dim) float32 of one unit, read from its file if another process has finished it."""
    task = _task_of(order)
    values = task.stored(unit)
    return task.compute(unit) if values is None else values


def _task_of(order: Order) -> Task:
    """The Task of this process for an order, made once."""
    with _opening:
        if order not in _opened:
            _opened.clear()
            _opened[order] = _open(order)
        return _opened[order]


def _open(order: Order) -> Task:
    host = socket.gethostname()
    if not Path(order.work).is_dir():
        raise BadInput(f"{host} does not see {order.work}; the run must be in a folder that every worker shares")
    models = Models(order.backbone, order.device, order.compiled)
    if models.digest != order.digest:
        raise BadInput(
            f"{host} would make {models.digest}, but {order.digest} is needed; give every worker the same version of "
            "triptych, the same model and the same kind of device"
        )
    return Task(Catalog.open(order.run), models, Path(order.work))
