"""Talk to an embedded tailnet with plain httpx, and hold every answer against the description."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx

from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.exchange import Refusal
from tailscale_sdk.testing.routing import build_router
from tests.contract.wire import Exchange, violations

NO_PERMISSION = "calling actor does not have enough permissions to perform this function"
NO_USER_ACCESS = "user does not have access to this operation"


class Talk:
    """Send requests below /api/v2 with one credential."""

    def __init__(self, tailnet: FakeTailnet, token: str | None = None) -> None:
        self.tailnet = tailnet
        self.token = tailnet.api_key if token is None else token

    def request(self, method: str, path: str, *, expect: int = 200, **options: Any) -> httpx.Response:
        """Send one request and check status and, for a described operation, the shape of the answer."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        url = f"{self.tailnet.base_url}/api/v2{path}"
        response = httpx.request(method, url, headers=headers, timeout=20, **options)
        assert response.status_code == expect, (
            f"{method} {path}: {response.status_code} {response.text[:300]}"
        )
        assert differences(response) == []
        return response

    def get(self, path: str, **options: Any) -> Any:
        """Return the JSON of a GET."""
        return self.request("GET", path, **options).json()

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Post JSON, or nothing."""
        return self.request("POST", path, **({} if body is None else {"json": body}), **options)

    def refused(self, method: str, path: str, status: int, **options: Any) -> str:
        """Return the message of an expected refusal."""
        body = self.request(method, path, expect=status, **options).json()
        message: str = body["message"]
        return message

    def devices(self, query: str = "fields=all") -> list[dict[str, Any]]:
        """Return the devices the credential sees."""
        found: list[dict[str, Any]] = self.get(f"/tailnet/-/devices?{query}")["devices"]
        return found

    def device(self, identifier: str) -> dict[str, Any]:
        """Return one device with all fields."""
        found: dict[str, Any] = self.get(f"/device/{identifier}?fields=all")
        return found

    def audit(self) -> list[dict[str, Any]]:
        """Return the configuration audit log, without asking the operation under test by others."""
        return self.tailnet.tailnet.audit


def differences(response: httpx.Response) -> list[str]:
    """Name each way in which an answer differs from the description of its operation."""
    request = response.request
    try:
        found = build_router().find(request.method, request.url.raw_path.decode().partition("?")[0])
    except Refusal:
        return []
    exchange = Exchange(
        method=request.method,
        url=str(request.url),
        request_type="",
        request_body=b"",
        status=response.status_code,
        response_type=response.headers.get("content-type", ""),
        response_body=response.content,
    )
    problems = violations(found.operation.operation_id, exchange)
    ours = ("response", "status")
    return [problem for problem in problems if problem.startswith(ours)]


def named(devices: list[dict[str, Any]], base: str) -> dict[str, Any]:
    """Return the device with a MagicDNS base name."""
    return next(device for device in devices if device["name"].startswith(f"{base}."))


def make_jwt(**claims: Any) -> str:
    """Return an unsigned JWT."""
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])
