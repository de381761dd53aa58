"""Who is meant by the two ends of a question: devices, or an address that no device has."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.compile.addresses import ranges_of, spelled
from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.language import AddressRange
from tailscale_sdk.policy.tailnet import Device, parse_address

INTERNET = "autogroup:internet"
_SHOWN = 5


@frozen
class End:
    """Hold one thing a name means.

    Attributes:
        text: the name as it was asked for.
        device: the device, None for an address that no device has.
        addresses: which of its addresses are meant, as family and number.
    """

    text: str
    device: Device | None
    addresses: tuple[tuple[int, int], ...]

    @property
    def label(self) -> str:
        """Return what people call it."""
        if self.device is not None:
            return self.device.label
        return ", ".join(spelled(AddressRange(version, each, each)) for version, each in self.addresses)


def find_ends(compiled: CompiledPolicy, text: str, *, role: str) -> tuple[End, ...]:
    """Return what a name means: one device, all devices of a selector, or an address.

    Args:
        compiled: whose tailnet and names are meant.
        text: a device's name, id or address; a login, group, tag or autogroup; a host or an address.
        role: ``source`` or ``destination``, for the message.

    Raises:
        ConfigurationError: nothing has this name, or several devices have it.
    """
    text = text.strip()
    devices = compiled.tailnet.named(text)
    if len(devices) > 1:
        names = ", ".join(f"{device.name or device.hostname} ({device.id})" for device in devices[:_SHOWN])
        raise ConfigurationError(f"{role} {text!r}: several devices have this name, give one's id: {names}")
    if devices:
        return (_device_end(text, devices[0]),)
    selector = read_selector(compiled.policy, text)
    if selector.kind in {"address", "host", "ipset"}:
        return _addresses(compiled, text, role)
    found = compiled.devices(compiled.selection.devices(selector).possible)
    if not found and not _is_known(compiled, selector.kind, selector.name):
        raise ConfigurationError(f"{role} {text!r}: {_unknown(compiled, text)}")
    return tuple(_own_end(text, device) for device in found)


def _device_end(text: str, device: Device) -> End:
    asked = parse_address(text)
    return End(text, device, (asked,)) if asked is not None else _own_end(text, device)


def _own_end(text: str, device: Device) -> End:
    own = ((version, device.own(version)) for version in (4, 6))
    return End(text, device, tuple((version, each) for version, each in own if each is not None))


def _addresses(compiled: CompiledPolicy, text: str, role: str) -> tuple[End, ...]:
    ranges = ranges_of(compiled.policy, read_selector(compiled.policy, text))
    if not ranges:
        raise ConfigurationError(f"{role} {text!r}: {_unknown(compiled, text)}")
    ends = []
    for each in ranges:
        if not each.is_single:
            raise ConfigurationError(f"{role} {text!r}: is a range of addresses, ask for one address in it")
        holder = compiled.tailnet.by_address.get((each.version, each.first))
        ends.append(End(text, holder, ((each.version, each.first),)))
    return tuple(ends)


def _is_known(compiled: CompiledPolicy, kind: str, name: str) -> bool:
    policy = compiled.policy
    if kind == "user":
        return name in compiled.tailnet.roles
    if kind == "autogroup":
        return True
    return name in {"group": policy.groups, "tag": policy.tag_owners}.get(kind, ())


def _unknown(compiled: CompiledPolicy, text: str) -> str:
    near = [device.label for device in compiled.tailnet.devices if text.lower() in device.label.lower()]
    hint = f"; similar: {', '.join(_first(near))}" if text and near else ""
    return f"no device, user, group, tag, host or address has this name{hint}"


def _first(names: Sequence[str]) -> list[str]:
    return [*names[:_SHOWN], *(["…"] if len(names) > _SHOWN else [])]
