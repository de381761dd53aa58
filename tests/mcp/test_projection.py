"""Columns: dotted paths, derived values, and what of them is missing on odd objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from codegen.catalog import DERIVED as CATALOG_SOURCES
from mcp_adapter.projection import DERIVED, SOURCES, column, own_domain, pick, source_field, value_at


@pytest.mark.parametrize(
    "path, value",
    [
        ("name", "laptop"),
        ("distro.name", "debian"),
        ("distro.name.first", None),
        ("tests.accept", [["a:1"], None]),
        ("tests", [{"accept": ["a:1"]}, {"deny": []}, "odd"]),
        ("absent", None),
        ("absent.deeper", None),
        ("", None),
    ],
)
def test_a_path_leads_to_a_value_or_to_nothing(path: str, value: Any) -> None:
    item = {
        "name": "laptop",
        "distro": {"name": "debian"},
        "tests": [{"accept": ["a:1"]}, {"deny": []}, "odd"],
    }
    assert value_at(item, path) == value


# Half a unit more than is shown: the moment between making and reading changes nothing.
@pytest.mark.parametrize(
    "elapsed, shown",
    [
        (timedelta(seconds=30), "0m"),
        (timedelta(minutes=5.5), "5m"),
        (timedelta(hours=3.5), "3h"),
        (timedelta(hours=23.5), "23h"),
        (timedelta(days=12.5), "12d"),
        (timedelta(days=-1), "0m"),
    ],
)
def test_seen_says_how_long_ago(elapsed: timedelta, shown: str) -> None:
    last = (datetime.now(UTC) - elapsed).isoformat()
    assert column({"lastSeen": last}, "seen") == shown
    assert column({"lastSeen": last, "connectedToControl": "yes"}, "seen") == shown
    assert column({"lastSeen": last, "connectedToControl": True}, "seen") == "on"


@pytest.mark.parametrize(
    "last", ["0001-01-01T00:00:00Z", "", "soon", "2026-06-30T12:00:00", 17, None], ids=repr
)
def test_seen_is_left_out_where_it_is_not_known(last: Any) -> None:
    assert column({"lastSeen": last}, "seen") is None
    assert column({}, "seen") is None


@pytest.mark.parametrize(
    "device, shown",
    [
        ({"name": "laptop.tail1.example.com", "hostname": "other"}, "laptop"),
        ({"name": "", "hostname": "laptop"}, "laptop"),
        ({"name": 5}, None),
        ({}, None),
        ({"short_name": "its own field"}, "its own field"),
    ],
)
def test_short_name(device: dict[str, Any], shown: str | None) -> None:
    assert column(device, "short_name") == shown


@pytest.mark.parametrize(
    "addresses, shown",
    [
        (["100.64.0.1", "fd7a:115c:a1e0::1"], "100.64.0.1"),
        (["fd7a:115c:a1e0::1", "100.64.0.1"], "100.64.0.1"),
        (["fd7a:115c:a1e0::1"], None),
        ([None, 7], None),
        ("100.64.0.1", None),
        ([], None),
        (None, None),
    ],
)
def test_ipv4(addresses: Any, shown: str | None) -> None:
    assert column({"addresses": addresses}, "ipv4") == shown


@pytest.mark.parametrize(
    "device, domain, shown",
    [
        ({"tags": ["tag:a", "tag:b"], "user": "x@example.com"}, "example.com", "tag:a+b"),
        ({"tags": [], "user": "x@example.com"}, "example.com", "x"),
        ({"tags": None, "user": "x@example.org"}, "example.com", "x@example.org"),
        ({"user": "x@sub.example.com"}, "example.com", "x@sub.example.com"),
        ({"user": "x@example.com"}, None, "x@example.com"),
        ({"user": None}, "example.com", None),
        ({}, "example.com", None),
    ],
)
def test_owner(device: dict[str, Any], domain: str | None, shown: str | None) -> None:
    assert column(device, "owner", domain) == shown


def test_the_own_domain_is_the_most_common_one() -> None:
    users = ["a@example.com", "b@example.com", "c@example.net", None, "no-mail", "d@x@example.com"]
    assert own_domain({"user": user} for user in users) == "example.com"
    assert own_domain([]) is None
    assert own_domain([{"user": "tagged-devices"}, {}]) is None


def test_a_tie_is_always_settled_the_same_way() -> None:
    both = [{"user": "a@example.org"}, {"user": "b@example.com"}]
    assert own_domain(both) == own_domain(reversed(both)) == "example.com"


def test_absent_columns_are_left_out_of_an_object() -> None:
    device = {"name": "laptop.example.com", "authorized": False, "tags": None, "addresses": []}
    assert pick(device, ["short_name", "authorized", "tags", "ipv4", "addresses"]) == {
        "short_name": "laptop",
        "authorized": False,
        "addresses": [],
    }


def test_every_derived_column_says_what_it_is_made_from() -> None:
    assert set(SOURCES) == set(DERIVED)
    assert dict(SOURCES) == CATALOG_SOURCES
    assert source_field("owner") == "user"
    assert source_field("distro.name") == "distro"
