"""`survey-ccds` tables: what the survey's own pipeline says about every CCD that it has reduced.

Such a table (FITS, first extension) has a row per CCD with `expnum`, `ccdname`, `camera` and mostly `ccd_cuts`: a bit
mask of the reasons why the survey leaves that CCD out. Annotated tables also have `ebv`, the extinction E(B-V) at the
CCD's centre.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from triptych.pipeline.camera import camera
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.memory import must_fit
from triptych.pipeline.pixels.fits import Unusable, scan

COLUMNS = ("camera", "expnum", "ccdname", "image_id", "ccd_cuts", "ebv", "plver", "image_filename")
UNKNOWN = -1

# Names of the bits of ccd_cuts, lowest bit first.
CCD_CUTS = (
    "ERR_LEGACYZPTS",
    "NOT_GRZ",
    "NOT_THIRD_PIX",
    "EXPTIME_LT_30",
    "CCDNMATCH_LT_20",
    "ZPT_DIFF_AVG",
    "ZPT_SMALL",
    "ZPT_LARGE",
    "SKY_IS_BRIGHT",
    "BADEXP_FILE",
    "PHRMS",
    "RADECRMS",
    "SEEING_BAD",
    "EARLY_DECAM",
    "DEPTH_CUT",
    "TOO_MANY_BAD_CCDS",
    "FLAGGED_IN_DES",
    "PHRMS_S7",
    "DEPTH_CUT_2",
    "PLVER",
)
# Cuts by which the survey selects data: nothing is wrong with these CCDs.
SELECTION = ("NOT_GRZ", "NOT_THIRD_PIX", "EXPTIME_LT_30", "EARLY_DECAM", "DEPTH_CUT", "DEPTH_CUT_2", "PLVER")
BITS = {name: 1 << place for place, name in enumerate(CCD_CUTS)}
DEFECTS = sum(bit for name, bit in BITS.items() if name not in SELECTION)


def flags(ccd_cuts: int) -> tuple[str, ...]:
    """Names of the bits that are set; () if none is set or if the value is unknown."""
    return tuple(name for name, bit in BITS.items() if ccd_cuts > 0 and ccd_cuts & bit)


def read(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Read one table or several: COLUMNS, one row per CCD of the newest processing, sorted by image_id.

    ccd_cuts : int64, UNKNOWN if the table has no such column. ebv : float64, magnitudes, NaN if it has no such column.
    Rows without an exposure number are left out. If an exposure was processed more than once, its newest `plver`
    counts; versions are compared number by number. BadInput if a table cannot be read.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    rows = pd.concat([_read_one(Path(path)) for path in paths], ignore_index=True)
    rows = rows[rows.expnum > 0].copy()
    order = {plver: place for place, plver in enumerate(sorted(rows.plver.unique(), key=_version))}
    rows["version"] = rows.plver.map(order)
    newest = rows.groupby(["camera", "expnum"]).version.transform("max")
    rows = rows[rows.version == newest].drop_duplicates(["camera", "image_id"], keep="last")
    return rows.sort_values(["image_id", "camera"], ignore_index=True)[list(COLUMNS)]


def _read_one(path: Path) -> pd.DataFrame:
    try:
        scan(path, unpacked=math.inf)  # refuses headers without an end
        with fits.open(path) as hdus:
            must_fit(hdus[1].header.data_size, path)
            names = {name.lower(): name for name in hdus[1].columns.names}
            columns = {name: np.asarray(hdus[1].data[names[name]]) for name in COLUMNS if name in names}
    except (OSError, ValueError, IndexError, AttributeError, Unusable) as error:
        raise BadInput(f"{path} cannot be read as a survey-ccds table: {error}") from None
    missing = [name for name in ("expnum", "ccdname", "camera") if name not in columns]
    if missing:
        raise BadInput(f"{path} has no column {', '.join(missing)}; a survey-ccds table has expnum, ccdname and camera")
    frame = pd.DataFrame({"expnum": columns["expnum"].astype(np.int64)})
    for name in ("camera", "ccdname", "plver", "image_filename"):
        frame[name] = pd.Series(columns[name].astype(str), dtype=object).str.strip() if name in columns else ""
    frame["ccd_cuts"] = columns["ccd_cuts"].astype(np.int64) if "ccd_cuts" in columns else np.int64(UNKNOWN)
    frame["ebv"] = columns["ebv"].astype(np.float64) if "ebv" in columns else np.nan
    known = frame[["camera", "ccdname"]].drop_duplicates()
    ccds = [(*pair, *_identity(path, *pair)) for pair in known.itertuples(index=False, name=None)]
    ccds = pd.DataFrame(ccds, columns=["camera", "ccdname", "our_camera", "our_ccdname", "ccdnum"])
    frame = frame.merge(ccds, on=["camera", "ccdname"], how="left")
    frame["image_id"] = image_id_of(frame.expnum, frame.ccdnum.astype(np.int64))
    frame = frame.drop(columns=["camera", "ccdname", "ccdnum"])
    return frame.rename(columns={"our_camera": "camera", "our_ccdname": "ccdname"})[list(COLUMNS)]


def _identity(path: Path, camera_name: str, ccdname: str) -> tuple[str, str, int]:
    """The names of the camera and the CCD as we write them, and the CCD's number: ("decam", "N10", 41)."""
    try:
        known = camera(camera_name)
        number = known.number(ccdname.upper())
    except UnknownName as error:
        raise BadInput(f"{path}: {error}") from None
    return known.name, known.name_of(number), number


def _version(plver: str) -> tuple[tuple[int, str], ...]:
    """A sort key: V4.8.2a comes before V5.4. Numbers compare as numbers, letters behind them as letters."""
    parts = []
    for part in plver.lstrip("vV").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        parts.append((int(digits or 0), part[len(digits) :]))
    return tuple(parts)


def exposure_flags(table: pd.DataFrame, mask: int = DEFECTS) -> pd.DataFrame:
    """Per exposure: `expnum, n_ccds, n_flagged, flagged`. It is flagged if more than half of its CCDs have a bit set.

    mask : which bits count. By default those that stand for a defect, not those by which the survey selects.
    """
    known = table[table.ccd_cuts != UNKNOWN]
    rows = pd.DataFrame({"expnum": known.expnum, "hit": (known.ccd_cuts & mask) > 0})
    found = rows.groupby("expnum").agg(n_ccds=("hit", "size"), n_flagged=("hit", "sum")).reset_index()
    found["flagged"] = 2 * found.n_flagged > found.n_ccds
    return found


def compare(found: pd.DataFrame, table: pd.DataFrame, answers: dict[int, bool] | None = None) -> dict:
    """Compare the exposures that we find with those that the survey's flags find. Returns counts as plain values.

    found : `expnum, sent` (bool), every exposure that we have an answer for. table : from `read`. Exposures that it
    does not hold, or only without ccd_cuts, count as `not_in_table`. answers : expnum -> truly bad, if known; each
    group then says how many of its exposures are bad or good. `flags` has the same groups for each bit, including the
    bits of selection.
    """
    flagged = exposure_flags(table)
    both = found[["expnum", "sent"]].merge(flagged, on="expnum")
    truth = both.expnum.map(answers or {})
    result = {
        "n": len(both),
        "not_in_table": int(len(found) - len(both)),
        **_groups(both.sent, both.flagged, truth),
        "flags": {},
    }
    for name, bit in BITS.items():
        own = exposure_flags(table, bit)
        hit = both.expnum.isin(own.expnum[own.flagged])
        if hit.any():
            groups = _groups(both.sent, hit, truth)
            result["flags"][name] = {**groups, "kind": "selection" if name in SELECTION else "defect"}
    return result


def _groups(ours: pd.Series, theirs: pd.Series, truth: pd.Series) -> dict:
    """Count exposures by who found them. For each group, also count those known to be bad and known to be good."""
    groups = {
        "both": ours & theirs,
        "only_ours": ours & ~theirs,
        "only_theirs": theirs & ~ours,
        "neither": ~ours & ~theirs,
    }
    return {
        name: {
            "n": int(hit.sum()),
            "truly_bad": int(truth[hit].eq(True).sum()),
            "truly_good": int(truth[hit].eq(False).sum()),
        }
        for name, hit in groups.items()
    }
