"""Which votes count for agreement: blind single votes, one per inspector and exposure. Others are counted by reason.

Three kinds of vote do not show how well people agree. A bulk vote is one judgement of many exposures. A vote cast after
the votes of others were shown is not independent. An imported list of bad votes does not say what else was looked at.
If somebody changed a blind vote later, when they could see other votes, the blind one counts. A retracted vote does not
count.

`blanks_are_good` is an assumption about imported inspections, off by default: each imported inspector judged every
exposure of that inspection, alone, and a blank means good. The result states the assumption.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from triptych.pipeline.errors import BadInput, choose

MISSING, GOOD, UNSURE, BAD = -1, 0, 1, 2
CODES = {"good": GOOD, "unsure": UNSURE, "bad": BAD}
UNITS = ("exposure", "ccd")
NOBODY = -1  # expnum of exposures that were inspected but whose numbers are not known
WHY = {
    "imported": "imported, and it is not known which exposures were looked at",
    "bulk": "cast in bulk",
    "not blind": "cast after others' votes were or could be seen",
}
_UNIT = ["camera", "expnum", "ccdname"]
_THING = ["camera", "expnum", "ccdname", "plver", "inspector"]


@dataclass(frozen=True, eq=False)
class Ballots:
    """Answers of inspectors about units (exposures or CCDs).

    units : camera, expnum (NOBODY = not known), ccdname ('' = whole exposure), one row per unit
    answers : (n_units, n_inspectors) int8 of MISSING, GOOD, UNSURE, BAD
    reasons : unit (row number), inspector (column number), reason: one row per reason of a bad answer
    n_votes : number of stored votes that count; n_assumed : number of good answers that an assumption adds
    left_out : why -> number of current votes that do not count
    only_flagged : True if only exposures that somebody called bad are known, not the others that were inspected
    """

    unit: str
    inspectors: tuple[str, ...]
    units: pd.DataFrame
    answers: np.ndarray
    reasons: pd.DataFrame
    n_votes: int = 0
    n_assumed: int = 0
    left_out: dict | None = None
    assumption: str = ""
    only_flagged: bool = False

    def __len__(self) -> int:
        return len(self.units)

    @property
    def exposure_codes(self) -> np.ndarray:
        """(n_units,) int64: equal for units of the same exposure. Each exposure without a number has its own code."""
        codes = self.units.groupby(["camera", "expnum"], sort=False).ngroup().to_numpy(np.int64)
        unnamed = (self.units["expnum"] == NOBODY).to_numpy()
        return np.where(unnamed, len(codes) + np.arange(len(codes)), codes)

    def where(self, keep: np.ndarray) -> "Ballots":
        """The ballots of some units only. keep : (n_units,) bool."""
        keep = np.asarray(keep, bool)
        number = np.cumsum(keep) - 1
        reasons = self.reasons[keep[self.reasons["unit"].to_numpy(np.int64)]]
        reasons = reasons.assign(unit=number[reasons["unit"].to_numpy(np.int64)])
        return replace(self, units=self.units[keep].reset_index(drop=True), answers=self.answers[keep], reasons=reasons)

    def of(self, inspectors: Sequence[str]) -> "Ballots":
        """The ballots of some inspectors only, in this order."""
        columns = [self.inspectors.index(name) for name in inspectors]
        place = {column: number for number, column in enumerate(columns)}
        reasons = self.reasons[self.reasons["inspector"].isin(columns)]
        reasons = reasons.assign(inspector=reasons["inspector"].map(place).astype("int64"))
        return replace(self, inspectors=tuple(inspectors), answers=self.answers[:, columns], reasons=reasons)

    def against_others(self, inspector: str) -> "Ballots":
        """Two columns: this inspector, and the majority of the others' good and bad answers (MISSING in a tie)."""
        own = self.inspectors.index(inspector)
        others = np.delete(self.answers, own, axis=1)
        lean = (others == BAD).sum(axis=1) - (others == GOOD).sum(axis=1)
        majority = np.select([lean > 0, (lean < 0)], [BAD, GOOD], MISSING).astype(np.int8)
        answers = np.stack([self.answers[:, own], majority], axis=1)
        return replace(self, inspectors=(inspector, "the others"), answers=answers, reasons=self.reasons.iloc[:0])

    def has_reason(self, reason: str) -> np.ndarray:
        """(n_units, n_inspectors) bool: whether an inspector's bad answer names the reason."""
        found = np.zeros(self.answers.shape, bool)
        rows = self.reasons[self.reasons["reason"] == reason]
        found[rows["unit"].to_numpy(np.int64), rows["inspector"].to_numpy(np.int64)] = True
        return found


def ballots(
    votes: pd.DataFrame,
    *,
    unit: str = "exposure",
    blanks_are_good: bool = False,
    inspected: int | Sequence[int] | None = None,
    imports: pd.DataFrame | None = None,
) -> Ballots:
    """The answers that count for agreement.

    votes : `LabelStore.votes(current=False)`. With current votes only, a blind vote that was changed later is lost
    unit : 'exposure', votes on whole exposures; 'ccd', imported answers on every CCD (ticks in Review say nothing about
        CCDs that were not ticked, so they are no answers)
    inspected : with blanks_are_good, what the imported inspectors are assumed to have looked at: expnums, or a number
        of exposures if only that is known; by default the exposures that the import names
    imports : camera, expnum, source of imported inspection tables; without it all imported votes are one inspection

    BadInput if `inspected` is less than the number of exposures that the import names.
    """
    choose(unit, UNITS, "unit of agreement")
    mine = votes[(votes["ccdname"] == "") if unit == "exposure" else (votes["ccdname"] != "")]
    mine = mine[mine["retracted_utc"].isna()].sort_values("vote_id")
    mine = mine.assign(thing=mine.groupby(_THING, sort=False).ngroup())
    current = mine[mine["superseded_by"].isna()]
    imported = (mine["via"] == "import").to_numpy()
    covered = mine["inspector"].isin(_with_coverage(mine[imported]))
    counts = (mine["blind"] & ((mine["via"] == "single") & (unit == "exposure") | imported & covered)).to_numpy(bool)
    chosen = mine[counts & mine["thing"].isin(current["thing"]).to_numpy()]
    left = current[~current["thing"].isin(chosen["thing"])]
    assumed, assumption = None, ""
    if blanks_are_good and unit == "exposure":
        files = left[left["via"] == "import"]
        chosen = pd.concat([chosen, files])
        left = left[left["via"] != "import"]
        assumed, assumption = _blanks(files, inspected, imports)
    chosen = chosen.drop_duplicates([*_UNIT, "inspector"], keep="last")
    found = _matrix(unit, chosen, assumed)
    flagged = bool(assumption) and bool((found.answers == BAD).any(axis=1).all())
    return replace(found, left_out=_left_out(left, unit), assumption=assumption, only_flagged=flagged)


def _with_coverage(imported: pd.DataFrame) -> set[str]:
    """Inspectors with imported blind answers that include good ones, so it is not only a list of what is bad."""
    kinds = imported[imported["blind"]].groupby("inspector")["judgement"].agg(set)
    return {name for name, own in kinds.items() if "good" in own}


def _left_out(left: pd.DataFrame, unit: str) -> dict[str, int]:
    if unit == "ccd":
        return {"imported": int((left["via"] == "import").sum())}
    imported, bulk = left["via"] == "import", left["via"] == "bulk"
    blind = left["blind"].astype(bool)
    return {
        "imported": int(imported.sum()),
        "bulk": int(bulk.sum()),
        "not blind": int((~imported & ~bulk & ~blind).sum()),
    }


def _blanks(files: pd.DataFrame, inspected, imports) -> tuple[pd.DataFrame | None, str]:
    """Good answers that are assumed (camera, expnum, ccdname, inspector), and the assumption as a sentence."""
    if files.empty:
        return None, ""
    if isinstance(inspected, (Sequence, np.ndarray)):
        things = pd.DataFrame({"camera": files["camera"].iloc[0], "expnum": np.unique(np.asarray(inspected, np.int64))})
        things["source"] = ""
    elif imports is not None and len(imports):
        things = imports[["camera", "expnum", "source"]].drop_duplicates()
    else:
        things = files[["camera", "expnum"]].drop_duplicates().assign(source="")
    sourced = files[["camera", "expnum", "inspector"]].merge(things, on=["camera", "expnum"])
    judges = sourced[["source", "inspector"]].drop_duplicates()
    if (things["source"] == "").all():
        judges = pd.DataFrame({"source": "", "inspector": files["inspector"].unique()})
    blanks = things.merge(judges, on="source")[["camera", "expnum", "inspector"]].drop_duplicates()
    named = len(files[["camera", "expnum"]].drop_duplicates().merge(things.drop(columns="source"), how="outer"))
    names = ", ".join(sorted(files["inspector"].unique()))
    if isinstance(inspected, (int, np.integer)) and not isinstance(inspected, bool):
        if inspected < named:
            raise BadInput(f"{inspected} is too few inspected exposures: the import names {named}; give at least that")
        unnamed = pd.DataFrame({"camera": files["camera"].iloc[0], "expnum": NOBODY, "copy": range(inspected - named)})
        blanks = pd.concat([blanks, unnamed.merge(pd.DataFrame({"inspector": files["inspector"].unique()}), "cross")])
        text = f"each of {names} looked at all {inspected:,} inspected exposures, of which the file names {named:,}"
    else:
        text = f"each of {names} looked at all {named:,} exposures of the import"
    text = f"Assumed: {text}, alone, and a blank is good."
    return blanks.assign(ccdname=""), text


def _matrix(unit: str, chosen: pd.DataFrame, assumed: pd.DataFrame | None) -> Ballots:
    blanks = pd.DataFrame({name: [] for name in (*_UNIT, "inspector")}) if assumed is None else assumed
    if "copy" not in blanks:
        blanks = blanks.assign(copy=0)
    blanks = blanks.assign(copy=blanks["copy"].fillna(0).astype("int64"))
    columns = [*_UNIT, "inspector", "copy"]
    answers = pd.concat(
        [
            blanks[columns].assign(code=GOOD),
            chosen.assign(copy=0, code=chosen["judgement"].map(CODES).astype("int64"))[[*columns, "code"]],
        ]
    ).astype({"expnum": "int64", "code": "int64"})
    inspectors = tuple(sorted(answers["inspector"].unique()))
    numbers = answers.groupby(["camera", "expnum", "ccdname", "copy"], sort=True).ngroup().to_numpy()
    places = answers["inspector"].map({name: n for n, name in enumerate(inspectors)}).to_numpy(np.int64)
    matrix = np.full((numbers.max(initial=-1) + 1, len(inspectors)), MISSING, np.int8)
    matrix[numbers, places] = answers["code"].to_numpy(np.int8)  # stored votes come last and replace assumed answers
    first = np.unique(numbers, return_index=True)[1]
    units = answers[_UNIT].iloc[first].reset_index(drop=True)
    own = len(blanks)
    bad = chosen["judgement"].to_numpy() == "bad"
    reasons = pd.DataFrame(
        {"unit": numbers[own:][bad], "inspector": places[own:][bad], "reason": chosen["reasons"].to_numpy()[bad]}
    )
    reasons = reasons.explode("reason").dropna(subset="reason").astype({"unit": "int64", "inspector": "int64"})
    n_assumed = int((matrix != MISSING).sum()) - len(chosen)
    return Ballots(unit, inspectors, units, matrix, reasons.reset_index(drop=True), len(chosen), n_assumed)
