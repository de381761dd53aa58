"""Webhook deliveries: who signed them, how old they are, and what is in them."""

from __future__ import annotations

import json
import logging
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tailscale_sdk.errors import ConfigurationError, WebhookError
from tailscale_sdk.webhooks import Deliveries, Event, sign, verify

SECRET = "tskey-webhook-demo1"
NOW = 1_790_000_000
EVENT = {
    "timestamp": "2026-06-02T10:00:01.123456789Z",
    "version": 1,
    "type": "userRoleUpdated",
    "tailnet": "example.com",
    "message": "Role of ana@example.com changed",
    "data": {"user": "ana@example.com", "oldRoles": ["Member"], "newRoles": ["Admin", "IT admin"]},
}
BODY = json.dumps([EVENT]).encode()


def reason(body: bytes, header: str | None, secret: str = SECRET, **options: object) -> str:
    with pytest.raises(WebhookError) as caught:
        verify(body, header, secret, **{"now": NOW, **options})  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    return caught.value.reason


def test_a_signature_is_the_documented_construction() -> None:
    # printf '%s' '1790000000.[]' | openssl dgst -sha256 -hmac tskey-webhook-demo1
    expected = "t=1790000000,v1=eaa4f4665b5b369d642ea637882e2c977133b3cf37705c6b67fb2bf624c0f7ce"
    assert sign(b"[]", SECRET, NOW) == expected
    assert verify(b"[]", expected, SECRET, now=NOW) == []


def test_events_are_read_with_lists_in_their_data() -> None:
    (event,) = verify(BODY, sign(BODY, SECRET, NOW), SECRET, now=NOW)
    assert isinstance(event, Event)
    assert event.timestamp == datetime(2026, 6, 2, 10, 0, 1, 123456, tzinfo=UTC)
    assert (event.type, event.version, event.tailnet) == ("userRoleUpdated", 1, "example.com")
    assert event.data is not None
    assert event.data["newRoles"] == ["Admin", "IT admin"]
    assert event.to_dict() == EVENT


@pytest.mark.parametrize("element", [{"type": "policyUpdate"}, {"type": "policyUpdate", "data": None}])
def test_data_may_be_absent_or_null(element: dict[str, object]) -> None:
    body = json.dumps([element]).encode()
    (event,) = verify(body, sign(body, SECRET, NOW), SECRET, now=NOW)
    assert (event.type, event.data, event.timestamp) == ("policyUpdate", None, None)
    assert event.to_dict() == element


def test_unknown_types_versions_and_fields_are_delivered() -> None:
    element = {"type": "someday", "version": 99, "extra": {"deep": [True]}, "data": {"a": {"b": 1}}}
    body = json.dumps([element]).encode()
    (event,) = verify(body, sign(body, SECRET, NOW), SECRET, now=NOW)
    assert (event.type, event.version) == ("someday", 99)
    assert event.additional_properties == {"extra": {"deep": [True]}}
    assert pickle.loads(pickle.dumps(event)).to_dict() == element


def test_one_bad_event_does_not_lose_the_others(caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps([EVENT, 5, None, {"type": 7, "data": "text", "timestamp": ""}, EVENT]).encode()
    with caplog.at_level(logging.WARNING, logger="tailscale_sdk"):
        first, odd, last = verify(body, sign(body, SECRET, NOW), SECRET, now=NOW)
    assert first.type == last.type == "userRoleUpdated"
    assert (odd.type, odd.data, odd.timestamp) == (None, None, None)
    assert odd.to_dict() == {"type": 7, "data": "text", "timestamp": ""}
    assert "2 elements" in caplog.text


@pytest.mark.parametrize(
    ("age", "fresh"),
    [(0, True), (299, True), (300, True), (301, False), (-299, True), (-300, True), (-301, False)],
)
def test_the_tolerance_holds_in_both_directions(age: int, fresh: bool) -> None:
    header = sign(BODY, SECRET, NOW)
    if fresh:
        assert len(verify(BODY, header, SECRET, now=NOW + age)) == 1
    else:
        assert reason(BODY, header, now=NOW + age) == "expired"
    assert len(verify(BODY, header, SECRET, now=NOW + age, tolerance_seconds=None)) == 1


def test_a_tolerance_of_its_own() -> None:
    header = sign(BODY, SECRET, NOW)
    assert reason(BODY, header, now=NOW + 2, tolerance_seconds=1) == "expired"
    assert len(verify(BODY, header, SECRET, now=NOW + 900, tolerance_seconds=1000)) == 1


def test_the_epoch_is_a_valid_time() -> None:
    assert len(verify(BODY, sign(BODY, SECRET, 0), SECRET, now=0)) == 1


def test_now_may_be_a_time_with_a_zone() -> None:
    header = sign(BODY, SECRET, NOW)
    assert len(verify(BODY, header, SECRET, now=datetime.fromtimestamp(NOW, UTC))) == 1
    with pytest.raises(ValueError, match="time zone"):
        verify(BODY, header, SECRET, now=datetime(2026, 6, 2))


def test_the_clock_decides_when_now_is_left_out() -> None:
    with pytest.raises(WebhookError) as caught:
        verify(BODY, sign(BODY, SECRET, 1), SECRET)
    assert caught.value.reason == "expired"


VALID = sign(BODY, SECRET, NOW).partition("v1=")[2]


@pytest.mark.parametrize(
    "header",
    [
        f"t={NOW},v1={'0' * 64},v1={VALID}",
        f"t={NOW},v1={VALID},v1={'0' * 64}",
        f"t={NOW},v0=abc,v1={VALID},v2=",
        f"v1={VALID},t={NOW}",
        f"t={NOW}, v1={VALID}",
        f"t={NOW},v1=ä,v1={VALID}",
    ],
)
def test_any_v1_may_match_and_unknown_keys_are_ignored(header: str) -> None:
    assert len(verify(BODY, header, SECRET, now=NOW)) == 1


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"t={NOW}",
        f"v1={VALID}",
        f"t={NOW},v1",
        f"t={NOW},v1={VALID},",
        f"t=abc,v1={VALID}",
        f"t=,v1={VALID}",
        f"t={NOW}.0,v1={VALID}",
        f"t=+{NOW},v1={VALID}",
        f"t=١٧٩,v1={VALID}",
        f"t={'9' * 5000},v1={VALID}",
        f"t={NOW},t={NOW},v1={VALID}",
        f"t={NOW}," + ",".join([f"v1={'0' * 64}"] * 200_000),
    ],
)
def test_what_is_no_signature(header: str | None) -> None:
    assert reason(BODY, header) == "not_signed"


@pytest.mark.parametrize(
    ("body", "header", "secret"),
    [
        (BODY + b" ", f"t={NOW},v1={VALID}", SECRET),
        (json.dumps([EVENT], separators=(",", ":")).encode(), f"t={NOW},v1={VALID}", SECRET),
        (BODY, f"t={NOW},v1={VALID}", "tskey-webhook-demo2"),
        (BODY, f"t={NOW + 1},v1={VALID}", SECRET),
        (BODY, f"t={NOW},v1={VALID[:-1]}", SECRET),
        (BODY, f"t={NOW},v0={VALID},v1=", SECRET),
    ],
)
def test_what_does_not_match(body: bytes, header: str, secret: str) -> None:
    assert reason(body, header, secret) == "mismatch"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_a_signed_body_without_events_is_another_kind_of_error(body: bytes) -> None:
    assert reason(body, sign(body, SECRET, NOW)) == "malformed"


def test_the_signature_is_checked_before_the_body_is_read() -> None:
    assert reason(b"{", f"t={NOW},v1={VALID}") == "mismatch"


def test_both_secrets_are_accepted_during_a_rotation() -> None:
    secrets = ["tskey-webhook-demo2", SECRET]
    assert len(verify(BODY, sign(BODY, SECRET, NOW), secrets, now=NOW)) == 1
    assert len(verify(BODY, sign(BODY, secrets[0], NOW), secrets, now=NOW)) == 1


@pytest.mark.parametrize("secret", ["", [], [SECRET, ""]])
def test_a_missing_secret_is_refused(secret: str | list[str]) -> None:
    with pytest.raises(ConfigurationError, match="secret is missing"):
        verify(BODY, f"t={NOW},v1={VALID}", secret, now=NOW)


@pytest.mark.parametrize("tolerance", [-1, float("nan"), True, "300"])
def test_a_tolerance_out_of_range_is_named(tolerance: float) -> None:
    with pytest.raises(ConfigurationError, match="tolerance_seconds"):
        verify(BODY, f"t={NOW},v1={VALID}", SECRET, now=NOW, tolerance_seconds=tolerance)


def test_a_parsed_body_is_refused() -> None:
    with pytest.raises(TypeError, match="raw bytes"):
        verify([EVENT], f"t={NOW},v1={VALID}", SECRET)  # type: ignore[arg-type]


def test_a_repeat_is_recognised_also_with_invented_signatures_beside_it() -> None:
    deliveries = Deliveries()
    first, second = sign(BODY, SECRET, NOW), sign(BODY, SECRET, NOW + 1)
    assert not deliveries.is_repeat(first)
    assert not deliveries.is_repeat(second)
    assert deliveries.is_repeat(first)
    assert deliveries.is_repeat(f"t={NOW},v1={'0' * 64},v1={VALID}")


def test_remembering_is_bounded() -> None:
    deliveries = Deliveries(capacity=2)
    headers = [sign(BODY, SECRET, NOW + step) for step in range(3)]
    assert [deliveries.is_repeat(header) for header in headers] == [False] * 3
    assert deliveries.is_repeat(headers[2])
    assert not deliveries.is_repeat(headers[0])
    with pytest.raises(ConfigurationError, match="capacity"):
        Deliveries(capacity=0)


def test_reference_signatures(reference_data: Path) -> None:
    vectors = json.loads((reference_data / "webhooks" / "signature_vectors.json").read_text("utf-8"))
    accepted = {}
    for vector in vectors:
        try:
            verify(vector["body"].encode(), vector["header"], vector["secret"], now=vector["now"])
            accepted[vector["name"]] = True
        except WebhookError as error:
            # A good signature over something that is no event is a decoding failure.
            accepted[vector["name"]] = error.reason == "malformed"
    assert accepted == {vector["name"]: vector["valid"] for vector in vectors}
    assert len(vectors) >= 15


def test_reference_payloads(reference_data: Path) -> None:
    payloads = json.loads((reference_data / "webhooks" / "payloads.json").read_text("utf-8"))
    assert len(payloads) >= 6
    for payload in payloads:
        body = json.dumps(payload["body"]).encode()
        events = verify(body, sign(body, SECRET, NOW), SECRET, now=NOW)
        assert [event.to_dict() for event in events] == payload["body"]
        assert [event.type for event in events] == [element["type"] for element in payload["body"]]
