"""The parts of a tailnet's state, each with the calls that read it; written once for both kinds of client."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

from tailscale_sdk.client import AsyncTailscale, Tailscale
from tailscale_sdk.errors import APIStatusError, HuJSONError, TailscaleError
from tailscale_sdk.operations.values import mapping_of
from tailscale_sdk.policy import hujson

READ = "read"
"""What coverage says of a part that was read completely."""

T = TypeVar("T")
_LISTED = ("keys", "webhooks", "services", "posture_integrations", "oauth_apps", "user_invites")
_SINGLE = ("settings", "contacts")
_LOG_TYPES = ("configuration", "network")

Call = Callable[[Any], Any]
"""One call of a client, whichever kind it is; of an asynchronous one it returns what is to be awaited."""


@frozen
class Part:
    """Hold what was read of one part.

    Attributes:
        content: keys of the snapshot.
        reason: ``read``, or why something of it is missing.
    """

    content: Mapping[str, Any]
    reason: str = READ


Calls = Generator[Call, Any, Part]


def _devices() -> Calls:
    devices = yield lambda client: client.devices.list(fields="all")
    return Part({"devices": [device.to_dict() for device in devices]})


def _listed(name: str) -> Calls:
    found = yield lambda client: getattr(client, name).list()
    return Part({name: [item.to_dict() for item in found]})


def _users() -> Calls:
    # People of other tailnets are users too; without a type the API leaves them out.
    found = yield lambda client: client.users.list(type="all")
    return Part({"users": [user.to_dict() for user in found]})


def _single(name: str) -> Calls:
    found = yield lambda client: getattr(client, name).get()
    return Part({name: found.to_dict()})


def _policy() -> Calls:
    document = yield lambda client: client.policy.get()
    return Part({"policy": document.text, "policy_etag": document.etag})


def _policy_validation() -> Calls:
    """Ask the service what it says of the policy it has: warnings stand nowhere else."""
    document = yield lambda client: client.policy.get()
    if _is_empty(document.text):
        # There is nothing to warn of, and the service accepts an empty object without looking at it.
        return Part({"policy_validation": {"ok": True, "message": "", "data": []}})
    found = yield lambda client: client.policy.validate(document)
    told = {"ok": found.ok, "message": found.message, "data": [dict(entry) for entry in found.data]}
    return Part({"policy_validation": told})


def _is_empty(policy: str) -> bool:
    try:
        return bool(json.loads(hujson.standardize(policy)) == {})
    except (HuJSONError, ValueError):
        return False


def _dns() -> Calls:
    nameservers = yield lambda client: client.dns.get_nameservers()
    search_paths = yield lambda client: client.dns.get_search_paths()
    split = yield lambda client: client.dns.get_split_dns()
    preferences = yield lambda client: client.dns.get_preferences()
    override = yield from _override_of_local_dns()
    found = {
        "nameservers": nameservers,
        "searchPaths": search_paths,
        "splitDns": split.to_dict(),
        "preferences": {**preferences.to_dict(), **override},
    }
    return Part({"dns": found})


def _override_of_local_dns() -> Generator[Call, Any, Mapping[str, bool]]:
    """Read the one preference that only the whole configuration tells; nothing where that cannot be read."""
    try:
        configuration = yield lambda client: client.dns.get_configuration()
    except TailscaleError:
        return {}
    told = mapping_of(configuration.to_dict(), "preferences").get("overrideLocalDNS")
    return {"overrideLocalDNS": told} if isinstance(told, bool) else {}


def _stream_of(log_type: str) -> Call:
    return lambda client: client.logging.get_stream(log_type)


def _stream_status_of(log_type: str) -> Call:
    return lambda client: client.logging.get_stream_status(log_type)


def _attributes_of(node_id: str) -> Call:
    return lambda client: client.devices.get_attributes(node_id)


def _invites_of(node_id: str) -> Call:
    return lambda client: client.device_invites.list(node_id)


def _log_streams() -> Calls:
    streams: dict[str, Any] = {}
    reason = READ
    for log_type in _LOG_TYPES:
        try:
            found = yield _stream_of(log_type)
            streams[log_type] = found.to_dict()
            status = yield _stream_status_of(log_type)
            streams[log_type]["status"] = status.to_dict()
        except TailscaleError as error:
            # Only a stream that is not there at all is known to be missing.
            if log_type in streams or not (isinstance(error, APIStatusError) and error.status == 404):
                reason = reason_of(error)
    return Part({"log_streams": streams}, reason)


def attributes(node_ids: Collection[str]) -> Calls:
    """Read posture attributes device by device; the first refusal for lack of rights ends it.

    Args:
        node_ids: of the devices to ask about.
    """
    found, reason = yield from _of_each(node_ids, _attributes_of)
    return Part({"attributes": {node_id: answer.to_dict() for node_id, answer in found.items()}}, reason)


def device_invites(node_ids: Collection[str]) -> Calls:
    """Read share invites device by device; the first refusal for lack of rights ends it.

    Args:
        node_ids: of the devices to ask about.
    """
    found, reason = yield from _of_each(node_ids, _invites_of)
    return Part({"device_invites": [each.to_dict() for listed in found.values() for each in listed]}, reason)


def _of_each(
    node_ids: Collection[str], call: Callable[[str], Call]
) -> Generator[Call, Any, tuple[dict[str, Any], str]]:
    found: dict[str, Any] = {}
    reason = READ
    for node_id in node_ids:
        try:
            found[node_id] = yield call(node_id)
        except TailscaleError as error:
            reason = reason_of(error)
            if not isinstance(error, APIStatusError) or error.status in {401, 403}:
                break
    return found, reason


PARTS: Mapping[str, Callable[[], Calls]] = {
    "devices": _devices,
    "users": _users,
    **{name: partial(_listed, name) for name in _LISTED},
    **{name: partial(_single, name) for name in _SINGLE},
    "dns": _dns,
    "policy": _policy,
    "policy_validation": _policy_validation,
    "log_streams": _log_streams,
}
"""What is read of a tailnet as a whole, by the name that coverage gives it."""


def node_ids(part: Part) -> list[str]:
    """Return the ids of the devices that were read."""
    return [device["nodeId"] for device in part.content["devices"] if device.get("nodeId")]


def reason_of(error: TailscaleError) -> str:
    """Say for the coverage why a part is missing."""
    return f"{type(error).__name__}: {error}"


def read(client: Tailscale, calls: Generator[Call, Any, T]) -> T:
    """Read with a synchronous client.

    Raises:
        TailscaleError: it cannot be read.
    """
    answer, problem = None, None
    while True:
        try:
            call = calls.throw(problem) if problem is not None else calls.send(answer)
        except StopIteration as done:
            value: T = done.value
            return value
        answer, problem = None, None
        try:
            answer = call(client)
        except TailscaleError as error:
            problem = error


async def read_async(client: AsyncTailscale, calls: Generator[Call, Any, T]) -> T:
    """Read with an asynchronous client, as ``read`` does."""
    answer, problem = None, None
    while True:
        try:
            call = calls.throw(problem) if problem is not None else calls.send(answer)
        except StopIteration as done:
            value: T = done.value
            return value
        answer, problem = None, None
        try:
            answer = await call(client)
        except TailscaleError as error:
            problem = error


def joined(parts: Mapping[str, Part | TailscaleError]) -> Iterator[tuple[str, Any]]:
    """Walk the keys of a snapshot that some parts make, with the coverage at the end."""
    coverage: dict[str, str] = {}
    for name, part in parts.items():
        if isinstance(part, TailscaleError):
            coverage[name] = reason_of(part)
            continue
        coverage[name] = part.reason
        yield from ((key, value) for key, value in part.content.items() if value is not None)
    yield "coverage", coverage
