"""Accounts, for leads: add one, change its role, switch it on or off, give it a new password."""

import secrets

from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.store.accounts import ROLES

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without letters and digits that look alike
GROUPS, GROUP_LENGTH = 4, 4


def new_password():
    """A random password (79 bits) that is easy to read aloud, such as `k7mt-x2aq-9hfd-w3np`."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)


def accounts(app):
    """All accounts by name, as plain values: name, role, active, last_login_utc (text or None), locked_seconds."""
    facts = app.store.sign_ins()
    return [
        {"name": user.name, "role": user.role, "active": user.active, **facts.get(user.name, {})}
        for user in app.store.users()
    ]


def add(app, by, name, role, password=""):
    """Add an account. Without a password one is made up. by : pipeline.store.logins.Actor, who does it

    Returns {name, role, password}. password : the made-up password, to be shown once, or ""
    """
    name, made_up = str(name).strip(), not password
    password = password or new_password()
    user = app.store.add_user(name, password, choose(role, ROLES, "role"), by=by)
    app.accounts.forget()
    return {"name": user.name, "role": user.role, "password": password if made_up else ""}


def change(app, by, name, *, role=None, active=None, password=None):
    """Change an account. The change holds at once on all its open pages. password : "" makes one up, None = no change

    Returns {name, password, ended}. password : the made-up password, to be shown once, or "". ended : how many logins
    have ended. A new role ends none, but its open pages load again. Raises BadInput if leads would take their own
    rights away.
    """
    choose(name, [user.name for user in app.store.users()], "account")
    if name == by.name and (active is False or role not in (None, "lead")):
        raise BadInput("you cannot take your own rights away; ask another lead to do it")
    made_up, ended = "", 0
    if password is not None:
        made_up = "" if password else new_password()
        ended += app.store.set_password(name, password or made_up, by=by)
    if role is not None:
        app.store.set_role(name, role, by)
    if active is not None:
        ended += app.store.set_active(name, bool(active), by)
    app.accounts.forget()
    return {"name": name, "password": made_up, "ended": ended}
