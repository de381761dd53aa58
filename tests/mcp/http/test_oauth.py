"""OAuth: tokens of one issuer for one audience, and the same 401 for everything else."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_adapter.caller_scopes import SCOPES
from mcp_adapter.flags import WrongUse
from mcp_adapter.oauth import ALGORITHMS, IssuedTokens, OAuthSettings
from mcp_adapter.principal import principal_of
from tailscale_sdk.testing import FakeTailnet
from tests.mcp.http.issuer import (
    AUDIENCE,
    ISSUER,
    JWKS_URL,
    METADATA_URL,
    PUBLIC_URL,
    SETTINGS,
    Issuer,
    ec_key,
)
from tests.mcp.http.serving import Running, ask, call_tool, http_settings, serving, tailnet_settings

WRONG: dict[str, Callable[[Issuer], str]] = {
    "another audience": lambda issuer: issuer.token(aud="https://other.example.com"),
    "other audiences": lambda issuer: issuer.token(aud=["https://a.example.com", "https://b.example.com"]),
    "no audience": lambda issuer: issuer.token(aud=None),
    "an audience that begins alike": lambda issuer: issuer.token(aud=f"{AUDIENCE}/"),
    "another issuer": lambda issuer: issuer.token(iss="https://other.example.com"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "unsigned": lambda issuer: issuer.unsigned(),
    "signed with the public key": lambda issuer: issuer.confused(),
    "signed with another key": lambda issuer: issuer.token(key=issuer.other),
    "an unknown key": lambda issuer: issuer.token(key=issuer.other, kid="second"),
    "another algorithm of the same key": lambda issuer: issuer.token(algorithm="RS512"),
    "changed afterwards": lambda issuer: issuer.tampered(),
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 1),
    "never expires": lambda issuer: issuer.token(exp=None),
    "expires at infinity": lambda issuer: issuer.token(exp=1e400),
    "expires when true": lambda issuer: issuer.token(exp=True),
    "expires in words": lambda issuer: issuer.token(exp="tomorrow"),
    "not yet valid": lambda issuer: issuer.token(nbf=int(time.time()) + 3600),
    "issued in the future": lambda issuer: issuer.token(iat=int(time.time()) + 3600),
    "no subject": lambda issuer: issuer.token(sub=None),
    "an empty subject": lambda issuer: issuer.token(sub=""),
    "a subject that is no text": lambda issuer: issuer.token(sub=7),
    "a client that reads like two": lambda issuer: issuer.token(client_id="a|b"),
    "a client that is no text": lambda issuer: issuer.token(client_id=["a"]),
    "a critical extension nobody knows": lambda issuer: "e30.e30.e30",
    "no token at all": lambda issuer: "not-a-token",
    "a header nested deeply": lambda issuer: f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.e30.e30",
    "a huge token": lambda issuer: issuer.token(sub="x" * 20_000),
}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def resource(
    shared_tailnet: FakeTailnet, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Run a server that accepts the tokens of the issuer."""
    http = http_settings(oauth=SETTINGS, public_url=PUBLIC_URL)
    folder = tmp_path_factory.mktemp("oauth")
    with serving(tailnet_settings(shared_tailnet), http, folder, key_client=issuer.client()) as running:
        yield running


@pytest.fixture(scope="module")
def usual(resource: Running) -> tuple[str, str]:
    """Return what a token is answered with that is none at all."""
    with httpx.Client(trust_env=False) as web:
        answer = ask(web, resource, "tools/list", token="nothing-like-a-token")
    return answer.text, answer.headers["www-authenticate"]


def test_a_good_token_is_served(resource: Running, issuer: Issuer, web: httpx.Client, era: str) -> None:
    for token in (issuer.token(), issuer.token(aud=[AUDIENCE, "https://b.example.com"]), issuer.token(nbf=1)):
        assert ask(web, resource, "tools/list", era=era, token=token).status_code == 200


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_token_gets_the_challenge_and_no_reason(
    resource: Running, issuer: Issuer, web: httpx.Client, usual: tuple[str, str], era: str, what: str
) -> None:
    answer = ask(web, resource, "tools/list", era=era, token=WRONG[what](issuer))
    usual = ask(web, resource, "tools/list", era=era, token="nothing-like-a-token")
    assert answer.status_code == 401
    assert (answer.text, answer.headers["www-authenticate"]) == (
        usual.text,
        usual.headers["www-authenticate"],
    )
    assert f'resource_metadata="{METADATA_URL}"' in answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_without_a_token_the_challenge_says_where_to_get_one(
    resource: Running, web: httpx.Client, era: str
) -> None:
    answer = ask(web, resource, "tools/list", era=era, token=None)
    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == 401
    assert f'resource_metadata="{METADATA_URL}"' in challenge
    assert 'scope="ts:read"' in challenge
    assert "error" not in challenge


def test_the_metadata_says_what_is_served_and_by_whom(resource: Running, web: httpx.Client) -> None:
    answer = web.get(f"{resource.origin}/.well-known/oauth-protected-resource/mcp")
    assert answer.status_code == 200
    found = answer.json()
    assert found["resource"] == f"{PUBLIC_URL}/mcp"
    assert found["authorization_servers"] == [ISSUER]
    assert found["scopes_supported"] == list(SCOPES)
    assert found["bearer_methods_supported"] == ["header"]
    elsewhere = web.get(
        f"{resource.origin}/.well-known/oauth-protected-resource/mcp", headers={"host": "evil"}
    )
    assert elsewhere.status_code == 421


@pytest.mark.parametrize(
    "path", ["/authorize", "/token", "/register", "/.well-known/oauth-authorization-server"]
)
def test_this_is_no_authorization_server(resource: Running, web: httpx.Client, path: str) -> None:
    assert web.get(f"{resource.origin}{path}").status_code == 404
    assert web.post(f"{resource.origin}{path}").status_code == 404


@pytest.mark.parametrize(
    "scope, missing",
    [
        ("ts:read", {"contacts_read": None, "contacts_write": "ts:write", "contacts_delete": None}),
        ("ts:write", {"devices_read": "ts:read", "devices_write": None, "devices_delete": "ts:delete"}),
        ("ts:delete ts:read", {"devices_read": None, "devices_write": "ts:write", "devices_delete": None}),
        ("openid all", {"devices_read": "ts:read", "devices_write": "ts:read"}),
        ("", {"devices_read": "ts:read"}),
    ],
)
def test_a_missing_scope_is_named(
    resource: Running, issuer: Issuer, web: httpx.Client, era: str, scope: str, missing: dict[str, str | None]
) -> None:
    token = issuer.token(scope=scope)
    for tool, needed in missing.items():
        answer = call_tool(web, resource, tool, {"action": "nothing"}, era=era, token=token)
        if needed is None:
            assert answer.status_code == 200, answer.text
            continue
        assert answer.status_code == 403
        assert f'error="insufficient_scope", scope="{needed}"' in answer.headers["www-authenticate"]
        assert f'resource_metadata="{METADATA_URL}"' in answer.headers["www-authenticate"]
        assert answer.json()["error"]["message"] == f"this token lacks the scope {needed}"


@pytest.mark.parametrize(
    "scope, endings",
    [
        ("ts:read", {"read"}),
        ("ts:read ts:write", {"read", "write"}),
        ("ts:read ts:delete", {"read", "delete", "change", "rollback"}),
        ("ts:read ts:write ts:delete", {"read", "write", "delete", "change", "rollback"}),
    ],
)
def test_only_tools_within_the_scopes_are_listed(
    resource: Running, issuer: Issuer, web: httpx.Client, era: str, scope: str, endings: set[str]
) -> None:
    answer = ask(web, resource, "tools/list", era=era, token=issuer.token(scope=scope))
    assert {tool["name"].rpartition("_")[2] for tool in answer.json()["result"]["tools"]} == endings


def test_scopes_may_come_as_a_list(resource: Running, issuer: Issuer, web: httpx.Client, era: str) -> None:
    token = issuer.token(scope=None, scp=["ts:read"])
    answer = ask(web, resource, "tools/list", era=era, token=token)
    assert {tool["name"].rpartition("_")[2] for tool in answer.json()["result"]["tools"]} == {"read"}


def test_a_tool_outside_the_scopes_does_nothing(
    resource: Running, issuer: Issuer, web: httpx.Client, era: str, shared_tailnet: FakeTailnet
) -> None:
    before = len(shared_tailnet.ledger)
    arguments = {"action": "set_preferences", "magic_dns": False}
    answer = call_tool(web, resource, "dns_write", arguments, era=era, token=issuer.token(scope="ts:read"))
    assert answer.status_code == 403
    assert len(shared_tailnet.ledger) == before


async def test_keys_are_asked_for_seldom_and_failures_are_seen() -> None:
    issuer = Issuer()
    async with issuer.client() as client:
        verifier = IssuedTokens(SETTINGS, http_client=client)
        assert verifier.reachable
        for _ in range(5):
            assert await verifier.verify_token(issuer.token()) is not None
        assert issuer.fetches == 1
        for number in range(20):
            assert await verifier.verify_token(issuer.token(kid=f"unknown-{number}")) is None
        assert issuer.fetches == 1
    async with Issuer(key=issuer.key, other=issuer.other, down=True).client() as client:
        verifier = IssuedTokens(SETTINGS, http_client=client)
        assert await verifier.verify_token(issuer.token()) is None
        assert not verifier.reachable


def test_an_issuer_that_cannot_be_asked_makes_the_server_unready(
    shared_tailnet: FakeTailnet, tmp_path: Path, web: httpx.Client, issuer: Issuer
) -> None:
    down = Issuer(key=issuer.key, other=issuer.other, down=True)
    http = http_settings(oauth=SETTINGS, public_url=PUBLIC_URL)
    with serving(tailnet_settings(shared_tailnet), http, tmp_path, key_client=down.client()) as running:
        assert ask(web, running, "tools/list", token=issuer.token()).status_code == 401
        answer = web.get(f"{running.origin}/readyz")
        assert (answer.status_code, answer.json()["tokens"]) == (503, False)
        assert web.get(f"{running.origin}/healthz").status_code == 200


async def test_the_algorithm_is_the_operators_choice(issuer: Issuer) -> None:
    key = ec_key("first")
    elliptic = Issuer(key=key, other=issuer.other)
    settings = OAuthSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=JWKS_URL, algorithm="ES256")
    async with elliptic.client() as client:
        verifier = IssuedTokens(settings, http_client=client)
        assert await verifier.verify_token(elliptic.token(algorithm="ES256")) is not None
        assert await verifier.verify_token(issuer.token()) is None
        assert await verifier.verify_token(elliptic.unsigned()) is None


def test_only_asymmetric_algorithms_can_be_chosen() -> None:
    assert not [name for name in ALGORITHMS if name.startswith("HS") or name == "none"]
    for name in ALGORITHMS:
        IssuedTokens(OAuthSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=JWKS_URL, algorithm=name))


@pytest.mark.parametrize(
    "changes",
    [{"issuer": ""}, {"audience": ""}, {"algorithm": "HS256"}, {"jwks_url": "http://issuer.example.com"}],
)
def test_issuer_and_audience_are_mandatory_in_code_too(changes: dict[str, Any]) -> None:
    whole = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": JWKS_URL, **changes}
    with pytest.raises(WrongUse):
        IssuedTokens(OAuthSettings(**whole))


@pytest.mark.parametrize(
    "changes, principal",
    [
        ({}, f"oauth:{ISSUER}|alice|client-1"),
        ({"client_id": None, "azp": "app"}, f"oauth:{ISSUER}|alice|app"),
        ({"client_id": None, "sub": "auth0|7"}, f"oauth:{ISSUER}|auth0|7|"),
    ],
)
async def test_who_a_token_was_issued_to(issuer: Issuer, changes: dict[str, Any], principal: str) -> None:
    async with issuer.client() as client:
        token = issuer.token(**changes)
        found = await IssuedTokens(SETTINGS, http_client=client).verify_token(token)
    assert found is not None
    assert principal_of(found) == principal
    assert token not in repr(found)
    assert set(found.claims) == {"iss", "sub"}


async def test_what_a_token_says_stays_on_one_line_of_the_log(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with issuer.client() as client:
        verifier = IssuedTokens(SETTINGS, http_client=client)
        with caplog.at_level(logging.WARNING, logger="mcp_adapter.oauth"):
            await verifier.verify_token(issuer.token(client_id="x\nERROR all is lost\x1b[2J", aud="y" * 5000))
    said = [record.getMessage() for record in caplog.records if record.name == "mcp_adapter.oauth"]
    assert len(said) == 1
    assert not {"\n", "\x1b"} & set(said[0])
    assert len(said[0]) < 400
