"""Logins: each ends by itself, with the account or with the password, and never comes back."""

import pytest

from triptych.pipeline.store import logins, schema

pytest_plugins = ["tests.postgres"]


@pytest.fixture
def amy(store):
    store.add_user("amy", "correct horse")
    return store


def test_a_login_is_open_until_it_ends(amy):
    one, two = amy.begin_login("amy", "192.0.2.7"), amy.begin_login("amy")
    assert amy.logins("amy") == [one, two]
    assert one.address == "192.0.2.7"
    assert len({one.login_id, two.login_id}) == 2
    assert amy.end_login(one.login_id)
    assert not amy.end_login(one.login_id)
    assert amy.logins() == [two]
    assert amy.rights()[1] == {two.login_id: two}


def test_a_new_password_and_a_closed_account_end_logins_and_nothing_brings_them_back(amy):
    amy.add_user("ben", "correct horse")
    kept, other, of_ben = amy.begin_login("amy"), amy.begin_login("amy"), amy.begin_login("ben")
    assert amy.set_password("amy", "battery staple", but=kept.login_id) == 1
    assert amy.logins() == [kept, of_ben]
    assert other not in amy.logins()
    assert amy.set_password("amy", "correct horse") == 1
    amy.begin_login("amy")
    assert amy.set_active("amy", False) == 1
    assert amy.set_active("amy", True) == 0
    assert amy.logins() == [of_ben]
    users, open_logins = amy.rights()
    assert (set(users), set(open_logins)) == ({"amy", "ben"}, {of_ben.login_id})


def test_a_login_ends_by_its_age_and_an_old_one_leaves_the_table(amy):
    for days in (logins.LOGIN_DAYS - 1, logins.LOGIN_DAYS + 1, logins.KEPT_DAYS + 1):
        stamp = logins.days_ago(days)
        row = {"login_id": str(days), "name": "amy", "created_utc": stamp, "last_seen_utc": stamp, "address": ""}
        with schema.writing(amy.engine) as connection:
            connection.execute(schema.logins.insert(), row)
    assert [login.login_id for login in amy.logins()] == [str(logins.LOGIN_DAYS - 1)]
    amy.begin_login("amy")
    with schema.reading(amy.engine) as connection:
        kept = {row.login_id for row in connection.execute(schema.logins.select())}
    assert str(logins.LOGIN_DAYS + 1) in kept
    assert str(logins.KEPT_DAYS + 1) not in kept


def test_a_login_that_is_used_says_when_last(amy):
    login = amy.begin_login("amy")
    amy.logins_seen([login.login_id])
    assert amy.logins()[0].last_seen_utc > login.last_seen_utc
