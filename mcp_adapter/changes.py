"""The two kinds of change: one operation of the API, and a workflow of the SDK; both are planned, then applied by id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen

from mcp_adapter.arguments import CheckedCall
from mcp_adapter.catalog import is_workflow
from mcp_adapter.runtime import Profile, Runtime
from mcp_adapter.workflows import Provider


@frozen
class Step:
    """Hold what planning or applying came to.

    Attributes:
        outcome: the engine's plan, or its report.
        facts: what a workflow says beside it, as JSON values.
    """

    outcome: Any
    facts: Mapping[str, Any] = field(factory=dict)


class Change(Protocol):
    """Be planned and applied; both are bound to the same arguments and principal."""

    async def plan(self) -> Step:
        """Make a plan; only reads are sent.

        Raises:
            TailscaleError: there is none to be made.
        """
        ...

    async def apply(self, plan_id: str) -> Step:
        """Apply a plan, once.

        Raises:
            TailscaleError: nothing was sent.
        """
        ...


def change_of(runtime: Runtime, profile: Profile, call: CheckedCall, principal: str, context: Any) -> Change:
    """Return the change a checked call asks for.

    Args:
        runtime: clients and engines.
        profile: tailnet it is for.
        call: of a write or delete action.
        principal: who calls.
        context: FastMCP's context, for progress; None where there is none.
    """
    function = call.entry if is_workflow(call.entry) else call.entry.get("transaction")
    if function is not None:
        return _Workflow(call, function, Provider(runtime, profile, principal, context))
    prepared = runtime.client(profile).prepare(call.entry["operation"], **call.arguments)
    return _Operation(runtime.changes(profile), prepared, principal)


@frozen
class _Operation:
    """Change one thing with one call of the API."""

    engine: Any
    prepared: Any
    principal: str

    async def plan(self) -> Step:
        return Step(await self.engine.plan([self.prepared], principal=self.principal))

    async def apply(self, plan_id: str) -> Step:
        from tailscale_sdk.changes import digest_of_call

        secrets = {name: self.prepared.arguments[name] for name in self.prepared.secret_fields}
        expected = digest_of_call(self.prepared)
        return Step(
            await self.engine.apply(plan_id, principal=self.principal, expect=expected, secrets=secrets)
        )


@frozen
class _Workflow:
    """Change what a function of the operations layer works out from the arguments."""

    call: CheckedCall
    function: Mapping[str, Any]
    provider: Provider

    async def plan(self) -> Step:
        made = await self.provider.run(self.function, self.call.arguments, digest=digest_of(self.call))
        return Step(made.plan, made.to_dict())

    async def apply(self, plan_id: str) -> Step:
        more = {"digest": digest_of(self.call), "plan_id": plan_id}
        done = await self.provider.run(self.function["apply"], {}, **more)
        return Step(done.report, done.to_dict())


def digest_of(call: CheckedCall) -> str:
    """Return what a workflow's plan is bound to: the action and the arguments, as they were checked."""
    content = json.dumps([call.entry["operation"], dict(call.arguments)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
