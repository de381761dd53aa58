"""One source of snapshots: equal parts are read once, kept apart by who asks, and never longer than a moment."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tailscale_sdk import AsyncTailscale, PermissionDeniedError, ServerError
from tailscale_sdk.operations.sharing import TTL_SECONDS, SharedReads
from tailscale_sdk.operations.snapshots import MAX_ATTRIBUTE_DEVICES, SnapshotSource

PLAIN = '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}'
WITH_POSTURES = '{"postures": {"posture:new": ["node:os == \'linux\'"]}, "grants": []}'
START = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Tailnet:
    """Answer reads, count them, and let time pass only when told to."""

    def __init__(
        self, *, policy: str = PLAIN, devices: int = 3, status: Mapping[str, int] | None = None
    ) -> None:
        self.policy, self.devices, self.status = policy, devices, status or {}
        self.asked: Counter[str] = Counter()
        self.seconds = 0.0
        options: dict[str, Any] = {
            "rate_limit": None,
            "max_retries": 0,
            "_wire": httpx.MockTransport(self.answer),
        }
        self.client = AsyncTailscale(api_key="tskey-api-demo", **options)
        self.reads = SharedReads(lambda: self.seconds)

    def source(self, **options: Any) -> SnapshotSource:
        now = lambda: START + timedelta(seconds=self.seconds)  # noqa: E731
        return SnapshotSource(self.client, **{"reads": self.reads, "now": now, **options})

    async def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        self.asked[name] += 1
        await asyncio.sleep(0)
        if name in self.status:
            return httpx.Response(self.status[name], json={"message": "no"})
        if name == "acl":
            return httpx.Response(200, headers={"ETag": '"e1"'}, text=self.policy)
        if name == "attributes":
            return httpx.Response(200, json={"attributes": {"node:os": "linux"}})
        found = {"devices": [{"nodeId": f"n{number}"} for number in range(self.devices)]}
        return httpx.Response(200, json=found if name == "devices" else {"users": [{"id": "u1"}]})


async def test_equal_questions_at_once_and_soon_after_read_once() -> None:
    tailnet = Tailnet()
    source = tailnet.source()
    one, two, three = await asyncio.gather(source.access(), source.access(), tailnet.source().access())
    tailnet.seconds = TTL_SECONDS - 0.1
    again = await source.access()
    assert tailnet.asked == {"devices": 1, "users": 1, "acl": 1}
    assert one == two == three == again
    assert (one.policy, one.content["policy_etag"], one.content["taken"]) == (
        PLAIN,
        "e1",
        "2026-07-01T12:00:00Z",
    )
    assert one.content["coverage"] == {"devices": "read", "users": "read", "policy": "read"}


async def test_a_snapshot_is_as_old_as_its_oldest_part() -> None:
    tailnet = Tailnet()
    await tailnet.source().read(("users",))
    tailnet.seconds = 3.0
    mixed = await tailnet.source().access()
    tailnet.seconds = TTL_SECONDS
    fresh = await tailnet.source().access()
    assert mixed.content["taken"] == "2026-07-01T12:00:00Z"
    assert fresh.content["taken"] == "2026-07-01T12:00:03Z"
    assert tailnet.asked == {"devices": 2, "users": 2, "acl": 1}


@pytest.mark.parametrize("other", [{"principal": "token:b"}, {"profile": "lab"}])
async def test_nobody_is_shown_what_another_one_read(other: dict[str, str]) -> None:
    tailnet = Tailnet()
    await tailnet.source(principal="token:a").access()
    await tailnet.source(**{"principal": "token:a", **other}).access()
    assert set(tailnet.asked.values()) == {2}


async def test_what_was_written_is_seen_at_once() -> None:
    tailnet = Tailnet()
    before = await tailnet.source().access()
    tailnet.policy = WITH_POSTURES
    tailnet.reads.forget()
    after = await tailnet.source().access()
    assert (before.policy, after.policy) == (PLAIN, WITH_POSTURES)


async def test_attributes_are_read_where_the_policy_asks_for_them() -> None:
    tailnet = Tailnet(policy=WITH_POSTURES)
    one = await tailnet.source().access(attributes_of=["n1"])
    assert set(one.content["attributes"]) == {"n1"}
    every = await tailnet.source().access()
    assert set(every.content["attributes"]) == {"n0", "n1", "n2"}
    assert tailnet.asked["attributes"] == 4
    other = await tailnet.source().access(policy=PLAIN)
    assert "attributes" not in other.content


async def test_a_text_takes_the_place_of_the_stored_policy() -> None:
    tailnet = Tailnet(status={"acl": 403})
    snapshot = await tailnet.source().access(policy=WITH_POSTURES, attributes_of=["n0"])
    assert snapshot.policy == WITH_POSTURES
    assert "policy_etag" not in snapshot.content
    assert set(snapshot.content["attributes"]) == {"n0"}
    assert tailnet.asked["acl"] == 0
    assert (await tailnet.source().access(policy="no policy at all")).policy == "no policy at all"


async def test_a_large_tailnet_is_not_asked_device_by_device() -> None:
    tailnet = Tailnet(policy=WITH_POSTURES, devices=MAX_ATTRIBUTE_DEVICES + 1)
    snapshot = await tailnet.source().access()
    assert tailnet.asked["attributes"] == MAX_ATTRIBUTE_DEVICES == len(snapshot.content["attributes"])
    assert snapshot.content["coverage"]["attributes"].startswith("of 100 devices only: 101")


@pytest.mark.parametrize("part, name", [("devices", "devices"), ("policy", "acl")])
async def test_without_devices_or_policy_there_is_no_answer(part: str, name: str) -> None:
    tailnet = Tailnet(status={name: 403})
    with pytest.raises(PermissionDeniedError):
        await tailnet.source().access()
    assert part == "policy" or tailnet.asked["devices"] == 1


async def test_users_may_be_missing_and_a_failure_is_not_kept() -> None:
    tailnet = Tailnet(status={"users": 503})
    missing = await tailnet.source().access()
    assert missing.content["coverage"]["users"].startswith("ServerError")
    assert missing.users == []
    tailnet.status = {}
    assert len((await tailnet.source().access()).users) == 1
    tailnet.reads.forget()
    tailnet.status = {"users": 503}
    with pytest.raises(ServerError):
        await tailnet.source().read(("users",), needed=("users",))


async def test_every_part_can_be_read() -> None:
    tailnet = Tailnet()
    content = (await tailnet.source().read()).content
    assert content["coverage"]["devices"] == content["coverage"]["policy"] == "read"
    assert set(content["coverage"]) >= {"users", "keys", "dns", "settings", "contacts", "log_streams"}
    assert json.dumps(sorted(content["dns"])) == '["nameservers", "preferences", "searchPaths", "splitDns"]'
