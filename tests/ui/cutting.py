"""A network that can be cut: a proxy before a server, in a thread of its own.

with Network(port) as network:
    network.server_port = ...
    network.cut()        # connections break at once, new ones are refused
    network.silence()    # connections stay and carry nothing, new ones too, as after a sleep or a change of network
    network.mend()       # new connections reach the server; those of before do not come back
"""

import asyncio
import contextlib
import threading

BLOCK_BYTES = 1 << 16


class Network:
    """port : where browsers find the server    server_port : where the server is"""

    def __init__(self, port):
        self.port, self.server_port = port, None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers = set()
        self._silent = self._door = None

    def __enter__(self):
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self):
        self._do(self._cut())

    def silence(self):
        self._silent.set()

    def mend(self):
        self._do(self._mend())

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self):
        self._silent = threading.Event()  # of the connections from now on
        self._door = await asyncio.start_server(self._carry, "localhost", self.port)

    async def _cut(self):
        if self._door is not None:
            self._door.close()
            self._door = None
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def _end(self):
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _mend(self):
        if self._door is not None:
            self._door.close()
        await self._open()

    async def _carry(self, reader, writer):
        silent = self._silent
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("localhost", self.server_port)
            self._writers.add(back)
            ways = [asyncio.ensure_future(self._pass(*way, silent)) for way in ((reader, back), (there, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for one in (writer, back):
                self._writers.discard(one)
                one.close()

    async def _pass(self, reader, writer, silent):
        """Carry bytes until one end closes. Once silent, they are lost, and the other end hears of nothing."""
        with contextlib.suppress(OSError):
            while block := await reader.read(BLOCK_BYTES):
                if not silent.is_set():
                    writer.write(block)
                    await writer.drain()
        if silent.is_set():
            await asyncio.Event().wait()
