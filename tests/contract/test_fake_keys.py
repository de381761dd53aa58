"""Keys of the embedded tailnet: four kinds, secrets told once, who sees and makes which."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs
from tests.contract.talk import make_jwt

KEYS = "/tailnet/-/keys"
NO_PERMISSION = "calling actor does not have enough permissions to perform this function"
DAY_SECONDS = 86400


def auth_key(*tags: str, **fields: Any) -> dict[str, Any]:
    return {"capabilities": {"devices": {"create": {"tags": list(tags)}}}, **fields}


def described(ask: Ask, description: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        key for key in ask.fake.tailnet.keys.values() if key.get("description") == description
    )
    return found


def test_the_secret_is_told_once(ask: Ask) -> None:
    made = ask.ok("POST", KEYS, json=auth_key(description="first use"))
    assert made["key"].startswith(f"tskey-auth-demo-{made['id']}")
    read = ask.ok("GET", f"{KEYS}/{made['id']}")
    listed = next(key for key in ask.ok("GET", f"{KEYS}?all=true")["keys"] if key["id"] == made["id"])
    assert read == listed == {name: value for name, value in made.items() if name != "key"}
    assert made["key"] not in str(ask.events())
    assert made["key"] not in str(ask.fake.ledger.entries)
    assert made["key"] not in str(ask.fake.snapshot())


def test_an_auth_key_lives_ninety_days_unless_told_otherwise(ask: Ask, fake: FakeTailnet) -> None:
    made = ask.ok("POST", KEYS, json={"capabilities": {"devices": {}}})
    assert made["expirySeconds"] == 90 * DAY_SECONDS
    assert made["expires"] == fake.clock.text(plus_seconds=90 * DAY_SECONDS)
    assert made["capabilities"]["devices"]["create"] == {
        "reusable": False,
        "ephemeral": False,
        "preauthorized": False,
        "tags": [],
    }
    assert ask.ok("POST", KEYS, json=auth_key(expirySeconds=60))["expires"] == fake.clock.text(
        plus_seconds=60
    )


def test_an_expired_key_is_read_as_invalid_and_no_longer_listed(ask: Ask, fake: FakeTailnet) -> None:
    made = ask.ok("POST", KEYS, json=auth_key(expirySeconds=60))
    fake.advance(61)
    read = ask.ok("GET", f"{KEYS}/{made['id']}")
    assert read["invalid"] is True
    assert "capabilities" not in read
    assert not read.get("revoked")
    assert made["id"] not in {key["id"] for key in ask.ok("GET", f"{KEYS}?all=true")["keys"]}


def test_a_revoked_key_is_read_as_invalid_with_its_date(ask: Ask, fake: FakeTailnet) -> None:
    made = ask.ok("POST", KEYS, json=auth_key())
    assert ask.ok("DELETE", f"{KEYS}/{made['id']}") is None
    read = ask.ok("GET", f"{KEYS}/{made['id']}")
    assert (read["invalid"], read["revoked"]) == (True, fake.clock.text())
    assert "capabilities" not in read
    assert ask.refused("DELETE", f"{KEYS}/{made['id']}")[0] == 404
    assert [event["action"] for event in ask.events()][-2:] == ["CREATE", "REVOKE"]


def test_the_seed_has_an_expired_and_a_revoked_key(ask: Ask) -> None:
    expired, revoked = described(ask, "old laptops"), described(ask, "leaked in a chat")
    assert "revoked" not in ask.ok("GET", f"{KEYS}/{expired['id']}")
    for key in (expired, revoked):
        assert ask.ok("GET", f"{KEYS}/{key['id']}")["invalid"] is True


def test_all_lists_every_kind(ask: Ask) -> None:
    kinds = {key["keyType"] for key in ask.ok("GET", f"{KEYS}?all=true")["keys"]}
    assert kinds == {"api", "auth", "client", "federated"}


def test_without_all_a_person_gets_their_own_keys(ask: Ask) -> None:
    owners = {key["userId"] for key in ask.ok("GET", KEYS)["keys"]}
    assert len(owners) == 1
    assert len({key["userId"] for key in ask.ok("GET", f"{KEYS}?all=true")["keys"]}) > 1


def test_without_all_a_client_gets_clients_and_an_identity_gets_identities(
    ask: Ask, ask_as: AskAs, fake: FakeTailnet
) -> None:
    client = ask_as(kind="tailnet", scopes=["all"])
    assert {key["keyType"] for key in client.ok("GET", KEYS)["keys"]} == {"client"}
    made = ask.ok("POST", KEYS, json=federated(scopes=["all"]))
    identity = ask_as(token=exchange(fake, made))
    assert {key["keyType"] for key in identity.ok("GET", KEYS)["keys"]} == {"federated"}
    assert len({key["keyType"] for key in identity.ok("GET", f"{KEYS}?all=true")["keys"]}) == 4


def federated(**fields: Any) -> dict[str, Any]:
    return {
        "keyType": "federated",
        "issuer": "https://issuer.example.com",
        "subject": "repo:example/*",
        "scopes": ["devices:core:read"],
        **fields,
    }


def exchange(fake: FakeTailnet, key: dict[str, Any]) -> str:
    jwt = make_jwt(
        iss=key["issuer"], sub="repo:example/app", aud=key["audience"], exp=fake.clock.timestamp() + 600
    )
    url = f"{fake.base_url}/api/v2/oauth/token-exchange"
    answer = httpx.post(url, data={"client_id": key["id"], "jwt": jwt})
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def test_a_list_holds_the_kinds_the_scopes_open(ask: Ask, ask_as: AskAs) -> None:
    reader = ask_as(kind="tailnet", scopes=["auth_keys:read"])
    assert {key["keyType"] for key in reader.ok("GET", f"{KEYS}?all=true")["keys"]} == {"auth"}
    client = described(ask, "monitoring")
    assert reader.refused("GET", f"{KEYS}/{client['id']}") == (403, NO_PERMISSION)
    auth = described(ask, "ci runners")
    assert reader.refused("DELETE", f"{KEYS}/{auth['id']}") == (403, NO_PERMISSION)


@pytest.mark.parametrize(
    "kind, scope", [("auth", "auth_keys"), ("client", "oauth_keys"), ("federated", "federated_keys")]
)
def test_creation_needs_the_scope_of_the_kind(ask_as: AskAs, kind: str, scope: str) -> None:
    others = {"auth_keys", "oauth_keys", "federated_keys"} - {scope}
    lacking = ask_as(kind="tailnet", scopes=sorted(others))
    assert lacking.refused("POST", KEYS, json={"keyType": kind}) == (403, NO_PERMISSION)
    holding = ask_as(kind="tailnet", scopes=[scope])
    assert holding.refused("POST", KEYS, json={"keyType": kind})[0] == 400


def test_a_new_client_works_at_the_token_endpoint_until_it_is_revoked(
    ask: Ask, ask_as: AskAs, fake: FakeTailnet
) -> None:
    made = ask.ok("POST", KEYS, json={"keyType": "client", "scopes": ["dns:read"], "description": "resolver"})
    assert made["key"].startswith("tskey-client-demo-")
    form = {"client_id": made["id"], "client_secret": made["key"], "grant_type": "client_credentials"}
    url = f"{fake.base_url}/api/v2/oauth/token"
    answer = httpx.post(url, data=form)
    assert answer.json()["scope"] == "dns:read"
    token = ask_as(token=answer.json()["access_token"])
    assert token.ok("GET", "/tailnet/-/dns/nameservers")["dns"]
    ask.ok("DELETE", f"{KEYS}/{made['id']}")
    assert token.refused("GET", "/tailnet/-/dns/nameservers") == (401, "API token invalid")
    assert httpx.post(url, data=form).status_code == 401


def test_a_federated_identity_has_no_secret_and_a_default_audience(ask: Ask, fake: FakeTailnet) -> None:
    made = ask.ok("POST", KEYS, json=federated(customClaimRules={"environment": "prod*"}))
    assert "key" not in made
    assert made["audience"] == f"api.tailscale.com/{made['id']}"
    assert made["customClaimRules"] == {"environment": "prod*"}


def test_a_token_of_the_tailnet_needs_tags_for_an_auth_key(ask_as: AskAs) -> None:
    token = ask_as(kind="tailnet", scopes=["auth_keys"], tags=["tag:ci", "tag:server"])
    assert token.refused("POST", KEYS, json=auth_key()) == (
        400,
        "requested tags [] are invalid or not permitted",
    )
    made = token.ok("POST", KEYS, json=auth_key("tag:server", "tag:ci"))
    assert "userId" not in made


@pytest.mark.parametrize(
    "tags, refused",
    [
        (["tag:ci"], "[tag:ci]"),  # a part of the token's own tags
        (["tag:db"], "[tag:db]"),  # a tag of others
        (["tag:nowhere"], "[tag:nowhere]"),
        (["tag:web", "tag:db"], "[tag:db]"),
    ],
)
def test_tags_that_a_token_of_the_tailnet_may_not_use(ask_as: AskAs, tags: list[str], refused: str) -> None:
    token = ask_as(kind="tailnet", scopes=["auth_keys"], tags=["tag:ci", "tag:server"])
    assert token.refused("POST", KEYS, json=auth_key(*tags)) == (
        400,
        f"requested tags {refused} are invalid or not permitted",
    )


def test_tags_owned_by_the_tags_of_a_token_are_allowed(ask_as: AskAs) -> None:
    token = ask_as(kind="tailnet", scopes=["auth_keys"], tags=["tag:ci", "tag:server"])
    made = token.ok("POST", KEYS, json=auth_key("tag:web"))  # the seeded policy gives tag:web to tag:server
    assert made["capabilities"]["devices"]["create"]["tags"] == ["tag:web"]


def test_a_token_without_tags_may_use_any_existing_one(ask_as: AskAs) -> None:
    token = ask_as(kind="tailnet", scopes=["all"])
    assert token.ok("POST", KEYS, json=auth_key("tag:db"))["id"]
    assert token.refused("POST", KEYS, json=auth_key("tag:nowhere"))[0] == 400


def test_a_client_cannot_make_a_stronger_one(ask_as: AskAs) -> None:
    token = ask_as(kind="tailnet", scopes=["oauth_keys", "dns"])
    assert token.ok("POST", KEYS, json={"keyType": "client", "scopes": ["dns:read"]})["id"]
    wanted = {"keyType": "client", "scopes": ["policy_file"]}
    assert token.refused("POST", KEYS, json=wanted) == (403, NO_PERMISSION)


@pytest.mark.parametrize(
    "body, message",
    [
        ({}, "capabilities is missing"),
        ({"capabilities": {}}, "capabilities.devices must be an object"),
        ({"capabilities": {"devices": {"create": []}}}, None),
        ({"capabilities": {"devices": {"create": [1]}}}, "capabilities.devices.create must be an object"),
        (
            {"capabilities": {"devices": {"create": {"tags": [1]}}}},
            "capabilities.devices.create.tags must be a string",
        ),
        (auth_key(description="über"), "description can only contain letters, numbers, hyphens and spaces"),
        (auth_key(description="x" * 51), "description must have at most 50 characters"),
        (auth_key(expirySeconds=-1), "expirySeconds must be between 1 and 7776000"),
        (auth_key(expirySeconds=7776001), "expirySeconds must be between 1 and 7776000"),
        (auth_key(expirySeconds="60"), "expirySeconds must be an integer"),
        (auth_key("server"), "tags must start with 'tag:'"),
        (auth_key("tag:1st"), "tag names must start with a letter, after 'tag:'"),
        ({"keyType": "api"}, "keyType must be one of auth, client, federated"),
        ({"keyType": "client"}, "scopes must name at least one scope"),
        (
            {"keyType": "client", "scopes": ["devices core"]},
            "scopes: 'devices core' is not spelled like a scope",
        ),
        ({"keyType": "client", "scopes": ["auth_keys"]}, "tags are missing"),
        ({"keyType": "federated", "scopes": ["dns"]}, "issuer is missing"),
        (federated(issuer="http://issuer.example.com"), "issuer must be an https:// URL"),
        (federated(subject=""), "subject must not be empty"),
        (federated(customClaimRules={"a": 1}), "customClaimRules.a must be a string"),
    ],
)
def test_a_bad_creation_says_what_would_be_accepted(ask: Ask, body: Any, message: str | None) -> None:
    before = dict(ask.fake.tailnet.keys)
    if message is None:
        assert ask.ok("POST", KEYS, json=body)["id"]
        return
    status, text = ask.refused("POST", KEYS, json=body)
    assert (status, text[: len(message)]) == (400, message)
    assert ask.fake.tailnet.keys == before


def test_put_replaces_what_a_client_may_do(ask: Ask, fake: FakeTailnet) -> None:
    made = ask.ok("POST", KEYS, json={"keyType": "client", "scopes": ["dns"], "description": "resolver"})
    fake.advance(60)
    changed = ask.ok("PUT", f"{KEYS}/{made['id']}", json={"scopes": ["dns:read", "users:read"]})
    assert changed["scopes"] == ["dns:read", "users:read"]
    assert changed["description"] == ""
    assert changed["updated"] == fake.clock.text()
    assert "key" not in changed
    assert ask.ok("GET", f"{KEYS}/{made['id']}") == changed


def test_put_replaces_what_a_federated_identity_trusts(ask: Ask) -> None:
    made = ask.ok("POST", KEYS, json=federated(customClaimRules={"environment": "prod"}, audience="demo"))
    changed = ask.ok("PUT", f"{KEYS}/{made['id']}", json=federated(subject="repo:example/other"))
    assert changed["subject"] == "repo:example/other"
    assert "customClaimRules" not in changed
    assert changed["audience"] == f"api.tailscale.com/{made['id']}"


def test_put_is_for_clients_and_identities_in_force_only(ask: Ask) -> None:
    auth = described(ask, "ci runners")
    assert ask.refused("PUT", f"{KEYS}/{auth['id']}", json={"scopes": ["dns"]})[0] == 400
    client = described(ask, "monitoring")
    status, text = ask.refused(
        "PUT", f"{KEYS}/{client['id']}", json={"keyType": "federated", "scopes": ["dns"]}
    )
    assert (status, text) == (400, "keyType must be client: the kind of a key cannot be changed")
    ask.ok("DELETE", f"{KEYS}/{client['id']}")
    assert ask.refused("PUT", f"{KEYS}/{client['id']}", json={"scopes": ["dns"]})[0] == 400


def test_a_key_that_never_was_is_not_found(ask: Ask) -> None:
    for method, options in (("GET", {}), ("DELETE", {}), ("PUT", {"json": {"scopes": ["dns"]}})):
        assert ask.refused(method, f"{KEYS}/kNowhereCNTRL", **options) == (
            404,
            "no key with this id in the tailnet",
        )
