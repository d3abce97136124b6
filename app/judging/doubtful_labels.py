"""The doubtful labels of a run, read once for all users, and which of them each user may see."""

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
    """The value of `make()` for this key, made once. A value for another key replaces it. Other threads wait."""
    with _lock:
        kept = _kept.setdefault(app.store, {})
        if what not in kept or kept[what][0] != key:
            kept[what] = (key, make())
        return kept[what][1]


def doubts(app) -> pd.DataFrame:
    """The doubtful labels of the run now, including settled ones: see pipeline.labels.doubtful.doubtful_labels."""
    catalog = app.catalog.refresh()
    key = (app.store.revision(), catalog.info["current"].get("prediction"))
    try:
        return _keep(app, "rows", key, lambda: _made(app, catalog))
    except (FileNotFoundError, StageStale):  # a stage is being replaced; the next request finds the new one
        return _made(app, catalog).iloc[:0]


def _made(app, catalog) -> pd.DataFrame:
    return doubtful_labels(catalog, app.store, answered=True, labels=app.record.labels())


def doubtful_facet(app) -> pd.Series:
    """expnum -> why its imported label is doubtful, separated by commas. Packets of the queue are cut by it.

    Any user may be given such a packet, so nothing in it depends on votes: an exposure stays in it after others have
    judged it. Exposures with a known answer are left out. In blind mode doubts that come from its neighbours are left
    out too, because they tell the model's opinion.
    """
    catalog = app.catalog.refresh()
    key = (app.store.n_labels(), catalog.info["current"].get("prediction"))
    found = _keep(app, "facet", key, lambda: without_votes(catalog, app.record.labels()))
    found = found[~found.expnum.isin(known_answers(app))]
    found = found[found.why != "neighbours"] if app.blind else found
    return found.groupby("expnum").why.agg(lambda own: ",".join(sorted(set(own)))).astype(object)


def known_to(viewer: Viewer, *, assisted) -> pd.DataFrame:
    """The rows of `doubts` in the run that this user may know. `answer` is '' where they may not know it.

    A lead sees all rows. Others see what comes from votes only after their own vote, what comes from the model only
    where they may know its opinion (see `Knowledge.of_opinion`), and an exposure with a known answer only after they
    have answered. What others vote never adds or removes a label that comes from a list.
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
