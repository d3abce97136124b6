"""In which order exposures are inspected, which of them, and what is mixed in. Pure functions.

Every order is shuffled separately for each inspector. So different exposures come before a given one, and effects of
the order do not add up. A seed made from the names of the inspector and the run decides about ties and near ties, the
sequence of nights or groups, and the direction within them. Sort keys are hashes of the exposure number, so the order
of the remaining exposures does not change when one leaves.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from triptych.pipeline import image_ids
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.votes import expected_gain

BAND_WIDTH = 0.05  # scores within one band count as equal
CHAIN_LIMIT = 1500  # number of exposures that are chained at once; the time grows with its square
NEAREST = 5  # an exposure to mix in is drawn from so many that are nearest in the order
LATITUDES = (("low", 0.0, 20.0), ("middle", 20.0, 40.0), ("high", 40.0, 90.1))  # |b| in degrees


def seed_of(*parts) -> int:
    """An unsigned 64-bit seed made from texts and numbers; the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(tuple(map(str, parts))).encode()).digest()[:8], "big")


def draws_of(numbers, seed: int) -> np.ndarray:
    """(n,) float64 in [0, 1): a random number for each integer, the same for the same seed (splitmix64)."""
    with np.errstate(over="ignore"):
        z = image_ids.mixed(np.asarray(numbers, dtype=np.int64).astype(np.uint64) + np.uint64(seed))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


# ---- orders


def by_score(table: pd.DataFrame, seed: int) -> np.ndarray:
    """The highest `score` first."""
    return _by_bands(-table["score"].to_numpy(float), table, seed)


def by_uncertainty(table: pd.DataFrame, seed: int) -> np.ndarray:
    """The `probability` nearest to one half first."""
    return _by_bands(np.abs(table["probability"].to_numpy(float) - 0.5), table, seed)


def by_split(table: pd.DataFrame, seed: int) -> np.ndarray:
    """The largest `division` of the labels around it first."""
    return _sorted(table, -table["division"].to_numpy(float), draws_of(table.index, seed))


def by_night(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Night after night, each forwards or backwards in time."""
    night = table["night"].to_numpy(np.int64)
    direction = np.where(draws_of(night, seed + 1) < 0.5, 1.0, -1.0)
    return _sorted(table, draws_of(night, seed), direction * table["mjd_obs"].to_numpy(float))


def by_chance(table: pd.DataFrame, seed: int) -> np.ndarray:
    """In random order."""
    return _sorted(table, draws_of(table.index, seed))


def by_likeness(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Group after group (`group`, -1 = in none, last). Within a group, each exposure is followed by the nearest one
    left.

    The columns `place_0`, `place_1`, ... (float) hold the positions.
    """
    expnums, group = table.index.to_numpy(np.int64), table["group"].to_numpy(np.int64)
    places = table[[name for name in table if name.startswith("place_")]].to_numpy(np.float64)
    key = np.where(group < 0, 2.0, draws_of(group, seed))
    found = []
    for value in np.unique(key):
        members = np.flatnonzero(key == value)
        along = np.argsort(places[members, 0], kind="stable") if places.shape[1] else np.arange(len(members))
        for first in range(0, len(members), CHAIN_LIMIT):
            some = members[along[first : first + CHAIN_LIMIT]]
            start = int(np.argmin(draws_of(expnums[some], seed)))
            found.extend(expnums[some[_walk(places[some], start)]])
    return np.array(found, dtype=np.int64)


def by_gain(table: pd.DataFrame, seed: int) -> np.ndarray:
    """The exposures whose answers are expected to teach most, with differing ones in turn: see `expected_gain`.

    Needs the columns of `by_likeness` and `probability`, `disagreement` (float, NaN = unknown) and `taught` (bool: an
    answer on the exposure has taught the model; those come last). After the first CHOSEN_APART only the gain counts, in
    bands.
    """
    gain = expected_gain.gain_of(table["probability"], table["disagreement"])
    taught, draws = table["taught"].to_numpy(bool), draws_of(table.index, seed)
    expnums = table.index.to_numpy(np.int64)
    bands = np.where(taught, 1.0, -np.floor(gain / BAND_WIDTH + 1e-9))
    rest = np.lexsort((expnums, draws, bands, taught))
    some = np.union1d(rest[: expected_gain.CHOSEN_APART * expected_gain.CONSIDERED], np.flatnonzero(taught))
    some = some[np.argsort(expnums[some])]
    places = table[[name for name in table if name.startswith("place_")]].to_numpy(np.float64)
    first = some[
        expected_gain.chosen_apart(
            gain[some],
            places[some],
            table["group"].to_numpy(np.int64)[some],
            taught[some],
            most=expected_gain.CHOSEN_APART,
            draws=draws[some],
        )
    ]
    return expnums[np.concatenate([first, rest[~np.isin(rest, first)]])]


def places_of(vectors: np.ndarray, dims: int = 8) -> np.ndarray:
    """(n, <= dims) float64: the first principal components of standardised vectors (n, dim), for `by_likeness`."""
    vectors = np.asarray(vectors, dtype=np.float64)
    spread = vectors.std(axis=0)
    vectors = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if len(vectors) < 2:
        return np.zeros((len(vectors), 1))
    values, directions = np.linalg.eigh(vectors.T @ vectors)
    return vectors @ directions[:, np.argsort(-values, kind="stable")[:dims]]


def _walk(places: np.ndarray, start: int) -> np.ndarray:
    """(n,) int: an order in which each place is followed by the nearest one not yet visited. places : (n, dim)."""
    left = np.ones(len(places), dtype=bool)
    order = np.empty(len(places), dtype=np.int64)
    current = start
    for step in range(len(places)):
        order[step] = current
        left[current] = False
        distance = ((places - places[current]) ** 2).sum(axis=1)
        distance[~left] = np.inf
        current = int(np.argmin(distance))
    return order


def _by_bands(values: np.ndarray, table: pd.DataFrame, seed: int) -> np.ndarray:
    """By rising value in bands of BAND_WIDTH, random within a band. Exposures without a value come last."""
    bands = np.where(np.isfinite(values), np.floor(values / BAND_WIDTH + 1e-9), np.inf)
    return _sorted(table, bands, draws_of(table.index, seed))


def _sorted(table: pd.DataFrame, *keys) -> np.ndarray:
    expnums = table.index.to_numpy(np.int64)
    return expnums[np.lexsort((expnums, *reversed(keys)))]


@dataclass(frozen=True)
class Order:
    """make(table, seed) -> (n,) int64 expnums. tells : what a place in the order reveals, '' = nothing."""

    name: str
    rule: str
    make: Callable[[pd.DataFrame, int], np.ndarray]
    tells: str = ""


ORDERS: dict[str, Order] = {
    order.name: order
    for order in (
        Order("score", "by the model's probability, near ties shuffled", by_score, tells="model"),
        Order("uncertainty", "probability nearest one half", by_uncertainty, tells="model"),
        Order("gain", "answers expected to teach most, unlike ones in turn", by_gain, tells="model"),
        Order("similar", "group by group, the most alike next", by_likeness),
        Order("night", "each night forwards or backwards in time", by_night),
        Order("random", "no sequence at all", by_chance),
        Order("split", "the most divided votes; for leads", by_split, tells="votes"),
    )
}


def ordered(table: pd.DataFrame, order: str, seed: int) -> np.ndarray:
    """The expnums (n,) int64 of a table in a named order.

    table : indexed by expnum, with score, probability (floats, NaN = unknown), night (int), mjd_obs, and the columns
    that the order needs: division (float, how divided the votes are), group (int), place_0, place_1, ... (floats)
    """
    return ORDERS[choose(order, ORDERS, "order of a queue")].make(table, seed)


# ---- packets


@dataclass(frozen=True)
class Facet:
    """One way to divide the exposures into packets: a column of texts ('' = unknown, commas between several values)."""

    name: str
    label: str
    tells: str = ""


FACETS: dict[str, Facet] = {
    facet.name: facet
    for facet in (
        Facet("band", "band"),
        Facet("latitude", "Galactic latitude"),
        Facet("month", "month"),
        Facet("night", "night"),
        Facet("reason", "reason predicted", tells="model"),
        Facet("doubtful", "imported label is doubtful"),
    )
}


def parse_packet(text: str) -> dict[str, str]:
    """Turn `band=g;month=2013-10` into facet -> value. '' is everything. BadInput or UnknownName if it is no packet."""
    packet = {}
    for part in filter(None, (part.strip() for part in str(text or "").split(";"))):
        name, equals, value = part.partition("=")
        choose(name.strip(), FACETS, "way to cut packets")
        if not equals or not value.strip():
            raise BadInput(f"{part!r} is not a packet; write FACET=VALUE, such as band=g;month=2013-10")
        packet[name.strip()] = value.strip()
    return packet


def packet_text(packet: Mapping[str, str]) -> str:
    """A packet as text, with its facets in the order of FACETS."""
    return ";".join(f"{name}={packet[name]}" for name in FACETS if packet.get(name))


def in_packet(facets: pd.DataFrame, packet: Mapping[str, str]) -> np.ndarray:
    """(n,) bool: whether each exposure is in a packet. facets : one column of texts per facet."""
    inside = np.ones(len(facets), dtype=bool)
    for name, value in packet.items():
        inside &= has_value(facets[choose(name, FACETS, "way to cut packets")], value)
    return inside


def has_value(column: pd.Series, value: str) -> np.ndarray:
    """(n,) bool: whether each exposure has a value of a facet. column : texts, with commas between several values."""
    if not value:
        return (column == "").to_numpy(bool)
    return ("," + column.astype(str) + ",").str.contains(f",{value},", regex=False).to_numpy(bool)


def values_in(column: pd.Series) -> list[str]:
    """The different values of a facet, sorted, without '' (unknown)."""
    return sorted({value for text in column.unique() for value in str(text).split(",")} - {""})


def sums_by_value(column: pd.Series, numbers: pd.DataFrame) -> pd.DataFrame:
    """Sums of `numbers` (one row per exposure, in the order of `column`) over the exposures with each value.

    Rows: '' (unknown) first if any exposure has it, then the values, sorted. An exposure with several counts in each.
    """
    values = column.astype(object).str.split(",")
    rows = np.repeat(np.arange(len(column)), values.map(len))
    return numbers.iloc[rows].groupby(values.explode().to_numpy(object), sort=True).sum()


def latitude_names(degrees) -> np.ndarray:
    """(n,) texts: low, middle or high for Galactic latitudes in degrees; '' if unknown."""
    size = np.abs(np.asarray(degrees, dtype=float))
    conditions = [(size >= low) & (size < high) for _, low, high in LATITUDES]
    return np.select(conditions, [name for name, _, _ in LATITUDES], "")


# ---- mixing in known answers, repeats and control exposures


def slots(share: float, seed: int, start: int, stop: int) -> list[int]:
    """Places from start (included) to stop (excluded) at which something is mixed in: one in every 1/share, at random.

    Places count from an inspector's very first judgement, so they do not move while the inspector works.
    """
    if share <= 0 or stop <= start:
        return []
    length = 1.0 / min(float(share), 0.5)
    blocks = np.arange(int(start / length), int(stop / length) + 1)
    places = np.floor((blocks + draws_of(blocks, seed)) * length).astype(int)
    return [int(place) for place in places if start <= place < stop]


def mixed(
    queue: Sequence[int],
    pools: Sequence[tuple[Iterable[int], Sequence[int]]],
    rank: Mapping[int, int],
    *,
    start: int,
    seed: int,
) -> list[int]:
    """A queue with exposures from pools put in at their slots. No exposure appears twice, and none of the queue is
    lost.

    pools : (slots, exposures) pairs. If slots coincide, the earlier pool is used
    rank : place of an exposure in the order that the inspector chose. One of the NEAREST exposures of the pool in this
    order is drawn, so that what is mixed in is hard to recognise
    start : number of judgements given so far
    """
    pools = [(set(places), list(dict.fromkeys(pool))) for places, pool in pools]
    last = len(rank)
    found, taken, waiting = [], set(), list(queue)
    at = 0
    while at < len(waiting):
        place = start + len(found)
        if waiting[at] in taken:
            at += 1
            continue
        for places, pool in pools:
            if place in places and pool:
                rank_here = rank.get(waiting[at], last)
                near = sorted(pool, key=lambda expnum: (abs(rank.get(expnum, last) - rank_here), expnum))[:NEAREST]
                picked = near[int(draws_of([place], seed)[0] * len(near))]
                for _, other in pools:
                    if picked in other:
                        other.remove(picked)
                if picked not in taken:
                    taken.add(picked)
                    found.append(picked)
                break
        else:
            taken.add(waiting[at])
            found.append(waiting[at])
            at += 1
    return found
