"""Labels that are likely wrong, because another list, the votes or the neighbours contradict them.

- *lists*: an exposure is in a good list and in a bad one. One of the two must be wrong if they speak of the same
  exposure or of the same CCD. If a bad CCD belongs to an exposure that another list calls good, both may be right:
  the list of exposures may just be coarser.
- *votes*: more votes speak against the label than for it, but there is no verdict yet.
- *neighbours*: nearly all labelled neighbours of its CCDs have other labels: see `neighbour_doubts`.

A verdict under the policy, or a lead's decision, settles the doubt. It outranks the label in training (see
`training_set`). The label itself stays on record.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.labels.neighbour_doubts import KEY, against_neighbours, few, reasons_of, rows_of
from triptych.pipeline.labels.suspicious import SUSPICIOUS
from triptych.pipeline.labels.training_set import read_labels
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.votes import verdicts as consensus
from triptych.pipeline.votes.versions import by_version

COLUMNS = ("camera", "expnum", "ccdnames", "image_id", "says", "source", "why", "against", "sure", "sentence")
COLUMNS += ("from_votes", "in_run", "answer")
WHYS = {
    "lists": "in a good list and in a bad one",
    "votes": "votes speak against it",
    "neighbours": "nearly all similar images have another label",
}
ROUGHER = 0.5  # how sure we are that a label is wrong if a list of exposures contradicts a list of CCDs


def doubtful_labels(
    catalog: Catalog,
    store,
    *,
    policy: str = "majority",
    answered: bool = False,
    labels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The doubtful labels of a run and its label store, the surest first: COLUMNS.

    ccdnames : the CCDs that the label names, joined by commas, '' = the whole exposure. image_id : a CCD to look at,
    -1 if the run has no CCD of it. says : what the label says, `good` or reasons. source : the list it comes from.
    why : a key of WHYS. against : what speaks against the label. sure : float64 in [0, 1], how sure we are that it is
    wrong. from_votes : whether the row reveals votes. in_run : whether the run has the exposure. answer : the verdict
    that has settled it, `good` or `bad`, '' if none. answered : also return the rows that have an answer. labels :
    those of the store, if they were read already.
    """
    exposures = catalog.exposures()
    every = store.labels() if labels is None else labels
    labels = _counting(every)
    (votes, _), (decisions, _) = by_version(catalog, store.votes(), store.adjudications())
    verdicts = consensus.verdicts(votes, policy, catalog.panel, decisions)
    parts = [listed_both(labels), against_votes(labels, verdicts)]
    if catalog.has("prediction"):
        drawn = set(store.draws(catalog.camera).expnum)
        training = read_labels(catalog, store, policy=policy, drawn=drawn, only=votes.expnum, labels=every).table
        parts.append(against_neighbours(catalog, labels, training))
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    found = found.merge(exposures[KEY].assign(in_run=True), on=KEY, how="left")
    found["in_run"] = found.in_run.notna()
    decided = verdicts[verdicts.verdict.isin(["good", "bad"])]
    found = found.merge(decided[KEY].assign(answer=decided.verdict.astype(object)), on=KEY, how="left")
    found["answer"] = found.answer.fillna("").astype(object)
    # do not ask again about the vote that has settled an imported label
    doubted_in_lists = found.loc[~found.from_votes, "expnum"]
    found = found[~(found.from_votes & (found.why == "neighbours") & found.expnum.isin(doubted_in_lists))]
    found.loc[found.from_votes & (found.why == "neighbours"), "answer"] = ""
    found = found if answered else found[found.answer == ""]
    found = found.sort_values(["sure", "expnum", "why"], ascending=[False, True, True], ignore_index=True)
    return _with_images(catalog, found)[list(COLUMNS)]


def without_votes(catalog: Catalog, labels: pd.DataFrame) -> pd.DataFrame:
    """The rows that do not depend on votes, for exposures of the run: camera, expnum, why. Rows from lists come first.

    labels : frame of the label store. Votes neither add nor remove a row, so any user may see these rows.
    """
    labels = _counting(labels)
    parts = [listed_both(labels)]
    if catalog.has("prediction"):
        parts.append(against_neighbours(catalog, labels, pd.DataFrame()))
    found = pd.concat(parts, ignore_index=True)[[*KEY, "why"]]
    return found.merge(catalog.exposures()[KEY], on=KEY).drop_duplicates(ignore_index=True)


def _counting(labels: pd.DataFrame) -> pd.DataFrame:
    """The labels that can contradict each other: without suspicious ones and without words that are no reason."""
    return labels[(labels.kind != SUSPICIOUS) & labels.reason.isin([*REASONS, GOOD, ""])]


def summary(found: pd.DataFrame) -> dict:
    """Numbers of exposures, as plain values: `n` unanswered, of them `in_run`, `answered`, and unanswered by `why`."""
    waits = found[found.answer == ""]
    return {
        "n": int(waits.expnum.nunique()),
        "in_run": int(waits.loc[waits.in_run, "expnum"].nunique()),
        "answered": int(found.loc[found.answer != "", "expnum"].nunique()),
        "why": {why: int(waits.loc[waits.why == why, "expnum"].nunique()) for why in WHYS},
    }


# ---- two lists


def listed_both(labels: pd.DataFrame) -> pd.DataFrame:
    """Exposures that imported labels call both good and bad, one row each.

    labels : frame of the label store. A list of bad exposures without a reason, or with an unknown one, still says
    bad. A good CCD of an exposure that is listed as bad is no contradiction if other CCDs of it are listed as bad.
    """
    good = labels.reason == GOOD
    sides = {
        (side, whole): labels[(good == side) & ((labels.ccdname == "") == whole)]
        for side in (True, False)
        for whole in (True, False)
    }
    keys = {name: set(zip(own.camera, own.expnum, strict=True)) for name, own in sides.items()}
    same_ccd = sides[True, False][[*KEY, "ccdname"]].merge(sides[False, False][[*KEY, "ccdname"]]).drop_duplicates()
    named = same_ccd.groupby(KEY).ccdname.agg(lambda own: ",".join(sorted(own))).to_dict()
    whole = keys[True, True] & keys[False, True]
    rougher = (keys[True, True] & keys[False, False]) | ((keys[True, False] & keys[False, True]) - keys[False, False])
    wanted = pd.DataFrame(sorted(whole | rougher | set(named)), columns=KEY)
    if wanted.empty:
        return rows_of([])
    by_exposure: dict[tuple, tuple] = {}
    own = labels[[*KEY, "ccdname", "reason", "source"]].merge(wanted, on=KEY)
    for camera, expnum, ccdname, reason, source in own.itertuples(index=False, name=None):
        good, wholly, bad, reasons, ccds = by_exposure.setdefault((camera, expnum), ({}, {}, {}, set(), set()))
        (good if reason == GOOD else bad)[source] = True
        if reason == GOOD and ccdname == "":
            wholly[source] = True
        if reason != GOOD:
            reasons.add(reason)
            ccds.add(ccdname)
    rows = []
    for key, (good, wholly, bad, reasons, ccds) in sorted(by_exposure.items()):
        rough = key not in whole and key not in named
        where = "" if key in whole else ",".join(sorted(ccds - {""})) if rough else named[key]
        reason, by, against = reasons_of(reasons), ", ".join(wholly or good), ", ".join(bad)
        sentence = f"{by} says good{' of the whole exposure' if rough and where else ''}; {against} says "
        sentence += (reason or "bad, without a known reason") + (f" of {few(where.split(','))}" if where else "") + "."
        sure = ROUGHER if rough else 1.0
        rows.append((*key, where, GOOD, by, "lists", f"{reason or 'bad'} ({against})", sure, sentence, False))
    return rows_of(rows)


# ---- votes


def against_votes(labels: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Imported labels with more votes against them than for them, one row per exposure and source.

    verdicts : from `verdicts.verdicts`. A good label of single CCDs does not contradict a bad exposure. sure :
    Laplace's rule of succession, (against + 1) / (votes + 2).
    """
    counted = verdicts.set_index(KEY)[["n_bad", "n_good"]]
    own = labels[(labels.reason == GOOD) & (labels.ccdname == "") | labels.reason.isin(list(REASONS))]
    own = own.merge(counted, left_on=KEY, right_index=True)
    own["good"] = own.reason == GOOD
    own["n_against"] = np.where(own.good, own.n_bad, own.n_good)
    own["n_for"] = np.where(own.good, own.n_good, own.n_bad)
    rows = []
    for (camera, expnum, source, good), part in own[own.n_against > own.n_for].groupby([*KEY, "source", "good"]):
        n, n_votes = int(part.n_against.iloc[0]), int((part.n_against + part.n_for).iloc[0])
        ccds = ",".join(sorted(set(part.ccdname))) if (part.ccdname != "").all() else ""
        says, other = (GOOD, "bad") if good else (reasons_of(part.reason), GOOD)
        sentence = f"{source} says {says}; {n} of {n_votes} {'votes say' if n_votes > 1 else 'vote says'} {other}."
        rows.append((camera, int(expnum), ccds, says, source, "votes", other, (n + 1) / (n_votes + 2), sentence, True))
    return rows_of(rows)

    # ---- for all rows


def _with_images(catalog: Catalog, found: pd.DataFrame) -> pd.DataFrame:
    """Add `image_id`: the first CCD that a row names, else the exposure's middle CCD; -1 if the run has none."""
    ccds = catalog.ccds_of(pd.unique(found.expnum), ["image_id", "expnum", "ccdname"]).sort_values("image_id")
    named = dict(zip(zip(ccds.expnum, ccds.ccdname, strict=True), ccds.image_id, strict=True))
    middle = ccds.groupby("expnum").image_id.agg(lambda own: own.iloc[len(own) // 2]).to_dict()
    rows = zip(found.expnum, found.ccdnames.str.split(",").str[0], strict=True)
    images = [named.get((expnum, name), middle.get(expnum, -1)) for expnum, name in rows]
    return found.assign(image_id=np.array(images, dtype=np.int64))
