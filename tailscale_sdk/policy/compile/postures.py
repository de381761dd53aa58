"""Device posture: conditions on the attributes of a source.

Implemented from public documentation; no answer of the service was there to compare with.
Source: https://tailscale.com/kb/1288/device-posture
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_PRESENCE: Final = re.compile(r"(?P<name>\S+)\s+(?P<state>IS|NOT)\s+SET")
_COMPARISON: Final = re.compile(
    r"(?P<name>[^\s=!<>]+)\s*(?P<operator>==|!=|>=|<=|>|<|\bNOT\s+IN\b|\bIN\b)\s*(?P<operand>.+)", re.DOTALL
)
_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_ITEM: Final = re.compile(r"""\s*('[^']*'|"[^"]*"|[^,\[\]]+?)\s*(?:,|\Z)""")


def holds(condition: str, attributes: Mapping[str, Any]) -> bool | None:
    """Say whether a condition holds for a device; None where it cannot be read.

    Args:
        condition: such as ``node:os == 'linux'``.
        attributes: every attribute of the device, by name.
    """
    condition = condition.strip()
    presence = _PRESENCE.fullmatch(condition)
    if presence:
        return (presence["name"] in attributes) == (presence["state"] == "IS")
    comparison = _COMPARISON.fullmatch(condition)
    if comparison is None:
        return None
    if comparison["name"] not in attributes:
        return False
    value = attributes[comparison["name"]]
    operator = " ".join(comparison["operator"].split())
    if operator in {"IN", "NOT IN"}:
        wanted = _list_of(comparison["operand"])
        return None if wanted is None else any(_same(value, item) for item in wanted) == (operator == "IN")
    literal = _literal(comparison["operand"])
    return None if literal is None else _compare(value, operator, literal)


def names_in(conditions: Sequence[str]) -> list[str]:
    """Return the attributes that conditions ask for, in order."""
    found = (_PRESENCE.fullmatch(each.strip()) or _COMPARISON.fullmatch(each.strip()) for each in conditions)
    return [match["name"] for match in found if match]


def _literal(text: str) -> Any:
    text = text.strip()
    if len(text) >= 2 and text[0] in "'\"" and text[-1] == text[0]:
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _list_of(text: str) -> list[Any] | None:
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        return None
    items = [_literal(item) for item in _ITEM.findall(inner[1:-1])]
    return None if None in items else items


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return (numbers or type(left) is type(right)) and left == right


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator in {"==", "!="}:
        return _same(value, wanted) == (operator == "==")
    numbers = isinstance(value, int | float) and isinstance(wanted, int | float)
    texts = isinstance(value, str) and isinstance(wanted, str)
    if isinstance(value, bool) or isinstance(wanted, bool) or not (numbers or texts):
        return False
    left, right = _ordered(value, wanted)
    return bool({">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}[operator])


def _ordered(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Turn versions into their numbers: 1.10 comes after 1.9."""
    if isinstance(value, str) and _VERSION.fullmatch(value) and _VERSION.fullmatch(wanted):
        return [int(part) for part in value.split(".")], [int(part) for part in wanted.split(".")]
    return value, wanted
