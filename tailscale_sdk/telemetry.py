"""OpenTelemetry from the hooks: a span and three metrics for each attempt, without a value of what was in it.

Needs the extra ``otel``: ``pip install 'tailscale-sdk[otel]'``. Only the API is used: without an SDK set up by the
program nothing is recorded.
"""

from __future__ import annotations

import time

from tailscale_sdk._version import __version__
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.transport.hooks import Hooks, RequestEvent, ResponseEvent, RetryEvent

try:
    from opentelemetry import metrics, trace
except ImportError:
    raise ConfigurationError("telemetry needs an extra: pip install 'tailscale-sdk[otel]'") from None

NAME = "tailscale_sdk"
# Those of http.client.request.duration in the semantic conventions, with a minute, the default deadline, on top.
BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60)


def telemetry_hooks(
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Hooks:
    """Return hooks that record a span, two counters and a histogram.

    A span stands for one attempt, below the span the caller is in. It and the metrics hold operation, retry class,
    method, path template, number of the attempt, status and class of the error: no id, query, header, body or text.

    Args:
        tracer_provider: where spans go; the global one when left out.
        meter_provider: where metrics go; the global one when left out.
    """
    tracer = trace.get_tracer(NAME, __version__, tracer_provider)
    meter = metrics.get_meter(NAME, __version__, meter_provider)
    attempts = meter.create_counter("tailscale.client.attempts", "{attempt}", "Requests that were sent.")
    retries = meter.create_counter(
        "tailscale.client.retries", "{retry}", "Failures another attempt followed."
    )
    durations = meter.create_histogram(
        "tailscale.client.attempt.duration",
        "s",
        "From sending a request to the end of its answer.",
        explicit_bucket_boundaries_advisory=BOUNDS_SECONDS,
    )

    def respond(event: ResponseEvent) -> None:
        ended = time.time_ns()
        _record_span(tracer, event, ended)
        where = _of(event, event.status)
        attempts.add(1, where)
        durations.record(event.duration, where)

    def retry(event: RetryEvent) -> None:
        retries.add(1, _of(event, event.status))

    return Hooks(on_response=respond, on_retry=retry)


def _record_span(tracer: trace.Tracer, event: ResponseEvent, ended: int) -> None:
    attributes: dict[str, str | int] = {
        "tailscale.operation": event.operation,
        "tailscale.retry_class": event.retry_class,
        "tailscale.attempt": event.attempt,
        "http.request.method": event.method,
        "url.template": event.path,
    }
    if event.status is not None:
        attributes["http.response.status_code"] = event.status
    if event.error is not None:
        attributes["error.type"] = type(event.error).__name__
    span = tracer.start_span(
        event.operation,
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        start_time=ended - round(event.duration * 1e9),
    )
    if event.error is not None:
        span.set_status(trace.StatusCode.ERROR)
    span.end(ended)


def _of(event: RequestEvent, status: int | None) -> dict[str, str]:
    return {"tailscale.operation": event.operation, "tailscale.status_class": _class_of(status)}


def _class_of(status: int | None) -> str:
    return "none" if status is None else f"{status // 100}xx"
