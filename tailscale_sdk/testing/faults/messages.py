"""HTTP/1.1 by hand: heads and bodies read from a stream, answers written with or without the truth in them."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Final

from attrs import evolve, frozen

Headers = tuple[tuple[str, str], ...]
HEAD_CAP_BYTES: Final = 64 * 1024
BODY_CAP_BYTES: Final = 32 * 1024 * 1024
ANSWER_CAP_BYTES: Final = 1024 * 1024 * 1024
JSON_TYPE: Final = ("Content-Type", "application/json")
FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})
_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) (\S+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(r"HTTP/1\.[01] (\d{3})(?: (.*))?")


class Malformed(Exception):
    """Say why a request cannot be read, and with which status it is turned down."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@frozen
class Head:
    """Hold a request without its body.

    Attributes:
        method: HTTP method.
        target: path and query as sent.
        keep_alive: the client means to send another one.
        headers: names and values as sent.
    """

    method: str
    target: str
    keep_alive: bool
    headers: Headers

    @property
    def path(self) -> str:
        """Return the path as sent, without the query."""
        return self.target.partition("?")[0]


@frozen
class Answer:
    """Hold an answer; headers are written as they stand, the length included."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    reason: str | None = None

    def framed(self, length: int | None) -> Answer:
        """Return it with this Content-Length, true or not; None for no word about the length."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in FRAMING)
        added = () if length is None else (("Content-Length", str(length)),)
        return evolve(self, headers=(*kept, *added))

    def carrying(self, body: bytes, *headers: tuple[str, str]) -> Answer:
        """Return it with another body, its length, and headers in place of those of the same name."""
        named = {name.lower() for name, _ in headers}
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in named)
        return evolve(self, headers=(*kept, *headers), body=body).framed(len(body))

    def head(self, version: str = "1.1") -> bytes:
        """Return status line and headers as bytes."""
        reason = self.reason if self.reason is not None else reason_of(self.status)
        lines = [f"HTTP/{version} {self.status} {reason}", *(f"{n}: {v}" for n, v in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def reason_of(status: int) -> str:
    """Return the usual words for a status, none for an unusual one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


async def read_request(reader: asyncio.StreamReader) -> Head | None:
    """Read the head of the next request; None when the client closed instead.

    Raises:
        Malformed: it is no HTTP request, or its head is too large.
    """
    first = await reader.read(1)
    if not first:
        return None
    # What is no method never ends with an empty line: a TLS handshake, say, would be waited for in vain.
    lines = await _read_head(reader) if first.isupper() else None
    found = _REQUEST_LINE.fullmatch(first.decode("latin-1") + lines[0]) if lines else None
    if lines is None or found is None:
        raise Malformed(400, "this is no HTTP/1.1 request")
    headers = _parse_headers(lines[1:])
    wish = header(headers, "connection").lower()
    keep_alive = wish != "close" if found[3] == "1" else wish == "keep-alive"
    return Head(found[1], found[2], keep_alive, headers)


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """Read the answer to a request, with its body, past any 100 Continue.

    Raises:
        ConnectionError: the connection ended, or this is no HTTP answer.
    """
    while True:
        lines = await _read_head(reader)
        found = _STATUS_LINE.fullmatch(lines[0]) if lines else None
        if lines is None or found is None:
            raise ConnectionError("no answer")
        status, headers = int(found[1]), _parse_headers(lines[1:])
        if status >= 200:
            break
    if method == "HEAD" or status in {204, 304}:
        return Answer(status, headers, reason=found[2] or "")
    body = await read_body(reader, headers, ANSWER_CAP_BYTES)
    answer = Answer(status, headers, body, reason=found[2] or "")
    return answer.framed(len(body)) if header(headers, "transfer-encoding") else answer


async def read_body(reader: asyncio.StreamReader, headers: Headers, cap: int = BODY_CAP_BYTES) -> bytes:
    """Read a body whose length its headers tell; none without a word about it.

    Raises:
        Malformed: the length is no number, or the body is over the cap.
    """
    if header(headers, "transfer-encoding").lower() == "chunked":
        return await _read_chunks(reader, cap)
    length = header(headers, "content-length") or "0"
    if not (length.isascii() and length.isdigit()):
        raise Malformed(400, "Content-Length is no number")
    if len(length) > 12 or int(length) > cap:
        raise Malformed(413, "the body is too large")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader, cap: int) -> bytes:
    pieces, total = [], 0
    while True:
        size_text = (await _read_until(reader, b"\r\n")).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size_text):
            raise Malformed(400, "a chunk has no size")
        size = int(size_text, 16)
        total += size
        if total > cap:
            raise Malformed(413, "the body is too large")
        if not size:
            break
        pieces.append(await reader.readexactly(size))
        await _read_until(reader, b"\r\n")
    while await _read_until(reader, b"\r\n") != b"\r\n":
        continue
    return b"".join(pieces)


async def _read_head(reader: asyncio.StreamReader) -> list[str] | None:
    try:
        data = await _read_until(reader, b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    return data.decode("latin-1").strip("\r\n").split("\r\n")


async def _read_until(reader: asyncio.StreamReader, end: bytes) -> bytes:
    try:
        return await reader.readuntil(end)
    except asyncio.LimitOverrunError:
        raise Malformed(431, "the head is too large") from None


def _parse_headers(lines: list[str]) -> Headers:
    pairs = [line.partition(":") for line in lines]
    return tuple((name.strip(), value.strip(" \t")) for name, _, value in pairs)


def header(headers: Headers, name: str) -> str:
    """Return the value of a header, empty when there is none."""
    return next((value for found, value in headers if found.lower() == name), "")
