"""How many votes an exposure needs: everybody's, or a third only where the first two do not settle it. Pure functions.

Under the adaptive rule an exposure is asked of a majority of the panel (two of three). It is settled, and leaves the
queues, when these blind votes say the same, none of them is unsure, and the model is not strongly against them.
Everything else gets the votes of the whole panel, and so does a random control, from which one learns what the votes
that were saved would have said.

Who is asked first differs from exposure to exposure, by a seed. An exposure comes to the front of the other
inspectors' queues when its first votes are in and do not settle it, or when they are in and it belongs to the control:
so neither that it comes, nor when, tells what others said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pandas as pd

from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.votes.queue_order import ORDERS, draws_of, packet_text, parse_packet, seed_of

RULES = {
    "all": "everybody votes on everything",
    "adaptive": "a third vote only where the first two differ, one is unsure, or the model is strongly against them",
}
ASKED, LATER, SETTLED = 0, 1, 2  # what an exposure is for one inspector who has not voted on it


@dataclass(frozen=True)
class QueueSettings:
    """What a lead decides about queues.

    order, packet : of inspectors who chose none themselves ('' as order: score, or random where the model is hidden)
    repeats, known : shares of the queue that are own earlier votes asked for again, and exposures with a known answer
    repeat_age : how many judgements ago the vote that is asked for again must be
    rule : a name of RULES; control : share of exposures that get all votes whatever the first ones say
    strong : probability of bad from which, or down to one minus which, the model counts as strongly for or against
    ask_again : whether those who judged an exposure are asked again when another pipeline version of it looks the same
    """

    order: str = ""
    packet: str = ""
    repeats: float = 0.04
    repeat_age: int = 100
    known: float = 0.04
    rule: str = "all"
    control: float = 0.1
    strong: float = 0.9
    ask_again: bool = False
    seed: int = 0

    def plain(self) -> dict:
        """The settings as plain values, for JSON."""
        return asdict(self)


LIMITS = {"repeats": (0.0, 0.2), "known": (0.0, 0.2), "control": (0.0, 1.0), "strong": (0.5, 1.0)}
YOUNGEST_REPEAT = 40  # the page shows the last twenty votes: what is asked for again must be long gone from there


def settings_of(values: Mapping | None) -> QueueSettings:
    """Settings from plain values; what is missing is the default. A value out of bounds is refused."""
    values = dict(values or {})
    known = {field.name: type(field.default) for field in fields(QueueSettings)}
    for name, value in values.items():
        kind = known[choose(name, known, "queue setting")]
        try:
            values[name] = kind(value)
        except (TypeError, ValueError):
            raise BadInput(f"{name} is {value!r}; it must be a {kind.__name__}") from None
    settings = replace(QueueSettings(), **values)
    for name, (low, high) in LIMITS.items():
        if not low <= getattr(settings, name) <= high:
            raise BadInput(f"{name} is {getattr(settings, name)}; choose {low:g} to {high:g}")
    if settings.repeat_age < YOUNGEST_REPEAT:
        raise BadInput(f"repeat_age is {settings.repeat_age}; choose {YOUNGEST_REPEAT} or more")
    choose(settings.rule, RULES, "rule of the queue")
    if settings.order:
        order = ORDERS[choose(settings.order, ORDERS, "order of a queue")]
        if order.tells == "votes":
            raise BadInput(f"the order {settings.order} tells how others voted; it is for leads' own queues alone")
    return replace(settings, packet=packet_text(parse_packet(settings.packet)))


def counted(ballots: pd.DataFrame) -> pd.DataFrame:
    """The ballots that decide how many more are needed: blind and given one by one."""
    return ballots[ballots["blind"].astype(bool) & (ballots["via"] == "single")]


def first_votes(panel: int) -> int:
    """How many votes are asked for before it is looked whether they settle an exposure."""
    return int(panel) // 2 + 1


def vote_progress(
    expnums: Sequence[int] | np.ndarray,
    ballots: pd.DataFrame,
    probability: pd.Series,
    control: Iterable[int],
    settings: QueueSettings,
    panel: int,
) -> pd.DataFrame:
    """Where each exposure stands, indexed by expnum: n_votes (int), needed (int), first_in (bool), settled (bool).

    ballots : blind single votes as `counted` gives them, in the order they were cast. probability : of being bad,
    by expnum, NaN or missing where the model says nothing. needed : how many votes it gets in all as things stand
    """
    index = pd.Index(np.asarray(expnums, dtype=np.int64))
    here = ballots[ballots["expnum"].isin(index)]
    judged = here.groupby("expnum")["judgement"]
    n_votes = judged.size().reindex(index, fill_value=0).astype(int)
    frame = pd.DataFrame({"n_votes": n_votes, "needed": int(panel)}, index=index)
    first = first_votes(panel)
    frame["first_in"] = frame["n_votes"] >= first
    if settings.rule == "all" or first >= panel:
        frame["settled"] = frame["n_votes"] >= panel
        return frame
    same = (judged.nunique() == 1).reindex(index, fill_value=False)
    said = judged.first().reindex(index)
    model = probability.reindex(index).to_numpy(float)
    against = ((said == "good") & (model >= settings.strong)) | ((said == "bad") & (model <= 1 - settings.strong))
    kept = index.isin(list(control))
    agreed = (frame["first_in"] & same & (said != "unsure") & ~against & ~kept).to_numpy(bool)
    frame["needed"] = np.where(agreed | ~frame["first_in"], np.where(agreed, frame["n_votes"], first), panel)
    frame["settled"] = agreed | (frame["n_votes"] >= panel).to_numpy(bool)
    return frame


def asked_of(
    inspector: str, inspectors: Sequence[str], table: pd.DataFrame, settings: QueueSettings, panel: int
) -> np.ndarray:
    """(n,) int: ASKED, LATER or SETTLED for one inspector, of exposures that they have not voted on.

    table : as `vote_progress` gives it. LATER: others are asked first; it waits at the end, so that nobody runs dry.
    """
    if settings.rule == "all":
        return np.zeros(len(table), dtype=int)
    first = first_votes(panel)
    draws = np.array([draws_of(table.index, seed_of(settings.seed, name)) for name in sorted({*inspectors, inspector})])
    own = draws[sorted({*inspectors, inspector}).index(inspector)]
    before = (draws < own).sum(axis=0)
    asked = table["first_in"].to_numpy(bool) | (before < first)
    return np.where(table["settled"], SETTLED, np.where(asked, ASKED, LATER))


def drawn_for_control(expnums: Sequence[int] | np.ndarray, settings: QueueSettings) -> np.ndarray:
    """The exposures, of these, that the control takes: the same ones for the same seed, whatever else is there."""
    numbers = np.asarray(expnums, dtype=np.int64)
    return numbers[draws_of(numbers, seed_of(settings.seed, "control")) < settings.control]


def saving(
    expnums: Sequence[int] | np.ndarray,
    ballots: pd.DataFrame,
    probability: pd.Series,
    control: Iterable[int],
    settings: QueueSettings,
    panel: int,
) -> dict:
    """What the adaptive rule saves, and at what price, as plain values.

    n_settled, votes_saved : exposures settled by the first votes; votes that were therefore not asked for
    good_pairs, bad_pairs : of the control exposures with all votes and first votes that agree: {n, turned, share, low,
    high}: in how many a later vote said otherwise, with the 95 % interval of Wilson; share is None without any
    control_waiting, others_waiting : exposures that wait for the rest of the panel, in the control and because they
    need it: the larger the first, the less a late vote learns from being asked
    """
    table = vote_progress(expnums, ballots, probability, control, settings, panel)
    kept = table.index.isin(list(control))
    short = table["settled"] & (table["n_votes"] < panel)
    waiting = table["first_in"] & ~table["settled"]
    pairs = {"good": [0, 0], "bad": [0, 0]}
    first = first_votes(panel)
    drawn = ballots[ballots["expnum"].isin(table.index[kept])]
    for _, said in drawn.groupby("expnum")["judgement"]:
        said = said.tolist()
        if len(said) >= panel > first and len(set(said[:first])) == 1 and said[0] in pairs:
            pairs[said[0]][0] += 1
            pairs[said[0]][1] += any(later != said[0] for later in said[first:])
    return {
        "n_settled": int(short.sum()),
        "votes_saved": int((panel - table.loc[short, "n_votes"]).sum()),
        "n_control": int(kept.sum()),
        "good_pairs": share_of(*pairs["good"]),
        "bad_pairs": share_of(*pairs["bad"]),
        "control_waiting": int((waiting & kept).sum()),
        "others_waiting": int((waiting & ~kept).sum()),
    }


def share_of(n: int, turned: int) -> dict:
    """{n, turned, share, low, high} with the 95 % interval of Wilson; None for the last three without any."""
    if not n:
        return {"n": 0, "turned": 0, "share": None, "low": None, "high": None}
    from scipy.stats import binomtest

    interval = binomtest(int(turned), int(n)).proportion_ci(method="wilson")
    return {"n": int(n), "turned": int(turned), "share": turned / n, "low": interval.low, "high": interval.high}
