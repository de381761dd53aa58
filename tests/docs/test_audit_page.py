"""The page about audits: its table is the catalogue, and its workflow is YAML that names commands there are.

``REWRITE_DOCS=1`` writes the table, for review.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml

from tailscale_sdk.cli.command import _parser
from tailscale_sdk.operations.audit import CHECKS
from tests.docs.blocks import blocks_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit.md"
_TABLE = re.compile(r"(<!-- checks -->\n).*?(<!-- /checks -->)", re.DOTALL)


def _table() -> str:
    rows = [
        f"| {check.id} | {check.severity if check.id != 'MAN-01' else 'manual'} | {check.title} | "
        f"{', '.join(('devices', *check.inputs))} | {check.remediation} | {', '.join(check.controls)} |"
        for check in CHECKS.values()
    ]
    head = "| id | severity | what it finds | reads | what to do | SOC 2 |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"{row}\n" for row in rows)


def test_the_table_is_the_catalogue() -> None:
    text = PAGE.read_text(encoding="utf-8")
    wanted = _TABLE.sub(lambda found: found[1] + _table() + found[2], text)
    if os.environ.get("REWRITE_DOCS"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted
    assert len(CHECKS) == 54


def test_the_workflow_is_yaml_and_its_commands_exist() -> None:
    (block,) = [block for block in blocks_of(PAGE) if block.language == "yaml"]
    workflow: dict[Any, Any] = yaml.safe_load(block.code)
    commands = [step["run"] for step in workflow["jobs"]["audit"]["steps"] if "run" in step]
    ours = [command.split()[1:] for command in commands if command.startswith("tailscale-sdk ")]
    assert len(ours) == 4
    for words in ours:
        assert _parser().parse_args(words).command == words[0]
