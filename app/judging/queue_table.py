"""Tables that the queue needs of all exposures: scores, sky, time, groups. They are made once per Survey."""

import threading
import weakref

import numpy as np
import pandas as pd

from triptych.app.judging.doubtful_labels import doubtful_facet
from triptych.app.survey.search import worst_images
from triptych.app.survey.survey import open_stage
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.labels.training_set import tells_votes
from triptych.pipeline.votes.expected_gain import disagreement
from triptych.pipeline.votes.queue_order import latitude_names, ordered, places_of

_lock = threading.RLock()
_kept = weakref.WeakKeyDictionary()  # survey -> {what: value}


def once_per_survey(survey, what, make):
    """The value of `make()`, made once for each survey. what : its name"""
    with _lock:
        kept = _kept.setdefault(survey, {})
        if what not in kept:
            kept[what] = make()
        return kept[what]


def candidates_of(survey):
    """expnums (n,) int64 that the queue offers: the candidates, or all exposures if there are no candidates."""
    return once_per_survey(survey, "candidates", lambda: _candidates(survey))


def _candidates(survey):
    order = survey.candidates.index if len(survey.candidates) else survey.exposures.index
    return np.array([int(expnum) for expnum in order if expnum in survey.exposures.index], dtype=np.int64)


def table_of(survey):
    """One row per exposure, by expnum: score, probability, night, mjd_obs, and a text for each facet of packets."""
    return once_per_survey(survey, "table", lambda: make_table(survey))


def make_table(survey):
    exposures = survey.exposures
    table = pd.DataFrame(index=exposures.index.astype("int64"))
    scored = survey.scored[~survey.scored.index.duplicated()]
    table["score"] = scored["bad_probability"].reindex(table.index).astype(float)
    table["probability"] = table["score"]
    chance = survey.exposure_probability
    if len(chance):
        table["probability"] = chance.reindex(table.index).astype(float).fillna(table["score"])
    table["night"] = exposures["night"].fillna(0).astype("int64")
    table["mjd_obs"] = exposures["mjd_obs"].astype(float)
    night = table["night"].astype(str).where(table["night"] > 0, "")
    dates = night.str[:4] + "-" + night.str[4:6] + "-" + night.str[6:8]
    table["band"] = exposures["band"].fillna("").astype(str)
    table["latitude"] = latitude_names(galactic_latitude(exposures["ra"], exposures["dec"]))
    table["month"] = dates.str[:7].where(night != "", "")
    table["night_name"] = dates.where(night != "", "")
    reasons = scored["reasons"] if "reasons" in scored else pd.Series("", index=scored.index)
    table["reason"] = reasons.reindex(table.index).fillna("").astype(str).str.split(",").str[0].str.strip()
    return table


def galactic_latitude(ra, dec):
    """(n,) float64, degrees: galactic latitude. ra, dec : degrees (ICRS). NaN if either is missing."""
    from astropy import units
    from astropy.coordinates import SkyCoord

    ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
    known = np.isfinite(ra) & (np.abs(dec) <= 90)
    found = np.full(len(ra), np.nan)
    if known.any():
        found[known] = SkyCoord(ra[known] * units.deg, dec[known] * units.deg).galactic.b.deg
    return found


def facets_of(survey, app=None):
    """One column of texts per facet of pipeline.votes.queue_order.FACETS, by expnum.

    app : if given, the column `doubtful` is filled; without it that column is ''. It takes by far the longest
    """
    table = table_of(survey)[["band", "latitude", "month", "night_name", "reason"]]
    doubtful = "" if app is None else doubtful_facet(app).reindex(table.index).fillna("").astype(str)
    return table.rename(columns={"night_name": "night"}).assign(doubtful=doubtful)


def order_of(survey, order, seed, division=None):
    """expnums (n,) int64 of all exposures in a named order. Except for `split` it is made once per seed.

    division : how divided the votes on an exposure are, by expnum. Only the order `split` needs it
    """
    if order == "split":
        table = table_of(survey)
        divided = pd.Series(dtype=float) if division is None else division
        return ordered(table.assign(division=divided.reindex(table.index).fillna(0.0)), order, seed)
    return once_per_survey(survey, (order, seed), lambda: ordered(likeness_table(survey, order), order, seed))


def likeness_table(survey, order):
    """The table with the columns that an order needs.

    `similar` and `gain` get the group and the places of each exposure's worst image. `gain` also gets the columns of
    `with_gain`.
    """
    table = table_of(survey)
    if order not in ("similar", "gain"):
        return table
    table = once_per_survey(survey, "likeness", lambda: with_places(survey, table))
    return once_per_survey(survey, "gain table", lambda: with_gain(survey, table)) if order == "gain" else table


def with_gain(survey, table):
    """The table with `disagreement` (how divided the labelled neighbours are) and `taught` (bool: a list labels it).

    Labels that come from votes do not count in `taught`. Otherwise an exposure's place in the order would tell a user
    that others have judged it.
    """
    labels, divided = survey.training.groupby("image_id")["reason"].agg(",".join), pd.Series(dtype=float)
    if "neighbour_ids" in survey.prediction and len(labels):
        divided = disagreement(survey.prediction, labels)
    listed = expnum_of(survey.training.loc[~tells_votes(survey.training), "image_id"])
    return table.assign(disagreement=divided.reindex(table.index).astype(float), taught=table.index.isin(listed))


def with_places(survey, table):
    """The table with the cluster (`group`) and the reduced vector (`place_0`, ...) of each exposure's worst image."""
    worst = pd.Series(np.asarray(worst_images(survey, table.index), dtype=np.int64))
    worst.index = expnum_of(worst).to_numpy()
    worst = worst[~worst.index.duplicated()].reindex(table.index)
    known = worst.dropna().astype("int64")
    table = table.assign(group=survey.cluster["cluster"].reindex(known).set_axis(known.index).reindex(table.index))
    table["group"] = table["group"].fillna(-1).astype("int64")
    places = pd.DataFrame(0.0, index=table.index, columns=["place_0"])
    embedding = open_stage(survey.catalog, "embedding", survey.stages.get("embedding"))
    if embedding is not None and len(known):
        rows = pd.Index(embedding.table("keys")["image_id"]).get_indexer(known)
        known, rows = known[rows >= 0], rows[rows >= 0]
        found = places_of(np.asarray(embedding.array()[np.sort(rows)], dtype=np.float32))
        found = found[np.argsort(np.argsort(rows))]
        names = [f"place_{number}" for number in range(found.shape[1])]
        places = pd.DataFrame(found, index=known.index, columns=names).reindex(table.index).fillna(0.0)
    return table.join(places)
