"""The server with small limits, for tests of what happens at them."""

from triptych.app import server
from triptych.app.web import limits

IDLE_SECONDS = 1.0
BODY_SECONDS = 6.0
ANSWER_SECONDS = 1.0
CONNECTIONS_OF_ONE = 10


def main():
    limits.HTTP_OPTIONS |= {"idle_connection_timeout": IDLE_SECONDS, "body_timeout": BODY_SECONDS}
    limits.ANSWER_SECONDS = ANSWER_SECONDS
    limits.CONNECTIONS_OF_ONE = CONNECTIONS_OF_ONE
    server.main()
