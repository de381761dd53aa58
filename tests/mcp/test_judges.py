"""What the outside judges are held to: no failure is overlooked, no line outlives its reason, nothing unpinned."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from scripts.judges.conformance import OWN_SCENARIOS, read_expected, weigh
from scripts.judges.inspector import faults
from scripts.judges.node import SOURCE
from scripts.judges.shim import with_token
from scripts.judges.verdict import Verdict, judging

PLAIN: dict[str, Any] = {
    "name": "devices_read",
    "inputSchema": {"type": "object", "properties": {}},
    "annotations": {
        "readOnlyHint": True,
        "destructiveHint": False,
        "idempotentHint": True,
        "openWorldHint": True,
    },
}


def found(status: str) -> dict[str, list[dict[str, Any]]]:
    return {"ping": [{"id": "ping", "status": status, "errorMessage": "no answer"}]}


@pytest.mark.parametrize(
    "status, expected, failed",
    [
        ("SUCCESS", {}, 0),
        ("SKIPPED", {}, 0),
        ("FAILURE", {}, 1),
        ("WARNING", {}, 1),
        ("FAILURE", {"ping:ping": "why"}, 0),
        ("SUCCESS", {"ping:ping": "why"}, 1),
        ("SKIPPED", {"ping:ping": "why"}, 1),
        ("SUCCESS", {"gone:gone": "why"}, 1),
    ],
)
def test_only_known_failures_pass_and_only_while_they_fail(
    status: str, expected: dict[str, str], failed: int
) -> None:
    verdict = Verdict("suite")
    weigh(verdict, found(status), expected)
    assert len(verdict.failed) == failed
    assert verdict.expected == (expected if status == "FAILURE" and expected else {})


def test_every_known_failure_has_a_reason() -> None:
    expected = read_expected()
    assert expected.keys() == {
        f"{kind} {era}" for kind in ("tailscale-mcp", "whole suite") for era in OWN_SCENARIOS
    }
    for lines in expected.values():
        for name, reason in lines.items():
            assert re.fullmatch(r"[a-z0-9-]+:[a-z0-9-]+", name)
            assert len(reason) > 20


def test_a_judge_that_breaks_has_found_a_fault() -> None:
    with judging("broken") as verdict:
        raise RuntimeError("no server")
    assert verdict.failed == ["RuntimeError: no server"]
    assert verdict.line == "broken: 0 passed, 1 failed, 0 expected failures (0 s)"


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({}, None),
        ({"name": "devices read"}, "the name"),
        ({"inputSchema": {"type": "object", "oneOf": []}}, "at its root"),
        ({"inputSchema": {"properties": {}}}, "at its root"),
        ({"inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/b"}}}}, "a reference"),
        ({"annotations": {"readOnlyHint": True}}, "omitted hint"),
    ],
)
def test_our_own_rules_for_tools(changes: dict[str, Any], fault: str | None) -> None:
    said = list(faults([{**PLAIN, **changes}]))
    assert (fault is None and not said) or (fault is not None and fault in said[0])


def test_the_proxy_changes_nothing_but_the_token_and_the_connection() -> None:
    head = (
        b"POST /mcp HTTP/1.1\r\nHost: evil.example.com\r\nConnection: keep-alive\r\nOrigin: http://a\r\n\r\n"
    )
    assert with_token(head, "secret") == (
        b"POST /mcp HTTP/1.1\r\nHost: evil.example.com\r\nOrigin: http://a\r\n"
        b"Authorization: Bearer secret\r\nConnection: close\r\n\r\n"
    )


def test_every_judge_is_pinned_and_comes_from_wherever_npm_looks() -> None:
    wanted = json.loads((SOURCE / "package.json").read_text())
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    for name, version in {**wanted["dependencies"], **wanted["optionalDependencies"]}.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for name, package in lock["packages"].items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
