"""Every colour that stands for data.

Hues were chosen in OKLab for a nearly black page, under normal, protan, deutan and tritan vision. Each reason also has
a letter (its key in Review), so that nobody depends on colour alone.
"""

from triptych.pipeline.reasons import GOOD, REASONS

GOOD_COLOUR = "#8fcfaf"
UNLABELLED = "#5b6470"
SELECTED = "#ffffff"

REASON_COLOURS: dict[str, str] = {
    GOOD: GOOD_COLOUR,
    "Saturated": "#cfef00",
    "Clouds_transparency": "#60ffaf",
    "PSF": "#ffbfff",
    "Nonoptimal_exp": "#dfaf00",
    "Ghost_Scatter": "#ff5030",
    "NObjects": "#9f9fbf",
    "Bad_CCD": "#cf70ff",
    "Noise": "#609f70",
    "Wonky": "#8f70bf",
    "Telescope_Moving": "#af20ef",
    "Out_of_focus": "#bf4000",
    "Fringing": "#4fb3ff",
    "Streak": "#ffd9a0",
    "Illumination": "#b08968",
    "Amp_offset": "#2aa198",
    "Processing": "#7a8fa6",
    "Astrometry": "#d0d060",
    "Bright_source": "#ff9f6b",
    "Observer_marked": "#a0a0a0",
}
REASON_LETTERS: dict[str, str] = {GOOD: "g", **{name: reason.key for name, reason in REASONS.items()}}

VERDICT_COLOURS: dict[str, str] = {"good": "#8fcfaf", "bad": "#ff5030", "split": "#dfaf00", "open": UNLABELLED}

DISAGREEMENT_COLOURS: dict[str, str] = {"one": "#cf70ff", "agree": "#8fcfaf", "single": "#9f9fbf"}
CONTRADICTION_COLOURS: dict[str, str] = {"model": "#cf70ff", "people": "#dfaf00"}

# From blue to red light, as far as distinct hues allow. Other bands take the colours of OTHER_BANDS.
BAND_COLOURS: dict[str, str] = {
    "u": "#8f70bf",
    "g": "#4fb3ff",
    "VR": "#8fcfaf",
    "r": "#cfef00",
    "i": "#dfaf00",
    "z": "#ff7a50",
    "Y": "#bf4000",
}
OTHER_BANDS: tuple[str, ...] = ("#ffbfff", "#9f9fbf", "#60ffaf", "#cf70ff", "#609f70", "#ffd9a0")

# Masks over grey pixels. The legend and the cursor name them. Pixels that recorded nothing are hatched as well.
MASK_COLOURS: dict[str, str] = {
    "saturated": "#ff5030",
    "bleed": "#dfaf00",
    "bad": "#cf70ff",
    "no_value": "#8f70bf",
    "cosmic_ray": "#60ffaf",
    "streak": "#cfef00",
    "difference": "#4fb3ff",
    "low_weight": "#b08968",
    "interpolated": "#ffbfff",
    "other": "#9f9fbf",
    "nothing": "#609f70",
}

# Ramp for time, early to late, with even steps to the eye. Its hues differ from those of the probability ramp.
TIME_RAMP: tuple[str, ...] = ("#3f6fd0", "#45a0cf", "#6cc5b0", "#b3d98a", "#e8d27a", "#e0a06a")

# Ramp for probability, dark to light, with even steps to the eye (a subset of matplotlib's "plasma", BSD).
PROBABILITY_RAMP: tuple[str, ...] = ("#3b4754", "#5c4a8a", "#9c4a97", "#d8576b", "#f89540", "#f7e225")

_CLUSTER_HUES = tuple(REASON_COLOURS[name] for name in list(REASON_COLOURS)[1:15])


def cluster_colour(cluster: int) -> str:
    """Colour of one HDBSCAN cluster. Cluster -1 (noise) is grey. Hues repeat after fourteen clusters."""
    return UNLABELLED if cluster < 0 else _CLUSTER_HUES[cluster % len(_CLUSTER_HUES)]
