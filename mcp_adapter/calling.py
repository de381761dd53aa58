"""Call one public method of the SDK, and turn what it returns into plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_adapter.catalog import Catalog, Entry

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


async def state_of(
    client: Any, catalog: Catalog, entry: Entry, arguments: Mapping[str, Any], *, before_write: bool
) -> Mapping[str, Any] | None:
    """Read what a write changes, when one read with the same ids shows it.

    Args:
        before_write: an absent thing stops the write; afterwards nothing stops it any more.

    Raises:
        TailscaleError: before the write, the thing is absent or cannot be reached; nothing was changed.
    """
    change = entry.get("change")
    read = catalog.entries.get(change["read"]) if change and change["fields"] else None
    if read is None or read["answer"] in {"list", "values", "none"}:
        return None
    wanted = {parameter["name"] for parameter in read["params"] if parameter["required"]}
    if not wanted <= set(arguments):
        return None
    from tailscale_sdk.errors import NotFoundError, PermissionDeniedError, TailscaleError

    try:
        state = await call_operation(client, read, {name: arguments[name] for name in wanted})
    except PermissionDeniedError:
        return None
    except NotFoundError:
        if before_write and entry["http_method"] != "PUT":
            raise
        return {} if before_write else None
    except TailscaleError:
        if before_write:
            raise
        return None
    return state if isinstance(state, Mapping) else None
