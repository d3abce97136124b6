"""Two ready runs with real answers: the DR11 visual inspection, and eight annotators of real ghosts.

The data is not part of the program. It is in a folder of its own: see docs/real_data.md.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline import run as steps
from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.labels import readers
from triptych.pipeline.store.store import open_store

DR11_TABLE = "labels/dr11_final_selected_bad_exposures.csv"
DR11_METADATA = "metadata/exposures_meta.csv.gz"
DR11_INSPECTED = 3737  # exposures that were looked at; the published table has only those that somebody called bad
GHOSTS = "focal_planes/ghosts"
GHOST_MARKS = "focal_planes/ghosts/ghost_annotations.csv"
_ARCHIVE_NAME = re.compile(r"c4d_(\d\d)(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_\w+?_([ugrizY]|VR)_")


@dataclass(frozen=True)
class Example:
    """about : what it is.

    needs : its files in the folder of real data. make : called with catalog, folder, bar, whole.
    """

    about: str
    needs: tuple[str, ...]
    make: Callable


def make(name: str, out: str | Path, data: str | Path, *, whole: bool = False, bar) -> Catalog:
    """Make an example run at `out`, ready to be served once an account is added. A second call adds what is missing.

    data : the folder of real data. whole : also embed, train, predict, cluster and map, if the example has pixels.
    bar : called with a title, returns a context manager whose value is a `progress` function. BadInput if data is
    missing.
    """
    example, data = EXAMPLES[choose(name, EXAMPLES, "example")], Path(data)
    for needed in example.needs:
        if not (data / needed).exists():
            raise BadInput(f"{data / needed} is not there; name the folder of real data with --data")
    catalog = Catalog.create(out, camera="decam")
    example.make(catalog, data, bar, whole)
    return catalog.refresh()


def make_dr11(catalog: Catalog, data: Path, bar, whole: bool) -> None:
    """The exposures of the published table, without pixels, and the bad votes of its three inspectors."""
    table = pd.read_csv(data / DR11_TABLE, usecols=["expnum", "image_fname", "plver"])
    catalog.write_tables(exposures=dr11_exposures(table, _metadata(data / DR11_METADATA)))
    catalog.set_info(panel=3, inspected=DR11_INSPECTED)
    _import(catalog, data / DR11_TABLE)


def make_ghosts(catalog: Catalog, data: Path, bar, whole: bool) -> None:
    """Thirty focal planes as pictures, and what eight people marked on each CCD."""
    if whole:
        with bar("ingest") as progress:
            ingest(catalog, [data / GHOSTS], progress=progress)
        _import(catalog, data / GHOST_MARKS)
        with open_store(catalog) as store:
            steps.run(catalog.refresh(), store, [], bar=bar)
        return
    with bar("ingest") as progress:
        ingest(catalog, [data / GHOSTS], progress=progress)
    _import(catalog, data / GHOST_MARKS)


def dr11_exposures(table: pd.DataFrame, metadata: pd.DataFrame) -> pd.DataFrame:
    """An exposures table: band and time from the archive's file name, the rest from the metadata if it is there.

    table : expnum, image_fname, plver. metadata : indexed by expnum, with exptime, ra, dec, airmass, object, propid.
    """
    camera = camera_named("decam")
    parts = [_ARCHIVE_NAME.match(name) for name in table["image_fname"]]
    bands = [part[7] if part else "" for part in parts]
    times = pd.to_datetime(
        ["20{}-{}-{}T{}:{}:{}".format(*part.groups()[:6]) if part else None for part in parts], utc=True
    )
    mjd = np.asarray((times - pd.Timestamp("1858-11-17", tz="UTC")) / pd.Timedelta(days=1), dtype=float)
    known = metadata.reindex(table["expnum"].to_numpy())
    exposures = table.assign(
        camera=camera.name,
        band=bands,
        filter=bands,
        mjd_obs=mjd,
        night=[camera.night(one) for one in mjd],
        image_filename=table["image_fname"],
        source=Path(DR11_TABLE).name,
        n_ccds=0,
        **{name: known[name].to_numpy(float) for name in ("exptime", "ra", "dec", "airmass")},
        **{name: known[name].fillna("").astype(str).to_numpy() for name in ("object", "propid")},
    )
    return exposures.drop(columns="image_fname")


def _metadata(path: Path) -> pd.DataFrame:
    names = ["exptime", "ra", "dec", "airmass", "object", "propid"]
    if not path.exists():
        return pd.DataFrame(columns=names, index=pd.Index([], dtype="int64"))
    found = pd.read_csv(path, usecols=["expnum", *names], low_memory=False)
    return found.drop_duplicates("expnum").set_index("expnum")


def _import(catalog: Catalog, path: Path) -> None:
    with open_store(catalog) as store:
        readers.import_file(store, path, camera=catalog.camera, catalog=catalog)


EXAMPLES = {
    "dr11": Example("939 exposures of the DR11 inspection, three inspectors", (DR11_TABLE,), make_dr11),
    "ghosts": Example("30 real focal planes with ghosts, eight annotators", (GHOSTS, GHOST_MARKS), make_ghosts),
}
