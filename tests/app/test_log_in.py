"""The log-in form of a server: a crowd of wrong passwords stops nobody else."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.app.test_server import STYLE, Browser
from tests.app.test_server import served as served  # a fixture
from tests.survey import PASSWORD
from triptych.app.web.tries import ADDRESS_TRIES


@pytest.fixture
def door(served):
    return Browser(served.url)


def test_guesses_are_turned_away_and_the_owner_gets_in_where_they_were_before(served, door):
    assert door.log_in("ben").status == 302
    door.ask("/logout", b"", Origin=door.url)
    assert door.ask(STYLE).status == 403
    with ThreadPoolExecutor(40) as threads:
        found = list(threads.map(lambda n: Browser(served.url).log_in("ben", f"guess {n}"), range(40)))
    statuses = [answer.status for answer in found]
    assert set(statuses) <= {401, 429, 503}
    assert statuses.count(401) <= ADDRESS_TRIES
    refused = next(answer for answer in found if answer.status in (429, 503))
    assert int(refused.headers["Retry-After"]) > 0
    assert Browser(served.url).log_in("ben", PASSWORD).status == 429
    (name,) = [cookie.name for cookie in door.cookies if cookie.name.startswith("device-")]
    assert Browser(served.url).log_in("ben", PASSWORD, Cookie=f"{name}=made-up").status == 429
    assert door.log_in("ben", "one more guess").status == 401
    assert door.log_in("ben", PASSWORD).status == 302
    assert door.ask(STYLE).status == 200


def test_an_endless_password_is_only_wrong(served):
    door = Browser(served.url)
    assert door.log_in("nobody", "x" * 100_000).status in (401, 429)
