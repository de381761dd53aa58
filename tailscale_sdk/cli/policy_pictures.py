"""``tailscale-sdk policy graph``: pictures of rules, of effective access, and of a change."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from tailscale_sdk.cli.files import write_private
from tailscale_sdk.cli.policy_inputs import read_both, read_text
from tailscale_sdk.policy.compile import compile_policy
from tailscale_sdk.policy.diff import diff_policies
from tailscale_sdk.policy.graph import (
    Graph,
    diff_graph,
    effective_graph,
    rule_graph,
    to_dot,
    to_html,
    to_json,
    to_mermaid,
)
from tailscale_sdk.policy.language import read_policy

_WRITERS: dict[str, Callable[[Graph], str]] = {
    "mermaid": to_mermaid,
    "dot": to_dot,
    "html": to_html,
    "json": lambda graph: json.dumps(to_json(graph), indent=1, ensure_ascii=False) + "\n",
}


def graph_command(options: argparse.Namespace) -> int:
    """Write a picture of a policy."""
    text = _WRITERS["json" if options.json else options.format](_graph(options))
    if options.out is None:
        sys.stdout.write(text)
    else:
        write_private(options.out, text)
    return 0


def _graph(options: argparse.Namespace) -> Graph:
    if options.against is None and not options.effective and options.policy is not None:
        return rule_graph(read_policy(read_text(options.policy)))
    policy, tailnet = read_both(options)
    if options.against is not None:
        return diff_graph(diff_policies(read_policy(read_text(options.against)), policy, tailnet))
    return effective_graph(compile_policy(policy, tailnet)) if options.effective else rule_graph(policy)
