"""One source of snapshots for all readers: equal parts are read once, and kept for a few seconds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen

from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.errors import HuJSONError, TailscaleError
from tailscale_sdk.operations.parts import PARTS, Calls, Part, attributes, joined, read_async
from tailscale_sdk.operations.reading import stamp
from tailscale_sdk.operations.sharing import SharedReads
from tailscale_sdk.policy import hujson
from tailscale_sdk.snapshot import TailnetSnapshot

MAX_ATTRIBUTE_DEVICES = 100
"""Devices whose posture attributes are read for one question: each costs a call, ten calls a second are usual."""


@frozen
class _Dated:
    part: Part
    moment: datetime


def _now() -> datetime:
    return datetime.now(UTC)


@frozen(eq=False)
class SnapshotSource:
    """Read snapshots of one tailnet for one principal.

    Args:
        client: reads only.
        profile: name the tailnet is kept apart by.
        principal: who asks; nobody is shown what another one read.
        reads: answers that are shared with other sources; they are forgotten there when something is written.
        now: wall clock with a zone, for the moment a snapshot notes.
    """

    client: AsyncTailscale = field(repr=False)
    profile: str = field(default="default", kw_only=True)
    principal: str = field(default="", kw_only=True)
    reads: SharedReads = field(factory=SharedReads, kw_only=True, repr=False)
    now: Callable[[], datetime] = field(default=_now, kw_only=True, repr=False)

    async def read(
        self, parts: Collection[str] = tuple(PARTS), *, needed: Collection[str] = ()
    ) -> TailnetSnapshot:
        """Read parts of the tailnet side by side; the devices are always among them.

        Args:
            parts: names of ``coverage``: users, policy, keys, dns, settings …
            needed: parts without which the snapshot is of no use, besides the devices.

        Returns:
            The snapshot, dated by its oldest part; a part that cannot be read is missing, and ``coverage`` says why.

        Raises:
            TailscaleError: a needed part cannot be read.
        """
        wanted = {name: PARTS[name] for name in ("devices", *parts)}
        return self._snapshot(await self._read(wanted, {"devices", *needed}))

    async def access(
        self, *, policy: str | None = None, attributes_of: Sequence[str] | None = None
    ) -> TailnetSnapshot:
        """Read what questions about access need: devices, users, policy, and posture attributes where it asks for them.

        Args:
            policy: text that takes the place of the stored policy, which is not read then.
            attributes_of: nodeIds of the devices whose attributes matter; all devices when left out.

        Returns:
            The snapshot. Attributes are read of at most 100 devices; ``coverage`` says so where there are more.

        Raises:
            TailscaleError: devices or policy cannot be read; users and attributes may fail alone.
        """
        names = ("devices", "users") if policy is not None else ("devices", "users", "policy")
        found = await self._read({name: PARTS[name] for name in names}, {*names} - {"users"})
        if policy is not None:
            found["policy"] = _Dated(Part({"policy": policy}), self.now())
        if _asks_for_attributes(found["policy"]):
            found["attributes"] = await self._attributes(found["devices"], attributes_of)
        return self._snapshot(found)

    async def _read(
        self, wanted: Mapping[str, Callable[[], Calls]], needed: Collection[str]
    ) -> dict[str, _Dated | TailscaleError]:
        answers = await asyncio.gather(
            *(self._shared(name, calls) for name, calls in wanted.items()), return_exceptions=True
        )
        found: dict[str, _Dated | TailscaleError] = {}
        for name, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, BaseException) and (
                name in needed or not isinstance(answer, TailscaleError)
            ):
                raise answer
            found[name] = answer
        return found

    async def _shared(self, name: str, calls: Callable[[], Calls], *details: str) -> _Dated:
        async def read() -> _Dated:
            moment = self.now()
            return _Dated(await read_async(self.client, calls()), moment)

        key = json.dumps(["snapshot", self.profile, self.principal, self.client.tailnet, name, *details])
        dated: _Dated = await self.reads.get(key, read)
        return dated

    async def _attributes(
        self, devices: _Dated | TailscaleError, wanted: Sequence[str] | None
    ) -> _Dated | TailscaleError:
        ids = _ids(devices) if wanted is None else list(dict.fromkeys(wanted))
        asked = ids[:MAX_ATTRIBUTE_DEVICES]
        found = await self._shared("attributes", lambda: attributes(asked), *asked)
        if len(asked) == len(ids):
            return found
        reason = f"of {len(asked)} devices only: {len(ids)} would take a call each"
        return _Dated(Part(found.part.content, reason), found.moment)

    def _snapshot(self, found: Mapping[str, _Dated | TailscaleError]) -> TailnetSnapshot:
        moments = [dated.moment for dated in found.values() if isinstance(dated, _Dated)]
        parts = {name: dated.part if isinstance(dated, _Dated) else dated for name, dated in found.items()}
        content: dict[str, Any] = {"tailnet": self.client.tailnet, "taken": stamp(min(moments))}
        return TailnetSnapshot.from_dict({**content, **dict(joined(parts))})


def _ids(devices: _Dated | TailscaleError) -> list[str]:
    content = devices.part.content if isinstance(devices, _Dated) else {"devices": ()}
    return [device["nodeId"] for device in content["devices"] if device.get("nodeId")]


def _asks_for_attributes(policy: _Dated | TailscaleError) -> bool:
    """Tell whether a policy names postures; what is no policy at all names none."""
    text = policy.part.content.get("policy") if isinstance(policy, _Dated) else None
    try:
        postures = hujson.find(text or "{}", "/postures")
    except HuJSONError:
        return False
    return bool(postures)
