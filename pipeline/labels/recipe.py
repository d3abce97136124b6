"""How a training set is composed: which unlabelled exposures count as good, and how many images of each reason stay.

By default only labelled images teach; all of them do, and all alike. The published training set is different. There,
exposures in no list count as good if nothing speaks against them. The three commonest reasons are thinned out at
random. In return the published text (but not the code) gives those reasons a higher weight.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.labels.survey_ccds import UNKNOWN
from triptych.pipeline.labels.training_set import TrainingSet
from triptych.pipeline.labels.training_weights import WEIGHTS
from triptych.pipeline.reasons import GOOD

# If the extinction is unknown, an exposure at least this far from the Galactic plane counts as having little.
MOST_EXTINCTION_MAG = 0.04
LEAST_LATITUDE_DEG = 30.0
# The published choice: 12,000 images of 2,000 exposures.
GOOD_EXPOSURES, GOOD_CCDS = 2000, 6

GOOD_POOLS = {
    "labelled": "only images that a list or an inspector calls good",
    "unlisted": "also CCDs of exposures in no list, each of which passes the survey's own cuts",
    "published": "also all CCDs of exposures in no list of which any CCD passes the survey's own cuts",
}
# name -> reason -> share of its images that is left out
BALANCES: dict[str, dict[str, float]] = {
    "none": {},
    "published": {"Clouds_transparency": 2 / 3, "Ghost_Scatter": 1 / 2, "NObjects": 1 / 4},
}


@dataclass(frozen=True)
class Recipe:
    """How to compose a training set.

    good_exposures, good_ccds : how many unlisted exposures to draw, and how many CCDs of each; 0 takes all.
    simulated : whether a linear learner also uses the simulated teacher, if there is one (see `simulated_teacher`).
    """

    good_pool: str = "labelled"
    balance: str = "none"
    upweight: bool = False
    good_exposures: int = GOOD_EXPOSURES
    good_ccds: int = GOOD_CCDS
    simulated: bool = True

    def __post_init__(self):
        choose(self.good_pool, GOOD_POOLS, "good pool")
        choose(self.balance, BALANCES, "balance")
        if self.upweight and not BALANCES[self.balance]:
            raise BadInput("--upweight compensates for what --balance leaves out; add --balance published")

    @classmethod
    def of(cls, parameters: Mapping) -> "Recipe":
        """The recipe that the parameters of a model stage tell; what they do not name is as by default."""
        return cls(**{name: parameters[name] for name in cls.__dataclass_fields__ if name in parameters})

    def parameters(self) -> dict:
        """The recipe as parameters of a stage; empty for the default recipe."""
        if self == Recipe():
            return {}
        drawn = {} if self.good_pool == "labelled" else {"good_exposures": self.good_exposures}
        drawn = {**drawn, "good_ccds": self.good_ccds} if drawn else {}
        drawn |= {} if self.simulated else {"simulated": False}
        return {"good_pool": self.good_pool, "balance": self.balance, "upweight": self.upweight, **drawn}


def galactic_latitude(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Galactic latitude in degrees. ra, dec : J2000, degrees."""
    pole_ra, pole_dec = np.radians(192.85948), np.radians(27.12825)
    ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    sine = np.sin(dec) * np.sin(pole_dec) + np.cos(dec) * np.cos(pole_dec) * np.cos(ra - pole_ra)
    return np.degrees(np.arcsin(np.clip(sine, -1, 1)))


def _passing(ccds: pd.DataFrame, exposures: pd.DataFrame, survey: pd.DataFrame | None, why: Counter) -> pd.DataFrame:
    """CCDs (`image_id, expnum, ccdname`) with `passes`: no cut, and little extinction or far from the Galactic plane.

    Adds to `why` how many CCDs fail each test.
    """
    places = exposures[["expnum", "camera", "ra", "dec"]]
    places = places.assign(far=np.abs(galactic_latitude(places.ra, places.dec)) > LEAST_LATITUDE_DEG)
    rows = ccds[["image_id", "expnum", "ccdname"]].merge(places[["expnum", "camera", "far"]], on="expnum")
    clear = rows.far
    uncut = np.ones(len(rows), bool)
    if survey is not None:
        rows = rows.merge(survey[["camera", "image_id", "ccd_cuts", "ebv"]], on=["camera", "image_id"], how="left")
        cuts = rows.ccd_cuts.fillna(UNKNOWN)
        uncut = (cuts == 0).to_numpy()
        clear = rows.ebv.lt(MOST_EXTINCTION_MAG).where(rows.ebv.notna(), rows.far)
        why["unlisted CCDs that survey-ccds does not hold"] += int((cuts == UNKNOWN).sum())
        why["unlisted CCDs that survey-ccds cuts"] += int((cuts > 0).sum())
    why["unlisted CCDs behind too much dust or too near the Galactic plane"] += int((~clear.astype(bool)).sum())
    return rows.assign(passes=uncut & clear.to_numpy(dtype=bool), uncut=uncut, clear=clear.to_numpy(dtype=bool))


def with_good_pool(
    training: TrainingSet,
    recipe: Recipe,
    *,
    ccds: pd.DataFrame,
    exposures: pd.DataFrame,
    listed: set[tuple[str, int]],
    survey: pd.DataFrame | None = None,
    seed: int = 0,
) -> TrainingSet:
    """Add unlisted exposures to a training set as good ones, as the recipe says.

    ccds : those that may be drawn. listed : (camera, expnum) of every exposure that has a label or a vote of any kind.
    survey : a survey-ccds table; without it only the Galactic latitude decides.
    """
    if recipe.good_pool == "labelled":
        return training
    in_list = [key in listed for key in zip(exposures.camera, exposures.expnum, strict=True)]
    unlisted = exposures.expnum[~np.array(in_list, dtype=bool)]
    left_out = Counter(training.left_out)
    rows = _passing(ccds[ccds.expnum.isin(unlisted)], exposures, survey, left_out)
    if recipe.good_pool == "published":
        by_exposure = rows.groupby("expnum")
        rows["passes"] = by_exposure.uncut.transform("any") & by_exposure.clear.transform("any")
    rows = _drawn(rows[rows.passes], recipe, seed)
    added = rows.assign(reasons=[(GOOD,)] * len(rows), source="in no list", provenance="unlisted", basis="unlisted")
    added["weight"] = WEIGHTS["unlisted"]
    added = added[list(training.table)].astype({"source": object, "provenance": object, "basis": object})
    table = pd.concat([training.table, added], ignore_index=True) if len(training.table) else added
    table = table.sort_values("image_id", ignore_index=True)
    answers = {**training.answers, **dict.fromkeys(map(int, rows.expnum), False)}
    return TrainingSet(table, dict(sorted(answers.items())), training.unmapped, left_out)


def _drawn(rows: pd.DataFrame, recipe: Recipe, seed: int) -> pd.DataFrame:
    """Draw exposures, and CCDs of each, without replacement."""
    rng = np.random.default_rng(seed)
    known = np.unique(rows.expnum)
    if recipe.good_exposures and len(known) > recipe.good_exposures:
        known = rng.choice(known, recipe.good_exposures, replace=False)
    rows = rows[rows.expnum.isin(known)].sort_values("image_id")
    if recipe.good_ccds:
        rows = rows.iloc[rng.permutation(len(rows))].groupby("expnum").head(recipe.good_ccds)
    return rows.sort_values("image_id", ignore_index=True)


def balanced(table: pd.DataFrame, recipe: Recipe, *, seed: int = 0) -> pd.DataFrame:
    """Thin out a training table as the recipe says. Rows keep their index.

    Each label of an image is drawn separately: an image that loses one of two labels keeps the other, an image that
    loses all labels is left out. With `upweight`, the `weight` of an image is divided by the share of its reason that
    was kept. For an image with several labels, the largest factor counts.
    """
    dropped = BALANCES[recipe.balance]
    if not dropped:
        return table
    rng = np.random.default_rng(seed)
    long = table[["reasons"]].explode("reasons")
    long["row"] = np.arange(len(table)).repeat([len(own) for own in table.reasons])
    keep = np.ones(len(long), bool)
    for reason, share in dropped.items():
        own = np.flatnonzero(long.reasons == reason)
        keep[rng.choice(own, round(share * len(own)), replace=False)] = False
    kept = long[keep].groupby("row").reasons.agg(tuple)
    table = table.iloc[kept.index].assign(reasons=kept.to_numpy())
    if recipe.upweight:
        weights = {reason: 1 / (1 - share) for reason, share in dropped.items()}
        factor = [max(weights.get(name, 1.0) for name in own) for own in table.reasons]
        table = table.assign(weight=table.get("weight", pd.Series(1.0, table.index)) * factor)
    return table
