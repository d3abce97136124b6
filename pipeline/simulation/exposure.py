"""Draws one simulated exposure, CCD by CCD: sky, sources, defects, noise. Says which CCDs are really affected."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from triptych.pipeline.camera import Camera, Ccd
from triptych.pipeline.errors import choose
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.simulation import realistic_blurs, reflections, sources
from triptych.pipeline.simulation.conditions import (
    GAIN,
    READ_NOISE,
    REALISTIC,
    SATURATION,
    Grid,
    Observation,
    coarse_grid,
    pixel_grid,
    refine,
)
from triptych.pipeline.simulation.defect_effect import Effects
from triptych.pipeline.simulation.defects import DEFECTS, SUSPICIOUS


@dataclass(frozen=True)
class CcdFrame:
    """One finished CCD. pixels : (ny, nx) float32, ADU per detector pixel, NaN = not recorded. reasons : what really
    affects it, ('good',) = nothing."""

    ccd: Ccd
    pixels: np.ndarray
    reasons: tuple[str, ...]


class Exposure:
    """One observation ready to be drawn: what is wrong with it, its sources, and their stamps."""

    def __init__(self, observation: Observation, camera: Camera, binning: int):
        self.observation, self.camera, self.binning = observation, camera, binning
        known = DEFECTS | SUSPICIOUS
        names = (*observation.reasons, *filter(None, [observation.suspicious]))
        self.effects: dict[str, Effects] = {
            name: known[choose(name, known, "defect")](observation, camera, observation.generator(2, place))
            for place, name in enumerate(names)
        }
        rng = observation.generator(4)
        self.gradient = rng.normal(0, 0.0015, 2) / (camera.canvas[0] / 2)
        self.texture = reflections.waves(rng, scale=9000)

    def ccds(self) -> tuple[Ccd, ...]:
        """The CCDs that the camera recorded that night."""
        missing = self.camera.missing
        return tuple(c for c in self.camera.ccds if missing(c.name, self.observation.mjd) not in ("dead", "absent"))

    def reasons(self, ccd: Ccd) -> tuple[str, ...]:
        """What really affects a CCD; ('good',) if nothing does."""
        return self._reasons(self._extra_light(pixel_grid(self.camera, ccd, self.binning)))

    def frames(self) -> Iterator[CcdFrame]:
        """Draw the CCDs one by one, in order of their number."""
        for ccd in self.ccds():
            yield self.draw(ccd)

    def draw(self, ccd: Ccd) -> CcdFrame:
        """Draw one CCD. The result does not depend on which others were drawn."""
        observation, grid = self.observation, pixel_grid(self.camera, ccd, self.binning)
        rng = observation.generator(5, ccd.number)
        pixels = self._sky(grid, rng)
        extra = self._extra_light(grid)
        for light, where in extra.values():
            pixels += light if where is grid or light.size == 1 else refine(light, where, grid)
        self._add_sources(pixels, grid)
        np.minimum(pixels, SATURATION * (1 + 0.01 * rng.standard_normal()), out=pixels)
        noise = np.sqrt(np.maximum(pixels, 0) / GAIN + (READ_NOISE / GAIN) ** 2) / self.binning
        pixels += noise * rng.standard_normal(pixels.shape, np.float32)
        return CcdFrame(ccd, self._read_out(pixels, float(noise.mean()), grid, rng), self._reasons(extra))

    def _sky(self, grid: Grid, rng) -> np.ndarray:
        """The smooth sky: (ny, nx) float32, ADU."""
        level = self.observation.sky * self.exposed
        coarse = coarse_grid(grid, 128)
        shape = 1 + self.gradient[0] * coarse.u + self.gradient[1] * coarse.v
        shape = shape + 0.0008 * self.texture(coarse.u, coarse.v) + rng.normal(0, 0.001)
        return refine((level * shape).astype(np.float32), coarse, grid)

    def _extra_light(self, grid: Grid) -> dict[str, tuple[np.ndarray, Grid]]:
        """The light, in ADU, that each defect adds to a CCD, and the grid on which it was computed."""
        found = {}
        for name, effects in self.effects.items():
            where = coarse_grid(grid, effects.step) if effects.step > self.binning else grid
            light = effects.light(where) if effects.light else np.zeros((1, 1), np.float32)
            found[name] = (light, where)
        return found

    def _reasons(self, extra: dict[str, tuple[np.ndarray, Grid]]) -> tuple[str, ...]:
        """What affects the CCD that `extra` belongs to."""
        effects = self.effects
        wanted = [name for name in self.observation.reasons if _is_affected(effects[name], *extra[name])]
        return tuple(wanted) or (GOOD,)

    def _add_sources(self, pixels: np.ndarray, grid: Grid) -> None:
        """Add stars and galaxies, blurred according to their place, and the bleed trails of saturated stars."""
        stars, observation = self.stars, self.observation
        y, x = grid.place(stars.u, stars.v)
        margin = max(stamp.shape[-1] for stamps in stars.stamps for stamp in stamps) // 2 + 1
        ny, nx = grid.shape
        near = np.flatnonzero((y > -margin) & (y < ny + margin) & (x > -margin) & (x < nx + margin))
        y, x, light, kind, zone = y[near], x[near], stars.light[near], stars.kind[near], stars.zone[near]
        for index, stamps in enumerate(stars.stamps):
            mine = zone == index
            if mine.any():
                sources.add_sources(pixels, y[mine], x[mine], light[mine] / self.binning**2, kind[mine], stamps)
        if not stars.blurred:
            sources.add_bleeds(pixels, y, x, light, observation, self.binning)

    def _read_out(self, pixels: np.ndarray, noise: float, grid: Grid, rng) -> np.ndarray:
        """Add the small step between the amplifiers and the defects of the electronics. Blank the lost half of S7."""
        middle = pixels.shape[1] // 2
        pixels[:, middle:] += np.float32(rng.normal(0, 0.015) * noise * self.binning)
        for effects in self.effects.values():
            if effects.detector:
                pixels = effects.detector(pixels, grid, rng)
        if self.camera.missing(grid.ccd.name, self.observation.mjd) == "half":
            pixels[:, middle:] = np.nan
        return pixels.astype(np.float32, copy=False)

    @property
    def exposed(self) -> float:
        """Share of EXPTIME for which light fell on the detector."""
        return float(np.prod([effects.exposed for effects in self.effects.values()]))

    @cached_property
    def stars(self) -> "Stars":
        """The sources as they appear in this exposure."""
        observation, effects = self.observation, self.effects.values()
        found = sources.catalogue(observation.field, self.camera.canvas)
        share = np.prod([effect.sources for effect in effects])
        if share < 1:
            found = found.select(observation.generator(3).random(len(found.r)) < share)
        u, v = found.u + observation.du, found.v + observation.dv
        light = sources.counts(observation, found) * self.exposed
        for effect in effects:
            if effect.dimming:
                light = light * effect.dimming(u, v)
        blurring = next((effect for effect in effects if effect.blur), None)
        blurs = blurring.blur if blurring else (None,)
        zone = blurring.zone(u, v) if blurring and blurring.zone else np.zeros(len(u), int)
        if blurring is None and observation.strengths == REALISTIC:
            blurs, usual = realistic_blurs.usual_optics(observation, self.camera, observation.generator(6))
            zone = usual(u, v)
        others = None
        if observation.strengths == REALISTIC and len(blurs) == realistic_blurs.SIDE**2:  # they differ little
            others = sources.draw_stamps(observation, self.binning, blurs[len(blurs) // 2] if blurring else None)
        stamps = [sources.draw_stamps(observation, self.binning, blur, others=others) for blur in blurs]
        return Stars(u, v, light, found.kind, zone, stamps, blurring is not None)


@dataclass(frozen=True)
class Stars:
    """Sources of one exposure. u, v : focal-plane positions. light : ADU summed over detector pixels. kind : index of
    the stamp. zone : index into stamps, if the image quality varies over the field. stamps : per zone, per kind."""

    u: np.ndarray
    v: np.ndarray
    light: np.ndarray
    kind: np.ndarray
    zone: np.ndarray
    stamps: list[list[np.ndarray]]
    blurred: bool


def _is_affected(effects: Effects, light: np.ndarray, grid: Grid) -> bool:
    if effects.affected is None:
        return True
    return effects.affected(grid, light) if callable(effects.affected) else grid.ccd.name in effects.affected
