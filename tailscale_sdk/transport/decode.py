"""From bytes to JSON, bounded: no body, however compressed, takes more memory than its cap."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from tailscale_sdk._constants import MAX_COMPRESSION_RATIO, MAX_ERROR_BODY_BYTES, RATIO_CHECKED_FROM_BYTES

_PIECE_BYTES = 64 * 1024


class BodyTooLarge(Exception):
    """Say that a body passed its cap."""


class BodyBroken(Exception):
    """Say that a body cannot be decompressed.

    Attributes:
        damaged: the data is broken, as it may be once; False for an encoding that was not asked for.
    """

    def __init__(self, message: str, *, damaged: bool = True) -> None:
        super().__init__(message)
        self.damaged = damaged


class BoundedBody:
    """Collect a body chunk by chunk, decompressing gzip without ever holding more than the cap.

    Args:
        headers: response headers, names in lower case.
        cap: largest decompressed size in bytes.

    Raises:
        BodyTooLarge: the announced length is over the cap.
        BodyBroken: the encoding is not gzip.
    """

    def __init__(self, headers: Mapping[str, str], cap: int) -> None:
        self._cap, self._pieces, self._size, self._wire_size = cap, list[bytes](), 0, 0
        self._announced: int | None = None
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in {"", "identity", "gzip"}:
            raise BodyBroken("an encoding came that was not asked for", damaged=False)
        self._gunzip = zlib.decompressobj(31) if encoding == "gzip" else None
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and len(length) < 20:
            self._announced = int(length)
        if self._gunzip is None and self._announced is not None and self._announced > cap:
            raise BodyTooLarge

    @property
    def is_whole(self) -> bool:
        """Tell whether all came that was announced; a body of unknown length never is."""
        return self._wire_size == self._announced

    def feed(self, chunk: bytes) -> bool:
        """Take one chunk as it came from the wire; False when no more is wanted.

        Raises:
            BodyTooLarge: the body passed its cap.
            BodyBroken: it is not gzip.
        """
        self._wire_size += len(chunk)
        if self._gunzip is None:
            self._keep(chunk)
            return True
        try:
            while chunk:
                self._keep(self._gunzip.decompress(chunk, _PIECE_BYTES))
                chunk = self._gunzip.unconsumed_tail
                if self._gunzip.eof and self._gunzip.unused_data:
                    chunk, self._gunzip = self._gunzip.unused_data, zlib.decompressobj(31)
        except zlib.error:
            raise BodyBroken("the gzip data is broken") from None
        return True

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        compressed = self._gunzip is not None and self._size > RATIO_CHECKED_FROM_BYTES
        if self._size > self._cap or (compressed and self._size > MAX_COMPRESSION_RATIO * self._wire_size):
            raise BodyTooLarge
        self._pieces.append(piece)

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            BodyBroken: the gzip data ended early.
        """
        if self._gunzip is not None and self._wire_size and not self._gunzip.eof:
            raise BodyBroken("the gzip data ended early")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class ErrorBody(BoundedBody):
    """Collect the beginning of an error answer's body; whatever is wrong with it, the status stays known.

    Args:
        headers: response headers, names in lower case.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        encoding = headers.get("content-encoding", "")
        self._readable = True
        try:
            super().__init__({"content-encoding": encoding}, MAX_ERROR_BODY_BYTES)
        except BodyBroken:
            self._readable = False

    def feed(self, chunk: bytes) -> bool:
        """Take one chunk; False when no more is wanted."""
        try:
            return self._readable and super().feed(chunk)
        except (BodyTooLarge, BodyBroken):
            return False

    def _keep(self, piece: bytes) -> None:
        room = self._cap - self._size
        if room <= 0:
            raise BodyTooLarge
        self._pieces.append(piece[:room])
        self._size += min(len(piece), room)

    def finish(self) -> bytes:
        """Return what there is, up to the cap of error bodies."""
        return b"".join(self._pieces)


def body_for(status: int, headers: Mapping[str, str], cap: int) -> BoundedBody:
    """Return what collects the body of an answer: whole and checked for 2xx, best effort for the rest."""
    return BoundedBody(headers, cap) if 200 <= status < 300 else ErrorBody(headers)


class NotJSON(ValueError):
    """Say that a body is not JSON; ``cut`` when it looks like the beginning of some."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__("this is the beginning of JSON only" if cut else "this is not JSON")
        self.cut = cut


def load_json(body: bytes) -> Any:
    """Decode JSON; UTF-8 whatever a header says.

    Raises:
        NotJSON: it is not JSON, whichever way; no other exception leaves.
    """
    try:
        return orjson.loads(body)
    except RecursionError:
        raise NotJSON(cut=False) from None
    except ValueError as problem:
        raise NotJSON(cut=_is_cut(body, problem)) from None


def _is_cut(body: bytes, problem: ValueError) -> bool:
    """Tell whether all that is wrong is where the body ends; an empty one is not cut, it was never there."""
    if "unexpected end of" in str(problem):
        return True
    try:
        body.decode()
    except UnicodeDecodeError as last:
        return last.reason == "unexpected end of data"
    return False


def check_nothing(body: bytes) -> None:
    """Accept the answer of an operation that returns nothing: empty, or any JSON; a foreign page is no answer.

    Raises:
        NotJSON: it is something else.
    """
    if body.strip():
        load_json(body)
