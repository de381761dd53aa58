"""Arguments: what is wrong, what is accepted, one example; near-misses pass, values are never repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_adapter.arguments import ArgumentError, CheckedCall, check_call, within_bounds
from mcp_adapter.catalog import read_catalog
from mcp_adapter.coercion import Mismatch, coerce
from mcp_adapter.exposure import EVERY, Exposure, ToolSpec, all_tools, served_tools

pytestmark = pytest.mark.each_row

CATALOG = read_catalog()
SPECS = {spec.name: spec for spec in all_tools(CATALOG)}
SERVED = {spec.name: spec for spec in served_tools(CATALOG, Exposure())}
WRITING = {spec.name: spec for spec in served_tools(CATALOG, Exposure(write=EVERY))}
CANARY = "zz9canary77"


def check(tool: str, **given: Any) -> CheckedCall:
    return check_call(SPECS[tool], given)


def refusal(spec: ToolSpec, **given: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        check_call(spec, given)
    return str(caught.value)


@pytest.mark.parametrize(
    "tool,arguments,text",
    [
        (
            "devices_read",
            {"action": "get"},
            "devices_read.get: missing device_id. Accepts device_id, detail, select. "
            'Example: {"action":"get","device_id":"nDEMO12CNTRL"}',
        ),
        (
            "devices_write",
            {"action": "set_tags", "device_id": "n1", "tags": {"a": 1}},
            "devices_write.set_tags: tags must be an array of strings (got object). Accepts device_id, tags, dry_run. "
            'Example: {"action":"set_tags","device_id":"nDEMO12CNTRL","tags":["tag:web"]}',
        ),
        (
            "devices_read",
            {"action": "remove"},
            'devices_read: unknown action "remove". Valid: list, get, get_routes, get_attributes. '
            "Deleting needs --allow-delete (tool devices_delete, not enabled).",
        ),
        (
            "devices_read",
            {"action": "rename"},
            'devices_read: unknown action "rename". Valid: list, get, get_routes, get_attributes. '
            "Writing needs --allow-write (tool devices_write, not enabled).",
        ),
        (
            "devices_read",
            {"action": "get", "limit": 3, "device_id": "n1"},
            "unexpected limit: get does not answer a list",
        ),
        (
            "devices_read",
            {"action": "get", "filters": {}, "device_id": "n1"},
            "unexpected filters, which belongs to list",
        ),
        (
            "devices_read",
            {},
            "devices_read: missing action. Valid: list, get, get_routes, get_attributes. Example:",
        ),
        ("devices_read", {"action": 7}, "devices_read: action must be a string. Valid:"),
        ("devices_read", {"action": "list", "limit": 201}, "limit must be from 1 to 200"),
        ("devices_read", {"action": "list", "limit": 0}, "limit must be from 1 to 200"),
        ("devices_read", {"action": "list", "limit": 2.5}, "limit must be an integer (got number)"),
        (
            "devices_read",
            {"action": "list", "detail": "all"},
            "detail must be one of concise, full (got another value)",
        ),
        (
            "devices_read",
            {"action": "list", "select": ["nme"]},
            "select names fields the answer does not have; it has short_name",
        ),
        ("users_read", {"action": "list", "role": "boss"}, "role must be one of owner, member, admin"),
        ("settings_read", {"action": "get", "x": 1}, "unexpected x. Accepts detail, select. Example:"),
        (
            "policy_read",
            {"action": "validate"},
            "policy_read.validate: exactly one of policy and tests is needed, and not empty",
        ),
        (
            "policy_read",
            {"action": "validate", "policy": "{}", "tests": [{"src": "a"}]},
            "exactly one of policy and tests",
        ),
        ("policy_read", {"action": "validate", "tests": []}, "exactly one of policy and tests"),
    ],
)
def test_the_words_of_a_refusal(tool: str, arguments: dict[str, Any], text: str) -> None:
    spec = SERVED.get(tool) or WRITING[tool]
    assert text in refusal(spec, **arguments)


def test_every_problem_is_reported_at_once() -> None:
    text = refusal(WRITING["devices_write"], action="set_tags", tags=7, foo=1, routes=[])
    assert text.startswith("devices_write.set_tags: missing device_id; ")
    assert "tags must be an array of strings (got integer)" in text
    assert "unexpected foo" in text
    assert "unexpected routes, which belongs to set_routes" in text


@pytest.mark.parametrize("spec", list(SPECS.values()), ids=list(SPECS))
def test_each_example_is_valid(spec: ToolSpec) -> None:
    for entry in spec.entries:
        chosen = {"action": entry["method"]} if spec.choosing else {}
        call = check_call(spec, {**chosen, **entry["example"]})
        assert call.entry is entry
        assert set(call.arguments) == set(entry["example"])


@pytest.mark.parametrize(
    "tool,arguments,expected",
    [
        (
            "devices_write",
            {"action": "SET_AUTHORIZED", "device_id": "n1", "authorized": "True"},
            {"authorized": True},
        ),
        (
            "devices_write",
            {"action": "set-tags", "device_id": "n1", "tags": "tag:web"},
            {"tags": ["tag:web"]},
        ),
        (
            "devices_write",
            {"action": "set_tags", "device_id": "n1", "tags": '["tag:a","tag:b"]'},
            {"tags": ["tag:a", "tag:b"]},
        ),
        ("devices_write", {"action": "set_name", "deviceId": "n1", "name": "x"}, {"device_id": "n1"}),
        ("devices_write", {"action": "set_name", "device_id": 12345, "name": "x"}, {"device_id": "12345"}),
        (
            "devices_read",
            {"action": "devices.list", "filters": '{"os": "linux"}'},
            {"filters": {"os": "linux"}},
        ),
        ("users_read", {"action": "list", "role": "IT-Admin"}, {"role": "it-admin"}),
        ("users_write", {"action": "set_role", "user_id": "u1", "role": "Auditor"}, {"role": "auditor"}),
        ("users_write", {"action": "set_role", "user_id": "u1", "role": "brand-new"}, {"role": "brand-new"}),
        (
            "settings_write",
            {"action": "update", "devices_key_duration_days": "90"},
            {"devices_key_duration_days": 90},
        ),
        ("keys_read", {"action": "list", "all": "false"}, {"all": False}),
        ("keys_read", {"action": "list", "all": None}, {}),
        (
            "device_invites_write",
            {
                "action": "create",
                "device_id": "n1",
                "invites": {"email": "a@example.com", "multi_use": "true"},
            },
            {"invites": [{"email": "a@example.com", "multiUse": True}]},
        ),
        (
            "devices_write",
            {"action": "set_attribute", "device_id": "n1", "attribute_key": "custom:x", "value": "true"},
            {"value": "true"},
        ),
        (
            "devices_write",
            {"action": "set_attribute", "device_id": "n1", "attribute_key": "custom:x", "value": 7},
            {"value": 7},
        ),
        (
            "dns_write",
            {"action": "update_split_dns", "split_dns": {"a.example.com": None}},
            {"split_dns": {"a.example.com": None}},
        ),
        (
            "dns_delete",
            {
                "action": "set_configuration",
                "nameservers": [{"address": "1.1.1.1", "use_with_exit_node": True}],
            },
            {"nameservers": [{"address": "1.1.1.1", "useWithExitNode": True}]},
        ),
        (
            "webhooks_write",
            {"action": "update", "endpoint_id": "1", "subscriptions": "nodecreated"},
            {"subscriptions": ["nodeCreated"]},
        ),
    ],
)
def test_near_misses_pass(tool: str, arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= check(tool, **arguments).arguments.items()


@pytest.mark.parametrize(
    "tool,arguments,text",
    [
        (
            "devices_write",
            {"action": "set_authorized", "device_id": "n1", "authorized": 1},
            "authorized must be true or false",
        ),
        (
            "devices_write",
            {"action": "set_name", "device_id": "n1", "name": True},
            "name must be a string (got true or false)",
        ),
        (
            "devices_write",
            {"action": "set_tags", "device_id": "n1", "tags": [1.5]},
            "tags must be an array of strings",
        ),
        (
            "devices_write",
            {"action": "batch_set_attributes", "nodes": {CANARY: {"custom:x": {"valu": 1}}}},
            "nodes.*.* must be an object",
        ),
        (
            "devices_write",
            {"action": "batch_set_attributes", "nodes": "no json"},
            "nodes must be an object (got string)",
        ),
        (
            "device_invites_write",
            {"action": "create", "device_id": "n1", "invites": [{"mail": "x"}]},
            "invites[0] must be an object of multiUse, allowExitNode, email (got another field)",
        ),
        (
            "policy_read",
            {"action": "validate", "tests": [{"accept": ["a"]}]},
            "tests[0] must be an object with src",
        ),
        (
            "settings_write",
            {"action": "update", "devices_key_duration_days": "ninety"},
            "must be an integer (got string)",
        ),
        (
            "settings_write",
            {"action": "update", "devices_key_duration_days": True},
            "must be an integer (got true or false)",
        ),
    ],
)
def test_misfits_do_not_pass(tool: str, arguments: dict[str, Any], text: str) -> None:
    said = refusal(SPECS[tool], **arguments)
    assert text in said
    assert CANARY not in said


@pytest.mark.parametrize("spec", list(SPECS.values()), ids=list(SPECS))
def test_no_value_is_ever_repeated(spec: ToolSpec) -> None:
    wrong: tuple[Any, ...] = (
        CANARY,
        [CANARY],
        {CANARY: CANARY},
        [[CANARY]],
        {"value": CANARY + " "},
        -1.5,
        True,
    )
    for entry in spec.entries:
        for parameter in entry["params"]:
            for value in wrong:
                try:
                    check_call(
                        spec, {"action": entry["method"], **entry["example"], parameter["name"]: value}
                    )
                except ArgumentError as problem:
                    assert CANARY not in str(problem)
        text = refusal(spec, action=entry["method"], **entry["example"], **{f"{CANARY} with spaces": CANARY})
        assert CANARY not in text
    assert CANARY not in refusal(spec, action=f"{CANARY} or so")


def test_credentials_are_refused_without_echo() -> None:
    key = f"tskey-api-{CANARY}"
    for value in (key, [key], {"deep": [{key: 1}]}):
        text = refusal(WRITING["devices_write"], action="set_name", device_id="n1", name=value)
        assert "looks like a Tailscale credential" in text
        assert CANARY not in text


def test_length_and_depth_are_bounded() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    assert "too long or nested too deeply" in refusal(
        SPECS["devices_read"], action="list", filters={"a": deep}
    )
    assert "too long" in refusal(SPECS["devices_write"], action="set_name", device_id="n1", name="x" * 70_000)
    assert within_bounds({"policy": "x" * 700_000})
    assert not within_bounds({"policy": "x" * 800_000})
    assert "nodes must be an object" in refusal(
        SPECS["devices_write"], action="batch_set_attributes", nodes="[" * 60_000
    )


def test_hints_name_the_flag_or_the_tool() -> None:
    only_dns = {s.name: s for s in served_tools(CATALOG, Exposure(write=frozenset({"dns"})))}
    assert "Writing needs --allow-write=dns,devices (tool devices_write" in refusal(
        only_dns["devices_read"], action="set_name"
    )
    assert "Use tool dns_write." in refusal(only_dns["dns_read"], action="set_preferences")
    both = Exposure(write=EVERY, read_only=True)
    closed = {s.name: s for s in served_tools(CATALOG, both)}
    assert "started with --read-only" in refusal(closed["devices_read"], action="set_name")
    assert 'Use action "get".' in refusal(WRITING["devices_read"], action="show")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_anything_either_fits_or_is_refused(value: Any) -> None:
    for spec in (SPECS["keys_write"], SPECS["devices_write"]):
        for entry in spec.entries:
            for parameter in entry["params"]:
                try:
                    fitted = coerce(parameter["schema"], value)
                except Mismatch as mismatch:
                    assert str(mismatch)
                else:
                    json.dumps(fitted)
                    assert coerce(parameter["schema"], fitted) == fitted
