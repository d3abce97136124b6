"""The contact sheet: the exposures of a selection, with this user's own earlier votes on them."""

import numpy as np

from triptych.app import palette
from triptych.app.judging.viewer import Viewer
from triptych.app.judging.votes import LARGEST_BATCH, own_votes
from triptych.pipeline.errors import BadInput, LabelError
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.reasons import REASONS

MOST_EXPOSURES = LARGEST_BATCH
IMAGES_EACH = 3  # most CCDs that are shown of each exposure


def sheet_of(viewer: Viewer, image_ids):
    """The exposures of these images in the order of their first image, as plain values.

    image_ids : (n,) int64, in the order in which they are shown
    Returns {exposures: [{expnum, facts, images, mine}], reasons}. mine is the user's own vote as {judgement, reasons,
    via}, or None. It reads nobody else's votes. Raises LabelError if the user cannot vote, and BadInput for more than
    MOST_EXPOSURES exposures.
    """
    if not viewer.can_vote:
        raise LabelError(f"{viewer.name} is a {viewer.role} and cannot vote; a lead can change the role")
    image_ids = np.asarray(image_ids, np.int64)
    expnums, first = np.unique(expnum_of(image_ids), return_index=True)
    expnums = expnums[np.argsort(first)]
    if len(expnums) > MOST_EXPOSURES:
        raise BadInput(
            f"{len(expnums):,} exposures are too many for one sheet; narrow the selection to {MOST_EXPOSURES:,}"
        )
    images = {expnum: [] for expnum in expnums.tolist()}
    for image_id in image_ids.tolist():
        if len(images[expnum_of(image_id)]) < IMAGES_EACH:
            images[expnum_of(image_id)].append(image_id)
    mine = own_judgements(viewer)
    exposures = [
        {
            "expnum": expnum,
            "facts": facts_line(viewer.survey, expnum),
            "images": images[expnum],
            "mine": mine.get(expnum),
        }
        for expnum in images
        if expnum in viewer.survey.exposures.index
    ]
    return {"exposures": exposures, "reasons": vocabulary()}


def own_judgements(viewer: Viewer):
    """expnum -> {judgement, reasons, via} of this user's current votes on whole exposures of this pipeline version."""
    votes = own_votes(viewer)
    votes = votes[viewer.survey.in_this_version(votes) & (votes["ccdname"] == "").to_numpy()]
    return {
        int(row["expnum"]): {"judgement": row["judgement"], "reasons": list(row["reasons"]), "via": row["via"]}
        for row in votes.to_dict("records")
    }


def facts_line(survey, expnum):
    """Band, exposure time and night of an exposure as one text."""
    row = survey.exposures.loc[expnum]
    night, seconds = int(row["night"]), row["exptime"]
    date = f"{night // 10000}-{night // 100 % 100:02d}-{night % 100:02d}" if night > 0 else ""
    exposed = f"{seconds:g} s" if seconds == seconds else ""
    return " · ".join(filter(None, (str(row["band"] or ""), exposed, date)))


def vocabulary():
    """Every reason with its key, label, rule, colour and whether it is on some CCDs as a rule, as plain values."""
    return [
        {
            "name": reason.name,
            "key": reason.key,
            "label": reason.label,
            "rule": reason.rule,
            "on_ccds": reason.on_ccds,
            "colour": palette.REASON_COLOURS[reason.name],
        }
        for reason in REASONS.values()
    ]
