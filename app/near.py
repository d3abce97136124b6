"""Exposures of a run to compare one with: the same field, band and night, nearest in time first."""

import numpy as np

FIELD_DEGREES = 0.5
MOST = 8


def nearby(survey, expnum, most=MOST):
    """[{expnum, band, exptime, object, alike, words}] of other exposures with pictures, the most alike first.

    alike : 'same field and band', 'same night and band', 'same field' or 'same night'. Header facts alone, nothing of
    votes or predictions. KeyError when the run has no such exposure.
    """
    table = survey.exposures
    if expnum not in table.index:
        raise KeyError(f"pixels of {expnum} are not in this run: ingest them")
    here = table.loc[expnum]
    others = table[(table["expnum"] != expnum).to_numpy() & np.isin(table.index.to_numpy(), survey.pictured)]
    field = separation(here["ra"], here["dec"], others["ra"], others["dec"]) < FIELD_DEGREES
    band = (others["band"] == here["band"]).to_numpy() & (str(here["band"]) != "")
    night = (others["night"] == here["night"]).to_numpy()
    minutes = 1440 * (others["mjd_obs"].to_numpy(float) - float(here["mjd_obs"]))
    rank = np.select([field & band, night & band, field, night], [0, 1, 2, 3], 9)
    order = np.lexsort((np.abs(np.nan_to_num(minutes, nan=np.inf)), rank))
    names = ("same field and band", "same night and band", "same field", "same night")
    return [
        {
            "expnum": int(row["expnum"]),
            "band": str(row["band"]),
            "exptime": _number(row["exptime"]),
            "object": str(row["object"]),
            "alike": names[rank[i]],
            "words": ", ".join(filter(None, [names[rank[i]], apart(minutes[i]), _facts(row)])),
        }
        for i in order[:most]
        if rank[i] < 9
        for row in [others.iloc[i]]
    ]


def separation(ra, dec, ras, decs):
    """Angle on the sky between one place and others, degrees; NaN where a place is not known. All in degrees."""
    ra, dec, ras, decs = (np.radians(np.asarray(values, float)) for values in (ra, dec, ras, decs))
    half = np.sin((decs - dec) / 2) ** 2 + np.cos(dec) * np.cos(decs) * np.sin((ras - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def apart(minutes):
    """Time between two exposures in words: '3 min later', '2 days before'; '' if not known."""
    if not np.isfinite(minutes):
        return ""
    size, after = abs(minutes), "later" if minutes >= 0 else "before"
    if size < 90:
        return f"{size:.0f} min {after}"
    return f"{size / 60:.0f} h {after}" if size < 2880 else f"{size / 1440:.0f} days {after}"


def _facts(row):
    exptime = _number(row["exptime"])
    return " ".join(filter(None, [str(row["band"]), f"{exptime:g} s" if exptime else ""]))


def _number(value):
    return float(value) if np.isfinite(value) else None
