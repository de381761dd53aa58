"""Rules that give devices their tags, read from TOML, JSON or YAML and checked before anything else is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.devices.language import All, AnyOf, Node, Term, read_query
from tailscale_sdk.operations.devices.predicates import Surroundings, Test, compile_query
from tailscale_sdk.operations.devices.tagging import check_tag
from tailscale_sdk.operations.fleet import Device, Fleet, read_fleet
from tailscale_sdk.operations.rule_files import read_rule_file
from tailscale_sdk.policy.language import Policy
from tailscale_sdk.snapshot import TailnetSnapshot

_WHEN: Final[Mapping[str, str]] = {
    "os": "os",
    "name": "name",
    "hostname": "host",
    "user": "owner",
    "tag": "tag",
    "address": "ip",
    "route": "route",
    "attribute": "attr",
    "age": "age",
}
_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NOTHING: Final = read_fleet(TailnetSnapshot({"devices": [], "attributes": {}}))
_KEYS: Final = frozenset({"name", "when", "query", "group", "add", "remove", "exactly"})


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(value)


@frozen
class TagRule:
    """Hold one rule.

    Attributes:
        name: what it is called in messages.
        query: which devices it is for.
        group: of the policy, whose members' devices it is for; None for all.
        add, remove: tags it gives and takes.
        exactly: all tags of the device, in place of both.
    """

    name: str
    query: Node
    group: str | None = None
    add: tuple[str, ...] = field(default=(), converter=_texts)
    remove: tuple[str, ...] = field(default=(), converter=_texts)
    exactly: tuple[str, ...] | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """Return every tag it gives."""
        return (*self.add, *(self.exactly or ()))


def read_rules_file(path: str | Path) -> tuple[TagRule, ...]:
    """Read rules from a file.

    Args:
        path: TOML (``[[rule]]`` tables), JSON (``{"rule": [...]}``) or YAML.

    Raises:
        ConfigurationError: it cannot be read; the text names the rule.
    """
    content = read_rule_file(path)
    try:
        return read_rules(content)
    except ConfigurationError as problem:
        raise ConfigurationError(f"{path}: {problem}") from None


def read_rules(content: Any) -> tuple[TagRule, ...]:
    """Read rules from data.

    Args:
        content: ``{"rule": [{"name", "when": {...} or "query": "...", "add", "remove", "exactly", "group"}]}``.

    Raises:
        ConfigurationError: something is wrong with a rule; the text names it.
    """
    listed = content.get("rule") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed or set(content) != {"rule"}:
        raise ConfigurationError("rules are a list under the key rule, and nothing else")
    rules = tuple(_read(index, record) for index, record in enumerate(listed))
    for index, rule in enumerate(rules):
        for earlier in rules[:index]:
            if earlier.exactly is None and (earlier.query, earlier.group) == (rule.query, rule.group):
                _check_unlike(earlier, rule)
    return rules


def _check_unlike(earlier: TagRule, rule: TagRule) -> None:
    if (earlier.add, earlier.remove, earlier.exactly) == (rule.add, rule.remove, rule.exactly):
        raise ConfigurationError(f"rule {rule.name!r} does what {earlier.name!r} does already")


def _read(index: int, record: Any) -> TagRule:
    if not isinstance(record, dict):
        raise ConfigurationError(f"rule {index + 1}: must be a table")
    name = record.get("name") or f"rule {index + 1}"
    unknown = set(record) - _KEYS
    if unknown:
        raise ConfigurationError(f"{name}: there is no key {min(unknown)!r}: {', '.join(sorted(_KEYS))}")
    try:
        return TagRule(
            name=str(name),
            query=_query(record),
            group=_group(record.get("group")),
            add=_tags(record, "add"),
            remove=_tags(record, "remove"),
            exactly=_tags(record, "exactly") if "exactly" in record else None,
        )
    except ConfigurationError as problem:
        raise ConfigurationError(f"{name}: {problem}") from None


def _group(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and value.startswith("group:")):
        raise ConfigurationError("group must be the name of a group, such as group:ops")
    return value


def _tags(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = record.get(key, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise ConfigurationError(f"{key} must be a tag or a list of tags")
    if not any(name in record for name in ("add", "remove", "exactly")):
        raise ConfigurationError("it neither adds nor removes a tag")
    if "exactly" in record and ("add" in record or "remove" in record):
        raise ConfigurationError("exactly stands alone: it names all tags")
    return tuple(check_tag(tag) for tag in listed)


def _query(record: Mapping[str, Any]) -> Node:
    when, query = record.get("when"), record.get("query")
    if (when is None) is (query is None):
        raise ConfigurationError("give one of when and query")
    node = read_query(query) if isinstance(query, str) else _from_when(when)
    # Patterns and values are tried now, not when a device comes along.
    compile_query(node, Surroundings(_ANY_TIME, _NOTHING))
    return node


def _from_when(when: Any) -> Node:
    if not isinstance(when, dict) or not when:
        raise ConfigurationError("when must be a table with at least one condition")
    unknown = set(when) - set(_WHEN)
    if unknown:
        raise ConfigurationError(f"when: there is no {min(unknown)!r}: {', '.join(_WHEN)}")
    parts: list[Node] = []
    for key, value in when.items():
        values = value if isinstance(value, list) else [value]
        terms = tuple(Term(_WHEN[key], _value(key, each)) for each in values)
        parts.append(terms[0] if len(terms) == 1 else AnyOf(terms))
    return All(tuple(parts))


def _value(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"when: {key} must be text or a list of texts")
    return f"in:{value}" if key == "route" and not value.startswith(("in:", "covers:")) else value


def check_against(rules: Sequence[TagRule], policy: Policy) -> None:
    """Check that the policy defines every tag and group of the rules.

    Args:
        rules: as read.
        policy: of the tailnet.

    Raises:
        ConfigurationError: it does not; the text names the rule.
    """
    for rule in rules:
        try:
            for tag in rule.tags:
                check_tag(tag, policy.tag_owners)
        except ConfigurationError as problem:
            raise ConfigurationError(f"{rule.name}: {problem}") from None
        if rule.group is not None and rule.group not in policy.groups:
            raise ConfigurationError(f"{rule.name}: the policy has no {rule.group}")


def tests_of(rule: TagRule, fleet: Fleet, policy: Policy | None, now: datetime) -> Test:
    """Return the test of which devices a rule is for.

    Args:
        rule: the rule.
        fleet: devices, with posture attributes where they are asked for.
        policy: whose groups are meant; without one a rule with a group is for nobody.
        now: moment of asking, with a zone.
    """
    test = compile_query(rule.query, Surroundings(now, fleet))
    if rule.group is None:
        return test
    group = None if policy is None else policy.groups.get(rule.group)
    members = frozenset(group.values) if group is not None else frozenset[str]()

    def both(device: Device) -> bool:
        return device.user in members and test(device)

    return both
