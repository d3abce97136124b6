"""The vocabulary of what can be wrong with an exposure, and every spelling of it that we have seen.

The first eleven reasons are the published ones, in the published order. The others are reasons that inspectors needed
and that had no class. To add a reason: one `Reason` in REASONS, and its spellings in ALIASES.
"""

import re
from dataclasses import dataclass

GOOD = "good"


@dataclass(frozen=True)
class Reason:
    """One reason: its name, the key that picks it in Review, and the written rule that inspectors share.

    rule : what it is. spoils : when it makes an exposure bad. harmless : what looks like it but is no reason.
    on_ccds : it is on some CCDs as a rule, so an inspector says on which before it condemns all of them
    """

    name: str
    key: str
    rule: str
    spoils: str
    harmless: str
    on_ccds: bool = False

    @property
    def label(self) -> str:
        """The name without underscores."""
        return self.name.replace("_", " ")


REASONS: dict[str, Reason] = {
    reason.name: reason
    for reason in (
        Reason(
            "Saturated",
            "1",
            "Most of the frame at or near the saturation level: twilight, dome light, shutter.",
            "The sky itself is saturated, or so bright that few stars are left, on most CCDs.",
            "Single saturated stars and their bleed trails; one bright star is Bright source.",
        ),
        Reason(
            "Clouds_transparency",
            "2",
            "Few or dim stars for the exposure time, uneven sky from cloud.",
            "Stars are much dimmer than exposure time and band promise, or the sky is patchy across CCDs.",
            "Thin, even cloud that the zero point corrects; a smooth gradient from the Moon; fringes (see Fringing).",
        ),
        Reason(
            "PSF",
            "3",
            "Star images trailed, doubled or far from round over the frame.",
            "Stars are elongated or doubled alike on most CCDs, or their shape changes wildly over the frame.",
            "Poor but round seeing; slight elongation at the edge of the field; trails much longer than a star is wide "
            "(see Telescope Moving); rings (see Out of focus).",
        ),
        Reason(
            "Nonoptimal_exp",
            "4",
            "Exposed far too briefly for the conditions: shallow, noisy, few sources.",
            "Depth is less than about half of what the survey wants: noise drowns all but bright stars.",
            "Short exposures that the survey planned; a shallow but clean exposure in a bright moon.",
        ),
        Reason(
            "Ghost_Scatter",
            "5",
            "Reflections or scattered light: arcs, rings, rays, glows crossing CCDs.",
            "Arcs, rings or rays that stand out of the sky noise and touch more than a CCD or two: tick those CCDs; "
            "all of the exposure where they cross most of the focal plane.",
            "A halo around its own bright star that stays on its CCD; faint rings seen only in the sky map that the "
            "sky subtraction takes out; the smooth pupil glow (see Illumination).",
            on_ccds=True,
        ),
        Reason(
            "NObjects",
            "6",
            "Far too few or too many detected objects: empty, blank or crowded by artefacts.",
            "No stars at all, blank pixels, or artefacts that would be catalogued as thousands of objects.",
            "A sparse field at high latitude or a crowded one near the Galactic plane; few stars through cloud "
            "(see Clouds transparency).",
        ),
        Reason(
            "Bad_CCD",
            "7",
            "A detector or amplifier that is dead, unstable or badly corrected.",
            "A CCD or amplifier that usually works shows no sky, wild levels or a wrong correction: tick it.",
            "CCDs known to be dead, absent or half blank at that date (N30, S30, S7 of DECam): missing is not bad.",
            on_ccds=True,
        ),
        Reason(
            "Noise",
            "8",
            "Readout noise, banding or herring-bone pattern well above normal.",
            "Bands, herring-bones or correlated noise that stand out in the faint stretch on several CCDs.",
            "The even grain of a dark sky; a single noisy column; a step between amplifiers (see Amp offset).",
        ),
        Reason(
            "Wonky",
            "9",
            "Distorted or broken in a way that no other reason names.",
            "Plainly unusable, and none of the other rules fits: say in a note what you see.",
            "Anything that another reason names, however strange it looks; what you cannot decide is unsure.",
        ),
        Reason(
            "Telescope_Moving",
            "0",
            "Telescope moved or lost guiding during the exposure: long parallel trails.",
            "Every star draws the same trail, jump or second image, in the same direction on all CCDs.",
            "Trails of one or two objects only (see Streak); stars merely elongated (see PSF).",
        ),
        Reason(
            "Out_of_focus",
            "-",
            "Stars are rings or broad discs.",
            "Stars show a dark centre or a flat disc over most of the frame.",
            "Poor seeing: broad but peaked stars; rings around saturated stars only (see Ghost Scatter).",
        ),
        Reason(
            "Fringing",
            "f",
            "Interference fringes left in the sky (z and Y bands).",
            "Fringes above the sky noise in the faint stretch on most CCDs, after the pipeline's correction: "
            "they bias faint photometry.",
            "Fringes seen only in the sky map, or weaker than the noise of a pixel; wavy cloud in g, r or i "
            "(see Clouds transparency).",
        ),
        Reason(
            "Streak",
            "k",
            "Bright or many satellite, aircraft or meteor trails that spoil the CCDs they cross.",
            "A trail so bright or broad, or so many, that the sky around is lost on the CCDs crossed: tick those CCDs.",
            "A thin trail that masking takes out: nearly every exposure has one; bleed trails of bright stars.",
            on_ccds=True,
        ),
        Reason(
            "Illumination",
            "i",
            "Flat-field, glow or gradient left by the calibration.",
            "Glowing edges, a doughnut of pupil light or a flat-field pattern of many sigma across CCDs.",
            "A gradient as smooth as moonlight, which the sky subtraction takes out.",
        ),
        Reason(
            "Amp_offset",
            "m",
            "A step between the two halves of a CCD.",
            "A step clearly seen in the faint stretch, on several CCDs or changing along the CCD: tick those CCDs.",
            "A step on one CCD that is below the noise of a pixel.",
            on_ccds=True,
        ),
        Reason(
            "Processing",
            "p",
            "The exposure is sound and the pipeline's product is not.",
            "Corrupt, cut or wrongly subtracted pixels that another processing would mend.",
            "What was wrong at the telescope; a picture that merely failed to load: reload it.",
        ),
        Reason(
            "Astrometry",
            "y",
            "The astrometric or photometric solution failed.",
            "Known from the pipeline's numbers or from doubled sources in a stack: say so in a note.",
            "What cannot be seen in the picture and is not known otherwise.",
        ),
        Reason(
            "Bright_source",
            "o",
            "A very bright star, planet, comet or nebula dominates the frame.",
            "Its light covers a large part of the focal plane, so that no sky is left to measure.",
            "A bright star with its halo on one CCD: masks take it out; arcs far from the star (see Ghost Scatter).",
        ),
        Reason(
            "Observer_marked",
            "j",
            "Marked junk at the telescope, without a further reason.",
            "The observing log says junk, test or aborted.",
            "A doubt of your own: that is unsure.",
        ),
    )
}

# Complete spellings in the published lists and inspections -> reasons. Keys are in the form that `fold` gives.
ALIASES: dict[str, tuple[str, ...]] = {
    "clouds": ("Clouds_transparency",),
    "cloud": ("Clouds_transparency",),
    "transparency": ("Clouds_transparency",),
    "heavyclouds": ("Clouds_transparency",),
    "heavycloud": ("Clouds_transparency",),
    "cloudplusbackground": ("Clouds_transparency",),
    "ghost": ("Ghost_Scatter",),
    "ghosting": ("Ghost_Scatter",),
    "scatter": ("Ghost_Scatter",),
    "telescopemoving": ("Telescope_Moving",),
    "double": ("PSF",),
    "double elongated": ("PSF",),
    "badpsfmodel": ("PSF",),
    "bad coma in donuts": ("PSF",),
    "focus": ("Out_of_focus",),
    "donuts": ("Out_of_focus",),
    "expfactor": ("Nonoptimal_exp",),
    "skysub+nobj": ("NObjects",),
    "sky nobjects": ("NObjects",),
    "blankimage": ("NObjects",),
    "all zero": ("NObjects",),
    "brightstar": ("Bright_source",),
    "cometlovejoy": ("Bright_source",),
    "corrupty6a1prod": ("Processing",),
    "iss": ("Streak",),
    "offlinetestpoorteff": ("Nonoptimal_exp",),
    "horrible pattern": ("Noise",),
    "amplifier": ("Amp_offset",),
}

# What free text contains -> reasons. Regular expressions, searched in folded text that is not a complete spelling.
KEYWORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"cloud|clouts|cirrus|\btran?s[a-z]*p[a-z]*ency|\btrans\b", ("Clouds_transparency",)),
    (r"exp ?factor|depth ?factor|\bdepfac|\bdepth ?<|underexposed|too shallow", ("Nonoptimal_exp",)),
    (r"insufficient exposure|short exposure|exposure too short", ("Nonoptimal_exp",)),
    (r"psf|trail(ed|ing)|elongat|ellip\w*|asymmetric|cometary", ("PSF",)),
    (r"focus|donut", ("Out_of_focus",)),
    (r"telescope? (mov|slew|track)|telescope brakes|double (image|star)", ("Telescope_Moving",)),
    (r"(not?|lost|bad) (guid|track)|guid(e|ing|er) fail|guide stars?|guiding star|windshake", ("Telescope_Moving",)),
    (r"earthquake|pointing moved|made off\w+ (during|while)|high wind", ("Telescope_Moving",)),
    (r"ghost|ghsot|pupil|scattered ligh|stray light|\brefle(ct|x)ion", ("Ghost_Scatter",)),
    (r"nois[ey]|read ?out|bad read\b|banding|herring", ("Noise",)),
    (r"bad ccd|ccd ?\d* (not working|unresponsive)|bad amp|dead amp|amp \d inoperable|lightbulb", ("Bad_CCD",)),
    (r"\bamp\w* (offset|jump|step)|amp jump", ("Amp_offset",)),
    (r"saturat|shutter|dome ?light|lights? on .* turned on", ("Saturated",)),
    (r"fring", ("Fringing",)),
    (r"streak|strike|\btrails?\b(?<!bleed trails)(?<!bleed trail)|satellite|airplane|aircraft|meteor", ("Streak",)),
    (r"illumination|glowing edge|(?<!dome )\bflat\b", ("Illumination",)),
    (r"processing|corrupt|catalog failure|subtraction problem|does not exist", ("Processing",)),
    (r"astrom|fgcm|swapped", ("Astrometry",)),
    (
        r"bright star|nebula|canopus|arcturus|achernar|\brigel|alnair|gamma eri|r dor\b|ophiuchi|comet\b",
        ("Bright_source",),
    ),
    (r"nobj|(no|not enough|few) stars|blank|null image|all zeros?\b", ("NObjects",)),
    (r"observer marked|junk|garbage|\btest (image|exposure)|abort", ("Observer_marked",)),
    (r"wonky|hexapod|active optics|mirror (issue|support|lost)", ("Wonky",)),
)
# Words that only say that something is strange. They count only if nothing else was found.
STRANGE = r"weird|strange|wired shape"

# The flag digit of a bad-exposure list, if the list says nothing else. 3 means "other".
FLAGS: dict[str, tuple[str, ...]] = {"1": ("Saturated",), "2": ("Clouds_transparency",)}


def fold(text: str) -> str:
    """Lower-case `text` and replace runs of spaces, underscores and slashes by one space, to compare spellings."""
    return re.sub(r"[\s_/]+", " ", text.strip().lower()).strip()


_NAMES = {fold(name): (name,) for name in REASONS}
_KEYWORDS = tuple((re.compile(pattern), names) for pattern, names in KEYWORDS)


def canonical(text: str) -> tuple[str, ...]:
    """Return the reasons that `text` names, in vocabulary order; () if it names none.

    text : one name in any known spelling, several separated by commas or semicolons, or free text that is searched
    for keywords.
    """
    found = set()
    for part in re.split(r"[;,]", text or ""):
        key = fold(part)
        found.update(_NAMES.get(key) or ALIASES.get(key) or _searched(key))
    if not found and re.search(STRANGE, fold(text or "")):
        found.add("Wonky")
    return tuple(name for name in REASONS if name in found)


def _searched(key: str) -> set[str]:
    return {name for pattern, names in _KEYWORDS if pattern.search(key) for name in names}
