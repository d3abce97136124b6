"""The colours of data can be told apart, also by those who see two hues only, and each kind of thing has its own."""

import itertools
import re
from pathlib import Path

import pytest
from coloraide import Color

from triptych.app import palette
from triptych.pipeline.reasons import GOOD

VISIONS = ("normal", "protan", "deutan", "tritan")
PAGE = "#0d1117"
THEME = Path(__file__).parents[2] / "static" / "frame" / "theme.css"
REASONS = {name: colour for name, colour in palette.REASON_COLOURS.items() if name != GOOD}
TAUGHT = dict(itertools.islice(REASONS.items(), 11)) | {"Fringing": REASONS["Fringing"]}  # what most classifiers know


def seen(colour, vision):
    return Color(colour) if vision == "normal" else Color(colour).filter(vision).clip()


def nearest(colours, vision, others=None):
    """The smallest CIEDE2000 distance among colours, or between them and others, and the two that have it."""
    pairs = itertools.combinations(colours, 2) if others is None else itertools.product(colours, others)
    return min((seen(a, vision).delta_e(seen(b, vision), method="2000"), a, b) for a, b in pairs)


def chroma(colour):
    return Color(colour).convert("oklch")["chroma"]


def hue(colour):
    return Color(colour).convert("oklch")["hue"]


@pytest.mark.parametrize("vision", VISIONS)
def test_reasons_are_told_apart(vision):
    assert nearest(TAUGHT.values(), vision)[0] > (9 if vision != "tritan" else 7)
    assert nearest(REASONS.values(), vision)[0] > (5.5 if vision != "tritan" else 4)


@pytest.mark.parametrize("vision", VISIONS)
def test_a_reason_looks_like_neither_good_nor_unlabelled(vision):
    assert nearest(REASONS.values(), vision, (palette.GOOD_COLOUR, palette.UNLABELLED))[0] > 7


@pytest.mark.parametrize("vision", VISIONS)
def test_clusters_and_bands_are_told_apart(vision):
    clusters = {palette.cluster_colour(cluster) for cluster in range(-1, 30)}
    assert nearest(clusters, vision)[0] > (9 if vision != "tritan" else 7)
    assert all(nearest(pair, vision)[0] > 5.5 for pair in itertools.pairwise(palette.BAND_COLOURS.values()))


def test_good_is_grey_and_a_reason_is_not_and_never_green():
    assert chroma(palette.GOOD_COLOUR) < 0.03
    assert chroma(palette.UNLABELLED) < 0.03
    assert min(chroma(colour) for colour in REASONS.values()) > 0.07
    greens = {name for name, colour in REASONS.items() if 112 < hue(colour) < 172}
    assert not greens
    assert 112 < hue(signals()["good"]) < 172


def test_clusters_are_muted():
    assert max(chroma(palette.cluster_colour(cluster)) for cluster in range(20)) < 0.065


def test_bands_grow_brighter_with_the_wavelength():
    lightness = [Color(colour).convert("oklch")["lightness"] for colour in palette.BAND_COLOURS.values()]
    assert lightness == sorted(lightness)


def test_every_colour_stands_out_of_the_page():
    kinds = (palette.REASON_COLOURS, palette.VERDICT_COLOURS, palette.BAND_COLOURS, palette.MASK_COLOURS)
    shown = [colour for kind in kinds for colour in kind.values() if colour != palette.UNLABELLED]
    assert min(Color(colour).contrast(Color(PAGE)) for colour in shown) > 3


def test_verdicts_have_the_signals_of_the_page():
    assert palette.VERDICT_COLOURS["bad"] == signals()["bad"]
    assert palette.VERDICT_COLOURS["split"] == signals()["wait"]


def signals():
    """The colours of theme.css by their name."""
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", THEME.read_text()))
