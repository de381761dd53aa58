"""One plan while it is applied: what it is applied with, and what is noted and counted on the way."""

from __future__ import annotations

from typing import Any

from attrs import define

from tailscale_sdk.calls.steps import Ask, Local, Steps
from tailscale_sdk.changes.context import Context, read_state
from tailscale_sdk.changes.journal import Journal, State
from tailscale_sdk.changes.model import Check, ItemReport, PlannedItem
from tailscale_sdk.errors import TailscaleError
from tailscale_sdk.transport.again import STOPS


@define
class Work:
    """Hold one plan while it is applied."""

    context: Context
    plan_id: str
    change_id: str
    principal: str
    checks: tuple[Check, ...]
    reason: str | None = None
    keep_open: bool = False
    requests: int = 0

    @property
    def journal(self) -> Journal:
        """Return the journal."""
        return self.context.state.journal

    def noted(self, report: ItemReport, state: State, error: str | None = None) -> Local:
        """Return the step that notes how far an item came."""
        entry = report.journal
        if entry is None:
            raise ValueError("an item that was never begun has no journal entry")
        return Local(lambda: self.journal.advance(entry, state, error=error))

    def counted(self, steps: Steps[Any]) -> Steps[Any]:
        """Carry out steps and count the requests among them."""
        answer: Any = None
        problem: BaseException | None = None
        while True:
            try:
                step = steps.throw(problem) if problem is not None else steps.send(answer)
            except StopIteration as done:
                return done.value
            self.requests += isinstance(step, Ask)
            answer, problem = None, None
            try:
                answer = yield step
            except (TailscaleError, *STOPS) as error:
                problem = error


def read_item(work: Work, item: PlannedItem, *, afterwards: bool = False) -> Steps[dict[str, Any] | None]:
    """Return the steps that read the state an item changes."""
    call = item.call
    return read_state(work.context, call.operation_id, call.arguments, call.tailnet, afterwards=afterwards)
