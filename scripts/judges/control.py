"""The judges judged: servers with faults, each of which at least one judge must report."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.judges.conformance import HANDSHAKE, MODERN, run_suite
from scripts.judges.inspector import UNPORTABLE, faults, list_tools
from scripts.judges.node import run
from scripts.judges.serving import BROKEN, EVERYTHING, OWN, WITH_FIXTURES, serving
from scripts.judges.verdict import Verdict, judging

SPOILED = {b'"2025-11-25"': b'"1999-01-01"', b'"private"': b'"privily"'}
"""What answers are changed into on their way, in as many bytes: a wrong version, an unknown cache scope."""

_SECONDS = 60


def judge_judges(node: str) -> list[Verdict]:
    """Show faulty servers to the judges."""
    with judging("positive controls") as verdict:
        content, ran = list_tools(node, "legacy", [*WITH_FIXTURES, BROKEN, "--demo"])
        found = [entry["toolName"] for entry in content.get("schemaFindings", [])]
        verdict.check(
            ran.code == UNPORTABLE and "test_bare_schema" in found,
            f"Inspector: a schema that is none\n{ran.tail}",
        )
        choices = [line for line in faults(content["result"]["tools"]) if "test_root_choice" in line]
        verdict.check(bool(choices), "our own rules: a choice at the root of a schema")
        with serving(OWN, *EVERYTHING, spoil=SPOILED) as served:
            _must_fail(verdict, node, served.open_url, {HANDSHAKE: "server-initialize", MODERN: "caching"})
            ran = run([node, "client-v1.mjs", "http", served.open_url], seconds=_SECONDS)
            verdict.check(ran.code != 0, "TypeScript SDK v1: a wrong protocol version")
    return [verdict]


def _must_fail(verdict: Verdict, node: str, url: str, scenarios: Mapping[str, str]) -> None:
    for era, scenario in scenarios.items():
        checks, ran = run_suite(node, url, era, "--scenario", scenario)
        failing = [check for found in checks.values() for check in found if check["status"] == "FAILURE"]
        verdict.check(
            ran.code == 1 and bool(failing), f"conformance {scenario}: a spoiled answer\n{ran.tail}"
        )
