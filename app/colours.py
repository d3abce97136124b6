"""What each point's colour says: one code byte per image and the legend to read it by, as far as this user may know.

The only place that decides what the map reveals. Nobody sees a verdict, or a label that comes from votes, of an
exposure before judging it; an exposure that hides something looks exactly like one where there is nothing to hide.
In blind mode the model's opinion of a candidate waits for the own vote too. Leads who do not vote see everything;
viewers, who cannot vote, see what the whole panel has judged.

A colouring is one function in COLOURINGS; it returns Colours.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from app import palette
from app.evidence import in_this_version
from pipeline.consensus import verdicts
from pipeline.errors import choose
from pipeline.reasons import GOOD, REASONS

WAITS = "after your vote"
MOST_CLUSTERS = 252
VERDICT_LETTERS = {"good": "g", "bad": "b", "split": "s", "open": ""}
FROM_VOTES = ("ticked", "candidate_ccds", "whole_exposure")  # provenances of pipeline.training that tell votes
LEVELS = (("below 0.5", 0.0), ("0.5 to 0.9", 0.5), ("0.9 and above", 0.9))


@dataclass(frozen=True)
class Entry:
    """One class of the legend: codes first to last. Quiet classes are drawn first and smaller."""

    label: str
    first: int
    last: int
    count: int
    colour: str
    name: str = ""
    letter: str = ""
    rule: str = ""
    quiet: bool = False


@dataclass(frozen=True, eq=False)
class Colours:
    """codes : (n,) uint8, one per image; palette : colour of each code; kind : categories or continuous."""

    colour_by: str
    title: str
    kind: str
    palette: tuple
    entries: tuple
    codes: np.ndarray

    def tobytes(self):
        """uint32 length of a JSON header, the header (everything but the codes), the codes."""
        header = {name: value for name, value in vars(self).items() if name != "codes"}
        header["entries"] = [asdict(entry) for entry in self.entries]
        text = json.dumps(header).encode()
        return struct.pack("<I", len(text)) + text + self.codes.tobytes()


@dataclass(frozen=True, eq=False)
class Sight:
    """What one user may know now.

    votes : everybody's current votes on this pipeline version; own : expnums that this user judged as a whole
    complete : expnums judged by the whole panel; everything : a lead who does not vote
    """

    votes: pd.DataFrame
    verdicts: pd.DataFrame
    own: frozenset
    complete: frozenset
    everything: bool
    role: str

    @classmethod
    def of(cls, app, survey, user):
        votes = app.store.votes(current=True)
        votes = votes[in_this_version(survey, votes)]
        decisions = app.store.adjudications()
        decisions = decisions[in_this_version(survey, decisions)]
        decided = verdicts(votes, "majority", app.catalog.panel, decisions)
        n_votes = decided["n_bad"] + decided["n_good"] + decided["n_unsure"]
        mine = votes[(votes["inspector"] == user.name) & (votes["via"] != "import")]
        return cls(
            votes=votes,
            verdicts=decided,
            own=frozenset(mine.loc[mine["ccdname"] == "", "expnum"].astype(int)),
            complete=frozenset(decided.loc[n_votes >= app.catalog.panel, "expnum"].astype(int)),
            everything=user.role == "lead" and mine.empty,
            role=user.role,
        )

    def sees_verdict(self, expnums):
        """(n,) bool: whether the votes on these exposures may be known."""
        if self.everything:
            return np.ones(len(expnums), bool)
        known = {"inspector": self.own, "lead": self.own | self.complete, "viewer": self.complete}[self.role]
        return np.isin(expnums, np.fromiter(known, np.int64, len(known)))

    def sees_opinion(self, survey, expnums, assisted):
        """(n,) bool: whether the model's opinion of these exposures may be known."""
        if assisted or self.everything or self.role == "viewer":
            return np.ones(len(expnums), bool)
        waiting = set(survey.candidates.index) - self.own
        return ~np.isin(expnums, np.fromiter(waiting, np.int64, len(waiting)))


def paint(app, survey, user, colour_by, image_ids, *, assisted):
    """Colours of these images for one user.

    app : app.context.AppContext    survey : app.survey.Survey    user : pipeline.accounts.User
    image_ids : (n,) int64    assisted : whether the model's opinion is shown before the vote
    """
    colouring = COLOURINGS[choose(colour_by, COLOURINGS, "colouring")]
    sight = Sight.of(app, survey, user)
    return colouring.paint(Scene(app, survey, sight, np.asarray(image_ids, np.int64), assisted))


@dataclass(frozen=True, eq=False)
class Scene:
    """What a colouring works on."""

    app: object
    survey: object
    sight: Sight
    image_ids: np.ndarray
    assisted: bool

    @property
    def expnums(self):
        return self.image_ids // 100


def by_reason(scene):
    """What labels say: the training labels, else the imported lists."""
    reasons = pd.Series(None, index=scene.image_ids, dtype=object)
    listed = imported_reasons(scene)
    reasons[listed.index] = listed
    training = scene.survey.training
    training = training[training["image_id"].isin(scene.image_ids)]
    training = first_reason(training[may_be_known(scene.sight, training)], "image_id")
    reasons[training.index] = training
    return reason_colours("reason", "labelled", reasons.to_numpy(), "unlabelled")


def may_be_known(sight, training):
    """(m,) bool: training rows that come from no votes, or from votes on exposures that this user may know about."""
    expnums = training["image_id"].to_numpy(np.int64) // 100
    from_votes = np.isin(expnums, np.unique(sight.votes["expnum"].to_numpy(np.int64)))
    if "provenance" in training:
        from_votes |= training["provenance"].isin(FROM_VOTES).to_numpy(bool)
    return ~from_votes | sight.sees_verdict(expnums)


def imported_reasons(scene):
    """Reason of each image that an imported list names, the CCD's own label before its exposure's; by image_id."""
    labels = scene.app.store.labels()
    labels = labels[(labels["reason"] != "") & labels["expnum"].isin(np.unique(scene.expnums))]
    ccds = scene.survey.ccds.loc[scene.survey.ccds.index.isin(scene.image_ids), ["image_id", "expnum", "ccdname"]]
    whole = first_reason(labels[labels["ccdname"] == ""], "expnum")
    ccds = ccds.assign(reason=ccds["expnum"].map(whole).astype(object))
    single = labels[labels["ccdname"] != ""].merge(ccds[["image_id", "expnum", "ccdname"]], on=["expnum", "ccdname"])
    single = first_reason(single, "image_id")
    ccds.loc[single.index, "reason"] = single
    return ccds.set_index("image_id")["reason"].dropna()


def first_reason(rows, key):
    """key -> the first of its reasons in the order of the vocabulary, good last."""
    order = {name: place for place, name in enumerate([*REASONS, GOOD])}
    rows = rows.assign(order=rows["reason"].map(order)).dropna(subset="order").sort_values("order", kind="stable")
    return rows.drop_duplicates(key).set_index(key)["reason"].astype(object)


def by_prediction(scene):
    """The likeliest reason according to the model."""
    predicted = scene.survey.prediction["reason"].reindex(scene.image_ids).to_numpy(object)
    shown = scene.sight.sees_opinion(scene.survey, scene.expnums, scene.assisted)
    predicted = np.where(shown, predicted, WAITS)
    return reason_colours("prediction", "predicted", predicted, "no prediction")


def reason_colours(colour_by, title, reasons, nothing):
    """Colours of one reason per image; what is no known reason counts as nothing."""
    names = list(palette.REASON_COLOURS)
    place = {name: code for code, name in enumerate(names, start=1)} | {WAITS: len(names) + 1}
    codes = np.array([place.get(reason, 0) for reason in reasons], np.uint8)
    counts = np.bincount(codes, minlength=len(names) + 2)
    colours = (palette.UNLABELLED, *palette.REASON_COLOURS.values(), palette.UNLABELLED)
    rules = {GOOD: "Nothing wrong", **{name: reason.rule for name, reason in REASONS.items()}}
    entries = [
        Entry(
            label=name,
            first=code,
            last=code,
            count=int(counts[code]),
            colour=colours[code],
            name=name.replace("_", " "),
            letter=palette.REASON_LETTERS[name],
            rule=rules[name],
        )
        for name, code in place.items()
        if name != WAITS
    ]
    return Colours(
        colour_by,
        title,
        "categories",
        colours,
        (*entries, *quiet(WAITS, place[WAITS], counts), *quiet(nothing, 0, counts)),
        codes,
    )


def quiet(label, code, counts):
    """Entry of a class that is only background, as a tuple of one."""
    count = int(counts[code])
    return (Entry(label, code, code, count, palette.UNLABELLED, name=label, quiet=True),)


def by_probability(scene):
    """How likely the image is bad, 1 - p_good: codes 1 to 255."""
    p_bad = 1.0 - scene.survey.prediction["p_good"].reindex(scene.image_ids).to_numpy(float)
    shown = scene.sight.sees_opinion(scene.survey, scene.expnums, scene.assisted)
    known = np.isfinite(p_bad) & shown
    codes = np.zeros(len(p_bad), np.uint8)
    codes[known] = 1 + np.rint(254 * np.clip(p_bad[known], 0, 1)).astype(np.uint8)
    counts = np.bincount(codes, minlength=256)
    colours = (palette.UNLABELLED, *ramp(palette.PROBABILITY_RAMP, 255))
    firsts = [1 + int(np.ceil(254 * low)) for _, low in LEVELS] + [256]
    entries = [
        Entry(label, first, after - 1, int(counts[first:after].sum()), colours[after - 1], name=label, quiet=low == 0)
        for (label, low), first, after in zip(LEVELS, firsts, firsts[1:], strict=False)
    ]
    nothing = "no prediction" if shown.all() else WAITS
    return Colours("probability", "bad", "continuous", colours, (*entries, *quiet(nothing, 0, counts)), codes)


def ramp(stops, n):
    """n colours evenly along a ramp of '#rrggbb' stops."""
    numbers = np.array([[int(stop[k : k + 2], 16) for k in (1, 3, 5)] for stop in stops], float)
    places = np.linspace(0, len(stops) - 1, n)
    channels = [np.interp(places, np.arange(len(stops)), numbers[:, k]) for k in range(3)]
    return tuple("#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.rint(np.transpose(channels)).astype(int))


def by_cluster(scene):
    """HDBSCAN's label; beyond MOST_CLUSTERS the smallest clusters share one code."""
    labels = scene.survey.cluster["cluster"].reindex(scene.image_ids).fillna(-1).to_numpy(int)
    found, sizes = np.unique(labels[labels >= 0], return_counts=True)
    largest = np.sort(found[np.argsort(-sizes, kind="stable")[:MOST_CLUSTERS]])
    codes = np.searchsorted(largest, labels) + 1
    other = len(largest) + 1
    codes[~np.isin(labels, largest)] = other
    codes[labels < 0] = 0
    codes = codes.astype(np.uint8)
    counts = np.bincount(codes, minlength=other + 1)
    colours = (palette.UNLABELLED, *(palette.cluster_colour(int(c)) for c in largest), palette.UNLABELLED)
    entries = [
        Entry(str(c), k, k, int(counts[k]), colours[k], name=f"cluster {c}", letter=str(c), rule=f"Cluster {c}")
        for k, c in enumerate(largest, start=1)
    ]
    entries += [*quiet("smaller clusters", other, counts), *quiet("no cluster", 0, counts)]
    return Colours("cluster", "in", "categories", colours, tuple(entries), codes)


def by_verdict(scene):
    """What the panel decided by majority; what this user may not know yet is open, like what nobody judged."""
    names = ("open", "good", "bad", "split")
    decided = scene.sight.verdicts.drop_duplicates("expnum").set_index("expnum")["verdict"]
    seen = scene.sight.sees_verdict(decided.index.to_numpy(np.int64))
    decided = decided[seen].map({name: code for code, name in enumerate(names)})
    codes = decided.reindex(scene.expnums).fillna(0).to_numpy(np.uint8)
    counts = np.bincount(codes, minlength=len(names))
    colours = tuple(palette.VERDICT_COLOURS[name] for name in names)
    entries = [
        Entry(name, code, code, int(counts[code]), colours[code], name=name, letter=VERDICT_LETTERS[name])
        for code, name in enumerate(names)
        if code
    ]
    return Colours("verdict", "verdict", "categories", colours, (*entries, *quiet("open", 0, counts)), codes)


@dataclass(frozen=True)
class Colouring:
    """paint : Scene -> Colours. needs : what its codes change with, beside the map: prediction, cluster, store."""

    name: str
    paint: Callable
    needs: tuple
    opinion: bool = False


COLOURINGS: dict[str, Colouring] = {
    colouring.name: colouring
    for colouring in (
        Colouring("reason", by_reason, ("prediction", "store")),
        Colouring("prediction", by_prediction, ("prediction",), opinion=True),
        Colouring("probability", by_probability, ("prediction",), opinion=True),
        Colouring("cluster", by_cluster, ("cluster",)),
        Colouring("verdict", by_verdict, ("store",)),
    )
}
