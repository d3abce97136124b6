"""What is in a label store afterwards, read past our own code, against what each client sent and was sent."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import sqlalchemy as sa

from benchmarks.breaking.clients import Act, Client

ROWS = """SELECT vote_id, client_vote_id, expnum, ccdname, inspector, judgement, blind, screen, superseded_by,
          retracted_utc FROM votes WHERE via = 'single' ORDER BY vote_id"""


@dataclass
class Found:
    """What is wrong, as lines of text by kind. Empty lists: nothing is."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrongly_blind: list[str] = field(default_factory=list)
    wrongly_open: list[str] = field(default_factory=list)
    told_too_early: list[str] = field(default_factory=list)
    other_last_word: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def problems(self) -> dict[str, list[str]]:
        return {name: lines for name, lines in vars(self).items() if lines}


def check(url: str, clients: list[Client]) -> Found:
    """Compare the store with what the clients remember. url : SQLAlchemy's address of the store"""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(sa.text(ROWS))]
        if engine.dialect.name == "sqlite":
            assert connection.execute(sa.text("PRAGMA integrity_check")).scalars().all() == ["ok"]
    engine.dispose()
    names = {one.inspector for one in clients}
    rows = [row for row in rows if row["inspector"] in names]
    found = Found()
    for one in clients:
        found.refused += one.ledger.refused
        found.told_too_early += one.ledger.leaks
    check_votes(rows, clients, found)
    check_last_words(rows, clients, found)
    check_blind(rows, clients, found)
    return found


def check_votes(rows: list[dict], clients: list[Client], found: Found) -> None:
    """Each acknowledged vote is there once, with its CCDs; and there is nothing that nobody sent."""
    count = Counter(row["client_vote_id"] for row in rows)
    sent = {act.name: act for one in clients for act in one.ledger.acts if act.kind == "vote"}
    for name, act in sent.items():
        if not act.acknowledged:
            continue
        for part in (name, *(f"{name}:{ccdname}" for ccdname in act.ccdnames)):
            if not count[part]:
                found.lost.append(f"{part} was acknowledged and is not in the store")
    found.doubled += [f"{name} is stored {n} times" for name, n in count.items() if n > 1]
    for row in rows:
        name, _, ccdname = row["client_vote_id"].partition(":")
        restores = json.loads(row["screen"]).get("restores")
        known = name in sent and (not ccdname or ccdname in sent[name].ccdnames)
        if not known and not restores:
            found.doubled.append(f"{row['client_vote_id']} is in the store, and nobody sent it")
    for act in sent.values():
        if count[act.name] and any(not count[f"{act.name}:{ccdname}"] for ccdname in act.ccdnames):
            found.lost.append(f"{act.name} is stored without all of its CCDs")


def check_last_words(rows: list[dict], clients: list[Client], found: Found) -> None:
    """What is current in the store is the last word of each client on each exposure, with its CCDs."""
    current: dict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if row["superseded_by"] is None and row["retracted_utc"] is None:
            current[row["inspector"], row["expnum"]].append((row["ccdname"], row["judgement"]))
    for one in clients:
        for expnum, act in one.ledger.stands.items():
            stands = sorted(current.pop((one.inspector, expnum), []))
            if stands != sorted(words_of(act)):
                found.other_last_word.append(f"{one.inspector} on {expnum}: {stands}, and they said {words_of(act)}")
    found.other_last_word += [f"{name} never spoke of {expnum}" for name, expnum in current]


def words_of(act: Act | None) -> list[tuple[str, str]]:
    if act is None:
        return []
    return [("", act.judgement), *((ccdname, act.judgement) for ccdname in act.ccdnames)]


def check_blind(rows: list[dict], clients: list[Client], found: Found) -> None:
    """A vote may be stored as blind only if nothing of others' answers reached its client before it was first sent.

    And it must be stored as blind unless something could have: somebody else had answered before it, and the client
    had judged the exposure before.
    """
    whole = [row for row in rows if row["ccdname"] == ""]
    acts = {act.name: (one, act) for one in clients for act in one.ledger.acts if act.kind == "vote"}
    judged_before: set[tuple[str, int]] = set()
    answered: dict[int, set[str]] = defaultdict(set)
    for row in whole:
        name, expnum = row["inspector"], row["expnum"]
        if row["client_vote_id"] in acts:
            one, act = acts[row["client_vote_id"]]
            heard = one.ledger.heard.get(expnum)
            if row["blind"] and heard is not None and heard < act.turn:
                found.wrongly_blind.append(f"{act.name}: {name} had been sent others' answers on {expnum}")
            could = answered[expnum] - {name} and (name, expnum) in judged_before
            if not row["blind"] and not could:
                found.wrongly_open.append(f"{act.name}: nothing on {expnum} could have been sent to {name}")
        judged_before.add((name, expnum))
        answered[expnum].add(name)
