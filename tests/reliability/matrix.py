"""The fault matrix: one row for each fault, and in it what a call of each class comes to.

The ways of a class:

- ``REPEATS``: sent again, four requests in all; one good answer among them is success.
- ``ONCE``: a damaged answer, asked for one more time: two requests.
- ``FAILS``: one request, no more.
- ``WORKS``: one request, and the answer is right.
- ``SETTLES``: a policy write that reads what is stored. If it was applied that is success; if not it is sent
  once more with the same If-Match; what stays lost after that is raised as ambiguous.
- ``UNKNOWN``: one request, then ``OutcomeUnknownError`` with the failure as its cause. A key is found by its mark
  and revoked, a webhook is named, a rotation is to be done again.
- ``RENEWS``: a new token, and the request once more: two requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from tailscale_sdk import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    ResponseTooLargeError,
    ServerError,
    TailscaleError,
)
from tailscale_sdk.testing import FAULTS

Way = Enum("Way", "REPEATS ONCE FAILS WORKS SETTLES UNKNOWN RENEWS")
REPEATS, ONCE, FAILS, WORKS, SETTLES, UNKNOWN, RENEWS = Way
Ways = tuple[Way, Way, Way, Way, Way]
CLASSES = ("SAFE", "IDEM", "COND", "CREATE", "EFFECT")

# What SAFE, IDEM, COND, CREATE and EFFECT do.
NOT_SENT: Ways = (REPEATS, REPEATS, REPEATS, REPEATS, REPEATS)
BUSY: Ways = (REPEATS, REPEATS, REPEATS, UNKNOWN, UNKNOWN)
LOST: Ways = (REPEATS, REPEATS, SETTLES, UNKNOWN, UNKNOWN)
DAMAGED: Ways = (ONCE, ONCE, SETTLES, UNKNOWN, UNKNOWN)
ODD: Ways = (FAILS, FAILS, SETTLES, UNKNOWN, UNKNOWN)
# An action that returns nothing accepts an answer with nothing in it.
NOTHING: Ways = (FAILS, WORKS, SETTLES, UNKNOWN, UNKNOWN)
FINAL: Ways = (FAILS, FAILS, FAILS, FAILS, FAILS)
FINE: Ways = (WORKS, WORKS, WORKS, WORKS, WORKS)
REFUSED_TOKEN: Ways = (RENEWS, RENEWS, RENEWS, RENEWS, RENEWS)

REQUESTS = {REPEATS: 4, ONCE: 2, FAILS: 1, WORKS: 1, UNKNOWN: 1, RENEWS: 2}
# Full jitter at a half: a half of 0.25 s, 0.5 s, 1 s.
BACKOFF = (0.125, 0.25, 0.5)
AT_ONCE = (0.0, 0.25, 0.5)
A_SECOND, TWO_SECONDS = (1.05, 1.05, 1.05), (2.1, 2.1, 2.1)
BEFORE_AND_AFTER = ("before_apply", "after_apply")
SMALL = {"max_response_bytes": 1024 * 1024}
# No multiple of the 0.2 s between two drops.
SHORT = {"timeout": 2.9}
# In the text of a policy these are well-formed, and the text is given back byte for byte.
VERBATIM = {"getPolicyFile": WORKS, "setPolicyFile": WORKS}


@frozen
class Row:
    """Describe one row.

    Attributes:
        id: name of the fault.
        ways: what SAFE, IDEM, COND, CREATE and EFFECT come to.
        error: class of the failure that is raised in the end, or is the cause of ``OutcomeUnknownError``.
        phase: phase of a connection failure.
        status: status of any other.
        waits: waits between the attempts of a call that repeats.
        whens: when the fault strikes; by default when ``FAULTS`` says.
        doubt: whether a write it strikes may have been carried out.
        blinds: nothing can be found out while it strikes every request.
        retry_after: seconds the error says to wait.
        but: ways of single operations.
        options: of the client.
        shows: tells whether the error says what it has to.
    """

    id: str
    ways: Ways
    error: type[TailscaleError] | None = None
    phase: str | None = None
    status: int | None = None
    waits: tuple[float, ...] = BACKOFF
    whens: tuple[str, ...] = ()
    doubt: bool = True
    blinds: bool = True
    retry_after: float | None = None
    but: Mapping[str, Way] = field(factory=dict)
    options: Mapping[str, Any] = field(factory=dict)
    shows: Callable[[Any], bool] = lambda error: True

    def way(self, operation: str, retry_class: str) -> Way:
        """Return what a call comes to."""
        return self.but.get(operation, self.ways[CLASSES.index(retry_class)])

    def strikes(self) -> tuple[str, ...]:
        """Return when the fault strikes, the usual moment first."""
        usual = FAULTS[self.id].when if self.id in FAULTS else None
        return self.whens or (usual or "before_apply",)


def _read(name: str, ways: Ways = LOST, **columns: Any) -> Row:
    return Row(name, ways, APIConnectionError, phase="read", **columns)


def _decoded(name: str, ways: Ways, **columns: Any) -> Row:
    return Row(name, ways, DecodeError, **{"status": 200, **columns})


def _status(name: str, error: type[APIStatusError], ways: Ways = FINAL, **columns: Any) -> Row:
    return Row(name, ways, error, status=int(name[:3]), **{"doubt": ways in {LOST, ODD}, **columns})


def _limited(
    name: str, retry_after: float | None, waits: tuple[float, ...], ways: Ways = NOT_SENT, **columns: Any
) -> Row:
    return _status(name, RateLimitError, ways, retry_after=retry_after, waits=waits, **columns)


def _redirect(name: str, status: int, target: str = "another path") -> Row:
    def shows(error: APIStatusError) -> bool:
        return error.message == f"redirected to {target}" and "check base_url" in str(error)

    return Row(name, FINAL, APIStatusError, status=status, doubt=False, shows=shows)


def _unsent(name: str, error: type[APIConnectionError], phase: str, ways: Ways, **columns: Any) -> Row:
    return Row(name, ways, error, phase=phase, doubt=False, **columns)


def _page(error: Any) -> bool:
    shown = error.message
    return len(shown.encode()) <= 200 and shown.isprintable() and "<" not in shown and "Welcome" in shown


def _scopes(error: Any) -> bool:
    return bool(error.required_scopes) and all(scope in str(error) for scope in error.required_scopes)


ROWS = (
    # Not connected: nothing was sent.
    _unsent("connrefused", APIConnectionError, "connect", NOT_SENT),
    _unsent("unreach", APIConnectionError, "connect", NOT_SENT),
    _unsent("dnsagain", APIConnectionError, "dns", NOT_SENT),
    _unsent("dnsnone", APIConnectionError, "dns", FINAL),
    _unsent("tls_cert", APIConnectionError, "tls", FINAL),
    _unsent("tls_name", APIConnectionError, "tls", FINAL),
    _unsent("tls_plain", APIConnectionError, "tls", FINAL),
    _unsent("conntimeout", APITimeoutError, "connect", NOT_SENT),
    _unsent("pooltimeout", APITimeoutError, "pool", NOT_SENT, options={"timeout": 60.0}),
    # The connection goes wrong.
    _read("wreset", waits=AT_ONCE, whens=BEFORE_AND_AFTER),
    Row("wreset_write", LOST, APIConnectionError, phase="write"),
    Row("stall", LOST, APITimeoutError, phase="read", whens=(*BEFORE_AND_AFTER, "mid_reply")),
    _read("noreply", waits=AT_ONCE, whens=BEFORE_AND_AFTER),
    Row("garbage", DAMAGED, APIConnectionError, phase="protocol", whens=BEFORE_AND_AFTER),
    _read("reset"),
    # The body breaks off.
    _read("cl_long"),
    _read("chunk_trunc"),
    _decoded("cl_short", DAMAGED),
    _decoded("trunc", DAMAGED),
    _decoded("nocl_trunc", DAMAGED),
    Row("drip", ODD, APITimeoutError, phase="total", options=SHORT, blinds=False),
    Row("drip_stall", ODD, APITimeoutError, phase="total", options=SHORT),
    # The service, or what stands before it, says no.
    _limited("429_s", 1.0, A_SECOND),
    _limited("429_date", 2.0, TWO_SECONDS),
    _limited("429_past", None, BACKOFF),
    _limited("429_bad", None, BACKOFF),
    _limited("429_none", None, BACKOFF),
    # There would be time, but an hour is never sat out.
    _limited("429_3600", 3600.0, (), FINAL, options={"timeout": 7200.0}),
    _status("408", APIStatusError, LOST, whens=BEFORE_AND_AFTER),
    _status("500", ServerError, LOST, whens=BEFORE_AND_AFTER),
    _status("502", ServerError, LOST, whens=BEFORE_AND_AFTER),
    _status("504", ServerError, LOST, whens=BEFORE_AND_AFTER),
    _status("503_ra", ServerError, BUSY, waits=A_SECOND, retry_after=1.0),
    _status("503", ServerError, BUSY, whens=BEFORE_AND_AFTER),
    _status("400", BadRequestError),
    _status("401", AuthenticationError, REFUSED_TOKEN),
    _status("403", PermissionDeniedError, shows=_scopes),
    _status("404", NotFoundError),
    _status("409", ConflictError),
    _status("412", PreconditionFailedError),
    _status("422", APIStatusError),
    _status("501", ServerError),
    _redirect("redir301", 301),
    _redirect("redir302", 302),
    _redirect("redir303", 303),
    _redirect("redir307", 307),
    _redirect("redir308", 308),
    _redirect("redir_host", 307, "127.0.0.1"),
    _redirect("redir_http", 307, "127.0.0.1"),
    # Pages of somebody else, and odd forms of the true answer.
    Row("html", LOST, ServerError, status=502, whens=BEFORE_AND_AFTER, shows=_page),
    _decoded("html200", ODD, whens=BEFORE_AND_AFTER, shows=lambda error: "text/html" in error.content_type),
    _decoded("empty200", NOTHING, shows=lambda error: error.bytes_read == 0),
    _decoded("204body", NOTHING, status=204),
    Row("http10", FINE),
    Row("cont100", FINE),
    Row("hdrflood", ODD, APIConnectionError, phase="protocol"),
    _decoded("gzbad", DAMAGED),
    _decoded("enc_br", ODD),
    Row("bomb", ODD, ResponseTooLargeError, options=SMALL, shows=lambda error: error.cap == 1024 * 1024),
    Row("huge", ODD, ResponseTooLargeError, options=SMALL, shows=lambda error: error.cap == 1024 * 1024),
    # Odd JSON.
    Row("newfield", FINE),
    Row("newenum", FINE),
    _decoded("wrongtype", NOTHING, shows=lambda error: error.json_path == "$"),
    Row("dupkeys", FINE),
    _decoded("nan", ODD),
    _decoded("inf", ODD),
    _decoded("1e400", ODD, but=VERBATIM),
    _decoded("int5000", ODD, but=VERBATIM),
    _decoded("surrogate", ODD, but=VERBATIM),
    _decoded("bom", ODD),
    _decoded("badutf8", ODD),
    _decoded("deep100000", ODD),
    Row("utf16hdr", FINE),
)
# Proven in a module of their own, under the same names.
ELSEWHERE = {
    "rand503": "test_outage",
    "outage": "test_outage",
    "cancel": "test_cancellation",
    "loops": "test_ownership",
    "clock": "test_clock",
}
