"""What one browser, or somebody who is none, may take of the server: bytes, time and connections."""

import logging

log = logging.getLogger("triptych")

BODY_BYTES = 4 << 20  # routes that take a body allow less
HEADER_BYTES = 64 << 10
IDLE_SECONDS = 30.0  # for this long a connection may be silent, also within the headers of a request
BODY_SECONDS = 60.0
CONNECTIONS = 400  # with a request on its way, or waiting for one; open pages' websockets do not count
CONNECTIONS_OF_ONE = 100  # of one address

HTTP_OPTIONS = {
    "max_body_size": BODY_BYTES,
    "max_header_size": HEADER_BYTES,
    "idle_connection_timeout": IDLE_SECONDS,
    "body_timeout": BODY_SECONDS,
}


def limit_connections(http_server, *, behind_proxy=False):
    """Close new connections beyond the limits at once.

    http_server : tornado.httpserver.HTTPServer. behind_proxy : all connections come from the proxy's one address
    """
    take, most_of_one = http_server.handle_stream, CONNECTIONS if behind_proxy else CONNECTIONS_OF_ONE

    def handle_stream(stream, address):
        here = [one.context.address[0] for one in http_server._connections]
        if len(here) >= CONNECTIONS or here.count(address[0]) >= most_of_one:
            log.warning("too many connections (%s); one from %s is closed", len(here), address[0])
            return stream.close()
        return take(stream, address)

    http_server.handle_stream = handle_stream
