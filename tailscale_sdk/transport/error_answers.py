"""What a service that refuses says: its status decides the class, its body the message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tailscale_sdk import _constants as limits
from tailscale_sdk.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    ServerError,
)
from tailscale_sdk.redact import clean

_MARKUP = re.compile(r"<[^<>]{0,500}>")
_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionFailedError,
    429: RateLimitError,
}


def status_error(status: int, *, body: bytes = b"", **context: Any) -> APIStatusError:
    """Build the error of a status; the status alone decides the class, and building never fails.

    Args:
        status: HTTP status outside 2xx.
        body: the answer's body; JSON with a ``message``, or anything else.
        context: further attributes of ``APIStatusError``.
    """
    kind = _BY_STATUS.get(status) or (ServerError if 500 <= status <= 599 else APIStatusError)
    message, data = _read_error_body(body)
    return kind(status=status, message=message, data=data, body=body, **context)


def _read_error_body(body: bytes) -> tuple[str, list[dict[str, Any]] | None]:
    text = body[: limits.MAX_ERROR_BODY_BYTES].decode("utf-8-sig", "replace")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get("message"), str):
        entries = content.get("data")
        data = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else None
        return content["message"], data
    excerpt = clean(" ".join(_MARKUP.sub(" ", text).split()), limits.EXCERPT_CHARACTERS)
    return excerpt.encode()[: limits.EXCERPT_CHARACTERS].decode("utf-8", "ignore"), None
