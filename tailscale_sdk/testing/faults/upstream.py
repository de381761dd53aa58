"""The way from the fault server to the embedded tailnet."""

from __future__ import annotations

import asyncio

from attrs import frozen

from tailscale_sdk.testing.faults.messages import HEAD_CAP_BYTES, Answer, Head, Headers, read_answer
from tailscale_sdk.testing.loopback import HOST

# The embedded tailnet closes an idle connection after 5 s; one used so late might be closing already.
REUSE_SECONDS = 2.0
NOT_FORWARDED = frozenset({"content-length", "transfer-encoding", "expect"})


@frozen
class Call:
    """Hold a whole request."""

    head: Head
    body: bytes

    def to_bytes(self) -> bytes:
        """Return it as it is forwarded: headers as sent, the body with a length."""
        headers: Headers = tuple(pair for pair in self.head.headers if pair[0].lower() not in NOT_FORWARDED)
        if self.body or self.head.method in {"POST", "PUT", "PATCH"}:
            headers = (*headers, ("Content-Length", str(len(self.body))))
        lines = [
            f"{self.head.method} {self.head.target} HTTP/1.1",
            *(f"{n}: {v}" for n, v in headers),
            "",
            "",
        ]
        return "\r\n".join(lines).encode("latin-1") + self.body


class Upstream:
    """Ask the embedded tailnet, over one connection that is kept while it is in use."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, call: Call) -> Answer:
        """Forward a request and return the whole answer.

        Raises:
            OSError: the embedded tailnet is gone.
        """
        loop = asyncio.get_running_loop()
        if self._streams is not None and loop.time() - self._used > REUSE_SECONDS:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port, limit=HEAD_CAP_BYTES)
        reader, writer = self._streams
        writer.write(call.to_bytes())
        await writer.drain()
        answer = await read_answer(reader, call.head.method)
        self._used = loop.time()
        return answer

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
