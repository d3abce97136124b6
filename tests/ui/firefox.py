"""Firefox for browser tests, over WebDriver BiDi: no driver program and no package is needed.

    with firefox(tmp_path) as browser:
        browser.open(url, cookie)
        browser.wait("document.body.dataset.ready === '1'")
        browser.press("g")
        assert browser.problems == []

Firefox and its protocol are driven from a thread of its own, as Playwright has the main thread's event loop.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit

from tornado.websocket import websocket_connect

POLL_SECONDS = 0.05
PREFS = {
    "webgl.disabled": True,  # as on a computer without a graphics card: the ready-made pictures
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
# deep(selector, root) : the first element below `root`, in shadow roots, too
DEEP = """const deep = (selector, root = document) => {
  const here = root.querySelector(selector);
  if (here) return here;
  for (const node of root.querySelectorAll('*')) {
    const inside = node.shadowRoot && deep(selector, node.shadowRoot);
    if (inside) return inside;
  }
  return null;
};"""
NAMED = {"Enter": "\ue006", "Escape": "\ue00c", "ArrowRight": "\ue014", "Shift": "\ue008"}


def firefox_path():
    """A Firefox that is installed, else None."""
    named = [os.environ.get("FIREFOX", ""), "firefox-esr", "firefox"]
    return next((found for name in named if name and (found := shutil.which(name))), None)


@contextlib.contextmanager
def firefox(folder: Path, size=(1440, 900)):
    """A Firefox without a window and with a profile of its own in `folder`."""
    profile = folder / "profile"
    profile.mkdir()
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in PREFS.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [firefox_path(), "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
    log = folder / "firefox.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "MOZ_HEADLESS": "1"})
    try:
        browser = Firefox(address_in(log, process), size)
        yield browser
        browser.close()
    finally:
        process.terminate()
        process.wait(timeout=20)


def address_in(log: Path, process, seconds: float = 60) -> str:
    """The address at which a Firefox listens, as its output says."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and process.poll() is None:
        found = re.search(r"BiDi listening on (ws://\S+)", log.read_text())
        if found:
            return f"{found[1]}/session"
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"Firefox did not start:\n{log.read_text()}")


class Firefox:
    """One tab of a Firefox. problems : errors of its console and of its scripts, as texts"""

    def __init__(self, address: str, size):
        self.problems: list[str] = []
        self._answers: dict[int, Future] = {}
        self._asked = 0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._socket = self._run(lambda: websocket_connect(address, on_message_callback=self._heard))
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self._tab = self.ask("browsingContext.create", type="tab")["context"]
        viewport = {"width": size[0], "height": size[1]}
        self.ask("browsingContext.setViewport", context=self._tab, viewport=viewport)

    def _run(self, begin):
        async def awaited():
            return await begin()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)

    def _heard(self, message):
        if message is None:
            return
        said = json.loads(message)
        if said.get("type") == "event":
            entry = said["params"]
            if entry.get("level") == "error":
                self.problems.append(str(entry.get("text")))
        elif said.get("id") in self._answers:
            self._answers.pop(said["id"]).set_result(said)

    def ask(self, method: str, **params):
        """The answer to a command of WebDriver BiDi. RuntimeError with what Firefox says if it refuses."""
        self._asked += 1
        answer = self._answers[self._asked] = Future()
        command = json.dumps({"id": self._asked, "method": method, "params": params})
        self._run(lambda: self._socket.write_message(command))
        said = answer.result(60)
        if said["type"] == "error":
            raise RuntimeError(f"{method}: {said['message']}")
        return said["result"]

    def open(self, url: str, cookie: dict | None = None):
        """Open an address, with a cookie as `login_cookie` gives it."""
        if cookie is not None:
            named = {"name": cookie["name"], "domain": urlsplit(cookie["url"]).hostname, "path": "/"}
            self.ask("storage.setCookie", cookie={**named, "value": {"type": "string", "value": cookie["value"]}})
        self.ask("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def say(self, expression: str):
        """What a JavaScript expression is; a promise is awaited. Plain values only. It may use `deep`, see DEEP."""
        code = f"(async () => {{ {DEEP} return ({expression}); }})()"
        found = self.ask("script.evaluate", expression=code, target={"context": self._tab}, awaitPromise=True)
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 30):
        """Wait until an expression is true; AssertionError if it does not become so."""
        give_up = time.monotonic() + seconds
        while not self.say(f"Boolean({expression})"):
            assert time.monotonic() < give_up, f"waited in vain for {expression}"
            time.sleep(POLL_SECONDS)

    def press(self, key: str):
        """Press a key, or several together: `Shift+E`."""
        keys = [NAMED.get(part, part) for part in key.split("+")]
        actions = [{"type": "keyDown", "value": one} for one in keys]
        actions += [{"type": "keyUp", "value": one} for one in reversed(keys)]
        self.ask("input.performActions", context=self._tab, actions=[{"type": "key", "id": "keys", "actions": actions}])

    def close(self):
        with contextlib.suppress(RuntimeError):
            self.ask("session.end")
        self._loop.call_soon_threadsafe(self._loop.stop)
