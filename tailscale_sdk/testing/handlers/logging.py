"""Logs of the embedded tailnet: both lists by window, and where they are streamed to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tailscale_sdk.testing.clock import parse_time
from tailscale_sdk.testing.exchange import Call, Refusal, handles
from tailscale_sdk.testing.handlers.settings import setting
from tailscale_sdk.testing.state import JsonObject

AUDIT_VERSION = "1.1"
FLOWS_OFF = "network flow logs are off: turn networkFlowLoggingOn on in the settings of the tailnet"


@handles("listConfigurationAuditLogs")
def list_audit_logs(call: Call) -> JsonObject:
    """Give the audit events of a window, edges included; ``logs`` is null when there are none."""
    window = _read_window(call)
    wanted = [event for event in _within(call.tailnet.audit, "eventTime", window) if _is_wanted(call, event)]
    return {"version": AUDIT_VERSION, "tailnetId": call.tailnet.id, "logs": wanted or None}


@handles("listNetworkFlowLogs")
def list_flow_logs(call: Call) -> JsonObject:
    """Give the flow records logged in a window; ``logs`` is null when there are none."""
    window = _read_window(call)
    if not setting(call.tailnet, "networkFlowLoggingOn"):
        raise Refusal(403, FLOWS_OFF)
    return {"logs": list(_within(call.tailnet.flows, "logged", window)) or None}


def _read_window(call: Call) -> tuple[datetime, datetime]:
    start, end = _read_time(call, "start"), _read_time(call, "end")
    if end < start:
        raise Refusal(400, "end must not be before start")
    return start, end


def _read_time(call: Call, name: str) -> datetime:
    text = call.argument(name)
    if not text:
        raise Refusal(400, f"{name} is missing: send an RFC 3339 time such as 2026-06-30T12:00:00Z")
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise Refusal(400, f"{name} must be an RFC 3339 time such as 2026-06-30T12:00:00Z") from None


def _within(
    entries: Iterable[JsonObject], name: str, window: tuple[datetime, datetime]
) -> Iterable[JsonObject]:
    return (entry for entry in entries if window[0] <= parse_time(entry[name]) <= window[1])


def _is_wanted(call: Call, event: JsonObject) -> bool:
    """Tell whether an event passes the filters: any of each kind that was sent."""
    tests = {"actor": _fits_actor, "target": _fits_target, "event": _fits_event}
    for name, test in tests.items():
        wanted = [value for key, value in call.query if key == name and value]
        if wanted and not any(test(event, value) for value in wanted):
            return False
    return True


def _fits_actor(event: JsonObject, wanted: str) -> bool:
    """Compare with an actor's id, or search its names for what follows ``~``."""
    actor = event.get("actor") or {}
    if not wanted.startswith("~"):
        return bool(actor.get("id") == wanted)
    names = f"{actor.get('loginName', '')}\n{actor.get('displayName', '')}"
    return wanted[1:].casefold() in names.casefold()


def _fits_target(event: JsonObject, wanted: str) -> bool:
    values: Iterable[Any] = (event.get("target") or {}).values()
    return any(wanted.casefold() in str(value).casefold() for value in values)


def _fits_event(event: JsonObject, wanted: str) -> bool:
    """Compare with ``<target type>.<action>`` or ``<target type>.<action>.<property>``."""
    target = event.get("target") or {}
    name = f"{target.get('type')}.{event.get('action')}"
    return wanted in {name, f"{name}.{target.get('property')}"}
