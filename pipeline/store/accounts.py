"""Accounts: argon2 password hashes, roles, lockout after wrong passwords, and an active flag.

An account has either a password or none. Without one its user logs in through OAuth: somebody else says who they are.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.store import schema
from triptych.pipeline.store.logins import Actor, Login, end_logins_of, note_event, open_logins_of
from triptych.pipeline.store.passwords import check_new

ROLES = ("viewer", "inspector", "lead")
MAX_FAILURES = 5
LOCK_SECONDS = 60.0  # of the first lockout; doubled with each further failure, up to LOCK_LIMIT_SECONDS
LOCK_LIMIT_SECONDS = 3600.0

OF_OAUTH = "oauth"  # in place of the hash of an account without a password; no password has such a hash

_hasher = PasswordHasher()
_NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")


@dataclass(frozen=True)
class User:
    """One account. `role` is viewer (looks), inspector (votes) or lead (also exports, retrains, manages accounts).

    oauth : whether it has no password, and its user logs in through OAuth
    """

    name: str
    role: str
    active: bool = True
    oauth: bool = False


class Accounts:
    """The accounts of a label store. A base class of `LabelStore`, which sets `engine`."""

    engine: sa.Engine
    note_failure: Callable[..., None]  # of Logins

    def add_user(
        self,
        name: str,
        password: str | None,
        role: str = "inspector",
        *,
        any_password: bool = False,
        by: Actor | None = None,
    ) -> User:
        """Add an account. BadInput if the name exists already (in upper or lower case) or the password is refused.

        password : None = it has none, and its user logs in through OAuth
        by : who does it, here and in the other changes; None = whoever runs this program
        any_password : take passwords that are refused otherwise, for a demonstration
        """
        choose(role, ROLES, "role")
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name!r} cannot be an account name; use up to 64 letters, digits and . _ - + @")
        if password is None:
            password_hash = OF_OAUTH
        else:
            password_hash = _hasher.hash(password) if any_password else _hash(name, password)
        row = {
            "name": name,
            "password_hash": password_hash,
            "role": role,
            "active": True,
            "failures": 0,
            "locked_until": 0.0,
            "created_utc": schema.now_utc(),
        }
        with schema.writing(self.engine) as connection:
            same = sa.func.lower(schema.users.c.name) == name.lower()
            taken = connection.execute(sa.select(schema.users.c.name).where(same)).scalar()
            if taken is not None:
                raise BadInput(f"there is already an account {taken!r}; choose another name or set its password")
            connection.execute(schema.users.insert(), row)
            note_event(connection, "added", name, by, role if password is not None else f"{role}, {OF_OAUTH}")
        return User(name, role, oauth=password is None)

    def check_password(self, name: str, password: str, *, known_device: bool = False, address: str = "") -> User | None:
        """Return the account if it is active, not locked, and the password is right; else None.

        address : of the browser, for the log of failures
        known_device : the caller counts these tries; a lockout does not stop them, and they leave it as it is

        Each try counts as a failure until the password proves right. So tries at the same moment cannot get round the
        limit. A name without an account takes as long to check as a name with one.
        """
        row = self._active(name) if known_device else self._count_try(name)
        of_nobody = _hash_of_nobody()
        has_password = row is not None and row.password_hash != OF_OAUTH
        right = _verify(row.password_hash if row is not None and has_password else of_nobody, password)
        if row is None or not has_password or not right:
            self._note_try(name, row, address)
            return None
        values: dict = {"last_login_utc": schema.now_utc()}
        if not known_device:
            values |= {"failures": 0, "locked_until": 0.0}
        if _hasher.check_needs_rehash(row.password_hash):
            values["password_hash"] = _hasher.hash(password)
        with schema.writing(self.engine) as connection:
            _change_user(connection, name, **values)
        return User(row.name, row.role)

    def check_oauth(self, name: str, through: str, address: str = "") -> tuple[User | None, str]:
        """(the active account of somebody whom an OAuth provider has named, "") or (None, why not).

        Upper and lower case are the same. An account with a password is none of theirs: whoever calls themselves so
        somewhere else is somebody else. Why not: "closed" or "no such account".
        through : name of the provider, for the log    address : of the browser, for the log
        """
        with schema.writing(self.engine) as connection:
            rows = connection.execute(sa.select(schema.users).where(schema.users.c.password_hash == OF_OAUTH)).all()
            row = next((row for row in rows if row.name.lower() == name.lower()), None)
            if row is not None and row.active:
                _change_user(connection, row.name, last_login_utc=schema.now_utc())
                return User(row.name, row.role, oauth=True), ""
        if row is not None:
            self.note_failure(row.name, address, f"closed ({through})")
            return None, "closed"
        shown = name if _NAME.fullmatch(name) else "a name that no account can have"
        self.note_failure("", address, f"no such account: {shown} ({through})")
        return None, "no such account"

    def set_oauth(self, name: str, by: Actor | None = None) -> int:
        """Take an account's password away: its user logs in through OAuth from now on. Returns how many logins end."""
        with schema.writing(self.engine) as connection:
            _change_user(connection, name, password_hash=OF_OAUTH, failures=0, locked_until=0.0)
            ended = end_logins_of(connection, name)
            note_event(connection, "oauth", name, by, _and_logins(ended))
        return ended

    def _active(self, name: str) -> sa.Row | None:
        """The row of an active account."""
        with schema.reading(self.engine) as connection:
            query = sa.select(schema.users).where(schema.users.c.name == name, schema.users.c.active)
            return connection.execute(query).first()

    def accounts_with(self, password: str) -> list[str]:
        """Names of the active accounts that have this password. Slow: it checks one after the other."""
        with schema.reading(self.engine) as connection:
            rows = connection.execute(sa.select(schema.users).where(schema.users.c.active)).all()
        return sorted(row.name for row in rows if _verify(row.password_hash, password))

    def _count_try(self, name: str) -> sa.Row | None:
        """Count one try against an account and return the account. None if it may not try now."""
        user = schema.users.c.name == name
        with schema.writing(self.engine) as connection:
            row = connection.execute(sa.select(schema.users).where(user)).first()
            if row is None or not row.active or _locked_seconds(row.failures, row.locked_until):
                return None
            failures = row.failures + 1
            values = {"failures": failures}
            if failures >= MAX_FAILURES:
                values["locked_until"] = time.time() + _lock_seconds(failures)
            connection.execute(schema.users.update().where(user).values(values))
        return row

    def locked_seconds(self, name: str) -> float:
        """Seconds until this account may try again; 0 if it may try now."""
        with schema.reading(self.engine) as connection:
            query = sa.select(schema.users.c.failures, schema.users.c.locked_until).where(schema.users.c.name == name)
            row = connection.execute(query).first()
        return _locked_seconds(row.failures, row.locked_until) if row else 0.0

    def user(self, name: str) -> User | None:
        """The account of that name, active or not; None if there is none."""
        with schema.reading(self.engine) as connection:
            row = connection.execute(sa.select(schema.users).where(schema.users.c.name == name)).first()
        return _user_of(row) if row else None

    def users(self) -> list[User]:
        """All accounts, sorted by name."""
        with schema.reading(self.engine) as connection:
            rows = connection.execute(sa.select(schema.users).order_by(schema.users.c.name)).all()
        return [_user_of(row) for row in rows]

    def rights(self) -> tuple[dict[str, User], dict[str, Login]]:
        """Active users by name and their open logins by login_id, both of the same moment."""
        with schema.reading(self.engine) as connection:
            rows = connection.execute(sa.select(schema.users).where(schema.users.c.active)).all()
            logins = open_logins_of(connection)
        users = {row.name: _user_of(row) for row in rows}
        return users, {login.login_id: login for login in logins if login.name in users}

    def sign_ins(self) -> dict[str, dict]:
        """All accounts: name -> {last_login_utc: text or None, locked_seconds: until it may try again, 0 = now}."""
        c = schema.users.c
        with schema.reading(self.engine) as connection:
            rows = connection.execute(sa.select(c.name, c.last_login_utc, c.failures, c.locked_until)).all()
        return {
            row.name: {
                "last_login_utc": row.last_login_utc,
                "locked_seconds": _locked_seconds(row.failures, row.locked_until),
            }
            for row in rows
        }

    def set_active(self, name: str, active: bool, by: Actor | None = None) -> int:
        """Allow or forbid an account to log in. Its votes stay. Returns how many of its logins ended."""
        with schema.writing(self.engine) as connection:
            _change_user(connection, name, active=bool(active))
            ended = 0 if active else end_logins_of(connection, name)
            note_event(connection, "opened" if active else "closed", name, by, _and_logins(ended))
        return ended

    def set_role(self, name: str, role: str, by: Actor | None = None) -> None:
        """Give an account another role, one of ROLES. Until when somebody was a lead is noted for good."""
        choose(role, ROLES, "role")
        with schema.writing(self.engine) as connection:
            query = sa.select(schema.users.c.role).where(schema.users.c.name == name)
            before = connection.execute(query).scalar()
            if before == "lead" != role:
                t, row = schema.former_leads, {"name": name, "until_utc": schema.now_utc()}
                connection.execute(t.delete().where(t.c.name == name))
                connection.execute(t.insert(), row)
            _change_user(connection, name, role=role)
            if before != role:
                note_event(connection, "role", name, by, f"{before} to {role}")

    def led_until(self, name: str) -> str:
        """When this account was a lead for the last time, as ISO text in UTC, if it is none now; '' = never."""
        c = schema.former_leads.c
        with schema.reading(self.engine) as connection:
            return connection.execute(sa.select(c.until_utc).where(c.name == name)).scalar() or ""

    def set_password(self, name: str, password: str, but: str = "", by: Actor | None = None) -> int:
        """Set a new password, end any lockout and all logins, and return how many logins ended.

        but : login_id of a login that goes on, '' = none
        """
        values = {"password_hash": _hash(name, password), "failures": 0, "locked_until": 0.0}
        with schema.writing(self.engine) as connection:
            _change_user(connection, name, **values)
            ended = end_logins_of(connection, name, but)
            note_event(connection, "password", name, by, _and_logins(ended))
        return ended

    def _note_try(self, name: str, row: sa.Row | None, address: str) -> None:
        """Write down that a password was refused. row : of the account as it was before, None = it may not try"""
        known = self.user(name)
        if row is None:
            details = "no such account" if known is None else "locked out" if known.active else "closed"
            return self.note_failure(name if known else "", address, details)
        return self.note_failure(name, address, "wrong password", self.locked_seconds(name))


def _user_of(row: sa.Row) -> User:
    return User(row.name, row.role, row.active, row.password_hash == OF_OAUTH)


def _and_logins(ended: int) -> str:
    """Details of an event that has ended logins."""
    return f"logins ended: {ended}" if ended else ""


def _change_user(connection: sa.Connection, name: str, **values) -> None:
    changed = connection.execute(schema.users.update().where(schema.users.c.name == name).values(values))
    if not changed.rowcount:
        known = connection.execute(sa.select(schema.users.c.name).order_by(schema.users.c.name)).scalars()
        choose(name, known, "account")


def _lock_seconds(failures: int) -> float:
    """How long so many failures lock an account."""
    return min(LOCK_SECONDS * 2 ** max(0, failures - MAX_FAILURES), LOCK_LIMIT_SECONDS)


def _locked_seconds(failures: int, locked_until: float) -> float:
    """Seconds until an account may try again; 0 if it may try now.

    More than the lockout's whole length can only be left if the clock was put back. Then the lockout is over.
    """
    left = locked_until - time.time()
    return left if 0 < left <= _lock_seconds(failures) else 0.0


def _hash(name: str, password: str) -> str:
    check_new(name, password)
    return _hasher.hash(password)


@cache
def _hash_of_nobody() -> str:
    """The hash to compare a password with if there is no account. It is made at the first try, because that is slow."""
    return _hasher.hash("no account has this password")


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
