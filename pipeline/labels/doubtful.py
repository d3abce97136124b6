"""Labels that are likely wrong: contradicted by another list, by votes, or by nearly all that looks alike.

- *lists*: an exposure is in a good list and in a bad one. The same exposure, or the same CCD, both good and bad cannot
  be right; a bad CCD of an exposure that another list calls good may only be the price of a rougher list.
- *votes*: the votes so far speak against the label and do not make a verdict yet.
- *neighbours*: nearly all labelled neighbours of its CCDs carry other labels: see `label_doubts`.

A verdict of votes under the policy, or a lead's decision, answers the doubt: it outranks the label in training (see
`training`), and the label stays on record.
"""

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.labels.neighbour_doubts import KEY, against_neighbours, few, reasons_of, rows_of
from triptych.pipeline.labels.suspicious import SUSPICIOUS
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.votes import verdicts as consensus
from triptych.pipeline.votes.versions import by_version

COLUMNS = ("camera", "expnum", "ccdnames", "image_id", "says", "source", "why", "against", "sure", "sentence")
COLUMNS += ("from_votes", "in_run", "answer")
WHYS = {
    "lists": "in a good list and in a bad one",
    "votes": "votes speak against it",
    "neighbours": "nearly all that looks alike is labelled otherwise",
}
ROUGHER = 0.5  # how sure it is that a label is wrong where a list of exposures meets a list of CCDs


def doubtful_labels(catalog: Catalog, store, *, policy: str = "majority", answered: bool = False) -> pd.DataFrame:
    """The doubtful labels of a run and its label store, the surest first: COLUMNS.

    ccdnames : those it is about, joined by commas, '' = the exposure as a whole. image_id : a CCD to look at, -1 where
    nothing is known of its CCDs. says : what the label says, good or reasons. source : where from. why : a name in
    WHYS. against : what speaks against it. sure : float64 in [0, 1]. from_votes : whether the row tells of votes.
    in_run : whether the exposure is in the run. answer : the verdict that has settled it, `good` or `bad`, '' before.
    answered : those that have an answer too.
    """
    labels, exposures = store.labels(), catalog.exposures()
    labels = _counting(labels)
    (votes, _), (decisions, _) = by_version(catalog, store.votes(), store.adjudications())
    verdicts = consensus.verdicts(votes, policy, catalog.panel, decisions)
    parts = [listed_both(labels), against_votes(labels, verdicts)]
    if catalog.has("prediction"):
        training = read_training_set(catalog, store, policy=policy).table
        parts.append(against_neighbours(catalog, labels, training))
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    found = found.merge(exposures[KEY].assign(in_run=True), on=KEY, how="left")
    found["in_run"] = found.in_run.notna()
    decided = verdicts[verdicts.verdict.isin(["good", "bad"])]
    found = found.merge(decided[KEY].assign(answer=decided.verdict.astype(object)), on=KEY, how="left")
    found["answer"] = found.answer.fillna("").astype(object)
    # the vote that settled an imported label is not itself asked about again
    asked = found.loc[~found.from_votes, "expnum"]
    found = found[~(found.from_votes & (found.why == "neighbours") & found.expnum.isin(asked))]
    found.loc[found.from_votes & (found.why == "neighbours"), "answer"] = ""
    found = found if answered else found[found.answer == ""]
    found = found.sort_values(["sure", "expnum", "why"], ascending=[False, True, True], ignore_index=True)
    return _with_images(catalog, found)[list(COLUMNS)]


def without_votes(catalog: Catalog, labels: pd.DataFrame) -> pd.DataFrame:
    """The rows that no vote has a part in, of the exposures of the run: camera, expnum, why; the lists first.

    labels : frame of the label store. Votes neither add a row nor take one away, so anybody may be given these.
    """
    labels = _counting(labels)
    parts = [listed_both(labels)]
    if catalog.has("prediction"):
        parts.append(against_neighbours(catalog, labels, pd.DataFrame()))
    found = pd.concat(parts, ignore_index=True)[[*KEY, "why"]]
    return found.merge(catalog.exposures()[KEY], on=KEY).drop_duplicates(ignore_index=True)


def _counting(labels: pd.DataFrame) -> pd.DataFrame:
    """The labels that can contradict: suspicious ones do not, nor do words that are no reason."""
    return labels[(labels.kind != SUSPICIOUS) & labels.reason.isin([*REASONS, GOOD, ""])]


def summary(found: pd.DataFrame) -> dict:
    """Counts of exposures as plain values: `n`, of them `in_run`, `answered`; by `why`, of those that wait."""
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

    labels : frame of the label store. A bad list that gives no reason, or one that maps to nothing, calls bad all the
    same. CCDs that are good on an exposure listed as bad are no contradiction where other CCDs are listed as bad.
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
    said: dict[tuple, tuple] = {}
    own = labels[[*KEY, "ccdname", "reason", "source"]].merge(wanted, on=KEY)
    for camera, expnum, ccdname, reason, source in own.itertuples(index=False, name=None):
        good, wholly, bad, reasons, ccds = said.setdefault((camera, expnum), ({}, {}, {}, set(), set()))
        (good if reason == GOOD else bad)[source] = True
        if reason == GOOD and ccdname == "":
            wholly[source] = True
        if reason != GOOD:
            reasons.add(reason)
            ccds.add(ccdname)
    rows = []
    for key, (good, wholly, bad, reasons, ccds) in sorted(said.items()):
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
    """Imported labels that more votes speak against than for, one row per exposure and source.

    verdicts : of `consensus.verdicts`. A good label of single CCDs is not against a bad exposure. sure : Laplace's rule
    of succession, (against + 1) / (votes + 2).
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


# ---- what all have in common


def _with_images(catalog: Catalog, found: pd.DataFrame) -> pd.DataFrame:
    """Add `image_id`: the first CCD that a row names, else the exposure's middle one; -1 where there is none."""
    ccds = catalog.ccds()
    ccds = ccds[ccds.expnum.isin(found.expnum)].sort_values("image_id")
    named = dict(zip(zip(ccds.expnum, ccds.ccdname, strict=True), ccds.image_id, strict=True))
    middle = ccds.groupby("expnum").image_id.agg(lambda own: own.iloc[len(own) // 2]).to_dict()
    rows = zip(found.expnum, found.ccdnames.str.split(",").str[0], strict=True)
    images = [named.get((expnum, name), middle.get(expnum, -1)) for expnum, name in rows]
    return found.assign(image_id=np.array(images, dtype=np.int64))
