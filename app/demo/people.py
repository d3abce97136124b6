"""The people of the demonstration. All of them are made up, and so is what they say.

An inspector looks at what was truly planted in an exposure, and errs at stated rates: misses it, is alarmed where
nothing is, is unsure, names another reason, forgets a CCD. The same inspector says the same of the same exposure.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.pipeline import csv_tables
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.store.passwords import DEMO_PASSWORD

# The demonstration is served on localhost only, so its password may be known.
PASSWORD = DEMO_PASSWORD
ACCOUNTS = {"vera": "inspector", "henrietta": "inspector", "annie": "inspector", "cecilia": "lead"}
LEAD = next(name for name, role in ACCOUNTS.items() if role == "lead")
LOT = 0  # another one gives other votes at the same rates
TICK_SECONDS = 0.4
USUAL = ("Clouds_transparency", "Ghost_Scatter", "PSF", "Noise")  # what they name where they err
MISNAMED, UNTICKED = 0.05, 0.1  # how often another reason is named; how often a bad CCD is forgotten
SMALL, SMALL_IS_HARDER = 0.1, 2.0  # where a smaller share of the CCDs is bad, it is missed so many times as often
ODD_IS_HARDER = 2.0  # where a good exposure looks odd, it alarms, and leaves unsure, so many times as often


@dataclass(frozen=True)
class Planted:
    """What is truly in one exposure. reasons : the commonest first; bad : names of the CCDs that have one."""

    n_ccds: int
    reasons: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    odd: bool = False

    @property
    def small(self) -> bool:
        return 0 < len(self.bad) < SMALL * self.n_ccds


@dataclass(frozen=True)
class Opinion:
    """What somebody says of one exposure, as the Review room sends it, and in how many seconds."""

    judgement: str
    seconds: float
    reasons: tuple[str, ...] = ()
    ccdnames: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspector:
    """misses, alarms, unsure : how often they err so on a plain exposure; seconds : on one, typically"""

    name: str
    misses: float
    alarms: float
    unsure: float
    seconds: float

    def says(self, expnum: int, planted: Planted, seed: int) -> Opinion:
        """Their judgement of one exposure."""
        rng = np.random.default_rng([seed, LOT, expnum, *self.name.encode()])
        unsure, errs, misnamed = rng.random(3)
        hard = planted.odd or planted.small
        seconds = round(float(rng.gamma(5, self.seconds / 5) * (1.5 if hard else 1)) + 0.6, 2)
        if unsure < self.unsure * (ODD_IS_HARDER if planted.odd else 1):
            return Opinion("unsure", round(1.7 * seconds, 2))
        if planted.bad:
            bad = errs >= self.misses * (SMALL_IS_HARDER if planted.small else 1)
        else:
            bad = errs < self.alarms * (ODD_IS_HARDER if planted.odd else 1)
        if not bad:
            return Opinion("good", seconds)
        others = [name for name in USUAL if name not in planted.reasons]
        guess = misnamed < MISNAMED or not planted.reasons
        reasons = (str(rng.choice(others)),) if guess else planted.reasons[:1]
        some = len(planted.bad) < planted.n_ccds / 2
        ticked = [name for name in planted.bad if rng.random() >= UNTICKED] if some else []
        return Opinion("bad", round(seconds + TICK_SECONDS * len(ticked), 2), reasons, tuple(ticked))


INSPECTORS = (
    Inspector("vera", misses=0.07, alarms=0.06, unsure=0.06, seconds=5.5),
    Inspector("henrietta", misses=0.08, alarms=0.14, unsure=0.04, seconds=4.0),
    Inspector("annie", misses=0.18, alarms=0.05, unsure=0.10, seconds=7.5),
)


def planted_in(survey: Path) -> dict[int, Planted]:
    """What is truly in each exposure of a simulated survey, by expnum."""
    odd = {expnum for expnum, *_ in rows_of(survey / "suspicious.csv")[1]}
    rows: dict[str, list[tuple[str, str]]] = {}
    for expnum, ccdname, reason, *_ in rows_of(survey / "truth.csv")[1]:
        rows.setdefault(expnum, []).append((ccdname, reason))
    found = {}
    for expnum, own in rows.items():
        wrong = Counter(reason for _, reason in own if reason != GOOD)
        bad = _in_order(ccdname for ccdname, reason in own if reason != GOOD)
        n_ccds = len(_in_order(ccdname for ccdname, _ in own))
        found[int(expnum)] = Planted(n_ccds, tuple(name for name, _ in wrong.most_common()), bad, expnum in odd)
    return found


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of the simulated survey. The exposure number comes first in each row."""
    with open(path, newline="") as handle:
        header, *rows = (cells for _, cells in csv_tables.rows_of((line for line in handle if line[:1] != "#"), path))
    return header, rows


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
