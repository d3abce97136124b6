"""What votes need of the worker, and what a busy machine leaves it: how low the worker should stand.

    python -m benchmarks.speed.politeness RUN [--votes 60] [--rounds 2]

RUN is copied and served without its worker. In its place computes a process of two threads, in a session of its own at
one of LEVELS; nothing computes at level "none". One client sends a vote and asks for the next exposure, as a page does,
and waits PAUSE seconds. Once the rest of the machine is at rest, and once OTHERS processes compute in sessions of their
own, as other people's work does. The levels take turns, so that all share the machine's good and bad minutes.

vote : milliseconds from sending a vote to its answer, which comes when it is on disk. next : the same of the evidence
on the next exposure. worker : processors that the process in the worker's place got.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil

from tests.app.test_server import Browser
from tests.ui.conftest import serving
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

LEVELS = ("none", 0, 5, 10, 19)
OTHERS = 2
PAUSE = 0.05  # seconds
NAME, PASSWORD = "ana", "made up survey"
COMPUTE = """
import os, sys, threading
from pathlib import Path
level, threads = int(sys.argv[1]), int(sys.argv[2])
os.nice(level)
if level:
    Path("/proc/self/autogroup").write_text(str(level))
import numpy as np
def compute():
    a = np.random.default_rng(0).normal(size=(300, 300))
    while True:
        np.linalg.svd(a)
for _ in range(threads - 1):
    threading.Thread(target=compute, daemon=True).start()
compute()
"""


@contextmanager
def computing(level: int, threads: int):
    """A process that computes in a session of its own while the block lasts."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-c", COMPUTE, str(level), str(threads)]
    process = subprocess.Popen(command, start_new_session=True, env=os.environ | one_thread)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def votes_of(client: Browser, expnums: list[int], n: int) -> tuple[list[float], list[float]]:
    """Milliseconds of n votes, and of as many looks at the next exposure."""
    voted, looked = [], []
    for expnum in itertools.islice(itertools.cycle(expnums), n):
        body = {"expnum": expnum, "judgement": "good", "client_vote_id": uuid.uuid4().hex}
        start = time.perf_counter()
        headers = {"Content_Type": "application/json", "Origin": client.url}
        answer = client.ask("/api/vote", json.dumps(body).encode(), **headers)
        voted.append(1000 * (time.perf_counter() - start))
        assert answer.status == 200, answer.text
        start = time.perf_counter()
        assert client.ask(f"/api/exposure/{expnum}?assisted=1").status == 200
        looked.append(1000 * (time.perf_counter() - start))
        time.sleep(PAUSE)
    return voted, looked


def measure(client: Browser, expnums: list[int], level, others: int, n: int) -> tuple[list[float], list[float], float]:
    """The votes at one level of the worker, and the processors that it got."""
    with ExitStack() as stack:
        for _ in range(others):
            stack.enter_context(computing(0, 1))
        worker = stack.enter_context(computing(level, 2)) if level != "none" else None
        time.sleep(1.5)  # imports
        before, start = sum(worker.cpu_times()[:2]) if worker else 0.0, time.perf_counter()
        voted, looked = votes_of(client, expnums, n)
        got = (sum(worker.cpu_times()[:2]) - before) / (time.perf_counter() - start) if worker else 0.0
    return voted, looked, got


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--votes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        shutil.copytree(given.run, run)
        catalog = Catalog.open(run)
        with LabelStore(catalog.labels_url()) as store:
            if store.user(NAME) is None:
                store.add_user(NAME, PASSWORD, any_password=True)
        expnums = [int(expnum) for expnum in catalog.exposures()["expnum"]]
        found = {}
        with serving(run, "--no-worker") as server:
            client = Browser(server.url)
            client.log_in(NAME, PASSWORD)
            votes_of(client, expnums, 20)  # caches
            cases = [(level, others) for others in (0, OTHERS) for level in LEVELS]
            for _ in range(given.rounds):
                for case in cases:
                    voted, looked, got = measure(client, expnums, *case, given.votes)
                    kept = found.setdefault(case, ([], [], []))
                    kept[0].extend(voted)
                    kept[1].extend(looked)
                    kept[2].append(got)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} processors, load {load:.1f} at the end, n = {given.votes * given.rounds} each")
    print("  worker  others   vote: median  95 %   next: median  95 %   worker got")
    for (level, others), (voted, looked, got) in found.items():
        vote, late, look, later = (np.percentile(ms, q) for ms in (voted, looked) for q in (50, 95))
        print(f"{level!s:>8}{others:>8}{vote:>15.0f}{late:>6.0f}{look:>15.0f}{later:>6.0f}{np.mean(got):>13.2f}")


if __name__ == "__main__":
    main()
