"""A network that cuts connections in the middle of what they carry.

with Cutter(server_port, draw, answer_bytes=40_000) as network:
    network.port       # where clients find the server
    network.cuts       # how often a connection was cut
    network.cut_all()  # now, all that are open
"""

import asyncio
import contextlib
import random
import threading

BLOCK_BYTES = 1 << 16
END_SECONDS = 5.0
ASK_SHARE = 0.2  # of the cuts: within a request instead of an answer


class Cutter:
    """A proxy before a server on localhost, in a thread of its own.

    draw : decides where each connection is cut
    answer_bytes : each connection carries so many bytes on average until it is cut; infinity = none is cut by itself
    """

    def __init__(self, server_port: int, draw: random.Random, answer_bytes: float):
        self.server_port, self.draw, self.answer_bytes = server_port, draw, answer_bytes
        self.cuts = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._door = self._do(asyncio.start_server(self._carry, "localhost", 0))
        self.port = self._door.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut_all(self) -> None:
        self._do(self._cut_all())

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _cut_all(self):
        self.cuts += 1
        for writer in list(self._open):
            writer.transport.abort()

    async def _end(self):
        self._door.close()
        for writer in list(self._open):
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=END_SECONDS)

    def _length(self) -> float:
        return self.draw.expovariate(1 / self.answer_bytes)

    async def _carry(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("localhost", self.server_port)
        except OSError:  # the server is away
            return writer.transport.abort()
        ends = {writer, back}
        self._open |= ends
        in_request = self.draw.random() < ASK_SHARE
        limits = (self._length() / 4, float("inf")) if in_request else (float("inf"), self._length())
        ways = zip(((reader, back), (there, writer)), limits, strict=True)
        tasks = [asyncio.ensure_future(self._pass(*way, limit, ends)) for way, limit in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= ends
            for one in ends:
                one.close()

    async def _pass(self, reader, writer, limit, ends):
        """Carry bytes until one end closes. After `limit` bytes, break both ends."""
        with contextlib.suppress(OSError):
            while block := await reader.read(BLOCK_BYTES):
                writer.write(block[: int(limit)] if limit < len(block) else block)
                await writer.drain()
                limit -= len(block)
                if limit < 0:
                    self.cuts += 1
                    await asyncio.sleep(0)  # so that the first part leaves before the connection breaks
                    for one in ends:
                        one.transport.abort()
                    return
