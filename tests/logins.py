"""Cookies of logged-in users, made without the login form."""

from tornado.web import create_signed_value

from triptych.app.web.place import COOKIE


def cookie_of(store, secret, user, name=COOKIE):
    """The value of the cookie of an open login. It is the same one as long as the login has not ended.

    name : of the cookie
    """
    login = next(iter(store.logins(user)), None) or store.begin_login(user)
    return create_signed_value(secret, name, login.login_id).decode()


def cookie_header(app, user):
    """The header Cookie of a logged-in user. app : app.context.AppContext    user : None = not logged in"""
    name = app.place.cookie
    return f"{name}={cookie_of(app.store, app.secret, user, name)}" if user else ""
