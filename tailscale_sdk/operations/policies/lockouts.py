"""What a new policy must not take away unnoticed: each lock-out has a name, and is overridden by that name alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.policy.access import approves
from tailscale_sdk.policy.compile import (
    ALLOW_ALL,
    CompiledPolicy,
    TriState,
    members,
    postures_of,
    rules_of,
    union,
)
from tailscale_sdk.policy.compile.ssh import ssh_entries
from tailscale_sdk.policy.language import Destination, Policy, Rule
from tailscale_sdk.policy.tailnet import Device, parse_address

_ADMIN_ROLES: Final = frozenset({"owner", "admin"})
_TCP, _UDP, _LAST_PORT = 6, 17, 65535
_EVERYBODY: Final = frozenset({"*", "autogroup:danger-all"})
_EVERY_DEVICE: Final = frozenset({"autogroup:member", "autogroup:tagged"})


@frozen
class Lockout:
    """Hold one thing that nobody may lose by accident.

    Attributes:
        name: what it is overridden by.
        text: who loses what, one sentence.
    """

    name: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"name": self.name, "text": self.text}


@frozen
class Stakes:
    """Say what must not be lost beside what every tailnet must keep.

    Attributes:
        caller: Tailscale addresses of who asks, where this is served over the tailnet.
        server: Tailscale addresses of the node this runs on.
        critical: tags whose devices admins must keep their way to.
        credentials: API objects of keys, whose tags need owners.
    """

    caller: frozenset[str] = frozenset()
    server: frozenset[str] = frozenset()
    critical: frozenset[str] = frozenset()
    credentials: Sequence[Mapping[str, Any]] = field(default=(), repr=False)


def find_lockouts(old: CompiledPolicy, new: CompiledPolicy, stakes: Stakes) -> list[Lockout]:
    """Return what the new policy takes away that it should not.

    Args:
        old, new: compiled for the same tailnet.
        stakes: what else is at stake.
    """
    return [
        *_everything_or_nothing(old, new),
        *_own_way_in(old, new, stakes),
        *_admins(old, new, stakes.critical),
        *_tag_owners(old, new, stakes.credentials),
        *_route_approvers(old, new),
        *_routers(old, new),
        *_tests(old, new),
    ]


def _everything_or_nothing(old: CompiledPolicy, new: CompiledPolicy) -> Iterator[Lockout]:
    opening = _opening(new.policy)
    if opening is not None and _opening(old.policy) is None:
        how = (
            "without acls and grants" if opening is ALLOW_ALL else f"by the rule in line {opening.place.line}"
        )
        yield Lockout("allow-all", f"{how} the new policy allows everything to everybody")
    if _lets_somebody_in(old) and not _lets_somebody_in(new):
        yield Lockout("deny-all", "the new policy lets nobody reach anything")


def _opening(policy: Policy) -> Rule | None:
    """Return the rule that allows everything to everybody, None where there is none."""
    return next((rule for rule in rules_of(policy) if _allows_everything(policy, rule)), None)


def _allows_everything(policy: Policy, rule: Rule) -> bool:
    names = {selector.name for selector in rule.sources}
    return (
        bool(names & _EVERYBODY or names >= _EVERY_DEVICE)
        and not rule.via
        and not postures_of(policy, rule)
        and any(
            destination.selector.kind == "any" and _is_all_traffic(destination)
            for destination in rule.destinations
        )
    )


def _is_all_traffic(destination: Destination) -> bool:
    """Tell whether every port of TCP and UDP is open; what else is carried makes no difference."""
    whole = {
        protocol
        for traffic in destination.traffic
        if any(first <= 1 and last == _LAST_PORT for first, last in traffic.ports)
        for protocol in traffic.protocols
    }
    return whole >= {_TCP, _UDP}


def _lets_somebody_in(compiled: CompiledPolicy) -> bool:
    if not compiled.tailnet.devices:
        # Without a tailnet nothing is selected: what is written has to do.
        return any(destination.traffic for rule in compiled.rules for destination in rule.destinations)
    return any(part.traffic and part.sources and part.places for part in compiled.parts)


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
    for tag in sorted(critical):
        for what, reaching in (("access", _admins_reaching), ("SSH", _admins_logging_in)):
            if reaching(old, tag) and not reaching(new, tag):
                yield Lockout("admins-lose-access", f"no admin has {what} to {tag} any more")


def _admin_devices(compiled: CompiledPolicy) -> int:
    admins = {login for login, role in compiled.tailnet.roles.items() if role in _ADMIN_ROLES}
    found = 0
    for login in admins:
        found |= compiled.selection.owned.get(login, 0)
    return found


def _admins_reaching(compiled: CompiledPolicy, tag: str) -> bool:
    admins = compiled.selection.both_families(_admin_devices(compiled))
    places = compiled.selection.both_families(compiled.selection.tagged.get(tag, 0))
    return any(
        part.traffic and part.sources.yes & admins and part.places.yes & places and not part.same_owner
        for part in compiled.parts
    )


def _admins_logging_in(compiled: CompiledPolicy, tag: str) -> bool:
    admins = _admin_devices(compiled)
    devices = compiled.devices(compiled.selection.tagged.get(tag, 0))
    return any(entry.sources.yes & admins for device in devices for entry in ssh_entries(compiled, device))


def _tag_owners(
    old: CompiledPolicy, new: CompiledPolicy, credentials: Sequence[Mapping[str, Any]]
) -> Iterator[Lockout]:
    in_use = {tag for device in old.tailnet.devices for tag in device.tags}
    carried = {str(tag) for key in credentials for tag in _tags_of(key)}
    for tag in sorted(in_use | carried):
        before, after = old.policy.tag_owners.get(tag), new.policy.tag_owners.get(tag)
        who = "a credential" if tag in carried else "a device"
        if before is not None and after is None:
            yield Lockout("tag-owners-in-use", f"{tag} is no longer defined, and {who} has it")
        elif (
            before is not None and after is not None and tag in carried and before.values and not after.values
        ):
            yield Lockout("tag-owners-in-use", f"nobody owns {tag} any more, and a credential has it")


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
