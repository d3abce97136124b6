"""The defects that can be planted in a simulated exposure, by the reason that an inspector would give.

Each is a function `(observation, camera, rng) -> Effects`. It decides once, for the whole focal plane, what is wrong,
and returns the effects on the light and on the detector. To add one: a function, and a line in DEFECTS. SUSPICIOUS has
what an inspector should look at twice and then call good.

Trails are Streak if they are wide and bright (aircraft, meteors) or if there are many (a train of satellites). A single
trail as thin as the stars is masked by every pipeline and costs a CCD a few hundred pixels. Such an exposure is good,
and suspicious.
"""

from collections.abc import Callable

from triptych.pipeline.simulation.defect_effect import Effects
from triptych.pipeline.simulation.detector_defects import bad_ccd, noise, wonky
from triptych.pipeline.simulation.image_defects import (
    crowded_field,
    n_objects,
    nonoptimal_exposure,
    out_of_focus,
    psf,
    telescope_moving,
)
from triptych.pipeline.simulation.light_defects import (
    bright_star,
    clouds,
    fringing,
    ghost_scatter,
    satellite_trail,
    saturated,
    streak,
    thin_cirrus,
)

Defect = Callable[..., Effects]

DEFECTS: dict[str, Defect] = {
    "Saturated": saturated,
    "Clouds_transparency": clouds,
    "PSF": psf,
    "Nonoptimal_exp": nonoptimal_exposure,
    "Ghost_Scatter": ghost_scatter,
    "NObjects": n_objects,
    "Bad_CCD": bad_ccd,
    "Noise": noise,
    "Wonky": wonky,
    "Telescope_Moving": telescope_moving,
    "Out_of_focus": out_of_focus,
    "Fringing": fringing,
    "Streak": streak,
}

SUSPICIOUS: dict[str, Defect] = {
    "satellite_trail": satellite_trail,
    "bright_star": bright_star,
    "crowded_field": crowded_field,
    "thin_cirrus": thin_cirrus,
}
