"""How often and how many at a time somebody may try a password.

Checking a password is slow on purpose. So it has threads of its own, few, and a short queue: votes and pictures never
wait for it. On top of the account's lockout in the label store, tries are limited by address and by name.

A browser that has logged in before keeps a signed cookie, one for each account: it is a known device of that account.
Its tries are counted by themselves, and neither the account's lockout nor other people's tries stop it. So nobody can
lock an owner out by guessing from elsewhere. (OWASP calls this device cookies.)
"""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

from cachetools import TTLCache

from triptych.app.web.place import COOKIE

THREADS = 2
MOST_WAITING = 20
WINDOW_SECONDS = 60.0
ADDRESS_TRIES = 20  # in a window, from one address: a whole observing room behind one router
NAME_TRIES = 10
DEVICE_TRIES = 5
KEYS_KEPT = 10_000
DEVICE_DAYS = 365


class Busy(Exception):
    """Too many passwords wait to be checked."""


class Limit:
    """Counts tries by key. After `most` tries a key is refused until `seconds` after the first of them. Thread-safe."""

    def __init__(self, most, seconds=WINDOW_SECONDS):
        self.most = most
        self._lock = threading.Lock()
        self._counts = TTLCache(KEYS_KEPT, ttl=seconds)  # key -> [count]; its clock is never set back

    def take(self, key):
        """Count one try. False if it is one too many."""
        with self._lock:
            if key not in self._counts:
                self._counts[key] = [0]
            count = self._counts[key]
            count[0] += 1
            return count[0] <= self.most

    def give_back(self, key):
        """Forget one try, because it was right."""
        with self._lock:
            if key in self._counts:
                self._counts[key][0] -= 1


class Tries:
    """The tries of one server."""

    def __init__(self):
        self.addresses, self.names, self.devices = Limit(ADDRESS_TRIES), Limit(NAME_TRIES), Limit(DEVICE_TRIES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0

    def may_try(self, name, address, device):
        """(whether this try is allowed, whether it comes from a known device). device : its id, '' = none"""
        if device and self.devices.take((name, device)):
            return True, True
        by_address, by_name = self.addresses.take(address), self.names.take(name)
        return by_address and by_name, False

    def was_right(self, name, address, device, known):
        """A try was right, so it does not count."""
        if known:
            self.devices.give_back((name, device))
            return
        self.addresses.give_back(address)
        self.names.give_back(name)

    async def run(self, work, *arguments, **options):
        """Do slow work with passwords. Called in the event loop. Raises Busy if too much of it waits already."""
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: work(*arguments, **options))
        finally:
            self._waiting -= 1


def device_cookie(name, place):
    """The name of the cookie that makes a browser a known device of an account. place : app.web.place.Place"""
    return f"{place.cookie.replace(COOKIE, 'device', 1)}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
