"""Only described paths exist, and what is not understood gets a JSON error."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tailscale_sdk import OPERATIONS
from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.exchange import HANDLERS, handles
from tests.contract.talk import Talk, named


@pytest.fixture(scope="module")
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=20) as running:
        yield running


@pytest.fixture
def talk(tailnet: FakeTailnet) -> Talk:
    return Talk(tailnet)


def test_every_operation_has_a_handler(tailnet: FakeTailnet) -> None:
    assert set(HANDLERS) == set(OPERATIONS)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/tailnet/-/devices/",
        "/tailnet//devices",
        "/device",
        "/tailnet/-/devices/x/y",
        "/%0A",
    ],
)
def test_unknown_paths_are_404(talk: Talk, path: str) -> None:
    assert "no such path" in talk.refused("GET", path, 404)


def test_paths_outside_the_api_are_404(tailnet: FakeTailnet) -> None:
    for path in ("/", "/api", "/api/v2", "/api/v3/tailnet/-/devices"):
        answer = httpx.get(tailnet.base_url + path)
        assert answer.status_code == 404
        assert answer.json()["message"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_wrong_methods_are_405_and_name_the_right_ones(talk: Talk, method: str) -> None:
    answer = talk.request(method, "/tailnet/-/dns/nameservers", expect=405)
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["message"] == f"method {method} is not allowed here"


def test_the_tailnet_is_named_by_dash_id_or_name(talk: Talk, tailnet: FakeTailnet) -> None:
    counts = {
        len(talk.get(f"/tailnet/{name}/users")["users"])
        for name in ("-", tailnet.tailnet.id, tailnet.tailnet.name, quote(tailnet.tailnet.name, safe=""))
    }
    assert len(counts) == 1
    assert "tailnet not found" in talk.refused("GET", "/tailnet/other.example.com/users", 404)


def test_services_have_their_older_path_too(talk: Talk) -> None:
    assert talk.get("/tailnet/-/services") == talk.get("/tailnet/-/vip-services")


def test_segments_are_percent_decoded(talk: Talk) -> None:
    node_id = named(talk.devices(), "web-1")["nodeId"]
    encoded = "".join(f"%{byte:02x}" for byte in node_id.encode())
    assert talk.get(f"/device/{encoded}")["nodeId"] == node_id


@pytest.mark.parametrize(
    "segment", ["a%2Fb", "%2e%2e", "%23", "%3F", "%00", "%E2%80%AE", "%0A", "%20", "x" * 3000]
)
def test_odd_segments_are_just_unknown_devices(talk: Talk, segment: str) -> None:
    assert "no device" in talk.refused("GET", f"/device/{segment}", 404)


def test_a_segment_that_is_not_utf_8_is_no_path(talk: Talk) -> None:
    assert "no such path" in talk.refused("GET", "/device/%ff", 404)


def test_a_fixed_segment_wins_over_a_parameter(talk: Talk) -> None:
    assert "invite" in talk.refused("POST", "/device-invites/-/accept", 400, json={"invite": "x"})


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"name": "\\ud800"}', b"[1,]", b"nul"])
def test_bodies_that_are_no_json_are_400(talk: Talk, body: bytes) -> None:
    node_id = named(talk.devices(), "web-1")["nodeId"]
    headers = {"Content-Type": "application/json"}
    message = talk.refused("POST", f"/device/{node_id}/name", 400, content=body, headers=headers)
    assert message.startswith("the body is not JSON")


def test_an_empty_body_has_the_text_of_the_service(talk: Talk) -> None:
    node_id = named(talk.devices(), "web-1")["nodeId"]
    assert talk.refused("POST", f"/device/{node_id}/tags", 400) == "unexpected end of JSON input"


@pytest.mark.parametrize(
    "body, message",
    [
        ([], "the body must be an object"),
        ({}, "name is missing: it must be a string"),
        ({"name": None}, "name is missing: it must be a string"),
        ({"name": 5}, "name must be a string"),
    ],
)
def test_fields_are_checked_by_kind(talk: Talk, body: object, message: str) -> None:
    node_id = named(talk.devices(), "web-1")["nodeId"]
    assert talk.refused("POST", f"/device/{node_id}/name", 400, json=body) == message


def test_a_huge_body_is_413_before_it_is_read(tailnet: FakeTailnet) -> None:
    head = "POST /api/v2/tailnet/-/acl HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n"
    with socket.create_connection(
        ("127.0.0.1", httpx.URL(tailnet.base_url).port or 0), timeout=10
    ) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_no_answer_names_the_server_software(talk: Talk) -> None:
    headers = talk.request("GET", "/tailnet/-/users").headers
    assert "server" not in headers
    assert headers["content-type"] == "application/json"


def test_too_many_query_parameters_are_400(talk: Talk) -> None:
    query = "&".join(f"a{number}=1" for number in range(201))
    assert talk.refused("GET", f"/tailnet/-/devices?{query}", 400) == "the query has too many parameters"


def test_a_fault_of_our_own_is_a_json_500(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(call: object) -> None:
        raise LookupError("broken on purpose")

    monkeypatch.setitem(HANDLERS, "listUsers", broken)
    answer = httpx.get(
        f"{talk.tailnet.base_url}/api/v2/tailnet/-/users", headers={"Authorization": f"Bearer {talk.token}"}
    )
    assert (answer.status_code, answer.json()) == (500, {"message": "internal server error"})


def test_an_operation_has_one_handler() -> None:
    with pytest.raises(ValueError, match="listUsers has a handler already"):
        handles("listUsers")(lambda call: None)
