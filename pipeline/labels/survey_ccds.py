"""`survey-ccds` tables: what the survey's own pipeline says about every CCD that it has reduced.

Such a table (FITS, first extension) has a row per CCD with `expnum`, `ccdname`, `camera` and mostly `ccd_cuts`: a bit
mask of the reasons why the survey leaves that CCD out. Annotated tables also have `ebv`, the extinction E(B-V) at the
CCD's centre.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits

from triptych.pipeline.camera import camera
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.labels.cells import DIGITS
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

    ccd_cuts : int64, UNKNOWN if the table has no such column or nothing in it. ebv : float64, magnitudes, NaN if it has
    no such column. Rows without an exposure number, of another camera, of a focus chip or of no CCD are left out; the
    frame's `attrs["left_out"]` says how many and why. If an exposure was processed more than once, its newest `plver`
    counts; versions are compared number by number. BadInput if a table cannot be read, or has no row that can be used.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    parts = [_read_one(Path(path)) for path in paths]
    rows = pd.concat([part for part, _ in parts], ignore_index=True)
    left_out = sum((left for _, left in parts), Counter())
    if rows.empty and left_out:
        why, number = left_out.most_common(1)[0]
        raise BadInput(f"{', '.join(map(str, paths))}: no row can be used; {number} {why}")
    order = {plver: place for place, plver in enumerate(sorted(rows.plver.unique(), key=_version))}
    rows["version"] = rows.plver.map(order)
    newest = rows.groupby(["camera", "expnum"]).version.transform("max")
    rows = rows[rows.version == newest].drop_duplicates(["camera", "image_id"], keep="last")
    rows = rows.sort_values(["image_id", "camera"], ignore_index=True)[list(COLUMNS)]
    rows.attrs["left_out"] = dict(left_out)
    return rows


def left_out_in_words(table: pd.DataFrame) -> str:
    """What of the tables was left out, for a message; '' if nothing was."""
    left = table.attrs.get("left_out", {})
    if not left:
        return ""
    return "survey-ccds rows left out: " + ", ".join(f"{number} {why}" for why, number in left.items())


def _read_one(path: Path) -> tuple[pd.DataFrame, Counter]:
    """(the rows of a table that can be used, the numbers of others by what is wrong with them)."""
    try:
        scan(path, unpacked=math.inf)  # refuses headers without an end
        with warnings.catch_warnings(action="ignore"), fits.open(path) as hdus:  # what is wrong is told in one line
            must_fit(hdus[1].header.data_size, path)
            names = {name.lower(): name for name in hdus[1].columns.names}
            columns = {name: np.asarray(hdus[1].data[names[name]]) for name in COLUMNS if name in names}
        missing = [name for name in ("expnum", "ccdname", "camera") if name not in columns]
        if missing:
            raise BadInput(
                f"{path} has no column {', '.join(missing)}; a survey-ccds table has expnum, ccdname and camera"
            )
        return _usable(columns)
    except Exception as error:  # astropy and NumPy may raise anything on a damaged table
        if isinstance(error, MemoryError) or (isinstance(error, BadInput) and not isinstance(error, Unusable)):
            raise
        words = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise BadInput(f"{path} cannot be read as a survey-ccds table: {words}; copy it again") from None


def _usable(columns: dict[str, np.ndarray]) -> tuple[pd.DataFrame, Counter]:
    frame = pd.DataFrame({"expnum": _numbers(columns["expnum"], 0)})
    for name in ("camera", "ccdname", "plver", "image_filename"):
        frame[name] = pd.Series(_texts(columns[name]), dtype=object) if name in columns else ""
    frame["ccd_cuts"] = _numbers(columns["ccd_cuts"], UNKNOWN) if "ccd_cuts" in columns else np.int64(UNKNOWN)
    frame["ebv"] = columns["ebv"].astype(np.float64) if "ebv" in columns else np.nan
    known = frame[["camera", "ccdname"]].drop_duplicates()
    ccds = [(*pair, *_identity(*pair)) for pair in known.itertuples(index=False, name=None)]
    ccds = pd.DataFrame(ccds, columns=["camera", "ccdname", "our_camera", "our_ccdname", "ccdnum", "problem"])
    frame = frame.merge(ccds, on=["camera", "ccdname"], how="left")
    out_of_range = (frame.expnum <= 0) | (frame.expnum >= 10**DIGITS)
    left_out = Counter(frame.problem.mask(out_of_range, "without an exposure number").replace("", np.nan).dropna())
    frame = frame[~out_of_range & (frame.problem == "")].copy()
    frame["image_id"] = image_id_of(frame.expnum, frame.ccdnum.astype(np.int64))
    frame = frame.drop(columns=["camera", "ccdname", "ccdnum", "problem"])
    return frame.rename(columns={"our_camera": "camera", "our_ccdname": "ccdname"})[list(COLUMNS)], left_out


def _numbers(values: np.ndarray, unknown: int) -> np.ndarray:
    """int64 numbers of a column of any kind; `unknown` where there is no whole number."""
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    texts = _texts(values) if values.dtype.kind in "SU" else values
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64)
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**62)
    return np.where(whole, numbers, unknown).astype(np.int64)


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "S":
        return [value.decode("utf-8", "replace").strip() for value in values.tolist()]
    return [str(value).strip() for value in values.tolist()]


def _identity(camera_name: str, ccdname: str) -> tuple[str, str, int, str]:
    """The names of the camera and the CCD as we write them, its number, and '': ("decam", "N10", 41, "").

    If the last is a problem, the others are empty.
    """
    try:
        known = camera(camera_name)
    except UnknownName:
        return "", "", 0, f"of camera {camera_name!r}, which is not known"
    if not ccdname:
        return "", "", 0, "without a ccdname"
    if known.is_focus(ccdname):
        return "", "", 0, f"of the focus chip {ccdname.upper()}"
    try:
        number = known.number(ccdname)
    except UnknownName:
        return "", "", 0, f"of {ccdname!r}, which is not a CCD of {known.title}"
    return known.name, known.name_of(number), number, ""


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
