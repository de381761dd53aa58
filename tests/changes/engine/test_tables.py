"""States, predictions and inverses on their own: one row for each thing they decide."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk import OPERATIONS
from tailscale_sdk.changes.evidence import is_gone, watched
from tailscale_sdk.changes.inverses import invert
from tailscale_sdk.changes.model import Inverse
from tailscale_sdk.changes.predictions import compared, predict, rule_of
from tailscale_sdk.changes.readings import readings_of
from tailscale_sdk.changes.states import hash_of, moved, same, state_of
from tailscale_sdk.changes.targets import reversible
from tests.changes.engine.support import is_change

pytestmark = pytest.mark.each_row

N = "n1"
DEVICE = {"device_id": N}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": None, "b": "", "c": [], "d": {}}, {}, True),
        ({"a": {"b": None}}, {"a": {}}, True),
        ({"tags": ["x", "y"]}, {"tags": ["y", "x"]}, True),
        ({"a": {"tags": ["x", "y"]}}, {"a": {"tags": ["y", "x"]}}, True),
        ({"tags": ["x"]}, {"tags": ["x", "x"]}, False),
        ({"searchPaths": ["x", "y"]}, {"searchPaths": ["y", "x"]}, False),
        ({"servers": [{"a": 1}, {"a": 2}]}, {"servers": [{"a": 2}, {"a": 1}]}, False),
        ({"a": False}, {}, False),
        ({"a": 0}, {}, False),
        ({"a": 1}, {"a": 2}, False),
        (None, None, True),
        (None, {}, False),
        ({"a": ("x", "y")}, {"a": ["x", "y"]}, True),
    ],
)
def test_states_that_say_the_same(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) == same(other, one) == equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"a": 1, "b": None}, {"b": [], "a": 1}, True),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, True),
        ({"a": [["x", "y"], []]}, {"a": [[], ["x", "y"]]}, False),
        ({"searchPaths": ["x", "y"]}, {"searchPaths": ["y", "x"]}, False),
        (None, {}, False),
        (None, None, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": True}, {"a": 1}, False),
    ],
)
def test_hashes_by_which_a_state_is_recognised(one: Any, other: Any, equal: bool) -> None:
    assert (hash_of(one) == hash_of(other)) == equal
    assert len(hash_of(one)) == 64


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ["b"]),
        ({"a": 1}, {"a": 1, "b": None}, []),
        ({"a": 1}, None, ["a"]),
        (None, {"b": 1, "a": 1}, ["a", "b"]),
        ({"tags": ["x", "y"]}, {"tags": ["y", "x"]}, []),
        ({"searchPaths": ["x", "y"]}, {"searchPaths": ["y", "x"]}, ["searchPaths"]),
    ],
)
def test_what_moved_is_named(before: Any, now: Any, names: list[str]) -> None:
    assert moved(before, now) == names


def test_a_state_holds_the_fields_of_the_rule_or_all_that_is_stable() -> None:
    found = {"name": "x", "lastSeen": "now", "tags": ["t"]}
    assert state_of(("name", "comment"), found) == {"name": "x", "comment": None}
    assert state_of((), found) == state_of(("*",), found) == {"name": "x", "tags": ["t"]}
    assert compared("setDeviceName", found) == {"name": "x"}
    assert compared("setDeviceName", None) is None
    batch = {N: {"attributes": {"custom:a": 1}}}
    assert compared("batchUpdateCustomDevicePostureAttributes", batch) == batch


OLD = {"attributes": {"custom:a": "1", "custom:b": "2"}, "expiries": {"custom:a": "2026-07-01T00:00:00Z"}}
KEY = {**DEVICE, "attribute_key": "custom:a"}
BATCH = "batchUpdateCustomDevicePostureAttributes"
PREDICTED: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("setDeviceName", {**DEVICE, "name": "new"}, {"name": "old.tail.ts.net"}, {"name": "new.tail.ts.net"}),
    (
        "setDeviceName",
        {**DEVICE, "name": "new.other.ts.net"},
        {"name": "old.t"},
        {"name": "new.other.ts.net"},
    ),
    ("setDeviceName", {**DEVICE, "name": ""}, {"name": "old.tail.ts.net"}, None),
    ("setDeviceTags", {**DEVICE, "tags": []}, {"tags": ["tag:a"]}, {"tags": []}),
    ("setDeviceRoutes", {**DEVICE, "routes": ["10.0.0.0/8"]}, {}, {"enabledRoutes": ["10.0.0.0/8"]}),
    ("authorizeDevice", {**DEVICE, "authorized": False}, {"authorized": True}, {"authorized": False}),
    (
        "setDeviceIp",
        {**DEVICE, "ipv4": "100.64.0.2"},
        {"addresses": ["100.64.0.1", "fd7a::1"]},
        {"addresses": ["100.64.0.2", "fd7a::1"]},
    ),
    ("expireDeviceKey", DEVICE, {"expires": "x"}, None),
    (
        "setCustomDevicePostureAttributes",
        {**KEY, "value": "3"},
        OLD,
        {"attributes": {"custom:a": "3", "custom:b": "2"}, "expiries": {}},
    ),
    (
        "setCustomDevicePostureAttributes",
        {**KEY, "value": "3", "expiry": "e"},
        {},
        {"attributes": {"custom:a": "3"}, "expiries": {"custom:a": "e"}},
    ),
    ("deleteCustomDevicePostureAttributes", KEY, OLD, {"attributes": {"custom:b": "2"}, "expiries": {}}),
    (
        BATCH,
        {"nodes": {N: {"custom:a": None, "custom:c": {"value": 1}}}},
        {N: OLD},
        {N: {"attributes": {"custom:b": "2", "custom:c": 1}, "expiries": {}}},
    ),
    (
        "updateSplitDns",
        {"split_dns": {"a.example.com": None, "b.example.com": ["10.0.0.1"]}},
        {"a.example.com": ["10.0.0.2"], "c.example.com": []},
        {"b.example.com": ["10.0.0.1"], "c.example.com": []},
    ),
    (
        "setSplitDns",
        {"split_dns": {"a.example.com": None, "b.example.com": ["10.0.0.1"]}},
        {"c.example.com": []},
        {"b.example.com": ["10.0.0.1"]},
    ),
    (
        "updateContact",
        {"contact_type": "support", "email": "b@example.com"},
        {"support": {"email": "a@example.com"}, "account": {"email": "c@example.com"}},
        {"support": {"email": "b@example.com"}, "account": {"email": "c@example.com"}},
    ),
    ("suspendUser", {"user_id": "u"}, {"status": "active"}, {"status": "suspended"}),
    ("restoreUser", {"user_id": "u"}, {"status": "suspended"}, None),
    ("deleteDevice", DEVICE, {"name": "x"}, None),
    ("createWebhook", {"endpoint_url": "https://hooks.example.com", "subscriptions": []}, None, None),
    ("setPolicyFile", {"policy": "{a}"}, {"policy": "{b}", "etag": "e"}, {"policy": "{a}"}),
    ("setDnsNameservers", {"dns": ["1.1.1.1"]}, {"dns": []}, {"dns": ["1.1.1.1"]}),
    ("setSplitDns", {"split_dns": {}}, {"a.example.com": ["10.0.0.1"]}, {}),
    ("setKey", {"key_id": "k"}, {"description": "a"}, None),
    (
        "updateTailnetSettings",
        {"devices_approval_on": True},
        {"devicesApprovalOn": False, "httpsEnabled": True},
        {"devicesApprovalOn": True, "httpsEnabled": True},
    ),
]


@pytest.mark.parametrize(("operation_id", "arguments", "before", "after"), PREDICTED)
def test_predictions(operation_id: str, arguments: dict[str, Any], before: Any, after: Any) -> None:
    assert predict(operation_id, arguments, before) == after


@pytest.mark.parametrize(
    ("found", "gone"),
    [
        (None, True),
        ({}, False),
        ({"invalid": True}, True),
        ({"revoked": "2026-06-30"}, True),
        ({"id": "k"}, False),
    ],
)
def test_what_counts_as_gone(found: Any, gone: bool) -> None:
    assert is_gone("deleteKey", found) == gone


def test_only_what_is_predicted_is_watched() -> None:
    assert watched("setDeviceName", {"name": "x"}, {"name": "y", "id": 1}) == {"name": "y"}
    zones = {"a.example.com": ["10.0.0.1"], "b.example.com": ["10.0.0.2"]}
    assert watched("setSplitDns", {"a.example.com": ["10.0.0.1"]}, zones) == zones
    assert watched("updateSplitDns", {}, zones) == zones
    contacts = {"support": {"email": "a@example.com", "needsVerification": True}}
    expected = {"support": {"email": "a@example.com"}}
    assert watched("updateContact", {"support": {"email": "b@example.com"}}, contacts) == expected


def test_an_operation_that_changes_nothing_has_no_rule() -> None:
    for name in OPERATIONS:
        if not is_change(name):
            with pytest.raises(ValueError, match="changes nothing"):
                rule_of(name)


INVERSES: list[tuple[str, dict[str, Any], Any, Any]] = [
    (
        "setDeviceName",
        {**DEVICE, "name": "b"},
        {"name": "a.tail.ts.net"},
        ("setDeviceName", {**DEVICE, "name": "a"}),
    ),
    (
        "setDeviceTags",
        {**DEVICE, "tags": ["tag:b"]},
        {"tags": None},
        ("setDeviceTags", {**DEVICE, "tags": []}),
    ),
    (
        "setDeviceRoutes",
        {**DEVICE, "routes": []},
        {"enabledRoutes": ["10.0.0.0/8"]},
        ("setDeviceRoutes", {**DEVICE, "routes": ["10.0.0.0/8"]}),
    ),
    (
        "setDeviceIp",
        {**DEVICE, "ipv4": "100.64.0.2"},
        {"addresses": ["fd7a::1", "100.64.0.1"]},
        ("setDeviceIp", {**DEVICE, "ipv4": "100.64.0.1"}),
    ),
    ("setDeviceIp", {**DEVICE, "ipv4": "100.64.0.2"}, {"addresses": []}, None),
    (
        "setCustomDevicePostureAttributes",
        {**KEY, "value": "3"},
        OLD,
        ("setCustomDevicePostureAttributes", {**KEY, "value": "1", "expiry": "2026-07-01T00:00:00Z"}),
    ),
    (
        "setCustomDevicePostureAttributes",
        {**KEY, "value": "3"},
        {},
        ("deleteCustomDevicePostureAttributes", KEY),
    ),
    (
        "deleteCustomDevicePostureAttributes",
        {**KEY, "attribute_key": "custom:b"},
        OLD,
        ("setCustomDevicePostureAttributes", {**DEVICE, "attribute_key": "custom:b", "value": "2"}),
    ),
    (
        BATCH,
        {"nodes": {N: {"custom:b": None, "custom:c": {"value": 1}}}},
        {N: OLD},
        (BATCH, {"nodes": {N: {"custom:b": {"value": "2"}, "custom:c": None}}}),
    ),
    (
        "updateSplitDns",
        {"split_dns": {"a": ["1"], "b": ["2"]}},
        {"a": ["3"], "c": ["4"]},
        ("updateSplitDns", {"split_dns": {"a": ["3"], "b": None}}),
    ),
    ("setSplitDns", {"split_dns": {}}, {"a": ["3"]}, ("setSplitDns", {"split_dns": {"a": ["3"]}})),
    (
        "updateContact",
        {"contact_type": "support", "email": "b"},
        {"support": {"email": "a"}},
        ("updateContact", {"contact_type": "support", "email": "a"}),
    ),
    ("updateContact", {"contact_type": "support", "email": "b"}, {"support": None}, None),
    ("setPolicyFile", {"policy": "{b}"}, {"policy": "{a}"}, ("setPolicyFile", {"policy": "{a}"})),
    ("setPolicyFile", {"policy": "{b}"}, None, None),
    (
        "updateService",
        {"service_name": "svc:a", "name": "svc:b"},
        None,
        ("deleteService", {"service_name": "svc:b"}),
    ),
    (
        "updateService",
        {"service_name": "svc:a", "name": "svc:b"},
        {"name": "svc:a", "ports": ["tcp:1"]},
        ("updateService", {"service_name": "svc:b", "name": "svc:a", "ports": ["tcp:1"]}),
    ),
    ("suspendUser", {"user_id": "u"}, {"status": "active"}, ("restoreUser", {"user_id": "u"})),
    ("deleteDevice", DEVICE, {"name": "x"}, None),
    ("deleteKey", {"key_id": "k"}, {}, None),
    (
        "updateTailnetSettings",
        {"https_enabled": True},
        {"httpsEnabled": False, "devicesApprovalOn": True},
        ("updateTailnetSettings", {"https_enabled": False}),
    ),
    ("createDeviceInvites", {**DEVICE, "invites": [{}, {}]}, None, None),
]


@pytest.mark.parametrize(("operation_id", "arguments", "before", "expected"), INVERSES)
def test_inverses(operation_id: str, arguments: dict[str, Any], before: Any, expected: Any) -> None:
    found = invert(operation_id, arguments, before)
    assert (found and (found.operation_id, found.arguments)) == expected
    assert reversible(operation_id, found) == ("no" if expected is None else reversible(operation_id, found))


def test_what_is_created_is_taken_back_by_the_id_it_gets() -> None:
    found = invert("createDeviceInvites", {**DEVICE, "invites": [{}]}, None)
    assert found == Inverse("deleteDeviceInvite", {}, from_answer="device_invite_id")
    assert [reversible(name, found) for name in ("setDeviceTags", "createKey")] == ["partly", "yes"]


def test_a_renamed_service_is_read_by_its_new_name_afterwards() -> None:
    arguments = {"service_name": "svc:a", "name": "svc:b"}
    for afterwards, name in ((False, "svc:a"), (True, "svc:b")):
        (reading,) = readings_of("updateService", arguments, afterwards=afterwards)
        assert reading.arguments == {"service_name": name}
