"""Posture attributes of the embedded tailnet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import Talk, named


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=17) as running:
        yield running


@pytest.fixture
def talk(tailnet: FakeTailnet) -> Talk:
    return Talk(tailnet)


@pytest.fixture
def web(talk: Talk) -> str:
    return str(named(talk.devices(), "web-1")["nodeId"])


@pytest.fixture
def rocket(talk: Talk) -> str:
    return str(named(talk.devices(), "rocket")["nodeId"])


def attributes(talk: Talk, device: str) -> dict[str, Any]:
    found: dict[str, Any] = talk.get(f"/device/{device}/attributes")["attributes"]
    return found


@pytest.mark.parametrize("value", ["a.b_C9", "", True, False, 0, -7, 2**53 - 1, "x" * 50])
def test_values_are_text_truth_and_safe_integers(talk: Talk, web: str, value: Any) -> None:
    answer = talk.post(f"/device/{web}/attributes/custom:mine", {"value": value}).json()
    assert answer["attributes"]["custom:mine"] == value
    assert attributes(talk, web)["custom:mine"] == value


@pytest.mark.parametrize(
    "value", ["x" * 51, "a b", "a-b", "\u00e9", 1.5, 2**53, -(2**53), [], {}, 1e400, None]
)
def test_other_values_are_refused(talk: Talk, web: str, value: Any) -> None:
    body = '{"value": 1e400}' if value == float("inf") else None
    options: dict[str, Any] = {"json": {"value": value}} if body is None else {"content": body}
    talk.refused("POST", f"/device/{web}/attributes/custom:mine", 400, **options)
    assert "custom:mine" not in attributes(talk, web)


def test_the_value_must_be_there(talk: Talk, web: str) -> None:
    assert "value is missing" in talk.refused("POST", f"/device/{web}/attributes/custom:mine", 400, json={})


@pytest.mark.parametrize("key", ["node:os", "os", "intune:x", "Custom:x"])
def test_other_namespaces_are_read_only(talk: Talk, web: str, key: str) -> None:
    message = "only attributes in the custom: namespace can be changed"
    assert talk.refused("POST", f"/device/{web}/attributes/{key}", 400, json={"value": 1}) == message
    assert talk.refused("DELETE", f"/device/{web}/attributes/{key}", 400) == message
    assert attributes(talk, web)["node:os"] == "linux"


@pytest.mark.parametrize("key", ["custom:", "custom:a-b", "custom:a:b", "custom:a%20b", "custom:\u00e9"])
def test_keys_have_a_grammar(talk: Talk, web: str, key: str) -> None:
    message = talk.refused("POST", f"/device/{web}/attributes/{key}", 400, json={"value": 1})
    assert message.startswith("attribute keys can only contain")


def test_keys_have_at_most_128_characters_with_their_namespace(talk: Talk, web: str) -> None:
    talk.post(f"/device/{web}/attributes/custom:{'a' * 121}", {"value": 1})
    message = talk.refused("POST", f"/device/{web}/attributes/custom:{'b' * 122}", 400, json={"value": 1})
    assert message == "attribute keys must have at most 128 characters with their namespace"


def test_all_values_of_a_key_have_one_type(talk: Talk, web: str, rocket: str) -> None:
    talk.post(f"/device/{web}/attributes/custom:level", {"value": 1})
    for value in ("1", True):
        message = talk.refused(
            "POST", f"/device/{rocket}/attributes/custom:level", 400, json={"value": value}
        )
        assert message == "attribute custom:level already has values of another type"
    talk.post(f"/device/{rocket}/attributes/custom:level", {"value": 2})


def test_keys_are_unique_without_regard_to_case(talk: Talk, web: str, rocket: str) -> None:
    talk.post(f"/device/{web}/attributes/custom:level", {"value": 1})
    message = talk.refused("POST", f"/device/{rocket}/attributes/custom:Level", 400, json={"value": 1})
    assert (
        message
        == "attribute custom:Level differs from the existing custom:level only in upper and lower case"
    )


def test_an_expiry_removes_the_attribute_a_few_minutes_later(talk: Talk, web: str) -> None:
    expiry = talk.tailnet.clock.text(plus_seconds=60)
    answer = talk.post(f"/device/{web}/attributes/custom:short", {"value": 1, "expiry": expiry}).json()
    assert answer["expiries"]["custom:short"] == expiry
    talk.tailnet.advance(61)
    assert "custom:short" in attributes(talk, web), "not at once"
    talk.tailnet.advance(180)
    found = talk.get(f"/device/{web}/attributes")
    assert "custom:short" not in found["attributes"]
    assert "custom:short" not in found.get("expiries", {})


def test_setting_again_without_expiry_keeps_it_for_good(talk: Talk, web: str) -> None:
    expiry = talk.tailnet.clock.text(plus_seconds=60)
    talk.post(f"/device/{web}/attributes/custom:short", {"value": 1, "expiry": expiry})
    talk.post(f"/device/{web}/attributes/custom:short", {"value": 2})
    talk.tailnet.advance(3600)
    assert attributes(talk, web)["custom:short"] == 2


@pytest.mark.parametrize(
    "expiry", ["2020-01-01T00:00:00Z", "tomorrow", "2027-01-01", "2027-01-01T00:00:00", 5]
)
def test_bad_expiries_are_refused(talk: Talk, web: str, expiry: Any) -> None:
    body = {"value": 1, "expiry": expiry}
    assert talk.refused("POST", f"/device/{web}/attributes/custom:x", 400, json=body).startswith(
        "expiry must be"
    )


def test_the_comment_goes_to_the_audit_log(talk: Talk, web: str) -> None:
    talk.post(f"/device/{web}/attributes/custom:x", {"value": 1, "comment": "after the incident"})
    event = talk.audit()[-1]
    assert (event["actionDetails"], event["new"], event["old"]) == ("after the incident", {"custom:x": 1}, {})
    assert event["target"]["property"] == "ATTRIBUTES"
    body = {"value": 1, "comment": "x" * 201}
    message = talk.refused("POST", f"/device/{web}/attributes/custom:x", 400, json=body)
    assert message == "comment must have at most 200 characters"


def test_deleting(talk: Talk, web: str) -> None:
    talk.post(f"/device/{web}/attributes/custom:x", {"value": 1})
    talk.request("DELETE", f"/device/{web}/attributes/custom:x")
    assert "custom:x" not in attributes(talk, web)
    assert (
        talk.refused("DELETE", f"/device/{web}/attributes/custom:x", 404)
        == "the device has no attribute custom:x"
    )


def test_a_batch_merges_into_several_devices(talk: Talk, web: str, rocket: str) -> None:
    talk.post(f"/device/{web}/attributes/custom:gone", {"value": 1})
    expiry = talk.tailnet.clock.text(plus_seconds=600)
    nodes = {
        web: {"custom:gone": None, "custom:flag": {"value": True}},
        rocket: {"custom:flag": {"value": False, "expiry": expiry}, "custom:never": None},
    }
    talk.request("PATCH", "/tailnet/-/device-attributes", json={"nodes": nodes, "comment": "batch"})
    assert attributes(talk, web)["custom:flag"] is True
    assert "custom:gone" not in attributes(talk, web)
    assert talk.get(f"/device/{rocket}/attributes")["expiries"]["custom:flag"] == expiry
    events = talk.audit()[-2:]
    assert {event["target"]["id"] for event in events} == {web, rocket}
    assert len({event["eventGroupID"] for event in events}) == 1, "one call, one group"
    assert len(talk.tailnet.ledger.of("batchUpdateCustomDevicePostureAttributes")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"node:os": {"value": "x"}},
        {"custom:y": {"value": 1.5}},
        {"custom:y": {}},
        {"custom:y": 5},
        {"custom:ok": {"value": 1}, "custom:OK": {"value": 1}},
        {"custom:y": {"value": 1, "expiry": "x"}},
    ],
)
def test_a_batch_is_done_wholly_or_not_at_all(
    talk: Talk, web: str, rocket: str, changes: dict[str, Any]
) -> None:
    before = attributes(talk, web)
    nodes = {web: {"custom:first": {"value": 1}}, rocket: changes}
    talk.refused("PATCH", "/tailnet/-/device-attributes", 400, json={"nodes": nodes})
    assert attributes(talk, web) == before
    assert len(talk.tailnet.ledger) == 0


def test_a_batch_names_devices_that_are_there_and_ours(talk: Talk) -> None:
    shared = named(talk.devices(), "build-cache")["nodeId"]
    for device, status in (("nNOBODYCNTRL", 404), (shared, 501)):
        body = {"nodes": {device: {"custom:x": {"value": 1}}}}
        talk.refused("PATCH", "/tailnet/-/device-attributes", status, json=body)
    assert "nodes" in talk.refused("PATCH", "/tailnet/-/device-attributes", 400, json={})


def test_setting_the_same_value_again_answers_null_but_not_on_a_plain_tailnet(web: str, talk: Talk) -> None:
    path, body = f"/device/{web}/attributes/custom:mine", {"value": "a"}
    assert talk.post(path, body).json()["attributes"]["custom:mine"] == "a"
    answer = httpx.post(
        f"{talk.tailnet.base_url}/api/v2{path}", json=body, headers={"Authorization": f"Bearer {talk.token}"}
    )
    assert (answer.status_code, answer.content) == (200, b"null")
    talk.tailnet.tailnet.plain = True
    assert talk.post(path, body).json()["attributes"]["custom:mine"] == "a"
