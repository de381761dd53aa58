"""What a new policy must not take away unnoticed: each lock-out has a name, and is overridden by that name alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tailscale_sdk.operations.policies.extremes import everything_or_nothing
from tailscale_sdk.operations.policies.stakes import Lockout, Stakes
from tailscale_sdk.policy.access import approves
from tailscale_sdk.policy.compile import CompiledPolicy, TriState, members, union
from tailscale_sdk.policy.compile.ssh import ssh_entries
from tailscale_sdk.policy.tailnet import Device, parse_address

_ADMIN_ROLES: Final = frozenset({"owner", "admin"})
_TCP, _SSH_PORT = 6, 22


def find_lockouts(old: CompiledPolicy, new: CompiledPolicy, stakes: Stakes) -> list[Lockout]:
    """Return what the new policy takes away that it should not.

    Args:
        old, new: compiled for the same tailnet.
        stakes: what else is at stake.
    """
    return [
        *everything_or_nothing(old, new),
        *_own_way_in(old, new, stakes),
        *_admins(old, new, stakes.critical),
        *_tag_owners(old, new, stakes.credentials),
        *_route_approvers(old, new),
        *_routers(old, new),
        *_tests(old, new),
    ]


def _own_way_in(old: CompiledPolicy, new: CompiledPolicy, stakes: Stakes) -> Iterator[Lockout]:
    callers, servers = (_devices(old, addresses) for addresses in (stakes.caller, stakes.server))
    for server in servers:
        for caller in callers:
            if old.between(caller, server) and not new.between(caller, server):
                yield Lockout(
                    "caller-loses-access",
                    f"{caller.label}, which asks for this, no longer reaches {server.label}",
                )
        if _reached(old, server) and not _reached(new, server):
            yield Lockout(
                "server-loses-access", f"nobody reaches {server.label} any more, on which this runs"
            )


def _devices(compiled: CompiledPolicy, addresses: frozenset[str]) -> list[Device]:
    found = (parse_address(address) for address in sorted(addresses))
    holders = [compiled.tailnet.by_address.get(address) for address in found if address is not None]
    return list({device.id: device for device in holders if device is not None}.values())


def _reached(compiled: CompiledPolicy, device: Device) -> bool:
    """Tell whether any other device may reach this one."""
    return any(
        compiled.sources_at(part, place).possible
        for version in (4, 6)
        if device.own(version) is not None
        for place in (compiled.universe.source(compiled.number(device), version),)
        for part in compiled.parts_at(place)
        if part.traffic
    )


def _admins(old: CompiledPolicy, new: CompiledPolicy, critical: frozenset[str]) -> Iterator[Lockout]:
    for name in sorted(critical):
        for what, reaching in (("access", _admins_reaching), ("SSH", _admins_logging_in)):
            if reaching(old, name) and not reaching(new, name):
                yield Lockout("admins-lose-access", f"no admin has {what} to {name} any more")


def _admin_devices(compiled: CompiledPolicy) -> int:
    admins = {login for login, role in compiled.tailnet.roles.items() if role in _ADMIN_ROLES}
    found = 0
    for login in admins:
        found |= compiled.selection.owned.get(login, 0)
    return found


def _critical_devices(compiled: CompiledPolicy, name: str) -> int:
    if name.startswith("tag:"):
        return compiled.selection.tagged.get(name, 0)
    found = 0
    for device in compiled.tailnet.named(name):
        found |= 1 << compiled.number(device)
    return found


def _admins_reaching(compiled: CompiledPolicy, name: str) -> bool:
    admins = compiled.selection.both_families(_admin_devices(compiled))
    places = compiled.selection.both_families(_critical_devices(compiled, name))
    return any(
        part.traffic and part.sources.yes & admins and part.places.yes & places and not part.same_owner
        for part in compiled.parts
    )


def _admins_logging_in(compiled: CompiledPolicy, name: str) -> bool:
    """Tell whether an admin is let in by an SSH rule, and by a rule for its port, without which it is of no use."""
    admins = _admin_devices(compiled)
    return any(
        entry.sources.yes & admins & _at_port(compiled, device)
        for device in compiled.devices(_critical_devices(compiled, name))
        for entry in ssh_entries(compiled, device)
    )


def _at_port(compiled: CompiledPolicy, device: Device) -> int:
    """Return the devices that surely reach the SSH port of one."""
    port = compiled.universe.traffic.at(_TCP, _SSH_PORT)
    found = 0
    for version in (4, 6):
        if device.own(version) is not None:
            place = compiled.universe.source(compiled.number(device), version)
            found |= compiled.universe.devices_in(compiled.sources_to(place, port).yes)
    return found


def _tag_owners(
    old: CompiledPolicy, new: CompiledPolicy, credentials: Sequence[Mapping[str, Any]]
) -> Iterator[Lockout]:
    in_use = {tag for device in old.tailnet.devices for tag in device.tags}
    carried = {str(tag) for key in credentials for tag in _tags_of(key)}
    for tag in sorted(in_use | carried):
        before, after = old.policy.tag_owners.get(tag), new.policy.tag_owners.get(tag)
        who = "a credential" if tag in carried else "a device"
        if before is None:
            continue
        if after is None:
            yield Lockout("tag-owners-in-use", f"{tag} is no longer defined, and {who} has it")
        elif tag in carried and before.values and not after.values:
            yield Lockout("tag-owners-in-use", f"nobody owns {tag} any more, and a credential has it")
        for owner in sorted(
            carried.intersection(before.values).difference(after.values if after else before.values)
        ):
            # A credential with the tag of an operator hands out the tags that this one owns.
            text = f"{owner}, which a credential has, no longer owns {tag}, which {who} has"
            yield Lockout("tag-owners-in-use", text)


def _tags_of(key: Mapping[str, Any]) -> Sequence[Any]:
    create = ((key.get("capabilities") or {}).get("devices") or {}).get("create") or {}
    return [*(key.get("tags") or ()), *(create.get("tags") or ())]


def _route_approvers(old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Lockout]:
    for device in old.tailnet.devices:
        for route in device.routes:
            if approves(old, device, route.text) == "yes" and approves(new, device, route.text) != "yes":
                text = f"the route {route.text} of {device.label}, which is in use, is no longer approved by itself"
                yield Lockout("route-approvers-in-use", text)


def _routers(old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Lockout]:
    before, after = (_reached_routers(compiled) for compiled in (old, new))
    for number in members(before & ~after):
        device = old.device(number)
        if device is not None:
            yield Lockout(
                "last-rule-to-router", f"no rule lets anybody reach what is behind {device.label} any more"
            )


def _reached_routers(compiled: CompiledPolicy) -> int:
    places = union(
        TriState(part.places.possible) for part in compiled.parts if part.traffic and part.sources.possible
    ).yes
    found = 0
    for routed in members(places >> 2 * compiled.universe.size):
        found |= 1 << compiled.universe.routed[routed][0]
    return found


def _tests(old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Lockout]:
    if (old.policy.tests or old.policy.ssh_tests) and not (new.policy.tests or new.policy.ssh_tests):
        yield Lockout("all-tests-removed", "the new policy has no tests any more")
