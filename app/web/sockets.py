"""The websocket of a page, which carries everything that its user does there. It lives no longer than their rights.

A page belongs to one login and one role (`AppContext.page_id`). Its socket opens only for that login, each message is
taken only while the login and the role last, and `keep_to_rights` closes sockets whose login has ended or whose role
has changed. The page then finds out with /boot, and loads again or goes to the login form.
"""

import asyncio
import logging

from bokeh.server import urls
from bokeh.util.token import check_token_signature, get_session_id, get_token_payload
from panel.io.server import DocHandler, WSHandler

from triptych.app.web.auth import login_of_cookie, provider_of
from triptych.app.web.headers import PageHandler

log = logging.getLogger("triptych")

NO_RIGHTS = 1008  # the websocket's close code for what a rule forbids


class SocketHandler(WSHandler):
    """Panel's websocket, for as long as its login and role last."""

    page_id = ""
    login_id = ""

    @property
    def app(self):
        return provider_of(self).app

    def open(self, *args, **kwargs):
        user, login = provider_of(self).login_of(self)
        if user is None or login is None or not self._page_is_of(login):
            return self.close(NO_RIGHTS, "load the page again")
        self.login_id, self.page_id = login.login_id, self.app.page_id(user, login)
        made_with = self.app.documents.get(get_session_id(self._token or ""))
        if made_with not in (None, self.page_id):
            return self.close(NO_RIGHTS, "load the page again")
        self.app.sockets.add(self)
        return super().open(*args, **kwargs)

    def _page_is_of(self, login):
        """Whether the page behind this socket was sent to this login."""
        if not self._token or not check_token_signature(self._token, secret_key=self.app.secret.encode(), signed=True):
            return False
        sent_with = get_token_payload(self._token).get("cookies", {}).get(self.app.place.cookie)
        _user, of_page = login_of_cookie(self.app, sent_with)
        return of_page is not None and of_page.login_id == login.login_id

    def has_rights(self):
        """Whether the login is still open, in the same role."""
        user, login = self.app.accounts.login(self.login_id)
        return user is not None and login is not None and self.app.page_id(user, login) == self.page_id

    async def on_message(self, fragment):
        if self.has_rights():
            return await super().on_message(fragment)
        return self.close(NO_RIGHTS, "load the page again")

    def on_close(self):
        self.app.sockets.discard(self)
        super().on_close()


async def keep_to_rights(app):
    """Read the rights again, and close every socket whose login has ended or whose role has changed.

    app : app.context.AppContext
    """
    try:
        await asyncio.to_thread(app.accounts.refresh)
    except Exception:
        return log.exception("accounts and logins cannot be read")
    for socket in list(app.sockets):
        if not socket.has_rights():
            socket.close(NO_RIGHTS, "load the page again")


def install():
    """Let Panel's pages use this socket, and send the headers of app.web.headers."""
    ours = {WSHandler: SocketHandler, DocHandler: PageHandler}
    for place, route in enumerate(urls.per_app_patterns):
        if route[1] in ours:
            urls.per_app_patterns[place] = (route[0], ours[route[1]])
