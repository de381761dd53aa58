"""What came back: one reply of the wire, and the whole response a caller may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from attrs import field, frozen

T = TypeVar("T")


@frozen
class Reply:
    """Hold a complete answer; header names are lower case, the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    attempts: int = 1
    already_absent: bool = False


@frozen
class RawResponse(Generic[T]):
    """Hold a whole response beside what the method would have returned.

    Attributes:
        status: HTTP status.
        headers: response headers, names in lower case.
        body: the decompressed body; not part of the repr.
        parsed: what the method returns; None for ``client.request``.
        attempts: requests that were sent for this answer.
        already_absent: a deletion whose repeat found nothing left; an earlier attempt, or somebody else, did it.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    parsed: T = field(repr=False)
    attempts: int = 1
    already_absent: bool = False
