"""The tables that pages need. They are read from the run once per process, and all sessions share them."""

import hashlib
import threading
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from cachetools import LRUCache, cachedmethod

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import StageMissing, StageStale
from triptych.pipeline.image_ids import expnum_of, ids_of

# what is kept in memory of each table of images; the rest is read for one exposure at a time
COLUMNS = {
    "ccds": ("image_id", "expnum", "ccdname", "ccdnum", "sampled"),
    "prediction": ("image_id", "reason", "p_good"),
    "map2d": ("image_id", "x", "y"),
    "map3d": ("image_id", "x", "y", "z"),
    "cluster": ("image_id", "cluster", "membership"),
    "candidates": (
        "expnum",
        "rank",
        "n_bad_ccds",
        "n_ccds",
        "max_probability",
        "bad_probability",
        "reasons",
        "rule",
    ),
}
STAGES = ("prediction", "map2d", "map3d", "cluster", "candidates")
NAMES = ("ccdname", "reason")  # texts that repeat; kept as categories
EXPOSURES_KEPT = 500  # of which rows that were read one exposure at a time stay in memory
SHAPES = ("fwhm_arcsec", "fwhm_over_night", "e_coherent")  # of the stars of an exposure
IMAGE_TABLES = ("prediction", "map2d", "map3d", "cluster")


@dataclass(frozen=True, eq=False)
class Survey:
    """Tables of one run under one prediction stage. Nobody may change them, because many sessions share them.

    exposures : one row per exposure, indexed by expnum (and with the column), with SHAPES of its stars
    ccds : one row per CcdImage, indexed by image_id; like the next, only with COLUMNS
    prediction, map2d, map3d, cluster : stage tables, indexed by image_id; empty if there is no such stage
    candidates : indexed by expnum, in order of rank
    scored : every scored exposure, indexed by expnum, highest bad_probability first
    image_ids : (n,) int64, sorted: the images on the map (all CcdImages before there is a map)
    stages : stage kind -> id of the stage that was read
    version : new whenever any of this changes; addresses that a browser keeps for ever hold it
    """

    catalog: Catalog
    exposures: pd.DataFrame
    ccds: pd.DataFrame
    prediction: pd.DataFrame
    map2d: pd.DataFrame
    map3d: pd.DataFrame
    cluster: pd.DataFrame
    candidates: pd.DataFrame
    scored: pd.DataFrame
    image_ids: np.ndarray
    stages: dict = field(default_factory=dict)
    signature: tuple = ()

    @classmethod
    def current_prediction(cls, catalog):
        """Stage id of the run's current prediction, '' before there is one."""
        return catalog.refresh().info["current"].get("prediction") or ""

    @classmethod
    def read(cls, catalog, prediction_id=None, like=None):
        """Read every table that exists.

        prediction_id : stage id of the prediction; '' = no prediction, None = the run's current one
        like : a Survey that was read before; tables that have not changed since are taken from it
        """
        prediction_id = cls.current_prediction(catalog) if prediction_id is None else prediction_id
        signature = run_signature(catalog, prediction_id)
        if like is not None and like.signature[1] == signature[1]:
            exposures, ccds = like.exposures, like.ccds
        else:
            like = None
            exposures = with_shapes(by(catalog.exposures(), "expnum"), catalog.exposure_shapes())
            ccds = indexed(catalog.ccds(COLUMNS["ccds"], NAMES), "image_id")
        stages, tables = {}, {}
        for kind in STAGES:
            wanted = prediction_id if kind == "prediction" else None
            stage = None if wanted == "" else open_stage(catalog, kind, wanted)
            if kind == "candidates" and prediction_id:
                stage = catalog.made_from("candidates", "prediction", prediction_id) or stage
            if stage is not None:
                stages[kind] = stage.stage_id
            if like is not None and like.stages.get(kind) == stages.get(kind):
                tables[kind] = getattr(like, kind)
            else:
                tables[kind] = stage_frame(stage, kind, ccds.index)
        for kind in ("embedding", "model"):
            stage = open_stage(catalog, kind)
            if stage is not None:
                stages[kind] = stage.stage_id
        stages |= parent_model(catalog, stages.get("prediction"))
        drawn = tables["map2d"] if len(tables["map2d"]) else tables["map3d"] if len(tables["map3d"]) else ccds
        return cls(
            catalog=catalog,
            exposures=exposures,
            ccds=ccds,
            image_ids=drawn.index.to_numpy(np.int64),
            scored=scored_frame(catalog, stages.get("candidates"), tables["candidates"]),
            stages=stages,
            signature=signature,
            **tables,
        )

    def __post_init__(self):
        kept = {"ccd rows": LRUCache(EXPOSURES_KEPT), "predicted": LRUCache(EXPOSURES_KEPT)}
        object.__setattr__(self, "_kept", kept)
        object.__setattr__(self, "_reading", threading.RLock())

    @cachedmethod(lambda self: self._kept["ccd rows"], lock=lambda self: self._reading)
    def ccd_rows(self, expnum):
        """Every column of `ccds` for the images of one exposure, indexed by image_id."""
        return by(self.catalog.ccds_of([int(expnum)]), "image_id")

    @cachedmethod(lambda self: self._kept["predicted"], lock=lambda self: self._reading)
    def predicted(self, expnum):
        """Every column of the prediction for the images of one exposure, indexed by image_id; empty without one."""
        stage = open_stage(self.catalog, "prediction", self.prediction_id) if self.prediction_id else None
        if stage is None or not len(self._images_in(self.prediction.index, expnum)):
            return self.prediction.iloc[:0]
        return by(stage.rows_of([int(expnum)]), "image_id")

    @cached_property
    def exposure_probability(self):
        """Series by expnum: the probability that the exposure is bad. Empty if the predictions do not hold it."""
        stage = open_stage(self.catalog, "prediction", self.prediction_id) if self.prediction_id else None
        if stage is None or "exposure_probability" not in stage.columns():
            return pd.Series(dtype=float)
        rows = stage.table(columns=["image_id", "exposure_probability"])
        rows = rows if rows["image_id"].is_monotonic_increasing else rows.sort_values("image_id", kind="stable")
        expnums = expnum_of(rows["image_id"].to_numpy(np.int64))
        first = np.flatnonzero(np.diff(expnums, prepend=-1))
        return pd.Series(rows["exposure_probability"].to_numpy(float)[first], index=expnums[first])

    @cached_property
    def training(self):
        """The training set of the predictions, one row per image and reason: image_id, reason, provenance ('' =
        unknown)."""
        model = open_stage(self.catalog, "model", self.stages.get("model"))
        try:
            rows = model.table("training") if model else pd.DataFrame()
        except FileNotFoundError:
            rows = pd.DataFrame()
        if "reasons" in rows:
            rows = rows.explode("reasons").rename(columns={"reasons": "reason"})
        columns = ["image_id", "reason", "provenance"]
        return (
            rows.reindex(columns=columns)
            .fillna({"provenance": ""})
            .astype({"image_id": "int64"})
            .reset_index(drop=True)
        )

    @cached_property
    def pictured(self):
        """(n,) int64, rising: the exposures of the run that have previews."""
        return np.intersect1d(self.exposures.index.to_numpy(np.int64), self.catalog.previewed())

    @cached_property
    def not_pictured(self):
        """(n,) int64, rising: the exposures of the run that have no previews."""
        return self.exposures.index[~self.exposures.index.isin(self.pictured)].to_numpy(np.int64)

    @cached_property
    def exposures_taught(self):
        """Number of labelled exposures that calibrated the exposures' probability.

        0 = there were too few, so it is not calibrated; None = not known
        """
        model = open_stage(self.catalog, "model", self.stages.get("model"))
        try:
            return int(model.json("view")["taught"]) if model else None
        except (FileNotFoundError, KeyError):
            return None

    @cached_property
    def learners(self):
        """Whether learners gave the probabilities. If not, they are shares of the nearest labelled images."""
        model = open_stage(self.catalog, "model", self.stages.get("model"))
        try:
            return bool(model and model.json("classifier").get("learner"))
        except FileNotFoundError:
            return False

    @cached_property
    def ccd_numbers(self):
        """ccdname -> ccdnum of every CCD that the run has."""
        ccds = self.ccds.drop_duplicates("ccdnum")
        return dict(zip(ccds["ccdname"].astype(str), ccds["ccdnum"].astype(int), strict=True))

    def reason_names(self, image_ids):
        """image_id -> (ccdname, reasons as one text), for the images of the training set among image_ids."""
        rows = self.training[self.training["image_id"].isin(image_ids)]
        reasons = rows.groupby("image_id")["reason"].agg(lambda names: ", ".join(dict.fromkeys(map(str, names))))
        return {
            int(image_id): (self.ccd_of(image_id)[1] if image_id in self.ccds.index else "", names)
            for image_id, names in reasons.items()
        }

    @property
    def prediction_id(self):
        return self.stages.get("prediction", "")

    @property
    def version(self):
        return hashlib.sha256(repr((self.signature, sorted(self.stages.items()))).encode()).hexdigest()[:12]

    def outdated(self):
        """Whether the run's tables or a stage other than the prediction changed since this was read."""
        return self.signature != run_signature(self.catalog, *self.signature[:1])

    def in_this_version(self, votes):
        """(n,) bool: whether each vote is on the pipeline version that the exposure has in this run.

        A vote without a version (an imported one) counts as well. A vote on an exposure outside the run does not.
        """
        plver = votes["expnum"].map(self.exposures["plver"])
        return ((votes["plver"] == plver) | (votes["plver"] == "")).to_numpy(bool) & plver.notna().to_numpy()

    def images_of(self, expnum):
        """(n_ccd,) int64: image_ids of one exposure, in order of CCD number."""
        return self._images_in(self.ccds.index, expnum)

    @staticmethod
    def _images_in(index, expnum):
        """(n,) int64: the image_ids of one exposure in a sorted index, by binary search."""
        ids, own = index.to_numpy(), ids_of(int(expnum))
        first, last = np.searchsorted(ids, [own[0], own[-1] + 1])
        return ids[first:last].astype(np.int64)

    def ccd_of(self, image_id):
        """(expnum, ccdname) of one image."""
        row = self.ccds.loc[int(image_id)]
        return int(row["expnum"]), str(row["ccdname"])

    def image_of(self, expnum, ccdname):
        """image_id of a CCD of an exposure. None if the exposure has no CCD of that name."""
        rows = self.ccds.loc[self.images_of(expnum)]
        found = rows.index[rows["ccdname"].astype(str).str.upper() == str(ccdname).upper()]
        return int(found[0]) if len(found) else None


def run_signature(catalog, prediction_id=""):
    """A value that changes when the run does, as seen with one prediction. It reads no table; prediction_id is first.

    The current prediction is left out on purpose: each page stays with its own prediction and the candidates of it.
    """
    current = catalog.refresh().info["current"]
    parts: list = [
        prediction_id,
        tuple(sorted((path.name, path.stat().st_mtime_ns) for path in catalog.path.glob("*.parquet"))),
    ]
    for kind in ("embedding", "map2d", "map3d", "cluster"):
        parts.append((kind, current.get(kind, "")))
    chosen = catalog.made_from("candidates", "prediction", prediction_id)
    parts.append(("candidates", chosen.stage_id if chosen else ""))
    return tuple(parts)


def open_stage(catalog, kind, stage_id=None):
    """A stage to show, or None if there is none. An outdated stage is better than an empty room."""
    try:
        return catalog.stage(kind, stage_id, fresh=False)
    except (StageMissing, StageStale):
        return None


def parent_model(catalog, prediction_id):
    """{"model": stage id} of the model that made a prediction; {} if it is not known."""
    prediction = open_stage(catalog, "prediction", prediction_id) if prediction_id else None
    parents = prediction.parents if prediction else ()
    models = [parent["stage_id"] for parent in parents if parent["kind"] == "model"]
    return {"model": models[0]} if models else {}


def by(frame, key):
    """A table sorted by a column and indexed by it, which stays a column."""
    frame = frame if frame[key].is_monotonic_increasing else frame.sort_values(key)
    return frame.set_index(key, drop=False).rename_axis(None)


def with_shapes(exposures, shapes):
    """Exposures with SHAPES of their stars as further columns, NaN where they are unknown. shapes : exposure_shapes"""
    known = shapes.reindex(columns=["expnum", *SHAPES]).set_index("expnum").astype(float)
    return exposures.join(known)


def indexed(frame, key, like=None):
    """A table sorted by a column and indexed by it. like : an index; if it is the same, it is used and kept once."""
    frame = frame if frame[key].is_monotonic_increasing else frame.sort_values(key)
    frame = frame.set_index(key).rename_axis(None)
    return frame.set_axis(like) if like is not None and frame.index.equals(like) else frame


def stage_frame(stage, kind, like=None):
    """The COLUMNS of a stage, indexed by image_id or by expnum. An empty table without a stage."""
    if stage is None:
        frame = pd.DataFrame(
            {column: pd.Series(dtype="int64" if "_id" in column else "float64") for column in COLUMNS[kind]}
        )
        return indexed(frame, "image_id") if kind in IMAGE_TABLES else by(frame, "expnum")
    if kind in IMAGE_TABLES:
        known = stage.columns()
        columns = [column for column in COLUMNS[kind] if column in known]
        return indexed(stage.table(columns=columns, categories=NAMES), "image_id", like)
    return stage.table().sort_values("rank").set_index("expnum", drop=False).rename_axis(None)


def scored_frame(catalog, stage_id, candidates):
    """Every scored exposure, indexed by expnum, highest bad_probability first.

    The candidates alone if the scores of the others were not kept.
    """
    frame = candidates
    if stage_id:
        try:
            frame = catalog.stage("candidates", stage_id, fresh=False).table("exposures_scored")
        except (FileNotFoundError, StageMissing):
            frame = candidates
    frame = frame.sort_values(["bad_probability", "expnum"], ascending=[False, True], kind="stable")
    return frame.set_index("expnum", drop=False).rename_axis(None)
