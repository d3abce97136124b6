"""Exposures to compare one with: those of the same night nearest in time, and those of the same field, band or night.

Answers hold only header facts and the user's own votes: nothing of others' votes or of the model's opinion.
"""

import numpy as np

from triptych.pipeline import camera as cameras
from triptych.pipeline.image_ids import ccdnum_of

MOST = 10
SAME_FIELD_DEGREES = 0.5  # between pointings; half the radius of DECam's field
MINUTES_PER_DAY = 1440.0


def with_own(frames, own):
    """The frames of `around`, each with `mine`: the user's own {judgement, reasons}, or None.

    own : this user's votes on whole exposures
    """
    said = {int(row.expnum): {"judgement": row.judgement, "reasons": list(row.reasons)} for row in own.itertuples()}
    return [frame | {"mine": said.get(frame["expnum"])} for frame in frames]


def around(survey, expnum):
    """The exposures of the same night and of the same field or band, nearest in time to `expnum`.

    survey : app.survey.survey.Survey
    Returns [{expnum, band, minutes (after `expnum`, negative = before), same_field, same_band, image_id}] in order of
    time. The list holds `expnum` itself and at most MOST others; it is empty if there is no other. image_id is the CCD
    nearest to the middle of the focal plane, None if the exposure has no images.
    """
    exposures = survey.exposures
    here = exposures.loc[expnum]
    if not np.isfinite(here["mjd_obs"]):
        return []
    night = exposures[(exposures["night"] == here["night"]).to_numpy() & np.isfinite(exposures["mjd_obs"]).to_numpy()]
    same_field = in_same_field(night, here)
    same_band = (night["band"] == here["band"]).to_numpy()
    minutes = (night["mjd_obs"].to_numpy(float) - float(here["mjd_obs"])) * MINUTES_PER_DAY
    itself = night.index.to_numpy() == expnum
    near = np.flatnonzero((same_field | same_band) & ~itself)
    if not len(near):
        return []
    near = near[np.argsort(np.abs(minutes[near]), kind="stable")[:MOST]]
    near = np.append(near, np.flatnonzero(itself))
    near = near[np.lexsort((night.index.to_numpy()[near], minutes[near]))]
    return [
        {
            "expnum": int(night.index[place]),
            "band": str(night["band"].iloc[place]),
            "minutes": round(float(minutes[place]), 1),
            "same_field": bool(same_field[place]),
            "same_band": bool(same_band[place]),
            "image_id": middle_image(survey, int(night.index[place])),
        }
        for place in near
    ]


def in_same_field(exposures, here):
    """(n,) bool: whether each exposure points within SAME_FIELD_DEGREES of `here`. If a pointing is not known, the
    object's name decides."""
    named = (exposures["object"] == here["object"]).to_numpy() & bool(str(here["object"]).strip())
    ra, dec = exposures["ra"].to_numpy(float), exposures["dec"].to_numpy(float)
    across = (np.mod(ra - here["ra"] + 180, 360) - 180) * np.cos(np.radians(here["dec"]))
    apart = np.hypot(across, dec - here["dec"])
    return np.where(np.isfinite(apart), apart < SAME_FIELD_DEGREES, named)


def middle_image(survey, expnum):
    """image_id of the exposure's CCD nearest to the middle of the focal plane. None if it has no images."""
    images = survey.images_of(expnum)
    if not len(images):
        return None
    exposure = survey.exposures.loc[expnum]
    camera = cameras.camera(str(exposure.get("camera") or survey.catalog.camera))
    width, height = camera.canvas
    from_middle = {
        ccd.number: np.hypot(ccd.x0 + ccd.width / 2 - width / 2, ccd.y0 + ccd.height / 2 - height / 2)
        for ccd in camera.ccds
    }
    return int(min(images, key=lambda image_id: from_middle.get(ccdnum_of(int(image_id)), np.inf)))


FIELD_DEGREES = 0.5


MOST = 8


def nearby(survey, expnum, most=MOST):
    """[{expnum, band, exptime, object, alike, words}] of at most `most` other exposures with pictures.

    alike : 'same field and band', 'same night and band', 'same field' or 'same night'; the list is in this order, and
    then by time from `expnum`. exptime is in seconds. Raises KeyError if the run has no such exposure.
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
    """Angle on the sky between one place and others. All in degrees; NaN if a place is not known."""
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
