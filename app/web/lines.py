"""The line of a page: all that the page and the server say to each other, over as many websockets as it takes.

A connection that is cut, for example because a computer sleeps or its network changes, ends a websocket but not the
line. The page opens another websocket and names its line; both sides then send again what the other has not got. So
each message arrives once and in order, and neither Bokeh nor the page has to start again. The browser's side is
static/basics/lasting_socket.js.

A text frame that begins with MARK is our own: `~12` = "I have got 12 frames of yours". No JSON begins so.
"""

import asyncio
import json
import logging
from collections import deque
from contextlib import suppress

from panel.io.document import extra_socket_handlers
from tornado.websocket import WebSocketClosedError

log = logging.getLogger("triptych")

MARK = "~"
KEPT_BYTES = 32 << 20  # of frames that the page has not got; a page so far behind is better loaded again


class Line:
    """What was said on one line, as far as the page may not have got it.

    Bokeh and Panel take it for the websocket of their connection (`send_message`, `ping`, `send_patches`).

    first : app.web.sockets.SocketHandler that began it; it holds Bokeh's side of the connection
    ended : callable (line), called once, when the page does not come back
    away_seconds : for this long the line waits for its page
    """

    def __init__(self, first, ended, *, away_seconds):
        self.first, self.socket = first, first
        self.got = 0  # frames of the page that were taken
        self.kept_bytes = 0  # of frames that the page may not have got
        self.over = False
        self._ended, self._away_seconds = ended, away_seconds
        self._sent = deque()  # (frame, binary) that the page has not said that it has
        self._dropped = 0  # frames before these
        self._waiting = None

    async def send_message(self, message):
        """Send a message of Bokeh. Its frames leave without a pause between them, so no two messages mix."""
        self.say_message(message)

    def say_message(self, message):
        for frame in (message.header_json, message.metadata_json, message.content_json):
            self.say(frame)
        for buffer in message.buffers:
            self.say(json.dumps(buffer.ref))
            self.say(buffer.to_bytes(), binary=True)

    def ping(self, data):
        """Keep the connection in use. WebSocketClosedError if the line is over, so that Bokeh forgets it."""
        if self.over:
            raise WebSocketClosedError()
        if self.socket is not None:
            with suppress(WebSocketClosedError):
                self.socket.ping(data)

    def say(self, frame, binary=False):
        """Send a frame to the page, now or when it is back. frame : str or bytes"""
        if self.over:
            return
        self._sent.append((frame, binary))
        self.kept_bytes += len(frame)
        if self.kept_bytes > KEPT_BYTES:
            log.warning("a page has not got the last %s MB; it will be loaded again", self.kept_bytes >> 20)
            return self.end()
        if self.socket is not None:
            put(self.socket, frame, binary)

    def heard(self, count):
        """The page has got this many frames. Forget them."""
        while self._sent and self._dropped < count:
            self.kept_bytes -= len(self._sent.popleft()[0])
            self._dropped += 1

    def can_follow(self, count):
        """Whether a page that has got this many frames can be sent all others."""
        return not self.over and count >= self._dropped

    def follow(self, socket, count):
        """Go on over another websocket. count : frames that its page has got"""
        self.heard(count)
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        before, self.socket = self.socket, socket
        if before is not None:  # it is cut, and this side has not noticed
            before.close()
        put(socket, f"{MARK}{self.got}")
        for frame, binary in self._sent:
            put(socket, frame, binary)

    def lost(self, socket):
        """A websocket has closed. If it is the line's, wait for the page."""
        if socket is self.socket and not self.over:
            self.socket = None
            self._waiting = asyncio.get_running_loop().call_later(self._away_seconds, self.end)

    def end(self):
        """The page does not come back. A websocket that is still open is closed."""
        if self.over:
            return
        self.over = True
        if self._waiting is not None:
            self._waiting.cancel()
        self._sent.clear()
        self.kept_bytes = 0
        socket, self.socket = self.socket, None
        if socket is not None:
            socket.close()
        self._ended(self)


def put(socket, frame, binary=False):
    """Write a frame on a websocket, if it is open. Nobody waits until it has left: a cut connection would stop all.

    socket : tornado.websocket.WebSocketHandler. It has no connection any more once this side has asked it to close.
    """
    connection = socket.ws_connection
    if connection is not None:
        with suppress(WebSocketClosedError):
            connection.write_message(frame, binary=binary).add_done_callback(_look_at)


def _look_at(written):
    """An error of a write says that the connection is cut, which its `on_close` says, too."""
    if not written.cancelled():
        written.exception()


def send_patches(connection, events=None, msg=None):
    """Panel's way to send changes of a document over a line. Returns what it has to wait for: nothing."""
    if msg is None and events:
        msg = connection.protocol.create("PATCH-DOC", events)
    if msg is not None:
        connection._socket.say_message(msg)
    return []


extra_socket_handlers[Line] = send_patches  # pyright: ignore[reportArgumentType]  # Panel calls it in two ways
