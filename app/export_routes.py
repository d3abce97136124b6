"""What the Export room asks over HTTP: the counts under each policy, a preview, the file itself, one's own votes.

The lists are everybody's votes, so only a lead gets them (an inspector who saw them could no longer vote blind); the
others get their own votes.
"""

import asyncio
import io
import json
import tempfile
from pathlib import Path

import pandas as pd

from app.auth import PrivateHandler
from app.evidence import plain
from app.votes import own_votes
from pipeline import export
from pipeline.catalog import Catalog
from pipeline.consensus import POLICIES, VERDICTS, verdicts
from pipeline.errors import TriptychError, choose

PREVIEW_LINES = 400
TEXT_FORMATS = ("bad_expid", "exclude", "vi", "csv", "ecsv")  # the others are shown as their CSV
OWN_COLUMNS = ["expnum", "ccdname", "judgement", "reasons", "comment", "plver", "via", "created_utc"]


def summary(app):
    """Counts for the table of policies.

    Returns {panel, revision, n_exposures, n_judged, formats, policies: [{name, rule, listed, bad, good, split, open}]}
    """
    votes = app.store.votes(current=True)
    listed = export.preview_counts(app.catalog, app.store)
    n_exposures = len(app.survey().exposures)
    policies = []
    for name, policy in POLICIES.items():
        made_up = verdicts(votes, name, panel=app.catalog.panel)["verdict"].value_counts()
        counts = {verdict: int(made_up.get(verdict, 0)) for verdict in VERDICTS}
        policies.append({"name": name, "rule": policy.rule, "listed": listed[name], **counts})
    return plain(
        {
            "panel": app.catalog.panel,
            "revision": app.store.revision(),
            "n_exposures": n_exposures,
            "n_judged": votes.loc[votes["ccdname"] == "", "expnum"].nunique(),
            "inspectors": sorted(votes["inspector"].unique()),
            "formats": list(export.FORMATS),
            "policies": policies,
        }
    )


def write_list(app, format, policy):
    """The exported list as (bytes, file name)."""
    choose(format, export.FORMATS, "export format")
    choose(policy, POLICIES, "policy")
    with tempfile.TemporaryDirectory() as folder:
        name = f"{app.catalog.name}_{format}_{policy}{suffix_of(format)}"
        path = Path(folder) / name
        export.export(Catalog.open(app.catalog.path), app.store, format, policy, path)
        return path.read_bytes(), name


def suffix_of(format):
    return {"bad_expid": ".txt", "exclude": ".txt", "vi": ".csv"}.get(format, f".{format}")


def preview(app, format, policy):
    """The first lines of a list as text: {name, text, n_lines, n_bytes, shown_as}."""
    body, name = write_list(app, format, policy)
    n_bytes, shown_as = len(body), format
    if format not in TEXT_FORMATS:
        shown_as = "csv"
        body, _ = write_list(app, shown_as, policy)
    lines = body.decode().splitlines()
    text = "\n".join(lines[:PREVIEW_LINES])
    return {"name": name, "text": text, "n_lines": len(lines), "n_bytes": n_bytes, "shown_as": shown_as}


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
        found = await self.answer(write_list, format, policy)
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
