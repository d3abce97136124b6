"""Take the pictures of docs/guide from two runs: the demonstration and the real ghosts; every room, at two sizes.

    python docs/screenshots.py RUN_DEMO RUN_GHOSTS docs/guide

The runs stay as they are: the server works on copies. The demonstration is as `triptych demo` makes it, with the votes
of its made-up people; the ghosts are as `triptych example ghosts OUT --whole` makes them. Needs Playwright and a
Chromium, as the browser tests do.
"""

import argparse
import io
import shlex
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ui.conftest import BROWSER_FLAGS, Served, browser_path, free_port, log_in, wait_ready
from triptych.app.demo.people import ACCOUNTS, LEAD, PASSWORD
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

SIZES = ({"width": 1440, "height": 900}, {"width": 1920, "height": 1080})
QUALITY = 82  # of WebP
SETTLE_MS = 2500  # pictures and map have arrived; what is left is drawing
WHOLE = 61  # CCDs of a DECam exposure
INSPECTORS = [name for name, role in ACCOUNTS.items() if role == "inspector"]


@contextmanager
def served(run: Path, folder: Path, name: str):
    """A server of a copy of `run`, which lies in `folder` under this name; yields (Served, Catalog)."""
    copy = folder / name
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("labels.db*", "*.fz"))
    with closing(sqlite3.connect(run / "labels.db")) as source, closing(sqlite3.connect(copy / "labels.db")) as target:
        source.backup(target)
    catalog = Catalog.open(copy)
    with closing(LabelStore(catalog.labels_url())) as store:
        for name, role in ACCOUNTS.items():
            if store.user(name) is None:
                store.add_user(name, PASSWORD, role, any_password=True)
            store.keep_setting("tour", "seen", owner=name)
    port = free_port()
    server = Served(f"http://localhost:{port}", copy, port, None, folder / f"{copy.name}.log", ())
    try:
        yield server.start(), catalog
    finally:
        server.stop()


def ghosts_first(catalog: Catalog) -> int:
    """The whole focal plane with most CCDs predicted as ghosts, among the candidates where there is one."""
    prediction = catalog.stage("prediction", fresh=False).table()
    whole = catalog.exposures().query("n_ccds == @WHOLE").expnum
    candidates = catalog.stage("candidates", fresh=False).table().expnum
    known = whole[whole.isin(candidates)] if whole.isin(candidates).any() else whole
    ghosts = prediction[(prediction.reason == "Ghost_Scatter") & prediction.expnum.isin(known)]
    return int(ghosts.expnum.value_counts().index[0])


def save(page: Page, out: Path, name: str) -> None:
    """Write what the page shows as out/name-WIDTH.webp."""
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    page.mouse.move(width - 4, height - 4)
    page.wait_for_timeout(SETTLE_MS)
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    page.wait_for_timeout(SETTLE_MS)
    path = out / f"{name}-{width}.webp"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=QUALITY, method=6)
    print(f"{path.name}  {path.stat().st_size / 1000:.0f} kB", flush=True)


class Visitor:
    """Somebody at a screen of one size: logs in once, then goes from address to address."""

    def __init__(self, browser, server: Served, name: str, size: dict):
        self.context = browser.new_context(viewport=size)
        self.page, self.server = self.context.new_page(), server
        self.page.goto(server.url)
        log_in(self.page, name, PASSWORD)
        wait_ready(self.page)

    def go(self, address: str) -> Page:
        self.page.goto(self.server.url + address)
        wait_ready(self.page)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def room(self, name: str, focus: int | None = None) -> Page:
        page = self.go(f"/?room={name}" + (f"&focus={focus}" if focus else ""))
        page.locator(f"#{name} .fill[data-ready]").first.wait_for()
        return page

    def review(self, expnum: int) -> Page:
        page = self.room("review", expnum)
        page.wait_for_function("expnum => window.__review?.shown() === expnum", arg=expnum)
        page.locator(".neighbours img").first.wait_for()
        return page


def rooms_of_inspector(browser, server: Served, catalog: Catalog, out: Path, run: str, size: dict) -> None:
    """Explore, Review and Clusters of one run."""
    inspector = Visitor(browser, server, INSPECTORS[0], size)
    ghost = ghosts_first(catalog)
    page = inspector.go("/")  # opens on the candidates
    page.get_by_label("colour by").select_option("prediction")
    page.get_by_text(f"{ghost}-").first.click()
    save(page, out, f"explore-{run}")
    page.get_by_role("button", name="3-D").click()
    save(page, out, f"explore-3d-{run}")
    page = inspector.review(to_judge(catalog, ghost))
    save(page, out, f"review-{run}")
    page.keyboard.press("b")
    page.keyboard.press("r")
    save(page, out, f"review-rules-{run}")
    save(inspector.room("clusters"), out, f"clusters-{run}")
    inspector.context.close()


def rooms_of_lead(browser, server: Served, catalog: Catalog, out: Path, run: str, size: dict) -> None:
    """The rooms in which a lead sees more than others."""
    lead = Visitor(browser, server, LEAD, size)
    for room in ("adjudicate", "agreement", "model", "export", "lead"):
        page = lead.room(room)
        if room == "model":
            expect(page.locator("[aria-label^=Live]")).to_contain_text("up to date", timeout=60_000)
        if room == "export":
            without_this_machine(page, catalog, run)
        save(page, out, f"{room}-{run}")
    if run == "demo":
        save(where_it_comes_from(lead, catalog, run), out, f"explain-{run}")
    lead.context.close()


def where_it_comes_from(lead: Visitor, catalog: Catalog, run: str) -> Page:
    """The way from the file to the line of the list, of the first line."""
    page = lead.room("export")
    without_this_machine(page, catalog, run)
    page.locator("pre [data-expnum]").first.click()
    page.locator("dialog.explain[data-shown]").wait_for()
    source = page.locator("dialog.explain .path")
    name = Path(source.inner_text().split()[0]).name
    source.evaluate("(element, text) => { element.textContent = text; }", f"exposures/{name}")
    return page


def without_this_machine(page: Page, catalog: Catalog, run: str) -> None:
    """Show the command of the Export room as somebody sees it whose run lies in a folder of its own."""
    command = page.locator("[data-part=command]")
    expect(command).to_contain_text("triptych export")
    words = shlex.split(command.inner_text())
    if "--labels" in words:
        place = words.index("--labels")
        del words[place : place + 2]
    shown = shlex.join(f"runs/{run}" if word == str(catalog.path) else word for word in words)
    command.evaluate("(element, text) => { element.textContent = text; }", shown)


def to_judge(catalog: Catalog, ghost: int) -> int:
    """An exposure that the first inspector has not judged: the ghost, if it waits."""
    with closing(LabelStore(catalog.labels_url())) as store:
        judged = set(store.ballots(catalog.camera, INSPECTORS[0])["expnum"])
    queue = catalog.stage("candidates", fresh=False).table().expnum
    waiting = queue[~queue.isin(judged)]
    return ghost if ghost in set(waiting) or waiting.empty else int(waiting.iloc[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_demo", type=Path)
    parser.add_argument("run_ghosts", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = browser_path()
        browser = playwright.chromium.launch(args=BROWSER_FLAGS, **({"executable_path": path} if path else {}))
        for run, name in ((given.run_demo, "demo"), (given.run_ghosts, "ghosts")):
            with served(run.resolve(), Path(folder), name) as (server, catalog):
                for size in SIZES:
                    rooms_of_inspector(browser, server, catalog, given.out, name, size)
                for size in SIZES:
                    rooms_of_lead(browser, server, catalog, given.out, name, size)
        browser.close()


if __name__ == "__main__":
    main()
