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
from triptych.pipeline.errors import BadInput, UnknownName, in_one_line
from triptych.pipeline.image_ids import ccdnum_of, expnum_of, image_id_of

NO_CCD, DISAGREES = -1, -2  # in place of an image_id
MOST = 10**18  # above every image_id


def image_ids(keys: pd.DataFrame, camera: str) -> np.ndarray:
    """image_id of each row, (n,) int64; NO_CCD if it names no CCD of the camera, DISAGREES if its columns disagree.

    keys : with some of the columns image_id, expnum, ccdname, ccdnum. All that are there must say the same.
    """
    known = {ccd.name.upper(): ccd.number for ccd in CAMERAS[camera].ccds}
    numbers = []
    if "ccdname" in keys:
        numbers.append(keys.ccdname.astype(str).str.strip().str.upper().map(known).fillna(-1).to_numpy(np.int64))
    if "ccdnum" in keys:
        numbers.append(_whole(keys.ccdnum))
    found = []
    if "expnum" in keys and numbers:
        expnums = _whole(keys.expnum)
        for own in numbers:
            right = (expnums > 0) & np.isin(own, list(known.values()))
            found.append(np.where(right, image_id_of(np.maximum(expnums, 0), np.maximum(own, 0)), NO_CCD))
    if "image_id" in keys:
        found.append(_whole(keys.image_id))
    ids = np.where(found[0] > 0, found[0], NO_CCD)
    for other in found[1:]:
        ids = np.where(other == found[0], ids, DISAGREES)
    return ids


def _whole(column: pd.Series) -> np.ndarray:
    """Whole numbers of a column, (n,) int64; -1 where there is none, or one that is too large."""
    if column.dtype.kind in "iu":
        return np.where(column.to_numpy() < MOST, column.to_numpy(), -1).astype(np.int64)
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64).to_numpy()
    right = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53)
    return np.where(right, numbers, -1).astype(np.int64)


def read(source: Path, keys: Path | None = None, progress: Callable | None = None, *, features: str = "") -> External:
    """Read a file or a folder of vectors. keys : the table of their images, if it is not beside them.

    features : which columns of Parquet files, see `vector_files.feature_columns`. BadInput if one cannot be read.
    """
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
        try:
            parts.append(READERS[file.suffix](file, keys, report, features))
        except BadInput as error:
            raise in_one_line(error) from None
    dims = {part.vectors.shape[1] for part in parts if len(part.vectors)}
    if len(dims) != 1:
        raise BadInput(f"{source} has vectors of lengths {sorted(dims) or 'none'}; all must have the same length")
    if len({part.taken for part in parts}) > 1:
        raise BadInput(f"{source} has files with different columns of features; name them: --features")
    filled = [part for part in parts if len(part.vectors)]
    vectors = np.concatenate([part.vectors for part in filled])
    frame = pd.concat([part.keys for part in filled], ignore_index=True)
    left = tuple(dict.fromkeys(name for part in parts for name in part.left))
    return External(vectors, frame, parts[0].missing if len(parts) == 1 else 0, parts[0].taken, left)


def bring_in(
    catalog: Catalog,
    source: str | Path,
    *,
    keys: str | Path | None = None,
    features: str = "",
    progress: Callable | None = None,
) -> Stage:
    """Make the vectors of `source` the run's embedding. Write and return the stage, with rows sorted by `image_id`.

    features : which columns of Parquet files are features; '' = those that share a name and are numbered.

    Only images of the run are used, or all if nothing has been ingested yet. Rows that name no CCD, whose name and
    number of a CCD disagree, are not in the run or hold NaN are left out. Their numbers are parameters of the stage,
    and so are the number of the run's images without a vector, and the columns that were taken and not taken. BadInput
    if an image has two different vectors.
    """
    source = Path(source)
    given = read(source, Path(keys) if keys else None, progress, features=features)
    ids, ccds = image_ids(given.keys, catalog.camera), catalog.ccds()
    finite = np.isfinite(given.vectors).all(axis=1)
    known = np.isin(ids, ccds.image_id) if len(ccds) else ids > 0
    counts = {
        "without_vector": given.missing,
        "of_no_ccd": int((ids == NO_CCD).sum()),
        "name_and_number_disagree": int((ids == DISAGREES).sum()),
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
        why = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in counts.items() if number)
        raise BadInput(
            f"no image of {source} is in {catalog.name}: {why or 'no rows'}; `triptych ingest` adds exposures"
        )
    counts["run_images_without"] = int((~np.isin(ccds.image_id, ids[rows])).sum()) if len(ccds) else 0
    vectors = np.ascontiguousarray(given.vectors[rows])
    digest = hashlib.sha256(vectors.tobytes()).hexdigest()[:16]
    # Nobody knows which model made them, so external vectors of one length count as one backbone's.
    parameters = {
        "backbone": "external",
        "source": str(source.resolve()),
        "dim": vectors.shape[1],
        "content": digest,
        **({"features": list(given.taken), "other_columns": list(given.left)} if given.taken else {}),
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
