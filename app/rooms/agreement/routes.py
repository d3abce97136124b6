"""Route of the Agreement room: its figures, over the exposures that this user may know of.

A lead sees all exposures and names. An inspector sees figures over the exposures that they have judged, and no other
names than their own. The role "viewer" sees figures over the exposures that the whole panel has judged, without names.
All these exposures are noted as seen, the unlisted ones too: that nobody disagrees is said of them.
"""

from functools import lru_cache

import pandas as pd

from triptych.app import palette
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.errors import choose
from triptych.pipeline.votes.agreement_report import EVERYBODY, NOBODYS, of_run
from triptych.pipeline.votes.blind_votes import UNITS

LISTED = {"lead": 5000, "inspector": 200, "viewer": 5000}  # role -> most rows of a list
REPORTS_KEPT = 24
KINDS = ("divided", "one vote", "unsure")


def report_for(viewer: Viewer, unit, blanks_are_good, revision, *_moved):
    """The report of `pipeline.votes.agreement_report` that this user may see, with more that the page needs.

    revision : of the store. _moved : other values that the kept answer depends on, see `ReportHandler.look_up`
    It adds scope (all, own or complete), role, about (the run), revision, colours, letters, listed_total {kind:
    number}, unlike_total, names, and the band and night of each listed exposure.
    """
    options = {"unit": unit, "blanks_are_good": blanks_are_good}
    if viewer.is_lead:
        scope, found = "all", of_run(viewer.catalog, viewer.store, **options)
    elif viewer.is_inspector:
        knowledge = viewer.knowledge()
        own = knowledge.known_of(knowledge.own)
        scope, found = (
            "own",
            of_run(viewer.catalog, viewer.store, expnums=own, names=viewer.name, **options),
        )
    else:
        knowledge = viewer.knowledge()
        complete = knowledge.known_of(knowledge.complete)
        scope, found = (
            "complete",
            of_run(viewer.catalog, viewer.store, expnums=complete, names=NOBODYS, **options),
        )
    rows = sorted(found["listed"], key=lambda row: KINDS.index(row["kind"]))
    total = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
    most = LISTED[viewer.role]
    listed = with_band_and_night(viewer.survey, rows[:most])
    unlike = with_band_and_night(viewer.survey, found["unlike"][:most])
    return {
        **found,
        "scope": scope,
        "role": viewer.role,
        "about": viewer.catalog.about,
        "revision": revision,
        "colours": palette.REASON_COLOURS,
        "letters": palette.REASON_LETTERS,
        "listed": listed,
        "listed_total": total,
        "unlike": unlike,
        "unlike_total": len(found["unlike"]),
        "names": EVERYBODY if scope == "all" else "",
    }


def with_band_and_night(survey, rows):
    """Rows (dicts with expnum) with band and night; '' and 0 for an exposure that is not in the run."""
    known = survey.exposures[["band", "night"]].reindex(pd.Index([row["expnum"] for row in rows], dtype="int64"))
    bands, nights = known["band"].fillna("").astype(str).tolist(), known["night"].fillna(0).astype("int64").tolist()
    return [row | {"band": band, "night": night} for row, band, night in zip(rows, bands, nights, strict=True)]


class ReportHandler(ViewerApi):
    """GET ?unit=exposure|ccd&blanks=1: figures of agreement, over the exposures that this user may know of."""

    def initialize(self, app, report):
        super().initialize(app)
        self.report = report

    async def get(self):
        unit = self.get_query_argument("unit", "")
        blanks = self.get_query_argument("blanks", "") == "1"
        await self.answer(self.look_up, unit, blanks)

    def look_up(self, unit, blanks):
        if unit:
            choose(unit, UNITS, "unit of agreement")
        # exposures that are asked for again count as not judged, so the answer depends on them
        asked_again = tuple(sorted(self.viewer.asked_again()))
        moved = (asked_again, self.viewer.survey.version)
        return self.report(self.user, unit, blanks, int(self.app.store.revision()), *moved)


def routes(app):
    kept = lru_cache(maxsize=REPORTS_KEPT)(lambda user, *asked: report_for(Viewer(app, user), *asked))
    return [(r"/agreement/report", ReportHandler, {"app": app, "report": kept})]
