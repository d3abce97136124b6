"""Draw one simulated exposure, CCD by CCD: sky, sources, defects, noise; and say which CCDs are really affected."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline import reflections, starfield
from pipeline.camera import Camera, Ccd
from pipeline.conditions import GAIN, READ_NOISE, SATURATION, Grid, Observation, coarse_grid, pixel_grid, refine
from pipeline.defects import DEFECTS, SUSPICIOUS
from pipeline.effects import Effects
from pipeline.errors import choose
from pipeline.reasons import GOOD


@dataclass(frozen=True)
class CcdFrame:
    """One finished CCD. pixels : (ny, nx) float32, ADU per detector pixel, NaN = not recorded. reasons : what really
    affects it, ('good',) if nothing does. sky, noise : of one binned pixel, ADU."""

    ccd: Ccd
    pixels: np.ndarray
    reasons: tuple[str, ...]
    sky: float
    noise: float


class Exposure:
    """One observation ready to be drawn: its sources, the stamps for its image quality, and its defects."""

    def __init__(self, observation: Observation, camera: Camera, binning: int):
        self.observation, self.camera, self.binning = observation, camera, binning
        self.effects: dict[str, Effects] = {}
        for place, reason in enumerate((*observation.reasons, *filter(None, [observation.suspicious]))):
            known = DEFECTS | SUSPICIOUS
            make = known[choose(reason, known, "defect")]
            self.effects[reason] = make(observation, camera, observation.generator(2, place))
        found = starfield.catalogue(observation.field, camera.canvas)
        share = np.prod([effects.sources for effects in self.effects.values()])
        self.sources = found.select(observation.generator(3).random(len(found.r)) < share)
        self.light = starfield.counts(observation, self.sources) * self._dimming() * self._exposed()
        self.zone, self.stamps = self._stamps()
        rng = observation.generator(4)
        self.gradient = rng.normal(0, 0.0025, 2) / (camera.canvas[0] / 2)
        self.texture = reflections.waves(rng, scale=9000)

    def ccds(self) -> tuple[Ccd, ...]:
        """The CCDs that the camera wrote that night."""
        missing = self.camera.missing
        return tuple(c for c in self.camera.ccds if missing(c.name, self.observation.mjd) not in ("dead", "absent"))

    def frames(self) -> Iterator[CcdFrame]:
        """Draw the CCDs one after the other, in order of their number."""
        for ccd in self.ccds():
            yield self.draw(ccd)

    def draw(self, ccd: Ccd) -> CcdFrame:
        """Draw one CCD; the result does not depend on which others were drawn."""
        observation, grid = self.observation, pixel_grid(self.camera, ccd, self.binning)
        rng = observation.generator(5, ccd.number)
        level = observation.sky * self._exposed() * np.prod([effects.sky for effects in self.effects.values()])
        coarse = coarse_grid(grid, 128)
        shape = 1 + self.gradient[0] * coarse.u + self.gradient[1] * coarse.v
        shape = shape + 0.0012 * self.texture(coarse.u, coarse.v) + rng.normal(0, 0.001)
        pixels = refine((level * shape).astype(np.float32), coarse, grid)
        reasons = []
        for reason, effects in self.effects.items():
            light = None
            if effects.light:
                where = coarse_grid(grid, effects.step) if effects.step > self.binning else grid
                light = effects.light(where)
                pixels += refine(light, where, grid) if where is not grid else light
            if reason in observation.reasons and _is_affected(effects, grid, light):
                reasons.append(reason)
        self._add_sources(pixels, grid)
        np.minimum(pixels, SATURATION * (1 + 0.01 * rng.standard_normal()), out=pixels)
        noise = np.sqrt(np.maximum(pixels, 0) / GAIN + (READ_NOISE / GAIN) ** 2) / self.binning
        pixels += noise * rng.standard_normal(pixels.shape, np.float32)
        pixels = self._detector(pixels, grid, rng)
        return CcdFrame(ccd, pixels, tuple(reasons) or (GOOD,), float(level), observation.noise / self.binning)

    def _detector(self, pixels: np.ndarray, grid: Grid, rng) -> np.ndarray:
        """The two amplifiers' small step, the defects of the electronics, and the half of S7 that is not recorded."""
        middle = pixels.shape[1] // 2
        pixels[:, middle:] += np.float32(rng.normal(0, 0.025) * self.observation.noise)
        for effects in self.effects.values():
            if effects.detector:
                pixels = effects.detector(pixels, grid, rng)
        if self.camera.missing(grid.ccd.name, self.observation.mjd) == "half":
            pixels[:, middle:] = np.nan
        return pixels.astype(np.float32, copy=False)

    def _add_sources(self, pixels: np.ndarray, grid: Grid) -> None:
        found, observation = self.sources, self.observation
        y, x = grid.place(found.u + observation.du, found.v + observation.dv)
        margin = max(stamp.shape[-1] for stamps in self.stamps for stamp in stamps) // 2 + 1
        ny, nx = grid.shape
        near = np.flatnonzero((y > -margin) & (y < ny + margin) & (x > -margin) & (x < nx + margin))
        y, x, light, kind, zone = y[near], x[near], self.light[near], found.kind[near], self.zone[near]
        for index, stamps in enumerate(self.stamps):
            mine = zone == index
            if mine.any():
                starfield.add_sources(pixels, y[mine], x[mine], light[mine] / self.binning**2, kind[mine], stamps)
        if len(self.stamps) == 1 and not any(effects.blur for effects in self.effects.values()):
            starfield.add_bleeds(pixels, y, x, light, observation, self.binning)

    def _stamps(self) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        """The image-quality zone of every source, and the stamps of each zone."""
        for effects in self.effects.values():
            if effects.blur:
                zone = np.zeros(len(self.light), int)
                if effects.zone:
                    zone = effects.zone(self.sources.u + self.observation.du, self.sources.v + self.observation.dv)
                return zone, [starfield.draw_stamps(self.observation, self.binning, blur) for blur in effects.blur]
        return np.zeros(len(self.light), int), [starfield.draw_stamps(self.observation, self.binning)]

    def _dimming(self) -> np.ndarray:
        factor = np.ones(len(self.sources.r))
        for effects in self.effects.values():
            if effects.dimming:
                factor *= effects.dimming(self.sources.u + self.observation.du, self.sources.v + self.observation.dv)
        return factor

    def _exposed(self) -> float:
        return float(np.prod([effects.exposed for effects in self.effects.values()]))


def _is_affected(effects: Effects, grid: Grid, light: np.ndarray | None) -> bool:
    if effects.affected is None:
        return True
    if callable(effects.affected):
        return effects.affected(grid, light)
    return grid.ccd.name in effects.affected
