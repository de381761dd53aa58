"""Whether the stored policy drifted from a file, and from what was applied from here last."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.changes import AsyncChanges
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.policies.history import last_applied
from tailscale_sdk.operations.policies.texts import canonical_hash, text_difference

DriftStatus = Literal["in_sync", "pending", "outside_edit", "conflict", "unknown"]


@frozen
class Drift:
    """Hold how a file, the stored policy and the one applied last stand to each other.

    Attributes:
        status: in_sync (file and stored policy say the same), pending (only the file is newer), outside_edit
            (only the stored policy is newer), conflict (both are), unknown (they differ, and nothing was
            applied from here).
        stored: ETag of the stored policy.
        file: the ETag the file would have: SHA-256 of its canonical layout.
        applied: SHA-256 of the bytes that were applied last.
        text: the difference between the stored policy and the file.
    """

    status: DriftStatus
    stored: str
    file: str
    applied: str | None
    text: tuple[str, ...] = ()

    @property
    def is_outside_edit(self) -> bool:
        """Tell whether somebody changed the policy elsewhere."""
        return self.status in {"outside_edit", "conflict"}

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "status": self.status,
            "stored": self.stored,
            "file": self.file,
            "applied": self.applied,
            "text": list(self.text),
        }


async def drift(client: AsyncTailscale, text: str, *, changes: AsyncChanges | None = None) -> Drift:
    """Compare a policy file with the stored policy and with what was applied last; nothing is changed.

    Args:
        client: reads the policy.
        text: of the file.
        changes: engine whose journal is meant.

    Raises:
        HuJSONError: the file is not HuJSON.
        TailscaleError: the policy cannot be read.

    Scope: ``policy_file:read``.
    """
    stored = await client.policy.get()
    file = canonical_hash(text)
    applied = last_applied(changes or AsyncChanges(client), stored.text)
    etag = stored.etag or canonical_hash(stored.text)
    if etag == file:
        status: DriftStatus = "in_sync"
    elif applied is None:
        status = "unknown"
    elif applied.wrote(stored.text):
        status = "pending"
    else:
        status = "outside_edit" if applied.wrote(text) else "conflict"
    sent = applied.sent if applied is not None else None
    return Drift(status, etag, file, sent, text_difference(stored.text, text, names=("stored", "file")))
