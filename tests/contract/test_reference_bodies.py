"""Real answers of the service go through the SDK: nothing is lost, errors get their class."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tailscale_sdk import (
    OPERATIONS,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    PolicyDocument,
    PolicyValidation,
    PreconditionFailedError,
    ServerError,
    Tailscale,
)
from tailscale_sdk.testing import FakeTailnet
from tests.exercise import STEPS, Memory, Step, bound_method

WRONG_SCALARS: tuple[Any, ...] = (None, "", "brand-new", 0, 12.5, True, [], {}, ["x", None, 5])
BY_STATUS = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    412: PreconditionFailedError,
    500: ServerError,
}


def answering(status: int, body: bytes, content_type: str = "application/json") -> httpx.MockTransport:
    headers = {"Content-Type": content_type, "ETag": '"abc"'}
    return httpx.MockTransport(lambda request: httpx.Response(status, headers=headers, content=body))


def known_memory() -> Memory:
    names = [
        "device_invite",
        "invite_url",
        "user_invite",
        "key",
        "client",
        "external_id",
        "integration",
        "webhook",
        "app",
    ]
    return Memory(
        device="nDEMO1CNTRL",
        spare_device="nDEMO2CNTRL",
        user="u1",
        spare_user="u2",
        policy='{"acls": []}',
        etag="abc",
        found=dict.fromkeys(names, "demo"),
    )


def step_of(operation_id: str) -> Step:
    return next(step for step in STEPS if step.operation_id == operation_id)


def send(operation_id: str, wire: httpx.MockTransport) -> Any:
    arguments, keywords = step_of(operation_id).arguments(known_memory())
    client = Tailscale(api_key="tskey-api-demo", rate_limit=None, max_retries=0, _wire=wire)
    return bound_method(client, operation_id)(*arguments, **keywords)


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, PolicyDocument):
        return value.text
    if isinstance(value, PolicyValidation):
        return {} if value.ok else {"message": value.message, "data": list(value.data)}
    return value.to_dict() if hasattr(value, "to_dict") else value


def expected(operation_id: str, body: bytes) -> Any:
    returns = OPERATIONS[operation_id].returns
    if returns == "None":
        return None
    if returns == "PolicyDocument":
        return body.decode()
    value = json.loads(body)
    if returns.startswith("list:"):
        value = (value or {}).get(returns.removeprefix("list:"))
    return [] if value is None and returns.startswith("list") else value


def bodies(folder: Path) -> Iterator[tuple[str, int, str, bytes]]:
    index = json.loads((folder / "api-bodies" / "index.json").read_text())
    for operation_id, entries in index.items():
        for entry in entries:
            body = (folder / "api-bodies" / entry["file"]).read_bytes()
            yield operation_id, int(entry["status"]), entry["content_type"], body


def test_every_recorded_body_survives(reference_data: Path) -> None:
    seen = 0
    for operation_id, status, content_type, body in bodies(reference_data):
        seen += 1
        wire = answering(status, body, content_type)
        if status >= 400:
            with pytest.raises(APIStatusError) as caught:
                send(operation_id, wire)
            assert isinstance(caught.value, BY_STATUS.get(status, APIStatusError))
            assert caught.value.status == status
            message = json.loads(body).get("message")
            assert message is None or message in str(caught.value)
            continue
        answer = send(operation_id, wire)
        assert plain(answer) == expected(operation_id, body), operation_id
        touch(answer)
    assert seen == len(list((reference_data / "api-bodies").glob("*.json"))) - 1


def touch(value: Any) -> None:
    """Read every field, nested ones too: decoding happens when a field is touched."""
    for element in value if isinstance(value, list) else [value]:
        for name in getattr(element, "_fields", ()):
            touch(getattr(element, name))


def test_every_known_error_gets_its_class(reference_data: Path) -> None:
    cases = json.loads((reference_data / "api-errors.json").read_text())["cases"]
    for case in cases:
        if case["status"] < 400:
            continue
        body = json.dumps(case["body"]).encode() if "body" in case else case["body_text"].encode()
        with pytest.raises(BY_STATUS[case["status"]]) as caught:
            send("getDevice", answering(case["status"], body))
        text = case["body"]["message"] if "body" in case else case["body_text"]
        assert caught.value.message == text
    assert len(cases) == 11


def scalars_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every field below the list's elements."""
    if isinstance(value, dict):
        for key, element in value.items():
            yield (*path, key)
            yield from scalars_of(element, (*path, key))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from scalars_of(element, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a value with another one at a place; everything beside the path is shared."""
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new) if path[1:] else new
    return changed


def removed(value: Any, path: tuple[Any, ...]) -> Any:
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    without = copy.copy(holder)
    del without[path[-1]]
    return replaced(value, path[:-1], without)


def parser_of(operation_id: str) -> Any:
    for path in sorted(
        Path(str(importlib.import_module("tailscale_sdk._generated.api").__path__[0])).rglob("*.py")
    ):
        if path.stem.replace("_", "") == operation_id.lower():
            return importlib.import_module(
                f"tailscale_sdk._generated.api.{path.parent.name}.{path.stem}"
            ).parse_success
    raise LookupError(operation_id)


@pytest.mark.untraced
def test_no_single_field_of_a_list_costs_another(reference_data: Path) -> None:
    changed = 0
    for operation_id, status, _, body in bodies(reference_data):
        key = OPERATIONS[operation_id].returns.removeprefix("list:")
        content = (
            json.loads(body)
            if status == 200 and OPERATIONS[operation_id].returns.startswith("list:")
            else None
        )
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            continue
        parse = parser_of(operation_id)
        for index, *inner in [place for place in scalars_of(content[key]) if len(place) > 1]:
            # The changed element and one beside it: whether it is lost does not depend on how many there are.
            elements, path = [content[key][index], content[key][index - 1]], (0, *inner)
            variants = [replaced(elements, path, new) for new in WRONG_SCALARS] + [removed(elements, path)]
            for variant in variants:
                answer = parse({**content, key: variant})
                assert len(answer) == 2, (operation_id, path)
                touch(answer)
                assert plain(answer) == variant, (operation_id, path)
                changed += 1
    assert changed > 1000


def test_the_embedded_tailnet_serves_a_fleet_of_real_devices(reference_data: Path) -> None:
    devices = []
    for operation_id, _, _, body in bodies(reference_data):
        if operation_id == "listTailnetDevices":
            devices += [
                device
                for device in json.loads(body).get("devices") or []
                if device.get("id") or device.get("nodeId")
            ]
    unique = {device.get("nodeId") or device["id"]: device for device in devices}
    with (
        FakeTailnet(snapshot={"devices": list(unique.values())}) as tailnet,
        Tailscale(api_key=tailnet.api_key, base_url=tailnet.base_url, rate_limit=None) as client,
    ):
        listed = {device.node_id: device for device in client.devices.list(fields="all")}
        assert set(listed) == set(unique)
        for identifier, source in unique.items():
            served = listed[identifier].to_dict()
            assert {key: served.get(key) for key in source} == source
