"""How many votes an exposure needs: all of the panel, or a third vote only if the first two do not settle it. Pure.

Under the adaptive rule a majority of the panel (two of three) is asked first. The exposure is settled, and leaves the
queues, if these blind votes agree, none of them is unsure, and the model is not strongly against them. All other
exposures get the votes of the whole panel. So does a random control, which shows what the saved votes would have said.

A seed decides for each exposure who is asked first. An exposure comes to the front of the other inspectors' queues
when its first votes are in and do not settle it, or when they are in and it belongs to the control. So an inspector
cannot tell from this what the others said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pandas as pd

from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.votes.queue_order import ORDERS, draws_of, packet_text, parse_packet, seed_of

RULES = {
    "all": "everybody votes on everything",
    "adaptive": "a third vote only if the first two differ, one is unsure, or the model is strongly against them",
}
ASKED, LATER, SETTLED = 0, 1, 2  # states of an exposure for an inspector who has not voted on it


@dataclass(frozen=True)
class QueueSettings:
    """What a lead decides about queues.

    order, packet : for inspectors who chose none themselves (order '' = score, or random if the model is hidden)
    repeats, known : shares of the queue that are an inspector's own earlier votes, and exposures with a known answer
    repeat_age : least number of judgements since a vote that is asked for again
    rule : a name in RULES; control : share of exposures that get all votes, whatever the first ones say
    strong : the model is strongly against good if the probability of bad is at least this, against bad if at most 1
    minus this
    ask_again : whether to ask again if an exposure was reprocessed but looks the same
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
YOUNGEST_REPEAT = 40  # the page shows the last twenty votes, so a repeat must be much older than that


def settings_of(values: Mapping | None) -> QueueSettings:
    """Settings from plain values. Missing ones get the default. BadInput for a value that is not allowed."""
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
            raise BadInput(f"the order {settings.order} shows how others voted; only leads may use it, for themselves")
    return replace(settings, packet=packet_text(parse_packet(settings.packet)))


def counted(ballots: pd.DataFrame) -> pd.DataFrame:
    """The ballots that count for the number of votes still needed: blind ones that were cast one by one."""
    return ballots[ballots["blind"].astype(bool) & (ballots["via"] == "single")]


def first_votes(panel: int) -> int:
    """Number of votes to ask for before checking whether they settle an exposure."""
    return int(panel) // 2 + 1


def vote_progress(
    expnums: Sequence[int] | np.ndarray,
    ballots: pd.DataFrame,
    probability: pd.Series,
    control: Iterable[int],
    settings: QueueSettings,
    panel: int,
) -> pd.DataFrame:
    """The state of each exposure, indexed by expnum: n_votes (int), needed (int), first_in (bool), settled (bool).

    ballots : blind single votes from `counted`, in the order they were cast. probability : of being bad, by expnum; NaN
    or missing if the model says nothing. needed : how many votes the exposure gets in all, by the present votes
    """
    index = pd.Index(np.asarray(expnums, dtype=np.int64))
    selected = ballots[ballots["expnum"].isin(index)]
    judged = selected.groupby("expnum")["judgement"]
    n_votes = judged.size().reindex(index, fill_value=0).astype(int)
    frame = pd.DataFrame({"n_votes": n_votes, "needed": int(panel)}, index=index)
    first = first_votes(panel)
    frame["first_in"] = frame["n_votes"] >= first
    if settings.rule == "all" or first >= panel:
        frame["settled"] = frame["n_votes"] >= panel
        return frame
    same = (judged.nunique() == 1).reindex(index, fill_value=False)
    first_judgement = judged.first().reindex(index)
    model = probability.reindex(index).to_numpy(float)
    against = ((first_judgement == "good") & (model >= settings.strong)) | (
        (first_judgement == "bad") & (model <= 1 - settings.strong)
    )
    kept = index.isin(list(control))
    agreed = (frame["first_in"] & same & (first_judgement != "unsure") & ~against & ~kept).to_numpy(bool)
    frame["needed"] = np.where(agreed | ~frame["first_in"], np.where(agreed, frame["n_votes"], first), panel)
    frame["settled"] = agreed | (frame["n_votes"] >= panel).to_numpy(bool)
    return frame


def asked_of(
    inspector: str, inspectors: Sequence[str], table: pd.DataFrame, settings: QueueSettings, panel: int
) -> np.ndarray:
    """(n,) int: ASKED, LATER or SETTLED for one inspector, for exposures that they have not voted on.

    table : from `vote_progress`. LATER : others are asked first. The exposure waits at the end of the queue, so
    that no queue runs empty.
    """
    if settings.rule == "all":
        return np.zeros(len(table), dtype=int)
    first = first_votes(panel)
    draws = np.array([draws_of(table.index, seed_of(settings.seed, name)) for name in sorted({*inspectors, inspector})])
    own = draws[sorted({*inspectors, inspector}).index(inspector)]
    before = (draws < own).sum(axis=0)
    is_asked = table["first_in"].to_numpy(bool) | (before < first)
    return np.where(table["settled"], SETTLED, np.where(is_asked, ASKED, LATER))


def drawn_for_control(expnums: Sequence[int] | np.ndarray, settings: QueueSettings) -> np.ndarray:
    """Those of the given exposures that belong to the control. It depends only on the seed and the exposure number."""
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
    """What the adaptive rule saves, and what it costs, as plain values.

    n_settled, votes_saved : exposures settled by the first votes; votes that were not needed because of that
    good_pairs, bad_pairs : of the control exposures with all votes whose first votes agree: {n, turned, share, low,
    high}. turned counts those where a later vote said something else; low, high is the 95 % interval of Wilson; share
    is None without any
    control_waiting, others_waiting : exposures that wait for the rest of the panel, because they are in the control or
    because they need it. The larger the first, the less a late inspector can guess from being asked
    """
    table = vote_progress(expnums, ballots, probability, control, settings, panel)
    kept = table.index.isin(list(control))
    short = table["settled"] & (table["n_votes"] < panel)
    waiting = table["first_in"] & ~table["settled"]
    pairs = {"good": [0, 0], "bad": [0, 0]}
    first = first_votes(panel)
    drawn = ballots[ballots["expnum"].isin(table.index[kept])]
    for _, judgements in drawn.groupby("expnum")["judgement"]:
        judgements = judgements.tolist()
        if len(judgements) >= panel > first and len(set(judgements[:first])) == 1 and judgements[0] in pairs:
            pairs[judgements[0]][0] += 1
            pairs[judgements[0]][1] += any(later != judgements[0] for later in judgements[first:])
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
    """{n, turned, share, low, high} with the 95 % interval of Wilson. The last three are None if n is 0."""
    if not n:
        return {"n": 0, "turned": 0, "share": None, "low": None, "high": None}
    from scipy.stats import binomtest

    interval = binomtest(int(turned), int(n)).proportion_ci(method="wilson")
    return {"n": int(n), "turned": int(turned), "share": turned / n, "low": interval.low, "high": interval.high}
