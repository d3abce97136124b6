"""Writes verdicts as lists that other programs read. The same store and run give the same bytes.

The header of each export says its policy, store revision and model stage, and counts what it has. It also names
exposures whose votes are about another pipeline version than the run's; these are left out unless asked for. A lead's
decision is the verdict, and the header counts the entries that rest on one.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_aside
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.export import formats
from triptych.pipeline.reasons import REASONS
from triptych.pipeline.store.store import LabelStore
from triptych.pipeline.votes import verdicts
from triptych.pipeline.votes.sorted_votes import SortedVotes, values_of
from triptych.pipeline.votes.versions import _among, by_version

OLD_NAMED = 20  # number of exposures of another pipeline version that a header lists


@dataclass(frozen=True)
class Format:
    """One format of export. render(Contents) -> bytes."""

    name: str
    extension: str
    holds: str
    render: Callable[["Contents"], bytes]


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("bad_expid", "txt", "bad exposures and CCDs, as legacypipe reads them", formats.bad_expid),
        Format("exclude", "txt", "bad CCDs, as the DES and DELVE exclusion lists give them", formats.exclude),
        Format("vi", "csv", "every judged exposure with each inspector's answer", formats.vi),
        Format("csv", "csv", "every judged exposure with its verdict", formats.csv_table),
        Format("ecsv", "ecsv", "every judged exposure with its verdict", formats.ecsv_table),
        Format("fits", "fits", "every judged exposure with its verdict", formats.fits_table),
        Format("parquet", "parquet", "every judged exposure with its verdict", formats.parquet_table),
    )
}


@dataclass(frozen=True)
class Contents:
    """What a format has to write.

    table : one row per judged exposure, see `verdict_table`. ccds : verdicts of single CCDs. votes : the votes behind
    the table. columns : further columns of imported inspection tables. facts : {name: value} of the header. old :
    exposures whose verdict is about another pipeline version than the run's; the table has them only if asked for.
    """

    table: pd.DataFrame
    ccds: pd.DataFrame
    votes: pd.DataFrame
    columns: pd.DataFrame
    facts: dict[str, str]
    old: tuple[int, ...]
    panel: int
    catalog: Catalog

    @property
    def header(self) -> list[str]:
        """The facts as lines `name: value`."""
        return [f"{name}: {value}" for name, value in self.facts.items()]

    @property
    def bad(self) -> pd.DataFrame:
        """The rows of the table with the verdict bad."""
        return self.table[self.table.verdict == "bad"]


@dataclass(frozen=True)
class ExportReport:
    """What was exported: `n_bad` bad exposures (whole or in part) of `n_judged`. `old` : of another version.

    n_labels : number of labels of imported lists, which are no votes and are not written.
    """

    format: str
    policy: str
    n_bad: int
    n_judged: int
    content: bytes = field(repr=False)
    old: tuple[int, ...] = ()
    out: str = ""
    n_labels: int = 0

    def __str__(self) -> str:
        text = f"{self.n_bad} bad of {self.n_judged} judged exposures under policy {self.policy}, as {self.format}"
        text += f", in {self.out}" if self.out else ""
        if self.old:
            text += f"; {len(self.old)} judged on another pipeline version"
        if not self.n_judged and self.n_labels:
            text += (
                f"; nobody has judged anything: the {self.n_labels} labels of imported lists are no votes and are not "
                "written; judge exposures with `triptych serve`"
            )
        elif not self.n_judged:
            text += "; nobody has judged anything: judge exposures with `triptych serve`, or import an inspection"
        return text


def export(
    catalog: Catalog,
    store: LabelStore,
    format: str = "bad_expid",
    policy: str = "majority",
    out: str | Path | BinaryIO | None = None,
    *,
    include_old: bool = False,
    reasons: Sequence[str] = (),
) -> ExportReport:
    """Write one export to a file or a binary stream, or only to the report's `content`.

    include_old : also export verdicts about another pipeline version than the run's. reasons : only exposures with one
    of these reasons; () = all. BadInput if the file cannot be written.
    """
    form = FORMATS[choose(format, FORMATS, "format")]
    contents = gather(catalog, store, policy, format=format, include_old=include_old, reasons=reasons)
    content = form.render(contents)
    named = ""
    if isinstance(out, (str, os.PathLike)):
        path, named = Path(out), os.fspath(out)
        if path.is_dir() or not path.parent.is_dir():
            raise BadInput(f"{path} cannot be written; name a file in a folder that exists")
        write_aside(path, lambda aside: aside.write_bytes(content))
    elif out is not None:
        out.write(content)
    judged = len(contents.table)
    labels = 0 if judged else store.n_labels()
    return ExportReport(format, policy, len(contents.bad), judged, content, contents.old, named, labels)


def preview_counts(catalog: Catalog, store: LabelStore, include_old: bool = False) -> dict[str, int]:
    """Number of exposures that an export would list as bad, for each policy."""
    tables = verdict_tables(catalog, store.votes(), store.adjudications(), verdicts.POLICIES)
    return {name: len(bad_of(table, include_old=include_old)) for name, table in tables.items()}


def bad_of(table: pd.DataFrame, *, include_old: bool = False, reasons: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a `verdict_table` that an export would list as bad."""
    table = chosen(table, include_old=include_old, reasons=reasons)
    return table[table.verdict == "bad"]


def chosen(table: pd.DataFrame, *, include_old: bool = False, reasons: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a `verdict_table` for an export: of the run's version (or all), with one of `reasons` (or any)."""
    wanted = {choose(reason, REASONS, "reason") for reason in reasons}
    kept = table if include_old else table[~table.old.astype(bool)]
    if wanted:
        kept = kept[[not wanted.isdisjoint(own) for own in kept.reasons]]
    return kept.reset_index(drop=True)


def verdict_table(
    catalog: Catalog, votes: pd.DataFrame, policy: str = "majority", decisions: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return one row per exposure of the run's cameras that somebody judged, sorted by camera and expnum.

    Columns: those of `verdicts.verdicts`; why, the comment of a lead's decision; plver (of the votes, else of the
    decision); bad_ccds, a tuple of names, () if all or none of the exposure is bad; scope, 'exposure', 'ccds' or '' if
    it is not bad; old, whether the judgement is about another pipeline version than the run's; in_run, whether the run
    has the exposure.
    """
    return verdict_tables(catalog, votes, decisions, [policy])[policy]


def verdict_tables(
    catalog: Catalog, votes: pd.DataFrame, decisions: pd.DataFrame | None, policies: Iterable[str]
) -> dict[str, pd.DataFrame]:
    """Name of each policy -> its `verdict_table`. What the policies share is made once."""
    (fresh, old), (new_decisions, old_decisions) = by_version(catalog, votes, decisions)
    parts = [_Part(catalog, fresh, new_decisions, False)]
    if len(old) or len(old_decisions):
        parts.append(_Part(catalog, old, old_decisions, True))
    found = {policy: pd.concat([part.verdicts(policy) for part in parts], ignore_index=True) for policy in policies}
    return {policy: table.sort_values(["camera", "expnum"], ignore_index=True) for policy, table in found.items()}


class _Part:
    """The votes and decisions on the run's pipeline version, or (`old`) those on others."""

    def __init__(self, catalog: Catalog, votes: pd.DataFrame, decisions: pd.DataFrame, old: bool):
        self.catalog, self.decisions, self.old = catalog, decisions, old
        self.given = SortedVotes(votes)
        judged = pd.concat([decisions, votes])[["camera", "expnum", "plver", "in_run"]].astype({"expnum": "int64"})
        self.last = judged.drop_duplicates(["camera", "expnum"], keep="last")
        self.why = {key: own.comment for key, own in verdicts.decisions_on(votes, decisions).items()}

    def verdicts(self, policy: str) -> pd.DataFrame:
        """The rows of a `verdict_table`."""
        told = policy, self.catalog.panel, self.decisions
        partly = _parts(self.catalog, verdicts.bad_ccds(self.given, *told))
        table = verdicts.verdicts(self.given, *told).merge(self.last, on=["camera", "expnum"], how="left")
        table = table.astype({"in_run": bool})
        keys = list(zip(*values_of(table, ["camera", "expnum"]), strict=True))
        table["why"] = pd.Series([self.why.get(key, "") for key in keys], dtype="str", index=table.index)
        table["bad_ccds"] = pd.Series([partly.get(key, ()) for key in keys], dtype=object, index=table.index)
        table["scope"] = np.where(table.verdict != "bad", "", np.where(table.bad_ccds.map(len) > 0, "ccds", "exposure"))
        return table.assign(old=self.old)


def _parts(catalog: Catalog, bad_ccds: dict) -> dict:
    """`verdicts.bad_ccds`, without exposures of which all CCDs in the run are bad: those are bad as a whole."""
    partly = {key: ccdnames for key, ccdnames in bad_ccds.items() if ccdnames}
    if not partly:
        return {}
    ccds = catalog.ccds_of([expnum for _, expnum in partly], ["expnum", "ccdname"])
    everything = ccds.groupby("expnum").ccdname.agg(set).to_dict()
    return {key: own for key, own in partly.items() if not set(own) >= everything.get(key[1], {""})}


def gather(
    catalog: Catalog,
    store: LabelStore,
    policy: str,
    *,
    format: str,
    include_old: bool = False,
    reasons: Sequence[str] = (),
) -> Contents:
    """Read the store at one revision and collect everything that an export says."""
    choose(policy, verdicts.POLICIES, "policy")
    catalog.refresh()
    revision, votes, decisions, columns = snapshot(store)
    table = verdict_table(catalog, votes, policy, decisions)
    old = table[table.old]
    kept = chosen(table, include_old=include_old, reasons=reasons)
    wanted = set(zip(*values_of(kept, ["camera", "expnum"]), strict=True))
    votes, decisions = (pd.concat(parts) for parts in by_version(catalog, votes, decisions))
    votes, decisions = votes[_among(votes, wanted)].sort_values("vote_id"), decisions[_among(decisions, wanted)]
    facts = _facts(catalog, policy, format, revision, kept, old, include_old, reasons)
    ccds = verdicts.ccd_verdicts(votes, policy, catalog.panel, decisions)
    old = tuple(int(expnum) for expnum in old.expnum)
    return Contents(kept, ccds, votes, columns, facts, old, catalog.panel, catalog)


def rests_on(bad: pd.DataFrame) -> tuple[int, int]:
    """How many of some bad exposures of a `verdict_table` rest on a single vote, and how many on a lead's decision."""
    decided = bad.adjudicated.astype(bool)
    return int(((bad.n_bad == 1) & ~decided).sum()), int(decided.sum())


def _facts(catalog, policy, format, revision, kept, old, include_old, reasons) -> dict[str, str]:
    model = catalog.stage("prediction", fresh=False) if catalog.has("prediction") else None
    counts = kept.verdict.value_counts()
    bad = kept[kept.verdict == "bad"]
    one_vote, decided = rests_on(bad)
    named = " ".join(str(expnum) for expnum in old.expnum[:OLD_NAMED]) + (" ..." if len(old) > OLD_NAMED else "")
    return {
        "Triptych export": format,
        "policy": f"{policy} ({verdicts.POLICIES[policy].rule}), panel {catalog.panel}",
        "store revision": str(revision),
        "model stage": f"{model.stage_id} {model.digest}" if model else "none",
        "exposures": ", ".join(f"{counts.get(name, 0)} {name}" for name in verdicts.VERDICTS),
        "bad": f"{(bad.scope == 'exposure').sum()} whole exposures, {bad.bad_ccds.map(len).sum()} CCDs of "
        f"{(bad.scope == 'ccds').sum()} others",
        "bad by one vote": str(one_vote),
        "bad by a lead's decision": str(decided),
        "reasons": ", ".join(name for name in REASONS if name in reasons) or "all",
        "not in this run": str(int((~kept.in_run).sum())),
        "judged on another version": "0" if old.empty else f"{len(old)} {'in' if include_old else 'ex'}cluded: {named}",
    }


def snapshot(store: LabelStore) -> tuple[int, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(revision, votes, decisions, imported columns), all at one revision even if others vote meanwhile."""
    while True:
        revision = store.revision()
        found = store.votes(), store.adjudications(), store.imported_columns()
        if store.revision() == revision:
            return revision, *found
