"""How fast images become vectors: a transformer against the way it was published, and `triptych` in processes.

    OMP_NUM_THREADS=1 python -m benchmarks.speed.embedding [--rounds 5] [--size 448x224] [--images 4]
        [--busy] [--run RUN]

The transformer is a ViT-B/14 with registers of random weights, on CCDs of noise and stars at full resolution. The plain
way is attention written out, float32, one image after the other. The ways take turns in every round; peak is the
fastest large matrix product that this device does in the same run. On a GPU the size is the published 2352 x 1176.
`triptych` is run on a run folder, or on forty simulated exposures that are kept in the temporary folder.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, Dinov2WithRegistersConfig, Dinov2WithRegistersModel
from transformers.utils import logging

from benchmarks.speed.ingest import told
from triptych.pipeline import parallel
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import dinov2
from triptych.pipeline.embedding.embed import embed
from triptych.pipeline.embedding.work_units import Models
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.simulation.simulate import simulate

PUBLISHED_AN_HOUR = 8647  # images on one A100, as published
# dense peak as its maker gives it, FLOP/s: part of the device's name -> type of number -> peak
MAKERS_PEAK = {
    "H100": {"bfloat16": 989e12, "float32": 67e12},
    "H200": {"bfloat16": 989e12, "float32": 67e12},
    "A100": {"bfloat16": 312e12, "float32": 19.5e12},
}


def flop(config, size: tuple[int, int]) -> float:
    """Floating-point operations of one image: 12 (24 N D^2 + 4 N^2 D) + 2 * 588 * D * n for ViT-B/14, N = n + 5."""
    width, patch = config.hidden_size, config.patch_size
    patches = (size[0] // patch) * (size[1] // patch)
    tokens = patches + 1 + config.num_register_tokens
    layers = config.num_hidden_layers * (24 * tokens * width**2 + 4 * tokens**2 * width)
    return layers + 2 * 3 * patch**2 * width * patches


def random_model() -> Path:
    """Folder of a ViT-B/14 with registers that knows nothing, made once."""
    folder = Path(tempfile.gettempdir()) / "triptych-benchmark" / "vit-b"
    if not (folder / "model.safetensors").exists():
        torch.manual_seed(0)
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(patch_size=14, image_size=518)).save_pretrained(folder)
    return folder


def ccds(n: int) -> list[np.ndarray]:
    """(4094, 2046) float32 ADU: sky, noise and stars."""
    rng, found = np.random.default_rng(0), []
    for _ in range(n):
        image = rng.normal(3000, 12, (4094, 2046)).astype(np.float32)
        image[rng.integers(0, 4094, 2000), rng.integers(0, 2046, 2000)] += 20_000
        found.append(image)
    return found


def spread(ratios: np.ndarray) -> str:
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def synchronized(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def peak(device: str, precision: torch.dtype, clock: Callable, repeats: int = 7) -> float:
    """FLOP/s of the fastest of some square matrix products."""
    side = 8192 if device.startswith("cuda") else 2048
    one = torch.ones(side, side, device=device, dtype=precision)
    times = []
    for _ in range(repeats):
        synchronized(device)
        start = clock()
        one @ one
        synchronized(device)
        times.append(clock() - start)
    return 2 * side**3 / min(times)


class Plain:
    """The published way: attention written out, float32, one image at a time, on one device."""

    def __init__(self, folder: Path, device: str):
        self.device = device
        self.model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        self.model = self.model.eval().to(device)

    @torch.inference_mode()
    def __call__(self, images: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([self._one(image) for image in images])

    def _one(self, image: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(image)[None, None].repeat(1, 3, 1, 1).to(self.device)
        pixels = torch.nn.functional.interpolate(pixels, dinov2.SIZE, mode="bilinear", align_corners=False)
        return self.model(pixel_values=pixels).last_hidden_state[:, 0].cpu().numpy()


def ours(models: Models, batch: int) -> Callable:
    """All devices, batches of one size, the next ones prepared meanwhile."""

    def vectors(images: list[np.ndarray]) -> np.ndarray:
        cuts = range(0, len(images), batch)
        found = dict(parallel.in_threads(lambda i: models.of_full(images[i : i + batch]), cuts, models.threads()))
        return np.concatenate([found[i] for i in cuts])

    return vectors


def transformer(device: str, rounds: int, n: int, compiled: bool, clock: Callable) -> None:
    """Images per second of every way, the same images in every round."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder, images = random_model(), ccds(n)
    devices = dinov2.pick_devices(device)
    ways: dict[str, tuple[str, Callable, int]] = {"plain": ("float32", Plain(folder, devices[0]), 1)}
    for name in dinov2.PREPARATIONS:
        for compile_it in (False, True) if compiled else (False,):
            models = Models(f"{name}:{folder}", device, compile_it)
            title = name + (", compiled" if compile_it else "")
            ways[title] = (models.first.transformer.precision, ours(models, models.described()["batch"]), len(devices))
    work = flop(models.first.transformer.model.config, dinov2.SIZE)
    card = torch.cuda.get_device_name() if devices[0].startswith("cuda") else f"{torch.get_num_threads()} threads"
    print(
        f"{len(devices)} x {devices[0]} ({card}), {dinov2.SIZE[0]} x {dinov2.SIZE[1]}, {work / 1e9:.1f} GFLOP an image"
    )
    peaks = {kind: peak(devices[0], getattr(torch, kind), clock) for kind in {kind for kind, _, _ in ways.values()}}
    for kind, value in peaks.items():
        makers = [found[kind] for part, found in MAKERS_PEAK.items() if part in card]
        print(f"peak, {kind}: {value / 1e12:.3g} TFLOP/s" + "".join(f" (maker's: {m / 1e12:.3g})" for m in makers))
    times: dict[str, list[float]] = {title: [] for title in ways}
    made = {title: way(images) for title, (_, way, _) in ways.items()}  # also compiles, and fills caches
    for _ in range(rounds):
        for title, (_, way, _) in ways.items():
            start = clock()
            way(images)
            times[title].append(clock() - start)
    for title, (kind, _, count) in ways.items():
        speed = n / np.array(times[title])
        told(f"{title}, {kind}", list(speed), 1, "images/s")
        ratios = np.array(times["plain"]) / np.array(times[title])
        share = np.median(speed) * work / (peaks[kind] * count)
        print(f"  share of peak {share:.2f}, {spread(ratios)} times plain")
        if devices[0].startswith("cuda"):
            print(f"  {np.median(speed) / count * 3600:.0f} images an hour and GPU; published {PUBLISHED_AN_HOUR}")
    same = np.abs(made["dinov2-paper"] - made["plain"]).max() / np.abs(made["plain"]).max()
    print(f"dinov2-paper differs from plain by {same:.1e} of the largest value at most")


def simulated() -> Path:
    """A run of forty simulated exposures, made once."""
    folder = Path(tempfile.gettempdir()) / "triptych-benchmark" / "run40"
    if not (folder / "ccds.parquet").exists():
        print("simulating forty exposures ...", flush=True)
        simulate(folder.with_name("files40"), exposures=40, seed=3, binning=16)
        ingest(Catalog.create(folder), folder.with_name("files40"))
    return folder


def spent() -> float:
    """Processor seconds of this process and of those of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def own(run: Path, rounds: int) -> None:
    """Exposures per second of `triptych` on copies of a run, in one and two processes and on a cluster of two."""
    n = len(Catalog.open(run).exposures())
    ways = {"one process": {"workers": 1}, "two processes": {"workers": 2}}
    ways["--scheduler local, two workers"] = {"workers": 2, "scheduler": "local"}
    times: dict[str, list[float]] = {title: [] for title in ways}
    processor: dict[str, list[float]] = {title: [] for title in ways}
    digests = set()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("embedding", "map*", "model", "prediction"))
        for _ in range(rounds):
            for title, options in ways.items():
                shutil.rmtree(copy / "embedding", ignore_errors=True)
                start, before = time.perf_counter(), spent()
                digests.add(embed(Catalog.open(copy), **options).digest)
                times[title].append(time.perf_counter() - start)
                processor[title].append((spent() - before) / n)
    assert len(digests) == 1
    print(f"triptych, {n} exposures, start of processes included; vectors equal to the last bit in all {3 * rounds}")
    for title, taken in times.items():
        told(f"  {title}", list(n / np.array(taken)), 1, "exposures/s")
        ratios = np.array(times["one process"]) / np.array(taken)
        print(f"    {spread(ratios)} times one process")
        told("    processor, of all processes", processor[title], 1000, "ms an exposure")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="", help="height x width, as in 448x224; 2352x1176 on a GPU")
    parser.add_argument("--images", type=int, default=0, help="in every round; 4, or 64 for each GPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true", help="measure compiled models too")
    parser.add_argument("--busy", action="store_true", help="count processor seconds: other work holds the cores")
    parser.add_argument("--run", type=Path, help="run folder for triptych; 40 exposures are simulated without")
    parser.add_argument("--only", choices=("transformer", "triptych"))
    chosen = parser.parse_args()
    if chosen.only != "triptych":
        gpu = torch.cuda.is_available() and chosen.device != "cpu"
        dinov2.SIZE = tuple(int(side) for side in (chosen.size or ("2352x1176" if gpu else "448x224")).split("x"))
        clock = time.process_time if chosen.busy else time.perf_counter
        images = chosen.images or (64 * torch.cuda.device_count() if gpu else 4)
        transformer(chosen.device, chosen.rounds, images, chosen.compile, clock)
    if chosen.only != "transformer":
        own(chosen.run or simulated(), chosen.rounds)


if __name__ == "__main__":
    main()
