"""A log service on a raw socket: it can break off, fall silent and see when its caller is gone."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

WAIT_SECONDS = 10.0
OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


def flow(number: int, **more: Any) -> dict[str, Any]:
    """Return a flow record; a second has ten of them."""
    second = f"2026-07-01T10:{number // 600:02}:{number // 10 % 60:02}"
    return {
        "logged": f"{second}.500000001Z",
        "nodeId": f"nDEMO{number}CNTRL",
        "start": f"{second}Z",
        "end": f"{second}.4Z",
        "virtualTraffic": [{"proto": 6, "src": "100.64.0.1:443", "dst": "100.64.0.2:80", "txBytes": number}],
        **more,
    }


def body_of(records: Iterable[dict[str, Any]] | None) -> bytes:
    """Return the answer with these records."""
    return json.dumps({"logs": None if records is None else list(records)}).encode()


class Line:
    """One connection to a caller."""

    def __init__(self, connection: socket.socket, gone: queue.Queue[float]) -> None:
        self._connection, self._gone = connection, gone
        self.sent = 0

    def send(self, data: bytes) -> None:
        """Send all of it; a caller that is gone is no error."""
        with suppress(OSError):
            self._connection.sendall(data)
            self.sent += len(data)

    def wait_until_gone(self) -> None:
        """Wait for the caller to close the connection, and note when."""
        with suppress(OSError):
            while self._connection.recv(65_536):
                pass
        self._gone.put(time.monotonic())


Answer = Callable[[Line], None]


def whole(body: bytes, headers: str = "") -> Answer:
    """Answer completely."""
    return lambda line: line.send(f"{OK}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def cut(body: bytes, at: int, headers: str = "") -> Answer:
    """Announce a body and close after a part of it."""
    return lambda line: line.send(f"{OK}{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body[:at])


def unannounced(body: bytes) -> Answer:
    """Send a body whose end is the end of the connection, so that a cut one looks complete."""
    return lambda line: line.send(f"{OK}\r\n".encode() + body)


def silent(body: bytes, at: int) -> Answer:
    """Announce a body, send a part of it, and nothing more until the caller is gone."""

    def answer(line: Line) -> None:
        cut(body, at)(line)
        line.wait_until_gone()

    return answer


def status(code: int, body: bytes = b'{"message":"not now"}', headers: str = "") -> Answer:
    """Answer with an error."""
    head = f"HTTP/1.1 {code} Told\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return lambda line: line.send(head.encode() + body)


class LogServer:
    """Answer one request after the other from a script; the last answer repeats.

    Attributes:
        requests: targets that were asked for.
        gone: monotonic times at which callers of a ``silent`` answer closed.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers: Sequence[Answer] = answers
        self.requests: list[str] = []
        self.gone: queue.Queue[float] = queue.Queue()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self._listener, *self._connections):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        self._listener.close()

    def queries(self) -> list[dict[str, list[str]]]:
        """Return the query of every request."""
        return [parse_qs(urlsplit(target).query) for target in self.requests]

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65_536)
                if not data:
                    return
                head += data
            answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
            self.requests.append(head.split(b" ")[1].decode())
            answer(Line(connection, self.gone))
