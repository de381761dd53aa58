"""What an audit costs: every check over 10,000 devices, 500 users, 1,000 keys and 200 rules, and its page."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.bench_fleet import DEVICES, NOW, Found, records  # noqa: E402  # found by the line above
from scripts.bench_policy import policy  # noqa: E402

USERS, KEYS = 500, 1_000


def tailnet() -> dict[str, Any]:
    """Return a large tailnet as a snapshot has it."""
    return {
        "devices": [
            {**record, "multipleConnections": False, "sshEnabled": False} for record in records(DEVICES)
        ],
        "users": [
            {
                "id": f"u{number}",
                "loginName": f"user{number}@example.com",
                "role": "admin" if number < 5 else "member",
                "status": "active",
                "type": "member",
                "lastSeen": "2026-06-20T00:00:00Z",
                "currentlyConnected": False,
            }
            for number in range(USERS)
        ],
        "keys": [_key(number) for number in range(KEYS)],
        "policy": json.dumps(policy(1), indent=1),
        "policy_validation": {"ok": True, "message": "", "data": []},
        "settings": {"devicesApprovalOn": True, "httpsEnabled": True},
        "attributes": {
            f"n{number:06}CNTRL": {"attributes": {"node:os": "linux"}} for number in range(DEVICES)
        },
        "user_invites": [],
        "device_invites": [],
        "contacts": {},
        "webhooks": [],
        "log_streams": {},
        "dns": {"nameservers": [], "preferences": {"magicDNS": True}},
    }


def _key(number: int) -> dict[str, Any]:
    create = {"reusable": number % 3 == 0, "ephemeral": False, "preauthorized": True, "tags": []}
    return {
        "id": f"k{number}",
        "keyType": "auth",
        "userId": f"u{number % USERS}",
        "created": "2026-06-01T00:00:00Z",
        "expires": "2026-08-30T00:00:00Z",
        "capabilities": {"devices": {"create": create}},
    }


def measure_alone() -> dict[str, float]:
    """Load and audit, in a process that does nothing else."""
    from tailscale_sdk.operations.audit import CHECKS, run_checks
    from tailscale_sdk.operations.audit.history import alone
    from tailscale_sdk.operations.audit.outputs import write_report
    from tailscale_sdk.operations.fleet import read_fleet
    from tailscale_sdk.snapshot import TailnetSnapshot

    body = json.dumps(tailnet())
    start = time.perf_counter()
    content = json.loads(body)
    loaded = time.perf_counter() - start
    fleet = read_fleet(TailnetSnapshot.from_dict(content))
    start = time.perf_counter()
    run = run_checks(fleet, CHECKS.values(), now=NOW)
    checked = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    broken = sum(ran.counts.get("error", 0) for ran in run.checks)
    start = time.perf_counter()
    page = write_report(alone(run, now=NOW), "html")
    return {
        "json.loads": loaded,
        "checks": checked,
        "peak MB": peak,
        "broken": broken,
        "findings": len(run.findings),
        "page": time.perf_counter() - start,
        "page MB": len(page) / 1e6,
    }


def measure() -> list[Found]:
    """Measure, print what is no budget, and return what is."""
    found = json.loads(subprocess.check_output([sys.executable, __file__, "alone"]))
    print(
        f"     audit: {found['findings']:.0f} findings, page {found['page MB']:.1f} MB in {found['page']:.2f} s"
    )
    return [
        Found("audit: all checks over 10,000 devices, seconds", found["checks"], 2.0),
        Found("audit: all checks / json.loads of the tailnet", found["checks"] / found["json.loads"], 25.0),
        Found("audit: peak, MB", found["peak MB"], 500),
        Found("audit: checks that broke", found["broken"], 0.0),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["alone"]:
        print(json.dumps(measure_alone()))
    else:
        for each in measure():
            verdict = "ok  " if each.value <= each.budget else "OVER"
            print(f"{verdict} {each.name}: {each.value:.2f} (budget {each.budget:g})")
