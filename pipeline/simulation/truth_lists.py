"""Writes the truth about a simulated survey, as a table and in the formats that surveys use for such lists."""

from pathlib import Path

import pandas as pd

from triptych.pipeline.camera import Camera
from triptych.pipeline.catalog.files import write_aside
from triptych.pipeline.csv_tables import csv_text
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.simulation.conditions import Observation

# Names of the exclusion lists, and spellings for whole exposures in them
LIST_NAMES = {"Ghost_Scatter": "ghost-scatter", "Streak": "streak", "Noise": "noise", "Bad_CCD": "ccd"}
SPELLINGS = {
    "Clouds_transparency": "Clouds",
    "Telescope_Moving": "Telescope Moving",
    "Out_of_focus": "Out of Focus",
    "Ghost_Scatter": "Ghosting",
}
FIRST_YEAR = 56224.0  # MJD of the first night of year y00


def write_lists(folder: Path, truth: pd.DataFrame, observations: list[Observation], camera: Camera, *, note: str):
    """Write truth.csv, suspicious.csv, bad_expid.txt and exclude/*.txt."""
    cells = truth.astype(object).where(truth.notna(), "")
    write_text(folder / "truth.csv", csv_text([list(truth), *cells.itertuples(index=False, name=None)]))
    truth = truth[["expnum", "ccdname", "reason"]]
    odd = [(o.expnum, o.suspicious) for o in observations if o.suspicious]
    write_text(folder / "suspicious.csv", csv_text([("expnum", "kind"), *odd]))
    bad = truth[truth.reason != GOOD]
    whole = _whole_exposures(truth)
    write_text(folder / "bad_expid.txt", bad_expid(bad, whole, note))
    (folder / "exclude").mkdir(exist_ok=True)
    for name, text in exclude_lists(bad, whole, observations, camera, note).items():
        write_text(folder / "exclude" / name, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it."""
    write_aside(path, lambda aside: aside.write_text(text))


def _whole_exposures(truth: pd.DataFrame) -> set[tuple[int, str]]:
    """(expnum, reason) of exposures in which every CCD has the reason."""
    n_ccds = truth.groupby("expnum").ccdname.nunique()
    affected = truth.groupby(["expnum", "reason"]).ccdname.nunique()
    return {key for key, n in affected.items() if key[1] != GOOD and n == n_ccds[key[0]]}


def bad_expid(bad: pd.DataFrame, whole: set[tuple[int, str]], note: str) -> str:
    """Lines `EXPID[-CCDNAME] reasons`, one per key. The key is the whole exposure if all its CCDs are affected."""
    reasons: dict[str, list[str]] = {}
    for expnum, ccdname, reason in bad.itertuples(index=False):
        key = str(expnum) if (expnum, reason) in whole else f"{expnum}-{ccdname}"
        if reason not in reasons.setdefault(key, []):
            reasons[key].append(reason)
    lines = [f"# {note}", "#EXPID[-CCDNAME] reason, reason"]
    return "\n".join([*lines, *(f"{key} {', '.join(names)}" for key, names in reasons.items())]) + "\n"


def exclude_lists(
    bad: pd.DataFrame, whole: set[tuple[int, str]], observations: list[Observation], camera: Camera, note: str
) -> dict[str, str]:
    """File name -> text of the exclusion lists: `problem-yNN.txt` for whole exposures, one list per reason for CCDs."""
    mjd = {observation.expnum: observation.mjd for observation in observations}
    lists: dict[str, list[str]] = {}
    for expnum, reason in sorted(whole):
        name = f"problem-y{_year(mjd[expnum])}.txt"
        lines = lists.setdefault(name, ["#Nite           Exposure        Problem"])
        lines.append(f"{camera.night(mjd[expnum])}        {expnum}          {SPELLINGS.get(reason, reason)}")
    for expnum, ccdname, reason in bad.itertuples(index=False):
        if (expnum, reason) in whole:
            continue
        kind = LIST_NAMES.get(reason, reason.lower())
        lines = lists.setdefault(
            f"{kind}-y{_year(mjd[expnum])}.txt", ["#date     expnum ccd id ccdnum", f"### {note} ###"]
        )
        lines.append(f"{camera.night(mjd[expnum])}  {expnum} nan {ccdname:>3s} {camera.number(ccdname):3d}")
    return {name: "\n".join(lines) + "\n" for name, lines in lists.items()}


def _year(mjd: float) -> str:
    """Two digits of the survey's year, which begins in October."""
    return f"{max(0, int((mjd - FIRST_YEAR) // 365.25)):02d}"
