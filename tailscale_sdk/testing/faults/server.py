"""The raw-socket server before the embedded tailnet: relays what is asked, or plays what a rule says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress

from tailscale_sdk.testing.dispatch import Dispatcher
from tailscale_sdk.testing.faults.control import Faults
from tailscale_sdk.testing.faults.conversation import Conversation
from tailscale_sdk.testing.faults.messages import HEAD_CAP_BYTES
from tailscale_sdk.testing.loopback import START_SECONDS, STOP_SECONDS, LoopbackServer, bind


class FaultServer:
    """Serve an embedded tailnet behind a front that plays faults; both run until it is closed.

    Args:
        faults: what to play.
        dispatcher: what answers truly.
        port: port of the front on 127.0.0.1, 0 for any free one.

    Raises:
        OSError: the port is taken.
        OverflowError: it is no port.
    """

    def __init__(self, faults: Faults, dispatcher: Dispatcher, port: int = 0) -> None:
        self._socket = bind(port)
        self.port: int = self._socket.getsockname()[1]
        self.backend = LoopbackServer(dispatcher)
        self._faults = faults
        self._thread = threading.Thread(target=self._run, name="fake-tailnet-faults", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter | None] = {}

    def start(self) -> None:
        """Begin to serve and return when requests are answered.

        Raises:
            RuntimeError: when a server does not come up.
        """
        self._thread.start()
        self.backend.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the fault server did not start")

    def close(self) -> None:
        """Stop both, whatever is being played; a second call does nothing."""
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_SECONDS)
        self._socket.close()
        self.backend.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, sock=self._socket, limit=HEAD_CAP_BYTES)
        self._ready.set()
        await self._stop.wait()
        server.close()
        await asyncio.sleep(0)
        while self._tasks:
            for task, writer in list(self._tasks.items()):
                task.cancel()
                if writer is not None:
                    writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._stop is None or self._stop.is_set():
            writer.transport.abort()
            return
        conversation = Conversation(self._faults, self.backend.port, self._spawn, reader, writer)
        self._tasks[self._spawn(conversation.run())] = writer

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task
