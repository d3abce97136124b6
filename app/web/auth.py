"""The login, with the accounts of the label store, and the base of every route. For the other way in see app.oauth.

The label store keeps passwords as argon2 hashes. It also counts failures and locks an account for a while. The browser
keeps one signed cookie (HttpOnly, SameSite=Strict, Secure behind TLS), which names a login in the label store. Without
it nobody gets a page, a picture, a script of Triptych or a number. A login that ends, by a log-out, a new password or
because the account is closed, ends within two seconds on every server that uses the store.

A request that changes something must come from our own page: SameSite keeps the cookie from other sites, and the server
checks the Origin header.
"""

import asyncio
import functools
import re
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

import tornado.web
from jinja2 import Environment, FileSystemLoader, select_autoescape
from panel.auth import BasicAuthProvider
from panel.config import config

from triptych.app.web.fault_handler import FaultHandler, words_for
from triptych.app.web.faults import fault_of
from triptych.app.web.libraries import addresses
from triptych.app.web.tries import DEVICE_DAYS, WINDOW_SECONDS, Busy, device_cookie
from triptych.pipeline.store.accounts import User
from triptych.pipeline.store.logins import LOGIN_DAYS, Actor, Login
from triptych.pipeline.store.passwords import MAX_LENGTH

PAGES = Path(__file__).resolve().parents[2] / "static"
_pages = Environment(loader=FileSystemLoader(PAGES), autoescape=select_autoescape(["html"]))


def page(name, *, root="/", **values):
    """A page that works without a login, because its style and logo are part of it.

    name : file under static/, e.g. outside/login.html    root : path of the run's page
    """
    return _pages.get_template(name).render(logo=(PAGES / "frame/logo.svg").read_text(), root=root, **values)


class DoorHandler(FaultHandler):
    """Base of the ways to log in."""

    @property
    def app(self):
        return provider_of(self).app

    async def log_in(self, user, address, through=""):
        """Begin a login of somebody who may, and send the browser its cookie. through : see LabelStore.begin_login"""
        login = await asyncio.to_thread(self.app.store.begin_login, user.name, address, through)
        self.keep_cookie(self.app.place.cookie, login.login_id, LOGIN_DAYS)

    def next_url(self):
        """The path to go on to after the login. Status 400 unless it is one of this server."""
        place = self.app.place
        return own_path(self.get_argument("next", ""), place.site_root) or place.root

    def keep_cookie(self, name, value, days, **more):
        """Send a signed cookie that only our own pages send back and no script can read. more : what is different"""
        place = self.app.place
        more = {
            "httponly": True,
            "samesite": "Strict",
            "secure": self.app.secure_cookies,
            "path": place.site_root,
        } | more
        self.set_signed_cookie(name, value, expires_days=days, **more)

    def write_error(self, status_code, **kwargs):
        write_error_page(self, status_code, **kwargs)


class LoginHandler(DoorHandler):
    """The login form.

    The message after a failure is always the same, so that nobody learns whether the name, the password or a pause of
    the account was the cause.
    """

    def get(self):
        self.show("")

    async def post(self):
        if not same_origin(self.request):
            raise tornado.web.HTTPError(403, "this form was sent from another site")
        name = self.get_body_argument("username", "").strip()
        password = self.get_body_argument("password", "", strip=False)
        next_url = self.next_url()
        tries, address = self.app.tries, self.request.remote_ip or ""
        allowed, known = tries.may_try(name, address, device := self.device_of(name))
        if not allowed:
            return self.turn_away(429, WINDOW_SECONDS, "Too many tries. Wait a minute, then try again.", name)
        try:
            check = self.app.store.check_password
            user = await tries.run(check, name, password[:MAX_LENGTH], known_device=known, address=address)
        except Busy:
            return self.turn_away(503, 5, "Too many people log in just now. Try again in a few seconds.", name)
        if user is None:
            self.set_status(401)
            self.show("Unknown name or wrong password. After five failures an account pauses for a minute.", name)
            return
        self.user = user  # whom the log names
        tries.was_right(name, address, device, known)
        place = self.app.place
        await self.log_in(user, address)
        self.keep_cookie(device_cookie(name, place), device or secrets.token_urlsafe(16), DEVICE_DAYS)
        self.redirect(next_url)

    def device_of(self, name):
        """Id of this browser if it has logged in as `name` before, else ''."""
        return (self.get_signed_cookie(device_cookie(name, self.app.place), max_age_days=DEVICE_DAYS) or b"").decode()

    def turn_away(self, status, seconds, problem, name):
        """Show the form again without having looked at the password. seconds : when to come back"""
        self.set_status(status)
        self.set_header("Retry-After", str(int(seconds)))
        self.show(problem, name)

    def show(self, problem, name=""):
        """Write the form. problem : what went wrong, '' = nothing. name : what the user typed before"""
        next_url = self.next_url()
        self.set_header("Cache-Control", "no-store")
        libraries = addresses(self.application)
        more = {"username": name, "next_url": next_url, "libraries": libraries}
        more |= {"about": self.app.catalog.about, "root": self.app.place.root}
        more |= {"oauth": self.app.oauth.name if self.app.oauth else ""}
        self.finish(page("outside/login.html", problem=problem, **more))


class LogoutHandler(FaultHandler):
    """POST ends the login; with everywhere=1 it ends all logins of the account. It must come from our own page.

    GET ends nothing. It says whether somebody is logged in, because somebody else may use this screen next.
    """

    def get(self):
        self.set_header("Cache-Control", "no-store")
        user, _login = provider_of(self).login_of(self)
        self.finish(page("outside/logout.html", user=user.name if user else "", root=provider_of(self).app.place.root))

    async def post(self):
        if not same_origin(self.request):
            raise tornado.web.HTTPError(403, "this form was sent from another site")
        provider = provider_of(self)
        user, login = provider.login_of(self)
        if user is not None and self.get_body_argument("everywhere", ""):
            by = Actor(user.name, self.request.remote_ip or "")
            await asyncio.to_thread(provider.app.store.end_logins, user.name, by=by)
        elif login is not None:
            await asyncio.to_thread(provider.app.store.end_login, login.login_id, self.request.remote_ip or "")
        provider.app.accounts.forget()
        place = provider.app.place
        self.clear_cookie(place.cookie, path=place.site_root)
        self.redirect(f"{place.root}logout", status=303)

    def write_error(self, status_code, **kwargs):
        write_error_page(self, status_code, **kwargs)


class StoreAuth(BasicAuthProvider):
    """Panel's login with the accounts of the label store."""

    def __init__(self, app):
        self.app = app
        super().__init__(
            login_template=str(PAGES / "outside/login.html"),
            logout_template=str(PAGES / "outside/logout.html"),
            error_template=str(PAGES / "outside/error.html"),
        )

    @property
    def get_user(self):
        return self.user_name

    def user_name(self, handler):
        """Name of the active user who sent a request, or None."""
        user, _login = self.login_of(handler)
        return user.name if user else None

    def login_of(self, handler) -> tuple[User | None, Login | None]:
        """Who sent a request, and the login of their cookie; (None, None) without an open login."""
        try:
            return login_of_cookie(self.app, handler.get_cookie(self.app.place.cookie))
        except Exception as error:
            if not isinstance(handler, FaultHandler):  # a handler of Panel, whose own error page says nothing
                handler.write_error = functools.partial(write_error_page, handler)
            fault = fault_of(error)
            raise tornado.web.HTTPError(fault.status, "%s", fault.text) from error

    def _remove_user(self, session_context):
        """Do nothing. Panel counts users per websocket for its admin page, which is off."""

    @property
    def login_handler(self):
        return LoginHandler

    @property
    def logout_handler(self):
        return LogoutHandler


def own_path(text, root="/"):
    """The address to go on to after the login, "" for none. Status 400 unless it is a path of this server.

    root : the path below which everything of this server is; other programs may answer beside it

    Browsers read backslashes as slashes, drop tabs and line ends, and take what starts with two slashes for a host.
    """
    path = unquote(text.partition("?")[0])
    within = text.startswith(root) and not {"..", "."} & set(path.split("/"))
    if text and not (within and re.fullmatch(r"/(?![/\\])[^\x00-\x20\x7f\\]*", text)):
        raise tornado.web.HTTPError(400, "the address to go on to is not one of this server")
    return text


def login_of_cookie(app, value) -> tuple[User | None, Login | None]:
    """The user and the open login that a cookie names; (None, None) if it names none.

    app : app.context.AppContext    value : the cookie as the browser sent it, None = no cookie
    """
    name = app.place.cookie
    login_id = tornado.web.decode_signed_value(app.secret, name, value, max_age_days=LOGIN_DAYS) if value else None
    return app.accounts.login(login_id.decode(errors="replace")) if login_id else (None, None)


def provider_of(handler) -> StoreAuth:
    """The StoreAuth of the application that a request came to. Panel keeps it there."""
    return handler.application.auth_provider


class PrivateHandler(FaultHandler):
    """Base of every route of Triptych. It answers only a logged-in, active user, whom it keeps in `self.user`, and
    their login in `self.login`.

    Without a login it answers 403; there is no redirect, because routes send scripts, pictures and numbers. Requests
    other than GET and HEAD must come from our own page (else 403) and name its user in the header X-Triptych-User (else
    428). If somebody else has logged in meanwhile, it answers 409, so that nothing is stored in another's name.

    roles : if not empty, only these roles may use the route (else 403)
    app (constructor argument) : app.context.AppContext, kept in `self.app`
    """

    roles: tuple[str, ...] = ()
    user: User
    login: Login

    def initialize(self, app):
        self.app = app

    def get_current_user(self):
        return provider_of(self).user_name(self)

    @property
    def actor(self) -> Actor:
        """Who sent this request, for the log of accounts."""
        return Actor(self.user.name, self.request.remote_ip or "")

    def prepare(self):
        user, login = provider_of(self).login_of(self)
        if user is None or login is None:
            raise tornado.web.HTTPError(403, "log in first")
        self.user, self.login = user, login
        writes = self.request.method not in ("GET", "HEAD")
        if writes and not same_origin(self.request):
            raise tornado.web.HTTPError(403, "this request came from another site")
        sender = unquote(self.request.headers.get("X-Triptych-User", ""))
        if writes and not sender:
            raise tornado.web.HTTPError(428, "the header X-Triptych-User must name the user; load the page again")
        if sender and sender != self.user.name:
            now = f"this page is {sender}'s, and {self.user.name} is logged in"
            raise tornado.web.HTTPError(409, f"{now}; log in as {sender} again, or load the page again")
        if self.roles and self.user.role not in self.roles:
            raise tornado.web.HTTPError(403, f"only for {' or '.join(self.roles)}")

    def set_default_headers(self):
        self.set_header("Cache-Control", "private, no-store")

    def keep_for_ever(self, etag=""):
        """Let the browser, but no proxy, keep this answer for ever. The address must hold the version of the answer."""
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        if etag:
            self.set_header("ETag", f'"{etag}"')

    def write_error(self, status_code, **kwargs):
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {words_for(self, status_code, kwargs)}\n")


def same_origin(request):
    """Whether a page of this server sent the request: the header Origin (or Referer) must name this host."""
    source = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return bool(source) and urlsplit(source).netloc == request.host


def write_error_page(handler, status_code, **kwargs):
    """Send the error page, which says what to do."""
    detail = words_for(handler, status_code, kwargs)
    more = {"title": str(status_code), "error_type": str(status_code), "error_msg": detail}
    handler.finish(page("outside/error.html", root=provider_of(handler).app.place.root, **more))


def configure(cookie_secret):
    """Make Panel sign with our secret, and for as long as we do."""
    # Panel lets us set these, although it declares them as read-only properties.
    config.cookie_secret = cookie_secret  # pyright: ignore[reportAttributeAccessIssue]
    config.oauth_expiry = LOGIN_DAYS  # pyright: ignore[reportAttributeAccessIssue]
