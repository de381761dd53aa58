"""A loopback proxy that adds a bearer token, for judges that cannot send one; all else passes unchanged."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 1024
START_SECONDS = 10
_CHUNK = 64 * 1024


def with_token(head: bytes, token: str) -> bytes:
    """Return a request head that carries the token and asks for no second request on its connection.

    Args:
        head: request line and headers, with the empty line.
        token: to send.
    """
    lines = head[: -len(HEAD_END)].split(b"\r\n")
    # One request per connection: the proxy need not find out where a body ends.
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() != b"connection"]
    return b"\r\n".join([*kept, f"Authorization: Bearer {token}".encode(), b"Connection: close"]) + HEAD_END


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, spoil: Mapping[bytes, bytes]
) -> None:
    while data := await reader.read(_CHUNK):
        for right, wrong in spoil.items():
            data = data.replace(right, wrong)
        writer.write(data)
        await writer.drain()


class Shim:
    """Pass requests on to a server, each with the token.

    Args:
        token: that every request gets.
        spoil: what is replaced in answers, by as many bytes, to see whether anybody notices.
    """

    def __init__(self, token: str, spoil: Mapping[bytes, bytes]) -> None:
        self.target = 0
        self._token, self._spoil = token, spoil

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which ends with its first answer."""
        onward: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(HEAD_END)
            answers, onward = await asyncio.open_connection("127.0.0.1", self.target)
            onward.write(with_token(head, self._token))
            sending = asyncio.ensure_future(_pump(reader, onward, {}))
            receiving = asyncio.ensure_future(_pump(answers, writer, self._spoil))
            # Whoever hangs up first ends both ways: a client that leaves must be seen to have left.
            _, rest = await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.close()
                    with contextlib.suppress(OSError):
                        await end.wait_closed()


@contextmanager
def running_shim(token: str, spoil: Mapping[bytes, bytes]) -> Iterator[tuple[Shim, int]]:
    """Listen on loopback on a thread of its own until the context ends.

    Args:
        token: that every request gets.
        spoil: what is replaced in answers.

    Returns:
        The proxy, whose target is still to be set, and its port.
    """
    shim, loop, ready = Shim(token, spoil), asyncio.new_event_loop(), threading.Event()
    found: list[int] = []

    async def listen() -> None:
        server = await asyncio.start_server(shim.serve, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        found.append(int(server.sockets[0].getsockname()[1]))
        ready.set()

    async def leave() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def run() -> None:
        loop.run_until_complete(listen())
        loop.run_forever()
        loop.run_until_complete(leave())
        loop.close()

    thread = threading.Thread(target=run, name="shim", daemon=True)
    thread.start()
    try:
        if not ready.wait(START_SECONDS):
            raise RuntimeError("the proxy that adds the token did not start")
        yield shim, found[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)
