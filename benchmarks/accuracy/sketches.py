"""Sketches of focal planes with ghosts and scattered light, drawn in milliseconds, to train a network on.

A sketch is not a simulated exposure (`pipeline/simulation/simulate.py` makes those): it is the whole focal plane at
1/70 of its resolution, in units of the sky noise, with just enough of nature in it to learn what crosses CCDs.
Everything random comes from one generator, so a seed gives the same sketches on any machine.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from triptych.pipeline.focal_plane import HEIGHT, TILE, WIDTH, Slots

MARKS = ("disc", "rays", "streak", "star")
GHOST_MARKS = (0, 1)
SEEN, UNSEEN = 11.0, 5.0  # signal to noise over the whole mark from which a person sees it, and below which nobody does


@dataclass(frozen=True)
class Sketch:
    """pixels : (n_ccd, TILE y, TILE x) float32, sky noise = 1, sky orientation, NaN = blank. marks : (4, HEIGHT/8,
    WIDTH/8) float32 cover of each of MARKS, -1 where it is too faint to say."""

    pixels: np.ndarray
    marks: np.ndarray


def _grid() -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))


def _pupil(grid, x, y, radius, rng) -> np.ndarray:
    """Defocused image of the telescope's pupil: a disc with a hole and four vanes, brighter towards its edges."""
    dx, dy = grid[0] - x, grid[1] - y
    squeeze = rng.uniform(0.75, 1.0)
    angle = rng.uniform(0, np.pi)
    u, v = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    r = np.hypot(u, v / squeeze)
    hole = radius * rng.uniform(0.25, 0.5)
    soft = rng.uniform(0.4, 1.5)
    outer = 1 / (1 + np.exp(np.clip((r - radius) / soft, -30, 30)))
    shift = rng.normal(0, 0.08 * radius, 2)
    inner = 1 / (1 + np.exp(np.clip((np.hypot(dx - shift[0], dy - shift[1]) - hole) / soft, -30, 30)))
    image = outer * (1 - inner * rng.uniform(0.5, 1.0)) * (1 + rng.uniform(0, 1.0) * (r / radius) ** 4)
    width = max(0.7, radius * rng.uniform(0.015, 0.05))
    for vane in range(4):
        a = np.pi / 4 + vane * np.pi / 2 + rng.normal(0, 0.08)
        along, across = dx * np.cos(a) + dy * np.sin(a), -dx * np.sin(a) + dy * np.cos(a)
        start = rng.choice([0.0, hole, hole + rng.uniform(0, 0.5) * (radius - hole)])
        image *= 1 - rng.uniform(0.3, 1.0) * (along > start) * np.exp(-0.5 * (across / width) ** 2)
    for _ in range(rng.integers(0, 4)):  # thin arcs, often only part of a ring
        arc = np.exp(-0.5 * ((r - radius * rng.uniform(0.3, 1)) / rng.uniform(0.6, 1.5)) ** 2)
        if rng.random() < 0.7:
            arc *= np.cos(np.arctan2(dy, dx) - rng.uniform(0, 2 * np.pi)) > rng.uniform(-0.8, 0.9)
        image += outer * rng.uniform(0.1, 0.8) * arc
    return image.astype(np.float32)


def _rays(grid, rng) -> tuple[np.ndarray, np.ndarray]:
    """A fan of light from a point near the rim: (brightness, cover)."""
    around = rng.uniform(0, 2 * np.pi)
    rim = np.array([WIDTH / 2 + np.cos(around) * 190, HEIGHT / 2 + np.sin(around) * 180])
    source = rim + rng.normal(0, 12, 2)
    inward = np.arctan2(HEIGHT / 2 - source[1], WIDTH / 2 - source[0]) + rng.normal(0, 0.5)
    dx, dy = grid[0] - source[0], grid[1] - source[1]
    distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx) - inward
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    length, spread = np.exp(rng.uniform(np.log(12), np.log(160))), rng.uniform(0.08, 0.5)
    texture = np.zeros_like(distance)
    for _ in range(rng.integers(2, 24)):
        centre, width = rng.uniform(-spread, spread), np.exp(rng.uniform(np.log(0.006), np.log(0.08)))
        reach = length * rng.uniform(0.4, 1.0)
        beam = np.exp(-0.5 * ((angle - centre) / width) ** 2) * np.exp(-((distance / reach) ** 2))
        texture += rng.uniform(0.3, 1) * beam
    if rng.random() < 0.6:  # arcs across the fan near its foot
        period = rng.uniform(3, 9)
        texture *= 1 + 0.8 * np.sin(2 * np.pi * distance / period) * np.exp(-distance / (0.6 * length))
    cover = (np.abs(angle) < spread * 1.1) & (distance < length * 1.1)
    return texture.astype(np.float32), cover.astype(np.float32)


def _streak(grid, rng) -> tuple[np.ndarray, np.ndarray]:
    """A satellite's or aircraft's trail, or two side by side."""
    x, y, a = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(0, np.pi)
    across = -(grid[0] - x) * np.sin(a) + (grid[1] - y) * np.cos(a)
    image = np.exp(-0.5 * (across / rng.uniform(0.35, 0.8)) ** 2)
    if rng.random() < 0.25:
        image += rng.uniform(0.5, 1) * np.exp(-0.5 * ((across - rng.uniform(3, 30)) / 0.5) ** 2)
    if rng.random() < 0.5:
        along = (grid[0] - x) * np.cos(a) + (grid[1] - y) * np.sin(a)
        image *= np.abs(along) < np.exp(rng.uniform(np.log(10), np.log(200)))
    return image.astype(np.float32), (image > 0.2).astype(np.float32)


def _star(grid, x, y, brightness, rng) -> np.ndarray:
    """A bright star: halo, diffraction spikes, and a bleed trail along the rows."""
    dx, dy = grid[0] - x, grid[1] - y
    r = np.hypot(dx, dy) + 0.5
    image = brightness * r ** -rng.uniform(1.8, 2.8)
    for vane in range(rng.integers(0, 2) * 8):
        a = vane * np.pi / 4 + 0.3
        image += 0.3 * brightness / r**1.6 * np.exp(-0.5 * ((-dx * np.sin(a) + dy * np.cos(a)) / 0.6) ** 2)
    if rng.random() < 0.6:
        image += brightness * np.exp(-np.abs(dx) / rng.uniform(2, 14)) * (np.abs(dy) < 0.8)
    return image.astype(np.float32)


def _field(rng) -> np.ndarray:
    """Stars and galaxies of the field: (HEIGHT, WIDTH), noise = 1."""
    image = np.zeros((HEIGHT, WIDTH), np.float32)
    n = int(np.exp(rng.uniform(np.log(300), np.log(9000))))
    flux = np.minimum(3 * rng.pareto(rng.uniform(0.7, 1.3), n) + 1, 3000)
    x, y = rng.integers(0, WIDTH, n), rng.integers(0, HEIGHT, n)
    np.add.at(image, (y, x), flux)
    return ndimage.gaussian_filter(image, rng.uniform(0.35, 0.8), mode="constant") * 1.5


def _flatten(tiles: np.ndarray, rng) -> tuple[float, float]:
    """Strength and scale in pixels of the background subtraction of one exposure; 0 = none was made."""
    if rng.random() < 0.2:
        return 0.0, 0.0
    return float(rng.uniform(0.8, 1.0)), float(np.exp(rng.uniform(np.log(1.5), np.log(8))))


def _subtract(tiles: np.ndarray, strength: float, scale: float) -> np.ndarray:
    """Subtract each CCD's own smooth background; tiles : (n_ccd, y, x)."""
    if not strength:
        return tiles
    smooth = ndimage.gaussian_filter(np.clip(tiles, -20, 60), (0, scale, scale), mode="nearest")
    return tiles - strength * smooth


def _small(mask: np.ndarray) -> np.ndarray:
    return mask.reshape(HEIGHT // 8, 8, WIDTH // 8, 8).mean((1, 3))


def _ghosts(grid, rng, kind: str) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Marks of one exposure: (index into MARKS, brightness, cover) each."""
    found = []
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    if kind in ("ghost", "both"):
        around, away = rng.uniform(0, 2 * np.pi), rng.uniform(40, 200)
        star = middle + away * np.array([np.cos(around), np.sin(around)])
        amplitude = np.exp(rng.uniform(np.log(0.4), np.log(10)))
        if rng.random() < 0.75:
            found.append((3, _star(grid, *star, np.exp(rng.uniform(np.log(60), np.log(6000))), rng), None))
        if rng.random() < 0.85:  # the large faint discs
            for _ in range(rng.integers(1, 4)):
                centre = middle + (star - middle) * rng.normal(0.1, 0.3) + rng.normal(0, 12, 2)
                radius = rng.uniform(70, 165)
                found.append((0, amplitude * _pupil(grid, *centre, radius, rng), ("disc", *centre, radius)))
                amplitude *= rng.uniform(0.4, 1.0)
        for _ in range(rng.integers(0, 4)):  # small ones, near the star or opposite to it
            where = rng.choice([1.0, 0.9, -0.5, -0.8, 0.4]) + rng.normal(0, 0.15)
            centre = middle + (star - middle) * where + rng.normal(0, 5, 2)
            radius = np.exp(rng.uniform(np.log(6), np.log(50)))
            bright = amplitude * np.exp(rng.uniform(0, 2.5)) * min(3.0, 40 / radius)
            found.append((0, bright * _pupil(grid, *centre, radius, rng), ("disc", *centre, radius)))
    if kind in ("rays", "both"):
        for _ in range(1 + (rng.random() < 0.3)):
            brightness, cover = _rays(grid, rng)
            found.append((1, brightness * np.exp(rng.uniform(np.log(1), np.log(40))), cover))
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        brightness, cover = _streak(grid, rng)
        found.append((2, brightness * np.exp(rng.uniform(np.log(1.5), np.log(30))), cover))
    for _ in range(rng.choice([0, 1, 2, 4])):
        star = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        found.append((3, _star(grid, *star, np.exp(rng.uniform(np.log(15), np.log(600))), rng), None))
    return found


def sketch(rng: np.random.Generator, slots: Slots) -> Sketch:
    """Draw one focal plane. `slots` says where the CCDs lie."""
    grid = _grid()
    kind = rng.choice(["ghost", "rays", "both", "none"], p=[0.42, 0.22, 0.05, 0.31])
    tiles = slots.cut(_field(rng))
    strength, scale = _flatten(tiles, rng)
    marks = np.zeros((len(MARKS), HEIGHT // 8, WIDTH // 8), np.float32)
    light = np.zeros((HEIGHT, WIDTH), np.float32)
    for index, brightness, cover in _ghosts(grid, rng, kind):
        light += brightness
        if cover is None:
            cover = brightness > 2
        elif isinstance(cover, tuple):
            cover = np.hypot(grid[0] - cover[1], grid[1] - cover[2]) < cover[3]
        visible = _subtract(slots.cut(brightness), strength, scale)
        seen = float(np.sqrt((np.clip(visible, -10, 10) ** 2).sum()))
        if index in GHOST_MARKS and seen < UNSEEN:
            continue
        small = _small(cover.astype(np.float32))
        if index in GHOST_MARKS and seen < SEEN:
            marks[index] = np.where((small > 0.1) & (marks[index] <= 0), -1, marks[index])
        else:
            marks[index] = np.maximum(marks[index], small)
    tiles = tiles + slots.cut(light)
    tiles += rng.normal(0, rng.choice([0, 0.1, 0.5]), (len(tiles), 1, 1))
    sky_x, sky_y = rng.normal(0, rng.choice([0, 0.3, 1.5]), 2)
    tiles += slots.cut((sky_x * (grid[0] / WIDTH - 0.5) + sky_y * (grid[1] / HEIGHT - 0.5)).astype(np.float32))
    tiles = _subtract(tiles, strength, scale)
    if rng.random() < 0.25:  # uneven sky
        blotches = ndimage.gaussian_filter(rng.normal(0, 1, tiles.shape), (0, *[rng.uniform(1.5, 6)] * 2))
        tiles += rng.uniform(0.1, 0.5) * blotches / blotches.std()
    noise = rng.normal(0, 1, tiles.shape).astype(np.float32)
    grain = rng.uniform(0, 0.45)
    noise = ndimage.gaussian_filter(noise, (0, grain, grain))
    noise *= np.exp(rng.normal(0, 0.05, (len(tiles), 1, 1))) / noise.std()
    tiles = (tiles + noise).astype(np.float32)
    if rng.random() < 0.6:
        tiles = _as_picture(tiles, slots, rng)
    return Sketch(_blank(tiles, slots, rng), marks)


def _as_picture(tiles: np.ndarray, slots: Slots, rng) -> np.ndarray:
    """Write the focal plane as a JPEG with 8 bits of grey and read it back."""
    black, gain = rng.uniform(45, 66), rng.uniform(10, 15)
    grey = np.clip(black + gain * slots.lay(tiles, background=-2.5), 0, 255).astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(grey).save(packed, "JPEG", quality=int(rng.integers(65, 92)))
    read = np.asarray(Image.open(packed), np.float32)
    return slots.cut((read - black) / gain)


def _blank(tiles: np.ndarray, slots: Slots, rng) -> np.ndarray:
    """Take away what is missing in nature: half of S7, S30 at times, now and then another CCD or a block of rows."""
    tiles[slots.index("N30")] = np.nan
    if rng.random() < 0.8:
        tiles[slots.index("S7"), TILE[0] // 2 :] = np.nan
    if rng.random() < 0.3:
        tiles[slots.index("S30")] = np.nan
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        rows = slice(rng.integers(0, TILE[0] // 2), None) if rng.random() < 0.7 else slice(None)
        tiles[rng.integers(len(tiles)), rows] = np.nan
    if rng.random() < 0.3:  # pictures whose sides are cut
        tiles[[slots.index("S7"), slots.index("N7")], :, :10] = np.nan
        tiles[[slots.index("S1"), slots.index("N1")], :, -10:] = np.nan
    return tiles
