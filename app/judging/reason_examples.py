"""The written rule of a reason, and exposures of this survey that show it, the best agreed first.

An example is what people agreed on: a lead's decision, then votes without dissent, then imported labels. From votes,
only exposures that this user may know of (see app.judging.knowledge); from labels, none whose known answer is mixed
into queues before he has judged it, and last those that still wait for his vote.
"""

import numpy as np

from triptych.app.judging.evidence import hidden_labels
from triptych.app.judging.knowledge import Sight
from triptych.app.judging.known_answers import readable_labels
from triptych.app.judging.queue import unjudged
from triptych.app.palette import REASON_COLOURS
from triptych.app.survey.around import middle_image
from triptych.pipeline.errors import choose
from triptych.pipeline.export.explain import plain
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.reasons import REASONS

MOST = 6


def help_on(app, survey, user, name, *, assisted):
    """Rule and examples of one reason as plain values.

    Returns {name, label, key, colour, rule, spoils, harmless, examples: [{expnum, image_id, ccdname, why}]}.
    """
    reason = REASONS[choose(name, REASONS, "reason")]
    sight = Sight.of(app, survey, user)
    found = {}
    for source in (from_votes, from_labels, from_training):
        if len(found) < MOST:
            for expnum, ccdname, why in source(app, survey, user, sight, name):
                found.setdefault(expnum, (ccdname, why))
    examples = []
    for expnum, (ccdname, why) in list(found.items())[:MOST]:
        image_id = survey.image_of(expnum, ccdname) if ccdname else None
        if image_id is None:
            image_id = telling_image(survey, sight, expnum, name, assisted)
        if image_id is not None:
            examples.append({"expnum": expnum, "image_id": image_id, "ccdname": survey.ccd_of(image_id)[1], "why": why})
    texts = {field: getattr(reason, field) for field in ("name", "label", "key", "rule", "spoils", "harmless")}
    return plain(texts | {"colour": REASON_COLOURS[name], "examples": examples})


def from_votes(app, survey, user, sight, name):
    """(expnum, ccdname or '', why) of bad exposures with this reason: decided by a lead, then by agreement."""
    if not len(sight.verdicts):
        return []
    table = sight.verdicts[sight.sees_verdict(sight.verdicts["expnum"].to_numpy(np.int64))]
    table = table[(table["verdict"] == "bad") & carries(table, name)]
    table = table[table["expnum"].isin(survey.exposures.index)]
    decisions = app.store.adjudications()
    decided = set(decisions.loc[carries(decisions, name), "expnum"].astype(int))
    votes = sight.votes[(sight.votes["judgement"] == "bad") & carries(sight.votes, name)]
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


def from_labels(app, survey, user, sight, name):
    """The same of imported labels, in the order of the lists, every list in turn."""
    labels = readable_labels(app, user)
    labels = labels[(labels["reason"] == name) & labels["expnum"].isin(survey.exposures.index)]
    waiting = unjudged(app, survey, user)
    labels = labels.drop_duplicates("expnum")
    labels = labels.assign(waits=labels["expnum"].isin(waiting))
    labels = labels.assign(turn=labels.groupby(["waits", "source"]).cumcount())
    rows = labels.sort_values(["waits", "turn"], kind="stable").itertuples()
    return [(int(row.expnum), str(row.ccdname), f"listed in {row.source}") for row in rows]


def from_training(app, survey, user, sight, name):
    """The same of what else taught the predictions: labels that come from no votes this user may not know."""
    training = survey.training
    training = training[training["reason"] == name]
    hidden = hidden_labels(app, survey, user) if len(training) else set()
    training = training[~training["image_id"].isin(hidden)]
    expnums = expnum_of(training["image_id"])
    images = training.loc[expnums.isin(survey.exposures.index), "image_id"]
    images = images[images.isin(survey.ccds.index)]
    first = images.groupby(expnum_of(images)).first()
    return [(*survey.ccd_of(image_id), "taught the predictions") for image_id in first]


def telling_image(survey, sight, expnum, name, assisted):
    """The CCD that shows a reason best: the model's most suspicious one where its opinion may be known, else the
    middle one."""
    images = np.intersect1d(survey.images_of(expnum), survey.prediction.index.to_numpy())
    column = f"p_{name}"
    may = bool(sight.sees_opinion(survey, np.array([expnum]), assisted)[0])
    if not may or not len(images) or column not in survey.prediction:
        return middle_image(survey, expnum)
    return int(survey.prediction.loc[images, column].astype(float).idxmax())
