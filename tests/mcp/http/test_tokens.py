"""Static bearer tokens: recognised by hash, all compared every time, and nothing said about why one is refused."""

from __future__ import annotations

import hashlib
import hmac

import httpx
import pytest

from mcp_adapter.caller_scopes import SCOPES
from mcp_adapter.principal import principal_of
from mcp_adapter.tokens import StaticTokens
from tailscale_sdk.testing.dispatch import Dispatcher, Request, Response
from tests.mcp.conftest import ERAS
from tests.mcp.http.serving import OTHER_TOKEN, TOKEN, Running, ask, call_tool, result_of

WRONG = [None, "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), f"{TOKEN} {TOKEN}", "é" * 20]


def name_of(token: str) -> str:
    return f"token:{hashlib.sha256(token.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize("token", WRONG)
def test_without_a_live_token_nothing_is_served(
    shared: Running, web: httpx.Client, era: str, token: str | None
) -> None:
    headers = {} if token is None else {b"authorization": f"Bearer {token}".encode()}
    answer = ask(web, shared, "tools/list", era=era, token=None, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "tools" not in answer.text
    reasons = {"short", "unknown", "revoked", "sha256", "length"}
    assert not reasons & set(answer.text.lower().split())


def test_every_wrong_token_gets_one_and_the_same_answer(shared: Running, web: httpx.Client) -> None:
    answers = [ask(web, shared, "tools/list", token=token) for token in ("x", TOKEN[:-1], f"{TOKEN}x")]
    assert (
        len({(answer.status_code, answer.text, answer.headers["www-authenticate"]) for answer in answers})
        == 1
    )


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(shared: Running, web: httpx.Client, scheme: str) -> None:
    headers = {"authorization": f"{scheme} {TOKEN}"}
    assert ask(web, shared, "tools/list", token=None, headers=headers).status_code == 200
    headers = {"authorization": f"Basic {TOKEN}"}
    assert ask(web, shared, "tools/list", token=None, headers=headers).status_code == 401


@pytest.mark.parametrize("token", [TOKEN, OTHER_TOKEN])
def test_both_live_tokens_are_served_until_one_is_taken_out(
    shared: Running, web: httpx.Client, era: str, token: str
) -> None:
    assert ask(web, shared, "tools/list", era=era, token=token).status_code == 200


async def test_all_known_tokens_are_compared_whatever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    real = hmac.compare_digest

    def counting(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return real(known, given)

    verifier = StaticTokens([TOKEN, OTHER_TOKEN, f"{TOKEN}3"])
    monkeypatch.setattr(hmac, "compare_digest", counting)
    for token, found in [
        (TOKEN, True),
        (OTHER_TOKEN, True),
        ("nothing", False),
        (TOKEN[:-1], False),
        ("\ud800", False),
    ]:
        compared.clear()
        assert (await verifier.verify_token(token) is not None) == found
        assert len(compared) == 3


async def test_what_is_kept_of_a_token() -> None:
    verifier = StaticTokens([TOKEN])
    found = await verifier.verify_token(TOKEN)
    assert found is not None
    assert principal_of(found) == name_of(TOKEN)
    assert found.scopes == list(SCOPES)
    assert TOKEN not in repr(vars(verifier)) + repr(found)


def test_the_token_of_a_caller_never_reaches_tailscale(
    shared: Running, web: httpx.Client, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    answer = Dispatcher.answer

    def watched(dispatcher: Dispatcher, request: Request) -> Response:
        seen.append(repr(request))
        return answer(dispatcher, request)

    monkeypatch.setattr(Dispatcher, "answer", watched)
    listed = result_of(call_tool(web, shared, "devices_read", {"action": "list"}, era=era))
    assert listed["total"] == 12
    result_of(
        call_tool(
            web,
            shared,
            "devices_read",
            {"action": "get", "device_id": listed["rows"][ERAS.index(era)][0]},
            era=era,
        )
    )
    assert seen
    assert TOKEN not in "".join(seen)


def test_the_audit_trail_names_the_holder_of_a_token_but_not_the_token(
    shared: Running, web: httpx.Client, era: str
) -> None:
    result_of(call_tool(web, shared, "contacts_read", {"action": "get"}, era=era, token=OTHER_TOKEN))
    lines = b"".join(
        path.read_bytes() for path in sorted(shared.state.directory.path.rglob("*")) if path.is_file()
    )
    assert name_of(OTHER_TOKEN).encode() in lines
    assert OTHER_TOKEN.encode() not in lines
    assert TOKEN.encode() not in lines
