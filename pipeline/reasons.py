"""The closed, extendable vocabulary of what can be wrong with an exposure, and every spelling met for it.

The first eleven reasons are the published ones, in the published order; the others were needed by inspectors and had
no class. To add a reason: one line in REASONS and its spellings in ALIASES.
"""

import re
from dataclasses import dataclass

GOOD = "good"


@dataclass(frozen=True)
class Reason:
    """One reason: its canonical name, the key that picks it in Review, and the rule that decides when it applies."""

    name: str
    key: str
    rule: str

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")


REASONS: dict[str, Reason] = {
    reason.name: reason
    for reason in (
        Reason("Saturated", "1", "Most of the frame at or near the saturation level: twilight, dome light, shutter."),
        Reason("Clouds_transparency", "2", "Few or dim stars for the exposure time, uneven sky from cloud."),
        Reason("PSF", "3", "Star images trailed, doubled or far from round over the frame."),
        Reason("Nonoptimal_exp", "4", "Exposed far too briefly for the conditions: shallow, noisy, few sources."),
        Reason("Ghost_Scatter", "5", "Reflections or scattered light: arcs, rings, rays, glows crossing CCDs."),
        Reason("NObjects", "6", "Far too few or too many detected objects: empty, blank or crowded by artefacts."),
        Reason("Bad_CCD", "7", "A detector or amplifier that is dead, unstable or badly corrected."),
        Reason("Noise", "8", "Readout noise, banding or herring-bone pattern well above normal."),
        Reason("Wonky", "9", "Distorted or broken in a way that no other reason names."),
        Reason(
            "Telescope_Moving", "0", "Telescope moved or lost guiding during the exposure: long parallel trails."
        ),
        Reason("Out_of_focus", "-", "Stars are rings or broad discs."),
        Reason("Fringing", "f", "Interference fringes left in the sky (z and Y bands)."),
        Reason("Streak", "k", "Bright or many satellite, aircraft or meteor trails that spoil the CCDs they cross."),
        Reason("Illumination", "i", "Flat-field, glow or gradient left by the calibration."),
        Reason("Amp_offset", "m", "A step between the two halves of a CCD."),
        Reason("Processing", "p", "The exposure is sound and the pipeline's product is not."),
        Reason("Astrometry", "y", "The astrometric or photometric solution failed."),
        Reason("Bright_source", "o", "A very bright star, planet, comet or nebula dominates the frame."),
        Reason("Observer_marked", "j", "Marked junk at the telescope, without a further reason."),
    )
}

# Spellings met in the published lists and inspections -> canonical names. Keys are compared lower-cased, with runs of
# spaces, underscores and slashes folded to one space.
ALIASES: dict[str, tuple[str, ...]] = {
    "clouds": ("Clouds_transparency",),
    "cloud": ("Clouds_transparency",),
    "transparency": ("Clouds_transparency",),
    "heavy clouds": ("Clouds_transparency",),
    "heavyclouds": ("Clouds_transparency",),
    "heavycloud": ("Clouds_transparency",),
    "cloudplusbackground": ("Clouds_transparency",),
    "ghost": ("Ghost_Scatter",),
    "ghosting": ("Ghost_Scatter",),
    "scatter": ("Ghost_Scatter",),
    "scattered light": ("Ghost_Scatter",),
    "pupil": ("Ghost_Scatter",),
    "telescope tracking": ("Telescope_Moving",),
    "guiding failed": ("Telescope_Moving",),
    "double image": ("Telescope_Moving",),
    "out of focus": ("Out_of_focus",),
    "focus": ("Out_of_focus",),
    "donuts": ("Out_of_focus",),
    "readout": ("Noise",),
    "expfactor": ("Nonoptimal_exp",),
    "seeing": ("PSF",),
    "trail": ("PSF",),
    "satellite": ("Streak",),
    "airplane": ("Streak",),
    "meteor": ("Streak",),
    "flat": ("Illumination",),
    "dome light": ("Saturated",),
}


def fold(text: str) -> str:
    """Lower-case `text` and fold spaces, underscores and slashes so that spellings compare equal."""
    return re.sub(r"[\s_/]+", " ", text.strip().lower())


_NAMES = {fold(name): (name,) for name in REASONS}


def canonical(text: str) -> tuple[str, ...]:
    """Return the canonical reasons named by `text`, in vocabulary order; () when nothing maps.

    `text` is one name in any known spelling, or several separated by commas or semicolons.
    """
    found = set()
    for part in re.split(r"[;,]", text or ""):
        key = fold(part)
        found.update(_NAMES.get(key) or ALIASES.get(key) or ())
    return tuple(name for name in REASONS if name in found)
