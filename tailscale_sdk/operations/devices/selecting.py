"""Choose the devices a change is for; what would be everything or nothing has to be said."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.language import All, Node, read_query
from tailscale_sdk.operations.devices.predicates import StageOf, Surroundings, compile_query
from tailscale_sdk.operations.fleet import Device, Fleet


@frozen
class Selection:
    """Hold the devices that were chosen.

    Attributes:
        devices: in the order of the fleet.
        population: how many devices there are.
    """

    devices: tuple[Device, ...]
    population: int


def select(
    fleet: Fleet,
    query: Node | str,
    *,
    now: datetime,
    everything: bool = False,
    stage_of: StageOf | None = None,
) -> Selection:
    """Return the devices a query matches, to be changed.

    Args:
        fleet: all devices, so that a share of them can be told.
        query: as text or as read.
        now: moment of asking, with a zone.
        everything: every device may be meant.
        stage_of: stage of the lifecycle, for ``stage:``.

    Raises:
        ConfigurationError: no device matches, or each of several does and ``everything`` does not say so.
    """
    node = read_query(query) if isinstance(query, str) else query
    if node == All() and not everything:
        raise ConfigurationError("a change needs a query: name the devices, or say that everything is meant")
    test = compile_query(node, Surroundings(now, fleet, stage_of))
    found = tuple(device for device in fleet.devices if test(device))
    if not found:
        raise ConfigurationError(f"no device matches: none of {len(fleet.devices)}")
    if len(found) == len(fleet.devices) > 1 and not everything:
        raise ConfigurationError(f"every one of {len(found)} devices matches: say so if everything is meant")
    return Selection(found, len(fleet.devices))
