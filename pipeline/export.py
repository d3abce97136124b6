"""Verdicts -> the lists that other programs read. The same store and run give the same bytes.

Each export says in its header which policy, store revision and model stage it stands on, and what it counts. Exposures
whose votes were cast on another pipeline version than the run's are named there and left out, unless asked for.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from pipeline import consensus, export_formats
from pipeline.catalog import Catalog, write_aside
from pipeline.errors import BadInput, choose
from pipeline.labels import LabelStore

OLD_NAMED = 20  # exposures of another pipeline version that a header names one by one


@dataclass(frozen=True)
class Format:
    """One form of export. render(Contents) -> bytes."""

    name: str
    extension: str
    holds: str
    render: Callable[["Contents"], bytes]


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("bad_expid", "txt", "bad exposures and CCDs, as legacypipe reads them", export_formats.bad_expid),
        Format("exclude", "txt", "bad CCDs, as the DES and DELVE exclusion lists give them", export_formats.exclude),
        Format("vi", "csv", "every judged exposure with each inspector's answer", export_formats.vi),
        Format("csv", "csv", "every judged exposure with its verdict", export_formats.csv_table),
        Format("ecsv", "ecsv", "every judged exposure with its verdict", export_formats.ecsv_table),
        Format("fits", "fits", "every judged exposure with its verdict", export_formats.fits_table),
        Format("parquet", "parquet", "every judged exposure with its verdict", export_formats.parquet_table),
    )
}


@dataclass(frozen=True)
class Contents:
    """What a format has to write.

    table : one row per judged exposure: see `verdict_table`. ccds : verdicts of single CCDs. votes : the votes behind
    the table. columns : what imported inspection tables said. facts : {name: value} of the header. old : exposures
    whose verdict was reached on another pipeline version than the run's, in the table only if asked for.
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
        return [f"{name}: {value}" for name, value in self.facts.items()]

    @property
    def bad(self) -> pd.DataFrame:
        return self.table[self.table.verdict == "bad"]


@dataclass(frozen=True)
class ExportReport:
    """What was exported: `n_bad` exposures, in part or whole, of `n_judged`; `old` were left out or marked."""

    format: str
    policy: str
    n_bad: int
    n_judged: int
    content: bytes = field(repr=False)
    old: tuple[int, ...] = ()
    out: str = ""

    def __str__(self) -> str:
        text = f"{self.n_bad} bad of {self.n_judged} judged exposures under policy {self.policy}, as {self.format}"
        text += f", in {self.out}" if self.out else ""
        if self.old:
            text += f"; {len(self.old)} judged on another pipeline version"
        return text


def export(
    catalog: Catalog,
    store: LabelStore,
    format: str = "bad_expid",
    policy: str = "majority",
    out: str | Path | BinaryIO | None = None,
    *,
    include_old: bool = False,
) -> ExportReport:
    """Write one export to a file or a binary stream, or leave it in the report's `content`.

    include_old : also export verdicts that were reached on another pipeline version than the run's.
    """
    form = FORMATS[choose(format, FORMATS, "format")]
    contents = gather(catalog, store, policy, format=format, include_old=include_old)
    content = form.render(contents)
    if hasattr(out, "write"):
        out.write(content)
    elif out is not None:
        path = Path(out)
        if path.is_dir() or not path.parent.is_dir():
            raise BadInput(f"{path} cannot be written; name a file in a folder that exists")
        write_aside(path, lambda aside: aside.write_bytes(content))
    named = os.fspath(out) if isinstance(out, (str, os.PathLike)) else ""
    return ExportReport(format, policy, len(contents.bad), len(contents.table), content, contents.old, named)


def preview_counts(catalog: Catalog, store: LabelStore, include_old: bool = False) -> dict[str, int]:
    """Number of exposures that an export would list as bad, under each policy."""
    fresh, old = _by_version(catalog, store.votes())
    votes = pd.concat([fresh, old]) if include_old else fresh
    found = {name: consensus.verdicts(votes, name, catalog.panel).verdict for name in consensus.POLICIES}
    return {name: int((verdicts == "bad").sum()) for name, verdicts in found.items()}


def verdict_table(catalog: Catalog, votes: pd.DataFrame, policy: str = "majority") -> pd.DataFrame:
    """Return one row per exposure of the run's cameras that somebody judged, by camera and expnum.

    Columns: those of `consensus.verdicts`; plver (of the votes); bad_ccds, a tuple of names, () where all of the
    exposure is bad or none of it; scope, 'exposure', 'ccds' or '' where it is not bad; old, whether its votes were cast
    on another pipeline version than the run's; in_run, whether the run has the exposure.
    """
    fresh, old = _by_version(catalog, votes)
    parts = [_verdict_part(catalog, part, policy, is_old) for part, is_old in ((fresh, False), (old, True))]
    return pd.concat(parts, ignore_index=True).sort_values(["camera", "expnum"], ignore_index=True)


def _by_version(catalog: Catalog, votes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Votes of the run's cameras: those on the run's pipeline version (or none known), and, of exposures that have no
    such votes, those on another. A column in_run is added."""
    exposures = catalog.exposures()[["camera", "expnum", "plver"]].rename(columns={"plver": "plver_now"})
    votes = votes[votes.camera.isin({catalog.camera, *exposures.camera})]
    votes = votes.merge(exposures, on=["camera", "expnum"], how="left")
    votes["in_run"] = votes.plver_now.notna()
    stale = votes.in_run & (votes.plver != "") & (votes.plver_now != "") & (votes.plver != votes.plver_now)
    fresh, old = votes[~stale], votes[stale]
    judged = set(zip(fresh.camera, fresh.expnum, strict=True))
    history = np.array([key in judged for key in zip(old.camera, old.expnum, strict=True)], dtype=bool)
    return fresh, old[~history]


def _verdict_part(catalog: Catalog, votes: pd.DataFrame, policy: str, old: bool) -> pd.DataFrame:
    table = consensus.verdicts(votes, policy, catalog.panel)
    partly = _parts(catalog, consensus.bad_ccds(votes, policy, catalog.panel))
    last = votes.groupby(["camera", "expnum"])[["plver", "in_run"]].last().reset_index()
    table = table.merge(last, on=["camera", "expnum"], how="left").astype({"in_run": bool})
    keys = zip(table.camera, table.expnum, strict=True)
    table["bad_ccds"] = pd.Series([partly.get(key, ()) for key in keys], dtype=object, index=table.index)
    table["scope"] = np.where(table.verdict != "bad", "", np.where(table.bad_ccds.map(len) > 0, "ccds", "exposure"))
    return table.assign(old=old)


def _parts(catalog: Catalog, bad_ccds: dict) -> dict:
    """`consensus.bad_ccds`, with () where the CCDs named are all that the run has of the exposure."""
    partly = {key: ccdnames for key, ccdnames in bad_ccds.items() if ccdnames}
    if not partly:
        return {}
    ccds = catalog.ccds()
    ccds = ccds[ccds.expnum.isin({expnum for _, expnum in partly})]
    everything = ccds.groupby("expnum").ccdname.agg(set).to_dict()
    return {key: own for key, own in partly.items() if not set(own) >= everything.get(key[1], {""})}


def gather(catalog: Catalog, store: LabelStore, policy: str, *, format: str, include_old: bool = False) -> Contents:
    """Read the store at one revision and put together what an export says."""
    choose(policy, consensus.POLICIES, "policy")
    catalog.refresh()
    revision, votes, columns = _snapshot(store)
    table = verdict_table(catalog, votes, policy)
    old = table[table.old]
    kept = table if include_old else table[~table.old]
    kept = kept.reset_index(drop=True)
    wanted = set(zip(kept.camera, kept.expnum, strict=True))
    votes = votes[np.array([key in wanted for key in zip(votes.camera, votes.expnum, strict=True)], dtype=bool)]
    facts = _facts(catalog, policy, format, revision, kept, old, include_old)
    ccds = consensus.ccd_verdicts(votes, policy, catalog.panel)
    old = tuple(int(expnum) for expnum in old.expnum)
    return Contents(kept, ccds, votes, columns, facts, old, catalog.panel, catalog)


def _facts(catalog, policy, format, revision, kept, old, include_old) -> dict[str, str]:
    model = catalog.stage("prediction", fresh=False) if catalog.has("prediction") else None
    counts = kept.verdict.value_counts()
    bad = kept[kept.verdict == "bad"]
    named = " ".join(str(expnum) for expnum in old.expnum[:OLD_NAMED]) + (" ..." if len(old) > OLD_NAMED else "")
    return {
        "Triptych export": format,
        "policy": f"{policy} ({consensus.POLICIES[policy].rule}), panel {catalog.panel}",
        "store revision": str(revision),
        "model stage": f"{model.stage_id} {model.digest}" if model else "none",
        "exposures": ", ".join(f"{counts.get(name, 0)} {name}" for name in consensus.VERDICTS),
        "bad": f"{(bad.scope == 'exposure').sum()} whole exposures, {bad.bad_ccds.map(len).sum()} CCDs of "
        f"{(bad.scope == 'ccds').sum()} others",
        "not in this run": str(int((~kept.in_run).sum())),
        "judged on another version": "0" if old.empty else f"{len(old)} {'in' if include_old else 'ex'}cluded: {named}",
    }


def _snapshot(store: LabelStore) -> tuple[int, pd.DataFrame, pd.DataFrame]:
    """(revision, votes, imported columns) that belong together, though others go on voting."""
    while True:
        revision = store.revision()
        votes, columns = store.votes(), store.imported_columns()
        if store.revision() == revision:
            return revision, votes, columns
