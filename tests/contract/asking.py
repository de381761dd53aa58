"""Ask the embedded tailnet over plain HTTP, and hold every answer against the API description."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import differences


class Ask:
    """Send requests with one credential; paths are those below ``/api/v2``, ``-`` is the tailnet."""

    def __init__(self, fake: FakeTailnet, token: str | None = None) -> None:
        self.fake = fake
        self._client = httpx.Client(
            base_url=f"{fake.base_url}/api/v2",
            headers={"Authorization": f"Bearer {token or fake.api_key}"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request; a JSON answer has to conform to the description."""
        response = self._client.request(method, path, **options)
        assert differences(response) == []
        return response

    def ok(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded body of a 2xx, None when it is empty."""
        response = self(method, path, **options)
        assert 200 <= response.status_code < 300, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Return status and message of an error."""
        response = self(method, path, **options)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["message"]

    def events(self) -> list[dict[str, Any]]:
        """Return the audit events of this instant, the newest last."""
        now = self.fake.clock.text()
        answer = self.ok("GET", "/tailnet/-/logging/configuration", params={"start": now, "end": now})
        return list(answer["logs"] or [])
