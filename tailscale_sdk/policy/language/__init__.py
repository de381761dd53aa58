"""The policy language: a text in, its typed form out, or the reason why the control plane refuses it."""

from tailscale_sdk.policy.language.addresses import parse_addresses
from tailscale_sdk.policy.language.model import (
    AccessTest,
    AddressRange,
    Approvers,
    Definition,
    Destination,
    NodeAttributes,
    Place,
    Policy,
    Rule,
    Selector,
    SelectorKind,
    SSHRule,
    SSHTest,
    Traffic,
)
from tailscale_sdk.policy.language.protocols import (
    DEFAULT_PROTOCOLS,
    PROTOCOLS,
    UnreadablePorts,
    parse_protocol,
)
from tailscale_sdk.policy.language.reading import BreaksService, read_policy

__all__ = [
    "DEFAULT_PROTOCOLS",
    "PROTOCOLS",
    "AccessTest",
    "AddressRange",
    "Approvers",
    "BreaksService",
    "Definition",
    "Destination",
    "NodeAttributes",
    "Place",
    "Policy",
    "Rule",
    "SSHRule",
    "SSHTest",
    "Selector",
    "SelectorKind",
    "Traffic",
    "UnreadablePorts",
    "parse_addresses",
    "parse_protocol",
    "read_policy",
]
