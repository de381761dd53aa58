"""The keys of a tailnet, whose tags a new policy must leave owners."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import HuJSONError, NotFoundError, PermissionDeniedError, PolicyError
from tailscale_sdk.policy.language import read_policy

_TELLING: Final = frozenset({"capabilities", "keyType", "scopes", "tags"})


async def read_credentials(client: AsyncTailscale, old: str, new: str) -> list[dict[str, Any]]:
    """Read the keys; a credential that may not read them plans without.

    The service may list nothing but ids. Such keys are read one by one, where a tag loses an owner.

    Args:
        client: reads the keys.
        old: the policy that is stored.
        new: the policy that would be.

    Raises:
        TailscaleError: they cannot be read for another reason than a lack of rights.
    """
    try:
        keys = [key.to_dict() for key in await client.keys.list()]
    except (PermissionDeniedError, NotFoundError):
        return []
    if all(_TELLING & key.keys() for key in keys) or not _loses_an_owner(old, new):
        return keys
    return [key if _TELLING & key.keys() else await _details(client, key) for key in keys]


async def _details(client: AsyncTailscale, key: dict[str, Any]) -> dict[str, Any]:
    try:
        return (await client.keys.get(str(key.get("id")))).to_dict()
    except (PermissionDeniedError, NotFoundError):
        return key


def _loses_an_owner(old: str, new: str) -> bool:
    try:
        before, after = read_policy(old).tag_owners, read_policy(new).tag_owners
    except (HuJSONError, PolicyError):
        # What the judgement says of it; no lock-out is looked for in what cannot be read.
        return False
    return any(
        tag not in after or not set(owners.values) <= set(after[tag].values) for tag, owners in before.items()
    )
