"""The Inspector: are the schemas ones that every client takes, on each surface and tier, in both eras."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.judges.node import INSPECTOR, Ran, run
from scripts.judges.serving import EVERYTHING, OWN
from scripts.judges.verdict import Verdict, judging

ERAS = ("legacy", "modern")
SURFACES = {
    "portmanteau, read-only": ((), 17),
    "portmanteau, everything": (EVERYTHING, 46),
    "granular, read-only": (("--surface", "granular"), 55),
    "granular, everything": (("--surface", "granular", *EVERYTHING), 126),
}
"""Flags of each surface and tier, with how many tools it has."""

UNPORTABLE, TOOL_ERROR = 6, 5
CALL_SECONDS = 60
_ROOT_CHOICES = {"oneOf", "anyOf", "allOf", "not", "if", "enum"}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


def inspect(node: str, era: str, options: Sequence[str], command: Sequence[str]) -> tuple[Any, Ran]:
    """Let the Inspector start a server over stdio, and return what it printed.

    Args:
        node: that runs it.
        era: which family of the protocol is spoken.
        options: what it does.
        command: that serves.
    """
    line = [
        node,
        INSPECTOR,
        "--cli",
        "-q",
        "--protocol-era",
        era,
        "--format",
        "json",
        *options,
        "--",
        *command,
    ]
    ran = run(line, seconds=CALL_SECONDS)
    try:
        return json.loads(ran.out), ran
    except ValueError:
        return {}, ran


def list_tools(node: str, era: str, command: Sequence[str]) -> tuple[Any, Ran]:
    """List the tools of a server, looking at their schemas strictly."""
    return inspect(node, era, ["--strict", "--method", "tools/list"], command)


def faults(tools: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Find what our own rules forbid and the Inspector lets pass.

    Args:
        tools: as they were listed.
    """
    for tool in tools:
        name, schema = tool["name"], tool["inputSchema"]
        if not _NAME.fullmatch(name):
            yield f"{name}: the name has other characters than every client takes"
        if schema.get("type") != "object" or _ROOT_CHOICES & schema.keys():
            yield f"{name}: the schema is not a plain object at its root"
        if '"$ref"' in json.dumps(schema):
            yield f"{name}: the schema has a reference"
        if any(not isinstance(tool.get("annotations", {}).get(hint), bool) for hint in _HINTS):
            yield f"{name}: an omitted hint would mean destructive"


def judge_schemas(node: str, era: str) -> list[Verdict]:
    """Judge the tools of each surface and tier in one era, and call one."""
    with judging(f"inspector --strict, {era}") as verdict:
        for name, (flags, count) in SURFACES.items():
            content, ran = list_tools(node, era, [*OWN, "--demo", *flags])
            tools = content.get("result", {}).get("tools", [])
            found = content.get("schemaFindings", [])
            verdict.check(ran.code == 0 and not found, f"{name}: exit code {ran.code}, {found}\n{ran.tail}")
            verdict.check(len(tools) == count, f"{name}: {len(tools)} tools, {count} should be")
            wrong = list(faults(tools))
            verdict.check(not wrong, f"{name}: {'; '.join(wrong)}")
        _call(node, era, verdict)
    return [verdict]


def _call(node: str, era: str, verdict: Verdict) -> None:
    options = ["--method", "tools/call", "--tool-name", "devices_read", "--tool-args-json"]
    content, ran = inspect(node, era, [*options, '{"action":"list","limit":2}'], [*OWN, "--demo"])
    rows = content.get("result", {}).get("structuredContent", {}).get("rows", [])
    verdict.check(ran.code == 0 and len(rows) == 2, f"devices_read list: exit code {ran.code}\n{ran.tail}")
    _, ran = inspect(node, era, [*options, '{"action":"nothing"}'], [*OWN, "--demo"])
    verdict.check(ran.code == TOOL_ERROR, f"an unknown action: exit code {ran.code}\n{ran.tail}")
