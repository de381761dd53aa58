"""What a policy says, as plain values: every part knows its place in the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from tailscale_sdk.policy.hujson import Value

SelectorKind = Literal["any", "user", "group", "tag", "autogroup", "address", "host", "ipset", "service"]
RuleKind = Literal["acl", "grant"]


@frozen
class Place:
    """Name a place in a policy: JSON pointer, line and column from 1; columns count bytes."""

    pointer: str
    line: int
    column: int


@frozen(order=True)
class AddressRange:
    """Hold consecutive addresses of one family.

    Attributes:
        version: 4 or 6.
        first, last: both inside, as integers.
    """

    version: int
    first: int
    last: int

    @property
    def is_single(self) -> bool:
        """Tell whether this is one address."""
        return self.first == self.last


@frozen
class Selector:
    """Name who or what a rule is about.

    Attributes:
        kind: how to read it; ``any`` is ``*``, ``user`` a login name.
        text: as written, without ports.
        name: what it refers to by today's spelling: ``group:dev``, ``tag:web``, ``autogroup:member``, a
            login, a host's name, ``ipset:x``, ``svc:x``; the text for addresses.
        addresses: of an address, CIDR or range written out; empty otherwise.
        place: where it stands.
    """

    kind: SelectorKind
    text: str
    name: str
    place: Place
    addresses: tuple[AddressRange, ...] = ()


@frozen
class Traffic:
    """Hold protocols with the ports they may use.

    Attributes:
        protocols: IANA numbers, sorted.
        ports: ranges, both ends inside; one full range for protocols without ports.
    """

    protocols: tuple[int, ...]
    ports: tuple[tuple[int, int], ...]


@frozen
class Destination:
    """Hold one destination of a rule with what may be sent there; without traffic it opens nothing."""

    selector: Selector
    traffic: tuple[Traffic, ...]


@frozen
class Rule:
    """Hold one entry of ``acls`` or ``grants``.

    Attributes:
        kind: acl or grant.
        index: place in its list, from 0.
        place: of the entry.
        sources: who it lets in.
        destinations: what they reach.
        app: capabilities by name, each with its values.
        via: tags of the routers it goes through.
        postures: names of conditions, any of which must hold; None where the entry names none.
    """

    kind: RuleKind
    index: int
    place: Place
    sources: tuple[Selector, ...]
    destinations: tuple[Destination, ...]
    app: Mapping[str, tuple[Any, ...]] = field(factory=dict)
    via: tuple[str, ...] = ()
    postures: tuple[str, ...] | None = None

    @property
    def pointer(self) -> str:
        """Return the JSON pointer of the entry."""
        return self.place.pointer


@frozen
class SSHRule:
    """Hold one entry of ``ssh``; users are trimmed, in their order."""

    index: int
    place: Place
    action: Literal["accept", "check"]
    sources: tuple[Selector, ...]
    destinations: tuple[Selector, ...]
    users: tuple[str, ...]
    accept_env: tuple[str, ...] = ()
    check_period: str | None = None
    recorder: tuple[str, ...] = ()
    enforce_recorder: bool = False
    postures: tuple[str, ...] | None = None


@frozen
class NodeAttributes:
    """Hold one entry of ``nodeAttrs``."""

    index: int
    place: Place
    targets: tuple[Selector, ...]
    attributes: tuple[str, ...]
    ip_pool: tuple[str, ...] = ()
    app: Mapping[str, tuple[Any, ...]] = field(factory=dict)


@frozen
class Definition:
    """Hold a name and what it stands for.

    Attributes:
        name: ``group:dev``, ``tag:web``, a host, ``ipset:x``, ``posture:x``.
        values: members, owners, addresses or conditions, as written.
        places: where each value stands.
        place: where the name stands.
    """

    name: str
    values: tuple[str, ...]
    places: tuple[Place, ...]
    place: Place


@frozen
class Approvers:
    """Hold who may approve one route, ``exitNode`` or a service, without an admin."""

    target: str
    approvers: tuple[Selector, ...]
    place: Place


@frozen
class AccessTest:
    """Hold one entry of ``tests``; what the service makes a failing test stays as it is written.

    Attributes:
        source: who is tested, None where it is missing.
        accept, deny: destinations with ports; None where the key is missing.
        proto: protocol, None for TCP or UDP.
        posture_attributes: attributes the source is given for the test.
    """

    index: int
    place: Place
    source: str | None
    accept: tuple[str, ...] | None
    deny: tuple[str, ...] | None
    proto: str | None = None
    posture_attributes: Mapping[str, Any] = field(factory=dict)


@frozen
class SSHTest:
    """Hold one entry of ``sshTests``."""

    index: int
    place: Place
    source: str | None
    destinations: tuple[str, ...]
    accept: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    check: tuple[str, ...] = ()


@frozen
class Policy:
    """Hold a whole policy, read.

    Attributes:
        text: as stored.
        tree: its lossless tree.
        rules: entries of ``acls`` and ``grants``, in the order of the text.
        allows_all: neither ``acls`` nor ``grants`` is present: everything is allowed.
        flags: top-level settings such as ``randomizeClientPort``, by name.
        unread: top-level keys that this version does not know, with their places.
    """

    text: str
    tree: Value = field(repr=False, eq=False)
    rules: tuple[Rule, ...] = ()
    allows_all: bool = True
    ssh: tuple[SSHRule, ...] = ()
    groups: Mapping[str, Definition] = field(factory=dict)
    hosts: Mapping[str, Definition] = field(factory=dict)
    tag_owners: Mapping[str, Definition] = field(factory=dict)
    ipsets: Mapping[str, Definition] = field(factory=dict)
    postures: Mapping[str, Definition] = field(factory=dict)
    default_postures: tuple[str, ...] = ()
    node_attributes: tuple[NodeAttributes, ...] = ()
    route_approvers: tuple[Approvers, ...] = ()
    exit_node_approvers: tuple[Selector, ...] = ()
    service_approvers: tuple[Approvers, ...] = ()
    tests: tuple[AccessTest, ...] = ()
    ssh_tests: tuple[SSHTest, ...] = ()
    flags: Mapping[str, Any] = field(factory=dict)
    unread: tuple[Place, ...] = ()
