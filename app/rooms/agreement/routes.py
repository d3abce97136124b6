"""What the Agreement room asks over HTTP: the figures, over what this user may know.

A lead sees all. An inspector sees figures over the exposures that they have judged and nobody else by name; those
of them that the answer lists are noted as seen, so that judging one again is not blind. A viewer sees what the whole
panel has judged, and no name.
"""

from functools import lru_cache

from triptych.app import palette
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.errors import choose
from triptych.pipeline.votes.agreement_report import EVERYBODY, NOBODYS, of_run
from triptych.pipeline.votes.blind_votes import UNITS

LISTED = {"lead": 5000, "inspector": 200, "viewer": 5000}  # rows of the longest list that is sent
REPORTS_KEPT = 24
KINDS = ("split", "one vote", "unsure")


def report_for(viewer: Viewer, unit, blanks_are_good, revision, *_moved):
    """The report of `pipeline.votes.agreement_report` that this user may see, with what the page needs beside it.

    revision : of the store; _moved : what else the answer follows, see `ReportHandler.look_up`
    Adds scope (all, own or complete), role, revision, colours, listed_total {kind: number}, and band and night of each
    listed exposure.
    """
    options = {"unit": unit, "blanks_are_good": blanks_are_good}
    if viewer.is_lead:
        scope, found = "all", of_run(viewer.catalog, viewer.store, **options)
    elif viewer.is_inspector:
        own = viewer.knowledge().own
        scope, found = (
            "own",
            of_run(viewer.catalog, viewer.store, expnums=own, names=viewer.name, **options),
        )
    else:
        complete = viewer.knowledge().complete
        scope, found = (
            "complete",
            of_run(viewer.catalog, viewer.store, expnums=complete, names=NOBODYS, **options),
        )
    rows = sorted(found["listed"], key=lambda row: KINDS.index(row["kind"]))
    total = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
    most = LISTED[viewer.role]
    listed = [row | band_and_night(viewer.survey, row["expnum"]) for row in rows[:most]]
    unlike = [row | band_and_night(viewer.survey, row["expnum"]) for row in found["unlike"][:most]]
    if viewer.is_inspector:
        for row in (*listed, *unlike):
            if row["n_bad"] + row["n_good"] + row.get("n_unsure", 0) > 1:
                viewer.app.note_seen(viewer.user, row["expnum"])
    return {
        **found,
        "scope": scope,
        "role": viewer.role,
        "revision": revision,
        "colours": palette.REASON_COLOURS,
        "letters": palette.REASON_LETTERS,
        "listed": listed,
        "listed_total": total,
        "unlike": unlike,
        "unlike_total": len(found["unlike"]),
        "names": EVERYBODY if scope == "all" else "",
    }


def band_and_night(survey, expnum):
    """Band and night of an exposure; empty where the run does not hold it."""
    if expnum not in survey.exposures.index:
        return {"band": "", "night": 0}
    row = survey.exposures.loc[expnum]
    return {"band": str(row["band"]), "night": int(row["night"])}


class ReportHandler(ViewerApi):
    """GET ?unit=exposure|ccd&blanks=1: figures of agreement, over what this user may know."""

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
        # these look unjudged until they are answered
        asked_again = tuple(sorted(self.viewer.asked_again()))
        moved = (asked_again, self.viewer.survey.version)
        return self.report(self.user, unit, blanks, int(self.app.store.revision()), *moved)


def routes(app):
    kept = lru_cache(maxsize=REPORTS_KEPT)(lambda user, *asked: report_for(Viewer(app, user), *asked))
    return [(r"/agreement/report", ReportHandler, {"app": app, "report": kept})]
