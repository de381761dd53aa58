"""Checks of who would notice: log streams, webhooks, and the resolvers that names depend on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tailscale_sdk.operations.audit.model import Audited, Check, Json, Outcome, Subject, call, fact
from tailscale_sdk.operations.network.dns import dns_view
from tailscale_sdk.operations.network.resolving import ResolverCheck, check_resolvers
from tailscale_sdk.operations.values import mapping_of, moment_of, text_of, texts_of
from tailscale_sdk.policy.findings import Status

_LOG_TYPES: Final = ("configuration", "network")
_EVENTS: Final = (
    "nodeNeedsApproval",
    "nodeKeyExpiringInOneDay",
    "policyUpdate",
    "userNeedsApproval",
    "userRoleUpdated",
)
_STATUSES: Final[dict[str, Status]] = {"ok": "pass", "problem": "fail", "unknown": "unknown"}


def _streams(audited: Audited) -> Iterator[Outcome]:
    streams = audited.part("log_streams")
    for log_type in _LOG_TYPES:
        subject = Subject("log_stream", log_type)
        if log_type in streams:
            yield _stream(subject, mapping_of(streams, log_type))
        elif "log_streams" in audited.fleet.coverage:
            why = audited.fleet.coverage["log_streams"]
            yield Outcome(subject, "unknown", f"the stream cannot be judged: {why}")
        else:
            evidence = (fact("getLogStreamingConfiguration", configured=False),)
            yield Outcome(subject, "fail", f"the {log_type} log goes nowhere", evidence=evidence)


def _stream(subject: Subject, stream: Json) -> Outcome:
    status = mapping_of(stream, "status")
    if not status:
        return Outcome(subject, "unknown", "there is a stream; whether it works was not read")
    error = text_of(status, "lastError")
    if error:
        evidence = (fact("getLogStreamingStatus", lastError=error),)
        return Outcome(subject, "fail", "its last delivery failed", evidence=evidence)
    return Outcome(subject, "pass")


def _webhooks(audited: Audited) -> Iterator[Outcome]:
    hooks = audited.rows("webhooks")
    told = {event for hook in hooks for event in texts_of(hook, "subscriptions")}
    silent = [event for event in _EVENTS if event not in told]
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


def _dns(audited: Audited) -> Iterator[Outcome]:
    subject, magic = Subject("setting", "magicDNS"), dns_view(audited.fleet).magic_dns
    if magic is None:
        yield Outcome(subject, "unknown", "the API does not say whether MagicDNS is on")
    elif magic:
        yield Outcome(subject, "pass")
    else:
        yield Outcome(
            subject,
            "fail",
            "devices are not found by name",
            evidence=(fact("getDnsPreferences", magicDNS=False),),
            fix=(call("setDnsPreferences", magic_dns=True),),
        )
    for found in dict.fromkeys(check_resolvers(audited.fleet)):
        yield _resolver(found)


def _resolver(found: ResolverCheck) -> Outcome:
    evidence = (fact("getDnsNameservers", server=found.server, used_for=found.used_for),)
    subject = Subject("resolver", found.server)
    return Outcome(subject, _STATUSES[found.status], found.reason, aspect=found.used_for, evidence=evidence)


DNS_CHECKS: Final = (
    Check("DNS-01", "low", "Names that do not resolve", "turn MagicDNS on, and name resolvers that devices reach", ("dns",), ("CC6.6",), _dns),
)  # fmt: skip
CHECKS: Final = (
    Check("LOG-01", "high", "Logs that go nowhere", "stream both logs to where they are kept", ("log_streams",), ("CC7.1", "CC7.2"), _streams),
    Check("LOG-02", "medium", "Events nobody is told of", "add a webhook for them, and rotate old secrets", ("webhooks",), ("CC7.1", "CC7.2"), _webhooks),
)  # fmt: skip
"""In the order of their ids."""
