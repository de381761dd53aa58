"""The client and the change engine of a command, with the guards that always hold."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable

from tailscale_sdk.changes import AsyncChanges, Guard, OwnNode, Protected
from tailscale_sdk.changes.engine import DEFAULT_PROFILE
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.config import chosen_profile, protected_names, read_profile
from tailscale_sdk.errors import NothingToChangeError

Work = Callable[[AsyncTailscale, AsyncChanges], Awaitable[int]]


def run_with_engine(options: argparse.Namespace, work: Work) -> int:
    """Run a command's work with a client of its profile and an engine that protects what the profile protects.

    Args:
        options: of the command, ``profile`` among them.
        work: what is to be done.
    """
    profile = chosen_profile(options.profile)

    async def running() -> int:
        async with AsyncTailscale.from_env(options.profile) as client:
            engine = AsyncChanges(client, profile=profile or DEFAULT_PROFILE, guards=_guards(profile))
            try:
                return await work(client, engine)
            except NothingToChangeError as nothing:
                # What runs again and again wants no failure where all is done.
                print(json.dumps({"items": 0, "reason": str(nothing)}) if options.json else str(nothing))
                return 0

    return asyncio.run(running())


def _guards(profile: str | None) -> tuple[Guard, ...]:
    names = frozenset[str]() if profile is None else protected_names(profile, read_profile(profile))
    return (Protected(names), OwnNode.here())
