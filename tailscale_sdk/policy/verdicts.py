"""Run the ``tests`` and ``sshTests`` of a policy as the service does when it is saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from attrs import evolve, field, frozen

from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.compile.bits import TriState, set_of, union
from tailscale_sdk.policy.compile.naming import read_selector
from tailscale_sdk.policy.compile.ssh import login_action, ssh_entries, wire_rules
from tailscale_sdk.policy.language import (
    AccessTest,
    Policy,
    Selector,
    SSHTest,
    UnreadablePorts,
    parse_addresses,
    parse_protocol,
)
from tailscale_sdk.policy.tailnet import Device, Tailnet

FAILED: Final = "test(s) failed"
_TCP_OR_UDP: Final = (6, 17)
_TESTED_KINDS: Final = frozenset({"user", "group", "tag", "autogroup"})
_FAMILIES: Final = (4, 6)
_NO_DEVICES: Final = frozenset(
    {"autogroup:internet", "autogroup:self", "autogroup:nonroot", "autogroup:danger-all"}
)
_STAND_IN_V4: Final = int(IPv4Address("100.127.254.0"))
_STAND_IN_V6: Final = int(IPv6Address("fd7a:115c:a1e0:ffff::"))


@frozen
class TestReport:
    """Hold the outcome of all tests of a policy.

    Attributes:
        failures: what failed, by entry: its source and one line for each mismatch.
    """

    __test__ = False
    failures: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether every test passes."""
        return not self.failures

    def to_dict(self) -> dict[str, Any]:
        """Return what the service answers: an empty message when all pass."""
        data = [{"user": source, "errors": list(errors)} for source, errors in self.failures]
        return {"message": FAILED if data else "", "data": data}


_ByFamily = tuple[tuple[int, int], ...]
"""Addresses, or members of sets, each with its family before it."""


@frozen
class _End:
    """Hold one end of a test: a device if one has the address, and the addresses that are meant."""

    device: Device | None
    addresses: _ByFamily


def run_tests(policy: Policy, tailnet: Tailnet) -> TestReport:
    """Run the tests of a policy in a tailnet.

    Args:
        policy: with ``tests`` and ``sshTests``.
        tailnet: whose devices and users the tests speak of; a user or tag without any device is tested too.

    Returns:
        The failures; a test whose outcome rests on a fact that is missing fails.
    """
    if not policy.tests and not policy.ssh_tests:
        return TestReport()
    run = Trial(policy, tailnet)
    failures = [(test.source or "", tuple(run.errors(test))) for test in policy.tests]
    failures += [(test.source or "", tuple(run.ssh_errors(test))) for test in policy.ssh_tests]
    return TestReport(tuple((source, errors) for source, errors in failures if errors))


@frozen(eq=False, slots=False)
class Trial:
    """Run tests one by one, the policy compiled once for the tailnet and for tested users and tags without a device.

    Args:
        policy: whose ``tests`` and ``sshTests`` name whoever is tested.
        tailnet: whose devices and users the tests speak of.
    """

    policy: Policy
    tailnet: Tailnet
    _ends: dict[str, tuple[_End, ...] | None] = field(factory=dict, init=False)
    _by_attributes: dict[str, CompiledPolicy] = field(factory=dict, init=False)
    _senders: dict[tuple[int, int], dict[_ByFamily, Mapping[int, TriState]]] = field(factory=dict, init=False)

    @cached_property
    def compiled(self) -> CompiledPolicy:
        return compile_policy(self.policy, with_stand_ins(self.policy, self.tailnet))

    def errors(self, test: AccessTest) -> Iterator[str]:
        """Yield how a test fails, nothing where it passes."""
        if not test.accept and not test.deny:
            yield "neither accept nor deny is given"
        for want, got, destinations in (("Accept", "Drop", test.accept), ("Drop", "Accept", test.deny)):
            for destination in destinations or ():
                outcomes = self._outcomes(test, destination)
                wanted = "yes" if want == "Accept" else "no"
                if outcomes is None or (outcomes or {"no"}) != {wanted}:
                    yield f'address "{destination}": want: {want}, got: {got}'

    def _outcomes(self, test: AccessTest, destination: str) -> set[str] | None:
        """Return the answers for all pairs; None for a test that the service cannot evaluate."""
        name, _, port = destination.rpartition(":")
        sources, targets = self.ends(test.source or ""), self.ends(name.strip("[]"))
        if sources is None or targets is None or not (port.isascii() and port.isdigit()) or len(port) > 5:
            return None
        try:
            protocols = parse_protocol(test.proto) if test.proto else _TCP_OR_UDP
        except UnreadablePorts:
            return None
        compiled = self._with_attributes(test.posture_attributes)
        traffic = 0
        for protocol in protocols:
            traffic |= compiled.universe.traffic.at(protocol, int(port))
        starts = [(source.addresses, self._source_bits(source)) for source in sources]
        meant = {
            version: set_of(bit for _, bits in starts for family, bit in bits if family == version)
            for version in _FAMILIES
        }
        answers: set[str] = set()
        for target, senders in self._receiving(compiled, targets, traffic):
            # Most targets let in nobody of those who are meant: then no pair has to be looked at.
            is_closed = not any(senders[version].possible & meant[version] for version in _FAMILIES)
            for addresses, bits in starts:
                if addresses != target.addresses:
                    answers.add("no" if is_closed else _answer(bits, senders))
                    if is_closed:
                        break
        return answers

    def _with_attributes(self, attributes: Mapping[str, Any]) -> CompiledPolicy:
        """Return the policy for sources that have the attributes of a test, and no others."""
        if not self.policy.postures:
            return self.compiled
        key = json.dumps(attributes, sort_keys=True)
        if key not in self._by_attributes:
            devices = self.compiled.tailnet.devices
            tailnet = evolve(self.compiled.tailnet, attributes={device.id: attributes for device in devices})
            self._by_attributes[key] = compile_policy(self.policy, tailnet, universe=self.compiled.universe)
        return self._by_attributes[key]

    def _receiving(
        self, compiled: CompiledPolicy, targets: Iterable[_End], traffic: int
    ) -> Iterator[tuple[_End, Mapping[int, TriState]]]:
        """Yield each target with the sources that may send it any of some traffic, by their family."""
        known = self._senders.setdefault((id(compiled), traffic), {})
        for target in targets:
            if target.addresses not in known:
                known[target.addresses] = {
                    version: union(
                        compiled.sources_to(place, traffic) for place in self._places(target, version)
                    )
                    for version in _FAMILIES
                }
            yield target, known[target.addresses]

    def _source_bits(self, source: _End) -> _ByFamily:
        """Return the number a source has in the sets, for each of its families."""
        return tuple(
            (version, self._source_bit(source.device, version, address))
            for version, address in source.addresses
        )

    def _source_bit(self, device: Device | None, version: int, address: int) -> int:
        universe = self.compiled.universe
        if device is None:
            return universe.host(universe.atoms.holding(version, address))
        return universe.source(self.compiled.number(device), version)

    def _places(self, target: _End, version: int) -> Iterator[int]:
        universe = self.compiled.universe
        for family, address in target.addresses:
            if family != version:
                continue
            if target.device is not None:
                yield universe.source(self.compiled.number(target.device), version)
                continue
            atom = universe.atoms.holding(version, address)
            yield from (number for (_, held), number in universe.routed_numbers.items() if held == atom)

    def ends(self, text: str) -> tuple[_End, ...] | None:
        """Return whom one end of a test means; None for what the service fails: ranges, unknown names, all."""
        if text not in self._ends:
            self._ends[text] = self._find_ends(text)
        return self._ends[text]

    def _find_ends(self, text: str) -> tuple[_End, ...] | None:
        selector = read_selector(self.policy, text)
        if selector.kind in _TESTED_KINDS:
            if not _is_known(self.policy, self.tailnet, selector):
                return None
            found = self.compiled.devices(self.compiled.selection.devices(selector).yes)
            return tuple(_End(device, _addresses(device)) for device in found)
        definition = self.policy.hosts.get(selector.name)
        literal = parse_addresses(definition.values[0]) if definition else None
        literal = literal or next(iter(selector.addresses), None)
        written = definition.values[0] if definition else text
        if literal is None or not literal.is_single or "/" in written or "-" in written:
            return None
        address = literal.version, literal.first
        return (_End(self.compiled.tailnet.by_address.get(address), (address,)),)

    def ssh_errors(self, test: SSHTest) -> Iterator[str]:
        """Yield how a test of SSH fails, nothing where it passes."""
        for destination in test.destinations:
            pairs = self._ssh_pairs(test.source or "", destination)
            for want, logins in (("accept", test.accept), ("check", test.check), ("deny", test.deny)):
                for login in logins:
                    # Where there is no pair, nobody gets in.
                    got = {self._login(pair, login) for pair in pairs or [None]}
                    if pairs is None or got != {want}:
                        shown = ", ".join(sorted(got)) if pairs is not None else "unknown end"
                        yield f'"{login}" on "{destination}": want: {want}, got: {shown}'

    def _ssh_pairs(self, source: str, destination: str) -> list[tuple[Device, Device] | None] | None:
        sources, targets = self.ends(source), self.ends(destination)
        if sources is None or targets is None:
            return None
        return [
            (start.device, target.device) if start.device and target.device else None
            for start in sources
            for target in targets
            if start.device is not target.device
        ]

    def _login(self, pair: tuple[Device, Device] | None, login: str) -> str:
        if pair is None:
            return "deny"
        source, target = pair
        bit = self.compiled.number(source)
        entries = ssh_entries(self.compiled, target)
        sure = [entry.rule for entry in entries if entry.sources.yes >> bit & 1]
        possible = [entry.rule for entry in entries if entry.sources.possible >> bit & 1]
        found = {login_action(wire_rules(rules, source), login) or "deny" for rules in (sure, possible)}
        return found.pop() if len(found) == 1 else "unknown"


def _answer(bits: _ByFamily, senders: Mapping[int, TriState]) -> str:
    answers = [senders[version].answer(bit) for version, bit in bits]
    return next((answer for answer in ("yes", "unknown") if answer in answers), "no")


def _addresses(device: Device) -> tuple[tuple[int, int], ...]:
    own = ((version, device.own(version)) for version in (4, 6))
    return tuple((version, address) for version, address in own if address is not None)


def _is_known(policy: Policy, tailnet: Tailnet, selector: Selector) -> bool:
    if selector.kind == "user":
        return selector.name in tailnet.roles or any(
            device.user == selector.name for device in tailnet.devices
        )
    if selector.name in _NO_DEVICES:
        return False
    defined: Mapping[str, Mapping[str, Any]] = {"group": policy.groups, "tag": policy.tag_owners}
    return selector.name in defined[selector.kind] if selector.kind in defined else True


def with_stand_ins(policy: Policy, tailnet: Tailnet) -> Tailnet:
    """Return a tailnet in which each user and tag that a test names has a device: tests ask what would be."""
    missing = [text for text in _tested(policy) if not _has_device(policy, tailnet, text)]
    users = {login for text in missing for login in _logins(policy, tailnet, text)}
    tags = {text for text in missing if text.startswith("tag:")}
    wanted = [*((login, ()) for login in sorted(users)), *(("", (tag,)) for tag in sorted(tags))]
    first = len(tailnet.devices)
    added = tuple(
        Device(
            index=first + number,
            id=f"stand-in {number} for a test",
            name="",
            hostname="",
            user=login,
            tags=tags_,
            v4=_STAND_IN_V4 + number,
            v6=_STAND_IN_V6 + number,
            advertised=(),
            approved=(),
        )
        for number, (login, tags_) in enumerate(wanted)
    )
    return evolve(tailnet, devices=(*tailnet.devices, *added)) if added else tailnet


def _tested(policy: Policy) -> list[str]:
    texts: list[str] = []
    for test in policy.tests:
        texts += [
            test.source or "",
            *((each.rpartition(":")[0]) for each in (*(test.accept or ()), *(test.deny or ()))),
        ]
    for ssh_test in policy.ssh_tests:
        texts += [ssh_test.source or "", *ssh_test.destinations]
    return list(dict.fromkeys(texts))


def _has_device(policy: Policy, tailnet: Tailnet, text: str) -> bool:
    if text.startswith("tag:"):
        return any(text in device.tags for device in tailnet.devices)
    logins: Sequence[str] = _logins(policy, tailnet, text)
    return not logins


def _logins(policy: Policy, tailnet: Tailnet, text: str) -> list[str]:
    """Return the users a tested name means who have no device."""
    if text.startswith("group:"):
        definition = policy.groups.get(text)
        named = definition.values if definition else ()
    else:
        named = (text,) if text in tailnet.roles else ()
    return [login for login in named if login in tailnet.roles and not tailnet.owned_by(login)]
