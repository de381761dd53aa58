"""Guards, records and targets on their own: one row for each thing they decide."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk import OPERATIONS
from tailscale_sdk.calls.prepared import PreparedCall, prepare
from tailscale_sdk.changes.guards import Caps, OwnCredential, OwnNode, Protected
from tailscale_sdk.changes.model import PlannedItem, Target
from tailscale_sdk.changes.records import (
    digest_of_call,
    digest_of_calls,
    handed_in,
    public_arguments,
    seal,
)
from tailscale_sdk.changes.targets import risks_of, target_of
from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError, PlanRefusedError

N = "n1"
DEVICE = {"device_id": N}


def item(operation_id: str = "deleteDevice", arguments: Any = None, **more: Any) -> PlannedItem:
    """Return an item of a plan."""
    call = prepare("example.com", operation_id, DEVICE if arguments is None else arguments)
    labels = ("tag:prod", "fd7a::1", "alice@example.com")
    target = more.pop("target", Target("device", N, "web.tail.ts.net", "100.64.0.1", labels))
    return PlannedItem(call, target, more.pop("before", {}), None, "b", "no", None, **more)


@pytest.mark.parametrize(
    ("caps", "due", "skipped", "text"),
    [
        (Caps(), 20, 5, None),
        (Caps(), 21, 0, "max_changes=20"),
        (Caps(max_changes=0), 1, 0, "max_changes=0"),
        (Caps(max_changes=50, population=100), 5, 0, None),
        (Caps(max_changes=50, population=100), 6, 0, "max_percent=5 of 100"),
        (Caps(max_changes=50, max_percent=10, population=100), 10, 0, None),
        (Caps(max_changes=50, max_percent=10, population=100), 11, 0, "max_percent=10 of 100"),
        (Caps(population=0), 5, 0, None),
        (Caps(population=0), 6, 0, "max_percent"),
    ],
)
def test_caps(caps: Caps, due: int, skipped: int, text: str | None) -> None:
    items = (item(),) * due + (item(status="skipped"),) * skipped
    if text is None:
        assert caps.refusals(items) == {}
    else:
        with pytest.raises(ChangeRefusedError, match=text):
            caps.refusals(items)


@pytest.mark.parametrize(
    ("name", "hit"),
    [
        (N, True),
        ("web.tail.ts.net", True),
        ("web", True),
        ("100.64.0.1", True),
        ("fd7a::1", True),
        ("tag:prod", True),
        ("alice@example.com", True),
        ("tag:pro", False),
        ("we", False),
        ("", False),
    ],
)
def test_protected_names(name: str, hit: bool) -> None:
    assert set(Protected(frozenset({name})).refusals((item(), item()))) == ({0, 1} if hit else set())


@pytest.mark.parametrize(
    ("operation_id", "arguments", "hit"),
    [
        ("deleteDevice", DEVICE, True),
        ("expireDeviceKey", DEVICE, True),
        ("setDeviceTags", {**DEVICE, "tags": []}, True),
        ("setDeviceName", {**DEVICE, "name": "x"}, False),
    ],
)
def test_the_own_node(operation_id: str, arguments: dict[str, Any], hit: bool) -> None:
    one = item(operation_id, arguments)
    assert bool(OwnNode(frozenset({"100.64.0.1"})).refusals((one,))) == hit
    assert not OwnNode(frozenset()).refusals((one,))


@pytest.mark.parametrize(("own", "hit"), [("k1", True), ("k2", False), (None, False)])
def test_the_own_credential(own: str | None, hit: bool) -> None:
    one = item("deleteKey", {"key_id": "k1"}, target=Target("key", "k1"))
    assert bool(OwnCredential(own).refusals((one,))) == hit


def secret_call(token: str) -> PreparedCall:
    """Return a call with a secret."""
    arguments = {"log_type": "network", "destination_type": "splunk", "url": "https://logs.example.com"}
    return prepare("example.com", "setLogStreamingConfiguration", {**arguments, "user": "u", "token": token})


def test_records_say_nothing_of_a_secret_and_digests_do_not_depend_on_it() -> None:
    call = secret_call("demo-token")
    assert public_arguments(call)["token"] == "***"
    assert "demo-token" not in json.dumps(public_arguments(call))
    assert digest_of_call(call) == digest_of_call(secret_call("another"))
    one = (call.operation_id, call.tailnet, public_arguments(call))
    other = (call.operation_id, "other.example.com", public_arguments(call))
    digests = {digest_of_calls(calls) for calls in ([one], [other], [one, other], [other, one], [one, one])}
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"token": "demo-token"}, None),
        ({"0.token": "demo-token", "token": "another"}, None),
        ({"1.token": "demo-token"}, ConfigurationError),
        ({"token": "another"}, PlanRefusedError),
        ({}, ConfigurationError),
        (None, ConfigurationError),
    ],
)
def test_secrets_are_handed_in_by_name_or_by_place(given: Any, error: Any) -> None:
    record = {"arguments": {"user": "u", "token": "***"}, "secrets": {"token": seal("plan", "demo-token")}}
    if error is None:
        assert handed_in("plan", 0, record, given)["token"] == "demo-token"
    else:
        with pytest.raises(error) as refused:
            handed_in("plan", 0, record, given)
        assert "demo-token" not in str(refused.value)
    assert seal("plan", "x") != seal("other", "x")


def test_targets_have_a_kind_an_id_and_the_names_they_are_known_by() -> None:
    found = {"name": "web.tail.ts.net", "addresses": ["fd7a::1", "100.64.0.1"], "tags": ["tag:web"]}
    target = target_of("setDeviceName", "example.com", DEVICE, found)
    assert (target.key, target.name, target.address) == ("device:n1", "web.tail.ts.net", "100.64.0.1")
    assert {"tag:web", "web", "fd7a::1"} <= set(target.labels)
    assert target_of("setDnsNameservers", "example.com", {}, None).key == "dns:example.com"
    routes = target_of("setDeviceRoutes", "example.com", DEVICE, {"enabledRoutes": []}, [found])
    assert (routes.name, routes.labels) == (target.name, target.labels)
    assert evolve(target, labels=list(target.labels)) == target
    assert all(risks_of(name) for name in OPERATIONS if OPERATIONS[name].effect == "delete")
