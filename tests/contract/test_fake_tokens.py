"""The token endpoints: OAuth clients and federated identities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import Talk, make_jwt

TOKEN, EXCHANGE = "/api/v2/oauth/token", "/api/v2/oauth/token-exchange"
ISSUER = "https://issuer.example.com"


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=3) as running:
        yield running


def ask(tailnet: FakeTailnet, path: str, **fields: str) -> httpx.Response:
    return httpx.post(tailnet.base_url + path, data=fields)


def credentials(client: tuple[str, str], **more: str) -> dict[str, str]:
    return {"client_id": client[0], "client_secret": client[1], "grant_type": "client_credentials", **more}


def test_a_client_gets_a_token_that_works_for_an_hour(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client(scopes=["users:read", "dns"], tags=["tag:ci", "tag:web"])
    answer = ask(tailnet, TOKEN, **credentials(client)).json()
    assert answer == {
        "access_token": answer["access_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "users:read dns",
        "tags": "tag:ci tag:web",
    }
    talk = Talk(tailnet, answer["access_token"])
    tailnet.advance(3599)
    assert talk.get("/tailnet/-/users")["users"]
    tailnet.advance(1)
    assert talk.refused("GET", "/tailnet/-/users", 401) == "API token invalid"


def test_the_secret_may_come_as_basic_too(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client()
    answer = httpx.post(tailnet.base_url + TOKEN, data={"grant_type": "client_credentials"}, auth=client)
    assert answer.status_code == 200


def test_a_narrower_scope_is_granted_and_narrows(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client(scopes=["all"])
    answer = ask(tailnet, TOKEN, **credentials(client, scope="dns:read users:read")).json()
    assert answer["scope"] == "dns:read users:read"
    Talk(tailnet, answer["access_token"]).refused("GET", "/tailnet/-/webhooks", 403)


def test_scopes_the_client_lacks_are_refused_with_the_live_text(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client(scopes=["dns"])
    answer = ask(tailnet, TOKEN, **credentials(client, scope="users:read policy_file:read"))
    assert answer.status_code == 403
    assert answer.json() == {"message": 'OAuth client cannot grant scopes "users:read policy_file:read"'}
    assert ask(tailnet, TOKEN, **credentials(client, scope="all")).status_code == 403


def test_asking_for_some_tags_gives_all_of_them(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client(tags=["tag:ci", "tag:web"])
    assert ask(tailnet, TOKEN, **credentials(client, tags="tag:ci")).json()["tags"] == "tag:ci tag:web"
    refused = ask(tailnet, TOKEN, **credentials(client, tags="tag:ci tag:service"))
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "requested tags [tag:service] are invalid or not permitted",
    )


@pytest.mark.parametrize(
    "changed", [{"client_secret": "wrong"}, {"client_id": "kOTHER"}, {"client_secret": ""}]
)
def test_bad_secrets_are_401(tailnet: FakeTailnet, changed: dict[str, str]) -> None:
    answer = ask(tailnet, TOKEN, **{**credentials(tailnet.add_oauth_client()), **changed})
    assert (answer.status_code, answer.json()) == (401, {"message": "API token invalid"})


def test_an_api_key_is_no_client_secret(tailnet: FakeTailnet) -> None:
    key_id = next(i for i, secret in tailnet.tailnet.secrets.items() if secret == tailnet.api_key)
    assert ask(tailnet, TOKEN, **credentials((key_id, tailnet.api_key))).status_code == 401


def test_a_revoked_client_gets_no_token_and_its_tokens_end(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client()
    token = ask(tailnet, TOKEN, **credentials(client)).json()["access_token"]
    Talk(tailnet).request("DELETE", f"/tailnet/-/keys/{client[0]}")
    assert ask(tailnet, TOKEN, **credentials(client)).status_code == 401
    Talk(tailnet, token).refused("GET", "/tailnet/-/users", 401)


@pytest.mark.parametrize("path", [TOKEN, EXCHANGE])
def test_only_forms_are_taken_and_only_posted(tailnet: FakeTailnet, path: str) -> None:
    assert httpx.post(tailnet.base_url + path, json={}).status_code == 400
    assert httpx.post(tailnet.base_url + path, content=b"\xff", headers=FORM).status_code == 400
    answer = httpx.get(tailnet.base_url + path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_another_grant_type_is_refused(tailnet: FakeTailnet) -> None:
    fields = credentials(tailnet.add_oauth_client(), grant_type="password")
    assert ask(tailnet, TOKEN, **fields).status_code == 400


def test_handing_out_a_token_is_in_the_audit_log(tailnet: FakeTailnet) -> None:
    client = tailnet.add_oauth_client(scopes=["dns"])
    ask(tailnet, TOKEN, **credentials(client))
    event = tailnet.tailnet.audit[-1]
    assert event["actor"] == {
        "id": client[0],
        "type": "OAUTH_CLIENT",
        "loginName": "",
        "displayName": "OAuth client",
    }
    assert event["target"]["type"] == "OAUTH_ACCESS_TOKEN"
    assert event["actionDetails"] == "scopes - dns"


def federated(tailnet: FakeTailnet, **changes: Any) -> str:
    body = {
        "keyType": "federated",
        "issuer": ISSUER,
        "subject": "repo:example/*",
        "scopes": ["users:read"],
        "audience": "api.example.com/fleet",
        **changes,
    }
    made = Talk(tailnet).post("/tailnet/-/keys", body).json()
    return str(made["id"])


def claims(**changes: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "sub": "repo:example/deploy", "aud": "api.example.com/fleet", **changes}


def test_a_workload_exchanges_its_identity_token(tailnet: FakeTailnet) -> None:
    identity = federated(tailnet)
    for audience in ("api.example.com/fleet", ["other", "api.example.com/fleet"]):
        answer = ask(tailnet, EXCHANGE, client_id=identity, jwt=make_jwt(**claims(aud=audience)))
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "users:read")
        assert Talk(tailnet, body["access_token"]).get("/tailnet/-/users")["users"]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "other"},
        {"iss": "https://other.example.com"},
        {"sub": "repo:elsewhere/x"},
        {"sub": None},
        {"exp": 1},
    ],
)
def test_claims_that_do_not_fit_are_401(tailnet: FakeTailnet, changed: dict[str, Any]) -> None:
    answer = ask(tailnet, EXCHANGE, client_id=federated(tailnet), jwt=make_jwt(**claims(**changed)))
    assert (answer.status_code, answer.json()) == (401, {"message": "API token invalid"})


@pytest.mark.parametrize("jwt", ["", "a.b", "a.b.c", "!.!.!", "a.e30x.c"])
def test_what_is_no_jwt_is_401(tailnet: FakeTailnet, jwt: str) -> None:
    assert ask(tailnet, EXCHANGE, client_id=federated(tailnet), jwt=jwt).status_code == 401


def test_claim_rules_are_checked(tailnet: FakeTailnet) -> None:
    identity = federated(tailnet, customClaimRules={"ref": "refs/heads/*"})
    assert ask(tailnet, EXCHANGE, client_id=identity, jwt=make_jwt(**claims())).status_code == 401
    wrong = make_jwt(**claims(ref="refs/tags/1"))
    assert ask(tailnet, EXCHANGE, client_id=identity, jwt=wrong).status_code == 401
    right = make_jwt(**claims(ref="refs/heads/main"))
    assert ask(tailnet, EXCHANGE, client_id=identity, jwt=right).status_code == 200


def test_the_exchange_takes_no_scope_and_no_oauth_client(tailnet: FakeTailnet) -> None:
    jwt = make_jwt(**claims())
    assert ask(tailnet, EXCHANGE, client_id=federated(tailnet), jwt=jwt, scope="dns").status_code == 400
    assert ask(tailnet, EXCHANGE, client_id=tailnet.add_oauth_client()[0], jwt=jwt).status_code == 401
