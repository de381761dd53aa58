"""A tailnet as it would be: a device with other tags or routes, or without one; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from attrs import evolve

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.diff import AccessDiff, diff_policies
from tailscale_sdk.policy.language import AddressRange, Policy, read_policy
from tailscale_sdk.policy.tailnet import Device, Route, Tailnet


def with_tags(tailnet: Tailnet, name: str, tags: Sequence[str]) -> Tailnet:
    """Return the tailnet with other tags on a device; a tagged device has no owner.

    Args:
        tailnet: the tailnet as it is.
        name: the device's name, id or address.
        tags: all it would have; with none it belongs to its user again.

    Raises:
        ConfigurationError: no device has this name, or several have it.
    """
    device = one_device(tailnet, name)
    user = "" if tags else str(device.fields.get("user") or device.user)
    return _replaced(tailnet, evolve(device, tags=tuple(tags), user=user))


def with_approved(tailnet: Tailnet, name: str, routes: Iterable[str]) -> Tailnet:
    """Return the tailnet with more routes approved on a device, and advertised by it.

    Args:
        tailnet: the tailnet as it is.
        name: the device's name, id or address.
        routes: such as ``10.0.0.0/16``.

    Raises:
        ConfigurationError: no device has this name, several have it, or one of the routes is none.
    """
    device = one_device(tailnet, name)
    more = tuple(_route(text) for text in routes)
    advertised = None if device.advertised is None else (*device.advertised, *more)
    return _replaced(tailnet, evolve(device, approved=(*device.approved, *more), advertised=advertised))


def without_device(tailnet: Tailnet, name: str) -> Tailnet:
    """Return the tailnet without a device.

    Args:
        tailnet: the tailnet as it is.
        name: the device's name, id or address.

    Raises:
        ConfigurationError: no device has this name, or several have it.
    """
    gone = one_device(tailnet, name)
    left = (device for device in tailnet.devices if device.id != gone.id)
    return evolve(tailnet, devices=tuple(evolve(device, index=index) for index, device in enumerate(left)))


def without_rule(policy: Policy, pointer: str, tailnet: Tailnet) -> AccessDiff:
    """Return what would be lost without one rule: what it alone gives; the rest of what it gives others give too.

    Args:
        policy: with the rule.
        pointer: JSON pointer of the rule, such as ``/grants/3``.
        tailnet: whose access is meant.

    Raises:
        HuJSONError: there is nothing at this pointer.
        PolicyError: the policy would be refused without it.
    """
    less = hujson.patch(policy.text, [{"op": "remove", "path": pointer}])
    return diff_policies(policy, read_policy(less), tailnet)


def one_device(tailnet: Tailnet, name: str) -> Device:
    """Return the device with a name.

    Args:
        tailnet: where it is.
        name: its name, id or address.

    Raises:
        ConfigurationError: no device has it, or several have it.
    """
    found = tailnet.named(name)
    if len(found) != 1:
        several = ", ".join(device.id for device in found[:5])
        raise ConfigurationError(
            f"{name!r}: several devices have this name, give one's id: {several}"
            if found
            else f"{name!r}: no device has this name"
        )
    return found[0]


def _replaced(tailnet: Tailnet, device: Device) -> Tailnet:
    devices = (device if each.id == device.id else each for each in tailnet.devices)
    return evolve(tailnet, devices=tuple(devices))


def _route(text: str) -> Route:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no route such as 10.0.0.0/16") from None
    return Route(
        text, AddressRange(network.version, int(network.network_address), int(network.broadcast_address))
    )
