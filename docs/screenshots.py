"""Take the pictures of docs/images from two runs: the demonstration and the real ghosts.

    python docs/screenshots.py RUN_DEMO RUN_GHOSTS docs/images

The runs stay as they are: the server writes to copies of their label stores, in which the inspectors' accounts exist
and, for the demonstration, have voted on some candidates. Needs Playwright and a Chromium, as the browser tests do.
"""

import argparse
import io
import sqlite3
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from app.demo import ACCOUNTS, PASSWORD
from app.palette import REASON_COLOURS
from pipeline.catalog import Catalog
from pipeline.labels import LabelStore, Vote
from tests.ui.conftest import BROWSER_FLAGS, Served, browser_path, free_port, log_in, wait_ready

SIZE = {"width": 1440, "height": 900}
COLOURED = 40  # a pixel whose channels differ by more is no grey
SETTLE_MS = 2500  # pictures and map have arrived; what is left is drawing
WHOLE = 61  # CCDs of a DECam exposure
ERRS = 0.12  # how often a made-up inspector differs from the truth
INSPECTORS = [name for name, role in ACCOUNTS.items() if role == "inspector"]
LEAD = next(name for name, role in ACCOUNTS.items() if role == "lead")


@contextmanager
def served(run: Path, folder: Path, vote: bool):
    """A server of `run` with a copy of its label store, which lies in `folder`; yields (Served, Catalog)."""
    catalog, copy = Catalog.open(run), folder / f"{run.name}-labels.db"
    with closing(sqlite3.connect(run / "labels.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    url = f"sqlite:///{copy}"
    with closing(LabelStore(url)) as store:
        for name, role in ACCOUNTS.items():
            if store.user(name) is None:
                store.add_user(name, PASSWORD, role)
        if vote:
            store.cast_many(made_up_votes(catalog))
    port = free_port()
    options = ("--labels", url, "--no-worker")
    server = Served(f"http://localhost:{port}", run, port, None, folder / f"{run.name}.log", options)
    try:
        yield server.start(), catalog
    finally:
        server.stop()


def made_up_votes(catalog: Catalog) -> list[Vote]:
    """Votes of the three inspectors on the demonstration's candidates: the truth, with some mistakes.

    The first inspector has seen a quarter of the queue, the second all of it, the third three quarters.
    """
    truth = pd.read_csv(catalog.path / "exposures" / "truth.csv", comment="#")
    said = truth[truth.reason != "good"].groupby("expnum").reason.agg(lambda names: names.value_counts().index[0])
    plver = catalog.exposures().set_index("expnum").plver
    queue = catalog.stage("candidates", fresh=False).table().expnum.tolist()
    random, votes = np.random.default_rng(0), []
    for inspector, share in zip(INSPECTORS, (0.25, 1.0, 0.75), strict=True):
        for expnum in queue[: round(share * len(queue))]:
            bad = (expnum in said.index) != (random.random() < ERRS)
            reasons = (said.get(expnum, "Clouds_transparency"),) if bad else ()
            vote = Vote(
                camera=catalog.camera,
                expnum=int(expnum),
                inspector=inspector,
                judgement="bad" if bad else "good",
                reasons=reasons,
                plver=plver[expnum],
                screen={"seconds": round(float(random.gamma(4, 0.6)), 2), "stretch": "faint"},
            )
            votes.append(vote)
    return votes


def ghosts_first(catalog: Catalog) -> int:
    """The whole focal plane with most CCDs predicted as ghosts, among the candidates where there is one."""
    prediction = catalog.stage("prediction", fresh=False).table()
    whole = catalog.exposures().query("n_ccds == @WHOLE").expnum
    candidates = catalog.stage("candidates", fresh=False).table().expnum
    known = whole[whole.isin(candidates)] if whole.isin(candidates).any() else whole
    ghosts = prediction[(prediction.reason == "Ghost_Scatter") & prediction.expnum.isin(known)]
    return int(ghosts.expnum.value_counts().index[0])


def few_colours(picture: Image.Image) -> Image.Image:
    """The picture with a palette: those of the reasons, its commonest colours as they are, and 128 greys."""
    pixels = np.asarray(picture).reshape(-1, 3)
    coloured = np.ptp(pixels.astype(int), axis=1) > COLOURED
    common, counts = np.unique(pixels[coloured], axis=0, return_counts=True)
    named = [tuple(bytes.fromhex(colour[1:7])) for colour in REASON_COLOURS.values()]
    common = [*named, *map(tuple, common[np.argsort(-counts, kind="stable")].tolist())][:128]
    common += [(0, 0, 0)] * (128 - len(common))
    greys = Image.fromarray(pixels[~coloured][None]).quantize(128).getpalette()
    one = Image.new("P", (1, 1))
    one.putpalette([*(channel for colour in common for channel in colour), *greys])
    return picture.quantize(palette=one, dither=Image.Dither.NONE)


def save(page: Page, out: Path, name: str) -> None:
    """Write what the page shows as out/name.png."""
    page.mouse.move(SIZE["width"] - 4, SIZE["height"] - 4)
    page.wait_for_timeout(SETTLE_MS)
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    page.wait_for_timeout(SETTLE_MS)
    picture = few_colours(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    picture.save(out / f"{name}.png", optimize=True)
    print(f"{name}.png  {(out / f'{name}.png').stat().st_size / 1000:.0f} kB", flush=True)


class Visitor:
    """Somebody at a screen of SIZE: logs in once, then goes from address to address."""

    def __init__(self, browser, server: Served, name: str):
        self.context = browser.new_context(viewport=SIZE)
        self.page, self.server = self.context.new_page(), server
        self.page.goto(server.url)
        log_in(self.page, name, PASSWORD)
        wait_ready(self.page)

    def go(self, address: str) -> Page:
        self.page.goto(self.server.url + address)
        wait_ready(self.page)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def review(self, expnum: int) -> Page:
        page = self.go(f"/?room=review&focus={expnum}")
        page.wait_for_function("expnum => window.__review?.shown() === expnum", arg=expnum)
        page.locator(".neighbours img").first.wait_for()
        return page

    def export(self) -> Page:
        page = self.go("/?room=export")
        page.get_by_text(" bytes").wait_for()
        return page


def of_demo(browser, server: Served, catalog: Catalog, out: Path) -> None:
    inspector = Visitor(browser, server, INSPECTORS[0])
    ghost = ghosts_first(catalog)
    page = inspector.go("/")  # opens on the candidates
    page.get_by_label("colour by").select_option("prediction")
    page.get_by_text(f"{ghost}-").first.click()
    save(page, out, "explore-demo")
    page.get_by_role("button", name="3-D").click()
    save(page, out, "explore-3d-demo")
    queue = catalog.stage("candidates", fresh=False).table().expnum
    waiting = queue[round(0.25 * len(queue)) :]
    save(inspector.review(ghost if ghost in set(waiting) else int(waiting.iloc[0])), out, "review-demo")
    save(Visitor(browser, server, LEAD).export(), out, "export-demo")


def of_ghosts(browser, server: Served, catalog: Catalog, out: Path) -> None:
    inspector = Visitor(browser, server, INSPECTORS[0])
    ghost = ghosts_first(catalog)
    save(inspector.go(f"/?room=explore&q=ghost&focus={ghost}&colour=prediction"), out, "explore-ghosts")
    save(inspector.review(ghost), out, "review-ghosts")
    save(Visitor(browser, server, LEAD).export(), out, "export-ghosts")


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
        for run, take, vote in ((given.run_demo, of_demo, True), (given.run_ghosts, of_ghosts, False)):
            with served(run.resolve(), Path(folder), vote) as (server, catalog):
                take(browser, server, catalog, given.out)
        browser.close()


if __name__ == "__main__":
    main()
