"""Talk about the policy file with either client, over the embedded tailnet or over a script."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tailscale_sdk import AsyncTailscale, Tailscale, TailscaleError
from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.policy_text import policy_etag
from tests.contract.wire import Watch, WatchedTransport

TEXT = '// ü, kept\r\n{\t"acls": [], /* also */ "groups": {"group:a": ["a@example.com",],},}\r\n\r\n'
NEW = TEXT.replace("a@", "b@")
ETAG = policy_etag(TEXT)

Reaction = Callable[[httpx.Request], httpx.Response]


def _unexpected(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"the script ended before {request.method} {request.url}")


class Wire:
    """Keep every request, and answer those of a script; the rest goes on to the embedded tailnet."""

    def __init__(self, fake: FakeTailnet | None = None) -> None:
        self.seen: list[httpx.Request] = []
        self.script: list[Reaction] = []
        self.fake = fake
        self._onward = WatchedTransport(Watch()) if fake is not None else httpx.MockTransport(_unexpected)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.script:
            return self.script.pop(0)(request)
        return self.forward(request)

    def paths(self) -> list[str]:
        """Return method and path of every request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.seen]

    def lost_before(self, request: httpx.Request) -> httpx.Response:
        """Lose a request on its way."""
        raise httpx.ReadError("gone", request=request)

    def lost_after(self, request: httpx.Request) -> httpx.Response:
        """Lose the answer of a request that was carried out."""
        assert self.forward(request).status_code == 200
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)

    def forward(self, request: httpx.Request) -> httpx.Response:
        """Let the embedded tailnet answer."""
        return self._onward.handle_request(request)

    def close(self) -> None:
        """Close the connections to the embedded tailnet."""
        self._onward.close()


def answer(status: int = 200, body: bytes | str = b"", etag: str | None = None) -> Reaction:
    """Answer a request of a script."""
    headers = {"Content-Type": "application/json"} | ({} if etag is None else {"ETag": etag})
    return lambda request: httpx.Response(status, headers=headers, content=body)


class Client:
    """Call either client with the same words."""

    def __init__(self, kind: str, wire: Wire, *, raw: bool = False, **options: Any) -> None:
        fake = wire.fake
        if fake is not None:
            options |= {"api_key": fake.api_key, "base_url": fake.base_url}
        options = {"api_key": "tskey-api-demo", "rate_limit": None, "max_retries": 0, **options}
        self.wire = wire
        made = (Tailscale if kind == "sync" else AsyncTailscale)(**options, _wire=httpx.MockTransport(wire))
        self.policy: Any = made.with_raw_response.policy if raw else made.policy

    async def call(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Return what a method of the policy resource returns."""
        answered = getattr(self.policy, method)(*arguments, **keywords)
        return await answered if inspect.isawaitable(answered) else answered

    async def refusal(self, method: str, *arguments: Any, **keywords: Any) -> TailscaleError:
        """Return the error a method of the policy resource raises."""
        with pytest.raises(TailscaleError) as caught:
            await self.call(method, *arguments, **keywords)
        return caught.value
