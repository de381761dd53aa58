"""How users type the SDK. Checked by mypy and pyright; never run. An ignored error must be an error."""

from __future__ import annotations

from datetime import datetime

from tailscale_sdk import (
    OPERATIONS,
    APIStatusError,
    AsyncTailscale,
    OAuthClient,
    Operation,
    PolicyDocument,
    PolicyValidation,
    RateLimitError,
    RawResponse,
    Tailscale,
    TailscaleError,
)
from tailscale_sdk.models import Device, DeviceRoutes, Key


def synchronous() -> None:
    with Tailscale(api_key="tskey-api-demo", tailnet="-", timeout=10.0, max_retries=2) as client:
        devices: list[Device] = client.devices.list(
            fields="all", filters={"tags": ["tag:web"], "isEphemeral": True}
        )
        name: str | None = devices[0].name
        created: datetime | None = devices[0].created
        tags: list[str] = devices[0].tags
        client.devices.set_tags("n1CNTRL", tags=["tag:web"])
        client.devices.set_name("n1CNTRL", name="web-1")
        routes: DeviceRoutes = client.devices.set_routes("n1CNTRL", routes=["10.0.0.0/24"])
        policy: PolicyDocument = client.policy.get()
        stored: PolicyDocument = client.policy.set(policy.text, if_match=policy.etag)
        checked: PolicyValidation = client.policy.validate(stored.text)
        keys: list[Key] = client.keys.list()
        raw: RawResponse[list[Device]] = client.with_raw_response.devices.list()
        parsed: list[Device] | None = raw.parsed
        answer = client.request("GET", "/tailnet/-/devices", params={"fields": "all"})
        status: int = answer.status
        slower: Tailscale = client.with_options(timeout=120, rate_limit=None)
        print(name, created, tags, routes, checked.ok, keys, parsed, status, slower)
        client.devices.set_tags("n1CNTRL")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        client.devices.get(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        print(client.devices.get("n1CNTRL").nmae)  # type: ignore[attr-defined]  # pyright: ignore


async def asynchronous() -> None:
    credential = OAuthClient("client-id", "tskey-client-demo", scopes=["devices:core:read"])
    async with AsyncTailscale(auth=credential) as client:
        devices: list[Device] = await client.devices.list()
        policy: PolicyDocument = await client.policy.get(details=True)
        raw: RawResponse[Device] = await client.with_raw_response.devices.get("n1CNTRL")
        print(devices, policy.etag, raw.headers)


def errors(client: Tailscale) -> float | None:
    try:
        client.users.list()
    except RateLimitError as error:
        return error.retry_after
    except APIStatusError as error:
        print(error.status, error.operation)
    except TailscaleError as error:
        print(error)
    return None


def operations() -> Operation:
    return OPERATIONS["listTailnetDevices"]
