"""Accounts: passwords are never stored, wrong ones lock, inactive people stay out."""

import threading
import time

import pytest
import sqlalchemy as sa

from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.store import accounts, schema

pytest_plugins = ["tests.postgres"]


def test_the_right_password_lets_in_and_a_wrong_one_does_not(store):
    assert store.add_user("amy", "correct horse", "inspector") == accounts.User("amy", "inspector", True)
    assert store.check_password("amy", "correct horse") == accounts.User("amy", "inspector", True)
    assert store.check_password("amy", "wrong horse") is None
    assert store.check_password("nobody", "correct horse") is None


def test_only_a_hash_is_stored(store):
    store.add_user("amy", "correct horse")
    with schema.reading(store.engine) as connection:
        row = connection.execute(sa.select(schema.users)).one()
    assert row.password_hash.startswith("$argon2id$")
    assert "correct horse" not in str(tuple(row))


def test_repeated_failures_lock_and_time_unlocks(store, monkeypatch):
    store.add_user("amy", "correct horse")
    for _ in range(accounts.MAX_FAILURES):
        assert store.check_password("amy", "guess") is None
    assert 0 < store.locked_seconds("amy") <= accounts.LOCK_SECONDS
    assert store.check_password("amy", "correct horse") is None
    later = time.time() + accounts.LOCK_SECONDS + 1
    monkeypatch.setattr(accounts.time, "time", lambda: later)
    assert store.locked_seconds("amy") == 0
    assert store.check_password("amy", "correct horse")
    assert store.check_password("amy", "guess") is None  # the count starts again
    assert store.locked_seconds("amy") == 0


def test_each_further_failure_locks_for_longer(store, monkeypatch):
    store.add_user("amy", "correct horse")
    now = time.time()
    monkeypatch.setattr(accounts.time, "time", lambda: now)
    waits = []
    for _ in range(accounts.MAX_FAILURES + 2):
        store.check_password("amy", "guess")
        waits.append(store.locked_seconds("amy"))
        now += waits[-1] + 1
    assert waits[accounts.MAX_FAILURES - 2] == 0
    assert waits[-3:] == pytest.approx([60, 120, 240], abs=1)


def test_a_success_forgets_the_failures_before_it(store):
    store.add_user("amy", "correct horse")
    for _ in range(3):
        for _ in range(accounts.MAX_FAILURES - 1):
            store.check_password("amy", "guess")
        assert store.check_password("amy", "correct horse")


def test_guesses_made_at_the_same_time_do_not_slip_past_the_limit(store, monkeypatch):
    store.add_user("amy", "correct horse")
    verified = []
    real, of_nobody = accounts._verify, accounts._hash_of_nobody()
    monkeypatch.setattr(accounts, "_verify", lambda *args: verified.append(args[0] != of_nobody) or real(*args))
    threads = [threading.Thread(target=store.check_password, args=("amy", f"guess {n}")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(verified) == accounts.MAX_FAILURES


def test_a_new_password_lifts_a_lockout(store):
    store.add_user("amy", "correct horse")
    for _ in range(accounts.MAX_FAILURES):
        store.check_password("amy", "guess")
    store.set_password("amy", "battery staple")
    assert store.check_password("amy", "battery staple")
    assert store.check_password("amy", "correct horse") is None


def test_an_inactive_account_stays_out_and_on_the_list(store):
    store.add_user("amy", "correct horse")
    store.set_active("amy", False)
    assert store.check_password("amy", "correct horse") is None
    assert store.user("amy") == accounts.User("amy", "inspector", False)
    store.set_active("amy", True)
    assert store.check_password("amy", "correct horse")


def test_accounts_are_listed_by_name_with_their_roles(store):
    store.add_user("lea", "correct horse", "lead")
    store.add_user("ben", "correct horse", "viewer")
    store.set_role("ben", "inspector")
    assert [(user.name, user.role) for user in store.users()] == [("ben", "inspector"), ("lea", "lead")]
    assert store.user("nobody") is None


@pytest.mark.parametrize("name", ["", " ", "two words", "-dash", "a" * 65, "semi;colon", "new\nline"])
def test_names_that_could_not_sign_a_vote_are_refused(store, name):
    with pytest.raises(BadInput, match="account name"):
        store.add_user(name, "correct horse")


def test_a_taken_name_a_short_password_and_an_unknown_role_are_refused(store):
    store.add_user("amy", "correct horse")
    with pytest.raises(BadInput, match="already an account 'amy'"):
        store.add_user("Amy", "correct horse")
    with pytest.raises(BadInput, match="at least 8"):
        store.add_user("ben", "short")
    with pytest.raises(UnknownName, match="Did you mean 'inspector'"):
        store.add_user("ben", "correct horse", "inspecter")
    with pytest.raises(UnknownName, match="Did you mean 'amy'"):
        store.set_active("ammy", False)


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "Password1!",
        "12345678",
        "2026-11-30",
        "henrietta",
        "Henrietta1912",
        "triptych",
        "Triptych2026",
        "aaaaaaaa",
    ],
)
def test_passwords_that_anybody_would_try_first_are_refused(store, password):
    with pytest.raises(BadInput, match="first that anybody would try"):
        store.add_user("henrietta", password)
    store.add_user("henrietta", "correct horse")
    with pytest.raises(BadInput, match="first that anybody would try"):
        store.set_password("henrietta", password)
    assert store.check_password("henrietta", "correct horse")


def test_a_demonstration_may_have_a_known_password_and_it_can_be_found(store):
    store.add_user("vera", "triptych", any_password=True)
    store.add_user("annie", "triptych", any_password=True)
    store.add_user("amy", "correct horse")
    store.set_active("annie", False)
    assert store.accounts_with("triptych") == ["vera"]


def test_a_lockout_does_not_stop_a_known_device_and_stays(store):
    store.add_user("amy", "correct horse")
    for _ in range(accounts.MAX_FAILURES):
        store.check_password("amy", "guess")
    assert store.check_password("amy", "correct horse") is None
    assert store.check_password("amy", "guess", known_device=True) is None
    assert store.check_password("amy", "correct horse", known_device=True).name == "amy"
    assert store.locked_seconds("amy") > 0
    store.set_active("amy", False)
    assert store.check_password("amy", "correct horse", known_device=True) is None


def test_a_clock_that_is_put_back_stretches_no_lockout(store, monkeypatch):
    store.add_user("amy", "correct horse")
    now = [time.time()]
    monkeypatch.setattr(accounts.time, "time", lambda: now[0])
    for _ in range(accounts.MAX_FAILURES):
        store.check_password("amy", "guess")
    now[0] -= 3600
    assert store.locked_seconds("amy") == store.sign_ins()["amy"]["locked_seconds"] == 0
    assert store.check_password("amy", "guess") is None
    assert store.locked_seconds("amy") == pytest.approx(2 * accounts.LOCK_SECONDS)
    now[0] += 2 * accounts.LOCK_SECONDS + 1
    assert store.check_password("amy", "correct horse")
