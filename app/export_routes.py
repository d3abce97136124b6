"""What the Export room asks over HTTP: the counts under each policy, a preview, the file itself, one's own votes.

The lists are everybody's votes, so only a lead gets them (an inspector who saw them could no longer vote blind); the
others get their own votes.
"""

import asyncio
import io
import json

import pandas as pd

from app.auth import PrivateHandler
from app.votes import own_votes
from pipeline import export
from pipeline.consensus import POLICIES, VERDICTS
from pipeline.errors import TriptychError

PREVIEW_LINES = 400
BINARY_FORMATS = ("fits", "parquet")  # shown as their CSV
OWN_COLUMNS = ["expnum", "ccdname", "judgement", "reasons", "comment", "plver", "via", "created_utc"]


def summary(app):
    """Counts for the table of policies.

    Returns {panel, revision, n_exposures, n_judged, n_old, formats: [{name, holds}], policies: [{name, rule, listed,
    bad, good, split, open}]}; n_old exposures were judged on another pipeline version, and are not listed.
    """
    votes = app.store.votes(current=True)
    listed = export.preview_counts(app.catalog, app.store)
    policies, table = [], None
    for name, policy in POLICIES.items():
        table = export.verdict_table(app.catalog, votes, name)
        made_up = table.loc[~table["old"].astype(bool), "verdict"].value_counts()
        counts = {verdict: int(made_up.get(verdict, 0)) for verdict in VERDICTS}
        policies.append({"name": name, "rule": policy.rule, "listed": listed[name], **counts})
    return {
        "panel": app.catalog.panel,
        "revision": int(app.store.revision()),
        "n_exposures": len(app.survey().exposures),
        "n_judged": len(table),
        "n_old": int(table["old"].sum()),
        "formats": [{"name": form.name, "holds": form.holds} for form in export.FORMATS.values()],
        "policies": policies,
    }


def write_list(app, format, policy):
    """The exported list as (pipeline.export.ExportReport, file name)."""
    report = export.export(app.catalog, app.store, format, policy)
    return report, f"{app.catalog.name}_{format}_{policy}.{export.FORMATS[format].extension}"


def file_of(app, format, policy):
    """The exported list as (bytes, file name)."""
    report, name = write_list(app, format, policy)
    return report.content, name


def preview(app, format, policy):
    """The first lines of a list as text: {name, text, n_lines, n_bytes, n_bad, shown_as}."""
    report, name = write_list(app, format, policy)
    n_bytes, shown_as = len(report.content), format
    if format in BINARY_FORMATS:
        shown_as = "csv"
        report, _ = write_list(app, shown_as, policy)
    lines = report.content.decode().splitlines()
    found = {"name": name, "text": "\n".join(lines[:PREVIEW_LINES]), "n_lines": len(lines)}
    return found | {"n_bytes": n_bytes, "n_bad": report.n_bad, "shown_as": shown_as}


def own_csv(app, user):
    """One's own current votes as CSV bytes."""
    votes = own_votes(app, user)[OWN_COLUMNS]
    votes = votes.assign(reasons=[";".join(reasons) for reasons in votes["reasons"]])
    text = io.StringIO()
    pd.DataFrame(votes).to_csv(text, index=False, lineterminator="\n")
    return text.getvalue().encode()


class ExportHandler(PrivateHandler):
    """Answers a refusal as text that says what to do."""

    async def answer(self, work, *arguments):
        """Do the work in a thread; None when it was refused and the refusal is sent."""
        try:
            return await asyncio.to_thread(work, self.app, *arguments)
        except TriptychError as error:
            self.set_status(400)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(str(error))
            return None

    def send_json(self, values):
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(values))

    def send_file(self, body, name):
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(body)


class SummaryHandler(ExportHandler):
    roles = ("lead",)

    async def get(self):
        values = await self.answer(summary)
        if values is not None:
            self.send_json(values)


class PreviewHandler(ExportHandler):
    roles = ("lead",)

    async def get(self, format, policy):
        values = await self.answer(preview, format, policy)
        if values is not None:
            self.send_json(values)


class FileHandler(ExportHandler):
    roles = ("lead",)

    async def get(self, format, policy):
        found = await self.answer(file_of, format, policy)
        if found is not None:
            self.send_file(*found)


class OwnVotesHandler(ExportHandler):
    async def get(self):
        body = await self.answer(own_csv, self.user)
        if body is not None:
            self.send_file(body, f"{self.app.catalog.name}_votes_{self.user.name}.csv")


def routes(app):
    given = {"app": app}
    return [
        (r"/export/summary", SummaryHandler, given),
        (r"/export/preview/(\w+)/(\w+)", PreviewHandler, given),
        (r"/export/file/(\w+)/(\w+)", FileHandler, given),
        (r"/export/mine", OwnVotesHandler, given),
    ]
