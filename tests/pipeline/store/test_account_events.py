"""The log of accounts: every log-in and change is in it, with who did it, and nothing is ever taken out."""

import getpass

import pytest
import sqlalchemy as sa

from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.store import accounts, schema
from triptych.pipeline.store.logins import EVENTS, Actor

pytest_plugins = ["tests.postgres"]

LEA = Actor("lea", "192.0.2.7")
PASSWORD, OTHER = "a whole sentence", "another sentence"


@pytest.fixture
def amys(store):
    """The label store, SQLite and PostgreSQL, with one account."""
    store.add_user("amy", PASSWORD, by=LEA)
    return store


def told(store, name="amy"):
    """(what, by, address, details) of what happened after the account was made."""
    return [(one.what, one.by, one.address, one.details) for one in store.account_events(name)][1:]


def test_an_account_that_is_made_says_by_whom_and_as_what(amys):
    (event,) = amys.account_events()
    assert (event.what, event.name, event.by, event.address, event.details) == (
        "added",
        "amy",
        "lea",
        "192.0.2.7",
        "inspector",
    )


def test_log_ins_and_log_outs_say_from_where(amys):
    assert amys.check_password("amy", PASSWORD, address="192.0.2.1")
    login = amys.begin_login("amy", "192.0.2.1")
    assert amys.end_login(login.login_id, "192.0.2.2")
    assert not amys.end_login(login.login_id, "192.0.2.2")
    assert told(amys) == [("log-in", "amy", "192.0.2.1", ""), ("log-out", "amy", "192.0.2.2", "")]


def test_failures_and_the_lockout_are_told(amys):
    for _ in range(accounts.MAX_FAILURES):
        assert amys.check_password("amy", "wrong", address="198.51.100.1") is None
    assert amys.check_password("amy", PASSWORD, address="198.51.100.2") is None
    failed = ("log-in failed", "", "198.51.100.1", "wrong password")
    assert told(amys) == [
        *[failed] * accounts.MAX_FAILURES,
        ("locked out", "", "198.51.100.1", "60 s"),
        ("log-in failed", "", "198.51.100.2", "locked out"),
    ]


def test_a_name_without_an_account_is_not_written_down_because_it_may_be_a_password(amys):
    amys.check_password(PASSWORD, "amy", address="198.51.100.1")
    event = amys.account_events()[-1]
    assert (event.what, event.name, event.details) == ("log-in failed", "", "no such account")


def test_changes_say_who_made_them(amys):
    amys.begin_login("amy")
    amys.set_role("amy", "inspector", LEA)  # no change
    amys.set_role("amy", "viewer", LEA)
    amys.set_password("amy", OTHER, by=LEA)
    amys.begin_login("amy")
    amys.end_logins("amy", by=LEA)
    amys.set_active("amy", False, LEA)
    amys.check_password("amy", OTHER)
    amys.set_active("amy", True, LEA)
    assert told(amys)[1:] == [
        ("role", "lea", "192.0.2.7", "inspector to viewer"),
        ("password", "lea", "192.0.2.7", "logins ended: 1"),
        ("log-in", "amy", "", ""),
        ("logins ended", "lea", "192.0.2.7", "1"),
        ("closed", "lea", "192.0.2.7", ""),
        ("log-in failed", "", "", "closed"),
        ("opened", "lea", "192.0.2.7", ""),
    ]
    assert {event.what for event in amys.account_events()} <= set(EVENTS)


def test_at_the_command_line_the_system_says_who_it_is(amys):
    amys.set_role("amy", "lead")
    assert told(amys) == [("role", f"{getpass.getuser()} (command line)", "", "inspector to lead")]


def test_what_did_not_happen_is_not_told(amys, monkeypatch):
    with pytest.raises(BadInput):
        amys.add_user("AMY", OTHER)
    with pytest.raises(UnknownName):
        amys.set_role("bob", "lead")

    def fail(*_arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(accounts, "note_event", fail)
    for change in (
        lambda: amys.set_active("amy", False),
        lambda: amys.set_role("amy", "lead"),
        lambda: amys.set_password("amy", OTHER),
        lambda: amys.add_user("bob", OTHER),
    ):
        with pytest.raises(OSError, match="the disk is full"):
            change()
    assert amys.users() == [accounts.User("amy", "inspector")], "the change and its event are one transaction"
    assert amys.check_password("amy", PASSWORD)
    assert len(amys.account_events()) == 1


def test_no_password_is_ever_written_down(amys):
    amys.check_password("amy", "a wrong one")
    amys.check_password("amy", PASSWORD)
    amys.set_password("amy", OTHER)
    text = str(amys.account_events())
    assert not [word for word in (PASSWORD, OTHER, "a wrong one", "argon2") if word in text]


def test_events_of_one_account_or_since_a_moment(amys):
    amys.add_user("ben", OTHER, by=LEA)
    first, second = amys.account_events()
    assert amys.account_events("ben") == [second]
    assert amys.account_events(since=second.created_utc)[-1] == second
    assert amys.account_events(since="2999") == []
    assert first.created_utc <= second.created_utc


@pytest.mark.parametrize("statement", ["DELETE FROM account_events", "UPDATE account_events SET name = 'x'"])
def test_the_database_keeps_events(amys, statement):
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), schema.writing(amys.engine) as connection:
        connection.execute(sa.text(statement))
