"""What an option may be: everything else is refused, with the option, the value and the range in the text."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve, fields_dict
from hypothesis import given
from hypothesis import strategies as st

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.option_values import (
    FurtherOptions,
    build_base_url,
    build_max_concurrency,
    build_rate_limit,
    build_retry_budget,
    build_tailnet,
    evolve_options,
)
from tailscale_sdk.transport.hooks import Hooks
from tailscale_sdk.transport.options import Options

pytestmark = pytest.mark.each_row

DAY = 86_400
GIGABYTES = 2**31
SECONDS: dict[str, tuple[float, float]] = {
    "timeout": (0.001, DAY),
    "connect_timeout": (0.001, DAY),
    "read_timeout": (0.001, DAY),
    "write_timeout": (0.001, DAY),
    "idle_timeout": (0.001, DAY),
    "max_retry_after": (0, 3600),
}
COUNTS: dict[str, tuple[int, int]] = {
    "max_retries": (0, 20),
    "max_response_bytes": (1024, GIGABYTES),
    "max_record_bytes": (1024, GIGABYTES),
}
SWITCHES = ["retry_429_writes", "mark_creation", "bulk"]
# Values of every wrong kind.
ODD: list[Any] = [None, "5", b"5", [], [1], {}, (1,), object, math.nan, math.inf, -math.inf, 1j, 10**30]


def refusal(check: Any, *arguments: Any, **keywords: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check(*arguments, **keywords)
    return str(caught.value)


def test_every_option_of_a_call_is_checked() -> None:
    known = {*SECONDS, *COUNTS, *SWITCHES, "on_ambiguous", "hooks"}
    assert set(fields_dict(Options)) == known | {"timeout_chosen"}
    assert set(FurtherOptions.__annotations__) <= known | {"retry_budget"}


@pytest.mark.parametrize("name, low, high", [(name, *limits) for name, limits in SECONDS.items()])
def test_seconds_out_of_range(name: str, low: float, high: float) -> None:
    for value in (low - 0.0001, high * 1.0001, -1, True, False, *ODD):
        text = refusal(evolve_options, Options(), **{name: value})
        assert text == f"{name} is {value!r}; it must be a number of seconds from {low:g} to {high:g}"


@pytest.mark.parametrize("name, low, high", [(name, *limits) for name, limits in COUNTS.items()])
def test_counts_out_of_range(name: str, low: int, high: int) -> None:
    for value in (low - 1, high + 1, -1, True, False, float(high), *ODD):
        text = refusal(evolve_options, Options(), **{name: value})
        assert text == f"{name} is {value!r}; it must be a whole number from {low} to {high}"


@given(st.sampled_from(list(SECONDS)), st.floats() | st.integers())
def test_seconds_are_taken_exactly_within_their_range(name: str, value: float) -> None:
    low, high = SECONDS[name]
    if low <= value <= high:
        taken = getattr(evolve_options(Options(), **{name: value}), name)
        assert (taken, type(taken)) == (value, float)
    else:
        assert f"{name} is {value!r}" in refusal(evolve_options, Options(), **{name: value})


@given(st.sampled_from(list(COUNTS)), st.integers())
def test_counts_are_taken_exactly_within_their_range(name: str, value: int) -> None:
    low, high = COUNTS[name]
    if low <= value <= high:
        assert getattr(evolve_options(Options(), **{name: value}), name) == value
    else:
        assert f"{name} is {value!r}" in refusal(evolve_options, Options(), **{name: value})


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_on_or_off(name: str) -> None:
    for value in (True, False):
        assert getattr(evolve_options(Options(), **{name: value}), name) is value
    for odd in (0, 1, *ODD):
        assert (
            refusal(evolve_options, Options(), **{name: odd})
            == f"{name} is {odd!r}; it must be True or False"
        )


@pytest.mark.parametrize("value", ["raise", "recreate"])
def test_what_is_done_about_an_unclear_creation(value: str) -> None:
    assert evolve_options(Options(), on_ambiguous=value).on_ambiguous == value


def test_what_cannot_be_done_about_an_unclear_creation() -> None:
    for value in ("", "Raise", "retry", True, *ODD):
        text = refusal(evolve_options, Options(), on_ambiguous=value)
        assert text == f"on_ambiguous is {value!r}; it must be 'raise' or 'recreate'"


def test_hooks_are_hooks() -> None:
    hooks = Hooks(on_retry=print)
    assert evolve_options(Options(), hooks=hooks).hooks is hooks
    assert evolve_options(Options(hooks=hooks), hooks=None).hooks is None
    for odd in (print, {}, "hooks", Hooks):
        assert "hooks must be Hooks(" in refusal(evolve_options, Options(), hooks=odd)


def test_an_unknown_option_is_named_beside_the_known_ones() -> None:
    text = refusal(evolve_options, Options(), timeout=5, time_out=6)
    assert text.startswith("unknown option 'time_out'; known are bulk, connect_timeout, headers, ")
    for name in (*SECONDS, *COUNTS, *SWITCHES, "rate_limit", "max_concurrency", "retry_budget", "hooks"):
        assert name in text


def test_a_timeout_that_was_chosen_stays_chosen() -> None:
    untouched = evolve_options(Options(), max_retries=1)
    assert untouched == Options(max_retries=1)
    chosen = evolve_options(untouched, timeout=60)
    assert chosen == evolve(untouched, timeout_chosen=True)
    assert evolve_options(chosen, max_retries=2).timeout_chosen


# --- limits of a client -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 10, 1000])
def test_concurrency_within_its_range(value: int) -> None:
    assert build_max_concurrency(value) == value


def test_concurrency_out_of_its_range() -> None:
    for value in (0, -1, 1001, 1.0, True, *ODD):
        text = refusal(build_max_concurrency, value)
        assert text == f"max_concurrency is {value!r}; it must be a whole number from 1 to 1000"


@pytest.mark.parametrize("value", [(1, 0.001), (10_000, 3600.0), [5, 0.5], (5, 1)])
def test_a_rate_within_its_range(value: Any) -> None:
    assert build_rate_limit(value) == tuple(value)


def test_no_rate_is_no_limit() -> None:
    assert build_rate_limit(None) is None


@pytest.mark.parametrize("value", [5, 0.5, "5/s", (), (5,), (5, 0.5, 1), {5: 0.5}, {5, 0.5}, b"55"])
def test_a_rate_of_another_form(value: Any) -> None:
    text = refusal(build_rate_limit, value)
    assert text == f"rate_limit is {value!r}; it must be (requests, seconds), such as (5, 0.5), or None"


@pytest.mark.parametrize(
    "value, text",
    [
        ((odd, 1.0), f"rate_limit requests is {odd!r}; it must be a whole number from 1 to 10000")
        for odd in (0, 10_001, 2.5, True, None)
    ]
    + [
        ((1, odd), f"rate_limit seconds is {odd!r}; it must be a number of seconds from 0.001 to 3600")
        for odd in (0, -1, 3601, math.nan, "1", True)
    ],
)
def test_a_rate_out_of_its_range(value: Any, text: str) -> None:
    assert refusal(build_rate_limit, value) == text


@pytest.mark.parametrize("value", [None, 0, 1, 500, 1_000_000])
def test_a_budget_within_its_range(value: int | None) -> None:
    assert build_retry_budget(value) == value


@pytest.mark.parametrize("value", [-1, 1_000_001, 5.0, "5", True, math.inf])
def test_a_budget_out_of_its_range(value: Any) -> None:
    text = refusal(build_retry_budget, value)
    assert text == f"retry_budget is {value!r}; it must be a whole number from 0 to 1000000"


# --- where the service is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, built",
    [
        ("https://api.tailscale.com", "https://api.tailscale.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("HTTPS://API.Example.com", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("https://api.example.com:443/", "https://api.example.com:443"),
        ("https://100.64.0.1", "https://100.64.0.1"),
        ("https://[fd7a:115c::1]:8443", "https://[fd7a:115c::1]:8443"),
        ("https://[FD7A::1]", "https://[fd7a::1]"),
        ("https://head_scale", "https://head_scale"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://127.0.0.1:65535", "http://127.0.0.1:65535"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_an_origin(value: str, built: str) -> None:
    assert build_base_url(value) == built
    assert build_base_url(built) == built


@pytest.mark.parametrize(
    "value, words",
    [
        ("https://user@api.example.com", "user name or password"),
        ("https://user:word@api.example.com", "user name or password"),
        ("http://a:b@127.0.0.1", "user name or password"),
        ("https://api.example.com/api/v2", "an origin only"),
        ("https://api.example.com//", "an origin only"),
        ("https://api.example.com?a=b", "an origin only"),
        ("https://api.example.com#top", "an origin only"),
        ("https://api.example.com\\evil.example.com", "an origin only"),
        ("https://api.example.com\n", "an origin only"),
        (" https://api.example.com", "an origin only"),
        ("https://api.exa mple.com", "an origin only"),
        ("https://bücher.example.com", "an origin only"),
        ("https://api.example.com%2F", "an origin only"),
        ("api.example.com", "an origin only"),
        ("//api.example.com", "an origin only"),
        ("", "an origin only"),
        ("https://", "an origin only"),
        ("https:///", "an origin only"),
        ("https://:8443", "host or port"),
        ("https://api.example.com:0", "host or port"),
        ("https://api.example.com:65536", "host or port"),
        ("https://api.example.com:port", "host or port"),
        ("https://[::1", "host or port"),
        ("https://::1]", "host or port"),
        ("http://api.example.com", "plain http is for loopback only"),
        ("http://100.64.0.1", "plain http is for loopback only"),
        ("http://0.0.0.0", "plain http is for loopback only"),
        ("http://localhost.example.com", "plain http is for loopback only"),
        ("http://127.0.0.1.example.com", "plain http is for loopback only"),
        ("http://2130706433", "plain http is for loopback only"),
        ("http://[fd7a::1]", "plain http is for loopback only"),
        ("ftp://127.0.0.1", "plain http is for loopback only"),
        ("ws://localhost", "plain http is for loopback only"),
    ],
)
def test_no_origin(value: str, words: str) -> None:
    text = refusal(build_base_url, value)
    assert words in text
    assert "base_url" in text
    assert "word@" not in text


@pytest.mark.parametrize("value", [None, 5, b"https://api.example.com", ["https://api.example.com"]])
def test_an_origin_is_text(value: Any) -> None:
    assert refusal(build_base_url, value) == f"base_url must be text, not {type(value).__name__}"


@given(st.text("htps:/@?#[]\\.1a \n%", max_size=30))
def test_no_text_breaks_the_reading_of_an_origin(value: str) -> None:
    try:
        built = build_base_url(value)
    except ConfigurationError:
        return
    assert build_base_url(built) == built
    assert not set(built) & set("@?#\\ \n%")


# --- the tailnet --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["-", "example.com", "T1234CNTRL", "user@example.com", "a/b", "ü.example.com"]
)
def test_a_tailnet(value: str) -> None:
    assert build_tailnet(value) == value


@pytest.mark.parametrize(
    "value", ["", ".", "..", " ", "a b", "a\n", "\0", "\u2028", None, 5, b"-", ["-"], True]
)
def test_no_tailnet(value: Any) -> None:
    text = refusal(build_tailnet, value)
    assert text.startswith("tailnet is ")
    assert "it must be an id such as T1234CNTRL, a name such as example.com" in text
