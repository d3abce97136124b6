"""Every colour that stands for data. Each kind of thing has colours of its own.

Good is grey and a reason has a hue, so that what is wrong stands out. Reasons are never green: green is the button Good
and what is saved. Clusters are muted, as their numbers mean nothing. Bands and nights are ramps.

The hues of reasons were searched for a nearly black page, so that they stay apart (CIEDE2000) under normal, protan,
deutan and tritan vision. Each reason also has a letter (its key in Review), so that nobody depends on colour alone.
"""

from triptych.pipeline.reasons import GOOD, REASONS

GOOD_COLOUR = "#aab2bb"
UNLABELLED = "#5b6470"
SELECTED = "#ffffff"

REASON_COLOURS: dict[str, str] = {
    GOOD: GOOD_COLOUR,
    "Saturated": "#d7d45e",
    "Clouds_transparency": "#9ed5fd",
    "PSF": "#febab4",
    "Nonoptimal_exp": "#f0772d",
    "Ghost_Scatter": "#ee092f",
    "NObjects": "#9a7fc8",
    "Bad_CCD": "#875da0",
    "Noise": "#429082",
    "Wonky": "#c5256d",
    "Telescope_Moving": "#7346f1",
    "Out_of_focus": "#a87156",
    "Fringing": "#59fce1",
    "Streak": "#f8a87e",
    "Illumination": "#db9c8b",
    "Amp_offset": "#5989f6",
    "Processing": "#68b7ed",
    "Astrometry": "#b88ebb",
    "Bright_source": "#9163d5",
    "Observer_marked": "#8254c4",
}
REASON_LETTERS: dict[str, str] = {GOOD: "g", **{name: reason.key for name, reason in REASONS.items()}}

# Verdicts: the signals of the page (frame/theme.css), apart from good, which is most of a survey.
VERDICT_COLOURS: dict[str, str] = {"good": GOOD_COLOUR, "bad": "#f85149", "split": "#dfaf00", "open": UNLABELLED}

DISAGREEMENT_COLOURS: dict[str, str] = {"one": "#cf70ff", "agree": GOOD_COLOUR, "single": "#58a6ff"}
CONTRADICTION_COLOURS: dict[str, str] = {"model": "#cf70ff", "people": "#dfaf00"}

# A ramp from blue to red light, dark to bright. Other bands, narrow ones as a rule, take the colours of OTHER_BANDS.
BAND_COLOURS: dict[str, str] = {
    "u": "#794db6",
    "g": "#5672d0",
    "VR": "#1f98d7",
    "r": "#01bbcd",
    "i": "#62d6bd",
    "z": "#afebb1",
    "Y": "#f3fdb8",
}
OTHER_BANDS: tuple[str, ...] = ("#a89072", "#8d7d9a", "#c2a3a3", "#7f8f7a", "#b09ac0", "#97a5a8")

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

# Little colour, dark and bright in turn: neighbours on the map are told apart, and nothing looks like a reason.
_CLUSTER_HUES: tuple[str, ...] = (
    "#bbe9ff",
    "#886a5b",
    "#bdbd9c",
    "#8b93bb",
    "#e5e5b7",
    "#a88467",
    "#a7bbe2",
    "#8d7d8e",
    "#e1c6c8",
    "#be9dad",
)


def cluster_colour(cluster: int) -> str:
    """Colour of one HDBSCAN cluster. Cluster -1 (noise) is grey. Colours repeat after ten clusters."""
    return UNLABELLED if cluster < 0 else _CLUSTER_HUES[cluster % len(_CLUSTER_HUES)]
