"""Leave out at start what the credential's scopes do not allow, by what the token endpoint said was granted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import evolve

from mcp_adapter.catalog import Catalog
from mcp_adapter.runtime import Profile
from tailscale_sdk.errors import TailscaleError


def filter_by_scopes(profiles: Sequence[Profile], catalog: Catalog) -> tuple[tuple[Profile, ...], list[str]]:
    """Ask for a token of each profile and narrow what it serves.

    Args:
        profiles: tailnets of this start.
        catalog: to count what is left out.

    Returns:
        The profiles, and one line for the operator about each.
    """
    narrowed, lines = [], []
    for profile in profiles:
        granted, line = asyncio.run(_granted(profile))
        if granted is not None:
            exposure = evolve(profile.exposure, granted=granted)
            before, after = _served(catalog, profile), _served(catalog, evolve(profile, exposure=exposure))
            profile = evolve(profile, exposure=exposure)
            line = f"profile {profile.name}: {before - after} of {before} actions are left out for lack of scopes"
        narrowed.append(profile)
        lines.append(line)
    return tuple(narrowed), lines


async def _granted(profile: Profile) -> tuple[frozenset[str] | None, str]:
    client = profile.make_client()
    try:
        access = await client.access()
    except TailscaleError as problem:
        return None, f"profile {profile.name}: scopes are unknown, nothing is left out ({problem})"
    finally:
        await client.aclose()
    if access.scopes is None:
        return None, f"profile {profile.name}: an API key has the rights of its user, nothing is left out"
    return frozenset(access.scopes), ""


def _served(catalog: Catalog, profile: Profile) -> int:
    return sum(
        profile.exposure.reason_against(group.domain, entry) is None
        for group in catalog.tools()
        for entry in group.entries
    )
