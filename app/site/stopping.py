"""How a server ends. It takes no new connections, closes the websockets with a word, and finishes what is under way."""

import asyncio
import logging
import signal

log = logging.getLogger("triptych")

GOING_AWAY = 1001  # the websocket's close code for a server that stops
WORD = "the server stops"
FINISH_SECONDS = 10.0  # for this long it waits for answers that are under way
LOOK_SECONDS = 0.02
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals(site):
    """End the loop of a server after SIGTERM or SIGINT, once its work is finished. site : app.site.site.Site"""
    loop, asked = site.loop.asyncio_loop, []

    def ask():
        if not asked:
            asked.append(loop.create_task(end(site)))

    for number in SIGNALS:
        loop.add_signal_handler(number, ask)


async def end(site):
    try:
        await finish(site)
    finally:
        site.loop.stop()


async def finish(site, seconds=FINISH_SECONDS):
    """Finish what is under way, for at most so many seconds, and close all connections. site : app.site.site.Site"""
    site.http.stop()
    for socket in site.sockets():
        socket.close(GOING_AWAY, WORD)
    give_up = site.loop.time() + seconds
    while (site.requests() or site.sockets()) and site.loop.time() < give_up:
        await asyncio.sleep(LOOK_SECONDS)
    if site.requests():
        log.warning("%s requests were not finished when the server stopped", len(site.requests()))
    await site.http.close_all_connections()
