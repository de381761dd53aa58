"""Inventory, forecast and rules: facts of the API, unknown where it does not tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk import TailnetSnapshot
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations import keys
from tailscale_sdk.operations.fleet import Fleet, read_fleet

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
USERS = [
    {"id": "u1", "loginName": "alice@example.com", "status": "active"},
    {"id": "u2", "loginName": "bob@example.com", "status": "suspended"},
]


def fleet(*found: dict[str, Any], **parts: Any) -> Fleet:
    content = {"devices": [], "users": USERS, "keys": list(found), **parts}
    return read_fleet(TailnetSnapshot.from_dict({k: v for k, v in content.items() if v is not ...}))


def auth(**more: Any) -> dict[str, Any]:
    create = {
        name: more.pop(name) for name in ("reusable", "ephemeral", "preauthorized", "tags") if name in more
    }
    return {
        "id": "kAuthCNTRL",
        "keyType": "auth",
        "description": "ci",
        "created": "2026-06-01T00:00:00Z",
        "expires": "2026-08-30T00:00:00Z",
        "userId": "u1",
        "capabilities": {"devices": {"create": create}},
        **more,
    }


def rows(*found: dict[str, Any], **parts: Any) -> tuple[keys.KeyRow, ...]:
    made = keys.key_inventory(fleet(*found, **parts), now=NOW)
    assert made is not None
    return made


def test_every_kind_is_a_row_with_its_facts() -> None:
    client = {
        "id": "kC",
        "keyType": "client",
        "created": "2026-01-01T00:00:00Z",
        "scopes": ["all"],
        "tags": None,
    }
    api = {
        "id": "kA",
        "keyType": "api",
        "created": "2026-06-29T00:00:00Z",
        "expires": "2026-09-01T00:00:00Z",
        "userId": "u2",
    }
    federated = {
        "id": "kF", "keyType": "federated", "created": "2026-06-29T00:00:00Z", "scopes": ["policy_file"],
        "issuer": "https://issuer.example.com", "subject": "repo:example/*",
    }  # fmt: skip
    made = [row.to_dict() for row in rows(auth(reusable=True, tags=["tag:ci"]), client, api, federated)]
    assert [(row["kind"], row["status"], row["owner"]) for row in made] == [
        ("auth", "valid", "alice@example.com"),
        ("client", "valid", ""),
        ("api", "valid", "bob@example.com"),
        ("federated", "valid", ""),
    ]
    assert made[0]["tags"] == ["tag:ci"]
    assert made[0]["reusable"] is True
    assert made[0]["ephemeral"] is None
    assert made[0]["age_days"] == 29.5
    assert made[3]["subject"] == "repo:example/*"
    assert [row["risks"] for row in made] == [
        ["reusable"],
        ["all-scopes"],
        ["full-power", "owner-suspended"],
        ["wildcard-claim"],
    ]


@pytest.mark.parametrize(
    ("key", "risks"),
    [
        (auth(), ()),
        (auth(reusable=True, ephemeral=True), ()),
        (auth(preauthorized=True), ("preauthorized-untagged",)),
        (auth(preauthorized=True, tags=["tag:ci"]), ()),
        (auth(expires=""), ("no-expiry",)),
        (auth(created="2024-06-01T00:00:00Z"), ("old",)),
        (auth(userId="u9"), ("owner-gone",)),
        (auth(userId=""), ()),
        ({"id": "k", "keyType": "client", "scopes": ["auth_keys"], "tags": []}, ("tagless-client",)),
        ({"id": "k", "keyType": "federated", "customClaimRules": {"ref": "refs/*"}}, ("wildcard-claim",)),
    ],
)
def test_what_is_risky_is_marked(key: dict[str, Any], risks: tuple[str, ...]) -> None:
    assert rows(key)[0].risks == risks
    assert set(risks) <= keys.RISKS


def test_an_owner_is_not_gone_where_users_were_not_read() -> None:
    assert rows(auth(userId="u9"), users=...)[0].risks == ()


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ({"id": "k"}, "unknown"),
        ({"id": "k", "invalid": True, "revoked": None, "keyType": "auth"}, "revoked"),
        ({"id": "k", "invalid": True}, "revoked"),
        ({"id": "k", "invalid": True, "keyType": "auth", "expires": "2026-06-29T00:00:00Z"}, "expired"),
        ({"id": "k", "keyType": "auth", "revoked": "2026-06-29T00:00:00Z"}, "revoked"),
        ({"id": "k", "keyType": "auth", "revoked": "0001-01-01T00:00:00Z", "expires": ""}, "valid"),
    ],
)
def test_a_status_is_told_only_where_the_api_tells(key: dict[str, Any], status: str) -> None:
    (row,) = rows(key)
    assert row.status == status
    assert status == "valid" or row.risks == ()


def test_keys_that_were_not_read_are_not_none_at_all() -> None:
    assert keys.key_inventory(fleet(keys=...), now=NOW) is None
    assert rows() == ()


def test_the_credential_in_use_is_marked() -> None:
    made = keys.key_inventory(fleet(auth()), now=NOW, own_key_id="kAuthCNTRL")
    assert made is not None
    assert made[0].to_dict()["own"] is True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("0001-01-01T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["id", "keyType", "created", "expires", "revoked", "invalid", "capabilities", "scopes", "tags", "userId",
     "issuer", "subject", "customClaimRules", "expirySeconds", "description"]
)  # fmt: skip


@given(st.lists(st.dictionaries(NAMES, JSON, max_size=8), max_size=3))
def test_whatever_the_api_sends_is_listed_and_judged(found: list[dict[str, Any]]) -> None:
    looked_at = fleet(*found)
    made = keys.key_inventory(looked_at, now=NOW)
    assert made is not None
    assert len([row.to_dict() for row in made]) == len(found)
    keys.check_keys(made, keys.KeyRules(30, 30, {"tag:ci"}, keys.RISKS), now=NOW)
    keys.expiry_forecast(looked_at, now=NOW).to_dict()


def device(name: str, days: float, **more: Any) -> dict[str, Any]:
    return {
        "nodeId": f"n{name}",
        "name": f"{name}.example.ts.net",
        "user": "alice@example.com",
        "expires": (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z"),
        **more,
    }


def test_the_soonest_comes_first_and_each_span_is_counted() -> None:
    found = keys.expiry_forecast(
        fleet(
            auth(id="k10", expires="2026-07-10T12:00:00Z"),
            auth(id="k100", expires="2026-10-08T12:00:00Z"),
            devices=[
                device("a", 0.5),
                device("b", 7.04),
                device("gone", -0.01),
                device("off", 1, keyExpiryDisabled=True),
            ],
            settings={"devicesKeyDurationDays": "180"},
        ),
        now=NOW,
    )
    assert [each.id for each in found.expiries] == ["ngone", "na", "nb", "k10"]
    assert found.counts == {1: 1, 7: 1, 14: 3, 30: 3, 90: 3}
    assert found.key_duration_days == 180
    assert found.devices_by_owner == {"alice@example.com": 3}
    assert found.unknown == ()
    assert "devices that have joined stay" in found.expiries[-1].breaks


def test_what_could_not_be_looked_at_is_said() -> None:
    assert "keys were not read" in keys.expiry_forecast(fleet(keys=...), now=NOW).unknown[0]
    told = keys.expiry_forecast(fleet({"id": "k"}, users=...), now=NOW).unknown
    assert told[0] == "of 1 keys the API told nothing but the id"
    assert "users were not read" in told[1]


@pytest.mark.parametrize("days", [(), (-1,)])
def test_a_span_that_is_none_is_refused(days: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError):
        keys.expiry_forecast(fleet(), now=NOW, days=days)


EVIL = "a|b\r\nEND:VCALENDAR [x](javascript:1) <b>,;\\ `"


def test_a_name_cannot_break_out_of_the_table() -> None:
    found = keys.expiry_forecast(fleet(auth(description=EVIL, expires="2026-07-01T00:00:00Z")), now=NOW)
    lines = found.markdown().splitlines()
    assert len(lines) == 3
    assert lines[2].replace("\\|", "").count("|") == 7
    assert "<b>" not in lines[2]


def test_a_calendar_has_an_entry_for_each_and_no_line_of_theirs() -> None:
    found = keys.expiry_forecast(
        fleet(auth(description=EVIL + "é" * 60, expires="2026-07-01T00:00:00Z")), now=NOW
    )
    text = keys.calendar_of(found, now=NOW)
    assert text.endswith("END:VCALENDAR\r\n")
    lines = text.split("\r\n")
    assert [line for line in lines if line.startswith(("BEGIN", "END"))] == [
        "BEGIN:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    assert all(len(line.encode()) <= 75 for line in lines)
    assert "DTSTART;VALUE=DATE:20260701" in lines
    whole = text.replace("\r\n ", "")
    assert "é" * 60 in whole
    assert "\\,\\;\\\\" in whole


def findings(rules: keys.KeyRules, *found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each.key.id, each.rule) for each in keys.check_keys(rows(*found), rules, now=NOW)]


@pytest.mark.parametrize(
    ("rules", "key", "rule"),
    [
        (keys.KeyRules(max_age_days=29), auth(), "max_age_days"),
        (keys.KeyRules(max_age_days=30), auth(), None),
        (keys.KeyRules(max_lifetime_days=89), auth(), "max_lifetime_days"),
        (keys.KeyRules(max_lifetime_days=90), auth(), None),
        (keys.KeyRules(max_lifetime_days=1), auth(expires="", created=""), None),
        (keys.KeyRules(required_tags={"tag:ci"}), auth(tags=["tag:db"]), "required_tags"),
        (keys.KeyRules(required_tags={"tag:ci"}), auth(tags=["tag:db", "tag:ci"]), None),
        (keys.KeyRules(forbidden={"reusable"}), auth(reusable=True), "reusable"),
        (keys.KeyRules(forbidden={"old"}), auth(reusable=True), None),
        (keys.KeyRules(max_age_days=1), {"id": "kBare"}, "unknown"),
        (keys.KeyRules(), {"id": "kBare"}, None),
        (keys.KeyRules(max_age_days=1), auth(invalid=True), None),
    ],
)
def test_a_credential_keeps_to_a_rule_or_is_found(
    rules: keys.KeyRules, key: dict[str, Any], rule: str | None
) -> None:
    assert findings(rules, key) == ([] if rule is None else [(key["id"], rule)])


def test_a_risk_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no risk is called reuseable"):
        keys.KeyRules(forbidden={"reuseable"})


def test_ten_thousand_keys_are_judged_in_one_pass() -> None:
    found = [auth(id=f"k{number}", userId=f"u{number % 500}") for number in range(10_000)]
    users = [{"id": f"u{number}", "loginName": f"u{number}@example.com"} for number in range(500)]
    made = rows(*found, users=users)
    assert len(made) == 10_000
    assert len(keys.check_keys(made, keys.KeyRules(max_age_days=1), now=NOW)) == 10_000
