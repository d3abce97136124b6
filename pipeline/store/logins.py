"""Logins: who is logged in, since when and from where, and the log of what happened to accounts.

A login ends for every server that uses the same store.

A browser's cookie names a login, not an account. So a log-out, a new password or a closed account ends what the cookie
opened, even if somebody has copied the cookie.
"""

import getpass
import secrets
import time
from dataclasses import dataclass

import sqlalchemy as sa

from triptych.pipeline import clock
from triptych.pipeline.store import schema

LOGIN_DAYS = 14  # a login ends after this time
KEPT_DAYS = 90  # an ended login stays in the table for this time, to show where an account was used


EVENTS = (
    "log-in",
    "log-in failed",
    "locked out",
    "log-out",
    "logins ended",
    "added",
    "closed",
    "opened",
    "role",
    "password",
    "oauth",
)


@dataclass(frozen=True)
class Actor:
    """Who changes an account. name : their account, or their name on the system. address : of the browser"""

    name: str
    address: str = ""


def at_the_command_line() -> Actor:
    """Whoever runs this program. No account can have such a name."""
    try:
        return Actor(f"{getpass.getuser()} (command line)")
    except (OSError, KeyError):  # a user without a name on this system
        return Actor("unknown (command line)")


@dataclass(frozen=True)
class AccountEvent:
    """One thing that happened to an account. what : one of EVENTS    by : who did it    address : '' = command line"""

    event_id: int
    created_utc: str
    what: str
    name: str
    by: str
    address: str
    details: str


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

    def begin_login(self, name: str, address: str = "", through: str = "") -> Login:
        """Note that an account has logged in. The caller has checked that it may.

        address : of the browser    through : name of the OAuth provider that said who it is, '' = a password did
        """
        now = days_ago(0)
        login = Login(secrets.token_urlsafe(32), name, now, now, address)
        with schema.writing(self.engine) as connection:
            old = schema.logins.c.created_utc < days_ago(KEPT_DAYS)
            connection.execute(schema.logins.delete().where(old))
            connection.execute(schema.logins.insert(), vars(login) | {"ended_utc": None})
            note_event(connection, "log-in", name, Actor(name, address), through)
        return login

    def end_login(self, login_id: str, address: str = "") -> bool:
        """End one login: its user logs out. False if it had ended already. address : of the browser"""
        with schema.writing(self.engine) as connection:
            if not _end(connection, schema.logins.c.login_id == login_id):
                return False
            query = sa.select(schema.logins.c.name).where(schema.logins.c.login_id == login_id)
            name = connection.execute(query).scalar_one()
            note_event(connection, "log-out", name, Actor(name, address))
            return True

    def end_logins(self, name: str, but: str = "", by: Actor | None = None) -> int:
        """End all logins of an account, and return how many.

        but : login_id of one that goes on, '' = none. by : who ends them, None = whoever runs this program
        """
        with schema.writing(self.engine) as connection:
            ended = end_logins_of(connection, name, but)
            note_event(connection, "logins ended", name, by, str(ended))
            return ended

    def note_failure(self, name: str, address: str = "", details: str = "", locked_seconds: float = 0.0) -> None:
        """Note that somebody could not log in. name : '' if there is no such account: a password may have been typed.

        locked_seconds : for so long the account is locked out now, 0 = it is not
        """
        with schema.writing(self.engine) as connection:
            note_event(connection, "log-in failed", name, Actor("", address), details)
            if locked_seconds:
                note_event(connection, "locked out", name, Actor("", address), f"{locked_seconds:.0f} s")

    def account_events(self, name: str | None = None, since: str = "") -> list[AccountEvent]:
        """What happened to accounts, oldest first. name : of one account, None = of all. since : ISO text in UTC"""
        t = schema.account_events
        query = sa.select(t).where(t.c.created_utc >= since).order_by(t.c.event_id)
        if name is not None:
            query = query.where(t.c.name == name)
        with schema.reading(self.engine) as connection:
            return [AccountEvent(**row._mapping) for row in connection.execute(query)]

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


def note_event(connection: sa.Connection, what: str, name: str, by: Actor | None = None, details: str = "") -> None:
    """Write down what happens to an account, inside the transaction of the change.

    by : who does it, None = whoever runs this program
    """
    who, t = by or at_the_command_line(), schema.account_events
    row = {"event_id": schema.next_number(connection, t.c.event_id), "created_utc": days_ago(0), "what": what}
    connection.execute(t.insert(), row | {"name": name, "by": who.name, "address": who.address, "details": details})


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
