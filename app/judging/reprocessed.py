"""Exposures that were processed again, and who is asked to judge them again.

An exposure that moved much among the vectors comes first in the queue of everybody who judged its old version, and of
everybody else whose queue holds it. An exposure that did not move much is different. Those who judged its old version
are asked again only if the lead wants it, or once somebody has judged the new version, because old and new votes are
not counted together. When it comes back, they learn that somebody has judged it, but not how.
"""

import numpy as np

from triptych.app.judging.queue_table import facets_of, once_per_survey
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.ingest import reprocessed
from triptych.pipeline.votes.queue_order import in_packet


def changes_of(survey):
    """expnum -> changes of pipeline version, oldest first; see pipeline.ingest.reprocessed.changes."""
    return once_per_survey(survey, "reprocessed", lambda: reprocessed.changes(survey.catalog, survey.exposures))


def moved_much(survey):
    """expnums (a set) of exposures that moved much when they were last processed again."""
    rows = changes_of(survey)
    return once_per_survey(
        survey, "moved much", lambda: {expnum for expnum, own in rows.items() if own[-1]["moved_much"]}
    )


def fact_of(survey, expnum):
    """What a page says of an exposure that was processed again, as plain values. None for any other exposure.

    before, now : pipeline versions; moved : how far, 1 = as far as the distance to another exposure, None = not known
    much : whether it moved much, see MUCH in pipeline.ingest.reprocessed
    """
    rows = changes_of(survey).get(int(expnum))
    if not rows:
        return None
    moved, much = reprocessed.moved_since(rows)
    before, now = rows[-1]["plver_before"], rows[-1]["plver_now"]
    return {"before": before, "now": now, "moved": None if moved is None else round(moved, 2), "much": much}


def with_what_came_back(viewer: Viewer, offered, packet, ballots, settings):
    """(offered, first): the exposures that a queue offers this user, and those that come first; (n,) int64 expnums.

    offered : expnums that the packet holds. ballots : all users' current votes on this version
    """
    changed = changes_of(viewer.survey)
    if not changed:
        return offered, np.empty(0, np.int64)
    judged = {expnum: plver for expnum, plver in old_versions(viewer).items() if expnum in changed}
    anew = set(ballots["expnum"].astype(int))
    first, back, left_out = moved_much(viewer.survey) - set(judged), set(), set()
    for expnum, plver in judged.items():
        _moved, much = reprocessed.moved_since(changed[expnum], plver)
        if much:
            first.add(expnum)
        if much or settings.ask_again:
            back.add(expnum)
        elif much is False and expnum not in anew:
            left_out.add(expnum)
    back = np.array(sorted(back - set(offered.tolist())), dtype=np.int64)
    back = back[in_packet(facets_of(viewer.survey).reindex(back).fillna(""), packet)]
    offered = np.concatenate([offered[~np.isin(offered, list(left_out))], back])
    return offered, offered[np.isin(offered, list(first))]


def old_versions(viewer: Viewer):
    """expnum -> pipeline version of this user's newest vote, for exposures that have another version now."""
    own = viewer.store.ballots(viewer.catalog.camera, viewer.name)
    now = own["expnum"].map(viewer.survey.exposures["plver"])
    own = own[(own["plver"] != "") & now.notna() & (now != "") & (own["plver"] != now)]
    return dict(zip(own["expnum"].astype(int), own["plver"], strict=True))


def overtaken(survey, decisions):
    """(n,) bool: leads' decisions on an earlier version of exposures that have moved much since."""
    changed = changes_of(survey)
    pairs = zip(decisions["expnum"].astype(int), decisions["plver"], strict=True)
    return np.array([bool(reprocessed.moved_since(changed.get(expnum, []), plver)[1]) for expnum, plver in pairs], bool)
