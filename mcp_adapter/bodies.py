"""The body of a request: bounded in bytes, depth and strings, and looked at once before anything works on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from mcp_adapter.answers import INVALID_REQUEST, PARSE_ERROR, header_values
from mcp_adapter.schema import POLICY_TEXTS

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_STRING_BYTES = 64 * 1024
MAX_POLICY_BYTES = 768 * 1024
NO_REQUEST = (
    "the body is one JSON-RPC 2.0 request or notification: jsonrpc, method, params as an object, "
    "and id as a text or an integer"
)


class BadBody(Exception):
    """Say which status and which JSON-RPC error a body is answered with."""

    def __init__(
        self, status: int, message: str, code: int = INVALID_REQUEST, request_id: Any = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.request_id = status, code, request_id


class Gone(Exception):
    """Say that the client left before its request was complete."""


@frozen
class Message:
    """Hold what a request says about itself.

    Attributes:
        method: of JSON-RPC; None for the answer to a request of ours.
        tool: name of the tool that is called.
        id: of the request; None for a notification.
    """

    method: str | None
    tool: str | None = None
    id: Any = None


def check_length(scope: Any) -> None:
    """Refuse a body by the length it declares.

    Raises:
        BadBody: it is too long.
    """
    for value in header_values(scope, b"content-length"):
        if value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise too_long()


def too_long() -> BadBody:
    """Return the refusal of a long body."""
    return BadBody(413, f"the request is longer than {MAX_BODY_BYTES} bytes")


async def read_body(receive: Any) -> bytes:
    """Read a whole body.

    Raises:
        BadBody: it is too long.
        Gone: the client left.
    """
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece = message.get("body", b"")
        length += len(piece)
        if length > MAX_BODY_BYTES:
            raise too_long()
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def replay(body: bytes, receive: Any) -> Callable[[], Any]:
    """Return a channel that hands a body out again, and then whatever follows it."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return pending.pop() if pending else await receive()

    return again


def look_at(body: bytes) -> Message:
    """Check the shape of a message, and return what it says about itself.

    Raises:
        BadBody: it is no JSON, no request, or deeper or with longer strings than anything served here.
    """
    import orjson

    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadBody(400, "Parse error", PARSE_ERROR) from None
    envelope = content if isinstance(content, dict) else {}
    number = envelope.get("id")
    request_id = number if isinstance(number, int | str) and not isinstance(number, bool) else None
    _check_shape(content, len(body), request_id)
    method, parameters = envelope.get("method"), envelope.get("params")
    sound = envelope.get("jsonrpc") == "2.0" and ("id" not in envelope or request_id is not None)
    if sound and method is None and _is_answer(envelope):
        return Message(None, None, request_id)
    if not sound or not isinstance(method, str) or not isinstance(parameters, dict | None):
        # The library would say so as well, but quote what was sent.
        raise BadBody(400, NO_REQUEST, request_id=request_id)
    tool = parameters.get("name") if method == "tools/call" and parameters is not None else None
    return Message(method, tool if isinstance(tool, str) else None, request_id)


def _is_answer(envelope: dict[str, Any]) -> bool:
    """Tell whether this is a client's answer to a request of ours."""
    error = envelope.get("error")
    if isinstance(error, dict):
        return isinstance(error.get("code"), int) and isinstance(error.get("message"), str)
    return isinstance(envelope.get("result"), dict)


def _check_shape(content: Any, size: int, request_id: Any) -> None:
    """Walk level by level, so that no depth can exhaust the stack."""
    level = [content] if isinstance(content, dict | list) else []
    depth = 0
    strings = size > MAX_STRING_BYTES
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise BadBody(400, f"nested deeper than {MAX_DEPTH} levels", request_id=request_id)
        if strings:
            _check_strings(level, request_id)
        level = [
            value
            for container in level
            for value in (container.values() if isinstance(container, dict) else container)
            if isinstance(value, dict | list)
        ]


def _check_strings(level: list[Any], request_id: Any) -> None:
    for container in level:
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for name, value in pairs:
            limit = MAX_POLICY_BYTES if name in POLICY_TEXTS else MAX_STRING_BYTES
            if isinstance(value, str) and len(value) * 4 > limit and len(value.encode()) > limit:
                raise BadBody(400, f"a text is longer than {limit} bytes", request_id=request_id)
