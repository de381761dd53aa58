"""What looking after a fleet costs: 10,000 devices read and exported, and a batch of 1,000 that is killed once."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
DEVICES, BATCH = 10_000, 1_000
# Two hundred requests a second, five at once: twenty times the usual rate, so that our own share would show.
BURST, BURST_SECONDS = 5, 0.025
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@frozen
class Found:
    """Hold one measurement and what it must not exceed."""

    name: str
    value: float
    budget: float


def records(count: int) -> list[dict[str, Any]]:
    """Return devices as the API describes them."""
    return [
        {
            "nodeId": f"n{number:06}CNTRL",
            "id": str(number),
            "name": f"host-{number}.example.ts.net",
            "hostname": f"host-{number}",
            "user": f"user{number % 500}@example.com",
            **({"tags": [f"tag:t{number % 40}"]} if number % 2 else {}),
            "os": ("linux", "windows", "macOS")[number % 3],
            "clientVersion": f"1.{70 + number % 20}.{number % 5}-t0123456789-g0123456789",
            "addresses": [
                f"100.{64 + number // 65536}.{number // 256 % 256}.{number % 256}",
                f"fd7a:115c:a1e0::{number:x}",
            ],
            "advertisedRoutes": [f"10.{number // 256 % 256}.{number % 256}.0/24"] if number % 10 == 0 else [],
            "enabledRoutes": [f"10.{number // 256 % 256}.{number % 256}.0/24"] if number % 20 == 0 else [],
            "authorized": True,
            "connectedToControl": number % 4 != 0,
            **({"lastSeen": f"2026-0{1 + number % 6}-11T10:00:00Z"} if number % 4 == 0 else {}),
            "created": "2025-03-04T05:06:07Z",
            "expires": f"2026-{7 + number % 6:02}-20T00:00:00Z",
            "keyExpiryDisabled": number % 2 == 1,
            "machineKey": f"mkey:{number:064x}",
            "nodeKey": f"nodekey:{number:064x}",
            "clientConnectivity": {"latency": {"Frankfurt": {"preferred": True, "latencyMs": 12.5}}},
        }
        for number in range(count)
    ]


def measure_reads() -> dict[str, float]:
    """Read, judge and export a large fleet, in a process that does nothing else."""
    sys.path.insert(0, str(ROOT))
    from tailscale_sdk.operations import connectivity, devices, lifecycle, network
    from tailscale_sdk.operations.devices.duplicates import find_duplicates
    from tailscale_sdk.operations.fleet import read_fleet
    from tailscale_sdk.operations.reporting import FORMATS, export_devices
    from tailscale_sdk.snapshot import TailnetSnapshot

    body = json.dumps({"devices": records(DEVICES)}).encode()
    base = _timed(lambda: json.loads(body))
    fleet = read_fleet(TailnetSnapshot.from_dict(json.loads(body)))
    query = "tag:t7 os:linux seen:>30d version:<1.84 -name:host-9*"
    found = {
        "json.loads": base,
        # Every fact is read for the first time here, and kept.
        "first filter": _timed(lambda: devices.list_devices(fleet, query, now=NOW), rounds=1),
        "filter": _timed(lambda: devices.list_devices(fleet, query, now=NOW)),
        "search": _timed(lambda: devices.search(fleet, "host-77")),
        "status": _timed(lambda: devices.fleet_status(fleet, now=NOW)),
        "route table": _timed(lambda: network.route_table(fleet)),
        "duplicates": _timed(lambda: find_duplicates(fleet)),
        "stages": _timed(lambda: lifecycle.lifecycle(fleet, lifecycle.LifecycleRules(), now=NOW)),
        "connectivity": _timed(lambda: connectivity.connectivity(fleet, now=NOW)),
    }
    for kind in FORMATS:
        found[f"export {kind}"] = _timed(
            lambda kind=kind: sum(map(len, export_devices(fleet, fleet.devices, kind, now=NOW)))  # type: ignore[misc]  # a lambda's default has no type
        )
    found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def _timed(work: Callable[[], Any], rounds: int = 3) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def burst_seconds() -> float:
    """Return how long a burst has: a slow machine is given fewer requests a second, which it can keep up with."""
    sys.path.insert(0, str(ROOT))
    from scripts.machine import slowness

    return BURST_SECONDS * slowness()


async def run_batch(url: str, key: str, state: str, seconds: str, change: str) -> dict[str, Any]:
    """Plan and apply a batch, or the rest of one, and say how long the requests took."""
    sys.path.insert(0, str(ROOT))
    from tailscale_sdk import AsyncTailscale
    from tailscale_sdk.changes import AsyncChanges, Caps, LocalState, Note, Remarks
    from tailscale_sdk.changes.state_directory import StateDirectory

    async with AsyncTailscale(api_key=key, base_url=url, rate_limit=(BURST, float(seconds))) as client:
        engine = AsyncChanges(client, state=LocalState(StateDirectory(Path(state))))
        if change == "new":
            devices = [d.to_dict() for d in await client.devices.list(fields="all") if not d.is_external]
            calls = [
                client.prepare("setDeviceName", device_id=d["nodeId"], name=f"b-{d['id']}")
                for d in devices[:BATCH]
            ]
            notes = [Note(known=d) for d in devices[:BATCH]]
            plan = await engine.plan(calls, guards=(Caps(BATCH),), remarks=Remarks(notes=notes))
        else:
            plan = await engine.plan_resume(engine.recent(1)[0].change_id)
        start, cpu = time.perf_counter(), time.process_time()
        report = await engine.apply(plan.id)
        return {
            "items": len(report.items),
            "ok": report.ok,
            "requests": sum(item.requests for item in report.items),
            "seconds": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
        }


def measure_batch(seconds: float, *, killed: bool) -> dict[str, Any]:
    """Run a batch in a process of its own, killed once in the middle where that is asked for, and read the ledger."""
    sys.path.insert(0, str(ROOT))
    from tailscale_sdk.testing import FakeTailnet

    with FakeTailnet(devices=BATCH + 20, seed=3) as tailnet, tempfile.TemporaryDirectory() as folder:
        where = [tailnet.base_url, tailnet.api_key, folder, str(seconds)]
        command = [sys.executable, __file__, "batch", *where]
        child = subprocess.Popen([*command, "new"], stdout=subprocess.PIPE)
        while killed and child.poll() is None and len(tailnet.ledger) < BATCH * 2 // 5:
            time.sleep(0.01)
        if killed:
            child.kill()
            child.wait()
            done = len(tailnet.ledger)
            child = subprocess.Popen([*command, "rest"], stdout=subprocess.PIPE)
        out, _ = child.communicate()
        found: dict[str, Any] = json.loads(out)
        written = Counter(entry.path for entry in tailnet.ledger.entries)
        found |= {"targets": len(written), "most": max(written.values())}
        return {**found, **({"before the kill": done} if killed else {})}


def measure() -> list[Found]:
    """Measure, print what is no budget, and return what is."""
    sys.path.insert(0, str(ROOT))
    reads = json.loads(subprocess.check_output([sys.executable, __file__, "reads"]))
    for name, value in reads.items():
        print(
            f"     {name.ljust(20)} {value:8.1f}"
            if name == "peak MB"
            else f"     {name.ljust(20)} {value * 1000:8.1f} ms"
        )
    seconds = burst_seconds()
    whole, rate = measure_batch(seconds, killed=False), BURST / seconds
    allowed = whole["requests"] / rate
    print(
        f"     batch of {BATCH}: {whole['seconds']:.1f} s, {whole['requests']} requests take {allowed:.1f} s at {rate:.0f}/s"
    )
    rest = measure_batch(seconds, killed=True)
    print(
        f"     killed after {rest['before the kill']} writes: {rest['items']} items were left, all done: {rest['ok']}"
    )
    exports = max(value for name, value in reads.items() if name.startswith("export"))
    once = {whole["targets"], rest["targets"]} == {BATCH} and whole["most"] == rest["most"] == 1
    return [
        Found("fleet: first filter of 10,000 devices, seconds", reads["first filter"], 1.0),
        Found("fleet: filter of 10,000 devices, ms a call", reads["filter"] * 1000, 50),
        Found("fleet: search in 10,000 devices, ms a call", reads["search"] * 1000, 50),
        Found("fleet: slowest export of 10,000 devices, seconds", exports, 1.0),
        Found("fleet: slowest export / json.loads of the list", exports / reads["json.loads"], 5.0),
        Found("fleet: route table, ms a call", reads["route table"] * 1000, 300),
        Found("fleet: duplicates, ms a call", reads["duplicates"] * 1000, 300),
        Found("fleet: stages, ms a call", reads["stages"] * 1000, 300),
        Found("fleet: peak, MB", reads["peak MB"], 500),
        Found("fleet: a batch of 1,000 / what its rate allows", whole["seconds"] / allowed, 1.05),
        Found("fleet: writes of two batches that are not there exactly once", 0.0 if once else 1.0, 0.0),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["reads"]:
        print(json.dumps(measure_reads()))
    elif sys.argv[1:2] == ["batch"]:
        print(json.dumps(asyncio.run(run_batch(*sys.argv[2:]))))
    else:
        for each in measure():
            print(
                f"{'ok  ' if each.value <= each.budget else 'OVER'} {each.name}: {each.value:.2f} (budget {each.budget:g})"
            )
