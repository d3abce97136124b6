"""The written rule of a reason, and exposures of this survey that show it.

Examples come in this order: a lead's decisions, votes (those with the least dissent first), imported labels, and what
else taught the predictions. From votes only exposures are shown that this user may know of (see app.judging.viewer).
From labels, no exposure is shown whose known answer is still secret; those that wait for this user's vote come last.
"""

import numpy as np

from triptych.app.judging.evidence import predicted_images
from triptych.app.judging.queue import unjudged
from triptych.app.judging.viewer import Viewer
from triptych.app.palette import REASON_COLOURS
from triptych.app.survey.around import middle_image
from triptych.pipeline.errors import choose
from triptych.pipeline.export.explain import plain
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.reasons import REASONS

MOST = 6


def help_on(viewer: Viewer, name, *, assisted):
    """Rule and examples of one reason as plain values.

    Returns {name, label, key, colour, rule, spoils, harmless, examples: [{expnum, image_id, ccdname, why}]}.
    """
    reason = REASONS[choose(name, REASONS, "reason")]
    knowledge = viewer.knowledge()
    found = {}
    for source in (from_votes, from_labels, from_training):
        if len(found) < MOST:
            for expnum, ccdname, why in source(viewer, knowledge, name):
                found.setdefault(expnum, (ccdname, why))
    examples = []
    for expnum, (ccdname, why) in list(found.items())[:MOST]:
        image_id = viewer.survey.image_of(expnum, ccdname) if ccdname else None
        if image_id is None:
            image_id = telling_image(viewer.survey, knowledge, expnum, name, assisted)
        if image_id is not None:
            examples.append(
                {"expnum": expnum, "image_id": image_id, "ccdname": viewer.survey.ccd_of(image_id)[1], "why": why}
            )
    texts = {field: getattr(reason, field) for field in ("name", "label", "key", "rule", "spoils", "harmless")}
    return plain(texts | {"colour": REASON_COLOURS[name], "examples": examples})


def from_votes(viewer: Viewer, knowledge, name):
    """[(expnum, ccdname or '', why)] of bad exposures with this reason: a lead's decisions first, then by agreement."""
    if not len(knowledge.verdicts):
        return []
    table = knowledge.verdicts[knowledge.of_votes(knowledge.verdicts["expnum"].to_numpy(np.int64))]
    table = table[(table["verdict"] == "bad") & carries(table, name)]
    table = table[table["expnum"].isin(viewer.survey.exposures.index)]
    decisions = viewer.store.adjudications()
    decided = set(decisions.loc[carries(decisions, name), "expnum"].astype(int))
    votes = knowledge.votes[(knowledge.votes["judgement"] == "bad") & carries(knowledge.votes, name)]
    by_whole = votes[votes["ccdname"] == ""].groupby("expnum").size()
    ticked = votes[votes["ccdname"] != ""].groupby("expnum")["ccdname"].agg(lambda names: names.mode().iloc[0])
    rows = []
    for row in table.itertuples():
        expnum = int(row.expnum)
        n_votes = int(row.n_bad + row.n_good + row.n_unsure)
        n_named = int(by_whole.get(expnum, 0))
        if expnum in decided:
            why, order = "a lead's decision", (0, -n_named, expnum)
        else:
            why, order = f"{n_named} of {n_votes} said so", (1, n_votes - n_named, -n_named, expnum)
        rows.append((order, (expnum, str(ticked.get(expnum, "")), why)))
    return [found for _order, found in sorted(rows)]


def carries(table, name):
    """(n,) bool: rows whose `reasons` hold this one."""
    return np.array([name in reasons for reasons in table["reasons"]], bool)


def from_labels(viewer: Viewer, knowledge, name):
    """The same from imported labels, one of each list in turn. Exposures that wait for the user's vote come last."""
    labels = viewer.readable_labels()
    labels = labels[(labels["reason"] == name) & labels["expnum"].isin(viewer.survey.exposures.index)]
    waiting = unjudged(viewer)
    labels = labels.drop_duplicates("expnum")
    labels = labels.assign(waits=labels["expnum"].isin(waiting))
    labels = labels.assign(turn=labels.groupby(["waits", "source"]).cumcount())
    rows = labels.sort_values(["waits", "turn"], kind="stable").itertuples()
    return [(int(row.expnum), str(row.ccdname), f"listed in {row.source}") for row in rows]


def from_training(viewer: Viewer, knowledge, name):
    """The same from the training set of the predictions, without labels that `Viewer.hides`."""
    training = viewer.survey.training
    training = training[training["reason"] == name]
    training = training[~viewer.hides(training)]
    expnums = expnum_of(training["image_id"])
    images = training.loc[expnums.isin(viewer.survey.exposures.index), "image_id"]
    images = images[images.isin(viewer.survey.ccds.index)]
    first = images.groupby(expnum_of(images)).first()
    return [(*viewer.survey.ccd_of(image_id), "taught the predictions") for image_id in first]


def telling_image(survey, knowledge, expnum, name, assisted):
    """image_id of the CCD that shows a reason best.

    It is the CCD for which the model finds this reason likeliest, or the middle one if the user may not know that.
    """
    column = f"p_{name}"
    if not knowledge.of_opinion(np.array([expnum]), assisted)[0]:
        return middle_image(survey, expnum)
    rows = predicted_images(survey, expnum)
    if not len(rows) or column not in rows:
        return middle_image(survey, expnum)
    return int(rows[column].astype(float).idxmax())
