"""What one browser, or somebody who is none, may take of the server: bytes, time and connections."""

import logging
import socket
from datetime import timedelta

from tornado.gen import with_timeout
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

log = logging.getLogger("triptych")

BODY_BYTES = 4 << 20  # routes that take a body allow less
HEADER_BYTES = 64 << 10
IDLE_SECONDS = 30.0  # for this long a connection may be silent, also within the headers of a request
BODY_SECONDS = 60.0
ANSWER_SECONDS = 60.0  # for this long, and at most twice as long, a browser may take nothing of what is sent to it
CONNECTIONS = 400  # with a request on its way, or waiting for one; open pages' websockets do not count
CONNECTIONS_OF_ONE = 100  # of one address
REFUSING = 100  # connections that are being refused; beyond these they are closed without a word
REFUSING_SECONDS = 2.0

HTTP_OPTIONS = {
    "max_body_size": BODY_BYTES,
    "max_header_size": HEADER_BYTES,
    "idle_connection_timeout": IDLE_SECONDS,
    "body_timeout": BODY_SECONDS,
}
WORDS = b"There are too many connections. Close some pages, or try again in a moment.\n"
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 10\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(WORDS), WORDS)
)


def limit_connections(http_server, *, behind_proxy=False):
    """Refuse new connections beyond the limits, and close those whose browser takes nothing of its answers.

    http_server : tornado.httpserver.HTTPServer. behind_proxy : all connections come from the proxy's one address
    """
    take, most_of_one = http_server.handle_stream, CONNECTIONS if behind_proxy else CONNECTIONS_OF_ONE
    refusing: set[IOStream] = set()

    def handle_stream(stream, address):
        here = [one.context.address[0] for one in http_server._connections]
        if len(here) >= CONNECTIONS or here.count(address[0]) >= most_of_one:
            log.warning("too many connections (%s); one from %s is refused", len(here), address[0])
            return _refuse(stream, refusing) if len(refusing) < REFUSING else stream.close()
        IOLoop.current().call_later(ANSWER_SECONDS, _close_if_stuck, stream, address, None)
        return take(stream, address)

    http_server.handle_stream = handle_stream


async def _refuse(stream: IOStream, refusing: set[IOStream]):
    """Say why, and wait until the browser has read it: what is closed while the browser still sends is not read."""
    refusing.add(stream)
    try:
        await stream.write(REFUSAL)
        if stream.socket is not None:
            stream.socket.shutdown(socket.SHUT_WR)
        await with_timeout(timedelta(seconds=REFUSING_SECONDS), stream.read_bytes(HEADER_BYTES))
    except OSError:
        pass  # it is gone, or it still sends
    finally:
        refusing.discard(stream)
        stream.close()


def _close_if_stuck(stream: IOStream, address, before: int | None):
    """Close a stream that had bytes to send at the last look and has sent none since. Look again later.

    before : bytes sent until the last look; None if nothing waited then
    """
    if stream.closed():
        return
    sent = stream._total_write_done_index if stream.writing() else None
    if sent is not None and sent == before:
        log.warning("a browser at %s takes nothing of its answer; its connection is closed", address[0])
        return stream.close()
    IOLoop.current().call_later(ANSWER_SECONDS, _close_if_stuck, stream, address, sent)
