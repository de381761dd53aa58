"""What a case of a check is."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from tailscale_sdk.policy.findings import Status

Json = dict[str, Any]


@frozen
class Case:
    """Hold what one check says of one tailnet.

    Attributes:
        check: id of the check.
        status: what must be among its words.
        content: of the snapshot, besides no devices.
        resource: what it is said of, None where any will do.
        message: part of the message.
        options: of the audit.
        attestations: as a file of rules has them.
    """

    check: str
    status: Status
    content: Json
    resource: str | None = None
    message: str = ""
    options: Json = field(factory=dict)
    attestations: list[Json] = field(factory=list)
