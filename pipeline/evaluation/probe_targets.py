"""What a probe is asked to read from an embedding: labels of images, or numbers from the run's tables.

Every target has a value per CCD image. A number that belongs to an exposure is given to each of its CCDs. The value of
an exposure comes from its CCDs together: all reasons that any of them has, or the median of their numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from triptych.pipeline.camera import camera
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import train
from triptych.pipeline.errors import BadInput, LabelError, choose
from triptych.pipeline.reasons import GOOD, REASONS

REASONS_TARGET, BAD = "reasons", "bad"
SKEWED = 1.0  # positive numbers with a larger skewness are probed as logarithms
POSITIVE_SHARE = 0.99  # at least this share must be positive for that; the others are then left out
KEYS = ("image_id", "expnum", "ccdnum", "image_hdu", "mask_hdu", "night", "naxis1", "naxis2", "n_ccds", "bin")
STRATA = 5


@dataclass(frozen=True)
class Target:
    """The target of a probe.

    table : `image_id, expnum, ccdname, value`, one row per CCD image with a known value, sorted by image_id. `value`
    is a tuple of labels or a float. labels : the labels in vocabulary order, good last; () for a number. unit : of the
    number, "" = none. logarithm : whether log10 of the number is learned.
    """

    name: str
    table: pd.DataFrame
    labels: tuple[str, ...] = ()
    unit: str = ""
    logarithm: bool = False

    @property
    def goal(self) -> str:
        """What is predicted: 'classes' or 'number'."""
        return "classes" if self.labels else "number"

    def exposures(self) -> pd.DataFrame:
        """One row per exposure, `expnum, value`, sorted by expnum."""
        together = self.together if self.labels else np.median
        return self.table.groupby("expnum").value.agg(together).reset_index()

    def together(self, values) -> tuple[str, ...]:
        """Labels of an exposure from those of its CCDs: all that are not good, or else good."""
        present = {label for own in values for label in own} - {GOOD}
        return tuple(label for label in self.labels if label in present) or (GOOD,)

    def of(self, expnums) -> "Target":
        """The same target, for some exposures only."""
        return replace(self, table=self.table[self.table.expnum.isin(expnums)].reset_index(drop=True))

    def strata(self) -> pd.DataFrame:
        """`expnum, reasons` of every row, so that folds can spread labels, or low and high numbers, evenly."""
        if self.labels:
            return self.table.rename(columns={"value": "reasons"})
        middle = self.table.groupby("expnum").value.transform("median")
        place = np.searchsorted(np.quantile(middle, np.linspace(0, 1, STRATA + 1)[1:-1]), middle)
        return self.table.assign(reasons=[(str(own),) for own in place])

    def outputs(self, values: pd.Series) -> np.ndarray:
        """Values as a model learns them, float64: (n, n_labels) 0 or 1, or (n, 1) numbers or logarithms."""
        if self.labels:
            return np.array([[label in own for label in self.labels] for own in values], float)
        numbers = values.to_numpy(float)[:, None]
        return np.log10(numbers) if self.logarithm else numbers


def _seeing(catalog: Catalog) -> pd.DataFrame:
    """FWHM from the headers, in arcseconds. Files of reduced size have larger pixels."""
    found = camera(catalog.camera)
    ccds = catalog.ccds()
    widths = ccds["fwhm_pix"] if "fwhm_pix" in ccds else pd.Series(np.nan, ccds.index)
    return ccds.assign(value=widths * found.pixel_scale * found.ccd_shape[0] / ccds.naxis2)


def _of_ccds(column: str) -> Callable[[Catalog], pd.DataFrame]:
    return lambda catalog: catalog.ccds().assign(value=lambda ccds: ccds[column].astype(float))


def _of_exposures(column: str) -> Callable[[Catalog], pd.DataFrame]:
    def read(catalog: Catalog) -> pd.DataFrame:
        own = catalog.exposures().set_index("expnum")[column].astype(float)
        return catalog.ccds().assign(value=lambda ccds: ccds.expnum.map(own))

    return read


# name -> (function catalog -> CCD table with `value`, unit)
NUMBERS: dict[str, tuple[Callable[[Catalog], pd.DataFrame], str]] = {
    "seeing": (_seeing, "arcsec"),
    "sky": (_of_ccds("sky_median_adu"), "ADU"),
    "airmass": (_of_exposures("airmass"), ""),
    "exptime": (_of_exposures("exptime"), "s"),
}
LABELLED = (REASONS_TARGET, BAD)


def _columns(catalog: Catalog) -> dict[str, Callable[[Catalog], pd.DataFrame]]:
    """All other numeric columns of the run's tables. If both have a column, that of the exposures is used."""
    found = {}
    for table, read in ((catalog.ccds(), _of_ccds), (catalog.exposures(), _of_exposures)):
        numbers = table.select_dtypes("number").columns.difference(KEYS)
        found |= {column: read(column) for column in numbers if column not in NUMBERS}
    return found


def read_target(catalog: Catalog, store, name: str, keys: pd.DataFrame, *, policy: str = "majority") -> Target:
    """Read a target by name: one of LABELLED, one of NUMBERS, or a numeric column of the run's tables.

    keys : of the embedding; only images with a vector are in the target. store : the label store, only for LABELLED.
    UnknownName, LabelError or BadInput if there is nothing to probe.
    """
    columns = _columns(catalog)
    choose(name, (*LABELLED, *NUMBERS, *columns), "target of a probe")
    if name in LABELLED:
        return _labelled(catalog, store, name, keys, policy)
    read, unit = NUMBERS[name] if name in NUMBERS else (columns[name], "")
    rows = read(catalog)
    rows = rows[np.isfinite(rows.value) & rows.image_id.isin(keys.image_id)]
    if name == "seeing" and rows.empty:
        raise BadInput("no header of this run has the width of stars (FWHM); ingest files that have it into a new run")
    if rows.expnum.nunique() < 2 or rows.value.nunique() < 2:
        raise BadInput(
            f"{name} has {rows.value.nunique()} different values on {rows.expnum.nunique()} embedded exposures, but at "
            "least two of each are needed; ingest and embed more, or name another target"
        )
    logarithm = is_skewed(rows.value)
    rows = rows[rows.value > 0] if logarithm else rows
    rows = rows.sort_values("image_id", ignore_index=True)
    return Target(name, rows[["image_id", "expnum", "ccdname", "value"]], (), unit, logarithm)


def is_skewed(values: pd.Series) -> bool:
    """Whether nearly all values are positive, and so skewed that the logarithm is easier to learn."""
    positive = values[values > 0]
    return bool(len(positive) >= POSITIVE_SHARE * len(values) and positive.skew() > SKEWED)


def _labelled(catalog: Catalog, store, name: str, keys: pd.DataFrame, policy: str) -> Target:
    table, _ = train.embedded(train.read_training_set(catalog, store, policy=policy), keys)
    return of_labels(name, table)


def of_labels(name: str, table: pd.DataFrame) -> Target:
    """The target `reasons` or `bad`, from a training set's table (`image_id, expnum, ccdname, reasons`)."""
    values = table.reasons.map(tuple)
    if name == BAD:
        values = values.map(lambda own: (GOOD,) if own == (GOOD,) else (BAD,))
    present = {label for own in values for label in own}
    if table.expnum.nunique() < 2 or len(present) < 2:
        raise LabelError(
            f"labels cover {table.expnum.nunique()} embedded exposures and say {len(present)} different things, but "
            "two of each are needed; vote, or run `triptych labels import RUN FILE`"
        )
    labels = tuple(label for label in (*REASONS, BAD, GOOD) if label in present)
    return Target(name, table[["image_id", "expnum", "ccdname"]].assign(value=values).reset_index(drop=True), labels)
