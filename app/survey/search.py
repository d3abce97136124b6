"""The search box, and functions for lists of images, over one Survey."""

import re
from dataclasses import dataclass, field

import numpy as np

from triptych.pipeline.image_ids import ccdnum_of, image_id_of
from triptych.pipeline.reasons import GOOD, REASONS, canonical

NIGHT = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
ONE_CCD = re.compile(r"(\d+)[-_]([NSns]?\w+)")
EXPNUM_PREFIX = re.compile(r"\d{2,}")
CLUSTER = re.compile(r"cluster[-:=]?(\d+)", re.IGNORECASE)
CLUSTER_WORDS = re.compile(r"\bcluster\s+(\d+)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """Result of one search.

    image_ids : (n,) int64, in order
    expnum, ccdname : the exposure and CCD to put in focus; None and '' if the text names no single one
    how : heading for the selection
    problem : what to tell the user if image_ids is empty
    """

    image_ids: np.ndarray = field(default_factory=lambda: no_images())
    how: str = ""
    expnum: int | None = None
    ccdname: str = ""
    problem: str = ""


def no_images():
    return np.empty(0, np.int64)


def as_ids(image_ids):
    """(n,) int64, each once, in the order given."""
    ids = np.asarray(image_ids, dtype=np.int64).ravel()
    if (ids[1:] > ids[:-1]).all():
        return ids
    return ids[np.sort(np.unique(ids, return_index=True)[1])]


def known_images(survey, image_ids):
    """(n,) int64: the image_ids that the run has, each once, in the order given."""
    ids = as_ids(image_ids)
    known = survey.ccds.index.to_numpy()
    places = np.searchsorted(known, ids)
    places[places == len(known)] = 0
    return ids[known[places] == ids] if len(known) else no_images()


def column_at(frame, name, image_ids, missing: float | str = np.nan):
    """(n,) values of one column for some images; `missing` for an image without a row.

    frame : one of a survey's tables, indexed by image_id in rising order. The rows are found by binary search, which
    needs no extra memory for a table of millions.
    """
    known = frame.index.to_numpy()
    if not len(known):
        return np.full(len(image_ids), missing)
    rows = np.minimum(np.searchsorted(known, image_ids), len(known) - 1)
    return np.where(known[rows] == image_ids, frame[name].iloc[rows].to_numpy(), missing)


def find(survey, text, *, predicted, labels):
    """The images and the exposure that a search text names, as Found. With several words all must hold.

    predicted : whether reasons may be looked up among predictions
    labels : function that returns the imported labels that this user may read
    """
    words = CLUSTER_WORDS.sub(r"cluster-\1", text.replace(",", " ")).split()
    if not words:
        return Found(problem="Type an exposure number, a CCD (243671-S7), a night, a band, a reason or a cluster.")
    keep = np.ones(len(survey.ccds), bool)
    how, expnum, ccdname = [], None, ""
    for word in words:
        mask, meaning, one = match(survey, word, predicted=predicted, labels=labels)
        if mask is None:
            return Found(
                problem=f"Nothing in this run is called {word!r}: try an exposure number, night, band, reason "
                "or cluster."
            )
        keep &= mask
        how.append(meaning)
        if one is not None:
            expnum, ccdname = one
    image_ids = survey.ccds.index.to_numpy()[keep]
    if not len(image_ids) and expnum is not None and len(words) == 1:
        return Found(expnum=expnum, problem=f"Exposure {expnum} has no images in this run; triptych ingest adds them.")
    if not len(image_ids):
        return Found(problem=f"No image is all of: {', '.join(how)}.")
    return Found(image_ids, ", ".join(how), expnum, ccdname)


def match(survey, word, *, predicted, labels):
    """What one word means: ((n_ccds,) bool, meaning in words, (expnum, ccdname) or None).

    (None, '', None) if the word means nothing in this run.
    """
    expnums = survey.ccds["expnum"].to_numpy()
    if word.isdigit() and int(word) in survey.exposures.index:
        return expnums == int(word), f"exposure {int(word)}", (int(word), "")
    ccd = ONE_CCD.fullmatch(word)
    if ccd and int(ccd[1]) in survey.exposures.index:
        image_id = survey.image_of(int(ccd[1]), ccd[2])
        if image_id is not None:
            return expnums == int(ccd[1]), f"exposure {int(ccd[1])}", survey.ccd_of(image_id)
        return None, "", None
    night = NIGHT.fullmatch(word)
    if night and (survey.exposures["night"] == int("".join(night.groups()))).any():
        return of_exposures(survey, survey.exposures["night"] == int("".join(night.groups()))), f"night {word}", None
    if word.upper() in survey.ccd_numbers:
        number = survey.ccd_numbers[word.upper()]
        return ccdnum_of(survey.ccds.index.to_numpy()) == number, f"CCD {word.upper()}", None
    cluster = CLUSTER.fullmatch(word)
    if cluster:
        rows = survey.cluster["cluster"].to_numpy()
        mask = np.isin(survey.ccds.index.to_numpy(), survey.cluster.index.to_numpy()[rows == int(cluster[1])])
        return (mask, f"cluster {cluster[1]}", None) if mask.any() else (None, "", None)
    bands = survey.exposures["band"]
    if (bands == word).any() or (len(word) == 1 and (bands.str.lower() == word.lower()).any()):
        exact = bands == word if (bands == word).any() else bands.str.lower() == word.lower()
        return of_exposures(survey, exact), f"band {word}", None
    if EXPNUM_PREFIX.fullmatch(word):
        begins = survey.exposures["expnum"].astype(str).str.startswith(word)
        return (of_exposures(survey, begins), f"exposures {word}…", None) if begins.any() else (None, "", None)
    return match_reason(survey, word, predicted=predicted, labels=labels)


def of_exposures(survey, chosen):
    """(n_ccds,) bool: the images of the chosen exposures. chosen : bool Series by expnum"""
    return survey.ccds["expnum"].isin(chosen.index[chosen]).to_numpy()


def match_reason(survey, word, *, predicted, labels):
    """The images that are predicted as a reason. If there are no predictions to show, the images labelled with it.

    Returns the same as `match`.
    """
    reasons = (GOOD,) if word.lower() == GOOD else canonical(word.replace("_", " ")) or beginning_with(word)
    if not reasons:
        return None, "", None
    meaning = " or ".join(reasons).replace("_", " ")
    if predicted and len(survey.prediction):
        image_ids = survey.prediction.index.to_numpy()[survey.prediction["reason"].isin(reasons).to_numpy(bool)]
        return np.isin(survey.ccds.index.to_numpy(), image_ids), f"predicted {meaning}", None
    frame = labels()
    frame = frame[frame["reason"].isin(reasons)]
    whole = survey.ccds["expnum"].isin(frame.loc[frame["ccdname"] == "", "expnum"]).to_numpy()
    numbers = frame["ccdname"].map(survey.ccd_numbers)
    single = image_id_of(frame["expnum"][numbers.notna()].to_numpy(np.int64), numbers.dropna().to_numpy(np.int64))
    return whole | np.isin(survey.ccds.index.to_numpy(), single), f"labelled {meaning}", None


def beginning_with(word):
    """The reasons whose name begins with the word, in upper or lower case. () for a word of less than three letters."""
    if len(word) < 3:
        return ()
    return tuple(name for name in REASONS if name.lower().startswith(word.lower()))


def similar_images(catalog, image_ids, k=36):
    """(k,) int64: the images nearest to the given ones, one per exposure, nearest first."""
    from triptych.pipeline.vectors.similar import similar

    return similar(catalog, as_ids(image_ids), k=k)["image_id"].to_numpy(np.int64)


def worst_images(survey, expnums):
    """(n,) int64: the image of each exposure that the model finds most suspicious, in the order of `expnums`."""
    ids, p_good = survey.prediction.index.to_numpy(np.int64), survey.prediction["p_good"].to_numpy(float)
    wanted = np.fromiter(expnums, np.int64, len(expnums))
    first, after = (np.searchsorted(ids, image_id_of(one, 0)) for one in (wanted, wanted + 1))
    size = after - first
    wanted, first, size = wanted[size > 0], first[size > 0], size[size > 0]
    place = np.repeat(np.arange(len(wanted)), size)
    rows = np.arange(len(place)) + np.repeat(first - (np.cumsum(size) - size), size)
    order = np.lexsort((p_good[rows], place))
    worst = np.flatnonzero(np.diff(place, prepend=-1))  # images stay together, so the worst stands where the first did
    return as_ids(ids[rows[order[worst]]])
