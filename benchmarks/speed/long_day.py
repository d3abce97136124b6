"""Whether the server's and the worker's memory grows while three inspectors work: real browsers, for a long time.

    python -m benchmarks.speed.long_day RUN [--minutes 20] [--pace 2.0] [--seed 0] [--json FILE]

RUN is copied as for `benchmarks.speed.review` and served by a process of its own with its worker. Three inspectors,
each in a window of a headless browser, do what a day is made of, at random: judge some exposures, look at others with
the mosaic of the Explore room, move the map in two and three dimensions, go through the rooms, load the page again,
open a second page and close it. A lead stays in the Model room and asks for retrainings, often enough that the tables
of earlier predictions, of which the server keeps a few, are all there before the second half begins.

Every 15 seconds the script notes the memory of both processes: resident (RSS), and with pages that several processes
share counted once (PSS). At the end it prints the slope of each in the second half with its 95 % interval (Theil-Sen:
the median of the slopes of all pairs, which one step does not move), and the median of each quarter of the time.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil
from playwright.async_api import TimeoutError, async_playwright
from scipy.stats import theilslopes

from benchmarks.speed.review import INSPECTORS, JUDGEABLE, LEAD, REASON, SHOWN, copy_of, log_in
from tests.ui.conftest import BROWSER_FLAGS, READY, browser_path, free_port
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

ROOT = Path(__file__).parents[2]
EVERY_SECONDS = 15.0
START_SECONDS = 120.0
PATIENCE_SECONDS = 20.0
MB = 1e6
ROOMS = ("clusters", "agreement", "model", "export")
SURFACE = ".map .surface"
# what the script notes of each process -> how psutil calls it
KINDS = {"rss": "rss", "pss": "pss"}


class Watch:
    """Notes the memory of a server and of its worker.

    rows : one dict for each look: seconds since the start, open pages, votes, and bytes such as `server_rss`
    """

    def __init__(self, server: psutil.Process, url: str, store: LabelStore):
        self.server, self.url, self.store = server, url, store
        self.started, self.rows = time.monotonic(), []

    def look(self) -> None:
        row = {"seconds": time.monotonic() - self.started, "pages": self.open_pages(), "votes": len(self.store.votes())}
        for name, process in (("server", self.server), ("worker", self.worker())):
            if process is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    now = process.memory_full_info()
                    row |= {f"{name}_{kind}": getattr(now, key) for kind, key in KINDS.items()}
        self.rows.append(row)
        figures = "".join(
            f"{row.get(f'{name}_{kind}', 0) / MB:>12.1f}" for name in ("server", "worker") for kind in KINDS
        )
        print(f"{row['seconds'] / 60:>8.2f}{figures}{row['pages']:>8}{row['votes']:>8}", flush=True)

    def worker(self) -> psutil.Process | None:
        return next((one for one in self.server.children() if "triptych.app.worker" in " ".join(one.cmdline())), None)

    def open_pages(self) -> int:
        """As the server counts them, -1 if it does not say so in time."""
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=START_SECONDS) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith("triptych_open_sockets{")))

    async def until(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await asyncio.to_thread(self.look)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY_SECONDS)


class Inspector:
    """One person in one window.

    counts : what was done how often    pictures : folder for what went wrong, None = none
    """

    def __init__(self, page, url: str, draw: random.Random, pace: float, pictures: Path | None):
        self.page, self.url, self.draw, self.pace, self.pictures = page, url, draw, pace, pictures
        self.counts: dict[str, int] = {}

    async def work(self, until: float) -> None:
        acts = {self.judge: 6, self.look: 2, self.move_map: 2, self.solid_map: 1, self.rooms: 1, self.again: 1}
        acts[self.second_page] = 1
        while time.monotonic() < until:
            (act,) = self.draw.choices(list(acts), list(acts.values()))
            try:
                await act()
            except TimeoutError:  # a busy machine; the day goes on
                self.counts["came too late"] = self.counts.get("came too late", 0) + 1
                await self.page.goto(f"{self.url}/?room=review", wait_until="commit", timeout=1000 * START_SECONDS)
                continue
            self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1

    async def rest(self) -> None:
        await asyncio.sleep(self.pace * self.draw.uniform(0.5, 1.5))

    async def enter(self, room: str) -> None:
        await self.page.locator(f"#rooms button[data-room={room}]").click()
        await self.page.locator(f"#{room}").wait_for()

    async def judge(self) -> None:
        """Some exposures of the queue, as long as it has any."""
        await self.enter("review")
        for _ in range(self.draw.randint(4, 12)):
            await self.rest()
            await self.page.wait_for_function(JUDGEABLE, timeout=1000 * PATIENCE_SECONDS)
            before = await self.page.evaluate(SHOWN)
            if before is None:
                return
            if self.draw.random() < 0.3:
                await self.page.keyboard.press("b")
                await asyncio.sleep(REASON)
                await self.page.keyboard.press("1")
            else:
                await self.page.keyboard.press("g")
            await self.went_on(before)

    async def went_on(self, before: int) -> None:
        """Wait for the next exposure. A key may come before the room listens: then go on as people do."""
        try:
            await self.page.wait_for_function(
                "before => window.__review?.shown() !== before", arg=before, timeout=1000 * PATIENCE_SECONDS
            )
        except TimeoutError:
            self.counts["keys without effect"] = self.counts.get("keys without effect", 0) + 1
            if self.pictures:
                await self.page.screenshot(path=self.pictures / f"{before}-{self.counts['keys without effect']}.png")
            await self.page.keyboard.press("Escape")

    async def look(self) -> None:
        """Exposures one after the other in Explore, each with its mosaic."""
        await self.enter("explore")
        for _ in range(self.draw.randint(2, 6)):
            await self.rest()
            await self.page.locator(SURFACE).focus()
            await self.page.keyboard.press("ArrowRight")
            await self.page.keyboard.press("Enter")

    async def move_map(self) -> None:
        await self.enter("explore")
        box = await self.page.locator(SURFACE).bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for _ in range(self.draw.randint(2, 6)):
            await self.rest()
            await self.page.mouse.move(x + self.draw.uniform(-80, 80), y + self.draw.uniform(-80, 80))
            await self.page.mouse.wheel(0, self.draw.choice((-300, 300)))
            await self.page.mouse.down()
            await self.page.mouse.move(x + self.draw.uniform(-80, 80), y + self.draw.uniform(-80, 80), steps=4)
            await self.page.mouse.up()

    async def solid_map(self) -> None:
        await self.page.goto(f"{self.url}/?room=explore&dims={self.draw.choice((2, 3))}")
        await self.page.wait_for_function(READY)
        await self.rest()
        await self.move_map()

    async def rooms(self) -> None:
        for room in ROOMS:
            await self.enter(room)
            await self.rest()

    async def again(self) -> None:
        await self.page.reload()
        await self.page.wait_for_function(READY)
        await self.rest()

    async def second_page(self) -> None:
        page = await self.page.context.new_page()
        await page.goto(f"{self.url}/?room=review")
        await page.wait_for_function(READY)
        await self.rest()
        await page.close()


async def enter(browser, url: str, name: str, path: str):
    """A logged-in page; on a busy machine at the second or third try."""
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            return await log_in(browser, url, name, path)
    return await log_in(browser, url, name, path)


async def learn(store: LabelStore, run: str, every: float, over: asyncio.Event) -> int:
    """Ask for a retraining every so many seconds, as a lead does. Returns how often."""
    asked = 0
    while not over.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(over.wait(), every)
        if not over.is_set():
            await asyncio.to_thread(store.ask_job, "retrain", {"policy": "majority"}, LEAD, run)
            asked += 1
    return asked


async def day(url: str, catalog: Catalog, watch: Watch, options: argparse.Namespace) -> dict:
    """Let them work. Returns {what: how often}."""
    over = asyncio.Event()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(args=BROWSER_FLAGS, executable_path=browser_path())
        try:
            pages = [await enter(browser, url, name, "/?room=review") for name in INSPECTORS]
            await enter(browser, url, LEAD, "/?room=model")
            people = [
                Inspector(page, url, random.Random(f"{options.seed} {name}"), options.pace, options.pictures)
                for page, name in zip(pages, INSPECTORS, strict=True)
            ]
            watching = asyncio.create_task(watch.until(over))
            learning = asyncio.create_task(learn(watch.store, str(catalog.path), options.retrain, over))
            until = time.monotonic() + 60 * options.minutes
            try:
                await asyncio.gather(*(one.work(until) for one in people))
            finally:
                over.set()
                await watching
            counts = {"retrainings asked for": await learning}
            for one in people:
                for name, n in one.counts.items():
                    counts[name] = counts.get(name, 0) + n
            return counts
        finally:
            await browser.close()


def told(rows: list[dict]) -> dict:
    """Print the slope of the second half and the median of each quarter. Returns the slopes in MB an hour."""
    found = {}
    whole = rows[-1]["seconds"]
    for name in ("server", "worker"):
        for kind in KINDS:
            key = f"{name}_{kind}"
            seen = [(row["seconds"], row[key] / MB) for row in rows if key in row]
            late = np.array([one for one in seen if one[0] >= whole / 2])
            slope, _, low, high = (float(x) for x in theilslopes(late[:, 1], late[:, 0] / 3600, alpha=0.95))
            quarters = [[mb for at, mb in seen if 4 * at // whole == q or (q == 3 and at == whole)] for q in range(4)]
            medians = ", ".join(f"{np.median(mb):.1f}" for mb in quarters if mb)
            print(
                f"{name} {kind.upper()}: {slope:+.1f} MB an hour in the second half (95 %: {low:+.1f} to {high:+.1f}, "
                f"n={len(late)}), medians of the quarters {medians} MB"
            )
            found[key] = {"slope": slope, "low": low, "high": high, "n": len(late)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run with predictions and previews; it is copied")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between two acts, on average")
    parser.add_argument("--retrain", type=float, default=120.0, help="seconds between two retrainings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write every look into this file, too")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of pages on which a key had no effect")
    parser.add_argument("--log", type=Path, help="the server's log; the default is shown at the end and dropped")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog, port = copy_of(options.run, Path(folder) / "run"), free_port()
        url, log = f"http://localhost:{port}", options.log or Path(folder) / "log.txt"
        command = [sys.executable, "-m", "triptych.app.server", str(catalog.path), "--port", str(port)]
        with log.open("w") as said:
            process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, env=os.environ)
        try:
            wait_for(url, process, log)
            with LabelStore(catalog.labels_url()) as store:
                heads = ("server RSS", "PSS", "worker RSS", "PSS MB")
                print(f"{'minute':>8}{''.join(f'{head:>12}' for head in heads)}{'pages':>8}{'votes':>8}")
                watch = Watch(psutil.Process(process.pid), url, store)
                counts = asyncio.run(day(url, catalog, watch, options))
            print(", ".join(f"{name} {n}" for name, n in counts.items()))
            slopes = told(watch.rows)
            if options.json:
                options.json.write_text(json.dumps({"rows": watch.rows, "slopes": slopes, "counts": counts}))
        finally:
            process.terminate()
            process.wait()
            print(*[line for line in log.read_text().splitlines() if "Triptych:" not in line][-20:], sep="\n")


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    """Wait until the server answers. RuntimeError with what it said if it does not."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


if __name__ == "__main__":
    main()
