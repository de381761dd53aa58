"""Devices of the embedded tailnet: fields, filters, names, tags, routes, keys, addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import Talk, named

ONLY_WITH_ALL = {
    "enabledRoutes",
    "advertisedRoutes",
    "clientConnectivity",
    "multipleConnections",
    "sshEnabled",
    "postureIdentity",
    "distro",
}
POLICY = """{
  // who may hand out which tag
  "tagOwners": {
    "tag:mine": ["grace@example.com"], "tag:team": ["group:crew"], "tag:parent": [], "tag:child": ["tag:parent"],
  },
  "groups": {"group:crew": ["frank@example.com"]},
  "nodeAttrs": [{"target": ["tag:parent"], "ipPool": ["100.81.0.0/16"]}],
}"""


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=20) as running:
        yield running


@pytest.fixture
def talk(tailnet: FakeTailnet) -> Talk:
    return Talk(tailnet)


@pytest.fixture
def web(talk: Talk) -> str:
    return str(named(talk.devices(), "web-1")["nodeId"])


def last_events(talk: Talk) -> list[dict[str, Any]]:
    events = talk.audit()
    return [event for event in events if event["eventGroupID"] == events[-1]["eventGroupID"]]


def test_fields_leave_seven_out_by_default(talk: Talk, web: str) -> None:
    short, full = talk.get(f"/device/{web}"), talk.get(f"/device/{web}?fields=all")
    assert set(full) - set(short) == ONLY_WITH_ALL
    assert talk.get(f"/device/{web}?fields=default") == short
    assert not any(ONLY_WITH_ALL & set(device) for device in talk.devices(""))
    assert talk.refused("GET", f"/device/{web}?fields=some", 400) == "fields must be default or all"


def test_devices_are_found_by_node_id_and_numeric_id(talk: Talk, web: str) -> None:
    device = talk.get(f"/device/{web}")
    assert talk.get(f"/device/{device['id']}") == device


@pytest.mark.parametrize(
    "query, expected",
    [
        ("hostname=web-1", {"web-1"}),
        ("tags=tag:server&tags=tag:web", {"web-1"}),
        ("tags=tag:router&os=linux", {"router-fra-1", "router-fra-2"}),
        ("isExternal=true", {"build-cache"}),
        ("authorized=false", {"kiosk-3"}),
        ("hostname=web", set()),
        ("nothing=such", set()),
        ("clientConnectivity=x", set()),
    ],
)
def test_filters_match_exactly_and_are_anded(talk: Talk, query: str, expected: set[str]) -> None:
    assert {device["hostname"] for device in talk.devices(query)} == expected


def test_the_name_is_changed_by_base_name_and_full_name(talk: Talk, web: str) -> None:
    domain = talk.device(web)["name"].partition(".")[2]
    for wanted, name in (("Front", "front"), (f"back.{domain}", "back"), (f"side.{domain}.", "side")):
        talk.post(f"/device/{web}/name", {"name": wanted})
        assert talk.device(web)["name"] == f"{name}.{domain}"
    talk.post(f"/device/{web}/name", {"name": ""})
    assert talk.device(web)["name"] == f"web-1.{domain}"
    assert [event["target"]["property"] for event in last_events(talk)] == ["MACHINE_NAME"]


@pytest.mark.parametrize("name", ["a b", "-a", "a-", "x" * 64, "a.b", "\u0639", "a\n"[:2] + "b"])
def test_names_that_are_no_label_are_refused(talk: Talk, web: str, name: str) -> None:
    assert "one DNS label" in talk.refused("POST", f"/device/{web}/name", 400, json={"name": name})


def test_a_taken_name_is_refused_and_a_reset_appends_a_number(talk: Talk, web: str) -> None:
    other = named(talk.devices(), "exit-ams-1")["nodeId"]
    message = talk.refused("POST", f"/device/{other}/name", 400, json={"name": "web-1"})
    assert message == "name 'web-1' is already in use in the tailnet"
    talk.tailnet.tailnet.devices[other]["hostname"] = "Web 1"
    talk.post(f"/device/{other}/name", {"name": ""})
    assert talk.device(other)["name"].startswith("web-1-1.")


def test_tagging_takes_the_device_from_its_user_and_keeps_it_from_expiring(talk: Talk) -> None:
    laptop = named(talk.devices(), "alice-laptop")
    assert "tags" not in laptop
    alice = next(u for u in talk.get("/tailnet/-/users")["users"] if u["loginName"] == "alice@example.com")
    talk.post(f"/device/{laptop['nodeId']}/tags", {"tags": ["tag:server", "tag:server"]})
    tagged = talk.device(laptop["nodeId"])
    assert (tagged["tags"], tagged["keyExpiryDisabled"]) == (["tag:server"], True)
    assert tagged["user"] != "alice@example.com"
    assert talk.get(f"/users/{alice['id']}")["deviceCount"] == alice["deviceCount"] - 1
    event = last_events(talk)[0]
    assert (event["target"]["property"], event["old"], event["new"]) == ("ACL_TAGS", [], ["tag:server"])
    talk.post(f"/device/{laptop['nodeId']}/tags", {"tags": []})
    plain = talk.device(laptop["nodeId"])
    assert "tags" not in plain
    assert plain["user"] == tagged["user"], "only authenticating again gives it back"


@pytest.mark.parametrize(
    "tags, message",
    [
        (["server"], "tags must start with 'tag:'"),
        (["tag:1"], "tag names must start with a letter, after 'tag:'"),
        (["tag:"], "tag names must start with a letter, after 'tag:'"),
        (["tag:a_b"], "tag names can only contain letters, numbers, or dashes"),
        (["tag:service"], "requested tags [tag:service] are invalid or not permitted"),
        (["tag:x", "tag:server", "tag:y"], "requested tags [tag:x tag:y] are invalid or not permitted"),
        ([5], "tags[0] must be a string"),
        ("tag:server", "tags must be a list"),
    ],
)
def test_tags_have_a_grammar_and_must_be_owned(talk: Talk, web: str, tags: Any, message: str) -> None:
    before = talk.device(web)["tags"]
    assert talk.refused("POST", f"/device/{web}/tags", 400, json={"tags": tags}) == message
    assert talk.device(web)["tags"] == before


def test_a_token_hands_out_its_own_tags_and_those_they_own(talk: Talk, web: str) -> None:
    talk.tailnet.tailnet.policy_text = POLICY
    token = talk.tailnet.add_credential(kind="tailnet", tags=["tag:parent"])
    client = Talk(talk.tailnet, token)
    for tag in ("tag:parent", "tag:child"):
        client.post(f"/device/{web}/tags", {"tags": [tag]})
    refused = client.refused("POST", f"/device/{web}/tags", 400, json={"tags": ["tag:mine"]})
    assert refused == "requested tags [tag:mine] are invalid or not permitted"


@pytest.mark.parametrize(
    "login, tag, allowed",
    [("grace", "tag:mine", True), ("frank", "tag:team", True), ("grace", "tag:team", False)],
)
def test_people_hand_out_the_tags_they_own(talk: Talk, web: str, login: str, tag: str, allowed: bool) -> None:
    state = talk.tailnet.tailnet
    state.policy_text = POLICY
    user = next(u for u in state.users.values() if u["loginName"] == f"{login}@example.com")
    key = talk.tailnet.add_credential(role="member", scopes=["devices:core"])
    granted = state.access_tokens[key]
    state.access_tokens[key] = type(granted)(granted.key_id, granted.scopes, (), granted.expires, user["id"])
    Talk(talk.tailnet, key).post(f"/device/{web}/tags", {"tags": [tag]}, expect=200 if allowed else 400)


def test_routes_are_replaced_as_a_whole(talk: Talk) -> None:
    router = named(talk.devices(), "router-fra-1")
    path = f"/device/{router['nodeId']}/routes"
    before = talk.get(path)
    assert before["enabledRoutes"] == ["10.20.0.0/16"]
    answer = talk.post(path, {"routes": ["10.99.0.0/24", "10.99.0.0/24", "::/0"]}).json()
    assert answer["enabledRoutes"] == ["10.99.0.0/24", "::/0"], "enabling before advertising is allowed"
    assert answer["advertisedRoutes"] == before["advertisedRoutes"], "advertised ones belong to the device"
    assert talk.get(path) == answer
    event = last_events(talk)[0]
    assert (event["target"]["property"], event["old"]) == ("ALLOWED_IPS", ["10.20.0.0/16"])
    assert talk.post(path, {"routes": []}).json()["enabledRoutes"] == []


@pytest.mark.parametrize("route", ["10.0.0.1/8", "10.0.0.0", "x", "fe80::%1/64", ""])
def test_routes_have_no_host_bits(talk: Talk, web: str, route: str) -> None:
    assert talk.refused("POST", f"/device/{web}/routes", 400, json={"routes": [route]}).startswith(
        "routes[0] must"
    )


def test_routes_of_an_old_client_are_null(talk: Talk) -> None:
    nas = named(talk.devices(), "nas")
    assert talk.get(f"/device/{nas['nodeId']}/routes") == {"advertisedRoutes": None, "enabledRoutes": None}


def test_authorizing(talk: Talk) -> None:
    kiosk = named(talk.devices(), "kiosk-3")["nodeId"]
    talk.post(f"/device/{kiosk}/authorized", {"authorized": True})
    assert talk.device(kiosk)["authorized"] is True
    talk.post(f"/device/{kiosk}/authorized", {"authorized": False})
    assert talk.device(kiosk)["authorized"] is False
    message = talk.refused("POST", f"/device/{kiosk}/authorized", 400, json={"authorized": 1})
    assert message == "authorized must be true or false"


def test_expiring_a_key_disconnects_the_device(talk: Talk, web: str) -> None:
    assert "lastSeen" not in talk.device(web)
    talk.post(f"/device/{web}/expire")
    expired = talk.device(web)
    now = talk.tailnet.clock.text()
    assert (expired["expires"], expired["lastSeen"], expired["connectedToControl"]) == (now, now, False)
    assert expired["keyExpiryDisabled"] is False


def test_key_expiry_keeps_its_date_while_it_is_off(talk: Talk) -> None:
    rocket = named(talk.devices(), "rocket")
    path = f"/device/{rocket['nodeId']}/key"
    talk.post(path, {"keyExpiryDisabled": True})
    talk.tailnet.advance(400 * 86400)
    assert talk.tailnet.tailnet.devices[rocket["nodeId"]]["connectedToControl"] is True
    fresh = Talk(talk.tailnet, talk.tailnet.add_credential())
    fresh.post(path, {"keyExpiryDisabled": False})
    after = fresh.device(rocket["nodeId"])
    assert after["expires"] == rocket["expires"]
    assert after["connectedToControl"] is False, "the date had passed meanwhile"


def test_the_address_is_replaced(talk: Talk, web: str) -> None:
    v6 = talk.device(web)["addresses"][1]
    talk.post(f"/device/{web}/ip", {"ipv4": "100.80.0.1"})
    assert talk.device(web)["addresses"] == ["100.80.0.1", v6]


@pytest.mark.parametrize(
    "address", ["100.128.0.1", "100.64.0.0", "100.100.100.100", "100.115.92.7", "192.0.2.1"]
)
def test_addresses_outside_the_range_are_refused(talk: Talk, web: str, address: str) -> None:
    message = talk.refused("POST", f"/device/{web}/ip", 400, json={"ipv4": address})
    assert message == "ipv4 must be an unreserved address in 100.64.0.0/10"


def test_addresses_are_unique_and_in_the_pool(talk: Talk, web: str) -> None:
    taken = named(talk.devices(), "exit-ams-1")["addresses"][0]
    assert "already in use" in talk.refused("POST", f"/device/{web}/ip", 400, json={"ipv4": taken})
    assert "IPv4 address" in talk.refused("POST", f"/device/{web}/ip", 400, json={"ipv4": "x"})
    talk.tailnet.tailnet.policy_text = POLICY
    talk.post(f"/device/{web}/tags", {"tags": ["tag:parent"]})
    message = talk.refused("POST", f"/device/{web}/ip", 400, json={"ipv4": "100.80.0.1"})
    assert message == "ipv4 must be in the IP pool of the device: 100.81.0.0/16"
    talk.post(f"/device/{web}/ip", {"ipv4": "100.81.3.4"})


def test_deleting_a_device(talk: Talk, web: str) -> None:
    answer = talk.request("DELETE", f"/device/{web}")
    assert answer.content in (b"", b"{}")
    assert "no device" in talk.refused("DELETE", f"/device/{web}", 404)
    assert web not in {device["nodeId"] for device in talk.devices()}
    assert last_events(talk)[0]["action"] == "DELETE"
    assert [entry.operation for entry in talk.tailnet.ledger.entries] == ["deleteDevice"]


@pytest.mark.parametrize(
    "method, action, body",
    [
        ("DELETE", "", None),
        ("POST", "/expire", None),
        ("POST", "/name", {"name": "x"}),
        ("POST", "/tags", {"tags": ["tag:server"]}),
        ("POST", "/routes", {"routes": []}),
        ("POST", "/authorized", {"authorized": True}),
        ("POST", "/attributes/custom:x", {"value": 1}),
    ],
)
def test_a_shared_in_device_is_not_ours_to_change(talk: Talk, method: str, action: str, body: Any) -> None:
    shared = named(talk.devices(), "build-cache")["nodeId"]
    before = talk.device(shared)
    talk.refused(method, f"/device/{shared}{action}", 501, **({} if body is None else {"json": body}))
    assert talk.device(shared) == before
    assert len(talk.tailnet.ledger) == 0


def test_every_write_is_in_the_ledger_with_its_body(talk: Talk, web: str) -> None:
    talk.post(f"/device/{web}/name", {"name": "front"})
    talk.refused("POST", f"/device/{web}/name", 400, json={"name": "no label"})
    (entry,) = talk.tailnet.ledger.of("setDeviceName")
    assert (entry.method, entry.path, entry.body) == ("POST", f"/device/{web}/name", {"name": "front"})
    assert (entry.caller, entry.time, len(entry.body_sha256)) == (
        "alice@example.com",
        talk.tailnet.clock.text(),
        64,
    )


def test_the_audit_entry_says_who_did_what(talk: Talk, web: str) -> None:
    old = talk.device(web)["name"]
    talk.post(f"/device/{web}/name", {"name": "front"})
    (event,) = last_events(talk)
    assert event["actor"]["type"] == "USER"
    assert event["actor"]["loginName"] == "alice@example.com"
    assert event["target"] | {} == {
        "id": web,
        "name": talk.device(web)["name"],
        "type": "NODE",
        "isEphemeral": False,
        "property": "MACHINE_NAME",
    }
    assert (event["action"], event["origin"], event["old"]) == ("UPDATE", "CONFIG_API", old)
    assert event["type"] == "CONFIG"
    assert event["eventTime"] == talk.tailnet.clock.text()


def test_a_filter_value_may_be_anything(talk: Talk) -> None:
    hostname = named(talk.devices(), "heidi-pc")["hostname"]
    assert "\x1b" in hostname
    assert [d["hostname"] for d in talk.devices(f"hostname={quote(hostname)}")] == [hostname]
