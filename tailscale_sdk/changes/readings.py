"""Which reads show the state a write changes, and what they answer as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tailscale_sdk._generated.endpoints import ENDPOINTS
from tailscale_sdk._generated.operations import OPERATIONS
from tailscale_sdk.changes.predictions import Arguments, rule_of


@frozen
class Reading:
    """Describe one read.

    Attributes:
        operation_id: the read.
        arguments: keywords of the SDK's method.
        part: name under which its answer stands in the state; None when it is the state.
    """

    operation_id: str
    arguments: Mapping[str, Any]
    part: str | None = None


def readings_of(operation_id: str, arguments: Arguments, *, afterwards: bool = False) -> tuple[Reading, ...]:
    """Return the reads that show the state a write changes; none where no single object shows it.

    Args:
        operation_id: the write.
        arguments: keywords of the SDK's method.
        afterwards: the write has been carried out, so a renamed object has its new name.
    """
    rule = rule_of(operation_id)
    if rule.read == "none" or OPERATIONS[operation_id].retry_class == "CREATE":
        return ()
    if operation_id == "batchUpdateCustomDevicePostureAttributes":
        return tuple(Reading(rule.read, {"device_id": node}, part=node) for node in arguments["nodes"])
    if not OPERATIONS[rule.read].path.count("{") and OPERATIONS[rule.read].returns.startswith("list"):
        return ()
    wanted = [name for name, argument in ENDPOINTS[rule.read].arguments.items() if argument.place == "path"]
    known = dict(arguments)
    if operation_id == "updateService" and afterwards and arguments.get("name"):
        known["service_name"] = arguments["name"]
    if OPERATIONS[rule.read].returns == "list" or not set(wanted) <= set(known):
        return ()
    if OPERATIONS[rule.read].returns.startswith("list:") and rule.read not in _LISTS_OF_VALUES:
        return ()
    return (Reading(rule.read, {name: known[name] for name in wanted}),)


# Lists of plain values that are the state itself, rather than a list in which an object is one of many.
_LISTS_OF_VALUES = frozenset({"listDnsNameservers", "listDnsSearchPaths"})


def as_state(reading: Reading, answer: Any) -> dict[str, Any]:
    """Return what a read answered as a JSON object with the API's names."""
    if reading.operation_id == "getPolicyFile":
        return {"policy": answer.text, "etag": answer.etag}
    if isinstance(answer, list):
        key = OPERATIONS[reading.operation_id].returns.partition(":")[2]
        return {key: [item.to_dict() if hasattr(item, "to_dict") else item for item in answer]}
    found: dict[str, Any] = answer.to_dict() if hasattr(answer, "to_dict") else dict(answer or {})
    return found
