"""Read what an audit looks at."""

from __future__ import annotations

from typing import Any, Final

from tailscale_sdk.changes.course import Progress
from tailscale_sdk.client import AsyncTailscale
from tailscale_sdk.operations.fleet import Fleet, read_fleet
from tailscale_sdk.operations.parts import PARTS, READ, attributes, device_invites, read_async
from tailscale_sdk.operations.snapshots import SnapshotSource
from tailscale_sdk.snapshot import TailnetSnapshot

_NOT_ASKED: Final = "takes a call for each device: tailscale-sdk audit --deep"
_DEEP: Final = {"attributes": attributes, "device_invites": device_invites}


async def read_audited(
    client: AsyncTailscale,
    *,
    snapshots: SnapshotSource | None = None,
    deep: bool = False,
    progress: Progress | None = None,
) -> Fleet:
    """Read everything the checks look at; what cannot be read is said in ``coverage``.

    Args:
        client: reads.
        snapshots: where reads are shared.
        deep: also posture attributes and share invites, which take two calls for each device.
        progress: told of devices done and devices in all.

    Raises:
        TailscaleError: the devices cannot be read.

    Scope: ``devices:core:read``, and for each further part its own.
    """
    snapshot = await (snapshots or SnapshotSource(client)).read(tuple(PARTS))
    return read_fleet(await _deepened(client, snapshot, progress) if deep else _shallow(snapshot))


def _shallow(snapshot: TailnetSnapshot) -> TailnetSnapshot:
    coverage = dict(snapshot.content.get("coverage") or {}) | dict.fromkeys(_DEEP, _NOT_ASKED)
    return TailnetSnapshot.from_dict({**snapshot.content, "coverage": coverage})


async def _deepened(
    client: AsyncTailscale, snapshot: TailnetSnapshot, progress: Progress | None
) -> TailnetSnapshot:
    content: dict[str, Any] = {**snapshot.content, "attributes": {}, "device_invites": []}
    coverage: dict[str, str] = dict(content.get("coverage") or {})
    nodes = [device["nodeId"] for device in snapshot.devices if device.get("nodeId")]
    for done, node in enumerate(nodes, 1):
        for name, calls in _DEEP.items():
            if coverage.get(name, READ) != READ:
                continue
            part = await read_async(client, calls([node]))
            coverage[name] = part.reason
            if name == "attributes":
                content[name].update(part.content[name])
            else:
                content[name] += part.content[name]
        if progress is not None:
            progress(done, len(nodes))
    for name in _DEEP:
        if coverage.get(name, READ) != READ and not content[name]:
            del content[name]
    return TailnetSnapshot.from_dict({**content, "coverage": coverage})
