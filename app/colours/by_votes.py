"""Colourings that tell votes: verdict, disagreement, what waits for the user's own vote, model against people.

Each shows only what this user may know (see app.judging.viewer.Knowledge). An exposure with something to hide has the
same code as one with nothing to hide.
"""

import numpy as np
import pandas as pd

from triptych.app import palette
from triptych.app.colours.codes import classes


def by_exposure(scene, codes):
    """(n,) uint8: the code of each image's exposure. codes : Series by expnum; other exposures have code 0"""
    expnums = scene.images.exposures[0]
    return scene.images.spread(codes.reindex(expnums).fillna(0).to_numpy(np.uint8))


def by_verdict(scene):
    """The verdict by majority. A verdict that this user may not know is "open", as if nobody had judged."""
    names = ("good", "bad", "split")
    decided = scene.knowledge.known_verdicts()["verdict"].map({name: code for code, name in enumerate(names, start=1)})
    entries = [(name, palette.VERDICT_COLOURS[name], name[0], "") for name in names]
    return classes("verdict", "verdict", by_exposure(scene, decided), entries, "open")


def by_disagreement(scene):
    """How much the votes on an exposure differ, for exposures whose votes this user may know."""
    known = scene.knowledge.known_verdicts()
    counts = known[["n_bad", "n_good", "n_unsure"]].to_numpy(int)
    n_votes = counts.sum(axis=1)
    against = n_votes - counts.max(axis=1, initial=0)
    codes = np.select(
        [n_votes == 0, against == 0, (against == 1) & (n_votes > 2)],
        [0, np.where(n_votes > 1, 3, 4), 2],
        default=1,
    )
    entries = [
        ("no clear side", palette.VERDICT_COLOURS["split"], "n", "Votes differ, and no side has all but one"),
        ("one against the others", palette.DISAGREEMENT_COLOURS["one"], "1", "All votes but one are the same"),
        ("all agree", palette.DISAGREEMENT_COLOURS["agree"], "=", "Two votes or more, all the same"),
        ("one vote", palette.DISAGREEMENT_COLOURS["single"], "·", "Nobody else has judged it yet"),
    ]
    codes = by_exposure(scene, pd.Series(codes, known.index))
    return classes("disagreement", "votes", codes, entries, "not known to you")


def by_pending(scene):
    """Candidates that wait for this user's vote, and exposures that they have judged. Nothing waits for a user who
    cannot vote."""
    expnums = scene.images.exposures[0]
    candidates = np.isin(expnums, scene.viewer.survey.candidates.index.to_numpy(np.int64))
    own = scene.knowledge.own
    judged = np.isin(expnums, np.fromiter(own, np.int64, len(own)))
    codes = np.where(judged, 2, candidates & (scene.knowledge.viewer.can_vote)).astype(np.uint8)
    entries = [
        ("waits for you", palette.VERDICT_COLOURS["split"], "w", "A candidate without your vote"),
        ("judged by you", palette.GOOD_COLOUR, "j", "Exposures with your own vote"),
    ]
    return classes("pending", "your votes", scene.images.spread(codes), entries, "no candidate")


def by_contradiction(scene):
    """Where the model and the votes agree and where not. The model calls candidates bad, the votes by majority."""
    known = scene.knowledge.known_verdicts()["verdict"]
    known = known[known.isin(("good", "bad"))]
    expnums = known.index.to_numpy(np.int64)
    scored = np.isin(expnums, scene.viewer.survey.scored.index.to_numpy(np.int64))
    known = known[scored & scene.knowledge.of_opinion(expnums, scene.assisted)]
    model_bad = np.isin(known.index.to_numpy(np.int64), scene.viewer.survey.candidates.index.to_numpy(np.int64))
    people_bad = (known == "bad").to_numpy()
    codes = known.map({"good": 0, "bad": 0}).mask(
        np.ones(len(known), bool),
        np.select([model_bad & ~people_bad, ~model_bad & people_bad, people_bad], [1, 2, 3], 4),
    )
    colours = palette.CONTRADICTION_COLOURS
    entries = [
        ("model bad, people good", colours["model"], "m", "A candidate that the majority calls good"),
        ("model good, people bad", colours["people"], "p", "No candidate, and the majority calls it bad"),
        ("both bad", palette.VERDICT_COLOURS["bad"], "b", "A candidate that the majority calls bad"),
        ("both good", palette.GOOD_COLOUR, "g", "No candidate, and the majority calls it good"),
    ]
    return classes("contradiction", "model, people", by_exposure(scene, codes), entries, "unknown")
