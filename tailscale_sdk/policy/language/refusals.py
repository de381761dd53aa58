"""The words in which a policy is refused, all in one place.

Words of the control plane are kept to the letter, those of its published source (tailcfg/proto_port_range.go,
types/ipproto) likewise. What the service is not known to say follows the same pattern: the side, the selector in
double quotes, the reason.
"""

from __future__ import annotations

from typing import Final

from tailscale_sdk.policy.language.nodes import quote

SELF_SOURCES: Final = "autogroup:self can only be used with users, groups, or supported autogroups"
DANGER_ALL_DESTINATION: Final = "cannot use autogroup:danger-all as a dst"
CAPABILITY_FORM: Final = "capability name must have the form {domain}/{path}"
CAPABILITY_DOMAIN: Final = "capability name must not be in the tailscale.com domain"
TAG_NAME: Final = "tag names must start with a letter, after 'tag:'"
NO_ACTION: Final = "action must be specified"
NO_USERS: Final = "users must be specified"

EMPTY_IP: Final = "empty string"
EMPTY_PROTOCOL: Final = "empty protocol"
NO_COLON: Final = 'hostport must contain a colon (":")'
FIRST_INTEGER: Final = "invalid first integer"
LAST_INTEGER: Final = "invalid last integer"
TOO_MANY_DASHES: Final = "too many dashes(-)"
FIRST_IS_ZERO: Final = "first port must be >0, or use '*' for wildcard"
# The service says it the wrong way round.
FIRST_AFTER_LAST: Final = "first port must be >= last port"

RESERVED_POOL: Final = "network within reserved range"

NO_PORTS_OF_PROTOCOL: Final = "the protocol has no ports, only * is allowed"
SELF_ATTRIBUTES: Final = "nodeAttrs cannot have the target autogroup:self: the service fails over it, name autogroup:member instead"


def port_range(ports: str, reason: str) -> str:
    """Say why a port or range cannot be read."""
    return f"port range {quote(ports)}: {reason}"


def no_ports(ports: str) -> str:
    """Say that ports are missing after the colon."""
    return f"invalid port list: {quote(ports)}"


def unknown_protocol(name: str) -> str:
    """Say that no protocol has this name."""
    return f"proto name {quote(name)} not known; use protocol number 0-255"


def destination(text: str, reason: str) -> str:
    """Put the destination as it is written before a reason."""
    return f"dst={quote(text)}: {reason}"


def network(text: str, reason: str) -> str:
    """Put an element of a grant's ``ip`` before a reason."""
    return f"ip={quote(text)}: {reason}"


def all_addresses(text: str) -> str:
    """Say that every address there is has a shorter name."""
    return f'dst {quote(text)}: to allow all IP addresses, use "*" or "autogroup:internet"'


def not_found(side: str, kind: str, name: str) -> str:
    """Say that nothing defines the tag, group, IP set or host that a side of a rule names."""
    return f"{side}={kind} not found: {quote(name)}"


def undefined(kind: str, name: str) -> str:
    """Say that nothing defines a name that is used outside of a side of a rule."""
    return f"{kind} not found: {quote(name)}"


def wrong_side(name: str, side: str) -> str:
    """Say that a selector cannot be a source, or no destination."""
    return f"{quote(name)} not valid on the {side} side of a rule"


def invalid_destination(text: str) -> str:
    """Say that an SSH rule cannot have this destination."""
    return f"invalid dst {quote(text)}"


def invalid_action(action: str) -> str:
    """Say that a rule cannot have this action."""
    return f"{quote(action)} is not a valid action"


def invalid_user(user: str) -> str:
    """Say that nobody can log in by this name."""
    return f"user {quote(user)} is not valid"


def invalid_router(text: str) -> str:
    """Say that a grant cannot go through this: routers are named by their tags."""
    return f"invalid via {quote(text)}"


def invalid_address(text: str) -> str:
    """Say that a text is neither an address nor a prefix."""
    return f"invalid address {quote(text)}"


def invalid_check_period(text: str) -> str:
    """Say that a login cannot stay valid for this long."""
    return f"checkPeriod {quote(text)} is not valid"


def duplicate(pointer: str, first: str, again: str) -> str:
    """Say that an object has two members of one name."""
    return f"{pointer} stands twice, first at {first} and again at {again}: keep one of them"


def nested_group(group: str, member: str) -> str:
    """Say that a group is a member of a group."""
    return f'groups[{quote(group)}]: "{member}": group members cannot be recursive'


def in_section(section: str, name: str, reason: str) -> str:
    """Put the name of a definition before a reason."""
    return f"{section}[{quote(name)}]: {reason}"


def ip_pool(pool: str, reason: str) -> str:
    """Say why devices cannot get their addresses from this pool."""
    return f"IPPool({pool}): {reason}"


def ssh_test_destination(text: str) -> str:
    """Say that an SSH test cannot have this destination."""
    return f"SSH tests dst contains disallowed element {quote(text)}"
