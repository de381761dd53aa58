"""The policy file of the embedded tailnet: HuJSON kept byte for byte, guarded by its ETag."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.language import Policy
from tailscale_sdk.testing import policy_engine
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles, typed
from tailscale_sdk.testing.handlers.devices import node_target
from tailscale_sdk.testing.policy_text import UNTOUCHED, json_view, policy_etag
from tailscale_sdk.testing.state import JsonObject
from tailscale_sdk.testing.values import check_choice

HUJSON: Final = "application/hujson"
EMPTY_BODY: Final = "unexpected end of JSON input"
INVALID_HASH: Final = "precondition failed, invalid old hash"
ONLY_UNTOUCHED: Final = '"ts-default"'
PREVIEW_TYPES: Final = ("ipport", "user")


@handles("getPolicyFile")
def get_policy(call: Call) -> Answer:
    """Give the stored text, its view as JSON, or both kinds of detail about it."""
    if call.argument("details") in {"true", "1"}:
        text = call.tailnet.policy_text
        encoded = base64.b64encode(text.encode()).decode()
        details: JsonObject = {"acl": encoded, "warnings": [], "errors": None}
        return Answer(json=details, headers=_headers(call))
    return _stored(call)


def _stored(call: Call) -> Answer:
    text = call.tailnet.policy_text
    if _wants_json(call):
        try:
            view = json_view(text)
        except HuJSONError as error:
            raise Refusal(500, f"the stored policy, loaded from a snapshot, is not HuJSON: {error}") from None
        return Answer(body=view, headers=_headers(call))
    return Answer(body=text.encode(), content_type=HUJSON, headers=_headers(call))


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    return (("ETag", f'"{policy_etag(call.tailnet.policy_text)}"'),)


def _wants_json(call: Call) -> bool:
    """Tell whether plain JSON is preferred to HuJSON, which everything else means."""
    weights: dict[str, float] = {}
    for part in call.headers.get("accept", "").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights.setdefault(kind, _weight(parameters))
    return weights.get("application/json", 0.0) > weights.get(HUJSON, 0.0)


def _weight(parameters: list[str]) -> float:
    given = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 0.0


@handles("setPolicyFile")
def set_policy(call: Call) -> Answer:
    """Replace the policy, byte for byte as it came, if the condition holds and nothing is wrong with it."""
    _check_condition(call)
    policy = _read_policy(call)
    report = policy_engine.test_report(call.tailnet, policy)
    if not report.ok:
        answer = report.to_dict()
        raise Refusal(400, answer["message"], answer["data"])
    old = call.tailnet.policy_text
    call.tailnet.policy_text = call.body.decode("utf-8")
    target = {**call.tailnet.target(), "property": "ACL"}
    call.tailnet.record(call, action="UPDATE", target=target, old=old, new=call.tailnet.policy_text)
    _approve_routes(call, policy)
    return _stored(call)


def _approve_routes(call: Call, policy: Policy) -> None:
    """Approve what the new policy approves by itself: it does so for routes advertised long ago too."""
    for device, routes in policy_engine.newly_approved(call.tailnet, policy):
        old = device.get("enabledRoutes")
        device["enabledRoutes"] = [*(old or []), *routes]
        target = node_target(device, "ALLOWED_IPS")
        call.tailnet.record(call, action="UPDATE", target=target, old=old, new=list(device["enabledRoutes"]))


def _check_condition(call: Call) -> None:
    """Compare If-Match as it stands: a tag without its pair of quotes, or with two, fits nothing."""
    wanted = call.headers.get("if-match")
    if wanted is None:
        return
    current = policy_etag(call.tailnet.policy_text)
    fitting = {f'"{current}"'}
    if current == policy_etag(UNTOUCHED):
        fitting.add(ONLY_UNTOUCHED)
    if wanted not in fitting:
        raise Refusal(412, INVALID_HASH)


def _read_policy(call: Call) -> Policy:
    if not call.body.strip():
        raise Refusal(400, EMPTY_BODY)
    return policy_engine.read(call.body)


@handles("validateAndTestPolicyFile")
def validate_policy(call: Call) -> JsonObject:
    """Check a policy, or run tests against the stored one; a bad policy is told of with status 200."""
    if not call.body.strip():
        raise Refusal(400, EMPTY_BODY)
    tests = _given_tests(call)
    try:
        policy = _with_tests(call, tests) if tests is not None else policy_engine.read(call.body)
    except Refusal as refusal:
        if refusal.status != 400 or tests is not None:
            raise
        return {"message": refusal.message}
    report = policy_engine.test_report(call.tailnet, policy)
    return {} if report.ok else report.to_dict()


def _given_tests(call: Call) -> list[Any] | None:
    """Return the tests of a body that is an array, None for one that is a policy."""
    try:
        content = hujson.parse(call.body).data()
    except HuJSONError as error:
        raise Refusal(400, f"the policy is not HuJSON: {error}") from None
    if not isinstance(content, list | dict):
        raise Refusal(400, "send a policy as an object, or tests as an array")
    for index, test in enumerate(content) if isinstance(content, list) else ():
        _check_test(index, test)
    return content if isinstance(content, list) else None


def _with_tests(call: Call, tests: list[Any]) -> Policy:
    """Return the stored policy with these tests instead of its own."""
    stored = hujson.parse(call.tailnet.policy_text).data()
    return policy_engine.read(json.dumps({**stored, "tests": tests, "sshTests": []}))


def _check_test(index: int, test: Any) -> None:
    if not isinstance(test, dict) or not isinstance(test.get("src"), str):
        raise Refusal(400, f"test {index} must be an object with src, the source as a string")
    for name in ("accept", "deny"):
        for target in typed(test.get(name) or [], list, f"test {index}: {name}"):
            typed(target, str, f"test {index}: every entry of {name}")


@handles("previewRuleMatches")
def preview_rules(call: Call) -> JsonObject:
    """Tell which rules of the policy in the body are about a user or an address; nothing is stored."""
    kind = check_choice(call.argument("type") or "", PREVIEW_TYPES, "type")
    preview_for = call.argument("previewFor")
    if not preview_for:
        raise Refusal(400, "previewFor is missing: the login name of a user, or an address and port")
    found = policy_engine.matches(call.tailnet, _read_policy(call), kind, preview_for)
    postures = list(dict.fromkeys(name for match in found for name in match.postures))
    answer = {"matches": [match.to_dict() for match in found], "type": kind, "previewFor": preview_for}
    return {**answer, "postures": postures} if postures else answer
