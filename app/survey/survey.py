"""The tables that one page needs, read from the run once per process and shared by every session."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import StageMissing, StageStale
from triptych.pipeline.image_ids import ids_of

EMPTY = {
    "prediction": ["image_id", "expnum", "ccdname", "reason", "probability", "p_good"],
    "map2d": ["image_id", "x", "y"],
    "map3d": ["image_id", "x", "y", "z"],
    "cluster": ["image_id", "cluster", "membership"],
    "candidates": ["expnum", "rank", "n_bad_ccds", "n_ccds", "max_probability", "bad_probability", "reasons", "rule"],
}
IMAGE_TABLES = ("prediction", "map2d", "map3d", "cluster")


@dataclass(frozen=True, eq=False)
class Survey:
    """Tables of one run under one prediction stage. Read only: many sessions share it.

    exposures : one row per exposure, indexed by expnum (and with the column)
    ccds : one row per CcdImage, indexed by image_id (and with the column)
    prediction, map2d, map3d, cluster : columns of the stage tables, indexed by image_id; empty where there is no stage
    candidates : indexed by expnum, in rank order; scored : every exposure, by falling bad_probability
    image_ids : (n,) int64, sorted: the images that the map draws (all CcdImages before there is a map)
    stages : stage kind -> stage id, of those that were read
    version : changes whenever any of this does; used in addresses that may be cached for ever
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
    def read(cls, catalog, prediction_id=None):
        """Read every table that exists; prediction_id picks an earlier prediction ('' = none)."""
        signature = run_signature(catalog)
        exposures, ccds = catalog.exposures(), catalog.ccds()
        exposures = exposures.sort_values("expnum").set_index("expnum", drop=False).rename_axis(None)
        ccds = ccds.sort_values("image_id").set_index("image_id", drop=False).rename_axis(None)
        prediction_id = cls.current_prediction(catalog) if prediction_id is None else prediction_id
        stages, tables = {}, {}
        for kind in EMPTY:
            wanted = prediction_id if kind == "prediction" else None
            stage = None if wanted == "" else open_stage(catalog, kind, wanted)
            if kind == "candidates" and prediction_id:
                stage = candidates_of(catalog, prediction_id) or stage
            if stage is not None:
                stages[kind] = stage.stage_id
            tables[kind] = stage_frame(stage, kind)
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
            image_ids=np.sort(drawn["image_id"].to_numpy(np.int64)),
            scored=scored_frame(catalog, stages.get("candidates"), tables["candidates"]),
            stages=stages,
            signature=signature,
            **tables,
        )

    @cached_property
    def training(self):
        """What taught the predictions, one row per image and reason: image_id, reason, provenance ('' = unknown)."""
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
        """(n,) int64, rising: the exposures of the run whose previews are there."""
        return np.intersect1d(self.exposures.index.to_numpy(np.int64), self.catalog.previewed())

    @cached_property
    def exposures_taught(self):
        """How many labelled exposures taught the exposures' probability; 0 = too few, it is not calibrated; None = not
        known."""
        model = open_stage(self.catalog, "model", self.stages.get("model"))
        try:
            return int(model.json("view")["taught"]) if model else None
        except (FileNotFoundError, KeyError):
            return None

    @cached_property
    def learners(self):
        """Whether learners gave the probabilities; otherwise they are shares of the nearest labelled images."""
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
        """image_id -> (ccdname, reasons as one text) of those image_ids that are labelled; others are left out."""
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
        """Whether the exposure tables or a stage other than the prediction changed since this was read."""
        return self.signature != run_signature(self.catalog)

    def in_this_version(self, votes):
        """(n,) bool: votes on the pipeline version of the exposure in this run, or imported without a version."""
        plver = votes["expnum"].map(self.exposures["plver"])
        return ((votes["plver"] == plver) | (votes["plver"] == "")).to_numpy(bool) & plver.notna().to_numpy()

    def images_of(self, expnum):
        """(n_ccd,) int64 image_ids of one exposure, by CCD number."""
        ids, own = self.ccds.index.to_numpy(), ids_of(int(expnum))
        first, last = np.searchsorted(ids, [own[0], own[-1] + 1])
        return ids[first:last].astype(np.int64)

    def ccd_of(self, image_id):
        """(expnum, ccdname) of one image."""
        row = self.ccds.loc[int(image_id)]
        return int(row["expnum"]), str(row["ccdname"])

    def image_of(self, expnum, ccdname):
        """image_id of a CCD of an exposure, None when it has none of that name."""
        rows = self.ccds.loc[self.images_of(expnum)]
        found = rows.index[rows["ccdname"].str.upper() == str(ccdname).upper()]
        return int(found[0]) if len(found) else None


def run_signature(catalog):
    """What tells two states of a run apart, without reading a table; the prediction is left out on purpose."""
    current = catalog.refresh().info["current"]
    parts: list[tuple] = [
        tuple(sorted((path.name, path.stat().st_mtime_ns) for path in catalog.path.glob("*.parquet")))
    ]
    for kind in ("embedding", "map2d", "map3d", "cluster"):
        parts.append((kind, current.get(kind, "")))
    return tuple(parts)


def open_stage(catalog, kind, stage_id=None):
    """A stage for looking at: an outdated one is better than an empty room; None when there is none."""
    try:
        return catalog.stage(kind, stage_id, fresh=False)
    except (StageMissing, StageStale):
        return None


def parent_model(catalog, prediction_id):
    """{"model": stage id} that a prediction was made with; {} where it does not say."""
    prediction = open_stage(catalog, "prediction", prediction_id) if prediction_id else None
    parents = prediction.parents if prediction else ()
    models = [parent["stage_id"] for parent in parents if parent["kind"] == "model"]
    return {"model": models[0]} if models else {}


def candidates_of(catalog, prediction_id):
    """The candidates stage made from this prediction, newest first; None when there is none."""
    for stage in sorted(catalog.stages("candidates"), key=lambda stage: stage.stage_id, reverse=True):
        if any(parent["kind"] == "prediction" and parent["stage_id"] == prediction_id for parent in stage.parents):
            return stage
    return None


def stage_frame(stage, kind):
    """The table of a stage, indexed by its key."""
    if stage is None:
        frame = pd.DataFrame(
            {column: pd.Series(dtype="int64" if "_id" in column else "float64") for column in EMPTY[kind]}
        )
    else:
        frame = stage.table()
    if kind in IMAGE_TABLES:
        frame = frame.sort_values("image_id").set_index("image_id", drop=False)
    else:
        frame = frame.sort_values("rank").set_index("expnum", drop=False)
    return frame.rename_axis(None)


def scored_frame(catalog, stage_id, candidates):
    """Every exposure by falling bad_probability, indexed by expnum; the candidates where nothing else is known."""
    frame = candidates
    if stage_id:
        try:
            frame = catalog.stage("candidates", stage_id, fresh=False).table("exposures_scored")
        except (FileNotFoundError, StageMissing):
            frame = candidates
    frame = frame.sort_values(["bad_probability", "expnum"], ascending=[False, True], kind="stable")
    return frame.set_index("expnum", drop=False).rename_axis(None)
