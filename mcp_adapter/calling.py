"""Call one public method of the SDK, and turn what it returns into plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_adapter.catalog import Entry

_POLICY_FIELDS = {
    "getPolicyFile": {"policy": "text", "etag": "etag", "warnings": "warnings", "errors": "errors"},
    "setPolicyFile": {"policy": "text", "etag": "etag", "warnings": "warnings", "errors": "errors"},
    "validateAndTestPolicyFile": {"ok": "ok", "message": "message", "data": "data"},
}


async def call_operation(client: Any, entry: Entry, arguments: Mapping[str, Any]) -> Any:
    """Call the SDK method of an operation.

    Args:
        client: an ``AsyncTailscale``.
        entry: catalog entry.
        arguments: keyword arguments of the method.

    Returns:
        JSON values with the API's names: a list, an object, or None.

    Raises:
        TailscaleError: as the method does.
    """
    resource, method = entry["call"].split(".")
    answer = await getattr(getattr(client, resource), method)(**arguments)
    return plain(entry, answer)


def plain(entry: Entry, answer: Any) -> Any:
    """Turn an answer of the SDK into JSON values."""
    fields = _POLICY_FIELDS.get(entry["operation"])
    if fields is not None:
        found = {name: getattr(answer, attribute) for name, attribute in fields.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
    if isinstance(answer, list):
        return [_value(element) for element in answer]
    return _value(answer)


def _value(answer: Any) -> Any:
    return answer.to_dict() if hasattr(answer, "to_dict") else answer
