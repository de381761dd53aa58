"""OAuth apps of the embedded tailnet."""

from __future__ import annotations

from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs

APPS = "/tailnet/-/oauth-apps"
GOOD: dict[str, Any] = {
    "name": "portal",
    "redirectURIs": ["https://portal.example.com/back", "http://localhost:8080/back", "app://127.0.0.1/x"],
    "scopes": ["devices:core:read"],
}


def test_the_client_secret_is_told_once(ask: Ask, fake: FakeTailnet) -> None:
    made = ask.ok(
        "POST", APPS, json={**GOOD, "description": "for people", "allowedNodeAttributes": ["custom:a"]}
    )
    shown = {name: value for name, value in made.items() if name != "clientSecret"}
    path = f"{APPS}/{made['id']}"
    assert made["clientSecret"].startswith("tskey-app-demo-")
    assert shown == {
        **GOOD,
        "id": made["id"],
        "description": "for people",
        "allowedNodeAttributes": ["custom:a"],
        "created": fake.clock.text(),
        "updated": fake.clock.text(),
    }
    assert ask.ok("GET", path) == shown
    assert shown in ask.ok("GET", APPS)["oauthApps"]
    fake.advance(60)
    changed = ask.ok("PUT", path, json={**GOOD, "name": "gateway"})
    assert changed == {
        **GOOD,
        "id": made["id"],
        "name": "gateway",
        "description": "",
        "allowedNodeAttributes": [],
        "created": made["created"],
        "updated": fake.clock.text(),
    }
    assert fake.tailnet.secrets[made["id"]] == made["clientSecret"]
    assert made["clientSecret"] not in f"{ask.events()}{fake.ledger.entries}{fake.snapshot()}"


def test_a_deleted_app_is_gone(ask: Ask) -> None:
    made = ask.ok("POST", APPS, json=GOOD)
    path = f"{APPS}/{made['id']}"
    assert ask.ok("DELETE", path) is None
    for method, options in (("GET", {}), ("DELETE", {}), ("PUT", {"json": GOOD})):
        assert ask.refused(method, path, **options) == (404, "no OAuth app with this id")
    assert [event["action"] for event in ask.events()][-2:] == ["CREATE", "DELETE"]


def test_attributes_need_a_scope_of_their_own(ask_as: AskAs) -> None:
    client = ask_as(kind="tailnet", scopes=["oauth_apps"])
    assert client.ok("POST", APPS, json=GOOD)["id"]
    wanted = {**GOOD, "allowedNodeAttributes": ["custom:a"]}
    assert client.refused("POST", APPS, json=wanted) == (
        403,
        "calling actor does not have enough permissions to perform this function",
    )
    both = ask_as(kind="tailnet", scopes=["oauth_apps", "devices:posture_attributes"])
    assert both.ok("POST", APPS, json=wanted)["allowedNodeAttributes"] == ["custom:a"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"name": "ab"}, "name must have 3 to 50 characters"),
        ({"name": "x" * 51}, "name must have 3 to 50 characters"),
        ({"name": "a b c"}, "name must have 3 to 50 characters"),
        ({"name": None}, "name is missing"),
        ({"description": "x" * 301}, "description must have at most 300 characters"),
        ({"redirectURIs": []}, "redirectURIs must name at least one address"),
        ({"redirectURIs": ["http://portal.example.com"]}, "redirectURIs[0] must use https"),
        ({"redirectURIs": ["https://203.0.113.5/"]}, "redirectURIs[0] must name its host, not an IP address"),
        ({"redirectURIs": ["portal"]}, "redirectURIs[0] must be a URL with a host"),
        ({"scopes": []}, "scopes must name at least one scope"),
        ({"scopes": ["Devices"]}, "scopes: 'Devices' is not spelled like a scope"),
        ({"allowedNodeAttributes": ["node:os"]}, "allowedNodeAttributes: 'node:os' must start with custom:"),
    ],
)
def test_a_bad_app_says_what_would_be_accepted(ask: Ask, change: dict[str, Any], message: str) -> None:
    status, text = ask.refused("POST", APPS, json={**GOOD, **change})
    assert (status, text[: len(message)]) == (400, message)
    assert len(ask.fake.ledger) == 0
