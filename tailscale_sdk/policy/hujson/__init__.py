"""HuJSON, the policy file's language: JSON with comments and trailing commas, without losing a byte.

Source: https://github.com/tailscale/hujson and RFC 8259, RFC 6901, RFC 6902.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy.hujson.formatting import format_value
from tailscale_sdk.policy.hujson.parser import parse
from tailscale_sdk.policy.hujson.patching import apply_patch
from tailscale_sdk.policy.hujson.tree import Member, Value

__all__ = ["HuJSONError", "Member", "Value", "find", "format", "minimize", "parse", "patch", "standardize"]


def standardize(text: str | bytes) -> str:
    """Return plain JSON of the same length: comments and trailing commas become spaces.

    Args:
        text: HuJSON; line numbers and columns stay valid.

    Raises:
        HuJSONError: it is not HuJSON; line and column say where.
    """
    return parse(text).standardized()


def minimize(text: str | bytes) -> str:
    """Return plain JSON without any white space.

    Args:
        text: HuJSON.

    Raises:
        HuJSONError: it is not HuJSON.
    """
    return parse(text).minimized()


def format(text: str | bytes) -> str:
    """Return the canonical layout: tabs, one space, aligned values, comments kept, one final newline.

    Args:
        text: HuJSON.

    Raises:
        HuJSONError: it is not HuJSON.
    """
    return format_value(parse(text))


def patch(text: str | bytes, rfc6902: str | bytes | Sequence[Mapping[str, Any]]) -> str:
    """Apply an RFC 6902 patch to the text; every byte that is not concerned stays.

    Args:
        text: HuJSON.
        rfc6902: the patch, an array of operations, as text (HuJSON too) or as data.

    Raises:
        HuJSONError: text or patch is not HuJSON, or an operation fails; nothing is applied then.
    """
    operations = rfc6902 if isinstance(rfc6902, str | bytes) else json.dumps(list(rfc6902))
    return apply_patch(parse(text), parse(operations)).pack()


def find(text: str | bytes, json_pointer: str) -> Any:
    """Return the data a JSON pointer (RFC 6901) names, or None where there is nothing.

    Args:
        text: HuJSON.
        json_pointer: such as ``/groups/group:dev/0``; empty for the whole document.

    Raises:
        HuJSONError: it is not HuJSON.
    """
    found = parse(text).find(json_pointer)
    return found.data() if found is not None else None
