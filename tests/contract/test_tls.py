"""The helpers behind the TLS rows of the fault matrix do what those rows say."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.raw import DEVICES, read_to_end, request_bytes
from tests.tls import ANOTHER_NAME, HOST, Listener, listen, make_certificate


@pytest.fixture
def fake() -> Iterator[FakeTailnet]:
    """Serve one device in plain HTTP."""
    with FakeTailnet(devices=1, faults=[]) as running:
        yield running


def shake_hands(listener: Listener, trusted: Path | None) -> ssl.SSLSocket:
    """Open a verified TLS connection."""
    context = ssl.create_default_context(cafile=None if trusted is None else str(trusted))
    plain = socket.create_connection((HOST, int(listener.url.rpartition(":")[2])), timeout=10)
    try:
        return context.wrap_socket(plain, server_hostname=HOST)
    except ssl.SSLError:
        plain.close()
        raise


def test_a_trusted_certificate_leads_to_the_tailnet(fake: FakeTailnet, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    fake.faults.add({"nth": 2, "fault": "redir_http"})
    with listen(fake.base_url, certificate) as listener:
        answers = []
        for _ in range(2):
            with shake_hands(listener, certificate) as connection:
                host = listener.url.removeprefix("https://")
                request = request_bytes(fake, "GET", DEVICES)
                connection.sendall(request.replace(fake.base_url[7:].encode(), host.encode()))
                answers.append(read_to_end(connection))
    assert (listener.connections, [answer.status for answer in answers]) == (2, [200, 307])
    assert answers[1].headers["location"] == listener.url.replace("https://", "http://") + DEVICES


def test_an_unknown_certificate_is_not_trusted(fake: FakeTailnet, tmp_path: Path) -> None:
    with (
        listen(fake.base_url, make_certificate(tmp_path)) as listener,
        pytest.raises(ssl.SSLCertVerificationError, match="self-signed"),
    ):
        shake_hands(listener, None)
    assert fake.faults.requests == []


def test_a_certificate_for_another_name_is_not_trusted(fake: FakeTailnet, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, ANOTHER_NAME)
    with (
        listen(fake.base_url, certificate) as listener,
        pytest.raises(ssl.SSLCertVerificationError, match="mismatch"),
    ):
        shake_hands(listener, certificate)
    assert fake.faults.requests == []


def test_a_plain_port_does_not_shake_hands(fake: FakeTailnet) -> None:
    with listen(fake.base_url) as listener, pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        shake_hands(listener, None)
    assert fake.faults.requests == []
