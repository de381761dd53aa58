"""What plans are made and applied with, and how the object a write changes is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import frozen

from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Steps
from tailscale_sdk.changes.local_state import LocalState
from tailscale_sdk.changes.predictions import Arguments
from tailscale_sdk.changes.readings import Reading, as_state, readings_of
from tailscale_sdk.errors import NotFoundError


@frozen
class Context:
    """Hold what plans are made and applied with.

    Attributes:
        tailnet: of the client.
        profile: name of the profile, ``default`` without one.
        prepare: builds a call from operation id and arguments; a third argument gives the mark of a creation.
        sending: returns the steps that send a prepared call.
        now: wall clock with a zone.
        state: what this machine keeps.
        key_id: id of the credential, where it tells.
    """

    tailnet: str
    profile: str
    prepare: Callable[..., PreparedCall]
    sending: Callable[[PreparedCall], Steps[Any]]
    now: Callable[[], datetime]
    state: LocalState
    key_id: str | None = None

    @property
    def shelf(self) -> str:
        """Return the name under which policy versions are kept; the credential's own tailnet has none."""
        own = f"{self.profile}@{self.key_id}" if self.key_id else self.profile
        return own if self.tailnet == "-" else self.tailnet


def reading_steps(context: Context, reading: Reading, tailnet: str) -> Steps[dict[str, Any]]:
    """Carry out one read and return its answer as an object."""
    call = context.prepare(reading.operation_id, {**reading.arguments, "tailnet": tailnet})
    answer = yield from context.sending(call)
    return as_state(reading, answer)


def read_state(
    context: Context, operation_id: str, arguments: Arguments, tailnet: str, *, afterwards: bool = False
) -> Steps[dict[str, Any] | None]:
    """Read the object a write changes; None where nothing is there, an empty object where no read shows it.

    Args:
        context: what it is read with.
        operation_id: the write.
        arguments: its arguments.
        tailnet: tailnet it is for.
        afterwards: the write has been carried out.

    Raises:
        TailscaleError: it cannot be read for another reason than rights.
    """
    state: dict[str, Any] = {}
    for reading in readings_of(operation_id, arguments, afterwards=afterwards):
        try:
            found = yield from reading_steps(context, reading, tailnet)
        except NotFoundError:
            if reading.part is None:
                return None
            found = {}
        if reading.part is None:
            return found
        state[reading.part] = found
    return state
