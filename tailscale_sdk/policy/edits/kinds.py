"""The edits there are: each says what a policy should be, and finds out what that takes in a text."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from tailscale_sdk.errors import PolicyError
from tailscale_sdk.policy.edits.places import (
    Operation,
    entries_of,
    leave_out,
    put,
    take_in,
    take_out,
    value_at,
)
from tailscale_sdk.policy.hujson import Value

_GROUPS, _OWNERS, _HOSTS, _ROUTES = ("groups",), ("tagOwners",), ("hosts",), ("autoApprovers", "routes")


def _named(prefix: str) -> Callable[[Any, Any, str], None]:
    def check(edit: Any, attribute: Any, value: str) -> None:
        if not value.startswith(prefix) or value == prefix:
            raise ValueError(f"{value!r} is not the name of a {prefix[:-1]}: write {prefix}NAME")

    return check


def _not_empty(edit: Any, attribute: Any, value: str) -> None:
    if not value or value != value.strip():
        raise ValueError(f"{attribute.name} is empty, or has blanks around it: {value!r}")


def _network(edit: Any, attribute: Any, value: str) -> None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is no address and no range such as 10.0.0.0/8") from None


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError("members are a list of names, not one text")
    return tuple(values)


def _operations(given: Iterable[Operation]) -> tuple[Operation, ...]:
    return tuple(given)


@frozen
class AddMember:
    """Put a user into a group that exists."""

    group: str = field(validator=_named("group:"))
    user: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        _existing_group(policy, self.group)
        return take_in(policy, _GROUPS, self.group, self.user)


@frozen
class RemoveMember:
    """Take a user out of a group."""

    group: str = field(validator=_named("group:"))
    user: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        _existing_group(policy, self.group)
        return leave_out(policy, _GROUPS, self.group, self.user)


def _existing_group(policy: Value, group: str) -> None:
    if value_at(policy, _GROUPS, group) is None:
        raise PolicyError(f"there is no {group}: create it first, or check how it is spelled")


@frozen
class CreateGroup:
    """Make a group, or leave the one that has exactly these members."""

    group: str = field(validator=_named("group:"))
    members: tuple[str, ...] = field(default=(), converter=_texts)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        if value_at(policy, _GROUPS, self.group) is not None:
            present = entries_of(policy, _GROUPS, self.group)
            if sorted(map(str, present)) == sorted(self.members):
                return []
            raise PolicyError(f"{self.group} exists with other members: add or remove them one by one")
        return put(policy, _GROUPS, self.group, list(self.members))


@frozen
class RemoveGroup:
    """Take a group away; what names it elsewhere has to go first."""

    group: str = field(validator=_named("group:"))

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return take_out(policy, _GROUPS, self.group)


@frozen
class SetHost:
    """Give an address or a range a name."""

    host: str = field(validator=_not_empty)
    address: str = field(validator=_network)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return put(policy, _HOSTS, self.host, self.address)


@frozen
class RemoveHost:
    """Take the name of an address away; what names it elsewhere has to go first."""

    host: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return take_out(policy, _HOSTS, self.host)


@frozen
class AddTagOwner:
    """Let somebody hand out a tag; the tag is defined where it is not yet."""

    tag: str = field(validator=_named("tag:"))
    owner: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return take_in(policy, _OWNERS, self.tag, self.owner)


@frozen
class RemoveTagOwner:
    """Take the right to hand out a tag from somebody; the tag stays defined."""

    tag: str = field(validator=_named("tag:"))
    owner: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return leave_out(policy, _OWNERS, self.tag, self.owner)


@frozen
class AddRouteApprover:
    """Let the routes of somebody's devices inside a range be approved by themselves."""

    route: str = field(validator=_network)
    approver: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return take_in(policy, _ROUTES, self.route, self.approver)


@frozen
class RemoveRouteApprover:
    """Take the right to have routes approved from somebody."""

    route: str = field(validator=_network)
    approver: str = field(validator=_not_empty)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return leave_out(policy, _ROUTES, self.route, self.approver)


@frozen
class _AddRule:
    """Put a rule or a test at the end of its list, unless it is in it."""

    rule: Mapping[str, Any]
    _way: ClassVar[tuple[str, ...]] = ()

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return take_in(policy, self._way, None, dict(self.rule))


@frozen
class _RemoveRule:
    """Take a rule out of its list, found by what it says; its comments go with it."""

    rule: Mapping[str, Any]
    _way: ClassVar[tuple[str, ...]] = ()

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return leave_out(policy, self._way, None, dict(self.rule))


class AddGrant(_AddRule):
    """Put a grant at the end of ``grants``, unless it is in it."""

    _way = ("grants",)


class RemoveGrant(_RemoveRule):
    """Take a grant out of ``grants``, found by what it says; its comments go with it."""

    _way = ("grants",)


class AddACL(_AddRule):
    """Put a rule at the end of ``acls``, unless it is in it."""

    _way = ("acls",)


class RemoveACL(_RemoveRule):
    """Take a rule out of ``acls``, found by what it says; its comments go with it."""

    _way = ("acls",)


class AddTest(_AddRule):
    """Put a test at the end of ``tests``, unless it is in it."""

    _way = ("tests",)


class AddSSHTest(_AddRule):
    """Put a test at the end of ``sshTests``, unless it is in it."""

    _way = ("sshTests",)


@frozen
class PatchText:
    """Carry out RFC 6902 operations as they are given."""

    patch: tuple[Operation, ...] = field(converter=_operations)

    def operations(self, policy: Value) -> list[Operation]:
        """Return the patch, as ``Edit.operations``."""
        return [dict(operation) for operation in self.patch]
