"""Creations: never doubled, and nothing orphaned without being named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import orjson
from attrs import evolve, frozen

from tailscale_sdk._constants import DESCRIPTION_CHARACTERS, NONCE_CHARACTERS, SECOND_LOOK_SECONDS
from tailscale_sdk._generated.models.key import Key
from tailscale_sdk._generated.types import Model, UnexpectedShape, WireRequest
from tailscale_sdk.calls import traces
from tailscale_sdk.calls.resource import AsyncResource, Resource
from tailscale_sdk.calls.steps import Ask, Steps, Wait, in_doubt, run, run_async
from tailscale_sdk.calls.traces import Trace, json_of
from tailscale_sdk.errors import OutcomeUnknownError, TailscaleError
from tailscale_sdk.transport.clock import Clock
from tailscale_sdk.transport.context import operation_of
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.reply import RawResponse

T = TypeVar("T")
Parse = Callable[[Any], T]

# What a creation's answer must hold; without it nobody can use, find or remove what was made.
_NEEDED = {
    "createKey": ("id", "key"),
    "createWebhook": ("endpoint_id", "secret"),
    "createOAuthApp": ("id", "client_secret"),
    "createPostureIntegration": ("id",),
    "createUserInvites": ("id",),
    "createDeviceInvites": ("id",),
    "getAwsExternalId": ("external_id",),
}


class RecreatedKey(Key):
    """A key that was created once more after an unclear first attempt.

    Attributes:
        possible_orphan: mark of the first attempt, where it was never found: a request still on its way may make it.
    """

    __slots__ = ("possible_orphan",)
    possible_orphan: str | None

    def _decode(self) -> None:
        super()._decode()
        self.possible_orphan = None

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.possible_orphan = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy with the mark, which is no part of the API object."""
        return _with_orphan, (Key.from_dict(self.to_dict()), self.possible_orphan)


@frozen
class Creation:
    """Hold one creation that is under way.

    Attributes:
        started: wall clock time of its beginning; what is older cannot be what it made.
    """

    operation_id: str
    request: WireRequest
    parse: Parse[Any]
    options: Options
    clock: Clock
    started: datetime


def create(resource: Resource, operation_id: str, request: WireRequest, parse: Parse[T]) -> T:
    """Create something, and find out what became of it when the answer does not tell.

    Raises:
        OutcomeUnknownError: it may have been created; ``recovered`` says what was found out.
        TailscaleError: it was not created.
    """
    channel = resource._channel
    clock = channel.sender.connection.clock
    steps = creation_steps(Creation(operation_id, request, parse, channel.options, clock, clock.now()))
    made: T = run(channel, steps)
    return made


async def create_async(
    resource: AsyncResource, operation_id: str, request: WireRequest, parse: Parse[T]
) -> T:
    """Create something, as ``create`` does."""
    channel = resource._channel
    clock = channel.sender.connection.clock
    steps = creation_steps(Creation(operation_id, request, parse, channel.options, clock, clock.now()))
    return await run_async(channel, steps)


def creation_steps(creation: Creation) -> Steps[Any]:
    """Return the steps of a creation."""
    if creation.operation_id == "createKey" and creation.options.mark_creation:
        nonce = creation.clock.nonce()
        if (marked := mark(creation.request, nonce)) is not None:
            return marked_key_steps(evolve(creation, request=marked), creation.request, nonce)
    if creation.operation_id == "getAwsExternalId" and json_of(creation.request).get("reusable") is True:
        return _reusable(creation)
    return _unmarked(creation)


def mark(request: WireRequest, nonce: str) -> WireRequest | None:
    """Put a mark behind a key's description; None when the description leaves no room for it.

    Args:
        request: the creation of a key.
        nonce: eight characters.
    """
    body = json_of(request)
    text = body.get("description") or ""
    if not isinstance(text, str) or len(text) > DESCRIPTION_CHARACTERS - NONCE_CHARACTERS - 1:
        return None
    return traces.with_json(request, {**body, "description": f"{text} {nonce}".strip()})


def _needs_answer(operation_id: str, request: WireRequest, parse: Parse[Any]) -> Parse[Any]:
    """Refuse an answer without id or secret: something may have been made that nobody can use."""
    needed = _NEEDED[operation_id]
    if operation_id == "createKey" and json_of(request).get("keyType") == "federated":
        needed = ("id",)

    asked_for = orjson.loads(request.content or b"{}")

    def read(data: Any) -> Any:
        made = parse(data)
        if isinstance(made, list) and asked_for and not made:
            raise UnexpectedShape("$[0]", expected="object", found="nothing")
        for index, item in enumerate(made if isinstance(made, list) else [made]):
            place = f"$[{index}]" if isinstance(made, list) else "$"
            for name in needed:
                if not getattr(item, name, None):
                    api_name = item._fields[name].api_name if isinstance(item, Model) else name
                    raise UnexpectedShape(f"{place}.{api_name}", expected="text", found="nothing")
        return made

    return read


def _ask(creation: Creation, nonce: str | None = None, *, again: bool = False) -> Ask:
    parse = _needs_answer(creation.operation_id, creation.request, creation.parse)
    return Ask(creation.operation_id, creation.request, parse, nonce=nonce, settling=again, answers=True)


def _reusable(creation: Creation) -> Steps[Any]:
    """Ask for the reusable external id, which is the same however often it is asked for."""
    operation = operation_of(creation.operation_id)._replace(retry_class="IDEM")
    parse = _needs_answer(creation.operation_id, creation.request, creation.parse)
    return (yield Ask(operation, creation.request, parse))


def marked_key_steps(creation: Creation, plain: WireRequest, nonce: str) -> Steps[Any]:
    """Return the steps of creating a key whose request carries a mark already.

    Args:
        creation: with the marked request.
        plain: the request without a mark, for a second creation with another one.
        nonce: the mark.
    """
    try:
        return (yield _ask(creation, nonce))
    except OutcomeUnknownError as error:
        unknown = error
    with in_doubt(unknown):
        trace = traces.key_by_mark(creation.request, nonce)
        recovered, found = yield from _remove(trace)
        if creation.options.on_ambiguous != "recreate" or recovered == "none":
            raise _told(unknown, recovered, nonce, found)
        again = creation.clock.nonce()
        second = evolve(creation, request=mark(plain, again) or plain)
        try:
            made = yield _ask(second, again, again=True)
        except OutcomeUnknownError as error:
            with in_doubt(error):
                outcome, more = yield from _remove(traces.key_by_mark(second.request, again))
                orphan = yield from _late(trace, nonce, recovered)
            raise _told(error, outcome, again, (*found, *more), orphan) from error.__cause__
        except TailscaleError as error:
            if (orphan := (yield from _late(trace, nonce, recovered))) is None:
                raise
            raise _told(unknown, recovered, orphan, found) from error
        with in_doubt(f"createKey made the key marked {again!r}, whose secret is lost now: revoke it"):
            orphan = yield from _late(trace, nonce, recovered)
        return _with_orphan(made, orphan)


def _late(trace: Trace, nonce: str, recovered: str) -> Steps[str | None]:
    """Look once more for what the first attempt may have made meanwhile; return its mark when it is not found."""
    if recovered == "revoked":
        return None
    try:
        found = yield from trace.find()
        for identifier in found:
            yield from trace.remove(identifier)
    except TailscaleError:
        return nonce
    return None if found else nonce


def _with_orphan(made: Any, orphan: str | None) -> Any:
    if isinstance(made, RawResponse):
        return evolve(made, parsed=_with_orphan(made.parsed, orphan))
    key = RecreatedKey.from_dict(made.to_dict())
    object.__setattr__(key, "possible_orphan", orphan)
    return key


def _remove(trace: Trace) -> Steps[tuple[str, tuple[str, ...]]]:
    """Find what was made and remove it, since its secret is lost; absence is believed at the second look."""
    found: tuple[str, ...] = ()
    try:
        found = yield from trace.find()
        if not found:
            yield Wait(SECOND_LOOK_SECONDS)
            found = yield from trace.find()
        for identifier in found:
            yield from trace.remove(identifier)
    except TailscaleError:
        return "none", found
    return ("revoked" if found else "not_found"), found


def _unmarked(creation: Creation) -> Steps[Any]:
    """Create without a mark: afterwards likely candidates can be named, and one webhook replaced, but no more."""
    try:
        return (yield _ask(creation))
    except OutcomeUnknownError as error:
        unknown = error
    trace = traces.by_likeness(creation.operation_id, creation.request, creation.started)
    if trace is None:
        raise unknown
    with in_doubt(unknown):
        recovered, found = yield from _alike(trace)
        if creation.options.on_ambiguous != "recreate" or not trace.removable or len(found) != 1:
            raise _told(unknown, recovered, None, found)
        try:
            yield from trace.remove(found[0])
        except TailscaleError:
            raise _told(unknown, "none", None, found) from unknown.__cause__
        try:
            return (yield _ask(creation, again=True))
        except OutcomeUnknownError as error:
            recovered, found = yield from _alike(trace)
            raise _told(error, recovered, None, found) from error.__cause__


def _alike(trace: Trace) -> Steps[tuple[str, tuple[str, ...]]]:
    """Name what may have been made; absence is believed at the second look."""
    try:
        found = yield from trace.find()
        if not found:
            yield Wait(SECOND_LOOK_SECONDS)
            found = yield from trace.find()
    except TailscaleError:
        return "none", ()
    return ("none" if found else "not_found"), found


def _told(
    unknown: OutcomeUnknownError,
    recovered: str,
    nonce: str | None,
    candidates: tuple[str, ...],
    orphan: str | None = None,
) -> OutcomeUnknownError:
    error = OutcomeUnknownError(
        operation=unknown.operation,
        recovered=recovered,
        nonce=nonce,
        candidates=candidates,
        possible_orphan=orphan,
        attempts=unknown.attempts,
        elapsed=unknown.elapsed,
    )
    error.__cause__ = unknown.__cause__
    return error
