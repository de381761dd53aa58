"""What an audit costs: 10,000 devices, 500 users, 1,000 keys and 200 rules, loaded and judged by every check."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
DEVICES, KEYS, HOOKS = 10_000, 1_000, 20
ROUNDS = 3
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@frozen
class Found:
    """Hold one measurement and what it must not exceed."""

    name: str
    value: float
    budget: float


def _ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def snapshot() -> dict[str, Any]:
    """Return a tailnet in which every part is there, and about one thing in ten is not in order."""
    sys.path.insert(0, str(ROOT))
    from scripts.bench_policy import SEED, policy, tailnet

    content = tailnet(DEVICES)
    content["devices"] = [{**device, **_state(n)} for n, device in enumerate(content["devices"])]
    content["users"] = [{**user, **_person(n)} for n, user in enumerate(content["users"])]
    return {
        **content,
        "policy": json.dumps(policy(SEED), indent=1),
        "keys": [_key(number) for number in range(KEYS)],
        "attributes": {device["nodeId"]: _attributes(n) for n, device in enumerate(content["devices"])},
        "settings": {"devicesApprovalOn": False, "httpsEnabled": True, "devicesKeyDurationDays": 180},
        "user_invites": [
            {"id": f"i{n}", "email": f"i{n}@example.com", "created": _ago(n)} for n in range(50)
        ],
        "device_invites": [{"id": f"d{n}", "allowExitNode": n % 9 == 0} for n in range(50)],
        "dns": {"nameservers": ["9.9.9.9"], "preferences": {"magicDNS": True}},
        "log_streams": {"network": {"status": {"lastActivity": _ago(1)}}},
        "webhooks": [{"endpointId": f"w{n}", "created": _ago(30 * n)} for n in range(HOOKS)],
        "contacts": {"security": {"email": "security@example.com", "needsVerification": False}},
    }


def _state(number: int) -> dict[str, Any]:
    silent = number % 11 == 0
    return {
        "os": ("linux", "windows", "macOS")[number % 3],
        "clientVersion": f"1.{70 + number % 20}.{number % 5}-t0123456789",
        "updateAvailable": number % 10 != 8,
        "keyExpiryDisabled": number % 9 == 0,
        "sshEnabled": number % 10 == 0,
        "connectedToControl": not silent,
        **({"lastSeen": _ago(number % 90)} if silent else {}),
        "created": _ago(400),
        "expires": _ago(-60),
        "isExternal": number % 500 == 499,
    }


def _person(number: int) -> dict[str, Any]:
    return {
        "id": f"u{number}",
        "type": "shared" if number % 100 == 99 else "member",
        "status": "suspended" if number % 50 == 49 else "active",
        "lastSeen": _ago(number % 120),
    }


def _key(number: int) -> dict[str, Any]:
    create = {
        "reusable": number % 10 == 0,
        "ephemeral": False,
        "preauthorized": True,
        "tags": [f"tag:t{number % 60}"],
    }
    return {
        "id": f"k{number}",
        "keyType": ("auth", "api", "client")[number % 3],
        "userId": f"u{number % 505}",
        "created": _ago(number % 400),
        "expires": _ago(-(number % 90)),
        "scopes": ["devices:core", "dns"],
        "capabilities": {"devices": {"create": create}},
    }


def _attributes(number: int) -> dict[str, Any]:
    return {
        "attributes": {
            "node:tsAutoUpdate": number % 7 != 0,
            "node:tsStateEncrypted": True,
            "node:os": "linux",
        }
    }


def measure_audit() -> dict[str, float]:
    """Load and audit a large tailnet, in a process that does nothing else."""
    body = json.dumps(snapshot()).encode()
    from tailscale_sdk.operations.audit import CHECKS, AuditRun, run_checks
    from tailscale_sdk.operations.fleet import Fleet, read_fleet
    from tailscale_sdk.snapshot import TailnetSnapshot

    def load() -> Fleet:
        return read_fleet(TailnetSnapshot.from_dict(json.loads(body)))

    def audit(fleet: Fleet) -> AuditRun:
        return run_checks(fleet, CHECKS.values(), now=NOW)

    found = {
        "json.loads": _timed(lambda _: json.loads(body)),
        "load": _timed(lambda _: load()),
        # Every fact is read for the first time in each round: a fleet keeps what it has read.
        "all checks": _timed(audit, load),
    }
    run = audit(load())
    found["broken checks"] = float(sum(finding.status == "error" for finding in run.findings))
    found["findings"] = float(len(run.findings))
    found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def _timed(work: Callable[[Any], Any], prepare: Callable[[], Any] = lambda: None) -> float:
    """Return the best of a few rounds in seconds, each with something of its own to work on."""
    best = float("inf")
    for _ in range(ROUNDS):
        prepared = prepare()
        gc.collect()
        start = time.perf_counter()
        work(prepared)
        best = min(best, time.perf_counter() - start)
    return best


def measure() -> list[Found]:
    """Measure, print what is no budget, and return what is."""
    found = json.loads(subprocess.check_output([sys.executable, __file__, "audit"], cwd=ROOT))
    for name in ("json.loads", "load", "all checks"):
        print(
            f"     {name.ljust(20)} {found[name] * 1000:8.1f} ms ({found[name] / found['json.loads']:.1f}x)"
        )
    print(f"     {'findings'.ljust(20)} {found['findings']:8.0f}")
    return [
        Found("audit: every check over 10,000 devices, seconds", found["all checks"], 2.0),
        Found("audit: load and every check, seconds", found["load"] + found["all checks"], 3.0),
        Found(
            "audit: every check / json.loads of the snapshot", found["all checks"] / found["json.loads"], 40.0
        ),
        Found("audit: peak, MB", found["peak MB"], 500),
        Found("audit: checks that break", found["broken checks"], 0.0),
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["audit"]:
        print(json.dumps(measure_audit()))
    else:
        over = 0
        for each in measure():
            over += each.value > each.budget
            print(
                f"{'ok  ' if each.value <= each.budget else 'OVER'} {each.name}: {each.value:.2f} (budget {each.budget:g})"
            )
        sys.exit(1 if over else 0)
