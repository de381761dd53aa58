"""The `tests` and `sshTests` of a policy, as they are run when it is saved."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from attrs import frozen

from tests.policy.brute_force.addresses import Address, contains, read_span
from tests.policy.brute_force.answers import Answer, any_of
from tests.policy.brute_force.reach import allowed
from tests.policy.brute_force.rules import PROTOCOL_NUMBERS, today
from tests.policy.brute_force.selectors import is_device_selector, selects_device
from tests.policy.brute_force.ssh import is_ssh_selector, login_action, ssh
from tests.policy.brute_force.world import Device, World, read_world

FAILED = "test(s) failed"


@frozen
class End:
    """One end of a test: a device if one has the address, and the addresses that are meant."""

    device: Device | None
    addresses: tuple[Address, ...]

    def places(self, world: World) -> list[Device]:
        """Return where packets to this end leave the tailnet."""
        if self.device is not None:
            return [self.device]
        return [device for device in world.devices if contains(device.route_spans(), self.addresses[0])]


def run_tests(policy: dict[str, Any], snapshot: dict[str, Any]) -> dict[str, Any]:
    """Run all tests and return what `policy test` writes."""
    data = []
    for test in policy.get("tests") or []:
        errors = errors_of_test(policy, snapshot, test)
        if errors:
            data.append({"user": test.get("src") or "", "errors": errors})
    rules = ssh(policy, snapshot)
    for test in policy.get("sshTests") or []:
        errors = errors_of_ssh_test(policy, snapshot, rules, test)
        if errors:
            data.append({"user": test.get("src") or "", "errors": errors})
    return {"message": FAILED if data else "", "data": data}


def errors_of_test(policy: dict[str, Any], snapshot: dict[str, Any], test: dict[str, Any]) -> list[str]:
    """Return what fails in one network test."""
    accept, deny = test.get("accept") or [], test.get("deny") or []
    if not accept and not deny:
        return ["neither accept nor deny"]
    errors = []
    for want, got, destinations in (("Accept", "Drop", accept), ("Drop", "Accept", deny)):
        for destination in destinations:
            outcomes = outcomes_of_test(policy, snapshot, test, destination)
            if outcomes is None or not all_are(outcomes, "yes" if want == "Accept" else "no"):
                errors.append(f'address "{destination}": want: {want}, got: {got}')
    return errors


def all_are(outcomes: list[Answer], wanted: Answer) -> bool:
    """Tell whether all pairs of a test come out as wanted; where there is none, nothing is reached."""
    return set(outcomes or ["no"]) == {wanted}


def outcomes_of_test(
    policy: dict[str, Any], snapshot: dict[str, Any], test: dict[str, Any], destination: str
) -> list[Answer] | None:
    """Return the answer for each pair of a source and a destination; None if the test cannot be evaluated."""
    world = read_world(snapshot)
    name, _, port = destination.rpartition(":")
    sources = ends(policy, world, test.get("src") or "")
    targets = ends(policy, world, name)
    if sources is None or targets is None or not port.isdigit():
        return None
    proto = str(test.get("proto") or "")
    protocols = [6, 17] if not proto else [int(proto) if proto.isdigit() else PROTOCOL_NUMBERS[proto]]
    return [
        any_of(
            allowed(policy, snapshot, str(start), place.node, str(wanted), protocol, int(port))
            for protocol in protocols
            for start in source.addresses
            for wanted in target.addresses
            for place in target.places(world)
        )
        for source in sources
        for target in targets
        if source != target
    ]


def ends(policy: dict[str, Any], world: World, selector: str) -> list[End] | None:
    """Return the devices one end of a test means; None for what the service fails: CIDRs, unknown names, all."""
    selector = today(selector)
    if is_device_selector(selector):
        if not is_known(policy, world, selector):
            return None
        return [
            End(device, device.addresses)
            for device in world.devices
            if selects_device(policy, world, selector, device) == "yes"
        ]
    literal = (policy.get("hosts") or {}).get(selector, selector)
    if "/" in literal or "-" in literal or read_span(literal) is None:
        return None
    address = ip_address(literal.strip("[]"))
    return [End(world.holder(address), (address,))]


def is_known(policy: dict[str, Any], world: World, selector: str) -> bool:
    """Tell whether a user, group, tag or autogroup is one the policy or the tailnet knows."""
    if "@" in selector and not selector.startswith(("tag:", "group:")):
        return selector in world.roles or any(device.user == selector for device in world.devices)
    return is_ssh_selector(policy, selector)


def errors_of_ssh_test(
    policy: dict[str, Any], snapshot: dict[str, Any], rules: dict[str, Any], test: dict[str, Any]
) -> list[str]:
    """Return what fails in one SSH test; an action holds when every pair shows it."""
    wanted: dict[str, Callable[[str | None], bool]] = {
        "accept": lambda action: action == "accept",
        "check": lambda action: action == "check",
        "deny": lambda action: action is None,
    }
    errors = []
    for destination in test["dst"]:
        pairs = ssh_pairs(policy, snapshot, rules, test.get("src") or "", destination)
        for key, holds in wanted.items():
            for login in test.get(key) or []:
                # Where there is no pair, nobody gets in.
                actions = [login_action(pair, login) for pair in pairs or [[]]]
                if pairs is None or not all(map(holds, actions)):
                    errors.append(f'"{login}" on "{destination}": want: {key}')
    return errors


def ssh_pairs(
    policy: dict[str, Any], snapshot: dict[str, Any], rules: dict[str, Any], source: str, destination: str
) -> list[list[dict[str, Any]]] | None:
    """Return the rules of each pair of a test; None if an end is unknown."""
    world = read_world(snapshot)
    sources, targets = ends(policy, world, source), ends(policy, world, destination)
    if sources is None or targets is None:
        return None
    return [
        rules.get(node_of(target), {}).get(node_of(start), [])
        for start in sources
        for target in targets
        if start.device is not target.device
    ]


def node_of(end: End) -> str:
    """Return the nodeId of one end of a test; "" where there is no device."""
    return "" if end.device is None else end.device.node
