"""Functions as a workflow has them, small enough to see what the server does with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from attrs import evolve, frozen

Detail = Literal["short", "long"]


async def look(
    client: Any, *, now: Any, progress: Any, snapshots: Any, device: str, kind: Detail | None = None
) -> dict[str, Any]:
    snapshot = await snapshots.read(("policy",))
    found = [each for each in snapshot.devices if device in {each["nodeId"], each["hostname"]}]
    if not found:
        raise ValueError("no device is called like that")
    facts = [f"{name}: {value}" for name, value in sorted(found[0].items())]
    return {
        "device": found[0]["hostname"],
        "facts": facts if kind == "long" else facts[:2],
        "asked": now.tzinfo is not None,
        "principal": snapshots.principal,
    }


async def count(client: Any, *, now: Any, progress: Any, to: int, wide: int = 0) -> dict[str, Any]:
    rows = []
    for number in range(to):
        progress(number + 1, to)
        rows.append({"number": number, "word": f"word {number}", "name": "x" * wide})
    return {"rows": rows, "asked": to}


@frozen
class Planned:
    plan: Any
    told: str

    def to_dict(self) -> dict[str, Any]:
        return {"told": self.told, "lines": [f"line {number}" for number in range(3)]}


@frozen
class Applied:
    report: Any

    def to_dict(self) -> dict[str, Any]:
        return {"told": "it is done"}


async def plan_paths(
    client: Any,
    *,
    now: Any,
    progress: Any,
    changes: Any,
    principal: str,
    digest: str,
    paths: Sequence[str],
    reason: str | None = None,
) -> Planned:
    calls = [client.prepare("setDnsSearchPaths", search_paths=list(paths))]
    plan = await changes.plan(calls, principal=principal)
    store = changes.state.plans
    record = store.take(plan.id, principal=principal, profile=plan.profile)
    store.put(evolve(record, digest=digest))
    return Planned(plan, reason or "no reason")


async def apply_paths(
    client: Any, *, now: Any, progress: Any, changes: Any, principal: str, digest: str, plan_id: str
) -> Applied:
    return Applied(await changes.apply(plan_id, principal=principal, expect=digest, progress=progress))
