"""What each point's colour says: one code byte per image and the legend to read it by, as far as this user may know.

The only place that decides what the map reveals. Nobody sees a verdict, a label that comes from votes, or a known
answer that queues ask for, before judging that exposure; an exposure that hides something looks exactly like one where
there is nothing to hide. In blind mode the model's opinion of a candidate waits for the own vote too: see
app.judging.knowledge.

A colouring is one function in COLOURINGS, the only list of them; it returns Colours.
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
    """What a colouring works on."""

    viewer: Viewer
    knowledge: Knowledge
    images: ImageSet
    assisted: bool

    def opinion_shown(self):
        """(n,) bool: of which images the model's opinion may be known."""
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
    """What labels say: the training labels, else the imported lists."""
    codes = imported_reasons(scene)
    training = scene.viewer.survey.training
    places = scene.images.places_of(training["image_id"].to_numpy(np.int64))
    here = places >= 0
    training, places = training[here], places[here]
    known = ~scene.viewer.hides(training, scene.knowledge)
    place_reasons(codes, places[known], training["reason"][known])
    return reason_colours("reason", "labelled", codes, "unlabelled")


def imported_reasons(scene):
    """(n,) uint8 codes of what imported lists say, a CCD's own label before its exposure's; 0 = nothing."""
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
    """Write the code of the first reason of each place, in the order of the vocabulary, good last.

    codes : (n,) uint8, changed; places : (m,) int64; reasons : (m,) Series of names, unknown ones are left out
    """
    order = reasons.map({name: place for place, name in enumerate([*REASONS, GOOD])}).to_numpy(float)
    later_first = np.argsort(-order, kind="stable")  # NaN last
    later_first = later_first[np.isfinite(order[later_first])]
    codes[places[later_first]] = reasons.map(REASON_CODES).to_numpy(float)[later_first]


def by_prediction(scene):
    """The likeliest reason according to the model."""
    reasons = scene.viewer.survey.prediction["reason"]
    rows = scene.images.rows_in(scene.viewer.survey.prediction.index)
    categories = reasons.astype("category").cat
    code_of = np.array([*(REASON_CODES.get(name, 0) for name in categories.categories), 0], np.uint8)
    codes = code_of[categories.codes.to_numpy()]  # no reason is code -1, the last
    codes = np.append(codes, np.uint8(0))[rows]  # no row is -1, the last
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
    """How likely the image is bad, 1 - p_good: codes 1 to 255."""
    rows = scene.images.rows_in(scene.viewer.survey.prediction.index)
    p_bad = 1.0 - scene.viewer.survey.prediction["p_good"].to_numpy(float)
    levels = np.where(np.isfinite(p_bad), 1 + np.rint(254 * np.clip(np.nan_to_num(p_bad), 0, 1)), 0).astype(np.uint8)
    codes = np.append(levels, np.uint8(0))[rows]
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
    """paint : Scene -> Colours. needs : what its codes change with, beside the map: prediction, cluster, store.

    text : in the list of colourings; opinion : whether it tells what the model thinks
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
