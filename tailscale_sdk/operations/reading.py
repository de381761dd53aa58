"""Read a whole tailnet into one snapshot; what cannot be read is said, not hidden."""

from __future__ import annotations

from datetime import UTC, datetime

from tailscale_sdk.client import Tailscale
from tailscale_sdk.errors import TailscaleError
from tailscale_sdk.operations.parts import PARTS, Calls, Part, attributes, joined, node_ids, read
from tailscale_sdk.snapshot import TailnetSnapshot


def take_snapshot(client: Tailscale, *, now: datetime | None = None) -> TailnetSnapshot:
    """Read devices, users, policy, keys, DNS, settings and the rest of a tailnet.

    Args:
        client: reads only; needs at least ``devices:core:read``.
        now: moment to note as taken; the current one when left out.

    Returns:
        The snapshot; ``coverage`` says of each part ``read``, or why it is missing.

    Raises:
        TailscaleError: the devices cannot be read. Any other part may fail alone.
    """
    taken = stamp(now or datetime.now(UTC))
    devices = read(client, PARTS["devices"]())
    parts: dict[str, Part | TailscaleError] = {"devices": devices}
    for name, calls in PARTS.items():
        if name != "devices":
            parts[name] = _read_or_reason(client, calls())
    parts["attributes"] = read(client, attributes(node_ids(devices)))
    return TailnetSnapshot.from_dict({"tailnet": client.tailnet, "taken": taken, **dict(joined(parts))})


def _read_or_reason(client: Tailscale, calls: Calls) -> Part | TailscaleError:
    try:
        return read(client, calls)
    except TailscaleError as error:
        return error


def stamp(moment: datetime) -> str:
    """Write a moment as snapshots do: UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
