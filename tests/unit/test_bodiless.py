"""An answer that has no body ends its connection: bytes behind it would be taken for the next answer."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tailscale_sdk import APIStatusError
from tailscale_sdk.testing import FakeTailnet, Faults
from tests.unit.scripted import Twin, twins


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=1, faults=Faults()) as running:
        yield running


@pytest.mark.parametrize("status", [204, 304])
@twins
async def test_nobody_reads_behind_it(kind: str, status: int, tailnet: FakeTailnet) -> None:
    tailnet.faults.add(
        {"nth": 1, "fault": {"status": status, "body": {"message": "none of this is for you"}}}
    )
    twin = Twin(kind, api_key=tailnet.api_key, base_url=tailnet.base_url, max_retries=0)
    device = next(iter(tailnet.tailnet.devices))
    if status == 204:
        assert await twin.call("devices.set_tags", device, tags=["tag:web"]) is None
    else:
        with pytest.raises(APIStatusError, match="304"):
            await twin.call("devices.set_tags", device, tags=["tag:web"])
    assert (await twin.call("devices.get", device)).node_id == device
    assert [seen.connection for seen in tailnet.faults.requests] == [1, 2]
    await twin.close()


@twins
async def test_its_body_is_nothing(kind: str) -> None:
    twin = Twin(kind, httpx.Response(204, content=b"left over"))
    answer = await twin.call("devices.delete", "nDEMO1CNTRL", on=twin.client.with_raw_response)
    assert (answer.status, answer.body, answer.parsed) == (204, b"", None)
