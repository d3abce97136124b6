"""Explains a line of a list, as plain values for a page or a terminal: from an exported exposure back to its votes,
what each inspector saw, the model behind it, the labels that taught that model, and the source files.
"""

from collections.abc import Callable
from typing import Any, overload

import numpy as np
import pandas as pd

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.export import export, formats
from triptych.pipeline.export.explain_model import chain_of, opinion_of, opinion_then, stages_of, taught_by
from triptych.pipeline.ingest import reprocessed
from triptych.pipeline.pixels.file_paths import path_of
from triptych.pipeline.votes import verdicts, versions

EXPOSURE = ("filter", "band", "night", "mjd_obs", "exptime", "ra", "dec", "airmass", "object", "propid", "plver")
EXPOSURE += ("plprocid", "n_ccds")
VERDICT = ("verdict", "n_bad", "n_good", "n_unsure", "p_bad", "inspectors", "reasons", "adjudicated", "lead", "why")
VERDICT += ("scope", "bad_ccds", "old", "plver")


def explain(
    catalog: Catalog,
    store,
    expnum: int,
    policy: str = "majority",
    *,
    prediction: str | None = None,
    tables: Callable[[], dict[str, pd.DataFrame]] | None = None,
) -> dict:
    """Everything that is on record about one exposure, as plain values for JSON.

    policy : a name in POLICIES. prediction : the prediction stage to show; None = the current one, '' = none. tables :
    returns `export.verdict_table` for each policy, if the caller has these tables already.

    expnum, camera, policy, panel, revision (of the store), in_run
    exposure : header facts, or None. file : name, source, there (whether it exists), problems (of this exposure's
    files)
    versions : the times when it was reprocessed, see `reprocessed`
    policies : for each policy the verdict (VERDICT; None if nobody has judged) and `lines`, its lines in a list
    votes : see `votes_on`. decisions : all of them, newest first. labels : see `labels_on`. tables : what inspection
    tables say. reveals : who was shown the votes of others, and when. draws : what it was drawn for
    model : see `opinion_of`. taught : see `taught_by`. chain : the stages behind the opinion, see `chain_of`

    BadInput if neither the run nor the label store knows the exposure.
    """
    choose(policy, verdicts.POLICIES, "policy")
    expnum = int(expnum)
    exposures = catalog.exposures()
    own = exposures[exposures["expnum"] == expnum]
    record = store.votes(expnum=expnum, current=False)
    decisions = store.adjudications(current=False)
    decisions = decisions[decisions["expnum"] == expnum]
    labels = store.labels()
    labels = labels[labels["expnum"] == expnum]
    if own.empty and record.empty and decisions.empty and labels.empty:
        raise BadInput(nothing_known(catalog, expnum))
    frames = (own, record, decisions, labels)
    camera = next(str(frame["camera"].iloc[-1]) for frame in frames if len(frame)) or catalog.camera
    record, decisions, labels = (frame[frame["camera"] == camera] for frame in frames[1:])
    stages = stages_of(catalog, prediction)
    plver = str(own["plver"].iloc[0]) if len(own) else ""
    then = {name: opinion_then(catalog, name, expnum) for name in stages_shown(record)}
    draws = store.draws(camera)
    found = {
        "expnum": expnum,
        "camera": camera,
        "policy": policy,
        "panel": catalog.panel,
        "revision": store.revision(),
        "in_run": len(own) > 0,
        "exposure": own.iloc[0][list(EXPOSURE)].to_dict() if len(own) else None,
        "file": file_of(catalog, own, expnum),
        "versions": reprocessed.changes(catalog, exposures).get(expnum, []),
        "policies": policies_on(catalog, store, camera, expnum, tables),
        "votes": votes_on(
            record, store.repeats(current=False), plver if len(own) else None, then, store.annulments(expnum)
        ),
        "decisions": [_decision(row, plver) for row in decisions.iloc[::-1].to_dict("records")],
        "labels": labels_on(labels),
        "tables": tables_on(store.imported_columns(), camera, expnum),
        "reveals": store.reveals(camera, expnum),
        "draws": sorted(set(draws["kind"][draws["expnum"] == expnum])),
        "model": opinion_of(catalog, stages, expnum),
        "taught": taught_by(stages.get("model"), expnum),
        "chain": chain_of(catalog, stages),
    }
    return plain(found)


def nothing_known(catalog: Catalog, expnum: int) -> str:
    """The message for an unknown exposure."""
    return f"nothing is known of exposure {expnum}: it is not in {catalog.name} and has no vote or label"


@overload
def plain(values: dict) -> dict: ...


@overload
def plain(values: list | tuple | np.ndarray) -> list: ...


@overload
def plain(values: Any) -> Any: ...


def plain(values):
    """Convert to numbers, texts, lists, dicts and None, for JSON. NaN, NA and NaT become None."""
    if isinstance(values, dict):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple, np.ndarray)):
        return [plain(value) for value in values]
    if isinstance(values, np.generic):
        return plain(values.item())
    if values is None or values is pd.NA or values is pd.NaT or (isinstance(values, float) and np.isnan(values)):
        return None
    return values


# ---- the file


def file_of(catalog: Catalog, own: pd.DataFrame, expnum: int) -> dict:
    """Where the pixels come from: name, source, there (it exists), problems: [{path, ccdname, problem, detail}]."""
    name, source = (str(own[column].iloc[0]) if len(own) else "" for column in ("image_filename", "source"))
    problems = catalog.quarantine()
    problems = problems[problems["expnum"] == expnum][["path", "ccdname", "problem", "detail"]]
    exists = bool(source) and path_of(source).exists()
    return {"name": name, "source": source, "there": exists, "problems": problems.to_dict("records")}


# ---- people


def stages_shown(record: pd.DataFrame) -> list[str]:
    """Prediction stages that were on screen when somebody voted, oldest first."""
    return list(dict.fromkeys(screen["stage"] for screen in record["screen"] if screen.get("stage")))


def votes_on(
    record: pd.DataFrame,
    repeats: pd.DataFrame,
    plver: str | None,
    then: dict[str, dict | None],
    annulments: pd.DataFrame,
) -> list[dict]:
    """Every judgement ever given of an exposure, oldest first.

    record : all vote rows on it. repeats : of the store. plver : the run's version, None if it is not in the run.
    then : what each prediction stage said. annulments : of the store, on this exposure.

    vote_id, inspector, judgement, reasons, comment, via, blind, plver, created_utc; ccdnames : the ticked CCDs, or
    those judged one by one (then `whole` is False); state : current, superseded, retracted or annulled, and until
    (UTC); annulled : {lead, why} or None; old : of another pipeline version; screen : what was on screen;
    model_then : what the stage on screen said, None if unknown;
    repeats : what the same inspector said when asked again, without seeing the first answer
    """
    created = dict(zip(record["vote_id"], record["created_utc"], strict=True))
    roots = set(record.loc[record["ccdname"] == "", "client_vote_id"])
    annulled = {row["vote_id"]: row for row in annulments[["vote_id", "lead", "why"]].to_dict("records")}
    groups: dict[tuple, list[dict]] = {}
    for row in record.sort_values("vote_id").to_dict("records"):
        root = row["client_vote_id"].removesuffix(f":{row['ccdname']}") if row["ccdname"] else row["client_vote_id"]
        alone = (row["inspector"], row["judgement"], row["reasons"], row["via"], row["created_utc"], _state(row))
        groups.setdefault((root,) if root in roots else alone, []).append(row)
    found = []
    for rows in groups.values():
        first = next((row for row in rows if row["ccdname"] == ""), rows[0])
        state = _state(first)
        until = {"superseded": created.get(first["superseded_by"]), "retracted": first["retracted_utc"]}.get(state)
        word = annulled.get(first["vote_id"])
        again = repeats[repeats["vote_id"] == first["vote_id"]]
        columns = ("vote_id", "inspector", "judgement", "reasons", "comment", "via", "blind", "plver", "created_utc")
        found.append(
            {name: first[name] for name in columns}
            | {
                "whole": first["ccdname"] == "",
                "ccdnames": [row["ccdname"] for row in rows if row["ccdname"]],
                "state": "annulled" if word else state,
                "until": until,
                "annulled": {name: word[name] for name in ("lead", "why")} if word else None,
                "old": plver is not None and "" not in (first["plver"], plver) and first["plver"] != plver,
                "screen": first["screen"],
                "model_then": then.get(first["screen"].get("stage", "")),
                "repeats": again[["judgement", "reasons", "created_utc"]].to_dict("records"),
            }
        )
    return found


def _state(row: dict) -> str:
    if row["retracted_utc"]:
        return "retracted"
    return "current" if pd.isna(row["superseded_by"]) else "superseded"


def _decision(row: dict, plver: str) -> dict:
    columns = ("adjudication_id", "lead", "judgement", "reasons", "comment", "votes_seen", "plver", "created_utc")
    old = "" not in (row["plver"], plver) and row["plver"] != plver
    return {name: row[name] for name in columns} | {
        "state": _state(row),
        "until": row["retracted_utc"],
        "old": old,
    }


def labels_on(labels: pd.DataFrame) -> list[dict]:
    """Imported labels, grouped by file: source, kind, reason, raw, imported_utc, ccdnames ([] = whole exposure)."""
    found = []
    for (source, kind, reason, raw), rows in labels.groupby(["source", "kind", "reason", "raw"], sort=False):
        names = [name for name in rows["ccdname"] if name]
        own = {"source": source, "kind": kind, "reason": reason, "raw": raw, "ccdnames": names}
        found.append(own | {"imported_utc": rows["imported_utc"].min()})
    return found


def tables_on(columns: pd.DataFrame, camera: str, expnum: int) -> list[dict]:
    """The further columns of inspection tables about the exposure: source, columns."""
    own = columns[(columns["camera"] == camera) & (columns["expnum"] == expnum)]
    return own[["source", "columns"]].to_dict("records")


# ---- verdicts and lines


def policies_on(catalog: Catalog, store, camera: str, expnum: int, tables=None) -> dict[str, dict]:
    """policy -> {rule, verdict (VERDICT, None without votes and decisions), lines: of this exposure in `bad_expid`}.

    An export has the lines of an old verdict only with its switch for old versions.
    """
    votes, decisions = store.votes(expnum=expnum), store.adjudications()
    decisions = decisions[decisions["expnum"] == expnum]
    policies = list(verdicts.POLICIES)

    def own_tables():
        everybody = {"posterior": store.votes()}  # how much one vote is believed depends on all other votes
        return {name: export.verdict_table(catalog, everybody.get(name, votes), name, decisions) for name in policies}

    judged = len(votes) or len(decisions)
    verdict_tables = (own_tables if tables is None else tables)() if judged else {}
    found = {}
    for name in policies:
        table = verdict_tables.get(name)
        row = None if table is None else table[(table["camera"] == camera) & (table["expnum"] == expnum)]
        verdict = None if row is None or row.empty else row.iloc[0][list(VERDICT)].to_dict()
        lines = lines_of(catalog, row, votes, decisions, name) if verdict else []
        found[name] = {"rule": verdicts.POLICIES[name].rule, "verdict": verdict, "lines": lines}
    return found


def lines_of(catalog: Catalog, row: pd.DataFrame, votes, decisions, policy: str) -> list[str]:
    """The lines of one exposure in `bad_expid` under a policy. row : of its `export.verdict_table`."""
    sides = [pd.concat(parts) for parts in versions.by_version(catalog, votes, decisions)]
    votes, decisions = (side[side["expnum"] == int(row["expnum"].iloc[0])] for side in sides)
    contents = export.Contents(
        table=row,
        ccds=verdicts.ccd_verdicts(votes, policy, catalog.panel, decisions),
        votes=votes,
        columns=pd.DataFrame(),
        facts={},
        old=(),
        panel=catalog.panel,
        catalog=catalog,
    )
    return [line for line in formats.bad_expid(contents).decode().splitlines() if line]
