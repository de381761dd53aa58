"""What only the node on this machine can tell; whoever has none gets *unknown*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, Literal, Protocol

from attrs import frozen

from tailscale_sdk.operations.fleet import Device

Path = Literal["direct", "relay", "unknown"]
PINGS: Final = 3


@frozen
class Pong:
    """Hold the answer to one ping.

    Attributes:
        milliseconds: there and back.
        path: straight from node to node, or through a relay.
    """

    milliseconds: float
    path: Path = "unknown"


class LocalNode(Protocol):
    """Measure from the node on this machine."""

    async def ping(self, address: str) -> Pong | None:
        """Ping a device by its Tailscale address; None where it does not answer."""
        ...

    async def suggested_exit_node(self) -> str | None:
        """Return the nodeId of the exit node it would choose; None where it has no opinion."""
        ...


@frozen
class Latency:
    """Hold how far away a device is.

    Attributes:
        milliseconds: there and back.
        source: measured by this node, or what the device says of its relay.
        path: straight or through a relay, where that was measured.
    """

    milliseconds: float
    source: Literal["local_ping", "derp_estimate"]
    path: Path = "unknown"


async def measure(node: LocalNode, devices: Sequence[Device], *, pings: int = PINGS) -> Mapping[str, Latency]:
    """Ping devices from this machine, and return the median of each that answered, by nodeId.

    Args:
        node: on this machine.
        devices: to be pinged, one after the other.
        pings: of each.
    """
    found: dict[str, Latency] = {}
    for device in devices:
        if not device.is_connected or not device.addresses:
            continue
        answers = [await node.ping(device.addresses[0]) for _ in range(pings)]
        pongs = [pong for pong in answers if pong is not None]
        if pongs:
            found[device.id] = Latency(
                round(median(pong.milliseconds for pong in pongs), 1), "local_ping", pongs[-1].path
            )
    return found
