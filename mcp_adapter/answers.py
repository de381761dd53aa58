"""The answers HTTP gives before the protocol does: JSON-RPC errors that say no more than they must."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Headers = Iterable[tuple[bytes, bytes]]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
REFUSED = -32000
"""Of the range a server may use as it likes: this request is not served, here or now."""


async def refuse(
    send: Any,
    status: int,
    message: str,
    *,
    code: int = REFUSED,
    request_id: Any = None,
    retry_after: int | None = None,
    headers: Headers = (),
) -> None:
    """Answer a request with a JSON-RPC error.

    Args:
        send: ASGI channel.
        status: of HTTP.
        message: what is wrong, without a word of what was sent.
        code: of JSON-RPC.
        request_id: id of the request, where it could be read.
        retry_after: seconds after which the same request may succeed.
        headers: further ones.
    """
    error: dict[str, Any] = {"code": code, "message": message}
    further = list(headers)
    if retry_after is not None:
        error["data"] = {"retry_after": retry_after}
        further.append((b"retry-after", str(retry_after).encode()))
    body = json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}, separators=(",", ":")).encode()
    await answer(send, status, body, headers=further)


async def answer(send: Any, status: int, body: bytes, *, headers: Headers = ()) -> None:
    """Answer a request with a JSON body."""
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def header_values(scope: Any, name: bytes) -> list[bytes]:
    """Return every value of a header, in the order they came."""
    return [value for key, value in scope["headers"] if key == name]
