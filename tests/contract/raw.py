"""Talk to a server over a bare socket and keep every byte: a polite client would repair what is to be seen."""

from __future__ import annotations

import json
import socket
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import frozen

from tailscale_sdk.testing import FAULTS, FakeTailnet

DEVICES = "/api/v2/tailnet/-/devices"
KEYS = "/api/v2/tailnet/-/keys"
NEW_KEY = b'{"capabilities":{"devices":{"create":{"reusable":false}}}}'
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WAIT_SECONDS = 10.0
VISIBLE = sorted(name for name, fault in FAULTS.items() if fault.kind != "client-side")


class Slept(list[float]):
    """Remember how long a server was to wait, and let it go on at once."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@frozen
class Wire:
    """Hold what came over one connection, and how it ended."""

    raw: bytes
    end: Literal["closed", "reset"]

    @property
    def _parts(self) -> tuple[bytes, bytes]:
        final = self.raw.replace(CONTINUE, b"") if self.raw.startswith(CONTINUE) else self.raw
        head, _, rest = final.partition(b"\r\n\r\n")
        return head, rest

    @property
    def head(self) -> list[str]:
        """The lines of the first head that is no 100 Continue."""
        return self._parts[0].decode("latin-1").split("\r\n")

    @property
    def body(self) -> bytes:
        """All bytes behind that head."""
        return self._parts[1]

    @property
    def status(self) -> int:
        """The status of that head."""
        return int(self.head[0].split(" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of that head, names in lower case."""
        pairs = [line.split(": ", 1) for line in self.head[1:]]
        return {name.lower(): value for name, value in pairs}

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


def request_bytes(
    fake: FakeTailnet, method: str, path: str, body: bytes = b"", *, more: bool = False, extra: str = ""
) -> bytes:
    """Return a request; the server is asked to close after it unless more are to come."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {urlsplit(fake.base_url).netloc}",
        f"Authorization: Bearer {fake.api_key}",
        f"Content-Length: {len(body)}",
        *([] if more else ["Connection: close"]),
        *([extra] if extra else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def connect(url: str) -> socket.socket:
    """Open a connection to an origin."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=WAIT_SECONDS)


def read_to_end(connection: socket.socket) -> Wire:
    """Read until the server ends the connection."""
    pieces: list[bytes] = []
    while True:
        try:
            piece = connection.recv(1 << 20)
        except ConnectionResetError:
            return Wire(b"".join(pieces), "reset")
        if not piece:
            return Wire(b"".join(pieces), "closed")
        pieces.append(piece)


def exchange(url: str, *requests: bytes) -> Wire:
    """Send requests over one connection, one behind the other, and read what comes."""
    with connect(url) as connection:
        connection.sendall(b"".join(requests))
        return read_to_end(connection)


def ask(
    fake: FakeTailnet, method: str = "GET", path: str = DEVICES, body: bytes = b"", *, direct: bool = False
) -> Wire:
    """Send one request, to the fault server or past it."""
    return exchange(fake.direct_url if direct else fake.base_url, request_bytes(fake, method, path, body))


def create_key(fake: FakeTailnet) -> Wire:
    """Create an auth key, a write that shows in the ledger."""
    return ask(fake, "POST", KEYS, NEW_KEY)
