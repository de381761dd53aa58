"""Device posture: conditions on the attributes of the source device."""

from __future__ import annotations

import re
from typing import Any

from tests.policy.brute_force.answers import Answer, any_of, every, sure
from tests.policy.brute_force.world import Device, World

_PRESENCE = re.compile(r"^(?P<name>\S+)\s+(?P<state>IS|NOT)\s+SET$")
_COMPARISON = re.compile(
    r"^(?P<name>\S+)\s*(?P<operator>==|!=|>=|<=|>|<|\bNOT\s+IN\b|\bIN\b)\s*(?P<operand>.+)$"
)
_VERSION = re.compile(r"^\d+(\.\d+)*$")


def posture_holds(policy: dict[str, Any], names: list[str], world: World, source: Device | None) -> Answer:
    """Say whether a source meets one of the named postures; without any there is nothing to meet."""
    if not names:
        return "yes"
    if source is None or source.node not in world.attributes:
        return "unknown"
    attributes = world.attributes[source.node]
    return any_of(
        every(sure(condition_holds(condition, attributes)) for condition in policy["postures"][name])
        for name in names
    )


def condition_holds(condition: str, attributes: dict[str, Any]) -> bool:
    """Evaluate one condition on the attributes of a device."""
    if match := _PRESENCE.match(condition.strip()):
        return (match["name"] in attributes) == (match["state"] == "IS")
    match = _COMPARISON.match(condition.strip())
    if match is None:
        raise ValueError(f"no condition: {condition}")
    if match["name"] not in attributes:
        return False
    value = attributes[match["name"]]
    operator = re.sub(r"\s+", " ", match["operator"])
    if operator in ("IN", "NOT IN"):
        members = [read_literal(text) for text in match["operand"].strip().strip("[]").split(",")]
        return any(is_same(value, member) for member in members) == (operator == "IN")
    return compare(value, operator, read_literal(match["operand"]))


def read_literal(text: str) -> Any:
    """Read a quoted text, a number, or true or false."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    return int(text)


def is_same(left: Any, right: Any) -> bool:
    """Tell whether two values are of one kind and equal."""
    return type(left) is type(right) and left == right


def compare(value: Any, operator: str, wanted: Any) -> bool:
    """Compare two values; only numbers, and texts among themselves, have an order."""
    if operator in ("==", "!="):
        return is_same(value, wanted) == (operator == "==")
    if isinstance(value, bool) or type(value) is not type(wanted):
        return False
    left, right = order_key(value, wanted)
    return {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}[operator]


def order_key(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Turn versions into their parts as numbers; other values stand for themselves."""
    if isinstance(value, str) and _VERSION.match(value) and _VERSION.match(wanted):
        return [int(part) for part in value.split(".")], [int(part) for part in wanted.split(".")]
    return value, wanted
