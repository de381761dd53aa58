"""The edge to httpx: what goes out, through which proxy, and what each failure says about the request."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk import __version__
from tailscale_sdk._generated.types import WireRequest, header_pairs
from tailscale_sdk.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    ResponseTooLargeError,
)
from tailscale_sdk.transport.decode import BodyBroken
from tailscale_sdk.transport.options import Options
from tailscale_sdk.transport.retry import Failure
from tailscale_sdk.transport.wire import (
    AttemptFailed,
    PhaseTimeouts,
    Target,
    failure_of,
    form_request,
    late_token,
    lower_headers,
    open_async_wire,
    open_wire,
    proxy_for,
    too_large,
    undecodable,
)

HOST = "api.example.com:8443"


def failed(error: Exception, *, answered: bool = False) -> AttemptFailed:
    found = failure_of(error, HOST, "getDevice", answered=answered)
    assert getattr(found.error, "operation", None) == "getDevice"
    assert HOST in str(found.error)
    return found


def caused(error: Exception, *causes: BaseException, context: bool = False) -> Exception:
    """Chain causes as the layers below do: by ``raise from``, or by raising while another one is handled."""
    current: BaseException = error
    for cause in causes:
        if context:
            current.__context__ = cause
        else:
            current.__cause__ = cause
        current = cause
    return error


# --- what a failure says ------------------------------------------------------------------------

CERTIFICATE = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNKNOWN_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
TRY_AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize(
    "causes, phase, nature",
    [
        ([CERTIFICATE], "tls", "permanent"),
        ([OSError("handshake"), CERTIFICATE], "tls", "permanent"),
        ([ssl.SSLError(1, "wrong version number")], "tls", "permanent"),
        ([ssl.SSLEOFError(8, "EOF occurred")], "tls", "permanent"),
        ([UNKNOWN_NAME], "dns", "permanent"),
        ([OSError("all attempts failed"), UNKNOWN_NAME], "dns", "permanent"),
        ([socket.gaierror(socket.EAI_FAIL, "failure")], "dns", "permanent"),
        ([TRY_AGAIN], "dns", "not_sent"),
        ([OSError("all attempts failed"), TRY_AGAIN], "dns", "not_sent"),
        ([REFUSED], "connect", "not_sent"),
        ([OSError(113, "No route to host")], "connect", "not_sent"),
        ([OSError(101, "Network is unreachable")], "connect", "not_sent"),
        ([], "connect", "not_sent"),
    ],
)
def test_only_the_causes_tell_why_nothing_was_connected(
    causes: list[BaseException], phase: str, nature: str, context: bool
) -> None:
    found = failed(caused(httpx.ConnectError("[Errno 1] something"), *causes, context=context))
    assert isinstance(found.error, APIConnectionError)
    assert not isinstance(found.error, APITimeoutError)
    assert (found.error.phase, found.error.ambiguous) == (phase, False)
    assert found.failure == Failure(nature)  # type: ignore[arg-type]
    assert "something" not in str(found.error)


def test_a_cause_is_found_beside_another_one() -> None:
    error = httpx.ConnectError("no")
    error.__cause__ = OSError("outer")
    error.__cause__.__context__ = TRY_AGAIN
    error.__cause__.__cause__ = CERTIFICATE
    assert failed(error).error.phase == "tls"  # type: ignore[attr-defined]


def test_causes_in_a_circle_end() -> None:
    error, other = httpx.ConnectError("no"), OSError("circle")
    error.__cause__, other.__cause__ = other, error
    assert failed(error).failure == Failure("not_sent")


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(
    "error, phase, nature",
    [
        (httpx.ConnectTimeout("slow"), "connect", "not_sent"),
        (httpx.PoolTimeout("slow"), "pool", "not_sent"),
        (httpx.WriteTimeout("slow"), "write", "ambiguous"),
        (httpx.ReadTimeout("slow"), "read", "ambiguous"),
    ],
)
def test_timeouts_name_their_phase(error: Exception, phase: str, nature: str, answered: bool) -> None:
    found = failed(error, answered=answered)
    assert isinstance(found.error, APITimeoutError)
    assert (found.error.phase, found.error.ambiguous) == (phase, nature == "ambiguous")
    assert found.failure == Failure(nature)  # type: ignore[arg-type]


DISCONNECTED = "Server disconnected without sending a response."
CUT = "peer closed connection without sending complete message body (received 3 bytes, expected 7)"


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(
    "error, phase",
    [
        (httpx.ReadError("reset"), "read"),
        (httpx.CloseError("reset"), "read"),
        (httpx.WriteError("reset"), "write"),
        (httpx.RemoteProtocolError(DISCONNECTED), "read"),
        (httpx.RemoteProtocolError(CUT), "read"),
        (httpx.RemoteProtocolError("illegal status line"), "protocol"),
        (httpx.RemoteProtocolError("Receive buffer too long"), "protocol"),
        (httpx.DecodingError("odd"), "read"),
    ],
)
def test_a_broken_connection_leaves_the_outcome_open(error: Exception, phase: str, answered: bool) -> None:
    found = failed(error, answered=answered)
    assert isinstance(found.error, APIConnectionError)
    assert (found.error.phase, found.error.ambiguous) == (phase, True)
    # Before any answer a kept connection may have been stale; bytes that are no HTTP are asked for once more.
    stale, flooded = phase == "read" and not answered, "too long" in str(error)
    assert found.failure == Failure(
        "ambiguous", at_once=stale, once=phase == "protocol", repeatable=not flooded
    )
    assert ("too large a head" in str(found.error)) is flooded


@pytest.mark.parametrize(
    "error",
    [
        httpx.LocalProtocolError("illegal header"),
        httpx.UnsupportedProtocol("ftp"),
        httpx.ProxyError("407 Proxy Authentication Required"),
    ],
)
def test_what_cannot_be_sent_is_not_tried_again(error: Exception) -> None:
    found = failed(error)
    assert found.failure == Failure("permanent")
    assert type(error).__name__ in str(found.error)
    assert str(error) not in str(found.error)


def test_an_answer_over_the_cap_is_not_asked_for_again() -> None:
    found = too_large(1024, "listTailnetDevices")
    assert isinstance(found.error, ResponseTooLargeError)
    assert (found.error.cap, found.error.operation) == (1024, "listTailnetDevices")
    assert found.failure == Failure("ambiguous", repeatable=False)


@pytest.mark.parametrize("damaged", [True, False])
def test_an_answer_that_cannot_be_decompressed(damaged: bool) -> None:
    problem = BodyBroken("the gzip data is broken", damaged=damaged)
    found = undecodable(problem, 200, {"content-type": "application/json"}, "getDevice")
    assert isinstance(found.error, DecodeError)
    assert (found.error.status, found.error.content_type) == (200, "application/json")
    assert found.error.ambiguous
    assert "the gzip data is broken" in str(found.error)
    assert found.failure == Failure("ambiguous", status=200, once=damaged, repeatable=damaged)


@pytest.mark.parametrize(
    "failure, settles",
    [
        (Failure("permanent"), True),
        (Failure("ambiguous", repeatable=False), True),
        (Failure("ambiguous"), False),
        (Failure("not_sent"), False),
    ],
)
def test_which_failures_end_a_token_request(failure: Failure, settles: bool) -> None:
    error = APIConnectionError("gone", phase="read", ambiguous=True)
    found = AttemptFailed(error, failure)
    assert found.settles_token_request is settles
    assert found.token_error() is error
    # The operation the token was for was never sent.
    assert error.ambiguous is False


def test_a_late_token_is_told_apart() -> None:
    assert (late_token().phase, late_token().operation) == ("auth", "token endpoint")


# --- how long each phase may take ---------------------------------------------------------------


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_phase_has_its_own_time() -> None:
    timeouts = PhaseTimeouts(float("inf"), Time())
    found = {phase: timeouts.get(phase) for phase in ("connect", "read", "write", "pool")}
    assert found == {"connect": 5.0, "read": 30.0, "write": 30.0, "pool": 10.0}
    assert timeouts.get("other") is None
    assert timeouts.get("other", 3.0) == 3.0


def test_options_set_the_phases() -> None:
    options = Options(connect_timeout=1.0, read_timeout=2.0, write_timeout=3.0, idle_timeout=40.0)
    timeouts = PhaseTimeouts(float("inf"), Time(), options)
    assert [timeouts.get(phase) for phase in ("connect", "read", "write", "pool")] == [1.0, 2.0, 3.0, 10.0]
    assert PhaseTimeouts(float("inf"), Time(), options, streaming=True).get("read") == 40.0


def test_a_phase_is_cut_to_what_is_left_when_it_begins() -> None:
    time = Time()
    timeouts = PhaseTimeouts(112.0, time)
    assert [timeouts.get("connect"), timeouts.get("read")] == [5.0, 12.0]
    time.now = 110.0
    assert [timeouts.get("connect"), timeouts.get("read")] == [2.0, 2.0]
    # A moment is left even after the end, so that the phase ends by a timeout and not by an argument error.
    for time.now in (112.0, 500.0):
        assert timeouts.get("read") == 0.001


# --- what goes out ------------------------------------------------------------------------------

TIMEOUTS = PhaseTimeouts(float("inf"), Time())
TOKEN = "tskey-api-demo"


def sent(request: WireRequest, token: str | None = TOKEN, **target: Any) -> httpx.Request:
    return Target("https://api.example.com", **target).request(request, token, TIMEOUTS)


def test_a_read_as_it_goes_out() -> None:
    request = sent(WireRequest("GET", "/tailnet/-/devices", query=(("fields", "all"), ("tags", "a b&c"))))
    assert request.method == "GET"
    assert str(request.url) == "https://api.example.com/api/v2/tailnet/-/devices?fields=all&tags=a+b%26c"
    headers = dict(request.headers)
    agent = headers.pop("user-agent")
    assert agent.startswith(f"tailscale-sdk-python/{__version__} python/3.")
    assert headers == {
        "host": "api.example.com",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "authorization": "Bearer tskey-api-demo",
    }
    assert request.extensions["timeout"] is TIMEOUTS


def test_a_write_as_it_goes_out() -> None:
    write = WireRequest("POST", "/device/n1/tags", content=b'{"tags":[]}', content_type="application/json")
    request = sent(write)
    assert request.content == b'{"tags":[]}'
    assert (request.headers["content-type"], request.headers["content-length"]) == ("application/json", "11")
    assert sent(WireRequest("POST", "/device/n1/expire")).headers["content-length"] == "0"


@pytest.mark.parametrize(
    "accept, expected", [(None, "application/json"), ("application/hujson", "application/hujson"), ("", None)]
)
def test_what_is_accepted(accept: str | None, expected: str | None) -> None:
    assert sent(WireRequest("GET", "/", accept=accept)).headers.get("accept") == expected


def test_headers_of_the_caller_and_of_the_request() -> None:
    request = sent(
        WireRequest("GET", "/", headers=(("If-Match", '"e0b2"'),)),
        headers=(("User-Agent", "mine/1"), ("X-Trace", "7")),
    )
    assert request.headers.get_list("user-agent") == ["mine/1"]
    assert (request.headers["x-trace"], request.headers["if-match"]) == ("7", '"e0b2"')


def test_the_token_endpoint_gets_nothing_of_the_caller() -> None:
    target = Target("https://api.example.com", headers=(("X-Trace", "7"), ("User-Agent", "mine/1")))
    request = form_request(target, "/oauth/token", {"client_id": "a", "client_secret": "b&c"}, TIMEOUTS)
    assert request.content == b"client_id=a&client_secret=b%26c"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert "x-trace" not in request.headers
    assert request.headers["user-agent"].startswith("tailscale-sdk-python/")


@pytest.mark.parametrize("mark", ["\r", "\n", "\r\n", "\0", "\x7f", "\x85"])
def test_no_line_break_gets_into_a_header(mark: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        header_pairs(("X-Trace", f"7{mark}X-Other: 8"))


@given(st.text(max_size=30).filter(str.isprintable), st.text("abc/ü?#%", max_size=10))
def test_a_query_never_leaves_its_place(value: str, name: str) -> None:
    request = sent(WireRequest("GET", "/tailnet/-/devices", query=((name, value),)))
    assert request.url.path == "/api/v2/tailnet/-/devices"
    assert request.url.host == "api.example.com"
    assert list(httpx.QueryParams(request.url.query).multi_items()) == [(name, value)]


def test_an_address_that_cannot_be_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="cannot be requested: URL too long"):
        sent(WireRequest("GET", "/device/" + "n" * 70_000))


# --- headers of the answer ----------------------------------------------------------------------


def test_header_names_are_lower_case_and_values_kept() -> None:
    response = httpx.Response(200, headers=[("ETag", '"e0"'), ("X-Name", "Zoë".encode("latin-1"))])
    assert lower_headers(response) == {"etag": '"e0"', "x-name": "Zoë"}
    assert lower_headers(httpx.Response(200)) == {}


def test_several_values_are_joined() -> None:
    pairs = [("Retry-After", "5"), ("retry-after", "7"), ("Date", "now"), ("RETRY-AFTER", "9")]
    assert lower_headers(httpx.Response(429, headers=pairs)) == {"retry-after": "5, 7, 9", "date": "now"}


# --- proxies and certificates -------------------------------------------------------------------


@pytest.mark.parametrize(
    "environment, base_url, proxy",
    [
        ({}, "https://api.example.com", None),
        (
            {"HTTPS_PROXY": "http://proxy.example.com:3128"},
            "https://api.example.com",
            "http://proxy.example.com:3128",
        ),
        (
            {"https_proxy": "proxy.example.com:3128"},
            "https://api.example.com",
            "http://proxy.example.com:3128",
        ),
        ({"HTTP_PROXY": "http://proxy.example.com"}, "https://api.example.com", None),
        ({"ALL_PROXY": "http://proxy.example.com"}, "https://api.example.com", "http://proxy.example.com"),
        ({"HTTPS_PROXY": ""}, "https://api.example.com", None),
        ({"HTTPS_PROXY": "http://p.example.com", "NO_PROXY": "example.com"}, "https://api.example.com", None),
        ({"HTTPS_PROXY": "http://p.example.com", "no_proxy": "*"}, "https://api.example.com", None),
        (
            {"HTTPS_PROXY": "http://p.example.com", "NO_PROXY": "example.org"},
            "https://api.example.com:8443",
            "http://p.example.com",
        ),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], base_url: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(base_url) == proxy


@pytest.mark.parametrize(
    "base_url",
    [
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://127.8.9.10:8080",
        "http://[::1]:8080",
        "https://localhost",
    ],
)
def test_loopback_has_no_proxy(monkeypatch: pytest.MonkeyPatch, base_url: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    assert proxy_for(base_url) is None
    assert proxy_for("https://100.64.0.7") == "http://proxy.example.com:3128"


@pytest.mark.parametrize("opener", [open_wire, open_async_wire])
@pytest.mark.parametrize(
    "name, value, told",
    [
        ("HTTPS_PROXY", "ftp://proxy.example.com", "HTTPS_PROXY"),
        ("HTTPS_PROXY", "http://user:secret-word@proxy.example.com:port", "HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/nonexistent/secret-word.pem", "SSL_CERT_FILE"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named_without_its_values(
    monkeypatch: pytest.MonkeyPatch, opener: Any, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        opener("https://api.example.com")
    assert told in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://api.example.com", "http://127.0.0.1:1"])
async def test_a_wire_is_opened_through_a_proxy_or_without(
    monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    open_wire(base_url).close()
    await open_async_wire(base_url).aclose()
