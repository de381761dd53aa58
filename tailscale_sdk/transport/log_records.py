"""From the bytes of a log stream to its records, as they come: flat memory, no I/O, never half a record."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn

import ijson

from tailscale_sdk import _constants as limits
from tailscale_sdk._generated.types import Model, UnexpectedShape, parse_models
from tailscale_sdk.transport.decode import BodyBroken, BodyTooLarge, NotJSON, load_json
from tailscale_sdk.transport.log_envelope import Envelope, Nesting

Record = dict[str, Any]
# What reading may stop at; each is a fault of the answer.
FAULTS = (BodyBroken, BodyTooLarge, NotJSON, UnexpectedShape)


@cache
def _push_parser() -> Callable[..., Any]:
    """Return ijson's push parser, its fastest; warn once where only the slow one is there."""
    if ijson.backend_name == "python":
        text = "ijson has no C backend (yajl2_c) here: log streams are read many times slower"
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    return ijson.items_coro  # type: ignore[no-any-return]


class _Pieces:
    """Cut a compressed or plain stream into small decompressed pieces.

    Args:
        encoding: value of Content-Encoding.
        size: largest piece in bytes.

    Raises:
        BodyBroken: the encoding is neither gzip nor none.
    """

    def __init__(self, encoding: str, size: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in {"", "identity", "gzip"}:
            raise BodyBroken("an encoding came that was not asked for", damaged=False)
        self._gunzip = zlib.decompressobj(31) if encoding == "gzip" else None
        self._size, self._begun = size, False

    def of(self, chunk: bytes) -> Iterator[bytes]:
        """Give the pieces of one chunk, one at a time.

        Raises:
            BodyBroken: it is not gzip.
        """
        self._begun = self._begun or bool(chunk)
        if self._gunzip is None:
            for at in range(0, len(chunk), self._size):
                yield chunk[at : at + self._size]
            return
        while chunk:
            try:
                piece = self._gunzip.decompress(chunk, self._size)
            except zlib.error:
                raise BodyBroken("the gzip data is broken") from None
            chunk = self._gunzip.unconsumed_tail
            if self._gunzip.eof and self._gunzip.unused_data:
                chunk, self._gunzip = self._gunzip.unused_data, zlib.decompressobj(31)
            if piece:
                yield piece

    def finish(self) -> None:
        """Check that the end of the stream is the end of the data.

        Raises:
            BodyBroken: the gzip data ended early.
        """
        if self._gunzip is not None and self._begun and not self._gunzip.eof:
            raise BodyBroken("the gzip data ended early")


def _first_strange(elements: list[Any]) -> int | None:
    """Return where the first element is that is neither an object nor null."""
    if set(map(type, elements)) <= {dict}:
        return None
    return next((at for at, it in enumerate(elements) if it is not None and type(it) is not dict), None)


def _refuse(element: Any, path: str) -> NoReturn:
    try:
        parse_models([element], Model)
    except UnexpectedShape as problem:
        raise UnexpectedShape(path, expected=problem.expected, found=problem.found) from None
    raise AssertionError("an object is not refused")


class RecordReader:
    """Read the records of a ``{"logs": [...]}`` answer from chunks of any size.

    What stands around the list is collected and checked as a whole; the list itself is parsed piece by piece.

    Args:
        headers: response headers, names in lower case.
        max_record_bytes: most bytes without a record ending; up to an eighth more may pass.

    Raises:
        BodyBroken: the encoding is neither gzip nor none.

    Attributes:
        bytes_read: decompressed bytes so far.
        envelope: what stands beside the list, as far as it was read: for audit logs ``version`` and
            ``tailnetId``, or ``tailnet``.
    """

    def __init__(self, headers: Mapping[str, str], max_record_bytes: int = limits.MAX_RECORD_BYTES) -> None:
        self._parser: Any = None
        self._cap = max_record_bytes
        size = min(limits.STREAM_PIECE_BYTES, max_record_bytes // limits.RECORD_PIECES)
        self._pieces = _Pieces(headers.get("content-encoding", ""), max(size, 1))
        self._around, self._nesting = Envelope(), Nesting()
        self._found: Any = ijson.sendable_list()
        self._since, self._index = 0, 0
        self.bytes_read = 0
        self.envelope: dict[str, Any] = {}

    def __del__(self) -> None:
        # The pure Python backend complains on stderr when it is dropped in the middle of a list.
        if self._parser is not None:
            with suppress(ijson.JSONError, ValueError):
                self._parser.close()

    def feed(self, chunk: bytes) -> Iterator[list[Record]]:
        """Take one chunk as it came from the wire and give its records, a piece at a time.

        Raises:
            BodyBroken: the gzip data is broken.
            BodyTooLarge: a record, or what stands around the list, passed the cap.
            NotJSON: it is not JSON.
            UnexpectedShape: an element of the list is no object.
        """
        for piece in self._pieces.of(chunk):
            self.bytes_read += len(piece)
            inside = self._enter(piece) if self._parser is None else piece
            if inside and self._nesting.depth:
                yield from self._within(inside)
            elif inside:
                self._around.text += inside
            if len(self._around.text) > self._cap or self._since > self._cap:
                raise BodyTooLarge

    def _enter(self, piece: bytes) -> bytes:
        """Look for the beginning of the list; return what of the piece is behind it."""
        self._around.text += piece
        inside = self._around.split()
        if inside is None:
            return b""
        self.envelope = self._around.fields(b"null}")
        self._around.text += b"null"
        self._parser = _push_parser()(self._found, "item", use_float=True)
        self._parser.send(b"[")
        self._nesting.depth = 1
        return inside

    def _within(self, piece: bytes) -> Iterator[list[Record]]:
        """Parse what of a piece belongs to the list; what follows the list belongs to the envelope."""
        taken = self._nesting.advance(piece)
        yield from self._parse(piece[:taken])
        if not self._nesting.depth:
            self._around.text += piece[taken:]
            self._since = 0
        elif taken < len(piece):
            raise NotJSON(cut=False)

    def _parse(self, piece: bytes) -> Iterator[list[Record]]:
        """Parse a piece of the list; the records before a fault are given before it is raised."""
        intact = True
        try:
            self._parser.send(piece)
        except (ijson.JSONError, ValueError):
            intact = False
        found: list[Any] = self._found[:]
        del self._found[:]
        strange = _first_strange(found)
        records = [element for element in found[:strange] if element is not None]
        self._since = 0 if records else self._since + len(piece)
        if records:
            yield records
        if strange is not None:
            _refuse(found[strange], f"$.logs[{self._index + strange}]")
        if not intact:
            raise NotJSON(cut=False)
        self._index += len(found)

    def finish(self) -> None:
        """Check that the stream ended where its JSON does.

        Raises:
            BodyBroken: the gzip data ended early.
            NotJSON: it is not JSON, or only the beginning of some.
            UnexpectedShape: it is JSON of another kind than the operation answers.
        """
        self._pieces.finish()
        if self._nesting.depth:
            raise NotJSON(cut=True)
        whole = load_json(bytes(self._around.text))
        if parse_models(whole, Model, "logs"):
            raise UnexpectedShape("$.logs", expected="one array", found="two")
        self.envelope = {key: value for key, value in (whole or {}).items() if key != "logs"}
