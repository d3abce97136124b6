"""Exposures taken around one: same night, and same field or same band. What else the sky or the telescope did then.

Only header facts and the user's own votes are told: nothing of others' votes, nothing of the model's opinion.
"""

import numpy as np

from triptych.pipeline import camera as cameras

MOST = 10
SAME_FIELD_DEGREES = 0.5  # between pointings; half the radius of DECam's field
MINUTES_PER_DAY = 1440.0


def with_own(frames, own):
    """What `around` gives, each with mine: {judgement, reasons} or None. own : one user's votes on whole exposures"""
    said = {int(row.expnum): {"judgement": row.judgement, "reasons": list(row.reasons)} for row in own.itertuples()}
    return [frame | {"mine": said.get(frame["expnum"])} for frame in frames]


def around(survey, expnum):
    """The exposures nearest in time to `expnum`, by time, `expnum` itself among them; [] where there is no other.

    survey : app.survey.Survey
    Returns [{expnum, band, minutes (after `expnum`, negative = before), same_field, same_band, image_id}], MOST others
    at most; image_id is the CCD nearest to the middle of the focal plane.
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
    """(n,) bool: pointed where `here` was; by the object's name where a pointing is not known."""
    named = (exposures["object"] == here["object"]).to_numpy() & bool(str(here["object"]).strip())
    ra, dec = exposures["ra"].to_numpy(float), exposures["dec"].to_numpy(float)
    across = (np.mod(ra - here["ra"] + 180, 360) - 180) * np.cos(np.radians(here["dec"]))
    apart = np.hypot(across, dec - here["dec"])
    return np.where(np.isfinite(apart), apart < SAME_FIELD_DEGREES, named)


def middle_image(survey, expnum):
    """image_id of the CCD nearest to the middle of the focal plane, of those that there are; None without any."""
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
    return int(min(images, key=lambda image_id: from_middle.get(int(image_id) % 100, np.inf)))
