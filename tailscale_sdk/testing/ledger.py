"""What the embedded tailnet applied: tests assert what the server did, not only what the client saw."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from attrs import define, field, frozen

MASK = "***"
SECRET_FIELDS = frozenset(
    {
        "clientsecret",
        "client_secret",
        "gcscredentials",
        "invite",
        "inviteurl",
        "jwt",
        "key",
        "s3secretaccesskey",
        "secret",
        "token",
    }
)


def without_secrets(value: Any) -> Any:
    """Return JSON with every field that may hold a credential masked; objects and lists are copied."""
    if isinstance(value, dict):
        return {name: _masked(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    return value


def _masked(name: str, value: Any) -> Any:
    if name.lower() in SECRET_FIELDS and isinstance(value, str) and value:
        return MASK
    return without_secrets(value)


@frozen
class LedgerEntry:
    """Describe one applied write.

    Attributes:
        operation: operation id.
        method: HTTP method.
        path: decoded path below ``/api/v2``.
        time: virtual time, RFC 3339.
        caller: login name, or id of the key of a token of the tailnet.
        body_sha256: hash of the exact request body, hexadecimal.
        body: decoded request body without secrets, None when it was empty or no JSON.
    """

    operation: str
    method: str
    path: str
    time: str
    caller: str
    body_sha256: str
    body: Any


@define
class Ledger:
    """Keep the applied writes in their order."""

    entries: list[LedgerEntry] = field(factory=list)

    def add(self, *, operation: str, method: str, path: str, time: str, caller: str, content: bytes) -> None:
        """Note one applied write."""
        try:
            body = without_secrets(orjson.loads(content)) if content else None
        except orjson.JSONDecodeError:
            body = None
        digest = hashlib.sha256(content).hexdigest()
        self.entries.append(LedgerEntry(operation, method, path, time, caller, digest, body))

    def of(self, operation: str) -> list[LedgerEntry]:
        """Return the applied writes of one operation."""
        return [entry for entry in self.entries if entry.operation == operation]

    def __len__(self) -> int:
        return len(self.entries)
