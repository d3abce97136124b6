"""Logins: who is logged in, since when and from where. A login ends for every server that uses the same store.

A browser's cookie names a login, not an account. So a log-out, a new password or a closed account ends what the cookie
opened, even if somebody has copied the cookie.
"""

import secrets
import time
from dataclasses import dataclass

import sqlalchemy as sa

from triptych.pipeline import clock
from triptych.pipeline.store import schema

LOGIN_DAYS = 14  # a login ends after this time
KEPT_DAYS = 90  # an ended login stays in the table for this time, to show where an account was used


@dataclass(frozen=True)
class Login:
    """One login of one account that has not ended. Times are UTC texts; address : of the browser, '' = unknown."""

    login_id: str
    name: str
    created_utc: str
    last_seen_utc: str
    address: str = ""


class Logins:
    """The logins of a label store. A base class of `LabelStore`, which sets `engine`."""

    engine: sa.Engine

    def begin_login(self, name: str, address: str = "") -> Login:
        """Note that an account has logged in. The caller has checked the password. address : of the browser."""
        now = days_ago(0)
        login = Login(secrets.token_urlsafe(32), name, now, now, address)
        with schema.writing(self.engine) as connection:
            old = schema.logins.c.created_utc < days_ago(KEPT_DAYS)
            connection.execute(schema.logins.delete().where(old))
            connection.execute(schema.logins.insert(), vars(login) | {"ended_utc": None})
        return login

    def end_login(self, login_id: str) -> bool:
        """End one login. False if it had ended already."""
        with schema.writing(self.engine) as connection:
            return _end(connection, schema.logins.c.login_id == login_id) > 0

    def end_logins(self, name: str, but: str = "") -> int:
        """End all logins of an account, and return how many. but : login_id of one that goes on, '' = none"""
        with schema.writing(self.engine) as connection:
            return end_logins_of(connection, name, but)

    def logins(self, name: str = "") -> list[Login]:
        """The logins that have not ended, oldest first. name : of one account, '' = of all"""
        with schema.reading(self.engine) as connection:
            return open_logins_of(connection, name)

    def logins_seen(self, login_ids) -> None:
        """Note that these logins were used just now."""
        with schema.writing(self.engine) as connection:
            for login_id in login_ids:
                this_login = schema.logins.c.login_id == login_id
                connection.execute(schema.logins.update().where(this_login).values(last_seen_utc=days_ago(0)))


def end_logins_of(connection: sa.Connection, name: str, but: str = "") -> int:
    """End all logins of an account inside a transaction of the caller, and return how many."""
    return _end(connection, schema.logins.c.name == name, schema.logins.c.login_id != but)


def _end(connection: sa.Connection, *which) -> int:
    end = schema.logins.update().where(*which, schema.logins.c.ended_utc.is_(None))
    return connection.execute(end.values(ended_utc=days_ago(0))).rowcount


def open_logins_of(connection: sa.Connection, name: str = "") -> list[Login]:
    """The logins that have not ended: of one account, or of all."""
    c = schema.logins.c
    query = sa.select(c.login_id, c.name, c.created_utc, c.last_seen_utc, c.address)
    query = query.where(c.ended_utc.is_(None), c.created_utc >= days_ago(LOGIN_DAYS))
    if name:
        query = query.where(c.name == name)
    return [Login(**row._mapping) for row in connection.execute(query.order_by(c.created_utc, c.login_id))]


def days_ago(days: float) -> str:
    """A moment before now as the store writes it. It is the system's time, which no made-up past may change."""
    return clock.text_of(time.time() - days * 86400)
