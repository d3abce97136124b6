"""What a cell of a list means: an exposure number, a CCD, an answer. What is not clear is BadInput, never a guess."""

import re

from triptych.pipeline.camera import Camera
from triptych.pipeline.errors import BadInput
from triptych.pipeline.reasons import fold

# Answers as inspectors typed them, in lower case and stripped.
BAD_ANSWERS = ("y", "yes", "1", "true", "bad", "x")
GOOD_ANSWERS = ("n", "no", "0", "false", "good", "ok")
DOUBTFUL_BAD = ("y?", "yes?", "maybe", "maybe?", "m", "?", "1?", "bad?", "unsure", "marginal")
DOUBTFUL_GOOD = ("n?", "no?", "0?", "good?")
NO_ANSWER = ("", "nan", "none", "-")
DIGITS = 16  # of an exposure number, at most; LSSTCam's have 13
_NUMBER = re.compile(r"(\d+)(\.0*)?", re.ASCII)
# names of the column of exposure numbers, folded
EXPNUM_NAMES = ("expnum", "exp num", "expid", "exp id", "exposure", "exposure number", "exposure id", "exposure no")
CCDNAME_NAMES = ("ccdname", "ccd name", "ccd")
CCDNUM_NAMES = ("ccdnum", "ccd num", "ccd number")


def exposure_number(text: str) -> int:
    """An exposure number as people and programs write it: `500001`, ` 500001.0`. BadInput if it is none."""
    text = str(text).strip()
    match = _NUMBER.fullmatch(text)
    if not match or not int(match[1]):
        wrote = " (a rounded number)" if re.fullmatch(r"\d+(\.\d+)?[eE]\+?\d+", text) else ""
        raise BadInput(f"{text!r} is not an exposure number{wrote}")
    if len(match[1].lstrip("0")) > DIGITS:
        raise BadInput(f"{text!r} is not an exposure number; one has at most {DIGITS} digits")
    return int(match[1])


def is_number(text: str) -> bool:
    """Whether a text is an exposure number."""
    try:
        return bool(exposure_number(text))
    except BadInput:
        return False


def ccd_name(camera: Camera, name: str, number: str = "") -> str:
    """The name of a CCD as the camera has it, from a name (`n12`), a number (`43`) or both; '' if both are empty.

    BadInput if the camera has no such CCD, or if name and number disagree.
    """
    found = {_one_ccd(camera, text.strip()) for text in (name, number) if text.strip()}
    if len(found) > 1:
        raise BadInput(f"ccdname {name.strip()!r} and ccdnum {number.strip()!r} are different CCDs of {camera.title}")
    return found.pop() if found else ""


def _one_ccd(camera: Camera, text: str) -> str:
    known = {name.upper(): name for name in camera.by_name}
    if text.upper() in known:
        return known[text.upper()]
    match = _NUMBER.fullmatch(text)
    if match and len(match[1]) <= DIGITS and int(match[1]) in camera.by_number:
        return camera.by_number[int(match[1])].name
    raise BadInput(f"{text!r} is not a CCD of {camera.title}")


def is_range(text: str) -> bool:
    """Whether a line begins with a range of exposure numbers, such as `500009 - 500012`, or with two of them."""
    match = re.match(r"\s*(\d+)\s*(-|–|—|\.\.+|:|to\b|\s)\s*(\d+)(?![\w.])", text, re.ASCII)
    if not match:
        return False
    first, between, second = match.groups()
    return len(second) >= max(4, len(first) - 1) or (between not in ("-",) and not between.isspace())


def judgement_of(answer: str, maybe: str = "unsure") -> str:
    """What a typed answer means: 'bad', 'good', 'unsure', or '' for an empty cell. ValueError if it is no answer."""
    answer = answer.strip().lower()
    if match := re.fullmatch(r"([01])\.0*", answer):  # as pandas writes a column with gaps
        answer = match[1]
    if answer in NO_ANSWER:
        return ""
    if answer in BAD_ANSWERS:
        return "bad"
    if answer in GOOD_ANSWERS:
        return "good"
    if answer in DOUBTFUL_BAD:
        return maybe
    if answer in DOUBTFUL_GOOD:
        return "unsure" if maybe == "unsure" else "good"
    raise ValueError(answer)


def column_key(name: str) -> str:
    """The name by which readers know a column: `expnum` for `Exposure number`, `ccdname` for `CCD`; else as written."""
    folded = fold(name)
    for key, names in (("expnum", EXPNUM_NAMES), ("ccdname", CCDNAME_NAMES), ("ccdnum", CCDNUM_NAMES)):
        if folded in names:
            return key
    return name.strip()
