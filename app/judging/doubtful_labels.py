"""The doubtful labels of a run, read once for everybody, and which of them a user may know of."""

import threading
import weakref

import numpy as np
import pandas as pd

from triptych.app.judging.viewer import Viewer, known_answers
from triptych.pipeline.errors import StageStale
from triptych.pipeline.labels.doubtful import doubtful_labels, without_votes

_lock = threading.RLock()
_kept = weakref.WeakKeyDictionary()  # store -> {what: (key, value)}


def _keep(app, what, key, make):
    """The last value made for a key; another key takes its place. One thread makes it, the others wait."""
    with _lock:
        kept = _kept.setdefault(app.store, {})
        if what not in kept or kept[what][0] != key:
            kept[what] = (key, make())
        return kept[what][1]


def doubts(app) -> pd.DataFrame:
    """pipeline.labels.doubtful.doubtful_labels of the run as it is now, the settled ones too."""
    catalog = app.catalog.refresh()
    key = (app.store.revision(), catalog.info["current"].get("prediction"))
    try:
        return _keep(app, "rows", key, lambda: doubtful_labels(catalog, app.store, answered=True))
    except (FileNotFoundError, StageStale):  # a stage is being taken away; the next question finds the new one
        return doubtful_labels(catalog, app.store, answered=True).iloc[:0]


def doubtful_facet(app) -> pd.Series:
    """expnum -> why its imported label is doubtful, commas between, for packets that anybody may be given.

    Nothing in it comes from votes or goes by them: an exposure stays in it when others have judged it. Exposures with a
    known answer are left out, and where the model's opinion is hidden so is what its neighbours say.
    """
    catalog = app.catalog.refresh()
    key = (app.store.n_labels(), catalog.info["current"].get("prediction"))
    found = _keep(app, "facet", key, lambda: without_votes(catalog, app.store.labels()))
    found = found[~found.expnum.isin(known_answers(app))]
    found = found[found.why != "neighbours"] if app.blind else found
    return found.groupby("expnum").why.agg(lambda own: ",".join(sorted(set(own)))).astype(object)


def known_to(viewer: Viewer, *, assisted) -> pd.DataFrame:
    """The rows of `doubts` in the run that this user may know, `answer` blank where they may not know it.

    A lead who does not vote knows all. Others know of votes after their own, of the model's opinion where it is shown
    (`assisted`), and of a known answer once they have given theirs; a label from a list never comes or goes by what
    others say.
    """
    rows = doubts(viewer.app)
    rows = rows[rows.in_run]
    if viewer.is_lead:
        return rows
    knowledge, expnums = viewer.knowledge(), rows.expnum.to_numpy(np.int64)
    sees_votes = knowledge.of_votes(expnums)
    may = ~rows.from_votes.to_numpy() | sees_votes
    may &= (rows.why != "neighbours").to_numpy() | knowledge.of_opinion(expnums, assisted)
    may &= ~rows.expnum.isin(viewer.secret_answers()).to_numpy()
    return rows.assign(answer=rows.answer.where(sees_votes, ""))[may]
