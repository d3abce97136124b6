"""What the page shows beside one exposure at this moment.

Before a user's own vote these functions give nothing of others' votes. `Viewer.may_hear_opinion` says whether they give
the model's opinion. A labelled neighbour is left out if `Viewer.hides` its label.
"""

import numpy as np

from triptych.app.judging import repeats
from triptych.app.judging.viewer import Viewer
from triptych.app.judging.votes import own_votes
from triptych.app.survey.around import around, with_own
from triptych.pipeline.classifier.candidates import RULES
from triptych.pipeline.export.explain import plain
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.votes.verdicts import verdicts

SUSPICIOUS_CCDS = 3  # most CCDs of an exposure whose neighbours are shown
LIKELY_GOOD = 0.5
NEIGHBOURS = 12
EXPOSURE_FACTS = ("filter", "band", "mjd_obs", "night", "exptime", "ra", "dec", "airmass", "object", "propid", "plver")
VOTE_FACTS = ("judgement", "reasons", "comment", "created_utc", "via")


def evidence_of(viewer: Viewer, expnum, *, assisted):
    """What this user may know about one exposure, as a dict of plain values (JSON) for the page.

    exposure : header facts; camera : its name; voted : bool; mine : own vote or None
    model : None while it is hidden, or else what `model_opinion` gives
    context : exposures taken around it, see `app.survey.around.around`
    neighbours : [] while the model is hidden, or else [{image_id, expnum, ccdname, reason, distance, of_ccdname}],
    nearest first
    others, verdict : None before the own vote, then [{inspector, judgement, reasons, comment}] and {verdict, n_bad, ..}
    old : own vote on another pipeline version {plver, judgement, reasons, ..}, or None. After the own vote on this
    version it also holds the others' votes on other versions (`others`)
    """
    frames = around(viewer.survey, expnum)
    own = repeats.as_shown(viewer, own_votes(viewer, [expnum, *(frame["expnum"] for frame in frames)]))
    own = own[(own["ccdname"] == "").to_numpy()]
    here = viewer.survey.in_this_version(own)
    before = own[~here & (own["expnum"] == expnum).to_numpy()]
    own = own[here]
    mine = own[own["expnum"] == expnum]
    voted = len(mine) > 0
    shown = viewer.may_hear_opinion(assisted=assisted, voted=voted)
    answer = {
        "expnum": expnum,
        "exposure": plain(viewer.survey.exposures.loc[expnum, list(EXPOSURE_FACTS)].to_dict()),
        "camera": str(viewer.survey.exposures.loc[expnum].get("camera") or viewer.catalog.camera),
        "stage": viewer.survey.prediction_id,
        "assisted": assisted,
        "voted": voted,
        "mine": own_vote(mine.iloc[-1]) if voted else None,
        "model": model_opinion(viewer.survey, expnum) if shown else None,
        "neighbours": labelled_neighbours(viewer, expnum) if shown else [],
        "context": with_own(frames, own),
        "others": None,
        "verdict": None,
        "old": {"plver": str(before["plver"].iloc[-1]), **own_vote(before.iloc[-1])} if len(before) else None,
    }
    if voted:
        answer |= others_opinion(viewer, expnum)
        if answer["old"]:
            answer["old"]["others"] = old_opinions(viewer, expnum)
    return answer


def old_opinions(viewer: Viewer, expnum):
    """The others' current votes on other pipeline versions of an exposure. Call it only after the user's own vote.

    It notes that the user has seen them.
    """
    votes = viewer.store.votes(expnum=expnum, current=True)
    votes = votes[~viewer.survey.in_this_version(votes) & (votes["ccdname"] == "").to_numpy()]
    votes = votes[votes["inspector"] != viewer.name]
    if len(votes):
        viewer.note_seen([expnum])
    wanted = ("inspector", "judgement", "reasons", "comment", "plver")
    return [plain({name: row[name] for name in wanted}) for row in votes.sort_values("vote_id").to_dict("records")]


def own_vote(row):
    """The user's own vote as plain values. Its vote_id is a `receipt`, which tells nothing of the others' votes."""
    return {"vote_id": repeats.receipt(row["client_vote_id"])} | plain(row[list(VOTE_FACTS)].to_dict())


def model_opinion(survey, expnum):
    """What the predictions say about an exposure and each of its CCDs. None if it has no predictions.

    stage : id of the prediction; n_sampled : number of sampled CCDs; is_candidate : bool
    ccds : {ccdname: {p_bad, reason, bad_reason, sampled}}; bad_reason is the likeliest reason that is not good
    exposure_probability : probability that the exposure is bad; None if the predictions do not hold it
    taught : number of labelled exposures that calibrated that probability; 0 = it is not calibrated, None = not known
    learners : True if learners gave the probabilities, False if they are shares of the nearest labelled images
    If the exposure was scored, also: rule, asks (see `asks_of`), bad_probability, n_bad of n_counted CCDs, reasons
    """
    rows = predicted_images(survey, expnum)
    if not len(rows):
        return None
    sampled = survey.ccds.loc[rows.index, "sampled"].to_numpy(bool)
    ccds = {
        str(ccdname): {
            "p_bad": round(1.0 - float(p_good), 4),
            "reason": str(reason),
            "bad_reason": bad_reason,
            "sampled": bool(in_sample),
        }
        for ccdname, p_good, reason, bad_reason, in_sample in zip(
            rows["ccdname"], rows["p_good"], rows["reason"], bad_reasons(rows), sampled, strict=True
        )
    }
    opinion = {"stage": survey.prediction_id, "ccds": ccds, "n_sampled": int(sampled.sum())}
    opinion["is_candidate"] = bool(expnum in survey.candidates.index)
    opinion["learners"] = survey.learners
    chance = rows["exposure_probability"].iloc[0] if "exposure_probability" in rows else np.nan
    opinion["exposure_probability"] = plain(round(float(chance), 4))
    opinion["taught"] = survey.exposures_taught
    if expnum in survey.scored.index:
        scored = survey.scored.loc[expnum]
        rule = str(scored.get("rule", ""))
        opinion |= plain(
            {
                "rule": rule,
                "asks": asks_of(rule, int(scored["n_ccds"])),
                "bad_probability": float(scored["bad_probability"]),
                "n_bad": int(scored["n_bad_ccds"]),
                "n_counted": int(scored["n_ccds"]),
                "reasons": str(scored["reasons"]),
            }
        )
    return opinion


def predicted_images(survey, expnum):
    """The rows of the prediction, with all columns, of the images of an exposure that the run has."""
    rows = survey.predicted(expnum)
    return rows[rows.index.isin(survey.images_of(expnum))]


def bad_reasons(rows):
    """For each row of a prediction the likeliest reason that is not good. All '' if the rows hold no probabilities of
    reasons."""
    names = [name for name in REASONS if f"p_{name}" in rows]
    if not names:
        return [""] * len(rows)
    best = rows[[f"p_{name}" for name in names]].to_numpy(float).argmax(axis=1)
    return [names[place] for place in best]


def asks_of(rule, n_counted):
    """What a candidate rule asks of an exposure with n_counted CCDs that count, as plain values. None = unknown rule.

    whole : True if the rule compares the exposure's own probability, False if it counts CCDs
    above : the probability above which the exposure, or a CCD, counts as bad
    needed : how many CCDs must be above it; 0 for a rule about the whole exposure
    """
    if rule not in RULES:
        return None
    settings = RULES[rule]
    needed = 0 if settings.whole else int(settings.needed(n_counted))
    return {"whole": settings.whole, "above": settings.above, "needed": needed}


def labelled_neighbours(viewer: Viewer, expnum):
    """The labelled images nearest to the worst CCDs of an exposure, nearest first.

    The worst CCDs are at most SUSPICIOUS_CCDS that are more likely bad than good, or else the single worst one. CCDs
    that look good are left out. Hundreds of good images are nearer to them, and would hide the neighbours that matter.
    """
    rows = predicted_images(viewer.survey, expnum)
    if not len(rows) or "neighbour_ids" not in rows:
        return []
    worst = rows.sort_values("p_good", kind="stable").head(SUSPICIOUS_CCDS)
    worst = worst[(worst["p_good"] < LIKELY_GOOD) | (np.arange(len(worst)) == 0)]
    near = np.concatenate([np.asarray(ids, np.int64) for ids in worst["neighbour_ids"]])
    training = viewer.survey.training
    training = training[training["image_id"].isin(near)]
    hidden = set(training.loc[viewer.hides(training), "image_id"])
    nearest = {}
    for row in worst.itertuples():
        for image_id, distance in zip(row.neighbour_ids, row.neighbour_distances, strict=True):
            known = nearest.get(int(image_id))
            allowed = expnum_of(int(image_id)) != expnum and int(image_id) not in hidden
            if allowed and (known is None or distance < known[0]):
                nearest[int(image_id)] = (float(distance), str(row.ccdname))
    names = viewer.survey.reason_names(list(nearest))
    found = [
        {
            "image_id": image_id,
            "expnum": expnum_of(image_id),
            "ccdname": names[image_id][0],
            "reason": names[image_id][1],
            "distance": round(distance, 4),
            "of_ccdname": of_ccdname,
        }
        for image_id, (distance, of_ccdname) in nearest.items()
        if image_id in names
    ]
    return sorted(found, key=lambda neighbour: (neighbour["distance"], neighbour["image_id"]))[:NEIGHBOURS]


def others_opinion(viewer: Viewer, expnum):
    """The others' current votes and the verdict of all votes. Call it only after the user's own vote.

    It notes that the user has seen them.
    """
    votes = viewer.store.votes(expnum=expnum, current=True)
    votes = votes[viewer.survey.in_this_version(votes)]
    whole = votes[votes["ccdname"] == ""]
    others = whole[whole["inspector"] != viewer.name]
    if len(others):
        viewer.note_seen([expnum])
    decisions = viewer.store.adjudications()
    decisions = decisions[viewer.survey.in_this_version(decisions)]
    verdict = verdicts(votes, "majority", viewer.catalog.panel, decisions)
    verdict = verdict[verdict["expnum"] == expnum] if "expnum" in verdict else verdict.loc[[expnum]]
    return {
        "others": [
            plain({name: row[name] for name in ("inspector", "judgement", "reasons", "comment")})
            for row in others.sort_values("vote_id").to_dict("records")
        ],
        "verdict": plain(verdict.iloc[0].to_dict()) if len(verdict) else None,
    }
