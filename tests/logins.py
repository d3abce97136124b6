"""Cookies of logged-in users, made without the login form."""

from tornado.web import create_signed_value

from triptych.app.web.auth import COOKIE


def cookie_of(store, secret, user):
    """The value of the cookie of an open login. It is the same one as long as the login has not ended."""
    login = next(iter(store.logins(user)), None) or store.begin_login(user)
    return create_signed_value(secret, COOKIE, login.login_id).decode()


def cookie_header(app, user):
    """The header Cookie of a logged-in user. app : app.context.AppContext    user : None = not logged in"""
    return f"{COOKIE}={cookie_of(app.store, app.secret, user)}" if user else ""
