"""What the policy engine costs: 1,000 to 10,000 devices, 200 rules, 500 groups; each size in a process of its own."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
SIZES = (1_000, 3_000, 10_000)
USERS, GROUPS, TAGS, RULES, ROUTERS, EXITS = 500, 500, 60, 200, 200, 5
ROUNDS = 3
SEED = 20260701
_PORTS = ("*", "tcp:22", "tcp:443", "udp:53", "tcp:8000-9000", "5432", "80-443")


@frozen
class Found:
    """Hold one measurement and what it must not exceed."""

    name: str
    value: float
    budget: float
    at_least: bool = False


def tailnet(devices: int) -> dict[str, Any]:
    """Return a snapshot: people and machines, half of them tagged, some with routes."""
    random = Random(SEED)
    users = [f"user{number}@example.com" for number in range(USERS)]
    return {
        "devices": [_device(random, number, users) for number in range(devices)],
        "users": [
            {"loginName": login, "role": "admin" if n < 5 else "member"} for n, login in enumerate(users)
        ],
    }


def _device(random: Random, number: int, users: list[str]) -> dict[str, Any]:
    device: dict[str, Any] = {
        "nodeId": f"n{number}CNTRL",
        "id": str(number),
        "name": f"d{number}.example.ts.net",
        "hostname": f"d{number}",
        "user": random.choice(users),
        "addresses": [
            f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
            f"fd7a:115c:a1e0::{number + 1:x}",
        ],
        "authorized": True,
        "connectedToControl": True,
        "enabledRoutes": [],
        "advertisedRoutes": [],
    }
    if random.random() < 0.5:
        device["tags"] = [f"tag:t{tag}" for tag in random.sample(range(TAGS), random.choice([1, 1, 2]))]
    if number < ROUTERS:
        device["enabledRoutes"] = device["advertisedRoutes"] = [f"10.{number}.0.0/16"]
    elif number < ROUTERS + EXITS:
        device["enabledRoutes"] = device["advertisedRoutes"] = ["0.0.0.0/0", "::/0"]
    return device


def policy(seed: int) -> dict[str, Any]:
    """Return a policy of grants and acls over groups, tags, networks, one's own devices and capabilities."""
    random = Random(seed)
    groups = {
        f"group:g{number}": [
            f"user{member}@example.com" for member in random.sample(range(USERS), random.randint(1, 6))
        ]
        for number in range(GROUPS)
    }
    tags: dict[str, list[str]] = {f"tag:t{number}": [] for number in range(TAGS)}
    names = [
        *groups,
        *tags,
        "autogroup:member",
        "autogroup:tagged",
        *(f"user{n}@example.com" for n in range(50)),
    ]
    places = [
        *groups,
        *tags,
        *(f"10.{n}.0.0/16" for n in range(ROUTERS)),
        *(f"10.{n}.{n}.0/24" for n in range(ROUTERS)),
    ]
    grants: list[dict[str, Any]] = []
    acls: list[dict[str, Any]] = []
    for number in range(RULES):
        source, target = (
            random.sample(names, random.randint(1, 4)),
            random.sample(places, random.randint(1, 4)),
        )
        ports = random.sample(_PORTS, random.randint(1, 2))
        if number % 20 == 0:
            grants.append({"src": ["autogroup:member"], "dst": ["autogroup:self"], "ip": ["tcp:22"]})
        elif number % 20 == 1:
            grants.append({"src": ["*"], "dst": target[:1], "ip": ["tcp:443"]})
        elif number % 20 == 2:
            grants.append({"src": source, "dst": target, "app": {"example.com/cap/x": [{"role": number}]}})
        elif number % 3 == 0:
            acls.append({"action": "accept", "src": source, "dst": [f"{each}:22,80,443" for each in target]})
        else:
            grants.append({"src": source, "dst": target, "ip": ports})
    return {"groups": groups, "tagOwners": tags, "acls": acls, "grants": grants}


def edited(content: dict[str, Any]) -> dict[str, Any]:
    """Return the policy with a rule changed, one added, one taken away, as an admin edits it."""
    changed: dict[str, Any] = json.loads(json.dumps(content))
    changed["grants"][5]["dst"] = ["tag:t3"]
    changed["grants"].append({"src": ["group:g1"], "dst": ["tag:t7"], "ip": ["tcp:2222"]})
    del changed["grants"][40]
    return changed


def measure_size(devices: int) -> dict[str, float]:
    """Measure one size in this process."""
    from datetime import UTC, datetime

    from tailscale_sdk.policy.access import explain, reach, read_question
    from tailscale_sdk.policy.compile import compile_policy
    from tailscale_sdk.policy.diff import diff_policies
    from tailscale_sdk.policy.language import read_policy
    from tailscale_sdk.policy.lint import generate_tests
    from tailscale_sdk.policy.tailnet import read_tailnet
    from tailscale_sdk.snapshot import TailnetSnapshot

    content = policy(SEED)
    text, file = json.dumps(content, indent=1), json.dumps(tailnet(devices))
    snapshot = TailnetSnapshot.from_dict(json.loads(file))
    now = datetime.now(UTC)
    found = {"json.loads": timed(lambda: json.loads(file)), "policy KB": len(text) / 1000}
    found["read policy"] = timed(lambda: read_policy(text))
    old, new, other = (read_policy(json.dumps(each)) for each in (content, edited(content), policy(SEED + 1)))
    found["read tailnet"] = timed(lambda: read_tailnet(snapshot))
    network = read_tailnet(snapshot)
    found["compile"] = timed(lambda: compile_policy(old, network))
    compiled = compile_policy(old, network)
    pairs = [(f"d{devices // 3 + step}", f"d{devices // 2 + step}") for step in range(10)]
    explain(compiled, *pairs[0], read_question("443"), now=now)
    found["explain"] = timed(
        lambda: [explain(compiled, *pair, read_question("443"), now=now) for pair in pairs]
    ) / len(pairs)
    found["reached by"] = timed(lambda: reach(compiled, destination="d7", question=read_question(None)))
    found["diff, an edit"] = timed(lambda: diff_policies(old, new, network))
    found["diff, all rules"] = timed(lambda: diff_policies(old, other, network))
    found["make tests"] = timed(lambda: generate_tests(compiled), rounds=1)
    found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def timed(work: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """Return the best of a few runs, in seconds."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def measure() -> list[Found]:
    """Measure every size, print the curve, and return what has a budget."""
    sizes = {}
    for size in SIZES:
        done = subprocess.run(
            [sys.executable, __file__, str(size)], capture_output=True, text=True, check=True, cwd=ROOT
        )
        sizes[size] = json.loads(done.stdout)
    print("     " + "devices".ljust(18) + "".join(f"{size:>14,}" for size in SIZES))
    for name in sizes[SIZES[0]]:
        cells = (_cell(name, sizes[size]) for size in SIZES)
        print("     " + name.ljust(18) + "".join(cell.rjust(14) for cell in cells))
    small, large = sizes[SIZES[0]], sizes[SIZES[-1]]
    growth = SIZES[-1] / SIZES[0]
    return [
        Found("policy: read 120 KB, ms a call", large["read policy"] * 1000 * 120 / large["policy KB"], 100),
        Found("policy: compile 10,000 devices, seconds", large["compile"], 1.0),
        Found("policy: explain, ms a call", large["explain"] * 1000, 50),
        Found("policy: who reaches a device, ms a call", large["reached by"] * 1000, 200),
        Found("policy: difference of an edit, seconds", large["diff, an edit"], 5.0),
        Found("policy: difference of all rules, seconds", large["diff, all rules"], 5.0),
        Found("policy: tests made and run, seconds", large["make tests"], 5.0),
        Found("policy: peak, MB", large["peak MB"], 500),
        Found("policy: compile / json.loads of the snapshot", large["compile"] / large["json.loads"], 5.0),
        Found("policy: compile, growth beyond linear", large["compile"] / small["compile"] / growth, 1.5),
        Found(
            "policy: difference, growth beyond linear",
            large["diff, an edit"] / small["diff, an edit"] / growth,
            1.5,
        ),
    ]


def _cell(name: str, found: dict[str, float]) -> str:
    if name in {"policy KB", "peak MB"}:
        return f"{found[name]:.0f}"
    return f"{found[name] * 1000:.1f} ms ({found[name] / found['json.loads']:.1f}x)"


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(measure_size(int(sys.argv[1]))))
    else:
        for each in measure():
            print(
                f"{'ok  ' if each.value <= each.budget else 'OVER'} {each.name}: {each.value:.2f} (budget {each.budget:g})"
            )
