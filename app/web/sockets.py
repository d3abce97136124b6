"""The websocket of a page, which carries everything that its user does there. It lives no longer than their rights.

A page belongs to one login and one role (`AppContext.page_id`). Its socket opens only for that login, each message is
taken only while the login and the role last, and `keep_to_rights` closes sockets whose login has ended or whose role
has changed. The page then finds out with /boot, and loads again or goes to the login form.

A connection that is cut ends a websocket, but not what Bokeh takes for one: see app.web.lines.
"""

import asyncio
import logging

from bokeh.server import urls
from bokeh.util.token import check_token_signature, get_session_id, get_token_payload
from panel.io.server import DocHandler, WSHandler

from triptych.app.web.auth import login_of_cookie, provider_of
from triptych.app.web.faults import note
from triptych.app.web.headers import PageHandler
from triptych.app.web.lines import MARK, Line, put

log = logging.getLogger("triptych")

NO_RIGHTS = 1008  # the websocket's close code for what a rule forbids
GONE = 4404  # ours: the server does not know this line (any more)
LEFT = (1000, 1001, NO_RIGHTS)  # close codes after which no page comes back: it was closed, or may not


class SocketHandler(WSHandler):
    """Panel's websocket, for as long as its login and role last.

    ?line= : id that the page has made up for its line. &again= : frames that it has got, when it comes back
    """

    page_id = ""
    login_id = ""
    line: Line | None = None

    @property
    def app(self):
        return provider_of(self).app

    def open(self, *args, **kwargs):
        user, login = provider_of(self).login_of(self)
        if user is None or login is None or not self._page_is_of(login):
            return self.close(NO_RIGHTS, "load the page again")
        self.login_id, self.page_id = login.login_id, self.app.page_id(user, login)
        again = self.get_query_argument("again", "")
        if again:
            return self._come_back(int(again) if again.isdecimal() else -1)
        made_with = self.app.documents.get(get_session_id(self._token or ""))
        if made_with not in (None, self.page_id):
            return self.close(NO_RIGHTS, "load the page again")
        if self.line_id in self.app.lines or not self.line_id:
            return self.close(GONE, "load the page again")
        self.line = self.app.lines[self.line_id] = Line(self, self._ended, away_seconds=self.app.away_seconds)
        self.app.sockets.add(self)
        put(self, f"{MARK}0")
        return super().open(*args, **kwargs)

    @property
    def line_id(self):
        return self.get_query_argument("line", "")

    def _come_back(self, count):
        """Go on with the line of a page that lost its connection. count : frames that it has got"""
        line = self.app.lines.get(self.line_id)
        mine = line is not None and (line.first._token, line.first.page_id) == (self._token, self.page_id)
        if line is None or not mine or not line.can_follow(count):
            return self.close(GONE, "load the page again")
        self.line = line
        self.app.sockets.add(self)
        line.follow(self, count)

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
        line = self.line
        if line is None or line.socket is not self:  # the page has sent it again over a newer websocket
            return
        if isinstance(fragment, str) and fragment.startswith(MARK):
            return self._beat(line, fragment.removeprefix(MARK))
        if not self.has_rights():
            return self.close(NO_RIGHTS, "load the page again")
        line.got += 1
        self.connection, self.receiver, self.handler = line.first.connection, line.first.receiver, line.first.handler
        return await super().on_message(fragment)

    def _beat(self, line, count):
        """The page says how many frames it has got, and wants to hear the same, to know that the connection stands."""
        if not count.isdecimal():
            return self._protocol_error("a count of frames is a number")
        line.heard(int(count))
        put(self, f"{MARK}{line.got}")

    async def _async_open(self, token):
        await super()._async_open(token)
        if self.connection is not None:
            # From now on, what Bokeh and Panel say goes over the line. They ask no more of it than it has.
            self.connection._socket = self.line  # pyright: ignore[reportAttributeAccessIssue]

    async def send_message(self, message):
        """Say it on the line: the answers to what came over this websocket."""
        if self.line is not None:
            self.line.say_message(message)

    def _protocol_error(self, message):
        super()._protocol_error(message)
        if self.line is not None:
            self.line.end()

    def on_close(self):
        self.app.sockets.discard(self)
        line = self.line
        if line is None or line.socket is not self:
            return
        if self.close_code in LEFT:
            line.end()
        else:
            line.lost(self)

    def _ended(self, line):
        """The line that this websocket began is over: tell Bokeh, and drop a session to which no page comes back."""
        self.app.lines.pop(self.line_id, None)
        session = None if self.connection is None else self.connection.session
        super().on_close()
        if session is not None:
            session.request_expiration()


async def keep_to_rights(app):
    """Read the rights again, and close every socket whose login has ended or whose role has changed.

    app : app.context.AppContext
    """
    try:
        await asyncio.to_thread(app.accounts.refresh)
    except Exception as error:
        note(log, "accounts and logins cannot be read", error)
        return
    for socket in list(app.sockets):
        if not socket.has_rights():
            socket.close(NO_RIGHTS, "load the page again")


def install():
    """Let Panel's pages use this socket, and send the headers of app.web.headers."""
    ours = {WSHandler: SocketHandler, DocHandler: PageHandler}
    for place, route in enumerate(urls.per_app_patterns):
        if route[1] in ours:
            urls.per_app_patterns[place] = (route[0], ours[route[1]])
