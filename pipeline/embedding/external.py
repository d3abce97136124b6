"""Reads embeddings that were computed elsewhere into a run, as an embedding stage.

`vector_files` has the formats. All files of vectors in a folder are read together.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.embedding.vector_files import READERS, External
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import ccdnum_of, expnum_of, image_id_of


def image_ids(keys: pd.DataFrame, camera: str) -> np.ndarray:
    """image_id of each row, (n,) int64; -1 if the row names no CCD of the camera."""
    if "image_id" in keys:
        return pd.to_numeric(keys.image_id, errors="coerce").fillna(-1).to_numpy(np.int64)
    expnums = pd.to_numeric(keys.expnum, errors="coerce").fillna(-1).to_numpy(np.int64)
    if "ccdnum" in keys:
        numbers = pd.to_numeric(keys.ccdnum, errors="coerce").fillna(-1).to_numpy(np.int64)
    else:
        known = {ccd.name: ccd.number for ccd in CAMERAS[camera].ccds}
        numbers = keys.ccdname.astype(str).str.strip().str.upper().map(known).fillna(-1).to_numpy(np.int64)
    return np.where((expnums > 0) & (numbers > 0), image_id_of(expnums, numbers), -1)


def read(source: Path, keys: Path | None = None, progress: Callable | None = None) -> External:
    """Read a file or a folder of vectors. keys : the table of their images, if it is not beside them."""
    source, report = Path(source), progress or (lambda *_: None)
    if source.is_dir():
        kinds = [("*.h5", "*.hdf5"), ("*.npy",), ("*.parquet",)]
        files = next((f for kind in kinds if (f := sorted(p for k in kind for p in source.glob(k)))), [])
        files = [file for file in files if not file.name.endswith(".keys.parquet")]
        if not files:
            raise BadInput(f"{source} has no .h5, .npy or .parquet file with vectors")
    else:
        files = [source]
    parts = []
    for file in files:
        if file.suffix not in READERS:
            raise UnknownName(
                f"{file} is not a known kind of file of vectors; known: {', '.join(READERS)}, or a folder of them"
            )
        if not file.is_file():
            raise BadInput(f"there is no {file}")
        parts.append(READERS[file.suffix](file, keys, report))
    dims = {part.vectors.shape[1] for part in parts if len(part.vectors)}
    if len(dims) != 1:
        raise BadInput(f"{source} has vectors of lengths {sorted(dims) or 'none'}; all must have the same length")
    filled = [part for part in parts if len(part.vectors)]
    vectors = np.concatenate([part.vectors for part in filled])
    frame = pd.concat([part.keys for part in filled], ignore_index=True)
    return External(vectors, frame, parts[0].missing if len(parts) == 1 else 0)


def bring_in(
    catalog: Catalog, source: str | Path, *, keys: str | Path | None = None, progress: Callable | None = None
) -> Stage:
    """Make the vectors of `source` the run's embedding. Write and return the stage, with rows sorted by `image_id`.

    Only images of the run are used, or all if nothing has been ingested yet. Rows that name no CCD, are not in the run
    or hold NaN are left out. Their numbers are parameters of the stage, and so is the number of the run's images
    without a vector. BadInput if an image has two different vectors.
    """
    source = Path(source)
    given = read(source, Path(keys) if keys else None, progress)
    ids, ccds = image_ids(given.keys, catalog.camera), catalog.ccds()
    finite = np.isfinite(given.vectors).all(axis=1)
    known = np.isin(ids, ccds.image_id) if len(ccds) else ids > 0
    counts = {
        "without_vector": given.missing,
        "of_no_ccd": int((ids <= 0).sum()),
        "not_in_run": int(((ids > 0) & ~known).sum()),
        "not_finite": int((known & ~finite).sum()),
    }
    rows = np.flatnonzero(known & finite)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    again = rows[1:][ids[rows][1:] == ids[rows][:-1]]
    before = rows[:-1][ids[rows][1:] == ids[rows][:-1]]
    if not (given.vectors[again] == given.vectors[before]).all():
        different = again[(given.vectors[again] != given.vectors[before]).any(axis=1)]
        raise BadInput(f"{source} has different vectors for image {ids[different[0]]}; keep one of them")
    rows = rows[~np.isin(rows, again)]
    if not len(rows):
        raise BadInput(f"no image of {source} is in {catalog.name}: {counts}; `triptych ingest` adds exposures")
    counts["run_images_without"] = int((~np.isin(ccds.image_id, ids[rows])).sum()) if len(ccds) else 0
    vectors = np.ascontiguousarray(given.vectors[rows])
    digest = hashlib.sha256(vectors.tobytes()).hexdigest()[:16]
    # Nobody knows which model made them, so external vectors of one length count as one backbone's.
    parameters = {
        "backbone": "external",
        "source": str(source.resolve()),
        "dim": vectors.shape[1],
        "content": digest,
        **counts,
    }
    with catalog.new_stage("embedding", _stage_name(source), parameters=parameters) as writer:
        writer.write_array(vectors)
        writer.write_table(_keys(ids[rows], catalog.camera), "keys")
    return writer.stage


def _stage_name(source: Path) -> str:
    words = "".join(c if c.isalnum() else "-" for c in source.stem.lower()).strip("-")
    return f"external-{words}"[:60].rstrip("-")


def _keys(ids: np.ndarray, camera: str) -> pd.DataFrame:
    """Columns image_id, expnum, ccdname, as in every embedding."""
    names = {ccd.number: ccd.name for ccd in CAMERAS[camera].ccds}
    return pd.DataFrame(
        {
            "image_id": ids,
            "expnum": expnum_of(ids),
            "ccdname": [names.get(int(number), "") for number in ccdnum_of(ids)],
        }
    )
