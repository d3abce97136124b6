"""What every room asks of the server, as three inspectors and a lead would, and what each answer costs."""

import contextlib
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil

from benchmarks.survey import made
from benchmarks.survey.made import INSPECTORS, LEAD
from tests.logins import cookie_of
from triptych.app.site.runs import secret_of
from triptych.app.web.place import COOKIE
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

ROOT = Path(__file__).parents[2]
START_SECONDS = 600
# room -> what it asks for when it is opened
ASKED = {
    "page": ["/", "/?room=review"],
    "review": ["/api/queue?assisted=1", "/api/queue/choices"],
    "clusters": ["/clusters/list?assisted=1"],
    "adjudicate": ["/adjudicate/queue"],
    "agreement": ["/agreement/report?unit=&blanks=0"],
    "model": ["/model/overview", "/model/doubtful"],
    "export": ["/export/summary", "/export/difference/majority/any", "/export/preview/bad_expid/majority"],
    "lead": ["/lead/overview"],
}
LEADS_ONLY = ("lead", "adjudicate", "export")


@dataclass
class Times:
    """Milliseconds, and processor milliseconds of the server, by name; one entry for each answer."""

    clock: dict = field(default_factory=lambda: defaultdict(list))
    processor: dict = field(default_factory=lambda: defaultdict(list))
    size: dict = field(default_factory=dict)

    def row(self, name: str, more: str = "") -> str:
        clock, processor = self.clock[name], self.processor[name]
        middle, high = np.percentile(clock, [50, 95])
        used = f"{np.median(processor):.0f}" if processor else ""
        return (
            f"| {name}{more} | {middle:.0f} | {high:.0f} | {max(clock):.0f} | {used} | "
            f"{self.size.get(name, 0) / 1e3:.0f} | {len(clock)} |"
        )


class Client:
    """One logged-in user."""

    def __init__(self, port: int, name: str, cookie: str):
        self.port, self.name = port, name
        self.headers = {"Cookie": f"{COOKIE}={cookie}", "X-Triptych-User": quote(name), "Accept": "application/json"}

    def ask(self, path: str, body: dict | None = None) -> bytes:
        """The answer to a GET, or to a POST of a body. RuntimeError if it is not 200."""
        line = http.client.HTTPConnection("localhost", self.port, timeout=600)
        headers = {**self.headers, "Content-Type": "application/json", "Origin": f"http://localhost:{self.port}"}
        line.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        answer = line.getresponse()
        content = answer.read()
        line.close()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
        return content


class Served:
    """A server process of its own on a run, with its worker."""

    def __init__(self, run: Path, port: int, *options: str):
        self.port, self.run = port, run
        started = time.perf_counter()
        log = open(run / ".benchmark.log", "w")  # noqa: SIM115  # closed with the process
        command = [sys.executable, "-m", "triptych.app.server", str(run), "--port", str(port), *options]
        self.process = psutil.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        while True:
            with contextlib.suppress(OSError):
                http.client.HTTPConnection("localhost", port, timeout=5).request("GET", "/login")
                break
            if time.perf_counter() - started > START_SECONDS or self.process.poll() is not None:
                raise RuntimeError(f"the server did not start; see {run / '.benchmark.log'}")
            time.sleep(0.05)
        self.start_seconds = time.perf_counter() - started

    def client(self, name: str) -> Client:
        catalog = Catalog.open(self.run)
        with LabelStore(catalog.labels_url()) as store:
            return Client(self.port, name, cookie_of(store, secret_of(catalog), name))

    def processor(self) -> float:
        """Seconds of processor that the server alone has used."""
        used = self.process.cpu_times()
        return used.user + used.system

    def resident(self) -> int:
        """Bytes that the server keeps in memory now."""
        return self.process.memory_info().rss

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def timed(served: Served, times: Times, name: str, client: Client, path: str, body: dict | None = None) -> bytes:
    used, started = served.processor(), time.perf_counter()
    content = client.ask(path, body)
    times.clock[name].append(1e3 * (time.perf_counter() - started))
    times.processor[name].append(1e3 * (served.processor() - used))
    times.size[name] = len(content)
    return content


def a_vote(expnum: int, number: int) -> dict:
    return {
        "expnum": expnum,
        "judgement": "good",
        "client_vote_id": f"benchmark-{expnum}-{number}-{random.getrandbits(64):x}",
    }


def walk(served: Served, rounds: int) -> Times:
    """Every room of a lead and of an inspector, one request after the other, before and after a vote each time."""
    times, lead, ana = Times(), served.client(LEAD), served.client(INSPECTORS[0])
    for number in range(rounds):
        for room, paths in ASKED.items():
            for path in paths:
                client = lead if room in LEADS_ONLY or room == "model" else ana
                name = f"{room} {path}" + (", first" if not number else "")
                timed(served, times, name, client, path)
        queue = expnums_of(ana)
        for expnum in queue[:5]:
            timed(served, times, "next exposure" + (", first" if not number else ""), ana, next_of(expnum))
        timed(served, times, "vote", ana, "/api/vote", a_vote(queue[0], number))
    return times


def next_of(expnum: int) -> str:
    return f"/api/exposure/{expnum}?assisted=1"


def expnums_of(client: Client) -> list[int]:
    """The exposures that wait for this user."""
    items = json.loads(client.ask("/api/queue"))["items"]
    return [int(one["expnum"]) for one in items if not one["voted"]]


def at_once(served: Served, n: int, seconds: float) -> Times:
    """So many inspectors who each look at the next exposure, wait a little and vote."""
    names = made.inspectors(n)
    with LabelStore(Catalog.open(served.run).labels_url()) as store:
        for name in set(names) - {user.name for user in store.users()}:
            store.add_user(name, made.PASSWORD)
    times, until = Times(), time.perf_counter() + seconds

    def inspect(name: str) -> None:
        client, draw = served.client(name), random.Random(name)
        for number, expnum in enumerate(expnums_of(client)):
            if time.perf_counter() > until:
                return
            for what, path, body in (
                ("next exposure", next_of(expnum), None),
                ("vote", "/api/vote", a_vote(expnum, number)),
            ):
                started = time.perf_counter()
                client.ask(path, body)
                times.clock[what].append(1e3 * (time.perf_counter() - started))
                time.sleep(draw.uniform(0.5, 1.5))

    threads = [threading.Thread(target=inspect, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times
