"""The colours of points: one code byte per image, and the legend, as far as this user may know.

The map shows users who vote no verdict, no label that comes from votes and no known answer of a queue before they have
judged the exposure. An exposure with something to hide looks exactly like one with nothing to hide. In blind mode the
model's opinion of a candidate waits for the own vote, too. app.judging.viewer decides all this.

A colouring is a function that takes a Scene and returns Colours. COLOURINGS is the list of all colourings.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from triptych.app import palette
from triptych.app.colours.by_survey import by_band, by_cluster, by_night
from triptych.app.colours.by_votes import by_contradiction, by_disagreement, by_pending, by_verdict
from triptych.app.colours.codes import WAITS, Colours, Entry, quiet, ramp
from triptych.app.judging.viewer import Knowledge, Viewer
from triptych.app.survey.image_set import ImageSet
from triptych.pipeline.errors import choose
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.reasons import GOOD, REASONS

LEVELS = (("below 0.5", 0.0), ("0.5 to 0.9", 0.5), ("0.9 and above", 0.9))
REASON_CODES = {name: code for code, name in enumerate(palette.REASON_COLOURS, start=1)}
WAITS_CODE = len(REASON_CODES) + 1


@dataclass(frozen=True, eq=False)
class Scene:
    """The argument of a colouring: the images to colour, and what the user may know."""

    viewer: Viewer
    knowledge: Knowledge
    images: ImageSet
    assisted: bool

    def opinion_shown(self):
        """(n,) bool: whether this user may know the model's opinion of each image."""
        expnums = self.images.exposures[0]
        return self.images.spread(self.knowledge.of_opinion(expnums, self.assisted))


def paint(viewer: Viewer, colour_by, image_ids, *, assisted):
    """Colours of these images for one user.

    image_ids : (n,) int64, or an ImageSet    assisted : whether the model's opinion is shown before the vote
    """
    colouring = COLOURINGS[choose(colour_by, COLOURINGS, "colouring")]
    images = image_ids if isinstance(image_ids, ImageSet) else ImageSet(image_ids)
    return colouring.paint(Scene(viewer, viewer.knowledge(), images, assisted))


def by_reason(scene):
    """The label of each image: that of the training set, or else that of the imported lists."""
    codes = imported_reasons(scene)
    training = scene.viewer.survey.training
    places = scene.images.places_of(training["image_id"].to_numpy(np.int64))
    here = places >= 0
    training, places = training[here], places[here]
    known = ~scene.viewer.hides(training, scene.knowledge)
    place_reasons(codes, places[known], training["reason"][known])
    return reason_colours("reason", "labelled", codes, "unlabelled")


def imported_reasons(scene):
    """(n,) uint8: codes of the imported labels. A CCD's own label goes before its exposure's. 0 = no label"""
    labels = scene.viewer.readable_labels()
    labels = labels[labels["reason"] != ""]
    expnums = scene.images.exposures[0]
    by_exposure = np.zeros(len(expnums), np.uint8)
    whole = labels[(labels["ccdname"] == "") & labels["expnum"].isin(expnums)]
    if len(expnums):
        place_reasons(by_exposure, np.searchsorted(expnums, whole["expnum"].to_numpy(np.int64)), whole["reason"])
    codes = scene.images.spread(by_exposure)
    single = labels[labels["ccdname"] != ""]
    numbers = single["ccdname"].map(scene.viewer.survey.ccd_numbers)
    single, numbers = single[numbers.notna()], numbers.dropna()
    places = scene.images.places_of(image_id_of(single["expnum"].to_numpy(np.int64), numbers.to_numpy(np.int64)))
    place_reasons(codes, places[places >= 0], single["reason"][places >= 0])
    return codes


def place_reasons(codes, places, reasons):
    """Write the code of one reason for each place into codes.

    Of several reasons of a place the first in the order of REASONS counts; good comes last.
    codes : (n,) uint8, changed; places : (m,) int64, indices in codes
    reasons : (m,) Series of names; unknown names are left out
    """
    order = reasons.map({name: place for place, name in enumerate([*REASONS, GOOD])}).to_numpy(float)
    later_first = np.argsort(-order, kind="stable")  # NaN last
    later_first = later_first[np.isfinite(order[later_first])]
    codes[places[later_first]] = reasons.map(REASON_CODES).to_numpy(float)[later_first]


def by_prediction(scene):
    """The reason that the model finds likeliest."""
    categories = scene.viewer.survey.prediction["reason"].astype("category").cat
    rows = scene.images.rows_in(scene.viewer.survey.prediction.index)
    known = np.flatnonzero(rows >= 0)
    code_of = np.array([*(REASON_CODES.get(name, 0) for name in categories.categories), 0], np.uint8)
    codes = np.zeros(len(rows), np.uint8)
    codes[known] = code_of[categories.codes.to_numpy()[rows[known]]]  # a missing reason is -1 and takes the last, 0
    codes[~scene.opinion_shown()] = WAITS_CODE
    return reason_colours("prediction", "predicted", codes, "no prediction")


def reason_colours(colour_by, title, codes, nothing):
    """Colours of one reason per image. codes : (n,) uint8 from REASON_CODES, WAITS_CODE, or 0 = nothing"""
    counts = np.bincount(codes, minlength=WAITS_CODE + 1)
    colours = (palette.UNLABELLED, *palette.REASON_COLOURS.values(), palette.UNLABELLED)
    rules = {GOOD: "Nothing wrong", **{name: reason.rule for name, reason in REASONS.items()}}
    entries = [
        Entry(
            label=name,
            first=code,
            last=code,
            count=int(counts[code]),
            colour=colours[code],
            name=name.replace("_", " "),
            letter=palette.REASON_LETTERS[name],
            rule=rules[name],
        )
        for name, code in REASON_CODES.items()
    ]
    entries += [*quiet(WAITS, WAITS_CODE, counts), *quiet(nothing, 0, counts)]
    return Colours(colour_by, title, "categories", colours, tuple(entries), codes)


def by_probability(scene):
    """The probability that the image is bad, 1 - p_good, as codes 1 to 255. 0 = not known"""
    rows = scene.images.rows_in(scene.viewer.survey.prediction.index)
    known = np.flatnonzero(rows >= 0)
    p_bad = 1.0 - scene.viewer.survey.prediction["p_good"].to_numpy(float)[rows[known]]
    levels = np.where(np.isfinite(p_bad), 1 + np.rint(254 * np.clip(np.nan_to_num(p_bad), 0, 1)), 0).astype(np.uint8)
    codes = np.zeros(len(rows), np.uint8)
    codes[known] = levels
    shown = scene.opinion_shown()
    codes[~shown] = 0
    counts = np.bincount(codes, minlength=256)
    colours = (palette.UNLABELLED, *ramp(palette.PROBABILITY_RAMP, 255))
    firsts = [1 + int(np.ceil(254 * low)) for _, low in LEVELS] + [256]
    entries = [
        Entry(label, first, after - 1, int(counts[first:after].sum()), colours[after - 1], name=label, quiet=low == 0)
        for (label, low), first, after in zip(LEVELS, firsts, firsts[1:], strict=False)
    ]
    nothing = "no prediction" if shown.all() else WAITS
    return Colours("probability", "bad", "continuous", colours, (*entries, *quiet(nothing, 0, counts)), codes)


@dataclass(frozen=True)
class Colouring:
    """One entry of COLOURINGS.

    paint : function Scene -> Colours
    needs : what its codes depend on besides the map: prediction, cluster, store
    opinion : whether it tells the model's opinion; text : its name on screen
    """

    name: str
    paint: Callable
    needs: tuple
    opinion: bool = False
    text: str = ""


COLOURINGS: dict[str, Colouring] = {
    colouring.name: colouring
    for colouring in (
        Colouring("reason", by_reason, ("prediction", "store"), text="reason"),
        Colouring("prediction", by_prediction, ("prediction",), opinion=True, text="prediction"),
        Colouring("probability", by_probability, ("prediction",), opinion=True, text="probability"),
        Colouring("cluster", by_cluster, ("cluster",), text="cluster"),
        Colouring("verdict", by_verdict, ("store",), text="verdict"),
        Colouring("disagreement", by_disagreement, ("store",), text="disagreement"),
        Colouring("pending", by_pending, ("prediction", "store"), text="my pending"),
        Colouring(
            "contradiction", by_contradiction, ("prediction", "store"), opinion=True, text="model against people"
        ),
        Colouring("band", by_band, (), text="band"),
        Colouring("night", by_night, (), text="night"),
    )
}
