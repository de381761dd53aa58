"""The policy file through both clients: every byte and version tag, and what became of an unclear write."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk import (
    AsyncTailscale,
    BadRequestError,
    DecodeError,
    PolicyDocument,
    PolicyError,
    PolicyValidation,
    PreconditionFailedError,
    Tailscale,
)
from tailscale_sdk.testing import FakeTailnet, no_sleep
from tailscale_sdk.testing.policy_text import UNTOUCHED, policy_etag
from tests.contract.policy.talk import ETAG, NEW, TEXT, Client, Wire, answer

EMPTY = "the policy is empty"
NO_VERSION = "refused before sending"


# --- get ----------------------------------------------------------------------------------------


async def test_get_gives_every_byte(client: Client) -> None:
    assert await client.call("get") == PolicyDocument(TEXT, ETAG)
    assert client.wire.paths() == ["GET /api/v2/tailnet/-/acl"]
    assert client.wire.seen[0].headers["accept"] == "application/hujson"


async def test_details_bring_what_the_service_finds(client: Client) -> None:
    assert await client.call("get", details=True) == PolicyDocument(TEXT, ETAG)
    assert client.wire.paths() == ["GET /api/v2/tailnet/-/acl?details=true"]
    assert "accept" not in client.wire.seen[0].headers


@pytest.mark.parametrize("method, keywords", [("get", {}), ("set", {"if_match": ETAG}), ("validate", {})])
async def test_another_tailnet_is_asked(
    scripted: Callable[..., Client], method: str, keywords: dict[str, str]
) -> None:
    client = scripted(answer(body=b"{}"), tailnet="own.example.com")
    arguments = [] if method == "get" else [NEW]
    await client.call(method, *arguments, tailnet="other/example.com", **keywords)
    assert client.wire.seen[0].url.raw_path.startswith(b"/api/v2/tailnet/other%2Fexample.com/acl")
    client.wire.script = [answer(body=b"{}")]
    await client.call(method, *arguments, **keywords)
    assert client.wire.seen[1].url.raw_path.startswith(b"/api/v2/tailnet/own.example.com/acl")


@pytest.mark.parametrize(
    "etag, read",
    [
        ('"e0b2"', "e0b2"),
        ('W/"e0b2"', "e0b2"),
        ('""e0b2""', "e0b2"),
        ("e0b2", "e0b2"),
        (None, None),
        ("", None),
    ],
)
async def test_a_version_tag_is_read_without_quotes(
    scripted: Callable[..., Client], etag: str | None, read: str | None
) -> None:
    client = scripted(answer(body=TEXT, etag=etag))
    assert await client.call("get") == PolicyDocument(TEXT, read)


def envelope(**parts: Any) -> bytes:
    return json.dumps({"acl": base64.b64encode(TEXT.encode()).decode(), **parts}).encode()


@pytest.mark.parametrize(
    "parts, warnings, errors",
    [
        ({}, (), ()),
        ({"warnings": None, "errors": None}, (), ()),
        ({"warnings": ["a", 5, None, "b"], "errors": ["c"]}, ("a", "b"), ("c",)),
        ({"warnings": "a", "errors": {"b": 1}, "new": 1}, (), ()),
    ],
)
async def test_details_may_lack_anything_but_the_text(
    scripted: Callable[..., Client], parts: dict[str, Any], warnings: tuple[str, ...], errors: tuple[str, ...]
) -> None:
    client = scripted(answer(body=envelope(**parts), etag='"e0b2"'))
    found = await client.call("get", details=True)
    assert found == PolicyDocument(TEXT, "e0b2", warnings, errors)


@pytest.mark.parametrize(
    "body, json_path",
    [
        (b"", "$"),
        (b"{", "$"),
        (TEXT.encode(), "$"),
        (b"[]", "$.acl"),
        (b"null", "$.acl"),
        (b"{}", "$.acl"),
        (b'{"acl": null}', "$.acl"),
        (b'{"acl": {"acls": []}}', "$.acl"),
        (b'{"acl": "no base64"}', "$.acl"),
        (b'{"acl": "/w=="}', "$.acl"),
    ],
)
async def test_details_that_hold_no_text(
    scripted: Callable[..., Client], body: bytes, json_path: str
) -> None:
    error = await scripted(answer(body=body)).refusal("get", details=True)
    assert isinstance(error, DecodeError)
    assert (error.operation, error.status, error.json_path) == ("getPolicyFile", 200, json_path)


@pytest.mark.parametrize(
    "body", [b'{"acls": "\xff"}', b"<html>hello</html>", b"", TEXT[:40].encode(), b"[1 2]", b"[]", b"null"]
)
async def test_an_answer_that_is_no_policy(scripted: Callable[..., Client], body: bytes) -> None:
    error = await scripted(answer(body=body)).refusal("get")
    assert isinstance(error, DecodeError)
    assert (error.operation, error.status, error.bytes_read) == ("getPolicyFile", 200, len(body))


@pytest.mark.parametrize("body, requests", [(b"", 1), (b"\n", 1), (b"[]", 1), (TEXT[:40].encode(), 2)])
async def test_only_the_beginning_of_a_policy_is_asked_for_again(
    scripted: Callable[..., Client], body: bytes, requests: int
) -> None:
    client = scripted(*[answer(body=body)] * 2, max_retries=3)
    with no_sleep():
        assert isinstance(await client.refusal("get"), DecodeError)
    assert len(client.wire.seen) == requests


# --- set ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", '"{}"', '""{}""', 'W/"{}"', 'W/""{}""', ' "{}" ', '"{}', '{}"'])
async def test_a_version_goes_out_in_one_pair_of_quotes(client: Client, form: str, fake: FakeTailnet) -> None:
    assert await client.call("set", NEW, if_match=form.format(ETAG)) == PolicyDocument(NEW, policy_etag(NEW))
    request = client.wire.seen[-1]
    assert client.wire.paths() == ["POST /api/v2/tailnet/-/acl"]
    assert request.headers["if-match"] == f'"{ETAG}"'
    assert (request.headers["content-type"], request.headers["accept"]) == ("application/hujson",) * 2
    assert fake.snapshot()["policy"] == NEW


async def test_text_bytes_data_and_documents_are_sent(client: Client, fake: FakeTailnet) -> None:
    data = {"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}
    for policy, sent, content_type in (
        (NEW, NEW.encode(), "application/hujson"),
        (NEW.encode(), NEW.encode(), "application/hujson"),
        (PolicyDocument(NEW, None), NEW.encode(), "application/hujson"),
        (data, json.dumps(data, separators=(",", ":")).encode(), "application/json"),
    ):
        base = (await client.call("get")).etag
        stored = await client.call("set", policy, if_match=base)
        assert client.wire.seen[-1].content == sent
        assert client.wire.seen[-1].headers["content-type"] == content_type
        assert fake.snapshot()["policy"] == stored.text == sent.decode()
        assert stored.etag == policy_etag(stored.text)
    assert len(fake.ledger.of("setPolicyFile")) == 4


async def test_a_document_brings_its_own_version(client: Client) -> None:
    document = await client.call("get", details=True)
    stored = await client.call("set", evolve(document, text=NEW))
    assert stored == PolicyDocument(NEW, policy_etag(NEW))
    assert client.wire.seen[-1].headers["if-match"] == f'"{ETAG}"'
    error = await client.refusal("set", evolve(document, text="{\n}//"), if_match="other")
    assert EMPTY in str(error)
    error = await client.refusal("set", evolve(stored, text=TEXT), if_match="other")
    assert isinstance(error, PreconditionFailedError)
    assert client.wire.seen[-1].headers["if-match"] == '"other"'


async def test_the_untouched_default_is_replaced_once(client: Client, fake: FakeTailnet) -> None:
    fake.tailnet.policy_text = UNTOUCHED
    await client.call("set", NEW, if_match="ts-default")
    assert client.wire.seen[-1].headers["if-match"] == '"ts-default"'
    error = await client.refusal("set", TEXT, if_match='"ts-default"')
    assert isinstance(error, PreconditionFailedError)
    assert fake.snapshot()["policy"] == NEW


@pytest.mark.parametrize("policy", [NEW, NEW.encode(), {"acls": []}, PolicyDocument(NEW)])
async def test_nothing_is_sent_without_a_version(client: Client, policy: Any) -> None:
    error = await client.refusal("set", policy)
    assert isinstance(error, PolicyError)
    assert NO_VERSION in str(error)
    assert "overwrite=True" in str(error)
    assert client.wire.seen == []


@pytest.mark.parametrize("version", ["", " ", '"', '""', 'W/""', "W/"])
async def test_nothing_is_sent_with_an_empty_version(client: Client, version: str) -> None:
    for policy in (NEW, PolicyDocument(NEW, version)):
        error = await client.refusal("set", policy, **({"if_match": version} if policy is NEW else {}))
        assert isinstance(error, PolicyError)
        assert "if_match is empty" in str(error)
    assert client.wire.seen == []


NOTHING: list[Any] = [
    "",
    " \r\n\t",
    "{}",
    "{\n}\n",
    " { // none\n } ",
    "/* {} */",
    "// a\n{}\n// b",
    "/**/{/**/}/**/",
]
NOTHING += [b"", b"{}", b"// \xc3\xa9\n{ }", {}, PolicyDocument(""), PolicyDocument("{ }", ETAG)]


@pytest.mark.parametrize("policy", NOTHING)
async def test_an_empty_policy_is_never_sent(client: Client, policy: Any) -> None:
    for method, keywords in (
        ("set", {"if_match": ETAG}),
        ("set", {"overwrite": True}),
        ("validate", {}),
        ("preview", {"type": "user", "preview_for": "a@example.com"}),
    ):
        error = await client.refusal(method, policy, **keywords)
        assert isinstance(error, PolicyError)
        assert EMPTY in str(error)
    assert client.wire.seen == []


@pytest.mark.parametrize("policy", [b'{"acls": "\xff"}', '{"acls": "\ud800"}', NEW.encode("utf-16")])
async def test_what_is_no_text_is_never_sent(client: Client, policy: Any) -> None:
    for method, keywords in (("set", {"if_match": ETAG}), ("validate", {})):
        error = await client.refusal(method, policy, **keywords)
        assert isinstance(error, PolicyError)
        assert "UTF-8" in str(error)
    assert client.wire.seen == []


@pytest.mark.parametrize(
    "policy", ['{"":0}', "{}{}", "{},", "[]", "null", "{ // open", '"{}"', {"acls": None}]
)
async def test_what_is_not_empty_is_left_to_the_service(scripted: Callable[..., Client], policy: Any) -> None:
    client = scripted(answer(body=b"{}"))
    await client.call("validate", policy)
    assert len(client.wire.seen) == 1


async def test_somebody_else_was_faster(client: Client, fake: FakeTailnet) -> None:
    document = await client.call("get")
    fake.tailnet.policy_text = theirs = TEXT.replace("a@", "c@")
    error = await client.refusal("set", evolve(document, text=NEW))
    assert isinstance(error, PreconditionFailedError)
    assert (error.operation, error.status, error.ambiguous) == ("setPolicyFile", 412, False)
    assert client.wire.paths() == ["GET /api/v2/tailnet/-/acl", "POST /api/v2/tailnet/-/acl"]
    assert (fake.snapshot()["policy"], len(fake.ledger)) == (theirs, 0)


@pytest.mark.parametrize("more", [{}, {"if_match": "0" * 64}])
async def test_overwriting_asks_for_no_version(
    client: Client, more: dict[str, str], fake: FakeTailnet
) -> None:
    for policy in (NEW, PolicyDocument(NEW, "0" * 64)):
        await client.call("set", policy, overwrite=True, **more)
        assert "if-match" not in client.wire.seen[-1].headers
    assert fake.snapshot()["policy"] == NEW


async def test_a_bad_policy_is_refused_with_its_findings(scripted: Callable[..., Client]) -> None:
    entry = {"user": "a@example.com", "errors": ["address not allowed"], "warnings": None}
    body = json.dumps({"message": "test(s) failed", "data": [entry]})
    client = scripted(answer(400, body))
    error = await client.refusal("set", NEW, if_match=ETAG)
    assert isinstance(error, BadRequestError)
    assert (error.message, error.data) == ("test(s) failed", [entry])
    assert len(client.wire.seen) == 1


async def test_the_embedded_tailnet_refuses_a_bad_policy(client: Client, fake: FakeTailnet) -> None:
    error = await client.refusal("set", '{"acls": [{"action": "deny"}]}', if_match=ETAG)
    assert isinstance(error, BadRequestError)
    assert error.message
    assert (fake.snapshot()["policy"], len(fake.ledger), len(client.wire.seen)) == (TEXT, 0, 1)


# --- validate and preview -----------------------------------------------------------------------


async def test_a_good_policy_passes_and_nothing_is_stored(client: Client, fake: FakeTailnet) -> None:
    for policy in (NEW, NEW.encode(), {"acls": []}, PolicyDocument(NEW, "any")):
        assert await client.call("validate", policy) == PolicyValidation(ok=True)
    assert set(client.wire.paths()) == {"POST /api/v2/tailnet/-/acl/validate"}
    assert client.wire.seen[0].content == client.wire.seen[1].content == NEW.encode()
    assert [request.headers["content-type"] for request in client.wire.seen] == [
        "application/hujson",
        "application/hujson",
        "application/json",
        "application/hujson",
    ]
    assert (fake.snapshot()["policy"], len(fake.ledger)) == (TEXT, 0)


async def test_a_bad_policy_is_told_with_status_200(client: Client, fake: FakeTailnet) -> None:
    verdict = await client.call("validate", '{"acls": [{"action": "deny"}]}')
    assert verdict.ok is False
    assert verdict.message
    refused = await client.refusal("set", '{"acls": [{"action": "deny"}]}', if_match=ETAG)
    assert isinstance(refused, BadRequestError)
    assert refused.message == verdict.message


ENTRY = {"user": "a@example.com", "errors": ["no"], "warnings": None}
WARNING = {"user": "group:a", "warnings": ["not synced"]}


@pytest.mark.parametrize(
    "body, verdict",
    [
        (b"", PolicyValidation(ok=True)),
        (b" \n", PolicyValidation(ok=True)),
        (b"{}", PolicyValidation(ok=True)),
        (b"null", PolicyValidation(ok=True)),
        (b'{"message": ""}', PolicyValidation(ok=True)),
        (b'{"message": null, "data": null}', PolicyValidation(ok=True)),
        (b'{"message": "", "data": []}', PolicyValidation(ok=True)),
        (b'{"new": 1}', PolicyValidation(ok=True)),
        (b'{"message": "src=tag not found: x"}', PolicyValidation(False, "src=tag not found: x")),
        (
            json.dumps({"message": "test(s) failed", "data": [ENTRY, None, 5]}).encode(),
            PolicyValidation(False, "test(s) failed", (ENTRY,)),
        ),
        (
            json.dumps({"message": "warning(s) found", "data": [WARNING]}).encode(),
            PolicyValidation(False, "warning(s) found", (WARNING,)),
        ),
        (json.dumps({"data": [ENTRY]}).encode(), PolicyValidation(False, "", (ENTRY,))),
        (b'{"message": "no", "data": {"a": 1}}', PolicyValidation(False, "no")),
    ],
)
async def test_every_form_of_a_verdict(
    scripted: Callable[..., Client], body: bytes, verdict: PolicyValidation
) -> None:
    assert await scripted(answer(body=body)).call("validate", NEW) == verdict


@pytest.mark.parametrize("body", [b"[]", b'"ok"', b"7", b"<html>ok</html>", b"{"])
async def test_a_verdict_that_is_none(scripted: Callable[..., Client], body: bytes) -> None:
    error = await scripted(answer(body=body)).refusal("validate", NEW)
    assert isinstance(error, DecodeError)
    assert (error.operation, error.json_path, error.ambiguous) == ("validateAndTestPolicyFile", "$", False)


TESTS = [{"src": "a@example.com", "accept": ["100.64.0.1:443"]}]


async def test_tests_run_against_the_stored_policy(scripted: Callable[..., Client]) -> None:
    client = scripted(answer(body=b'{"message": "test(s) failed"}'))
    assert await client.call("validate", tests=TESTS) == PolicyValidation(False, "test(s) failed")
    request = client.wire.seen[0]
    assert (json.loads(request.content), request.headers["content-type"]) == (TESTS, "application/json")


@pytest.mark.parametrize(
    "arguments, keywords, words",
    [
        ([], {}, "exactly one"),
        ([NEW], {"tests": TESTS}, "exactly one"),
        ([NEW], {"tests": []}, "exactly one"),
        ([], {"tests": []}, "tests is empty"),
        ([], {"tests": ()}, "tests is empty"),
    ],
)
async def test_validate_takes_one_thing(
    client: Client, arguments: list[Any], keywords: dict[str, Any], words: str
) -> None:
    error = await client.refusal("validate", *arguments, **keywords)
    assert isinstance(error, PolicyError)
    assert words in str(error)
    assert client.wire.seen == []


async def test_preview_asks_the_service(client: Client) -> None:
    found = await client.call("preview", NEW, type="ipport", preview_for="100.64.0.1:22")
    assert (found.matches, found.type, found.preview_for) == ([], "ipport", "100.64.0.1:22")
    request = client.wire.seen[0]
    assert (request.method, request.url.path) == ("POST", "/api/v2/tailnet/-/acl/preview")
    assert dict(request.url.params) == {"type": "ipport", "previewFor": "100.64.0.1:22"}
    assert (request.content, request.headers["content-type"]) == (NEW.encode(), "application/hujson")


async def test_preview_reads_the_rules_that_match(scripted: Callable[..., Client]) -> None:
    match = {"users": ["a@example.com"], "ports": ["*:22"], "lineNumber": 7, "via": ["tag:x"]}
    body = json.dumps({"matches": [match], "type": "user", "previewFor": "a@example.com"})
    client = scripted(answer(body=body), answer(body=b"[]"))
    found = await client.call("preview", PolicyDocument(NEW), type="user", preview_for="a@example.com")
    assert [rule.to_dict() for rule in found.matches] == [match]
    assert (found.matches[0].line_number, found.matches[0].users) == (7, ["a@example.com"])
    assert client.wire.seen[0].content == NEW.encode()
    error = await client.refusal("preview", NEW, type="user", preview_for="a@example.com")
    assert isinstance(error, DecodeError)


# --- whole responses ----------------------------------------------------------------------------


async def test_whole_responses(kind: str, wire: Wire) -> None:
    client = Client(kind, wire, raw=True)
    read = await client.call("get")
    assert (read.status, read.body, read.parsed, read.attempts) == (
        200,
        TEXT.encode(),
        PolicyDocument(TEXT, ETAG),
        1,
    )
    assert read.headers["etag"] == f'"{ETAG}"'
    details = await client.call("get", details=True)
    assert (json.loads(details.body)["errors"], details.parsed.text) == (None, TEXT)
    written = await client.call("set", NEW, if_match=ETAG)
    assert (written.status, written.body, written.parsed.text) == (200, NEW.encode(), NEW)
    verdict = await client.call("validate", NEW)
    assert (verdict.status, verdict.body, verdict.parsed) == (200, b"{}", PolicyValidation(ok=True))
    preview = await client.call("preview", NEW, type="user", preview_for="a@example.com")
    assert (preview.status, preview.parsed.matches) == (200, [])
    assert str(NEW) not in repr(written)


def test_both_clients_document_their_methods() -> None:
    sync, other = Tailscale(api_key="tskey-api-demo").policy, AsyncTailscale(api_key="tskey-api-demo").policy
    for name in ("get", "set", "validate", "preview"):
        assert getattr(sync, name).__doc__ == getattr(other, name).__doc__
        assert "Scope:" in getattr(sync, name).__doc__
