"""What stood against a write: somebody else's edit, shown and never overwritten."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import PreconditionFailedError, TailscaleError
from tailscale_sdk.operations.policies.texts import text_difference


@frozen
class Conflict:
    """Hold what stood against a write: somebody else's.

    Attributes:
        base: ETag the change was planned on.
        mine: SHA-256 of the bytes that were not written.
        theirs: ETag that is stored now; None where it could not be read.
        text: what they changed; where the policy the change is based on is not known, what mine would change.
    """

    base: str | None
    mine: str
    theirs: str | None
    text: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"base": self.base, "mine": self.mine, "theirs": self.theirs, "text": list(self.text)}


class PolicyConflictError(PreconditionFailedError):
    """Say that the stored policy is another one by now; ``conflict`` holds whose, and what they changed."""

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        super().__init__(
            status=412, message="the stored policy is another one by now", operation="setPolicyFile"
        )


async def find_conflict(
    client: AsyncTailscale, *, base: str | None, mine: str, base_text: str | None
) -> Conflict:
    """Read what somebody else wrote, and compare it with what the change was planned on.

    Args:
        client: reads the policy.
        base: ETag the change was planned on.
        mine: SHA-256 of the bytes that were not written.
        base_text: the policy it was planned on.
    """
    try:
        theirs = await client.policy.get()
    except TailscaleError:
        return Conflict(base, mine, None)
    lines = text_difference(base_text or "", theirs.text, names=("base", "theirs"))
    return Conflict(base, mine, theirs.etag, lines)
