"""Header facts of exposures, as plain values."""

from triptych.app.judging import reprocessed
from triptych.app.survey.survey import SHAPES
from triptych.pipeline.export.explain import plain

FACTS = ("band", "exptime", "airmass", "object", "plver", "n_ccds", *SHAPES)


def facts_of(survey, expnum) -> dict:
    """Header facts of one exposure, as plain values."""
    return facts_of_all(survey, [expnum])[0]


def facts_of_all(survey, expnums) -> list[dict]:
    """Header facts of several exposures, as plain values, in the order given.

    An exposure that was processed again also has `reprocessed`: see `reprocessed.fact_of`.
    """
    rows = survey.exposures.loc[list(expnums), ["expnum", "night", *FACTS]].to_dict("records")
    items = [{"expnum": int(row.pop("expnum")), "date": date_of(row.pop("night")), **plain(row)} for row in rows]
    changed = reprocessed.changes_of(survey)
    return [item | _reprocessed(survey, item["expnum"]) if item["expnum"] in changed else item for item in items]


def _reprocessed(survey, expnum) -> dict:
    return {"reprocessed": reprocessed.fact_of(survey, expnum)}


def date_of(night) -> str:
    """A night as a date: 20131012 becomes 2013-10-12. '' if the night is unknown."""
    night = int(night)
    return f"{night // 10000}-{night // 100 % 100:02d}-{night % 100:02d}" if night > 0 else ""
