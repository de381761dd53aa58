"""After a crash or a change of mind: what is open, what became of it, and the plan that takes a change back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.journal import Entry
from tailscale_sdk.changes.planning import Context, reading_steps
from tailscale_sdk.changes.predictions import is_gone, is_predictable, is_removal, rule_of, watched
from tailscale_sdk.changes.preimages import Preimage
from tailscale_sdk.changes.readings import readings_of
from tailscale_sdk.changes.states import same, state_of
from tailscale_sdk.errors import ChangeRefusedError, NotFoundError, TailscaleError

Found = Literal["applied", "not_applied", "unknown", "never_sent"]


@frozen
class OpenChange:
    """Say what is known of a change that never came to its end.

    Attributes:
        entry: its journal entry.
        found: applied, not_applied or never_sent where reading settles it; unknown where it does not.
        reason: why it is not known.
    """

    entry: Entry
    found: Found
    reason: str | None = None


def open_steps(context: Context) -> Steps[tuple[OpenChange, ...]]:
    """Return the steps that look at every open entry of this tailnet and profile; they send nothing but reads."""
    entries = yield Local(context.state.journal.open_entries)
    mine = [e for e in entries if e.tailnet == context.tailnet and e.profile == context.profile]
    found: tuple[OpenChange, ...] = ()
    for entry in mine:
        found = (*found, (yield from _settle(context, entry)))
    return found


def _settle(context: Context, entry: Entry) -> Steps[OpenChange]:
    if entry.state in {"planned", "snapshotted"}:
        yield Local(lambda: context.state.journal.advance(entry.id, "refused", error="NeverSent"))
        return OpenChange(entry, "never_sent")
    if not is_predictable(entry.operation):
        mark = f"; look for {entry.nonce!r}" if entry.nonce else ""
        return OpenChange(entry, "unknown", f"{entry.operation} leaves no state to compare{mark}")
    images = yield Local(lambda: context.state.preimages.for_change(entry.change_id))
    image = next((image for image in images if image.item == entry.item), None)
    if image is None:
        return OpenChange(entry, "unknown", "its pre-image is missing")
    try:
        found = yield from _compare(context, entry, image)
    except TailscaleError as error:
        return OpenChange(entry, "unknown", str(error))
    if found == "applied":
        yield Local(lambda: _close(context, entry))
    return OpenChange(entry, found)


def _close(context: Context, entry: Entry) -> None:
    journal = context.state.journal
    if entry.state == "sending":
        journal.advance(entry.id, "unknown")
    if entry.state in {"sending", "unknown", "applied"}:
        journal.advance(entry.id, "verified")
    journal.advance(entry.id, "closed")


def _compare(context: Context, entry: Entry, image: Preimage) -> Steps[Found]:
    """Compare what is there now with the states before and after."""
    content = image.content
    now: dict[str, Any] | None = {}
    for reading in readings_of(entry.operation, content["arguments"], afterwards=True):
        try:
            found = yield from reading_steps(context, reading, entry.tailnet)
        except NotFoundError:
            found = None
        if reading.part is None:
            now = found
        elif now is not None:
            now[reading.part] = found or {}
    if is_removal(entry.operation):
        return "applied" if is_gone(entry.operation, now) else "not_applied"
    if entry.operation == "setPolicyFile":
        return "not_applied" if (now or {}).get("etag") == entry.base else "unknown"
    fields = rule_of(entry.operation).fields
    state = None if now is None else state_of(fields, now)
    after = content["after"]
    if state is not None and after and same(after, watched(entry.operation, after, state)):
        return "applied"
    return "not_applied" if same(content["before"], state) else "unknown"


def undo_calls(context: Context, change_id: str) -> Steps[tuple[PreparedCall, ...]]:
    """Build the calls that take a change back, last item first.

    Args:
        change_id: id of the change, from its report or the journal.

    Raises:
        ChangeRefusedError: there is no such change, or nothing of it can be taken back.
    """
    entries = yield Local(lambda: context.state.journal.entries(change_id))
    images = yield Local(lambda: context.state.preimages.for_change(change_id))
    done = {
        entry.item for entry in entries if entry.state in {"applied", "verified", "not_verified", "closed"}
    }
    calls: list[PreparedCall] = []
    for image in sorted(images, key=lambda image: -image.item):
        if image.item in done and image.inverse is not None and image.inverse["from_answer"] is None:
            arguments = yield Local(partial(_arguments, context, image))
            calls.append(context.prepare(image.inverse["operation_id"], arguments))
    if not calls:
        raise ChangeRefusedError(f"nothing of change {change_id} can be taken back: see its journal")
    return tuple(calls)


def _arguments(context: Context, image: Preimage) -> Mapping[str, Any]:
    arguments = {**image.inverse["arguments"], "tailnet": context.tailnet}
    if image.inverse["operation_id"] == "setPolicyFile":
        arguments["policy"] = context.state.versions.read(image.content["version"], context.shelf).text
    return arguments
