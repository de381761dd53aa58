"""What a plan may not do: too much at once, to what is protected, or to what it is done with."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Mapping

from attrs import frozen

from tailscale_sdk._constants import MAX_CHANGES, MAX_PERCENT
from tailscale_sdk.changes.model import PlannedItem
from tailscale_sdk.errors import ChangeRefusedError

# A share of a small tailnet is always allowed this many items.
PERCENT_FLOOR_ITEMS = 5
_TAILSCALE_NET = ipaddress.ip_network("100.64.0.0/10")
# Tailscale's own resolver: the route to it leaves by the address of this node. Nothing is sent to find that out.
_QUAD100 = ("100.100.100.100", 53)


@frozen
class Caps:
    """Refuse a plan that changes more than it may.

    Args:
        max_changes: items of one plan.
        max_percent: share of ``population`` in percent; five items are always allowed.
        population: how many objects there are; None when that is not known.
    """

    max_changes: int = MAX_CHANGES
    max_percent: float = MAX_PERCENT
    population: int | None = None

    def refusals(self, items: tuple[PlannedItem, ...]) -> Mapping[int, str]:
        """Accept every item, or refuse the plan.

        Raises:
            ChangeRefusedError: there are too many items; the text names the cap to raise.
        """
        due = sum(item.status == "planned" for item in items)
        if due > self.max_changes:
            raise ChangeRefusedError(
                f"{due} changes are more than max_changes={self.max_changes} allows at once"
            )
        if self.population is not None:
            allowed = max(self.population * self.max_percent / 100, PERCENT_FLOOR_ITEMS)
            if due > allowed:
                raise ChangeRefusedError(
                    f"{due} changes are more than max_percent={self.max_percent:g} of {self.population} allows at once"
                )
        return {}


@frozen
class Protected:
    """Refuse items whose target the operator protects.

    Args:
        names: ``tag:NAME``, node ids, device names, addresses, login names.
    """

    names: frozenset[str]

    def refusals(self, items: tuple[PlannedItem, ...]) -> Mapping[int, str]:
        """Return the reason against each protected item."""
        return {
            index: "the operator protects it (profile: protected)"
            for index, item in enumerate(items)
            if self.names & set(_names_of(item))
        }


def _names_of(item: PlannedItem) -> Iterable[str]:
    found = item.before or {}
    target = item.target
    yield from (name for name in (target.id, target.name, target.address, *target.labels) if name)
    if target.name:
        yield target.name.partition(".")[0]
    yield from (str(tag) for tag in found.get("tags") or ())
    yield from (str(address) for address in found.get("addresses") or ())
    yield from (str(found[key]) for key in ("user", "loginName") if found.get(key))


_CUTTING = frozenset(
    {"deleteDevice", "expireDeviceKey", "setDeviceIp", "authorizeDevice", "setDeviceTags", "setDeviceRoutes"}
)


@frozen
class OwnCredential:
    """Refuse to delete or change the credential the change is made with.

    Args:
        key_id: ``client.own_key_id``.
    """

    key_id: str | None

    def refusals(self, items: tuple[PlannedItem, ...]) -> Mapping[int, str]:
        """Return the reason against each item that is about the own credential."""
        return {
            index: "this is the credential of this client: it would cut itself off"
            for index, item in enumerate(items)
            if self.key_id
            and item.call.operation_id in {"deleteKey", "setKey"}
            and item.target.id == self.key_id
        }


@frozen
class OwnNode:
    """Refuse to cut off the node this program runs on.

    Args:
        addresses: Tailscale addresses of this machine; none when it is not on a tailnet.
    """

    addresses: frozenset[str]

    @classmethod
    def here(cls) -> OwnNode:
        """Find out the Tailscale address of this machine, without sending anything."""
        return cls(own_addresses())

    def refusals(self, items: tuple[PlannedItem, ...]) -> Mapping[int, str]:
        """Return the reason against each item that would cut this node off."""
        return {
            index: "this is the node this program runs on: it would cut itself off"
            for index, item in enumerate(items)
            if item.call.operation_id in _CUTTING and self.addresses & set(_names_of(item))
        }


def own_addresses() -> frozenset[str]:
    """Return the Tailscale addresses of this machine."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_QUAD100)
        address = probe.getsockname()[0]
        if ipaddress.ip_address(address) in _TAILSCALE_NET:
            return frozenset({address})
    return frozenset()
