"""Tries of passwords: few at a time, limited by address and name, and no owner is locked out by others."""

import asyncio
import threading

import pytest

from tests.app.aside import run_aside
from triptych.app.web import tries as tries_of_server
from triptych.app.web.tries import ADDRESS_TRIES, DEVICE_TRIES, MOST_WAITING, NAME_TRIES, THREADS, Busy, Limit, Tries


@pytest.fixture
def tries():
    return Tries()


def test_one_address_and_one_name_may_try_so_often_and_no_more(tries):
    names = [f"name {n}" for n in range(ADDRESS_TRIES)]
    assert [tries.may_try(name, "here", "")[0] for name in names] == [True] * ADDRESS_TRIES
    assert tries.may_try("amy", "here", "") == (False, False)
    assert tries.may_try("amy", "elsewhere", "") == (True, False)
    for n in range(NAME_TRIES):
        tries.may_try("ben", f"address {n}", "")
    assert tries.may_try("ben", "yet another", "") == (False, False)


def test_right_passwords_do_not_count(tries):
    for _ in range(3 * ADDRESS_TRIES):
        assert tries.may_try("amy", "here", "") == (True, False)
        tries.was_right("amy", "here", "", False)


def test_nobody_can_lock_an_owner_out_of_a_known_device(tries):
    for n in range(100):
        tries.may_try("amy", "here", "")
        tries.may_try("amy", f"address {n}", "")
    assert tries.may_try("amy", "here", "") == (False, False)
    assert tries.may_try("amy", "here", "her device") == (True, True)


def test_a_known_device_that_guesses_is_no_longer_known(tries):
    for _ in range(DEVICE_TRIES):
        assert tries.may_try("amy", "here", "her device") == (True, True)
    assert tries.may_try("amy", "here", "her device") == (True, False)


def test_time_lifts_a_limit_however_often_it_was_asked(monkeypatch):
    now = [100.0]
    limit = Limit(2)
    monkeypatch.setattr(limit, "_counts", tries_of_server.TTLCache(10, ttl=60, timer=lambda: now[0]))
    assert [limit.take("amy") for _ in range(3)] == [True, True, False]
    now[0] += 59
    assert not limit.take("amy")
    now[0] += 1.1
    assert limit.take("amy")


def test_few_passwords_are_checked_at_a_time_and_beyond_a_short_queue_none(tries):
    go_on, at_once, most = threading.Event(), [0], [0]
    lock = threading.Lock()

    def check():
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        go_on.wait(30)
        with lock:
            at_once[0] -= 1

    async def crowd():
        tasks = [asyncio.ensure_future(tries.run(check)) for _ in range(40)]
        await asyncio.sleep(0)  # each has begun
        other = await asyncio.to_thread(lambda: "a vote")
        go_on.set()
        return other, await asyncio.gather(*tasks, return_exceptions=True)

    other, found = run_aside(crowd())
    assert other == "a vote"
    assert most[0] <= THREADS
    assert sum(isinstance(one, Busy) for one in found) == 40 - MOST_WAITING
    assert run_aside(tries.run(lambda: "free again")) == "free again"
