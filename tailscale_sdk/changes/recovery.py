"""After a crash or a change of mind: what is open, what became of it, and the plan that takes a change back."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from attrs import frozen

from tailscale_sdk.calls.prepared import PreparedCall
from tailscale_sdk.calls.steps import Local, Steps
from tailscale_sdk.changes.context import Context, read_state
from tailscale_sdk.changes.evidence import is_done
from tailscale_sdk.changes.journal import Entry, State
from tailscale_sdk.changes.predictions import compared, is_predictable, is_removal
from tailscale_sdk.changes.preimages import Preimage
from tailscale_sdk.changes.states import layout_hash, same
from tailscale_sdk.errors import ChangeRefusedError, StateError, TailscaleError

_log = logging.getLogger("tailscale_sdk.changes")
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
        found = (*found, (yield from settle(context, entry)))
    return found


# The answer came: whatever is there now, the write was carried out.
_ANSWERED = frozenset({"applied", "verified", "not_verified"})


def settle(context: Context, entry: Entry) -> Steps[OpenChange]:
    if entry.state in {"planned", "snapshotted"}:
        yield Local(partial(_note, context, entry, "never_sent"))
        return OpenChange(entry, "never_sent")
    # A policy is read all the same: its undo needs the version tag that was left.
    known = entry.state == "verified" and entry.operation != "setPolicyFile"
    if known or (entry.state in {"applied", "verified"} and not is_predictable(entry.operation)):
        yield Local(partial(_note, context, entry, "applied"))
        return OpenChange(entry, "applied")
    if not is_predictable(entry.operation):
        mark = f"; look for {entry.nonce!r}" if entry.nonce else ""
        return OpenChange(entry, "unknown", f"{entry.operation} leaves no state to compare{mark}")
    images = yield Local(lambda: context.state.preimages.for_change(entry.change_id))
    image = next((image for image in images if image.item == entry.item), None)
    if image is None:
        return OpenChange(entry, "unknown", "its pre-image is missing")
    try:
        found, now = yield from _compare(context, image)
    except TailscaleError as error:
        return OpenChange(entry, "unknown", str(error))
    if found == "applied":
        yield Local(partial(_note, context, entry, found, image, now))
    elif entry.state == "verified":
        yield Local(partial(_note, context, entry, "applied"))
        return OpenChange(entry, "applied", "it was verified; what is there now is something else")
    elif entry.state in _ANSWERED:
        return OpenChange(entry, "applied", "it was carried out; what is there now is something else")
    return OpenChange(entry, found)


def _note(
    context: Context, entry: Entry, found: Found, image: Preimage | None = None, now: Any = None
) -> None:
    """Note what was found out; where this machine can keep nothing now, the next look finds it again."""
    journal = context.state.journal
    try:
        if found == "never_sent":
            journal.advance(entry.id, "refused", error="NeverSent")
            return
        if image is not None and entry.operation == "setPolicyFile" and image.inverse is not None:
            arguments = {**image.inverse["arguments"], "if_match": (now or {}).get("etag")}
            context.state.preimages.set_inverse(image.id, {**image.inverse, "arguments": arguments})
        context.state.audit.append(
            {
                "event": "settled",
                "principal": entry.principal,
                "profile": entry.profile,
                "tailnet": entry.tailnet,
                "change": entry.change_id,
                "operation": entry.operation,
                "target": entry.target,
                "outcome": "ok",
            }
        )
        for state in _WAYS_TO_THE_END[entry.state]:
            journal.advance(entry.id, state)
    except StateError as error:
        _log.warning("change %s: what became of it could not be noted: %s", entry.change_id, error)


_WAYS_TO_THE_END: Mapping[State, tuple[State, ...]] = {
    "sending": ("unknown", "verified", "closed"),
    "unknown": ("verified", "closed"),
    "applied": ("verified", "closed"),
    "verified": ("closed",),
    "not_verified": ("closed",),
}


def _compare(context: Context, image: Preimage) -> Steps[tuple[Found, dict[str, Any] | None]]:
    """Compare what is there now with the states before and after."""
    operation, content = image.operation, image.content
    tailnet = content["arguments"].get("tailnet", context.tailnet)
    now = yield from read_state(context, operation, content["arguments"], tailnet, afterwards=True)
    if operation == "setPolicyFile":
        return _compare_policy(content, now or {}), now
    before = content["before"]
    done = is_done(
        operation, content["arguments"], before=before, after=content["after"], found=now, at=context.now()
    )
    if done:
        return "applied", now
    if is_removal(operation):
        return "not_applied", now
    # What could tell nothing of a write that was done tells nothing of one that was not either.
    untold = done is None and content["after"] is not None
    return ("not_applied" if not untold and same(before, compared(operation, now)) else "unknown"), now


def _compare_policy(content: Mapping[str, Any], now: Mapping[str, Any]) -> Found:
    stored = str(now.get("policy"))
    if hashlib.sha256(stored.encode()).hexdigest() == content["sent_sha256"]:
        return "applied"
    # A version tag is that of the layout: where only the layout was to change, the bytes alone tell.
    if now.get("etag") != content["before"].get("etag") and layout_hash(stored) == content.get("sent_layout"):
        return "applied"
    return "not_applied" if now.get("etag") == content["before"].get("etag") else "unknown"


def undo_calls(context: Context, change_id: str) -> Steps[tuple[PreparedCall, ...]]:
    """Build the calls that take a change back, last item first.

    Args:
        change_id: id of the change, from its report or the journal.

    Raises:
        ChangeRefusedError: there is no such change, nothing of it can be taken back, or somebody changed the same
            since.
        TailscaleError: it cannot be read whether somebody did.
    """
    entries = yield Local(lambda: context.state.journal.entries(change_id))
    images = yield Local(lambda: context.state.preimages.for_change(change_id))
    done = {entry.item: entry.state for entry in entries if entry.state in {*_ANSWERED, "closed"}}
    calls: list[PreparedCall] = []
    seen: set[tuple[str, str]] = set()
    for image in sorted(images, key=lambda image: -image.item):
        if image.item in done and image.inverse is not None and image.inverse["from_answer"] is None:
            if (image.operation, image.target) not in seen and done[image.item] != "not_verified":
                yield from _check_untouched(context, image)
            seen.add((image.operation, image.target))
            arguments = yield Local(partial(_arguments, context, image))
            calls.append(context.prepare(image.inverse["operation_id"], arguments))
    if not calls:
        raise ChangeRefusedError(f"nothing of change {change_id} can be taken back: see its journal")
    return tuple(calls)


def _check_untouched(context: Context, image: Preimage) -> Steps[None]:
    """Refuse to take back what somebody changed since; a policy's own If-Match does this for it."""
    if image.content["after"] is not None and image.operation != "setPolicyFile":
        found, _ = yield from _compare(context, image)
        if found == "unknown":
            raise ChangeRefusedError(
                f"{image.target} was changed by somebody else since: look at it, and plan what it should be"
            )


def _arguments(context: Context, image: Preimage) -> Mapping[str, Any]:
    arguments = {**image.inverse["arguments"], "tailnet": context.tailnet}
    if image.inverse["operation_id"] == "setPolicyFile":
        if "if_match" not in arguments:
            raise ChangeRefusedError(
                "it is not known which version the change left: compare and set the policy"
            )
        arguments["policy"] = context.state.versions.read(image.content["version"], context.shelf).text
    return arguments
