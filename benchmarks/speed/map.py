"""How fast the map is, in a headless browser with software WebGL, at any number of points.

    python -m benchmarks.speed.map real 100000 5670000 --rounds 5 --folder /tmp/maps
    python -m benchmarks.speed.map --thumbs --folder /tmp/maps
    python -m benchmarks.speed.map --run RUN --user amy --password PASSWORD

Each size is a run of its own (`map_runs`), served by a process of its own on this machine. Measured in each
round, on a fresh page: from the navigation to the first frame with points and to all points drawn at rest; requests
while the map is moved, zoomed, turned and recoloured; the longest task of the page meanwhile; a lasso round about a
fifth of the points on the flat and on the solid map, from the end of the gesture to the selection; memory of the
browser's renderer (resident, and JavaScript heap as the browser says) and of the server. `ratio` lines compare with
the plain way: a frame of all points against one of the sample, ids against the outline's text.
`--thumbs` scrolls through 600 thumbnails of 600 exposures, at once and again, and counts frames in which a tile in the
window has been empty for longer than a blink (150 ms). `--run` measures how Explore opens on a run that exists.
"""

import argparse
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from benchmarks.speed import map_runs

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
FLAGS += ["--enable-precise-memory-info"]
HOOKS = """(() => {
  const all = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e]);
  const map = all(document).find(e => e.__map)?.__map;
  return map && (%s)(map);
})()"""
WATCH = """window.longest = 0; window.longs = [];
new PerformanceObserver(list => { for (const one of list.getEntries()) longs.push([one.startTime, one.duration]); })
  .observe({ type: 'longtask', buffered: true });"""
FRAMES = """m => { const painter = m.painter(), gl = painter.gl, look = m.look(), camera = m.camera();
  const pixel = new Uint8Array(4);
  const one = count => { const t = performance.now(); painter.draw(camera, { ...look, count });
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel); return performance.now() - t; };
  const sample = Math.min(look.count, m.budget());
  one(sample);
  return { sample, few: [1, 2, 3].map(() => one(sample)), all: [1, 2, 3].map(() => one(look.count)) }; }"""
SCROLL = """async speed => {
  const all = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e]);
  const grid = all(document).find(e => e.classList?.contains('grid') && e.getAttribute('role') === 'listbox');
  const empty = new Map(); let frames = 0, bad = 0, worst = 0, last = performance.now();
  grid.scrollTop = 0;
  return new Promise(done => { const turn = now => {
    const frame = grid.getBoundingClientRect(); let late = false;
    const here = new Set();
    for (const tile of grid.querySelectorAll('.thumb')) {
      const box = tile.getBoundingClientRect();
      if (box.bottom < frame.top || box.top > frame.bottom) continue;
      const image = tile.querySelector('img'), key = tile.dataset.place; here.add(key);
      if (image.complete && image.naturalWidth) { empty.delete(key); continue; }
      if (!empty.has(key)) empty.set(key, now);
      const ms = now - empty.get(key); worst = Math.max(worst, ms); if (ms > 150) late = true;
    }
    for (const key of [...empty.keys()]) if (!here.has(key)) empty.delete(key);
    frames++; if (late) bad++;
    grid.scrollTop += speed * Math.min(100, now - last) / 1000; last = now;
    if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 2) done({ frames, bad, worst });
    else requestAnimationFrame(turn);
  }; requestAnimationFrame(turn); }); }"""


class Server:
    """One served run. resident() : MiB of the server process now."""

    def __init__(self, run, port):
        self.url = f"http://localhost:{port}"
        command = [sys.executable, "-m", "triptych.app.server", str(run), "--port", str(port), "--no-worker"]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/login", timeout=5).read()
                time.sleep(0.2)
                if self.process.poll() is None:
                    break
            except OSError:
                time.sleep(0.2)
            if self.process.poll() is not None:
                raise RuntimeError(f"the server did not start; is port {port} free?")
        self.start_seconds = time.perf_counter() - started

    def resident(self):
        """(resident, and of that its own and not files mapped into memory), MiB."""
        memory = psutil.Process(self.process.pid).memory_info()
        return memory.rss / 2**20, (memory.rss - memory.shared) / 2**20

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def said(name, values, unit):
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:<58}{middle:>10.1f} {unit} ({low:.1f} to {high:.1f}, n={len(values)})", flush=True)


def opened(browser, server, user, password, path="/?room=explore", wait=300_000, ready=".map[data-ready]"):
    """A page of a fresh context, logged in, with the map drawn (or as far as `ready` says)."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(server.url + path)
    page.get_by_label("Name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.locator(ready).wait_for(timeout=wait)
    return context, page


def ask(page, function):
    return page.evaluate(HOOKS % function)


def drag(page, points):
    box = page.locator(".map .surface").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def look_around(page, dims):
    """Move, zoom and (in 3-D) turn; then wait until all points are drawn again."""
    page.keyboard.press("p")
    drag(page, [(0.4, 0.4), (0.6, 0.55), (0.5, 0.5)])
    surface = page.locator(".map .surface").bounding_box()
    page.mouse.move(surface["x"] + surface["width"] / 2, surface["y"] + surface["height"] / 2)
    for turn in (-300, -300, 300, 300):
        page.mouse.wheel(0, turn)
        page.wait_for_timeout(60)
    if dims == 3:
        drag(page, [(0.3, 0.4), (0.6, 0.5)])
    page.keyboard.press("0")
    page.wait_for_timeout(400)
    page.wait_for_function(HOOKS % "m => !m.moving()", timeout=300_000)


def lasso(page):
    page.keyboard.press("l")
    ring = [(0.30, 0.35), (0.50, 0.28), (0.68, 0.36), (0.70, 0.55), (0.55, 0.66), (0.42, 0.55), (0.30, 0.55)]
    before = ask(page, "m => m.times().lasso || 0")
    drag(page, [*ring, ring[0]])
    page.wait_for_function(HOOKS % f"m => m.times().lasso && m.times().lasso !== {before}", timeout=60_000)
    return ask(page, "m => m.times().lasso"), ask(page, "m => m.chosen()")


def browser_memory(page):
    """MiB: resident memory of the largest renderer and of the graphics process, and the page's JavaScript heap."""
    renderers, graphics = [0], [0]
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        words = " ".join(process.info["cmdline"] or [])
        if "--type=renderer" in words and own(process):
            renderers.append(process.info["memory_info"].rss / 2**20)
        elif "--type=gpu-process" in words and own(process):
            graphics.append(process.info["memory_info"].rss / 2**20)
    heap = page.evaluate("performance.memory.usedJSHeapSize") / 2**20
    return max(renderers), max(graphics), heap


def counts(url):
    """Whether a request is one for looking around: pictures beside the map and the page's icon are not."""
    return "/picture/" not in url and not url.endswith("logo.svg")


def own(process):
    """Whether a process was started by this one."""
    try:
        return any(parent.pid == psutil.Process().pid for parent in process.parents())
    except psutil.Error:
        return False


def measure(browser, server, user, password, rounds, size):
    found = {
        name: [] for name in ("first", "ready", "heap", "renderer", "graphics", "flat", "solid", "task", "requests")
    }
    taken = {}
    context, page = opened(browser, server, user, password, ready=".map")
    for turn in range(rounds):
        page.goto(server.url + "/?room=explore")
        page.locator(".map[data-ready]").wait_for(timeout=300_000)
        times = ask(page, "m => m.times()")
        found["first"].append(times["first"])
        found["ready"].append(times["ready"])
        page.wait_for_load_state("networkidle", timeout=300_000)
        page.wait_for_timeout(2000)
        asked = []
        begun = page.evaluate("performance.now()")

        def heard(request, asked=asked):
            asked.append(request.url)

        page.on("request", heard)
        look_around(page, 2)
        page.locator(".legend select").select_option("probability")
        page.locator(".legend[data-colour-by=probability]").wait_for()
        page.locator(".legend select").select_option("reason")
        page.locator(".legend[data-colour-by=reason]").wait_for()
        page.wait_for_function(HOOKS % "m => !m.moving()", timeout=300_000)
        found["requests"].append(len([url for url in asked if counts(url)]))
        if found["requests"][-1]:
            print("  asked for", *{url.split("?")[0] for url in asked if counts(url)})
        longs = page.evaluate(f"longs.filter(one => one[0] > {begun}).map(one => one[1])")
        found["task"].append(max(longs, default=0))
        milliseconds, taken["flat"] = lasso(page)
        found["flat"].append(milliseconds)
        page.wait_for_timeout(1500)
        taken["characters"] = page.evaluate("new URLSearchParams(location.search).get('sel')?.length || 0")
        page.keyboard.press("3")
        page.wait_for_function(HOOKS % "m => m.view().dims === 3 && !m.moving()", timeout=300_000)
        asked.clear()
        look_around(page, 3)
        found["requests"][-1] += len([url for url in asked if counts(url)])
        milliseconds, taken["solid"] = lasso(page)
        found["solid"].append(milliseconds)
        renderer, graphics, heap = browser_memory(page)
        for name, value in (("renderer", renderer), ("graphics", graphics), ("heap", heap)):
            found[name].append(value)
        frames = ask(page, FRAMES) if turn == 0 else None
        if frames:
            taken["frames"] = frames
        page.remove_listener("request", heard)
    context.close()
    print(f"--- {size}: flat lasso took {taken['flat']:,} points, solid {taken['solid']:,}")
    said("navigation to first points", found["first"], "ms")
    said("navigation to all points drawn", found["ready"], "ms")
    said("requests while moved, zoomed, turned, recoloured", found["requests"], "")
    said("longest task meanwhile", found["task"], "ms")
    said("lasso on the flat map", found["flat"], "ms")
    said("lasso on the solid map", found["solid"], "ms")
    said("renderer, resident", found["renderer"], "MiB")
    said("  of that JavaScript heap and typed arrays", found["heap"], "MiB")
    said("graphics process (software WebGL), resident", found["graphics"], "MiB")
    frames = taken["frames"]
    said(f"a frame of the sample, {frames['sample']:,.0f} points", frames["few"], "ms")
    said("a frame of all points", frames["all"], "ms")
    ratio = statistics.median(frames["all"]) / statistics.median(frames["few"])
    print(f"ratio {ratio:.1f}  a frame of all points against one of the sample")
    if taken["characters"]:
        print(f"ratio {4 * taken['flat'] / taken['characters']:.0f}  bytes of ids against the text of the outline")


def one_size(playwright, size, folder, rounds, port):
    run = folder / f"map-{size}"
    if not run.exists():
        points = map_runs.real_points() if size == "real" else map_runs.drawn_points(int(size))
        map_runs.make_run(run, *points)
    server = Server(run, port)
    browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
    try:
        before = server.resident()
        context, _page = opened(browser, server, "amy", map_runs.PASSWORD, ready=".map")
        context.close()
        after = server.resident()
        measure(browser, server, "amy", map_runs.PASSWORD, rounds, size)
        last = server.resident()
        print(
            f"server ready after {server.start_seconds:.1f} s; resident (its own) MiB: started "
            f"{before[0]:.0f} ({before[1]:.0f}), first page {after[0]:.0f} ({after[1]:.0f}), "
            f"after {rounds} rounds {last[0]:.0f} ({last[1]:.0f})",
            flush=True,
        )
    finally:
        browser.close()
        server.stop()


def open_room(playwright, run, user, password, rounds, port):
    """How Explore opens on a run that exists: navigation to first points, to all, and to the frame's own readiness."""
    server = Server(run, port)
    browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
    first, ready = [], []
    try:
        context, page = opened(browser, server, user, password)
        for _ in range(rounds):
            page.goto(server.url + "/?room=explore")
            page.locator(".map[data-ready]").wait_for(timeout=60_000)
            times = ask(page, "m => m.times()")
            first.append(times["first"])
            ready.append(times["ready"])
        context.close()
    finally:
        browser.close()
        server.stop()
    said("Explore: navigation to first points", first, "ms")
    said("Explore: navigation to all points drawn", ready, "ms")


def thumbs(playwright, folder, rounds, port, speed):
    run = folder / "map-thumbs"
    if not run.exists():
        map_runs.make_run(run, *map_runs.drawn_points(600 * 61), previews=(128, 64))
    browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
    first, again = [], []
    try:
        for _ in range(rounds):
            server = Server(run, port)  # a fresh one: nothing is made yet
            context, page = opened(browser, server, "amy", map_runs.PASSWORD)
            page.evaluate(f"window.scrolled = ({SCROLL})")
            page.get_by_role("searchbox").fill("S29")
            page.keyboard.press("Enter")
            page.wait_for_timeout(1000)
            first.append(page.evaluate(f"scrolled({speed})"))
            again.append(page.evaluate(f"scrolled({speed})"))
            context.close()
            server.stop()
    finally:
        browser.close()
    for name, found in (("first time", first), ("again", again)):
        said(
            f"600 thumbnails at {speed} px/s, {name}: frames with a gap",
            [100 * f["bad"] / f["frames"] for f in found],
            "%",
        )
        said("  longest empty tile", [one["worst"] for one in found], "ms")


def executable():
    from tests.ui.conftest import browser_path

    return browser_path()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("size", nargs="*", help="numbers of points, or real")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/triptych-maps"), help="where runs are made and kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=6190)
    parser.add_argument("--thumbs", action="store_true")
    parser.add_argument("--speed", type=int, default=1000, help="pixels a second")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--user", default="amy")
    parser.add_argument("--password", default=map_runs.PASSWORD)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        for size in asked.size:
            one_size(playwright, size, asked.folder, asked.rounds, asked.port)
        if asked.thumbs:
            thumbs(playwright, asked.folder, asked.rounds, asked.port, asked.speed)
        if asked.run:
            open_room(playwright, asked.run, asked.user, asked.password, asked.rounds, asked.port)


if __name__ == "__main__":
    main()
