"""The complete report on agreement in a run, as plain values: for the command line, the room and JSON."""

import numpy as np
import pandas as pd

from triptych.pipeline.votes import agreement, inspectors
from triptych.pipeline.votes.blind_votes import BAD, GOOD, NOBODY, UNSURE, WHY, Ballots, ballots
from triptych.pipeline.votes.coefficients import LEVEL, RESAMPLES
from triptych.pipeline.votes.sorted_votes import opinions

EVERYBODY, NOBODYS = "*", ""  # whose names a report may contain; or the name of one inspector
ELSEWHERE = "on exposures that are not in this run, or only in another pipeline version"


def of_run(catalog, store, *, expnums=None, inspected=None, **options) -> dict:
    """The `report` of a run, with its exposures and with votes, decisions, repeats and known answers of a label store.

    expnums : the exposures that the reader may know about; None = all
    inspected : see `report`; by default the number in run.json
    """
    exposures = catalog.exposures()
    votes, elsewhere = votes_of_run(store.votes(current=False), exposures, catalog.camera)
    inspected = catalog.refresh().info.get("inspected") if inspected is None else inspected
    imported = store.imported_columns()
    if expnums is not None:
        votes = votes[votes["expnum"].isin(list(expnums))]
        imported = imported[imported["expnum"].isin(list(expnums))]
        inspected, elsewhere = None, 0  # this reader must not learn how many other exposures were looked at
    found = report(
        votes,
        exposures,
        repeats=store.repeats(),
        decisions=store.adjudications(),
        known=store.draws(catalog.camera, "known"),
        imported=imported,
        inspected=inspected,
        **options,
    )
    found["left_out"]["elsewhere"] = elsewhere
    found["n_run"] = len(exposures)
    return found


def votes_of_run(votes: pd.DataFrame, exposures: pd.DataFrame, camera: str) -> tuple[pd.DataFrame, int]:
    """The votes on exposures of a run, and the number of current votes on others. An imported vote without a pipeline
    version counts. In a run without exposures, all votes count."""
    if exposures.empty:
        return votes, 0
    plver = votes["expnum"].map(exposures.set_index("expnum")["plver"])
    counts = (votes["camera"] == camera) & plver.notna() & ((votes["plver"] == plver) | (votes["plver"] == ""))
    gone = votes[~counts & votes["superseded_by"].isna() & votes["retracted_utc"].isna()]
    return votes[counts], int((gone["ccdname"] == "").sum())


def report(
    votes: pd.DataFrame,
    exposures: pd.DataFrame,
    *,
    repeats: pd.DataFrame | None = None,
    decisions: pd.DataFrame | None = None,
    known: pd.DataFrame | None = None,
    imported: pd.DataFrame | None = None,
    unit: str = "",
    blanks_are_good: bool = False,
    inspected=None,
    names: str = EVERYBODY,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict:
    """Agreement of the inspectors who gave `votes`.

    votes : `LabelStore.votes(current=False)`, or those of the exposures that the reader may know about
    exposures : camera, expnum, band, night of the run; imported : camera, expnum, source, columns of inspection tables
    repeats, decisions, known : see `inspectors.inspector_table`
    unit : 'exposure', 'ccd', or '' = exposures if there are answers about them, else CCDs
    blanks_are_good, inspected : see `ballots`
    names : EVERYBODY; an inspector, whose own figures are given and nobody else's name; or NOBODYS
    """
    imports = None if imported is None or imported.empty else imported[["camera", "expnum", "source"]]
    given = {"blanks_are_good": blanks_are_good, "inspected": inspected, "imports": imports}
    found = ballots(votes, unit=unit or "exposure", **given)
    ccds = ballots(votes, unit="ccd")
    if not unit and not len(found) and len(ccds):
        found = ccds
    drawn = {"resamples": resamples, "seed": seed}
    fitted = agreement.posterior(found, **drawn)
    chance = fitted.pop("probability")
    current = votes[votes["superseded_by"].isna() & votes["retracted_utc"].isna()]
    people = inspectors.inspector_table(found, votes, repeats, decisions, known)
    listed = _listed(found, current, chance)
    judged = exposures[exposures["expnum"].isin(found.units["expnum"])]
    units = {"exposure": (current["ccdname"] == "").any(), "ccd": len(ccds) > 0}
    answer = {
        **agreement.headline(found, **drawn),
        "units": [name for name, has_votes in units.items() if has_votes],
        "why_left_out": {**WHY, "elsewhere": ELSEWHERE},
        "can_assume": bool(((current["via"] == "import") & (current["ccdname"] == "") & ~current["blind"]).any()),
        "resamples": resamples,
        "level": LEVEL,
        "fewest": {"exposures": agreement.FEWEST_EXPOSURES, "bad": agreement.FEWEST_BAD, "votes": inspectors.FEWEST},
        "pairs": agreement.pairs(found, **drawn) if names == EVERYBODY else _own_pair(found, names, drawn),
        "groups": {
            name: agreement.by_group(found, groups, **drawn) for name, groups in groups_of(judged, imported).items()
        },
        "reasons": agreement.by_reason(found, **drawn),
        "posterior": fitted,
        "unlike": agreement.unlike_majority(found, chance).drop(columns="camera").to_dict("records"),
        "people": people,
        "listed": listed,
    }
    return answer if names == EVERYBODY else _without_names(answer, names)


def groups_of(exposures: pd.DataFrame, imported: pd.DataFrame | None = None) -> dict[str, pd.Series]:
    """Name of the group by (camera, expnum): band, month, and the model's category if an inspection table has it.

    exposures : at least those that somebody voted on
    """
    index = pd.MultiIndex.from_frame(exposures[["camera", "expnum"]].reset_index(drop=True))
    place, nights = pd.factorize(exposures["night"].to_numpy(np.int64))
    months = np.array([f"{n // 10000}-{n // 100 % 100:02d}" if n > 0 else "" for n in nights], object)[place]
    groups = {
        "band": pd.Series(exposures["band"].to_numpy(object), index),
        "month": pd.Series(months, index, dtype=object),
    }
    if imported is not None and len(imported):
        kept = imported.drop_duplicates(["camera", "expnum"])
        category = [columns.get("ML_reason") or columns.get("ML_reasons") or "" for columns in kept["columns"]]
        groups["category"] = pd.Series(category, pd.MultiIndex.from_frame(kept[["camera", "expnum"]]), dtype=object)
    return groups


def _listed(found: Ballots, current: pd.DataFrame, chance: np.ndarray) -> list[dict]:
    """Exposures (or CCDs) that rest on one vote, on which votes differ, or of which somebody is unsure."""
    if found.unit == "exposure":
        table = agreement.single_votes(opinions(current[current["ccdname"] == ""])).assign(ccdname="")
    else:
        table = _listed_ccds(found)
    named = found.units.assign(p_bad=chance)
    named = named[named["expnum"] != NOBODY]
    table = table.merge(named, on=["camera", "expnum", "ccdname"], how="left")
    rows = table.drop(columns="camera").to_dict("records")
    return [{**row, "p_bad": None if np.isnan(row["p_bad"]) else round(float(row["p_bad"]), 4)} for row in rows]


def _listed_ccds(found: Ballots) -> pd.DataFrame:
    rows = []
    codes = {"bad": BAD, "good": GOOD, "unsure": UNSURE}
    for unit, answers in zip(found.units.itertuples(index=False), found.answers, strict=True):
        by = {
            word: tuple(name for name, answer in zip(found.inspectors, answers, strict=True) if answer == code)
            for word, code in codes.items()
        }
        n = [len(own) for own in by.values()]
        if n[0] and n[1]:
            kind = "one vote" if n[0] == 1 else "divided"
            rows.append((*unit, *n, *by.values(), (), kind))
    counts = ["n_bad", "n_good", "n_unsure", "bad_by", "good_by", "unsure_by", "reasons", "kind"]
    return pd.DataFrame(rows, columns=["camera", "expnum", "ccdname", *counts]).astype({"expnum": "int64"})


def _own_pair(found: Ballots, name: str, drawn: dict) -> list[dict]:
    if name not in found.inspectors or len(found.inspectors) < 2:
        return []
    two = found.against_others(name)
    return [{"first": name, "second": "the others' majority", **agreement.pair(two, **drawn)}]


def _without_names(answer: dict, name: str) -> dict:
    """The same report with only one inspector's name, or with none ('')."""
    own = {name} if name else set()
    fitted = answer["posterior"]["inspectors"]
    answer["posterior"]["inspectors"] = {who: figures for who, figures in fitted.items() if who in own}
    answer["people"] = [row for row in answer["people"] if row["inspector"] in own]
    answer["n_inspectors"] = len(answer["inspectors"])
    answer["inspectors"] = [who for who in answer["inspectors"] if who in own]
    for row in answer["reasons"]:
        row["alone"] = {who: n for who, n in row["alone"].items() if who in own}
    for row in answer["listed"]:
        for key in ("bad_by", "good_by", "unsure_by"):
            row[key] = tuple(who for who in row[key] if who in own)
    if answer["assumption"]:
        answer["assumption"] = (
            "Assumed: the imported inspectors looked at all inspected exposures, alone, and a blank is good."
        )
    return answer
