"""Which images teach what: from votes and imported labels to one row per training image, with its origin.

Rules, in order:

1. A vote outranks an imported label. Votes on another pipeline version of an exposure do not teach. A lead's decision
   outranks the votes and is a judgement of the whole exposure.
2. If inspectors judged an exposure as a whole and the verdict is good, all its CCDs teach good.
3. If that verdict is bad, the CCDs that the inspectors ticked teach its reasons: those that are bad under the same
   policy, else all that anybody ticked. If none was ticked, the CCDs that the model found bad teach them; if there are
   none of these, all CCDs do. Other CCDs of the exposure teach nothing by this rule.
4. If an exposure was only judged CCD by CCD, each CCD teaches its own verdict.
5. An imported label teaches with the CCD it names, or with all CCDs of the exposure it names.
6. A word that is no known reason is counted in `unmapped` and never teaches good. An image on which lists disagree
   (good and a reason) teaches nothing, nor does a split verdict. A bad verdict without a reason takes the reason of
   the imported labels, else the one that the model finds likeliest.
7. A list of suspicious good exposures teaches nothing and contradicts nothing: see `suspicious`.
8. Of a class with more than 12,000 images in lists, as many teach: see `enough`.
9. An exposure that was drawn for measurements (a known answer, or the random control) never teaches. Its votes and
   labels are removed before all other rules. See `gain`.

`training_weights` says what a label rests on, and how much it counts in a fit.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.labels import enough
from triptych.pipeline.labels.suspicious import SUSPICIOUS
from triptych.pipeline.labels.training_weights import BASES, BASES_OF_VOTES, WEIGHTS, basis_of_verdicts, weights
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.votes import verdicts as consensus

COLUMNS = ("image_id", "expnum", "ccdname", "reasons", "source", "provenance", "basis", "weight")
PROVENANCES = ("ticked", "candidate_ccds", "whole_exposure", "annotation", "label_list", "truth", "unlisted")
LONG = ("image_id", "expnum", "reason", "source", "provenance", "whole", "basis", "weight")
FROM_LISTS = ("label_list", "truth", "unlisted")  # the provenances without any vote
FLAGGED_ABOVE = 0.9
ORDER = {name: place for place, name in enumerate([*REASONS, GOOD])}


@dataclass(frozen=True)
class TrainingSet:
    """What the labels teach, and what was left out.

    table : one row per image, sorted by image_id: COLUMNS. `reasons` is a tuple, ("good",) if nothing is wrong.
    `basis` and `weight` (float64 in (0, 1]) are explained in `training_weights`.
    answers : expnum -> True if the exposure is bad, by its verdict, else because any of its labelled CCDs is bad.
    unmapped : each word of a label or vote that is no known reason -> number of rows with it.
    left_out : why something does not teach -> number of images (or votes, exposures, CCDs).
    """

    table: pd.DataFrame
    answers: dict[int, bool]
    unmapped: Counter = field(default_factory=Counter)
    left_out: Counter = field(default_factory=Counter)

    def report(self) -> dict:
        """Counts as plain values, for a stage's JSON or for the screen."""
        counts = Counter(reason for reasons in self.table.reasons for reason in reasons)
        return {
            "images": len(self.table),
            "exposures": int(self.table.expnum.nunique()),
            "reasons": {name: counts[name] for name in ORDER if counts[name]},
            "provenance": {name: int(n) for name, n in self.table.provenance.value_counts().sort_index().items()},
            "basis": {name: int(n) for name in BASES if (n := (self.table.basis == name).sum())},
            "unmapped": dict(sorted(self.unmapped.items())),
            "left_out": dict(sorted(self.left_out.items())),
        }


def training_set(
    ccds: pd.DataFrame,
    exposures: pd.DataFrame,
    votes: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    policy: str = "majority",
    panel: int = 3,
    prediction: pd.DataFrame | None = None,
    decisions: pd.DataFrame | None = None,
    drawn: Collection[int] = (),
    most: int | None = enough.MOST_IMAGES,
) -> TrainingSet:
    """Turn votes and labels into training images under a named policy.

    ccds, exposures : tables of the run. votes, labels : frames of the label store. prediction : the table from which
    the inspectors' candidates came; without it, a bad exposure without ticks teaches with all its CCDs. decisions : of
    leads, from `LabelStore.adjudications()`. drawn : expnums of exposures that are for measurements and never teach.
    most : images of a class that lists teach, see `enough`; None = all.
    """
    if "n_ccds" not in exposures:
        exposures = exposures.assign(n_ccds=exposures.expnum.map(ccds.groupby("expnum").size()).fillna(0).astype(int))
    predicted = None if prediction is None else lambda expnums: prediction[expnum_of(prediction.image_id).isin(expnums)]
    return _training_set(
        lambda expnums: ccds[ccds.expnum.isin(expnums)],
        exposures,
        votes,
        labels,
        policy=policy,
        panel=panel,
        predicted=predicted,
        decisions=decisions,
        drawn=drawn,
        most=most,
    )


def _training_set(
    ccds_of: Callable[[np.ndarray], pd.DataFrame],
    exposures: pd.DataFrame,
    votes: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    policy: str,
    panel: int,
    predicted: Callable[[np.ndarray], pd.DataFrame] | None,
    decisions: pd.DataFrame | None,
    drawn: Collection[int],
    most: int | None,
) -> TrainingSet:
    """As `training_set`. ccds_of, predicted : return the rows of some exposures, (n,) expnums, and read no others."""
    unmapped, left_out = Counter(), Counter()
    measures = exposures.expnum.isin(list(drawn))
    if measures.any():
        left_out["exposures drawn to measure"] = int(measures.sum())
        exposures = exposures[~measures]
    votes = _votes_of_run(votes, exposures, left_out)
    decisions = None if decisions is None else _of_this_version(decisions, exposures).reset_index(drop=True)
    verdicts = _weighed(votes, consensus.verdicts(votes, policy, panel, decisions))
    labels = labels[labels.kind != SUSPICIOUS]
    if most is not None:
        labels, n = enough.without_the_plainly_good(labels, exposures, {*votes.expnum, *verdicts.expnum}, most)
        left_out[enough.WHY] += n
    spoken_of = pd.unique(pd.concat([votes.expnum, verdicts.expnum, labels.expnum]).astype("int64"))
    places = ccds_of(spoken_of)[["image_id", "expnum", "ccdname"]]
    places = places.merge(exposures[["expnum", "camera", "plver"]], on="expnum")
    listed = _listed(places, labels, unmapped, left_out)
    if most is not None:
        teaches = enough.enough(listed, most)
        left_out[enough.WHY] += int(listed.image_id[~teaches].nunique())
        known_reasons = _bad_reasons(listed)
        listed = listed[teaches]
    else:
        known_reasons = _bad_reasons(listed)
    as_a_whole = verdicts.expnum.isin(votes.expnum[votes.ccdname == ""]) | verdicts.adjudicated.astype(bool)
    bad = verdicts[as_a_whole & (verdicts.verdict == "bad")]
    prediction = None if predicted is None else predicted(bad.expnum.to_numpy(np.int64))
    judged = [
        _judged_good(places, verdicts[as_a_whole & (verdicts.verdict == "good")], policy),
        _judged_bad(
            places,
            _bad_parts(votes, bad, policy, panel, decisions),
            prediction,
            known_reasons,
            unmapped,
            left_out,
        ),
        _judged_ccds(places, votes[votes.expnum.isin(verdicts.expnum[~as_a_whole])], policy, panel, unmapped, left_out),
    ]
    judged = pd.concat(judged, ignore_index=True)
    decided = set(verdicts.expnum[verdicts.verdict != "open"])
    listed = listed[~listed.image_id.isin(judged.image_id) & ~(listed.whole & listed.expnum.isin(decided))]
    table = _gathered(pd.concat([judged[judged.reason != ""], listed], ignore_index=True), places)
    return TrainingSet(table, _answers(table, verdicts), unmapped, left_out)


def read_training_set(catalog, store, *, policy: str = "majority") -> TrainingSet:
    """Read the run and the label store; return the training set under `policy`, without exposures for measurements."""
    return read_labels(
        catalog, store, policy=policy, drawn=set(store.draws(catalog.camera).expnum), most=enough.MOST_IMAGES
    )


def read_labels(
    catalog,
    store,
    *,
    policy: str = "majority",
    drawn: Collection[int] = (),
    only: Collection[int] | None = None,
    most: int | None = None,
    labels: pd.DataFrame | None = None,
) -> TrainingSet:
    """What is known of every exposure of the run except those in `drawn`, in the form of a training set.

    only : expnums to which it is limited. labels : those of the store, if they were read already. most : see
    `training_set`. Rows of CCDs and predictions are read only of exposures that somebody spoke of.
    """
    exposures = catalog.exposures()
    said: pd.DataFrame = store.labels() if labels is None else labels
    if only is not None:
        exposures = exposures[exposures.expnum.isin(list(only))]
        said = said[said.expnum.isin(list(only))]
    return _training_set(
        lambda expnums: catalog.ccds_of(expnums, ["image_id", "expnum", "ccdname"]),
        exposures,
        store.votes(),
        said,
        policy=policy,
        panel=catalog.panel,
        predicted=_reads_prediction(catalog),
        decisions=store.adjudications(),
        drawn=drawn,
        most=most,
    )


def _reads_prediction(catalog) -> Callable[[np.ndarray], pd.DataFrame] | None:
    """A function expnums -> rows of the current prediction, without neighbours. None if there is no prediction."""
    if not catalog.has("prediction"):
        return None
    stage = catalog.stage("prediction", fresh=False)
    wanted = {"image_id", "expnum", "reason", "probability", *(f"p_{name}" for name in REASONS)}
    columns = [name for name in stage.columns() if name in wanted]
    return lambda expnums: stage.rows_of(expnums, columns)


def _bad_reasons(listed: pd.DataFrame) -> dict[int, set[str]]:
    """image_id -> the reasons that lists give it."""
    return listed[listed.reason != GOOD].groupby("image_id").reason.agg(set).to_dict()


def _weighed(votes: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Verdicts with the `basis` and `weight` of the labels that they give."""
    found = basis_of_verdicts(votes, verdicts)
    return verdicts.assign(basis=found.basis, weight=weights(found.basis, found.agreement))


def _rows(images: pd.DataFrame, reason, source, provenance, basis, weight, whole=False) -> pd.DataFrame:
    """Some images in long form: one row per image and reason."""
    own = {"reason": reason, "source": source, "provenance": provenance, "whole": whole}
    return images[["image_id", "expnum"]].assign(**own, basis=basis, weight=weight)


def _listed(places, labels, unmapped: Counter, left_out: Counter) -> pd.DataFrame:
    """Imported labels, one row per image that they concern, without contradictions and unknown words."""
    whole = labels[labels.ccdname == ""].drop(columns="ccdname").merge(places, on=["camera", "expnum"])
    single = labels[labels.ccdname != ""].merge(places, on=["camera", "expnum", "ccdname"])
    rows = pd.concat([whole.assign(whole=True), single.assign(whole=False)], ignore_index=True)
    if rows.empty:
        return _long([])
    in_run = labels.merge(places[["camera", "expnum"]].drop_duplicates(), on=["camera", "expnum"])
    strange = in_run[~in_run.reason.isin(list(ORDER))]
    unmapped.update(str(raw) for raw in strange.raw.where(strange.raw.astype(str) != "", strange.reason))
    rows["mapped"] = rows.reason.isin(list(ORDER))
    says = rows.assign(
        good=rows.mapped & (rows.reason == GOOD), bad=rows.mapped & (rows.reason != GOOD), strange=~rows.mapped
    )
    says = says.groupby("image_id")[["good", "bad", "strange"]].any()
    left_out["images listed both as good and as bad"] += int((says.good & (says.bad | says.strange)).sum())
    left_out["images listed with unknown words only"] += int((says.strange & ~says.good & ~says.bad).sum())
    usable = says.index[says.good ^ says.bad] if len(says) else says.index
    usable = usable.difference(says.index[says.good & says.strange])
    rows = rows[rows.mapped & rows.image_id.isin(usable)]
    basis = rows.kind.where(rows.kind.isin(["truth", "annotation"]), "label_list").astype(object)
    weight = basis.map(WEIGHTS).astype(float)
    return _rows(rows, rows.reason.astype(object), rows.source.astype(object), basis, basis, weight, rows.whole)


def tells_votes(labels: pd.DataFrame) -> np.ndarray:
    """(n,) bool: which labels reveal what somebody voted, or may reveal it. A label without an origin may.

    labels : rows of a training set or of its changes. Only `provenance` and `basis` are read.
    """
    may_reveal = np.ones(len(labels), bool)
    if "provenance" in labels:
        may_reveal = ~labels["provenance"].isin(FROM_LISTS).to_numpy(bool)
    if "basis" in labels:
        may_reveal |= labels["basis"].isin(BASES_OF_VOTES).to_numpy(bool)
    return may_reveal


def _votes_of_run(votes, exposures, left_out: Counter) -> pd.DataFrame:
    """Votes on exposures of this run in their present processing."""
    votes = votes.merge(exposures[["camera", "expnum"]], on=["camera", "expnum"])
    fresh = _of_this_version(votes, exposures)
    left_out["votes on another pipeline version"] += len(votes) - len(fresh)
    return fresh.reset_index(drop=True)


def _of_this_version(rows, exposures) -> pd.DataFrame:
    """Votes or decisions on exposures of this run that have its pipeline version, or where a version is unknown."""
    known = exposures[["camera", "expnum", "plver"]].rename(columns={"plver": "plver_now"})
    rows = rows.merge(known, on=["camera", "expnum"])
    return rows[(rows.plver == "") | (rows.plver_now == "") | (rows.plver == rows.plver_now)]


def _known(reasons, unmapped: Counter) -> tuple[str, ...]:
    """The reasons that are in the vocabulary, in its order. Others are counted in `unmapped`."""
    reasons = set(reasons)
    unmapped.update(str(word) for word in reasons - set(REASONS))
    return tuple(name for name in REASONS if name in reasons)


def _source(policy: str, inspectors, lead: str = "") -> str:
    """Who decided: "majority of amy, ben, cai" or "decision of lea"."""
    return f"decision of {lead}" if lead else f"{policy} of {', '.join(sorted(inspectors))}"


def _judged_good(places, good, policy: str) -> pd.DataFrame:
    who = zip(good.inspectors, good.lead, strict=True)
    own = good[["expnum", "basis", "weight"]].assign(source=[_source(policy, names, lead) for names, lead in who])
    images = places[["image_id", "expnum"]].merge(own, on="expnum").astype({"source": object, "basis": object})
    return _rows(images, GOOD, images.source, "whole_exposure", images.basis, images.weight)


@dataclass(frozen=True)
class _BadParts:
    """One bad exposure: its reasons, and ccdname -> reasons of the CCDs that were ticked."""

    expnum: int
    source: str
    basis: str
    weight: float
    reasons: tuple[str, ...]
    ticked: dict[str, tuple[str, ...]]


def _bad_parts(votes, bad, policy: str, panel: int, decisions) -> list[_BadParts]:
    agreed = consensus.bad_ccds(votes, policy, panel, decisions)  # of all votes: a posterior depends on each of them
    votes = votes[votes.expnum.isin(bad.expnum)]
    single = consensus.ccd_verdicts(votes, policy, panel=panel)
    single = single[single.n_bad > 0]
    own_reasons: dict[int, dict[str, tuple[str, ...]]] = {}
    for expnum, ccdname, reasons in zip(single.expnum, single.ccdname, single.reasons, strict=True):
        own_reasons.setdefault(int(expnum), {})[ccdname] = reasons
    found = []
    for verdict in bad.itertuples():
        anywhere = own_reasons.get(int(verdict.expnum), {})
        names = agreed.get((verdict.camera, int(verdict.expnum))) or tuple(anywhere)
        source = _source(policy, verdict.inspectors, verdict.lead)
        ticked = {name: anywhere.get(name, ()) for name in names}
        how = verdict.basis, verdict.weight
        found.append(_BadParts(int(verdict.expnum), source, *how, verdict.reasons, ticked))
    return found


def _judged_bad(places, bad: list[_BadParts], prediction, known_reasons, unmapped, left_out) -> pd.DataFrame:
    """Bad exposures, each with its ticked CCDs, else with those that the model found bad, else with all CCDs."""
    guesses, flagged = _model_reasons(prediction), _flagged(prediction)
    rows = []
    by_exposure = places[places.expnum.isin([part.expnum for part in bad])].groupby("expnum")
    images_of = {
        int(expnum): list(zip(own.image_id.tolist(), own.ccdname.to_numpy(object), strict=True))
        for expnum, own in by_exposure
    }
    for part in bad:
        images = images_of[part.expnum]
        reasons = _known(part.reasons, unmapped)
        ticked = [image for image in images if image[1] in part.ticked]
        found_bad = [image for image in images if image[0] in flagged]
        images, provenance = next(
            (some, why)
            for some, why in ((ticked, "ticked"), (found_bad, "candidate_ccds"), (images, "whole_exposure"))
            if some or why == "whole_exposure"
        )
        for image_id, ccdname in images:
            own = _known(part.ticked.get(ccdname, ()), Counter()) or reasons
            own = own or known_reasons.get(image_id) or guesses.get(image_id, ())
            left_out["bad images without a reason"] += not own
            how = part.source, provenance, False, part.basis, part.weight
            rows += [(image_id, part.expnum, reason, *how) for reason in own or ("",)]
    return _long(rows)


def _long(rows: list[tuple]) -> pd.DataFrame:
    """Long form from tuples of LONG. An image with reason "" was judged but teaches nothing."""
    kinds = {"image_id": "int64", "expnum": "int64", "whole": bool, "weight": float}
    kinds |= dict.fromkeys(("reason", "source", "provenance", "basis"), object)
    return pd.DataFrame(rows, columns=list(LONG)).astype(kinds)


def _flagged(prediction) -> set[int]:
    """Images that the model calls bad with a probability above FLAGGED_ABOVE."""
    if prediction is None:
        return set()
    hit = (prediction.reason != GOOD) & (prediction.probability > FLAGGED_ABOVE)
    return set(prediction.image_id[hit].tolist())


def _model_reasons(prediction) -> dict[int, tuple[str, ...]]:
    """image_id -> the reason that the model finds likeliest, for a bad verdict that names none."""
    if prediction is None:
        return {}
    names = [name for name in REASONS if f"p_{name}" in prediction]
    if not names:
        return {}
    chances = prediction[[f"p_{name}" for name in names]].to_numpy()
    best = chances.argmax(axis=1)
    some = chances.max(axis=1) > 0
    return {int(key): (names[place],) for key, place in zip(prediction.image_id[some], best[some], strict=True)}


def _judged_ccds(places, votes, policy, panel, unmapped, left_out) -> pd.DataFrame:
    """Long form of the CCDs of exposures that were only judged CCD by CCD."""
    verdicts = _weighed(votes, consensus.ccd_verdicts(votes, policy, panel=panel))
    left_out["CCDs with a split verdict"] += int((verdicts.verdict == "split").sum())
    verdicts = verdicts.merge(places[["expnum", "ccdname", "image_id"]], on=["expnum", "ccdname"])
    rows = []
    for verdict in verdicts[verdicts.verdict != "open"].itertuples():
        reasons = _known(verdict.reasons, unmapped) if verdict.verdict == "bad" else ()
        left_out["bad images without a reason"] += verdict.verdict == "bad" and not reasons
        own = {"good": (GOOD,), "bad": reasons}.get(verdict.verdict) or ("",)
        how = _source(policy, verdict.inspectors), "annotation", False, verdict.basis, verdict.weight
        rows += [(verdict.image_id, verdict.expnum, reason, *how) for reason in own]
    return _long(rows)


def _gathered(long: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """One row per image, reasons in vocabulary order, sorted by image_id. Of several sources the heaviest counts."""
    several = long.duplicated("image_id", keep=False)
    words = {name: (name,) for name in pd.unique(long.reason)}
    once = long[~several]
    once = once.assign(reasons=pd.Series([words[name] for name in once.reason], once.index, dtype=object))
    table = pd.concat([once, _merged(long[several])], ignore_index=True)
    return (
        places[["image_id", "expnum", "ccdname"]]
        .merge(table.drop(columns="expnum"), on="image_id")
        .sort_values("image_id", ignore_index=True)[list(COLUMNS)]
    )


def _merged(long: pd.DataFrame) -> pd.DataFrame:
    """One row per image of which several things are said."""
    surest_first = long.assign(place=long.basis.map(BASES.index)).sort_values(
        ["weight", "place"], ascending=[False, True]
    )
    groups = surest_first.groupby("image_id", sort=True)
    return pd.DataFrame(
        {
            "expnum": groups.expnum.first(),
            "reasons": groups.reason.agg(lambda own: tuple(sorted(set(own), key=ORDER.__getitem__))),
            "source": groups.source.agg(lambda own: "; ".join(sorted(set(own)))),
            "provenance": groups.provenance.agg(lambda own: min(own, key=PROVENANCES.index)),
            "basis": groups.basis.first(),
            "weight": groups.weight.first(),
        }
    ).reset_index()


def _answers(table: pd.DataFrame, verdicts: pd.DataFrame) -> dict[int, bool]:
    bad = table.reasons.map(lambda own: own != (GOOD,))
    answers = {int(expnum): bool(hit) for expnum, hit in bad.groupby(table.expnum).any().items()}
    decided = verdicts[verdicts.verdict.isin(["bad", "good"])]
    answers.update({int(e): v == "bad" for e, v in zip(decided.expnum, decided.verdict, strict=True)})
    return dict(sorted(answers.items()))
