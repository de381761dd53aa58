"""A snapshot file becomes the state, and the state becomes a snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import Talk, named

DEVICE = {
    "nodeId": "nAAAACNTRL",
    "id": "12",
    "name": "a.tail.example.com",
    "hostname": "a",
    "addresses": ["100.64.0.9"],
}


def test_the_state_survives_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tailnet.json"
    with FakeTailnet(devices=30, seed=5) as first:
        Talk(first).post("/tailnet/-/dns/searchpaths", {"searchPaths": ["corp.example.com"]})
        before = first.snapshot()
        file.write_bytes(orjson.dumps(before))
        listed = Talk(first).request("GET", "/tailnet/-/devices?fields=all").content
    with FakeTailnet(snapshot=file, seed=9) as second:
        assert second.snapshot() == before
        assert Talk(second).request("GET", "/tailnet/-/devices?fields=all").content == listed
        assert Talk(second).get("/tailnet/-/dns/searchpaths") == {"searchPaths": ["corp.example.com"]}


def test_a_snapshot_holds_no_secret() -> None:
    with FakeTailnet() as tailnet:
        talk = Talk(tailnet)
        made = talk.post("/tailnet/-/keys", {"capabilities": {"devices": {"create": {}}}}).json()
        assert made["key"].startswith("tskey-auth-")
        talk.post("/tailnet/-/user-invites", [{"email": "new@example.com"}])
        text = orjson.dumps(tailnet.snapshot()).decode()
    assert "tskey-" not in text
    assert "uinv/" not in text
    assert made["id"] in text


def test_a_snapshot_is_a_copy() -> None:
    with FakeTailnet(devices=3) as tailnet:
        tailnet.snapshot()["devices"][0]["addresses"].clear()
        assert Talk(tailnet).devices()[0]["addresses"]


def test_the_smallest_snapshot_works() -> None:
    with FakeTailnet(snapshot={"devices": []}) as tailnet:
        talk = Talk(tailnet)
        assert talk.devices() == []
        assert [u["role"] for u in talk.get("/tailnet/-/users")["users"]] == ["owner"]
        for path in ("keys?all=true", "webhooks", "services", "settings", "contacts", "dns/nameservers"):
            talk.get(f"/tailnet/-/{path}")


def test_a_value_that_exports_itself_is_taken() -> None:
    class Taken:
        def to_dict(self) -> dict[str, Any]:
            return {"devices": [DEVICE]}

    with FakeTailnet(snapshot=Taken()) as tailnet:
        assert [device["name"] for device in Talk(tailnet).devices()] == [DEVICE["name"]]


def test_a_device_without_node_id_gets_its_id() -> None:
    device = {key: value for key, value in DEVICE.items() if key != "nodeId"}
    with FakeTailnet(snapshot={"devices": [device]}) as tailnet:
        assert Talk(tailnet).get("/device/12")["nodeId"] == "12"
        Talk(tailnet).post("/device/12/name", {"name": "renamed"})
        assert named(Talk(tailnet).devices(), "renamed")["id"] == "12"


def test_unknown_keys_and_fields_are_kept() -> None:
    content = {"devices": [{**DEVICE, "later": {"x": 1}}], "future": [1], "tailnet": "corp.example.com"}
    with FakeTailnet(snapshot=content) as tailnet:
        found = tailnet.snapshot()
        assert found["future"] == [1]
        assert found["devices"][0]["later"] == {"x": 1}
        Talk(tailnet).get("/tailnet/corp.example.com/users")
    assert content["devices"] == [{**DEVICE, "later": {"x": 1}}], "what was passed in stays untouched"


def test_new_ids_never_repeat_those_of_the_file() -> None:
    with FakeTailnet(devices=10, seed=4) as first:
        content = first.snapshot()
    with FakeTailnet(snapshot=content, seed=4) as second:
        made = Talk(second).post("/tailnet/-/keys", {"capabilities": {"devices": {"create": {}}}}).json()
        assert made["id"] not in {key["id"] for key in content["keys"]}


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "devices: is missing; a snapshot needs the list of devices"),
        ({"devices": {}}, "devices: must be a list, found an object"),
        ({"devices": [5]}, "devices[0]: must be an object, found a number"),
        ({"devices": [DEVICE, {"name": "x"}]}, "devices[1].nodeId: must be a string, found null"),
        ({"devices": [DEVICE, DEVICE]}, "devices[1].nodeId: nAAAACNTRL is there twice"),
        ({"devices": [{**DEVICE, "tags": "tag:x"}]}, "devices[0].tags: must be a list, found a string"),
        (
            {"devices": [{**DEVICE, "authorized": 1}]},
            "devices[0].authorized: must be true or false, found a number",
        ),
        ({"devices": [], "users": [{"id": 5}]}, "users[0].id: must be a string, found a number"),
        ({"devices": [], "users": {}}, "users: must be a list, found an object"),
        ({"devices": [], "policy": 5}, "policy: must be a string, found a number"),
        ({"devices": [], "dns": {"nameservers": "x"}}, "dns.nameservers: must be a list, found a string"),
        ({"devices": [], "settings": [1]}, "settings: must be an object, found a list"),
    ],
)
def test_errors_name_the_path_of_the_bad_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FakeTailnet(snapshot=content)
    assert str(caught.value) == message


def test_a_file_that_is_no_snapshot_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "tailnet.json"
    for text, words in (("{", "line 1"), ("[]", "must be an object")):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=words) as caught:
            FakeTailnet(snapshot=file)
        assert str(file) in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        FakeTailnet(snapshot=tmp_path / "missing.json")


def test_the_real_device_bodies_are_served(reference_data: Path) -> None:
    bodies = sorted((reference_data / "api-bodies").glob("listTailnetDevices__*.json"))
    assert bodies
    for body in bodies:
        devices = json.loads(body.read_text())["devices"]
        with FakeTailnet(snapshot={"devices": devices}) as tailnet:
            listed = Talk(tailnet).devices()
            assert len(listed) == len(devices), body.name
            for ours, theirs in zip(listed, devices, strict=True):
                assert {name: ours[name] for name in theirs} == theirs, body.name
