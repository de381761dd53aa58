"""The policy file of the embedded tailnet: HuJSON kept byte for byte, guarded by its ETag."""

from __future__ import annotations

import base64
from typing import Any, Final

from tailscale_sdk.errors import HuJSONError
from tailscale_sdk.policy import hujson
from tailscale_sdk.testing.exchange import Answer, Call, Refusal, handles, typed
from tailscale_sdk.testing.policy_checks import breaks_service, find_problem, missing_engine
from tailscale_sdk.testing.policy_text import UNTOUCHED, json_view, policy_etag
from tailscale_sdk.testing.state import JsonObject
from tailscale_sdk.testing.values import check_choice

HUJSON: Final = "application/hujson"
EMPTY_BODY: Final = "unexpected end of JSON input"
INVALID_HASH: Final = "precondition failed, invalid old hash"
ONLY_UNTOUCHED: Final = '"ts-default"'
PREVIEW_TYPES: Final = ("ipport", "user")
NO_ENGINE: Final = "the embedded tailnet has no policy engine: it cannot {}"
NEEDS_ENGINE: Final = {
    "tests": "run the tests of a policy; send it without tests",
    "sshTests": "run the sshTests of a policy; send it without sshTests",
    "autoApprovers": "apply autoApprovers; send the policy without them",
    "preview": "tell which rules of a policy match",
}


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
    if breaks_service(policy):
        raise Refusal(500, "internal server error")
    problem = find_problem(policy)
    if problem:
        raise Refusal(400, problem)
    _require_engine(missing_engine(policy))
    old = call.tailnet.policy_text
    call.tailnet.policy_text = call.body.decode("utf-8")
    target = {**call.tailnet.target(), "property": "ACL"}
    call.tailnet.record(call, action="UPDATE", target=target, old=old, new=call.tailnet.policy_text)
    return _stored(call)


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


def _read_policy(call: Call) -> JsonObject:
    policy = _read_hujson(call)
    if not isinstance(policy, dict):
        raise Refusal(400, "the policy must be an object")
    return policy


def _read_hujson(call: Call) -> Any:
    if not call.body.strip():
        raise Refusal(400, EMPTY_BODY)
    try:
        return hujson.parse(call.body).data()
    except HuJSONError as error:
        raise Refusal(400, f"the policy is not HuJSON: {error}") from None


def _require_engine(part: str | None) -> None:
    if part:
        raise Refusal(501, NO_ENGINE.format(NEEDS_ENGINE[part]))


@handles("validateAndTestPolicyFile")
def validate_policy(call: Call) -> JsonObject:
    """Check a policy, or run tests against the stored one; a bad policy is told of with status 200."""
    content = _read_hujson(call)
    if isinstance(content, list):
        for index, test in enumerate(content):
            _check_test(index, test)
        _require_engine("tests" if content else None)
        return {}
    if not isinstance(content, dict):
        raise Refusal(400, "send a policy as an object, or tests as an array")
    problem = find_problem(content)
    if problem:
        return {"message": problem}
    _require_engine(missing_engine(content))
    return {}


def _check_test(index: int, test: Any) -> None:
    if not isinstance(test, dict) or not isinstance(test.get("src"), str):
        raise Refusal(400, f"test {index} must be an object with src, the source as a string")
    for name in ("accept", "deny"):
        for target in typed(test.get(name) or [], list, f"test {index}: {name}"):
            typed(target, str, f"test {index}: every entry of {name}")


@handles("previewRuleMatches")
def preview_rules(call: Call) -> JsonObject:
    """Tell that no rule matches where the policy has none; more takes a policy engine."""
    kind = check_choice(call.argument("type") or "", PREVIEW_TYPES, "type")
    preview_for = call.argument("previewFor")
    if not preview_for:
        raise Refusal(400, "previewFor is missing: the login name of a user, or an address and port")
    policy = _read_policy(call)
    problem = find_problem(policy)
    if problem:
        raise Refusal(400, problem)
    if policy.get("acls") or policy.get("grants"):
        _require_engine("preview")
    return {"matches": [], "type": kind, "previewFor": preview_for}
