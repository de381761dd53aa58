"""The methods that read logs record by record, beside those that read them whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tailscale_sdk._generated.api.logging import list_configuration_audit_logs, list_network_flow_logs
from tailscale_sdk._generated.models.configuration_audit_log import ConfigurationAuditLog
from tailscale_sdk._generated.models.network_flow_log import NetworkFlowLog
from tailscale_sdk.calls.log_attempt import StreamPlan
from tailscale_sdk.calls.log_iteration import AsyncLogStream, LogStream
from tailscale_sdk.calls.log_seam import AUDIT, FLOWS, window_start
from tailscale_sdk.calls.resource import AsyncResource, Resource
from tailscale_sdk.errors import IncompleteStreamError
from tailscale_sdk.transport.channel import AsyncChannel, Channel

if TYPE_CHECKING:
    from tailscale_sdk._generated.models.audit_event_name import AuditEventName


def _audit_plan(
    channel: Channel | AsyncChannel,
    start: datetime | str,
    end: datetime | str,
    filters: dict[str, Any],
    tailnet: str | None,
    resume_from: IncompleteStreamError | None,
) -> StreamPlan:
    request = list_configuration_audit_logs.build_request(
        channel.tailnet if tailnet is None else tailnet,
        start=window_start(AUDIT, start, resume_from),
        end=end,
        **filters,
    )
    return StreamPlan(AUDIT, request, resume_from)


def _flow_plan(
    channel: Channel | AsyncChannel,
    start: datetime | str,
    end: datetime | str,
    tailnet: str | None,
    resume_from: IncompleteStreamError | None,
) -> StreamPlan:
    request = list_network_flow_logs.build_request(
        channel.tailnet if tailnet is None else tailnet,
        start=window_start(FLOWS, start, resume_from),
        end=end,
    )
    return StreamPlan(FLOWS, request, resume_from)


class LogStreamCalls(Resource):
    """Read logs record by record."""

    __slots__ = ()

    def iter_audit_logs(
        self,
        *,
        start: datetime | str,
        end: datetime | str,
        actor: Sequence[str] | None = None,
        target: Sequence[str] | None = None,
        event: Sequence[AuditEventName | str] | None = None,
        tailnet: str | None = None,
        resume_from: IncompleteStreamError | None = None,
    ) -> LogStream[ConfigurationAuditLog]:
        """Read the configuration changes of a time window as they come, with flat memory.

        Nothing is sent before the first record is asked for. Until then failures are repeated as for any
        other read; afterwards ``IncompleteStreamError`` is raised, which the next call can resume from. There
        is no deadline unless ``timeout`` was set, only a limit of silence. Use it in a ``with`` block when
        it may be left early.

        Args:
            start: beginning of the time window, inclusive, as RFC 3339 time.
            end: end of the time window, inclusive, as RFC 3339 time.
            actor: only events by these actors: exact ids, or ``~text`` to search login and display names.
            target: only events whose target matches any of these texts, also in part.
            event: only these kinds of event, each ``TARGET.ACTION`` or ``TARGET.ACTION.PROPERTY``.
            tailnet: tailnet id or name; the client's own tailnet when left out.
            resume_from: error of an earlier stream over the same window; goes on where it ended.

        Raises:
            ConfigurationError: ``resume_from`` is no error of such a stream.
            IncompleteStreamError: while iterating, when the stream ends early.

        Scope: ``logs:configuration:read``.

        Source: https://tailscale.com/api#tag/logging/get/tailnet/{tailnet}/logging/configuration
        """
        filters = {"actor": actor, "target": target, "event": event}
        plan = _audit_plan(self._channel, start, end, filters, tailnet, resume_from)
        return LogStream(self._channel, plan, ConfigurationAuditLog._over)

    def iter_network_logs(
        self,
        *,
        start: datetime | str,
        end: datetime | str,
        tailnet: str | None = None,
        resume_from: IncompleteStreamError | None = None,
    ) -> LogStream[NetworkFlowLog]:
        """Read the network flow records of a time window as they come, with flat memory.

        Nothing is sent before the first record is asked for. Until then failures are repeated as for any
        other read; afterwards ``IncompleteStreamError`` is raised, which the next call can resume from. There
        is no deadline unless ``timeout`` was set, only a limit of silence. Use it in a ``with`` block when
        it may be left early. Both ends report each connection, so sums count it twice unless pairs are merged.

        Args:
            start: beginning of the time window, inclusive, as RFC 3339 time.
            end: end of the time window, inclusive, as RFC 3339 time.
            tailnet: tailnet id or name; the client's own tailnet when left out.
            resume_from: error of an earlier stream over the same window; goes on where it ended.

        Raises:
            ConfigurationError: ``resume_from`` is no error of such a stream.
            IncompleteStreamError: while iterating, when the stream ends early.

        Scope: ``logs:network:read``.

        Source: https://tailscale.com/api#tag/logging/get/tailnet/{tailnet}/logging/network
        """
        plan = _flow_plan(self._channel, start, end, tailnet, resume_from)
        return LogStream(self._channel, plan, NetworkFlowLog._over)


class AsyncLogStreamCalls(AsyncResource):
    """Read logs record by record."""

    __slots__ = ()

    def iter_audit_logs(
        self,
        *,
        start: datetime | str,
        end: datetime | str,
        actor: Sequence[str] | None = None,
        target: Sequence[str] | None = None,
        event: Sequence[AuditEventName | str] | None = None,
        tailnet: str | None = None,
        resume_from: IncompleteStreamError | None = None,
    ) -> AsyncLogStream[ConfigurationAuditLog]:
        filters = {"actor": actor, "target": target, "event": event}
        plan = _audit_plan(self._channel, start, end, filters, tailnet, resume_from)
        return AsyncLogStream(self._channel, plan, ConfigurationAuditLog._over)

    def iter_network_logs(
        self,
        *,
        start: datetime | str,
        end: datetime | str,
        tailnet: str | None = None,
        resume_from: IncompleteStreamError | None = None,
    ) -> AsyncLogStream[NetworkFlowLog]:
        plan = _flow_plan(self._channel, start, end, tailnet, resume_from)
        return AsyncLogStream(self._channel, plan, NetworkFlowLog._over)


for _name in ("iter_audit_logs", "iter_network_logs"):
    getattr(AsyncLogStreamCalls, _name).__doc__ = getattr(LogStreamCalls, _name).__doc__
