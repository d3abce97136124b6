"""Routes of the Export room: counts under each policy, a preview, the file, and the user's own votes.

The lists come from all users' votes, so only leads get them: an inspector who saw them could no longer vote blind. All
others get their own votes.
"""

import asyncio
import hashlib
import json
import shlex
import threading
from collections import Counter
from dataclasses import dataclass

import pandas as pd
from cachetools import LRUCache, cached

from triptych.app import palette
from triptych.app.judging import repeats
from triptych.app.judging.handlers import ViewerHandler
from triptych.app.judging.viewer import Viewer
from triptych.app.judging.votes import JUDGEMENTS, own_votes
from triptych.app.web.downloads import offer
from triptych.pipeline.csv_tables import csv_text
from triptych.pipeline.errors import choose
from triptych.pipeline.export import export
from triptych.pipeline.export.explain import plain
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.store.address import address_of
from triptych.pipeline.votes.verdicts import POLICIES, VERDICTS

PREVIEW_LINES = 400
MOST_NAMED = 300  # most exposures that a difference lists
BINARY_FORMATS = ("fits", "parquet")  # their preview is the CSV
OWN_COLUMNS = ["expnum", "ccdname", "judgement", "reasons", "comment", "plver", "via", "created_utc"]
OWN_SHOWN = 200

_tables = LRUCache(2)


@dataclass(frozen=True)
class Choice:
    """Which verdicts a list takes.

    old : also verdicts on another pipeline version; reasons : only verdicts with one of these, () = all
    """

    old: bool = False
    reasons: tuple[str, ...] = ()

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return export.chosen(table, include_old=self.old, reasons=self.reasons)

    def bad(self, table: pd.DataFrame) -> pd.DataFrame:
        return export.bad_of(table, include_old=self.old, reasons=self.reasons)


@cached(_tables, key=lambda app, state: (app.boot_id, state), condition=threading.Condition())
def _tables_of(app, state) -> dict[str, pd.DataFrame]:
    votes, decisions = app.record.votes(), app.store.adjudications()
    return export.verdict_tables(app.catalog, votes, decisions, POLICIES)


def tables_of(app) -> dict[str, pd.DataFrame]:
    """Name of a policy -> its `export.verdict_table`. Made once for each state of the store, the panel and the run."""
    return _tables_of(app, (int(app.store.revision()), app.catalog.panel, app.survey().signature))


def summary(app, choice: Choice) -> dict:
    """Counts for the table of policies.

    Returns {panel, revision, n_exposures, n_judged, n_old, reasons: [{name, key, colour, count}], formats: [{name,
    holds}], policies: [{name, rule, listed, one_vote, decided, bad, good, split, open}]}.
    n_old : exposures that were judged on another pipeline version
    count of a reason : exposures that somebody calls bad for it
    one_vote, decided : listed exposures that rest on a single vote, and on a lead's decision
    """
    policies, tables = [], tables_of(app)
    for name, policy in POLICIES.items():
        kept, bad = choice.rows(tables[name]), choice.bad(tables[name])
        one_vote, decided = export.rests_on(bad)
        counts = {verdict: int((kept["verdict"] == verdict).sum()) for verdict in VERDICTS}
        listed = {"listed": len(bad), "one_vote": one_vote, "decided": decided}
        policies.append({"name": name, "rule": policy.rule, **listed, **counts})
    whole = Choice(old=choice.old).rows(tables["any"])
    mentioned = Counter(reason for own in whole["reasons"] for reason in own)
    return {
        "panel": app.catalog.panel,
        "revision": int(app.store.revision()),
        "n_exposures": len(app.survey().exposures),
        "n_judged": len(choice.rows(tables["any"])),
        "n_old": int(tables["any"]["old"].sum()),
        "reasons": [
            {"name": name, "key": reason.key, "colour": palette.REASON_COLOURS[name], "count": mentioned[name]}
            for name, reason in REASONS.items()
            if mentioned[name]
        ],
        "formats": [{"name": form.name, "holds": form.holds} for form in export.FORMATS.values()],
        "policies": policies,
    }


def difference(app, one: str, other: str, choice: Choice) -> dict:
    """The exposures on the list under the first policy and not under the second, and the reverse.

    Returns {one, other, only_one, only_other}. The last two are {count, exposures: [{expnum, in_run, n_bad, n_good,
    n_unsure, reasons, other_verdict}]}, with the first MOST_NAMED exposures.
    """
    for name in (one, other):
        choose(name, POLICIES, "policy")
    tables = tables_of(app)
    bad = {name: choice.bad(tables[name]) for name in (one, other)}
    keys = {name: set(zip(rows["camera"], rows["expnum"], strict=True)) for name, rows in bad.items()}
    found: dict = {"one": one, "other": other}
    for place, name, against in (("only_one", one, other), ("only_other", other, one)):
        verdict = tables[against].set_index(["camera", "expnum"])["verdict"].to_dict()
        rows = [row for row in bad[name].to_dict("records") if (row["camera"], row["expnum"]) not in keys[against]]
        wanted = ("expnum", "in_run", "n_bad", "n_good", "n_unsure", "reasons")
        named = [
            {column: row[column] for column in wanted} | {"other_verdict": verdict[row["camera"], row["expnum"]]}
            for row in rows[:MOST_NAMED]
        ]
        found[place] = {"count": len(rows), "exposures": named}
    return plain(found)


def write_list(app, format, policy, choice: Choice):
    """(pipeline.export.export.ExportReport, file name) of the exported list."""
    choose(format, export.FORMATS, "format")
    chosen = {"include_old": choice.old, "reasons": choice.reasons}
    report = export.export(app.catalog, app.store, format, policy, **chosen)
    parts = [app.catalog.name, format, policy, *choice.reasons, *(["old"] if choice.old else [])]
    return report, f"{'_'.join(parts)}.{export.FORMATS[format].extension}"


def file_of(app, format, policy, choice: Choice):
    """(bytes, file name) of the exported list."""
    report, name = write_list(app, format, policy, choice)
    return report.content, name


def preview(app, format, policy, choice: Choice):
    """The first lines of a list as text, and the command that writes the same file.

    Returns {name, text, n_lines, n_bytes, n_bad, shown_as, sha256, command}
    """
    report, name = write_list(app, format, policy, choice)
    content, shown_as = report.content, format
    if format in BINARY_FORMATS:
        shown_as = "csv"
        report, _ = write_list(app, shown_as, policy, choice)
    lines = report.content.decode().splitlines()
    found = {"name": name, "text": "\n".join(lines[:PREVIEW_LINES]), "n_lines": len(lines), "n_bytes": len(content)}
    found |= {"n_bad": report.n_bad, "shown_as": shown_as, "sha256": hashlib.sha256(content).hexdigest()}
    return found | {"command": command_of(app, format, policy, choice, name)}


def command_of(app, format, policy, choice: Choice, name) -> str:
    """The command line that writes the same bytes. It hides the password in the address of a shared store."""
    words = ["triptych", "export", str(app.catalog.path), "--format", format, "--policy", policy]
    words += [word for reason in choice.reasons for word in ("--reason", reason)]
    words += ["--old"] if choice.old else []
    if app.store.url != address_of(app.catalog):
        words += ["--labels", app.store.address]
    return shlex.join([*words, "-o", name])


def own_record(viewer: Viewer) -> pd.DataFrame:
    """The user's own current votes as all pages show them (see app.judging.repeats), oldest first: OWN_COLUMNS."""
    return repeats.as_shown(viewer, own_votes(viewer))[OWN_COLUMNS]


def own_csv(viewer: Viewer):
    """The user's own current votes as CSV bytes."""
    votes = own_record(viewer)
    votes = votes.assign(reasons=[";".join(reasons) for reasons in votes["reasons"]])
    return csv_text([OWN_COLUMNS, *votes.itertuples(index=False, name=None)]).encode()


def own_summary(viewer: Viewer) -> dict:
    """A summary of the user's own votes.

    {name (of the CSV file), counts: {judgement: number of exposures}, ccds (number ticked), votes: the last OWN_SHOWN}
    """
    votes = own_record(viewer)
    whole = votes[votes["ccdname"] == ""]
    counts = {name: int((whole["judgement"] == name).sum()) for name in JUDGEMENTS}
    shown = whole.iloc[::-1].head(OWN_SHOWN)[["expnum", "judgement", "reasons", "comment", "created_utc"]]
    found = {"counts": counts, "ccds": int((votes["ccdname"] != "").sum()), "votes": shown.to_dict("records")}
    return plain(found | {"name": f"{viewer.catalog.name}_votes_{viewer.name}.csv"})


class ExportHandler(ViewerHandler):
    """Base of the routes of Export."""

    async def answer(self, work, *arguments):
        """work(app, *arguments), done in a thread."""
        return await asyncio.to_thread(work, self.app, *arguments)

    def choice(self) -> Choice:
        """The Choice that ?old=1&reason=PSF&reason=Noise asks for. Unknown reasons are refused later."""
        reasons = tuple(dict.fromkeys(self.get_query_arguments("reason")))
        return Choice(self.get_query_argument("old", "0") == "1", reasons)

    def send_json(self, values):
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(values))

    def send_file(self, body, name):
        offer(self, name)
        self.finish(body)


class SummaryHandler(ExportHandler):
    roles = ("lead",)

    async def get(self):
        self.send_json(await self.answer(summary, self.choice()))


class DifferenceHandler(ExportHandler):
    roles = ("lead",)

    async def get(self, one, other):
        self.send_json(await self.answer(difference, one, other, self.choice()))


class PreviewHandler(ExportHandler):
    roles = ("lead",)

    async def get(self, format, policy):
        self.send_json(await self.answer(preview, format, policy, self.choice()))


class FileHandler(ExportHandler):
    roles = ("lead",)

    async def get(self, format, policy):
        self.send_file(*await self.answer(file_of, format, policy, self.choice()))


class OwnVotesHandler(ExportHandler):
    async def get(self):
        body = await self.answer(lambda app: own_csv(self.viewer))
        self.send_file(body, f"{self.app.catalog.name}_votes_{self.user.name}.csv")


class OwnSummaryHandler(ExportHandler):
    async def get(self):
        self.send_json(await self.answer(lambda app: own_summary(self.viewer)))


def routes(app):
    given = {"app": app}
    return [
        (r"/export/summary", SummaryHandler, given),
        (r"/export/difference/(\w+)/(\w+)", DifferenceHandler, given),
        (r"/export/preview/(\w+)/(\w+)", PreviewHandler, given),
        (r"/export/file/(\w+)/(\w+)", FileHandler, given),
        (r"/export/mine", OwnVotesHandler, given),
        (r"/export/mine/summary", OwnSummaryHandler, given),
    ]
