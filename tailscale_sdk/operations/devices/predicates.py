"""What each field of a query asks of a device."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.comparisons import (
    Texts,
    compared_with,
    read_date,
    read_duration,
    read_exact_pattern,
    read_flag,
    read_pattern,
)
from tailscale_sdk.operations.devices.language import All, Negated, Node, Term, read_query
from tailscale_sdk.operations.fleet import Device, Fleet, read_version
from tailscale_sdk.operations.values import mapping_of, network_of, text_of

Test = Callable[[Device], bool]
StageOf = Callable[[Device], str]


@frozen
class Surroundings:
    """Hold what tests need beside the device.

    Attributes:
        now: moment of asking, with a zone.
        fleet: whose posture attributes are looked up.
        stage_of: stage of the lifecycle, where that is asked for.
    """

    now: datetime
    fleet: Fleet | None = field(default=None, repr=False)
    stage_of: StageOf | None = field(default=None, repr=False)


def compile_query(query: Node | str, around: Surroundings) -> Test:
    """Return the test a query means.

    Args:
        query: as text, or as ``read_query`` and ``filters`` return it.
        around: what tests need beside the device.

    Raises:
        ConfigurationError: a field does not exist, or its value cannot be understood.
    """
    node = read_query(query) if isinstance(query, str) else query
    if isinstance(node, Term):
        return _compile_term(node, around)
    if isinstance(node, Negated):
        inner = compile_query(node.inner, around)
        return lambda device: not inner(device)
    parts = [compile_query(part, around) for part in node.parts]
    if isinstance(node, All):
        return lambda device: all(part(device) for part in parts)
    return lambda device: any(part(device) for part in parts)


def _compile_term(term: Term, around: Surroundings) -> Test:
    make = FIELDS.get(term.name)
    where = f"(character {term.position + 1})"
    if make is None:
        near = difflib.get_close_matches(term.name, FIELDS, n=1, cutoff=0.0)
        raise ConfigurationError(f"query: there is no field {term.name!r}; did you mean {near[0]!r}? {where}")
    # A regular expression has bars of its own.
    values = [term.value] if "~" in term.value[:1] else term.value.split("|")
    try:
        tests = [make(value, around) for value in values]
    except ConfigurationError as problem:
        raise ConfigurationError(f"query: {term.name}: {problem} {where}") from None
    return tests[0] if len(tests) == 1 else lambda device: any(test(device) for test in tests)


def _tag(value: str, around: Surroundings) -> Test:
    if value == "none":
        return lambda device: not device.tags
    matches = read_exact_pattern(value if value.startswith(("tag:", "~")) else f"tag:{value}")
    return lambda device: any(matches(tag) for tag in device.tags)


def _texts(read: Callable[[Device], str]) -> Callable[[str, Surroundings], Test]:
    def make(value: str, around: Surroundings) -> Test:
        matches = read_pattern(value)
        return lambda device: matches(read(device))

    return make


def _name(value: str, around: Surroundings) -> Test:
    matches = read_pattern(value)
    return lambda device: matches(device.name) or matches(device.label)


def _id(value: str, around: Surroundings) -> Test:
    matches = read_exact_pattern(value)
    return lambda device: matches(device.id) or matches(device.legacy_id)


def _any_name(value: str, around: Surroundings) -> Test:
    if not value:
        raise ConfigurationError("a word is missing")
    matches: Texts = read_pattern(value if set(value) & set("*?[~") else f"*{value}*")
    return lambda device: matches(device.name) or matches(device.hostname)


def _flag(read: Callable[[Device], bool | None]) -> Callable[[str, Surroundings], Test]:
    def make(value: str, around: Surroundings) -> Test:
        wanted = read_flag(value)
        return lambda device: read(device) is wanted

    return make


def _ip(value: str, around: Surroundings) -> Test:
    network = network_of(value)
    if network is None:
        raise ConfigurationError(f"{value!r} is no address or prefix")

    def test(device: Device) -> bool:
        return any(_inside(address, network) for address in device.addresses)

    return test


def _inside(address: str, network: Any) -> bool:
    found = network_of(address)
    return found is not None and found.version == network.version and found.subnet_of(network)


def _seen(value: str, around: Surroundings) -> Test:
    if value == "never":
        return lambda device: not device.is_connected and device.last_seen is None
    compare, rest = compared_with(value, "<")
    wanted = read_duration(rest)

    def test(device: Device) -> bool:
        if device.is_connected:
            return compare(wanted - wanted, wanted)
        return device.last_seen is not None and compare(around.now - device.last_seen, wanted)

    return test


def _age(value: str, around: Surroundings) -> Test:
    compare, rest = compared_with(value, "<")
    wanted = read_duration(rest)
    return lambda device: device.created is not None and compare(around.now - device.created, wanted)


def _created(value: str, around: Surroundings) -> Test:
    compare, rest = compared_with(value, ">=")
    wanted = read_date(rest)
    return lambda device: device.created is not None and compare(device.created, wanted)


def _version(value: str, around: Surroundings) -> Test:
    if value == "unknown":
        return lambda device: device.version is None
    compare, rest = compared_with(value)
    wanted = read_version(rest)
    if wanted is None:
        raise ConfigurationError(f"{rest!r} is no version such as 1.84.0")
    return lambda device: device.version is not None and compare(device.version, wanted)


def _route(value: str, around: Surroundings) -> Test:
    how, _, rest = value.partition(":") if value.startswith(("in:", "covers:")) else ("is", "", value)
    wanted = network_of(rest)
    if wanted is None:
        raise ConfigurationError(f"{rest!r} is no prefix such as 10.0.0.0/16")

    def matches(network: Any) -> bool:
        if network.version != wanted.version:
            return False
        inside = {
            "is": network == wanted,
            "in": network.subnet_of(wanted),
            "covers": network.supernet_of(wanted),
        }
        return bool(inside[how])

    return lambda device: any(map(matches, device.advertised_subnets | device.approved_subnets))


_ROUTES: Final[Mapping[str, Test]] = {
    "advertised": lambda device: bool(device.advertised_subnets),
    "approved": lambda device: bool(device.approved_subnets),
    "unapproved": lambda device: bool(device.advertised_subnets - device.approved_subnets),
    "dormant": lambda device: bool(device.approved_subnets - device.advertised_subnets),
    "none": lambda device: not device.advertised_subnets and not device.approved_subnets,
}
_EXITS: Final[Mapping[str, Test]] = {
    "advertised": lambda device: device.offers_exit,
    "pending": lambda device: device.exit_state == "pending",
    "approved": lambda device: device.exit_state == "approved",
    "partial": lambda device: device.exit_state == "partial",
    "no": lambda device: device.exit_state == "no",
}


def _one_of(known: Mapping[str, Test]) -> Callable[[str, Surroundings], Test]:
    def make(value: str, around: Surroundings) -> Test:
        if value not in known:
            raise ConfigurationError(f"{value!r} is none of {', '.join(known)}")
        return known[value]

    return make


def _expires(value: str, around: Surroundings) -> Test:
    compare, rest = compared_with(value, "<")
    wanted = read_duration(rest)
    return lambda device: device.expires is not None and compare(device.expires - around.now, wanted)


def _expired(value: str, around: Surroundings) -> Test:
    wanted = read_flag(value)
    return lambda device: device.has_expired(around.now) is wanted


def _attribute(value: str, around: Surroundings) -> Test:
    key, equals, wanted = value.partition("=")
    if around.fleet is None or "attributes" not in around.fleet.snapshot.content:
        raise ConfigurationError(
            "posture attributes were not read: each device takes a call; ask for them first"
        )
    attributes = around.fleet.attributes

    def test(device: Device) -> bool:
        found = attributes.get(device.id, {})
        return key in found and (not equals or _as_text(found[key]) == wanted)

    return test


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stage(value: str, around: Surroundings) -> Test:
    stage_of = around.stage_of
    if stage_of is None:
        raise ConfigurationError("stages of the lifecycle are not known here: see tailscale-sdk lifecycle")
    return lambda device: stage_of(device) == value


def _distribution(device: Device) -> str:
    return text_of(mapping_of(device.fields, "distro"), "name")


FIELDS: Final[Mapping[str, Callable[[str, Surroundings], Test]]] = {
    "any": _any_name,
    "tag": _tag,
    "os": _texts(lambda device: device.os),
    "distro": _texts(_distribution),
    "user": _texts(lambda device: device.user),
    "owner": _texts(lambda device: device.owner),
    "name": _name,
    "host": _texts(lambda device: device.hostname),
    "id": _id,
    "ip": _ip,
    "online": _flag(lambda device: device.is_connected),
    "seen": _seen,
    "age": _age,
    "created": _created,
    "version": _version,
    "update": _flag(lambda device: device.fields.get("updateAvailable") is True),
    "route": _route,
    "routes": _one_of(_ROUTES),
    "exit": _one_of(_EXITS),
    "expires": _expires,
    "expired": _expired,
    "expiry": _one_of(
        {
            "disabled": lambda device: device.is_key_expiry_disabled,
            "enabled": lambda device: not device.is_key_expiry_disabled,
        }
    ),
    "authorized": _flag(lambda device: device.is_authorized),
    "external": _flag(lambda device: device.is_external),
    "ephemeral": _flag(lambda device: device.is_ephemeral),
    "ssh": _flag(lambda device: device.fields.get("sshEnabled") is True),
    "incoming": _one_of(
        {
            "blocked": lambda device: device.fields.get("blocksIncomingConnections") is True,
            "allowed": lambda device: device.fields.get("blocksIncomingConnections") is not True,
        }
    ),
    "attr": _attribute,
    "lock": _one_of({"error": lambda device: bool(text_of(device.fields, "tailnetLockError"))}),
    "cloned": _flag(lambda device: device.fields.get("multipleConnections") is True),
    "nat": _one_of(
        {
            "hard": lambda device: (
                mapping_of(device.fields, "clientConnectivity").get("mappingVariesByDestIP") is True
            )
        }
    ),
    "serial": _one_of({"none": lambda device: not device.serial_numbers}),
    "stage": _stage,
}
"""Fields of the query language, by name."""
