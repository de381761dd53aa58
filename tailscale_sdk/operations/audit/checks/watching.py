"""Checks of who would notice: log streams and webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Check, Json, Outcome, Subject, fact
from tailscale_sdk.operations.values import mapping_of, moment_of, text_of, texts_of

_LOG_TYPES: Final = ("configuration", "network")
# Devices talk all the time; a configuration that nobody changes writes no log.
_QUIET: Final = 4
_STATUS: Final = "getLogStreamingStatus"
_EVENTS: Final = (
    "nodeNeedsApproval",
    "nodeKeyExpiringInOneDay",
    "policyUpdate",
    "userNeedsApproval",
    "userRoleUpdated",
)
_ALL_OF_THEM: Final = "categoryTailnetManagement"
"""Subscription of the service that stands for each of these events, and for those to come."""


def _streams(audited: Audited) -> Iterator[Outcome]:
    streams = audited.part("log_streams")
    for log_type in _LOG_TYPES:
        subject = Subject("log_stream", log_type)
        if log_type in streams:
            yield _stream(subject, mapping_of(streams, log_type), audited)
        elif "log_streams" in audited.fleet.coverage:
            why = audited.fleet.coverage["log_streams"]
            yield Outcome(subject, "unknown", f"the stream cannot be judged: {why}")
        else:
            evidence = (fact("getLogStreamingConfiguration", configured=False),)
            yield Outcome(subject, "fail", f"the {log_type} log goes nowhere", evidence=evidence)


def _stream(subject: Subject, stream: Json, audited: Audited) -> Outcome:
    status = mapping_of(stream, "status")
    if not status:
        return Outcome(subject, "unknown", "there is a stream; whether it works was not read")
    error, last = text_of(status, "lastError"), moment_of(status, "lastActivity")
    if error:
        evidence = (fact(_STATUS, lastError=error),)
        return Outcome(subject, "fail", "its last delivery failed", evidence=evidence)
    if last is None:
        return Outcome(subject, "unknown", "the API does not say when it delivered last")
    silent, most = audited.now - last, audited.options.stalled_days
    if silent > timedelta(days=most * (_QUIET if subject.id == "configuration" else 1)):
        evidence = (fact(_STATUS, lastActivity=text_of(status, "lastActivity")),)
        return Outcome(subject, "fail", f"it delivered nothing for {silent.days} days", evidence=evidence)
    return Outcome(subject, "pass")


def _webhooks(audited: Audited) -> Iterator[Outcome]:
    hooks = audited.rows("webhooks")
    told = {event for hook in hooks for event in texts_of(hook, "subscriptions")}
    silent = [event for event in _EVENTS if not told & {event, _ALL_OF_THEM}]
    whole, evidence = Subject("tailnet", "webhooks"), (fact("listWebhooks", subscriptions=sorted(told)),)
    if silent:
        yield Outcome(whole, "fail", f"nobody is told of {', '.join(silent)}", evidence=evidence)
    else:
        yield Outcome(whole, "pass")
    for hook in hooks:
        yield _secret(hook, audited)


def _secret(hook: Json, audited: Audited) -> Outcome:
    subject = Subject("webhook", text_of(hook, "endpointId"))
    # A new secret counts as a modification, so the later date is the youngest the secret may be.
    moments = [
        moment for name in ("created", "lastModified") if (moment := moment_of(hook, name)) is not None
    ]
    if not moments:
        return Outcome(subject, "unknown", "the API does not say how old its secret is")
    age = audited.now - max(moments)
    if age <= timedelta(days=audited.options.secret_days):
        return Outcome(subject, "pass")
    dates = fact("listWebhooks", created=hook.get("created"), lastModified=hook.get("lastModified"))
    return Outcome(subject, "fail", f"its secret is {age.days} days old", evidence=(dates,))


CHECKS: Final = (
    Check("LOG-01", "high", "Logs that go nowhere", "stream both logs to where they are kept", ("log_streams",), ("CC7.1", "CC7.2"), _streams),
    Check("LOG-02", "medium", "Events nobody is told of", "add a webhook for them, and rotate old secrets", ("webhooks",), ("CC7.1", "CC7.2"), _webhooks),
)  # fmt: skip
"""In the order of their ids."""
