"""One call judged from outside: what each answer and each interruption comes to, without sending anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk import OPERATIONS
from tailscale_sdk._generated.types import WireRequest, parse_model
from tailscale_sdk.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    ResponseTooLargeError,
    ServerError,
    TailscaleError,
)
from tailscale_sdk.models import Device
from tailscale_sdk.transport.budget import RetryBudget
from tailscale_sdk.transport.channel import reader
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import CallContext, find_operation, host_of, operation_of, raw_reply
from tailscale_sdk.transport.gate import Gate
from tailscale_sdk.transport.hooks import Hooks
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.pacing import Pacing
from tailscale_sdk.transport.reply import Reply
from tailscale_sdk.transport.retry import Failure, RetryClass
from tailscale_sdk.transport.wire import AttemptFailed, Target, too_large

NOW = 1000.0
CLASSES: dict[RetryClass, str] = {
    "SAFE": "getDevice",
    "IDEM": "setDeviceTags",
    "COND": "setPolicyFile",
    "CREATE": "createKey",
    "EFFECT": "rotateWebhookSecret",
}
NEVER_BLIND = {"CREATE", "EFFECT"}
CLOCK = Clock(
    monotonic=lambda: NOW + 2.5, now=lambda: datetime(2026, 7, 1, 10, tzinfo=UTC), random=lambda: 0.5
)


def call(operation: str = "getDevice", read: Any = raw_reply, **parts: Any) -> CallContext[Any]:
    """Return a call whose first attempt has been sent."""
    options = Options(**parts.pop("options", {}))
    made = CallContext(
        operation_of(operation),
        WireRequest("GET", "/"),
        Target("https://api.example.com"),
        options,
        read,
        NOW,
    )
    made.attempts, made.phase = 1, "total"
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def refusal(made: CallContext[Any], status: int, body: bytes = b"", **headers: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        made.judge(
            Reply(status, {name.replace("_", "-"): text for name, text in headers.items()}, body), CLOCK
        )
    return caught.value


# --- judging an answer --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("operation", CLASSES.values())
def test_a_success_is_passed_on(operation: str, status: int) -> None:
    made, reply = call(operation), Reply(status, {}, b"{}")
    assert made.judge(reply, CLOCK) is reply
    assert made.status == status


@pytest.mark.parametrize("retry_class", CLASSES)
@pytest.mark.parametrize(
    "status, kind",
    [
        (199, APIStatusError),
        (301, APIStatusError),
        (304, APIStatusError),
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, APIStatusError),
        (408, APIStatusError),
        (409, ConflictError),
        (412, PreconditionFailedError),
        (418, APIStatusError),
        (422, APIStatusError),
        (429, RateLimitError),
        (500, ServerError),
        (501, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (520, ServerError),
    ],
)
def test_the_status_decides(retry_class: RetryClass, status: int, kind: type[APIStatusError]) -> None:
    found = refusal(call(CLASSES[retry_class]), status, b'{"message": "as told"}', x_request_id="req-1")
    error = found.error
    assert type(error) is kind
    assert isinstance(error, APIStatusError)
    operation = operation_of(CLASSES[retry_class])
    assert (error.status, error.operation, error.path) == (status, operation.operation_id, operation.path)
    assert (error.method, error.request_id) == (operation.http_method, "req-1")
    assert error.required_scopes == operation.scopes
    unclear = status in {408, 500, 502, 504, 520} or (status == 503 and retry_class in NEVER_BLIND)
    assert error.ambiguous is (unclear and retry_class != "SAFE")
    refused = status == 429 or (status == 503 and not unclear)
    nature = "refused" if refused else "ambiguous" if unclear else "permanent"
    assert found.failure == Failure(nature, status=status)  # type: ignore[arg-type]


def test_the_other_name_of_a_request_id() -> None:
    assert refusal(call(), 404, request_id="req-2").error.request_id == "req-2"  # type: ignore[attr-defined]
    assert refusal(call(), 404).error.request_id is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "status, told, waits",
    [(429, 7.0, 7.0), (503, 7.0, 7.0), (500, 7.0, None), (404, 7.0, None)],
)
def test_only_who_is_asked_too_much_is_waited_for(status: int, told: float, waits: float | None) -> None:
    for value in ("7", "Wed, 01 Jul 2026 10:00:07 GMT"):
        found = refusal(call(), status, retry_after=value)
        assert found.failure.retry_after == waits
        assert found.error.retry_after == told  # type: ignore[attr-defined]
    assert refusal(call(), status, retry_after="soon").failure.retry_after is None


@pytest.mark.parametrize(
    "location, named",
    [
        ("https://login.example.com/start?token=tskey-api-demo", "login.example.com"),
        ("https://user:word@login.example.com:8443/", "login.example.com"),
        ("/elsewhere?token=tskey-api-demo", "another path"),
        ("", "another path"),
        ("https://[::1", "an unreadable address"),
    ],
)
def test_a_redirect_names_the_host_alone(location: str, named: str) -> None:
    assert host_of(location) == named
    error = refusal(call(), 302, location=location).error
    assert f"redirected to {named}" in str(error)
    assert "Redirects are never followed" in str(error)
    for secret in ("tskey", "word", "start", "elsewhere"):
        assert secret not in str(error)


# --- 401 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", CLASSES.values())
def test_a_token_that_can_be_renewed_is_replayed_once(operation: str) -> None:
    made = call(operation)
    for replay in (True, False):
        with pytest.raises(AttemptFailed) as caught:
            made.judge(Reply(401, {}, b""), CLOCK, renewable=True)
        assert isinstance(caught.value.error, AuthenticationError)
        nature = "refused" if replay else "permanent"
        assert caught.value.failure == Failure(nature, status=401, replay=replay)  # type: ignore[arg-type]
        assert made.replayed


def test_a_token_that_cannot_be_renewed_is_final() -> None:
    made = call()
    assert refusal(made, 401).failure == Failure("permanent", status=401)
    assert not made.replayed


def test_nothing_but_401_is_replayed() -> None:
    made = call()
    with pytest.raises(AttemptFailed) as caught:
        made.judge(Reply(403, {}, b""), CLOCK, renewable=True)
    assert not caught.value.failure.replay
    assert not made.replayed


# --- what an earlier attempt may have done ------------------------------------------------------


@pytest.mark.parametrize("earlier", ["unclear", "turned_away"])
@pytest.mark.parametrize("operation", ["deleteDevice", "deleteKey", "deleteWebhook"])
def test_nothing_left_to_delete_is_success_after_an_unclear_attempt(operation: str, earlier: str) -> None:
    made = call(operation, **{earlier: True})
    reply = made.judge(Reply(404, {"a": "b"}, b'{"message": "no such device"}'), CLOCK)
    assert reply == Reply(404, {"a": "b"}, b"", already_absent=True)
    assert reader(None, None)(reply) is None
    assert isinstance(refusal(call(operation), 404).error, NotFoundError)
    assert isinstance(refusal(call(operation, **{earlier: True}), 403).error, PermissionDeniedError)


@pytest.mark.parametrize("earlier", ["unclear", "turned_away"])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 422])
def test_a_refusal_may_be_the_echo_of_our_own_success(status: int, earlier: str) -> None:
    for operation, echo in (("setDeviceTags", True), ("getDevice", False)):
        made = call(operation, **{earlier: True})
        failed = refusal(made, status)
        final: Any = made.final(failed, CLOCK)
        assert (failed.error.ambiguous, final.ambiguous) == (echo, echo)  # type: ignore[attr-defined]


def test_another_503_is_no_echo() -> None:
    made = call("setDeviceTags")
    for _ in range(2):
        failed = refusal(made, 503)
        made.next_step(failed, CLOCK, Pacing(RetryBudget(None), Gate()))
    final: Any = made.final(failed, CLOCK)
    assert (made.turned_away, final.ambiguous) == (True, False)


# --- reading the value --------------------------------------------------------------------------


def unreadable(made: CallContext[Any], body: bytes, status: int = 200, **headers: str) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        made.decode(Reply(status, headers, body))
    assert isinstance(caught.value.error, DecodeError)
    assert caught.value.error.__cause__ is None
    return caught.value


def test_a_value_is_read() -> None:
    read = reader(lambda data: parse_model(data, Device), None)
    assert call(read=read).decode(Reply(200, {}, b'{"nodeId": "n1"}')).node_id == "n1"
    assert call(read=reader(None, None)).decode(Reply(204, {}, b"ignored")) is None


@pytest.mark.parametrize(
    "body, path, cut",
    [
        (b"[]", "$", False),
        (b"null", "$", False),
        (b'"text"', "$", False),
        (b"<html>", "$", False),
        (b"", "$", False),
        (b'{"nodeId": "secret-word', "$", True),
        (b'{"nodeId": NaN}', "$", False),
        (b'{"nodeId": "\xff"}', "$", False),
    ],
)
def test_what_cannot_be_read_may_have_been_carried_out(body: bytes, path: str, cut: bool) -> None:
    for operation in CLASSES.values():
        made = call(operation, reader(lambda data: parse_model(data, Device), None))
        found = unreadable(made, body, 201, **{"content-type": "text/html"})
        error = found.error
        assert isinstance(error, DecodeError)
        assert (error.json_path, error.bytes_read, error.status) == (path, len(body), 201)
        assert (error.content_type, error.operation) == ("text/html", operation)
        assert "secret-word" not in str(error)
        assert found.failure == Failure("ambiguous", status=201, once=cut, repeatable=cut)


def test_a_fault_within_a_list_is_named_by_its_place() -> None:
    from tailscale_sdk._generated.types import parse_models

    made = call(read=reader(lambda data: parse_models(data, Device, "devices"), None))
    found = unreadable(made, b'{"devices": [{}, {}, 7]}')
    assert isinstance(found.error, DecodeError)
    assert found.error.json_path == "$.devices[2]"


def test_a_reader_of_ones_own_may_fail_with_any_value_error() -> None:
    found = unreadable(call(read=lambda reply: reply.body.decode()), b"\xff\xfe secret-word")
    assert "this cannot be read" in str(found.error)
    assert "secret-word" not in str(found.error)
    with pytest.raises(ZeroDivisionError):
        call(read=lambda reply: 1 / 0).decode(Reply(200, {}, b""))


# --- what the caller sees -----------------------------------------------------------------------

ENDINGS: list[tuple[TailscaleError, Failure]] = [
    (APIConnectionError("gone", phase="read"), Failure("ambiguous")),
    (APITimeoutError("late", phase="total"), Failure("ambiguous", repeatable=False)),
    (ServerError(status=500), Failure("ambiguous", status=500)),
    (DecodeError("odd"), Failure("ambiguous", status=200)),
    (ResponseTooLargeError(cap=1), Failure("ambiguous", repeatable=False)),
]


@pytest.mark.parametrize("error, failure", ENDINGS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("retry_class", CLASSES)
def test_an_unclear_write_says_so(retry_class: RetryClass, error: TailscaleError, failure: Failure) -> None:
    made = call(CLASSES[retry_class], attempts=3)
    final = made.final(AttemptFailed(error, failure), CLOCK)
    assert (final.attempts, final.elapsed) == (3, 2.5)  # type: ignore[attr-defined]
    if retry_class in NEVER_BLIND:
        assert isinstance(final, OutcomeUnknownError)
        assert (final.operation, final.recovered) == (CLASSES[retry_class], "none")
        assert final.__cause__ is error
    else:
        assert final is error
    assert final.ambiguous is (retry_class != "SAFE")  # type: ignore[attr-defined]


@pytest.mark.parametrize("retry_class", CLASSES)
@pytest.mark.parametrize("nature", ["not_sent", "refused", "permanent"])
def test_a_clear_failure_stays_what_it_is(retry_class: RetryClass, nature: Any) -> None:
    for unclear in (False, True):
        error = APIConnectionError("gone", ambiguous=not unclear)
        final = call(CLASSES[retry_class], unclear=unclear).final(
            AttemptFailed(error, Failure(nature)), CLOCK
        )
        assert final is error
        assert final.ambiguous is (unclear and retry_class != "SAFE")


def test_an_error_without_those_attributes_is_left_alone() -> None:
    error = TailscaleError("plain")
    assert call().final(AttemptFailed(error, Failure("permanent")), CLOCK) is error
    assert not hasattr(error, "attempts")


@pytest.mark.parametrize(
    "operation, advice",
    [
        ("rotateWebhookSecret", "Rotate again"),
        ("resendDeviceInvite", "Ask the invited person"),
        ("resendUserInvite", "Ask the invited person"),
        ("resendContactVerificationEmail", "mailbox"),
        ("testWebhook", "whether the test arrived"),
        ("deleteUser", "Read the state before repeating it"),
        ("acceptDeviceInvite", "Read the state before repeating it"),
        ("createWebhook", "Read the state before repeating it"),
    ],
)
def test_what_to_do_about_a_lost_answer_is_said(operation: str, advice: str) -> None:
    final = call(operation).final(AttemptFailed(*ENDINGS[0]), CLOCK)
    assert isinstance(final, OutcomeUnknownError)
    assert advice in str(final)


def test_the_mark_of_a_creation_is_named() -> None:
    final = call("createKey", nonce="abcd2345").final(AttemptFailed(*ENDINGS[0]), CLOCK)
    assert isinstance(final, OutcomeUnknownError)
    assert final.nonce == "abcd2345"
    assert "look for 'abcd2345'" in str(final)


def test_an_answer_over_the_cap_of_a_write_leaves_it_open() -> None:
    final = call("createKey").final(too_large(1024, "createKey"), CLOCK)
    assert isinstance(final, OutcomeUnknownError)
    assert isinstance(final.__cause__, ResponseTooLargeError)


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "streaming, options, deadline",
    [
        (False, {}, NOW + 60),
        (False, {"timeout": 5.0}, NOW + 5),
        (True, {}, float("inf")),
        (True, {"timeout": 5.0}, float("inf")),
        (True, {"timeout": 5.0, "timeout_chosen": True}, NOW + 5),
    ],
)
def test_when_a_call_ends(streaming: bool, options: dict[str, Any], deadline: float) -> None:
    made = CallContext(
        operation_of("getDevice"),
        WireRequest("GET", "/"),
        Target("https://api.example.com"),
        Options(**options),
        raw_reply,
        NOW,
        streaming=streaming,
    )
    assert made.deadline == deadline
    request = made.build("tskey-api-demo", CLOCK)
    assert request.headers["authorization"] == "Bearer tskey-api-demo"
    assert request.extensions["timeout"].get("read") == min(30.0, deadline - NOW - 2.5)


@pytest.mark.parametrize(
    "phase, told, words, sent",
    [
        ("auth", "auth", "waiting for an access token", False),
        ("gate", "limiter", "waiting for its turn", False),
        ("limiter", "limiter", "waiting for its turn", False),
        ("total", "total", "sent", True),
    ],
)
@pytest.mark.parametrize("operation", ["getDevice", "setDeviceTags", "createKey"])
def test_a_call_out_of_time_says_where_it_was(
    phase: str, told: str, words: str, sent: bool, operation: str
) -> None:
    made = call(operation, phase=phase, options={"timeout": 2.5})
    found = made.out_of_time()
    assert isinstance(found.error, APITimeoutError)
    assert found.error.phase == told
    assert f"not finished within 2.5 s ({words})" in str(found.error)
    assert found.failure == Failure("ambiguous" if sent else "not_sent", repeatable=False)
    final = made.final(found, CLOCK)
    assert isinstance(final, OutcomeUnknownError) is (sent and operation == "createKey")
    assert final.ambiguous is (sent and operation != "getDevice")  # type: ignore[attr-defined]


# --- interruptions ------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize(
    "operation, phase, unclear, noted",
    [
        ("createKey", "total", False, True),
        ("setDeviceTags", "total", False, True),
        ("setDeviceTags", "retry", True, True),
        ("setDeviceTags", "limiter", True, True),
        ("setDeviceTags", "retry", False, False),
        ("createKey", "auth", False, False),
        ("createKey", "gate", False, False),
        ("createKey", "limiter", False, False),
        ("getDevice", "total", True, False),
        ("validateAndTestPolicyFile", "total", False, False),
    ],
)
def test_a_write_that_may_have_been_carried_out_leaves_a_note(
    stop: BaseException, operation: str, phase: str, unclear: bool, noted: bool
) -> None:
    stop = type(stop)(*stop.args)
    call(operation, phase=phase, unclear=unclear).interrupted(stop)
    notes = getattr(stop, "__notes__", [])
    assert len(notes) == noted
    assert all(f"{operation} was under way and may have been carried out" in note for note in notes)


def test_the_note_names_the_mark_of_a_creation() -> None:
    stop = KeyboardInterrupt()
    call("createKey", nonce="abcd2345").interrupted(stop)
    assert stop.__notes__ == ["createKey was under way and may have been carried out; look for 'abcd2345'"]


# --- hooks --------------------------------------------------------------------------------------


def test_a_hook_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Any) -> None:
        raise ValueError("hook")

    made = call(options={"hooks": Hooks(on_request=fail, on_response=fail, on_retry=fail)}, attempts=0)
    made.sending(CLOCK)
    made.ended(CLOCK, 200, None)
    made.tell_retry(AttemptFailed(*ENDINGS[0]), 1.0)
    assert (made.attempts, made.phase) == (1, "total")
    assert len(caplog.records) == 3


# --- which operation a path belongs to ----------------------------------------------------------


def test_every_operation_is_found_by_its_path() -> None:
    for operation in OPERATIONS.values():
        path = operation.path.replace("{", "a-").replace("}", "-b")
        assert find_operation(operation.http_method, path) is operation
        assert find_operation(operation.http_method, f"{path}?a=/b/c") is operation


@pytest.mark.parametrize(
    "method, path, found",
    [
        ("GET", "/device/n1CNTRL", "getDevice"),
        ("POST", "/device-invites/-/accept", "acceptDeviceInvite"),
        ("POST", "/device-invites/inv1/resend", "resendDeviceInvite"),
        ("GET", "/tailnet/example.com/acl", "getPolicyFile"),
        ("GET", "/device/", "getDevice"),
        ("GET", "/device", None),
        ("GET", "/device/n1CNTRL/", None),
        ("PUT", "/device/n1CNTRL", None),
        ("HEAD", "/device/n1CNTRL", None),
        ("get", "/device/n1CNTRL", None),
        ("GET", "device/n1CNTRL", None),
        ("GET", "/tailnet/-/vip-services", None),
    ],
)
def test_other_paths(method: str, path: str, found: str | None) -> None:
    operation = find_operation(method, path)
    assert (operation.operation_id if operation is not None else None) == found


@pytest.mark.untraced
@given(st.sampled_from(["GET", "POST", "PUT", "DELETE"]), st.text("/-{}?#abcdevice", max_size=30))
def test_no_path_breaks_the_search(method: str, path: str) -> None:
    operation = find_operation(method, path)
    assert operation is None or operation.http_method == method


def test_every_class_has_a_representative() -> None:
    assert set(CLASSES) == set(get_args(RetryClass))
    assert all(operation_of(name).retry_class == known for known, name in CLASSES.items())
