"""The alias table against the published lists and inspections."""

import csv
import re
from collections import Counter

import pytest

from triptych.pipeline.reasons import ALIASES, FLAGS, KEYWORDS, REASONS, canonical


@pytest.mark.parametrize("name", REASONS)
def test_every_name_is_itself_in_any_spelling(name):
    assert canonical(name) == (name,)
    assert canonical(name.lower().replace("_", " ")) == (name,)
    assert canonical(f"  {name.upper()} ") == (name,)


def test_every_alias_and_keyword_names_known_reasons():
    for names in [*ALIASES.values(), *FLAGS.values(), *(names for _, names in KEYWORDS)]:
        assert set(names) <= set(REASONS)


def test_keys_that_pick_a_reason_differ():
    keys = [reason.key for reason in REASONS.values()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("transparency", ("Clouds_transparency",)),
        ("transapency", ("Clouds_transparency",)),
        ("traspaency", ("Clouds_transparency",)),
        ("fringing; transparency", ("Clouds_transparency", "Fringing")),
        ("ghsot", ("Ghost_Scatter",)),
        ("scattered ligh", ("Ghost_Scatter",)),
        ("Ghost/Scatter", ("Ghost_Scatter",)),
        ("cloud + PSF", ("Clouds_transparency", "PSF")),
        ("telescop moving", ("Telescope_Moving",)),
        ("Out of Focus", ("Out_of_focus",)),
        ("Skysub+NOBJ", ("NObjects",)),
        ("HeavyClouds", ("Clouds_transparency",)),
        ("Weird readout", ("Noise",)),
        ("weird?", ("Wonky",)),
        ("very noisy, slight amp jump, high ccdphrms", ("Noise", "Amp_offset")),
        ("expfactor=0.208  seeing=1.400", ("Nonoptimal_exp",)),
        ("# exp factor < 0.5", ("Nonoptimal_exp",)),
        ("# depth factor < 0.6", ("Nonoptimal_exp",)),
        ("trailed/donutty PSF", ("PSF", "Out_of_focus")),
        ("double image", ("Telescope_Moving",)),
        ("# bright sky", ()),
        ("bad seeing", ()),
        ("ring pattern", ()),
        ("lots of bleed trails", ()),
        ("Duplicate domeflat image and should be ignored", ()),
        ("yes", ()),
        ("1", ()),
        ("", ()),
    ],
)
def test_spellings_met_in_the_lists(text, reasons):
    assert canonical(text) == reasons


def published_classes(comment: str) -> set[str]:
    """The keyword rules that the paper applied to the comments of the list it trained on."""
    comment = comment.lower()
    seeing = re.search(r"seeing\s*[=>]\s*(\d+\.?\d*)", comment)
    rules = {
        "Nonoptimal_exp": "expfactor" in comment,
        "Saturated": comment == "1",
        "Clouds_transparency": "transparency" in comment or "cloud" in comment or comment == "2",
        "Bad_seeing": "bad seeing" in comment or (seeing and float(seeing[1]) >= 2.5),
        "PSF": "trail" in comment or "psf" in comment,
        "Out_of_focus": "focus" in comment,
        "Telescope_Moving": "double image" in comment,
    }
    return {name for name, holds in rules.items() if holds}


def test_what_the_paper_mapped_maps_to_the_same_here(real_data):
    """The published counts are reproduced. No published class is missing except bad seeing, which the paper dropped."""
    published, ours = Counter(), Counter()
    for line in (real_data / "labels/psf_rongpu_decam-bad_expid.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        comment = " ".join(line.split()[1:])
        theirs, own = published_classes(comment), canonical(comment) or FLAGS.get(comment, ())
        published.update(theirs or ["none"])
        ours.update(own or ["none"])
        assert theirs - {"Bad_seeing"} <= set(own), comment
    assert published["Nonoptimal_exp"] == 2204
    assert published["Clouds_transparency"] == ours["Clouds_transparency"] == 220
    assert published["Out_of_focus"] == ours["Out_of_focus"] == 39
    assert (published["Bad_seeing"], published["PSF"], published["Saturated"]) == (602, 61, 54)
    assert published["Telescope_Moving"] == 19
    assert (published["none"], ours["none"]) == (531, 138)


def test_nearly_all_that_the_inspectors_wrote_is_understood(real_data):
    with open(real_data / "labels/dr11_final_selected_bad_exposures.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    texts = [row[f"{name}_reason"] for row in rows for name in ("alex", "frank", "yufeng")]
    texts = [text for text in texts if text.strip()]
    unmapped = Counter(text for text in texts if not canonical(text))
    assert (len(texts), sum(unmapped.values()), len(unmapped)) == (1044, 41, 10)
    assert sum("Fringing" in canonical(row["alex_reason"]) for row in rows) == 223


def test_every_reason_says_what_spoils_an_exposure_and_what_does_not():
    for reason in REASONS.values():
        assert all(len(text) > 20 and text.endswith(".") for text in (reason.rule, reason.spoils, reason.harmless))
    named = {label for reason in REASONS.values() for label in re.findall(r"\(see ([^)]+)\)", reason.harmless)}
    assert named <= {reason.label for reason in REASONS.values()}, "a rule points to a reason that there is not"
