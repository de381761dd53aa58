"""Webhooks of the embedded tailnet: secrets told once, deliveries really signed and really sent."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from tailscale_sdk.errors import WebhookError
from tailscale_sdk.testing.delivery import build_event, prepare_delivery
from tailscale_sdk.webhooks import HEADER, verify
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs

HOOKS = "/tailnet/-/webhooks"


class Receiver:
    """Receive deliveries on loopback."""

    def __init__(self, status: int = 200) -> None:
        self.seen: Queue[tuple[str, dict[str, str], bytes]] = Queue()
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.put((self.path, dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Stay quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Receiver:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def next(self) -> tuple[str, dict[str, str], bytes]:
        return self.seen.get(timeout=10)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def make(ask: Ask, address: str, **fields: Any) -> dict[str, Any]:
    body = {"endpointUrl": address, "subscriptions": ["nodeCreated"], **fields}
    made: dict[str, Any] = ask.ok("POST", HOOKS, json=body)
    return made


def test_the_secret_is_told_by_creation_and_rotation_only(ask: Ask) -> None:
    made = make(ask, "https://hooks.example.com/a")
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert made["secret"].startswith("tskey-webhook-demo-")
    assert made["creatorLoginName"] == "alice@example.com"
    path = f"/webhooks/{made['endpointId']}"
    assert ask.ok("GET", path) == shown
    assert shown in ask.ok("GET", HOOKS)["webhooks"]
    rotated = ask.ok("POST", f"{path}/rotate")
    assert rotated["secret"] != made["secret"]
    assert "secret" not in ask.ok("GET", path)
    told = f"{ask.events()}{ask.fake.ledger.entries}{ask.fake.snapshot()}"
    assert made["secret"] not in told
    assert rotated["secret"] not in told


def test_a_test_is_a_signed_delivery(ask: Ask, receiver: Receiver) -> None:
    made = make(ask, f"{receiver.address}/hook?source=test")
    response = ask("POST", f"/webhooks/{made['endpointId']}/test")
    assert (response.status_code, response.content) == (202, b"")
    path, headers, body = receiver.next()
    assert path == "/hook?source=test"
    events = verify(body, headers[HEADER], made["secret"])
    assert [(event.type, event.tailnet, event.data) for event in events] == [("test", "example.com", None)]
    assert json.loads(body)[0]["timestamp"].endswith(".000000001Z")
    with pytest.raises(WebhookError):
        verify(body + b" ", headers[HEADER], made["secret"])


def test_after_rotation_only_the_new_secret_signs(ask: Ask, receiver: Receiver) -> None:
    made = make(ask, receiver.address)
    rotated = ask.ok("POST", f"/webhooks/{made['endpointId']}/rotate")
    ask("POST", f"/webhooks/{made['endpointId']}/test")
    path, headers, body = receiver.next()
    assert path == "/"
    assert verify(body, headers[HEADER], rotated["secret"])
    with pytest.raises(WebhookError):
        verify(body, headers[HEADER], made["secret"])


@pytest.mark.parametrize("provider, field", [("slack", "text"), ("discord", "content")])
def test_a_chat_gets_an_unsigned_message(ask: Ask, receiver: Receiver, provider: str, field: str) -> None:
    made = make(ask, receiver.address, providerType=provider)
    ask("POST", f"/webhooks/{made['endpointId']}/test")
    _, headers, body = receiver.next()
    assert HEADER not in headers
    assert list(json.loads(body)) == [field]


@pytest.mark.parametrize(
    "address", ["https://hooks.example.com/a", "http://198.51.100.7/", "https://127.0.0.1/"]
)
def test_nothing_is_sent_to_another_machine(ask: Ask, address: str) -> None:
    made = make(ask, address)
    assert ask("POST", f"/webhooks/{made['endpointId']}/test").status_code == 202
    webhook = ask.fake.tailnet.webhooks[made["endpointId"]]
    assert prepare_delivery(ask.fake.tailnet, webhook, build_event(ask.fake.tailnet, "test", "hello")) is None


def test_a_receiver_that_fails_is_noted_and_breaks_nothing(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver(status=500) as failing:
        made = make(ask, failing.address)
        tailnet = ask.fake.tailnet
        send = prepare_delivery(
            tailnet, tailnet.webhooks[made["endpointId"]], build_event(tailnet, "test", "hello")
        )
        assert send is not None
        with caplog.at_level(logging.WARNING, "tailscale_sdk"):
            send()
    assert "answered 500" in caplog.text
    send()
    assert "did not arrive" in caplog.text
    assert made["secret"] not in caplog.text


def test_subscriptions_are_replaced_and_unknown_events_taken(ask: Ask, fake: Any) -> None:
    made = make(ask, "https://hooks.example.com/a", subscriptions=["nodeCreated", "somethingNew"])
    fake.advance(60)
    wanted = {"subscriptions": ["userDeleted"]}
    changed = ask.ok("PATCH", f"/webhooks/{made['endpointId']}", json=wanted)
    assert changed["subscriptions"] == ["userDeleted"]
    assert changed["lastModified"] == fake.clock.text() != changed["created"]
    assert ask.ok("GET", f"/webhooks/{made['endpointId']}") == changed
    event = ask.events()[-1]
    assert (event["old"], event["new"]) == (["nodeCreated", "somethingNew"], ["userDeleted"])


def test_a_deleted_webhook_is_gone(ask: Ask) -> None:
    made = make(ask, "https://hooks.example.com/a")
    path = f"/webhooks/{made['endpointId']}"
    assert ask.ok("DELETE", path) is None
    for method, suffix, options in (
        ("GET", "", {}),
        ("DELETE", "", {}),
        ("PATCH", "", {"json": {"subscriptions": []}}),
        ("POST", "/test", {}),
        ("POST", "/rotate", {}),
    ):
        assert ask.refused(method, f"{path}{suffix}", **options) == (404, "no webhook with this id")
    assert made["endpointId"] not in ask.fake.tailnet.secrets


def test_one_made_by_a_client_has_no_creator(ask_as: AskAs) -> None:
    client = ask_as(kind="tailnet", scopes=["webhooks"])
    assert make(client, "https://hooks.example.com/a")["creatorLoginName"] == ""


def test_one_of_a_snapshot_gets_a_secret_when_it_is_needed(ask: Ask, receiver: Receiver) -> None:
    made = make(ask, receiver.address)
    del ask.fake.tailnet.secrets[made["endpointId"]]
    ask("POST", f"/webhooks/{made['endpointId']}/test")
    _, headers, body = receiver.next()
    assert verify(body, headers[HEADER], ask.fake.tailnet.secrets[made["endpointId"]])


@pytest.mark.parametrize(
    "body, message",
    [
        ({}, "endpointUrl is missing"),
        ({"endpointUrl": "ftp://hooks.example.com"}, "endpointUrl must be an http:// or https:// URL"),
        ({"endpointUrl": "https://"}, "endpointUrl must be a URL with a host"),
        ({"endpointUrl": "http://[::1"}, "endpointUrl must be a URL with a host"),
        ({"endpointUrl": "http://hooks.example.com:x/"}, "endpointUrl must be a URL with a host"),
        ({"endpointUrl": "https://hooks.example.com/a b"}, "endpointUrl must be a URL with a host"),
        ({"endpointUrl": "https://hooks.example.com"}, "subscriptions is missing"),
        (
            {"endpointUrl": "https://hooks.example.com", "subscriptions": [""]},
            "subscriptions: '' is not the name",
        ),
        (
            {"endpointUrl": "https://hooks.example.com", "subscriptions": [], "providerType": "irc"},
            "providerType must be one of",
        ),
    ],
)
def test_a_bad_webhook_says_what_would_be_accepted(ask: Ask, body: Any, message: str) -> None:
    status, text = ask.refused("POST", HOOKS, json=body)
    assert (status, text[: len(message)]) == (400, message)
    assert len(ask.fake.ledger) == 0
