"""The search box, and functions for lists of images, over one Survey."""

import operator
import re
from dataclasses import dataclass, field

import numpy as np

from triptych.pipeline.image_ids import ccdnum_of, image_id_of
from triptych.pipeline.reasons import ALIASES, GOOD, REASONS, canonical, fold

NIGHT = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
MONTH = re.compile(r"(\d{4})-?(\d{2})")
ONE_CCD = re.compile(r"(\d+)[-_]([NSns]?\w+)")
EXPNUM_PREFIX = re.compile(r"\d{2,}")
CLUSTER = re.compile(r"cluster[-:=]?(\d+)", re.IGNORECASE)
CLUSTER_WORDS = re.compile(r"\bcluster\s+(\d+)\b", re.IGNORECASE)
COMPARED = re.compile(r"([a-z_]+)(<=|>=|<|>|=)([-+]?\d*\.?\d+(?:e[-+]?\d+)?)", re.IGNORECASE)
SPACED = re.compile(r"\s*(<=|>=|<|>|=)\s*")
# what may be compared with a number -> column of exposures, and what it is
QUANTITIES = {
    "fwhm": ("fwhm_arcsec", "FWHM of the stars in arcsec"),
    "seeing": ("fwhm_over_night", "FWHM over that of the night"),
    "e": ("e_coherent", "ellipticity that all stars share"),
    "airmass": ("airmass", "airmass"),
    "exptime": ("exptime", "exposure time in s"),
    "ra": ("ra", "right ascension in degrees"),
    "dec": ("dec", "declination in degrees"),
}
CANDIDATES = "candidates"  # a search of its own, with which a new page starts
CANDIDATES_SHOWN = "candidates, worst CCD of each"  # its heading; with it the map keeps its full colour
LONGEST = 4  # most words of one term
SHORTEST = 3  # least letters of a part of an object's name
TRY = "try an exposure number, night, month, band, CCD, object, reason, `bad`, `candidates`, cluster or `fwhm > 1.8`"
WHAT_TO_TYPE = "Type what to look for: " + TRY.removeprefix("try ") + "."


SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


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
    """The images and the exposure that a search text names, as Found.

    What is of the same kind (exposures, nights and months, bands, CCDs, ...) is a list: any of it. Of different kinds
    all must hold: `z Y Ghost Scatter` is the ghosts in z or Y.

    predicted : whether reasons may be looked up among predictions
    labels : function that returns the imported labels that this user may read
    """
    terms = terms_of(survey, text)
    if not terms:
        return Found(problem=WHAT_TO_TYPE)
    kinds: dict[str, Match] = {}
    for term in terms:
        found = match(survey, term, predicted=predicted, labels=labels)
        if found.mask is None:
            return Found(problem=found.meaning or f"Nothing in this run is called {term!r}: {TRY}.")
        kinds[found.kind] = kinds[found.kind].or_else(found) if found.kind in kinds else found
    keep = np.logical_and.reduce([found.mask for found in kinds.values() if found.mask is not None])
    image_ids, how = survey.ccds.index.to_numpy()[keep], ", ".join(found.meaning for found in kinds.values())
    if CANDIDATES in kinds:  # most suspicious first
        worst = worst_images(survey, survey.candidates.index)
        image_ids = worst[np.isin(worst, image_ids)]
    one = kinds["exposure"].one if "exposure" in kinds else None
    expnum, ccdname = one or (None, "")
    if not len(image_ids) and expnum is not None and len(terms) == 1:
        return Found(expnum=expnum, problem=f"Exposure {expnum} has no images in this run; triptych ingest adds them.")
    if not len(image_ids):
        return Found(problem=f"No image is all of: {how}.")
    return Found(image_ids, how, expnum, ccdname)


@dataclass(frozen=True)
class Match:
    """What one term of a search means.

    kind : what sort of thing it names    mask : (n_ccds,) bool, None = it means nothing in this run
    meaning : in words; without a mask, why there is none    one : (expnum, ccdname) if it names a single exposure
    """

    kind: str = ""
    mask: np.ndarray | None = None
    meaning: str = ""
    one: tuple[int, str] | None = None

    def or_else(self, other: "Match") -> "Match":
        """Both, as alternatives."""
        assert self.mask is not None  # only terms with a meaning are joined
        if other.meaning == self.meaning:
            return self
        return Match(self.kind, self.mask | other.mask, f"{self.meaning} or {other.meaning}")


def terms_of(survey, text) -> list[str]:
    """The terms of a search text, in order. Several words are one term if they are a reason or part of an object's
    name, or stand in quotes."""
    terms = []
    text = SPACED.sub(r"\1", CLUSTER_WORDS.sub(r"cluster-\1", text))
    for part in re.findall(r'"[^"]*"|[^",]+', text):
        words = part.split()
        if part.startswith('"'):
            terms.append(part.strip('" '))
            continue
        while words:
            size = next(n for n in range(min(LONGEST, len(words)), 0, -1) if n == 1 or phrase(survey, words[:n]))
            terms.append(" ".join(words[:size]))
            words = words[size:]
    return [term for term in terms if term]


def phrase(survey, words) -> bool:
    """Whether words together are the name of a reason, in any known spelling, or part of an object's name."""
    text = fold(" ".join(words))
    return text in ALIASES or text in {fold(name) for name in REASONS} or bool(of_object(survey, text).any())


def of_object(survey, text):
    """Bool Series by expnum: whether the name of what an exposure was pointed at contains a text."""
    names = survey.exposures["object"].astype(str)
    known = names.drop_duplicates()
    return names.isin(known[[fold(text) in fold(name) for name in known]])


def match(survey, word, *, predicted, labels) -> Match:
    """What one term of a search means in this run."""
    expnums = survey.ccds["expnum"].to_numpy()
    if word.lower() == CANDIDATES:
        return match_candidates(survey, predicted=predicted)
    if compared := COMPARED.fullmatch(word):
        return match_number(survey, compared[1].lower(), compared[2], float(compared[3]))
    if word.isdigit() and int(word) in survey.exposures.index:
        return Match("exposure", expnums == int(word), f"exposure {int(word)}", (int(word), ""))
    ccd = ONE_CCD.fullmatch(word)
    if ccd and int(ccd[1]) in survey.exposures.index:
        image_id = survey.image_of(int(ccd[1]), ccd[2])
        if image_id is not None:
            return Match("exposure", expnums == int(ccd[1]), f"exposure {int(ccd[1])}", survey.ccd_of(image_id))
        return Match()
    night = NIGHT.fullmatch(word)
    if night and (chosen := survey.exposures["night"] == int("".join(night.groups()))).any():
        return Match("time", of_exposures(survey, chosen), f"night {word}")
    month = MONTH.fullmatch(word)
    if month and (chosen := survey.exposures["night"] // 100 == int("".join(month.groups()))).any():
        return Match("time", of_exposures(survey, chosen), f"month {'-'.join(month.groups())}")
    if word.upper() in survey.ccd_numbers:
        number = survey.ccd_numbers[word.upper()]
        return Match("ccd", ccdnum_of(survey.ccds.index.to_numpy()) == number, f"CCD {word.upper()}")
    cluster = CLUSTER.fullmatch(word)
    if cluster:
        rows = survey.cluster["cluster"].to_numpy()
        mask = np.isin(survey.ccds.index.to_numpy(), survey.cluster.index.to_numpy()[rows == int(cluster[1])])
        return Match("cluster", mask, f"cluster {cluster[1]}") if mask.any() else Match()
    bands = survey.exposures["band"]
    if (bands == word).any() or (len(word) == 1 and (bands.str.lower() == word.lower()).any()):
        exact = bands == word if (bands == word).any() else bands.str.lower() == word.lower()
        return Match("band", of_exposures(survey, exact), f"band {word}")
    if EXPNUM_PREFIX.fullmatch(word):
        begins = survey.exposures["expnum"].astype(str).str.startswith(word)
        if begins.any():
            return Match("exposure", of_exposures(survey, begins), f"exposures {word}…")
    found = match_reason(survey, word, predicted=predicted, labels=labels)
    if found.mask is None and len(word) >= SHORTEST and (chosen := of_object(survey, word)).any():
        return Match("object", of_exposures(survey, chosen), f"object {word}")
    return found


def match_candidates(survey, *, predicted) -> Match:
    """The most suspicious image of each candidate."""
    if not predicted:
        return Match(meaning="The candidates are the model's opinion, which is hidden now.")
    if not len(survey.candidates):
        return Match(meaning="There are no candidates in this run: train, predict and find candidates first.")
    worst = worst_images(survey, survey.candidates.index)
    return Match(CANDIDATES, np.isin(survey.ccds.index.to_numpy(), worst), CANDIDATES_SHOWN)


def match_number(survey, name, sign, limit) -> Match:
    """The exposures of which a quantity compares with a number. Several of one quantity must all hold, as a range."""
    if name not in QUANTITIES:
        known = ", ".join(QUANTITIES)
        return Match(meaning=f"{name!r} cannot be compared with a number; what can: {known}.")
    column, what = QUANTITIES[name]
    values = survey.exposures[column].to_numpy(float)
    if not np.isfinite(values).any():
        return Match(meaning=f"No exposure of this run has a known {what}.")
    chosen = SIGNS[sign](survey.exposures[column], limit)
    kind = f"{name}{sign[0]}"
    return Match(kind, of_exposures(survey, chosen), f"{name} {sign} {limit:g}")


def of_exposures(survey, chosen):
    """(n_ccds,) bool: the images of the chosen exposures. chosen : bool Series by expnum"""
    return survey.ccds["expnum"].isin(chosen.index[chosen]).to_numpy()


def match_reason(survey, word, *, predicted, labels) -> Match:
    """The images that are predicted as a reason, as good, or as bad for any reason. If there are no predictions to
    show, the images labelled with it."""
    plain = {GOOD: (GOOD,), "bad": tuple(REASONS)}.get(word.lower())
    reasons = plain or canonical(word.replace("_", " ")) or beginning_with(word)
    if not reasons:
        return Match()
    meaning = word.lower() if plain else " or ".join(reasons).replace("_", " ")
    if predicted and len(survey.prediction):
        image_ids = survey.prediction.index.to_numpy()[survey.prediction["reason"].isin(reasons).to_numpy(bool)]
        return Match("reason", np.isin(survey.ccds.index.to_numpy(), image_ids), f"predicted {meaning}")
    frame = labels()
    frame = frame[frame["reason"].isin(reasons)]
    whole = survey.ccds["expnum"].isin(frame.loc[frame["ccdname"] == "", "expnum"]).to_numpy()
    numbers = frame["ccdname"].map(survey.ccd_numbers)
    single = image_id_of(frame["expnum"][numbers.notna()].to_numpy(np.int64), numbers.dropna().to_numpy(np.int64))
    return Match("reason", whole | np.isin(survey.ccds.index.to_numpy(), single), f"labelled {meaning}")


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
