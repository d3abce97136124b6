"""A candidate for the own backbone: a small convolutional network that sees all CCDs of an exposure at once.

    python -m benchmarks.accuracy.focal_network --out network.npz

It learns on drawn sketches of focal planes (`benchmarks/accuracy/sketches.py`) to say where ghosts, rays, trails and
stars are; nothing real goes in. `python -m benchmarks.accuracy.backbones --network network.npz` compares it.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.accuracy import sketches
from triptych.pipeline import camera, focal_plane

CHANNELS = (16, 32, 48, 64, 96)
CODE = 48
INPUTS = 5


def _block(n_in: int, n_out: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 4 if stride == 2 else 3, stride, 1, bias=False),
        nn.GroupNorm(4, n_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
        nn.GroupNorm(4, n_out),
        nn.ReLU(inplace=True),
    )


class FocalNet(nn.Module):
    """Whole focal plane -> one code per CCD: what is on it, what crosses it, what exposure it is in."""

    def __init__(self, channels=CHANNELS, code: int = CODE):
        super().__init__()
        a, b, c, d, e = channels
        stem = nn.Sequential(nn.Conv2d(INPUTS, a, 4, 2, 1), nn.ReLU(inplace=True))
        self.down = nn.ModuleList([stem, _block(a, b), _block(b, c), _block(c, d), _block(d, e)])
        self.wide = nn.Linear(2 * e, e)
        self.up4 = nn.Conv2d(e + d, d, 3, 1, 1)
        self.up3 = nn.Conv2d(d + c, c, 3, 1, 1)
        self.pixel = nn.Conv2d(c, len(sketches.MARKS), 1)
        self.code = nn.Sequential(nn.Linear(2 * c + e, 96), nn.ReLU(inplace=True), nn.Linear(96, code), nn.Sigmoid())
        self.head = nn.Linear(code, len(sketches.MARKS))

    def see(self, picture: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of each CCD (n, n_ccd, features), and the map (n, channels, HEIGHT/8, WIDTH/8) they were taken from.

        picture : (n, INPUTS, HEIGHT, WIDTH). places : (n_ccd, 4, 8, 2) sampling points in -1..1.
        """
        levels = []
        x = picture
        for block in self.down:
            x = block(x)
            levels.append(x)
        whole = functional.relu(self.wide(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)))
        x = x + whole[:, :, None, None]
        x = functional.interpolate(x, levels[3].shape[2:], mode="bilinear")
        x = functional.relu(self.up4(torch.cat([x, levels[3]], 1)))
        x = functional.interpolate(x, levels[2].shape[2:], mode="bilinear")
        x = functional.relu(self.up3(torch.cat([x, levels[2]], 1)))
        n, n_ccd = len(x), len(places)
        grid = places.reshape(1, n_ccd * 4, 8, 2).expand(n, -1, -1, -1)
        seen = functional.grid_sample(x, grid.to(x.dtype), align_corners=False).reshape(n, -1, n_ccd, 32)
        seen = torch.cat([seen.mean(3), seen.amax(3)], 1).transpose(1, 2)
        return torch.cat([seen, whole[:, None].expand(-1, n_ccd, -1)], 2), x

    def forward(self, picture: torch.Tensor, places: torch.Tensor):
        """Codes (n, n_ccd, CODE), CCD logits (n, n_ccd, marks), pixel logits (n, marks, HEIGHT/8, WIDTH/8)."""
        seen, x = self.see(picture, places)
        code = self.code(seen)
        return code, self.head(code), self.pixel(x)


def sampling_points(corners: np.ndarray) -> torch.Tensor:
    """(n_ccd, 4, 8, 2) points spread evenly over each CCD, in the -1..1 coordinates of grid_sample."""
    corners = torch.as_tensor(np.asarray(corners), dtype=torch.float32)
    x = corners[:, 0:1] + (corners[:, 2:3] - corners[:, 0:1]) * (torch.arange(8) + 0.5) / 8
    y = corners[:, 1:2] + (corners[:, 3:4] - corners[:, 1:2]) * (torch.arange(4) + 0.5) / 4
    x, y = x / focal_plane.WIDTH * 2 - 1, y / focal_plane.HEIGHT * 2 - 1
    return torch.stack([x[:, None].expand(-1, 4, -1), y[:, :, None].expand(-1, -1, 8)], 3)


def _draw(job: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    slots = focal_plane.slots(camera.DECAM)
    drawn = sketches.sketch(np.random.default_rng(job), slots)
    detail, smooth = focal_plane.normalise(drawn.pixels)
    return detail.astype(np.float16), smooth.astype(np.float16), drawn.marks.astype(np.float16)


def network_input(detail: np.ndarray, smooth: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Lay normalised tiles onto the picture: (INPUTS, HEIGHT, WIDTH) float32."""
    height, width = focal_plane.HEIGHT, focal_plane.WIDTH
    picture = np.zeros((INPUTS, height, width), np.float32)
    for (x0, y0, x1, y1), tile, own in zip(corners, detail, smooth, strict=True):
        seen = np.isfinite(tile)
        seen[[0, -1]] = seen[:, [0, -1]] = False  # as in focal_plane.picture_tiles
        picture[0, y0:y1, x0:x1] = np.where(seen, np.arcsinh(tile), 0)
        picture[1, y0:y1, x0:x1] = seen
        picture[2, y0:y1, x0:x1] = np.where(seen, np.arcsinh(own), 0)
    picture[3] = np.linspace(-1, 1, width)[None]
    picture[4] = np.linspace(-1, 1, height)[:, None]
    return picture


def _ccd_targets(marks: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """(n, n_ccd, marks): 1, 0, or -1 where it is too faint to say."""
    n, n_ccd = len(marks), len(places)
    grid = places.reshape(1, n_ccd * 4, 8, 2).expand(n, -1, -1, -1)
    sampled = functional.grid_sample(marks, grid, mode="nearest", align_corners=False).reshape(n, -1, n_ccd, 32)
    positive = (sampled.clamp(min=0).mean(3) > 0.03).float()
    doubtful = (sampled < 0).float().mean(3) > 0.03
    return torch.where((positive == 0) & doubtful, -1.0, positive).transpose(1, 2)


def _loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    loss = functional.binary_cross_entropy_with_logits(logits, target.clamp(0, 1), reduction="none")
    known = (target >= 0).float()
    return (loss * known).sum() / known.sum()


def draw_sketches(n: int, seed: int, processes: int = 2) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """n sketches, ready to learn from: detail, smooth background and marks of each."""
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(_draw, [(seed, i) for i in range(n)], chunksize=10))


def train_on_sketches(drawn, *, epochs: int = 10, seed: int = 0, batch: int = 8, report=print, check=None) -> FocalNet:
    """Learn to say what is drawn where. check(net) is called after each epoch."""
    torch.manual_seed(seed)
    corners = focal_plane.slots(camera.DECAM).corners
    places = sampling_points(corners)
    net = FocalNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    steps = epochs * (len(drawn) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.15)
    averaged = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    rng = np.random.default_rng(seed)
    started = time.monotonic()
    for epoch in range(epochs):
        order, total = rng.permutation(len(drawn)), 0.0
        for first in range(0, len(drawn) - batch + 1, batch):
            chosen = [drawn[i] for i in order[first : first + batch]]
            inputs = [network_input(detail, smooth, corners) for detail, smooth, _ in chosen]
            picture = torch.from_numpy(np.stack(inputs))
            marks = torch.from_numpy(np.stack([marks for _, _, marks in chosen]).astype(np.float32))
            picture[:, 2] *= torch.from_numpy(rng.random((len(picture), 1, 1)) < 0.4).float()  # often flattened away
            for dim in np.flatnonzero(rng.random(2) < 0.5) + 2:  # the focal plane is symmetric
                picture[:, :3], marks = picture[:, :3].flip(int(dim)), marks.flip(int(dim))
            with torch.autocast("cpu", torch.bfloat16):
                _, ccd, pixel = net(picture.to(memory_format=torch.channels_last), places)
            loss = _loss(pixel.float(), marks) + _loss(ccd.float(), _ccd_targets(marks, places))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            averaged.update_parameters(net)
            total += float(loss.detach())
        report(f"epoch {epoch + 1}: loss {total / (len(drawn) // batch):.4f}, {time.monotonic() - started:.0f} s")
        if check:
            check(averaged.module)
    return averaged.module


def vectors_of(net: FocalNet, camera_: camera.Camera):
    """function(ccdnums, pixels) -> codes (n_ccd, CODE) float32 of one exposure."""

    def vectors(ccdnums: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        corners = focal_plane.corners_of(camera_, ccdnums)
        detail, smooth = focal_plane.normalise(focal_plane.picture_tiles(pixels, camera_, corners))
        picture = torch.from_numpy(network_input(detail, smooth, corners))[None]
        with torch.inference_mode():
            return net.eval()(picture, sampling_points(corners))[0][0].numpy()

    return vectors


def save(path: Path, net: FocalNet) -> None:
    """Write the weights as float16 arrays."""
    with open(path, "wb") as handle:
        np.savez_compressed(handle, **{name: v.numpy().astype(np.float16) for name, v in net.state_dict().items()})


def load(path: Path | None) -> FocalNet:
    """Read what `save` has written; without a path, the network as it is initialised."""
    torch.manual_seed(0)
    net = FocalNet()
    if path:
        with np.load(path, allow_pickle=False) as stored:
            net.load_state_dict({name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files})
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sketches", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    drawn = draw_sketches(options.sketches, options.seed, options.processes)
    save(options.out, train_on_sketches(drawn, epochs=options.epochs, seed=options.seed))


if __name__ == "__main__":
    main()
