"""The tables of star shapes while an ingest changes them, and which exposures of a run have none.

Earlier versions measured no stars. Their runs go on working; what they lack is added when it is asked for.
"""

from collections.abc import Collection, Sequence

import pandas as pd

from triptych.pipeline.camera import camera
from triptych.pipeline.catalog.catalog import STAR_SHAPE_COLUMNS as KEYS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.ingest.exposure_files import ExposurePlan
from triptych.pipeline.ingest.manifest import Manifest
from triptych.pipeline.shapes.ccd import COLUMNS as STARS
from triptych.pipeline.shapes.exposure import COLUMNS, exposure_shapes, over_night


class ShapeTables:
    """`star_shapes` and `exposure_shapes` of a run. `add` collects rows, `save` writes them."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        self.exposures = catalog.exposure_shapes()
        self._ccds: list[dict] = []
        self._exposures: list[dict] = []

    def add(self, plan: ExposurePlan, rows: list[dict]) -> None:
        """Add the CCDs of one exposure."""
        self._ccds += rows
        found = exposure_shapes(camera(plan.camera), pd.DataFrame(rows))
        self._exposures.append({"expnum": plan.expnum, **found})

    def save(self, changed: list[int], exposures: pd.DataFrame) -> None:
        """Write the tables. changed : exposures whose earlier rows go. exposures : the run's table as it is now."""
        if changed or not (self.catalog.path / "star_shapes.parquet").exists():
            rows = pd.DataFrame(self._ccds, columns=[*KEYS, *STARS]).astype(dict.fromkeys(STARS, "float64"))
            self.catalog.replace_rows("star_shapes", changed, rows)
        self.exposures = replace_rows(self.exposures, changed, [pd.DataFrame(self._exposures)])
        if len(self.exposures):
            fwhm = self.exposures.set_index("expnum")["fwhm_arcsec"].sort_index()
            ratio = over_night(exposures, fwhm)
            self.exposures["fwhm_over_night"] = self.exposures["expnum"].map(ratio)
            self.exposures = self.exposures[["expnum", *COLUMNS]]
        self.catalog.write_tables(exposure_shapes=self.exposures)
        self._ccds, self._exposures = [], []


def replace_rows(table: pd.DataFrame, changed: list[int], rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The table without rows of the changed exposures, plus the new rows."""
    parts = [part for part in (table[~table.expnum.isin(changed)], *rows) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else table.iloc[:0]


def unmeasured(catalog: Catalog) -> set[int]:
    """Exposures of the run that have no row of star shapes, because an earlier version read them."""
    return set(catalog.exposures()["expnum"].tolist()) - set(catalog.exposure_shapes()["expnum"].tolist())


def measure_again(manifest: Manifest, expnums: Collection[int], paths: Collection[str]) -> None:
    """Have these exposures read again, as far as their files are among `paths`: headers first, then pixels."""
    for record in manifest.files.values():
        again = record.expnums & set(expnums)
        if again and record.path in paths:
            record.digest = ""
            for expnum in again & manifest.exposures.keys():
                manifest.exposures[expnum]["digest"] = ""
