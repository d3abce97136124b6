"""Three inspectors at once, by keyboard: key to next exposure painted, key to vote on disk; quiet and retraining.

    python -m benchmarks.speed.review RUN [--votes 40] [--pace 2.0]

RUN is copied, all its exposures are made candidates so that each waits in every queue, and the copy is served by one
process with one worker. Three inspectors log in, in three windows of one headless browser (WebGL in software), and
vote at a random pace of `--pace` seconds on average: `bad` with a reason where an imported label says so, else `good`;
first `--votes` each with nothing else going on, then as many while a lead's retraining runs, asked for again as soon
as one ends. Each waits for the vote to be stored and for the next exposure before the next key, as people do.

Painted: from the time stamp of the key that ends a vote to the first frame after the one in which the mosaic has drawn
another exposure.
Stored: from the same key to the server's answer, which comes when the vote is on disk. Rooms: to the first frame with
the room's components standing, from the login form's button after `AT_REST` seconds of typing, from the request of the
page in a logged-in browser with an empty cache and then again, and from a tab's click; all by the page's own clock.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.async_api import async_playwright

from tests.ui.conftest import BROWSER_FLAGS, READY, Served, browser_path, free_port
from triptych.app.dashboard import rooms_of
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.accounts import User
from triptych.pipeline.store.store import LabelStore

INSPECTORS = ("ana", "bo", "cyd")
LEAD = "lee"
PASSWORD = "made up survey"
SIZE = {"width": 1440, "height": 900}
AT_REST = 2.0  # seconds
REASON = 0.4  # seconds from `bad` to its reason
WAYS = ("from the login form", "by its address", "again", "by its tab")
SHOWN = "() => window.__review?.shown()"
JUDGEABLE = "() => !window.__review?.shown() || window.__review.ready()"  # hardly looked at is not judged
WATCH = """
window.__measured = { painted: [], stored: [] };
const inside = (root, found = []) => {
  for (const node of root.querySelectorAll('*')) {
    if (node.dataset?.expnum !== undefined && node.dataset.state !== undefined) found.push(node);
    if (node.shadowRoot) inside(node.shadowRoot, found);
  }
  return found;
};
let keyed = 0;
window.addEventListener('keydown', event => {
  if (!['g', '1'].includes(event.key) || !window.__review?.shown()) return;
  const mosaic = inside(document.querySelector('#review')).find(node => node.offsetParent);
  const before = mosaic.dataset.expnum;
  keyed = event.timeStamp;
  const start = keyed;
  const look = () => {
    if (mosaic.dataset.expnum === before || mosaic.dataset.state !== 'shown') return requestAnimationFrame(look);
    requestAnimationFrame(() => window.__measured.painted.push(performance.now() - start));
  };
  requestAnimationFrame(look);
}, { capture: true });
const fetched = window.fetch;
window.fetch = async (address, options) => {
  const start = keyed;
  const answer = await fetched(address, options);
  if (String(address).endsWith('/api/vote') && answer.ok) window.__measured.stored.push(performance.now() - start);
  return answer;
};
"""

STANDING = """
const stands = root => [...root.querySelectorAll('*')].some(
  node => node.matches('.fill[data-ready]') || (node.shadowRoot && stands(node.shadowRoot)));
window.__standing = (name, since) => new Promise(found => {
  const look = () => {
    const room = document.getElementById(name);
    if (room && stands(room)) return found(performance.now() - since);
    requestAnimationFrame(look);
  };
  look();
});
window.__clicked = name => new Promise(found => {
  addEventListener('click', event => found(window.__standing(name, event.timeStamp)), { capture: true, once: true });
});
"""


def copy_of(run: Path, folder: Path) -> Catalog:
    """The run with every exposure a candidate and without earlier votes, with accounts of its own."""
    own = ("labels.db*", "labels.json", "exposures", ".session-secret")
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns(*own))
    catalog = Catalog.open(folder)
    stage = catalog.stage("candidates")
    stage.table("exposures_scored").to_parquet(stage.path / "table.parquet")
    with LabelStore(Catalog.open(run).labels_url()) as old, LabelStore(catalog.labels_url()) as store:
        labels = old.labels()
        for (source, kind), rows in labels.groupby(["source", "kind"]):
            store.import_labels(rows, source=source, kind=kind)
        for name in INSPECTORS:
            store.add_user(name, PASSWORD)
        store.add_user(LEAD, PASSWORD, "lead")
        for name in (*INSPECTORS, LEAD):
            store.keep_setting("tour", "seen", owner=name)
    return catalog


async def log_in(browser, url: str, name: str, path: str):
    """A page of a browser context of its own, ready."""
    context = await browser.new_context(viewport=SIZE)
    page = await context.new_page()
    await page.add_init_script(WATCH)
    await page.goto(url + path)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_function(READY)
    return page


async def inspect(page, votes: int, pace: float, draw: random.Random, bad: set[int]) -> dict:
    """Vote so many times, with the first reason for the exposures in `bad`; milliseconds, one per vote."""
    await page.evaluate("() => { window.__measured.painted = []; window.__measured.stored = []; }")
    for number in range(1, votes + 1):
        await asyncio.sleep(pace * draw.uniform(0.5, 1.5))
        await page.wait_for_function(JUDGEABLE)
        if await page.evaluate(SHOWN) in bad:
            await page.keyboard.press("b")
            await asyncio.sleep(REASON)
            await page.keyboard.press("1")
        else:
            await page.keyboard.press("g")
        done = "n => window.__measured.painted.length >= n && window.__measured.stored.length >= n"
        await page.wait_for_function(done, arg=number, timeout=60_000)
    return await page.evaluate("() => window.__measured")


async def keep_retraining(store: LabelStore, run: str, over: asyncio.Event) -> tuple[int, float]:
    """Ask for one retraining after the other; return how many were finished, and which share of the time one ran."""
    done, looks = 0, []
    while not over.is_set():
        job = store.job(store.ask_job("retrain", {"policy": "majority"}, LEAD, run))
        while not over.is_set() and job.state in ("waiting", "running"):
            looks.append(job.state == "running")
            await asyncio.sleep(0.25)
            job = store.job(job.job_id)
        if job.state == "failed":
            raise RuntimeError(f"the retraining failed: {job.error}")
        done += job.state == "done"
    return done, float(np.mean(looks))


async def open_rooms(browser, url: str) -> dict:
    """Milliseconds until each room stands: from the login form, by its address, by it again, and by its tab."""
    found = {}
    page = await log_in(browser, url, LEAD, "/")
    await page.add_script_tag(content=STANDING)
    for room in rooms_of(User(LEAD, "lead")):
        await asyncio.sleep(AT_REST)  # what the room before still loads is not this one's time
        by_login = await open_by_login(browser, url, room)
        await asyncio.sleep(AT_REST)
        context = await browser.new_context(viewport=SIZE, storage_state=await page.context.storage_state())
        fresh = await context.new_page()
        await fresh.add_init_script(STANDING)
        await fresh.goto(f"{url}/?room={room}")
        by_address = await fresh.evaluate("name => window.__standing(name, 0)", room)
        await asyncio.sleep(AT_REST)
        await fresh.reload()
        again = await fresh.evaluate("name => window.__standing(name, 0)", room)
        await context.close()
        await asyncio.sleep(AT_REST)
        await page.evaluate("name => { window.__found = window.__clicked(name); }", room)
        await page.locator(f"#rooms button[data-room={room}]").click()
        found[room] = (by_login, by_address, again, await page.evaluate("() => window.__found"))
    await page.context.close()
    return found


async def open_by_login(browser, url: str, room: str) -> float:
    """Milliseconds from the login form's button to the room, in a browser that was never here before."""
    context = await browser.new_context(viewport=SIZE)
    page = await context.new_page()
    await page.add_init_script(STANDING)
    await page.goto(f"{url}/login?next={quote(f'/?room={room}')}")
    await asyncio.sleep(AT_REST)
    await page.get_by_label("Name").fill(LEAD)
    await page.get_by_label("Password").fill(PASSWORD)
    async with page.expect_navigation(wait_until="commit"):
        await page.get_by_role("button", name="Log in").click()
    taken = await page.evaluate("name => window.__standing(name, 0)", room)
    await context.close()
    return taken


def told(name: str, values: list[float]) -> float:
    """Print median, 95th percentile and range in ms; return the median."""
    middle, high = np.percentile(values, [50, 95])
    print(
        f"  {name:<40}{middle:>8.0f} ms median{high:>8.0f} ms 95 %   (most {max(values):.0f}, n={len(values)})",
        flush=True,
    )
    return float(middle)


async def measure(served: Served, catalog: Catalog, votes: int, pace: float, rounds: int) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(args=BROWSER_FLAGS, executable_path=browser_path())
        print("rooms, first time in this server, then again:")
        opened = []
        for _ in range(rounds):
            for room, times in (await open_rooms(browser, served.url)).items():
                opened.append(times)
                each = (f"{ms:>8.0f} ms {way}" for ms, way in zip(times, WAYS, strict=True))
                print(f"  {room:<12}{''.join(each)}", flush=True)
        for way, values in zip(WAYS, zip(*opened, strict=True), strict=True):
            told(way, list(values))
        pages = [await log_in(browser, served.url, name, "/?room=review") for name in INSPECTORS]
        for page in pages:
            await page.wait_for_function(SHOWN)
            await page.wait_for_load_state("networkidle")
        draws = [random.Random(name) for name in INSPECTORS]
        medians = {}
        store = LabelStore(catalog.labels_url())
        labels = store.labels()
        bad = set(labels.loc[labels["reason"] != "good", "expnum"].astype(int))
        for title, busy in (("quiet", False), ("while it retrains", True)):
            over = asyncio.Event()
            training = asyncio.create_task(keep_retraining(store, str(catalog.path), over)) if busy else None
            if busy:
                await asyncio.sleep(3)
            found = await asyncio.gather(
                *(inspect(page, votes, pace, draw, bad) for page, draw in zip(pages, draws, strict=True))
            )
            over.set()
            done, share = await training if training else (0, 0.0)
            ran = f", one ran {100 * share:.0f} % of the time, {done} finished" if busy else ""
            print(f"{title}{ran}: three inspectors, {votes} votes each")
            for what in ("painted", "stored"):
                medians[title, what] = told(f"key to {what}", [ms for one in found for ms in one[what]])
        stored = store.votes()
        print(f"votes in the store: {len(stored)} of {6 * votes}")
        store.close()
        for what in ("painted", "stored"):
            print(
                f"ratio {medians['while it retrains', what] / medians['quiet', what]:.2f}  {what}, retraining to quiet"
            )
        await browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run with predictions and previews; it is copied")
    parser.add_argument("--votes", type=int, default=40)
    parser.add_argument("--pace", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog = copy_of(options.run, Path(folder) / "run")
        port = free_port()
        served = Served(f"http://localhost:{port}", catalog.path, port, None, Path(folder) / "log.txt").start()
        try:
            asyncio.run(measure(served, catalog, options.votes, options.pace, options.rounds))
        finally:
            served.stop()


if __name__ == "__main__":
    main()
