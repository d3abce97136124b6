"""How browser tests wait: for what they mean, never for time.

    wait_until(page, lambda: "/picture/mosaic/900002.bin" in asked)
    painted(page)

Playwright's own `expect` and `wait_for_function` come first; these are for what they cannot ask.
"""

import time
from collections.abc import Callable

POLL_MS = 20


def wait_until(page, holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition asked in Python holds; the page's events are heard meanwhile.

    AssertionError : it does not hold after `seconds`
    """
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        page.wait_for_timeout(POLL_MS)


def painted(page) -> None:
    """Wait until what has been drawn is on the screen: two frames, as the first may have begun before."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def ready_to_vote(page) -> None:
    """Wait until the exposure on screen in Review has been there for long enough to be judged."""
    page.wait_for_function("() => window.__review?.shown() && window.__review.ready()")


class Requests:
    """The requests of a page from now on.

    url : of its server; addresses : in the order asked for, without that; open : how many wait for their answer
    """

    def __init__(self, page, url: str):
        self._page, self._url, self.open = page, url, 0
        self.addresses: list[str] = []
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._answered)

    def _asked(self, request):
        self.addresses.append(request.url.removeprefix(self._url))
        self.open += 1

    def _answered(self, _request):
        self.open -= 1

    def wait_for_answers(self) -> None:
        """Wait until none of them is on its way."""
        painted(self._page)  # what was asked for just now is on its way
        wait_until(self._page, lambda: self.open <= 0)
