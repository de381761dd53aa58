"""The official conformance suite, in both eras: over our own command, and with its fixtures mounted."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.judges.node import CONFORMANCE, SOURCE, Ran, run
from scripts.judges.serving import EVERYTHING, OWN, SESSIONS, WITH_FIXTURES, serving
from scripts.judges.verdict import Verdict, judging

HANDSHAKE, MODERN = "2025-11-25", "2026-07-28"
SCENARIOS = {HANDSHAKE: 33, MODERN: 40}
"""How many there are in the pinned version: one that disappears is no pass."""

OWN_SCENARIOS: Mapping[str, Mapping[str, int]] = {
    HANDSHAKE: {
        "server-initialize": 2,
        "logging-set-level": 2,
        "ping": 2,
        "tools-list": 3,
        "resources-list": 2,
        "prompts-list": 2,
        "dns-rebinding-protection": 2,
    },
    MODERN: {
        "server-stateless": 23,
        "tools-list": 4,
        "resources-list": 2,
        "prompts-list": 2,
        "sep-2164-resource-not-found": 4,
        "dns-rebinding-protection": 2,
        "caching": 8,
        "http-header-validation": 14,
        "server-sse-multiple-streams": 1,
        "input-required-result-unsupported-methods": 2,
    },
}
"""Scenarios that need no fixture, with how many of their checks must pass."""

REAL_ANSWERS = {
    "tools-call-simple-text": "This is a simple text response for testing.",
    "tools-call-error": "This tool intentionally returns an error for testing",
}
"""Scenarios that an error about an unknown tool would pass as well, with what the tool really says."""

SUITE_SECONDS = 150
_GOOD = {"SUCCESS", "INFO", "SKIPPED"}
_STAMP = re.compile(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$")
Checks = dict[str, list[dict[str, Any]]]


def read_expected() -> dict[str, dict[str, str]]:
    """Return the known failures: by server and era, scenario and check, the reason."""
    content = yaml.safe_load((SOURCE / "expected-failures.yml").read_text())
    return {
        str(part): {str(name): str(reason) for name, reason in (lines or {}).items()}
        for part, lines in content.items()
    }


def run_suite(node: str, url: str, era: str, *options: str) -> tuple[Checks, Ran]:
    """Run the suite and return the checks of each scenario.

    Args:
        node: that runs it.
        url: of a server that wants no token.
        era: version of the protocol that is spoken.
        options: which scenarios.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        command = [node, CONFORMANCE, "server", "--url", url, "--spec-version", era, "-o", folder, *options]
        ran = run(command, seconds=SUITE_SECONDS)
        checks = {
            _STAMP.sub("", path.parent.name.removeprefix("server-")): json.loads(path.read_text())
            for path in sorted(Path(folder).glob("*/checks.json"))
        }
    return checks, ran


def judge_own(node: str) -> list[Verdict]:
    """Let the suite judge our own command, by the scenarios that need no fixture."""
    verdicts = []
    with serving(OWN, *EVERYTHING) as served:
        for era, wanted in OWN_SCENARIOS.items():
            with judging(f"conformance {era}, tailscale-mcp") as verdict:
                checks, ran = run_suite(node, served.open_url, era, "--suite", "all")
                _count_scenarios(verdict, era, checks, ran)
                chosen = {name: checks.get(name, []) for name in wanted}
                weigh(verdict, chosen, read_expected()[f"tailscale-mcp {era}"])
                for name, least in wanted.items():
                    passed = sum(check["status"] == "SUCCESS" for check in chosen[name])
                    if passed < least:
                        verdict.failed.append(f"{name}: {passed} checks passed, {least} should have")
            verdicts.append(verdict)
    return verdicts


def judge_fixtures(node: str, era: str) -> list[Verdict]:
    """Let the whole suite judge a server made by our factory, with what the suite expects mounted."""
    # In the handshake era half of the suite is about sessions and event streams, which the command never opens.
    how = (SESSIONS,) if era == HANDSHAKE else ()
    with (
        judging(f"conformance {era}, whole suite") as verdict,
        serving(WITH_FIXTURES, *how, *EVERYTHING) as served,
    ):
        checks, ran = run_suite(node, served.open_url, era, "--suite", "all")
        _count_scenarios(verdict, era, checks, ran)
        weigh(verdict, checks, read_expected()[f"whole suite {era}"])
        for name, said in REAL_ANSWERS.items():
            verdict.check(said in json.dumps(checks.get(name)), f"{name}: not what the tool really says")
    return [verdict]


def weigh(verdict: Verdict, checks: Checks, expected: Mapping[str, str]) -> None:
    """Count checks; a failure must be a known one, and a known failure must fail.

    Args:
        verdict: to fill in.
        checks: of each scenario.
        expected: reasons by ``scenario:check``.
    """
    seen = set()
    for scenario, found in checks.items():
        for check in found:
            name = f"{scenario}:{check['id']}"
            if check["status"] == "SUCCESS":
                verdict.passed += 1
            elif check["status"] not in _GOOD:
                seen.add(name)
                if name in expected:
                    verdict.expected[name] = expected[name]
                else:
                    verdict.failed.append(_describe(name, check))
    verdict.failed += [
        f"{name}: is expected to fail and did not: remove it from judges/expected-failures.yml"
        for name in expected
        if name not in seen
    ]


def _describe(name: str, check: Mapping[str, Any]) -> str:
    details = json.dumps(check.get("details"), ensure_ascii=False)
    return f"{name}: {check.get('errorMessage') or check.get('description')}\n    {details[:1500]}"


def _count_scenarios(verdict: Verdict, era: str, checks: Checks, ran: Ran) -> None:
    if len(checks) != SCENARIOS[era] or ran.code not in {0, 1}:
        verdict.failed.append(
            f"{len(checks)} scenarios ran, {SCENARIOS[era]} should have; exit code {ran.code}\n{ran.tail}"
        )
