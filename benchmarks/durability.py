"""Is an acknowledged vote ever lost, stored twice or wrongly called blind? Kill everything, again and again, and count.

    python -m benchmarks.durability [--votes 10000] [--clients 30] [--kills 40] [--store both] [--seed 0]

A made-up run is served with its worker, behind a network that cuts connections in the middle of what they carry. Each
client votes without a pause as the browser's outbox does: the same vote under the same name until the server says that
it is on disk. Clients also change their mind, take votes back, and look at what others said where they may. Meanwhile
processes get SIGKILL at random moments, and are started again: the server; its worker; with PostgreSQL, its main
process, or the process of one connection. As often as each of these, all open connections are cut at once (`sockets`);
that is not counted as a kill.

Then the rows of the store are compared with what each client sent and was sent:

lost : acknowledged votes and ticked CCDs that are not stored    doubled : stored twice, or sent by nobody
blind : stored as blind, although bytes with others' answers on the exposure had reached the client before
open : stored as not blind, although nothing could have    early : others' answers sent before the own vote
last word : what is current is not what the client said last    refused : answered 4xx for good

A vote's time is that from its first sending to its acknowledgement, with all tries between. Exit status 1 if
anything is wrong.
"""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.breaking.checks import Found, check
from benchmarks.breaking.clients import NAME, Client
from benchmarks.breaking.killing import Killer, Postgres, served_run
from benchmarks.breaking.network import Cutter
from tests import survey
from tests.logins import cookie_of
from triptych.app.site.runs import secret_of
from triptych.app.web.place import COOKIE
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store

STORES = ("sqlite", "postgres")
KINDS = {
    "sqlite": ("server", "worker", "sockets"),
    "postgres": ("server", "worker", "sockets", "postgres", "connection"),
}
ANSWER_BYTES = 100_000  # that a connection carries until it is cut, on average
PASSWORD = "made up survey"


@dataclass
class Outcome:
    """What one trial gave. seconds : of the whole; of_votes : of each vote, first_try : of those taken at once"""

    store: str
    seconds: float
    votes: int
    cuts: int
    killer: Killer
    found: Found
    of_votes: list[float] = field(default_factory=list)
    first_try: list[float] = field(default_factory=list)
    undone: int = 0


def trial(
    store: str,
    catalog: Catalog,
    *,
    votes: int,
    clients: int,
    kills: int,
    seed: int,
    kinds: tuple[str, ...] = (),
    answer_bytes: float = ANSWER_BYTES,
) -> Outcome:
    """Let people vote while things are killed, and compare.

    store : one of STORES    catalog : of a made-up run, which is written to    votes, kills : in all
    kinds : what is killed, () = all that there is
    """
    kinds, draw = kinds or KINDS[store], random.Random(f"{store} {seed}")
    postgres = Postgres() if store == "postgres" else None
    try:
        url = postgres.url if postgres else catalog.labels_url()
        cookies = make_accounts(catalog, url, clients)
        options = ["--labels", url] * (postgres is not None) + ["--no-worker"] * ("worker" not in kinds)
        served = served_run(catalog.path, *options).start()
        try:
            with Cutter(served.port, random.Random(f"network {seed}"), answer_bytes) as network:
                acts = kills + (kills // (len(kinds) - 1) if "sockets" in kinds else 0)
                moments = draw.sample(range(1, max(2, int(0.95 * votes))), acts)
                killer = Killer(served, network, postgres, kinds, moments, draw)
                people = people_of(catalog, cookies, network.port, votes, seed, killer.acknowledged)
                started = time.monotonic()
                killer.on_error = lambda: [one.over.set() for one in people]
                for one in (*people, killer):
                    one.start()
                for one in (*people, killer):
                    one.join()
                seconds = time.monotonic() - started
        finally:
            served.stop()
        for one in (killer, *people):
            if one.error is not None:
                raise one.error
        found = check(url.replace("postgresql:", "postgresql+psycopg:"), people)
        acts = [act for one in people for act in one.ledger.acts]
        cast = [act for act in acts if act.kind == "vote" and act.acknowledged]
        return Outcome(
            store,
            seconds,
            len(cast),
            network.cuts,
            killer,
            found,
            [act.seconds for act in cast],
            [act.seconds for act in cast if act.tries == 1],
            sum(act.kind == "undo" for act in acts),
        )
    finally:
        if postgres is not None:
            postgres.close()


def make_accounts(catalog: Catalog, url: str, clients: int) -> dict[str, str]:
    """Accounts with open logins: name -> the header Cookie."""
    found = {}
    with open_store(catalog, url) as store:
        for number in range(clients):
            name = NAME.format(number)
            store.add_user(name, PASSWORD, any_password=True)
            found[name] = f"{COOKIE}={cookie_of(store, secret_of(catalog), name)}"
    return found


def people_of(catalog: Catalog, cookies: dict[str, str], port: int, votes: int, seed: int, heard) -> list[Client]:
    """The clients, with the votes shared among them."""
    expnums = catalog.exposures()["expnum"].astype(int).tolist()
    people = []
    for number, (name, cookie) in enumerate(cookies.items()):
        share = votes // len(cookies) + (number < votes % len(cookies))
        people.append(Client(name, cookie, port, expnums, share, random.Random(f"{seed} {name}"), heard))
    return people


def told(outcome: Outcome) -> None:
    """Print the figures of one trial."""

    def times(seconds):
        middle, high = 1000 * np.percentile(seconds, [50, 95])
        return f"median {middle:.0f} ms, 95 % {high:.0f} ms, most {1000 * max(seconds):.0f} ms, n={len(seconds)}"

    killer = outcome.killer
    speed = outcome.votes / outcome.seconds
    print(f"\n{outcome.store}: {outcome.votes} votes in {outcome.seconds:.0f} s, {speed:.1f} a second")
    print(f"  every vote        {times(outcome.of_votes)}")
    print(f"  taken at once     {times(outcome.first_try)}")
    print(f"  taken back        {outcome.undone}")
    print(f"  connections cut   {outcome.cuts}")
    print(f"  kills             {killer.done.total() - killer.done['sockets']}, and all connections cut at once")
    for kind, n in sorted(killer.done.items()):
        back = killer.back_seconds.get(kind) or [float("nan")]
        print(f"    {kind:<15} {n:>4}   next vote stored after {np.median(back):.2f} s (most {max(back):.2f})")
    for name, lines in vars(outcome.found).items():
        print(f"  {name.replace('_', ' '):<17} {len(lines)}")
        for line in lines[:5]:
            print(f"    {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--exposures", type=int, default=200)
    parser.add_argument("--store", choices=(*STORES, "both"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    store, exposures, wrong = options.pop("store"), options.pop("exposures"), False
    for one in STORES if store == "both" else (store,):
        with tempfile.TemporaryDirectory() as folder:
            catalog = survey.write(Path(folder) / "run", exposures=exposures, seed=0)
            outcome = trial(one, catalog, **options)
        told(outcome)
        wrong |= bool(outcome.found.problems())
    sys.exit(int(wrong))


if __name__ == "__main__":
    main()
