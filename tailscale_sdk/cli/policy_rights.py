"""``tailscale-sdk policy rights``: who may hand out tags, approve routes and turn on funnel."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tailscale_sdk.cli.policy_inputs import read_compiled
from tailscale_sdk.cli.tables import table
from tailscale_sdk.policy.access import approvers_of, funnel_devices, tag_holders
from tailscale_sdk.policy.compile import CompiledPolicy
from tailscale_sdk.policy.language import Approvers


def rights_command(options: argparse.Namespace) -> int:
    """Print who holds the rights that a policy gives."""
    compiled = read_compiled(options)
    found = _rights(compiled, options)
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    cells = [(f"own {each['tag']}", ", ".join(each["owners"]) or "admins alone") for each in found["tags"]]
    cells += [
        (f"approve {each['route']}", ", ".join(each["approvers"]) or "admins alone")
        for each in found["routes"]
    ]
    cells += [("funnel", name) for name in found["funnel"]]
    print(table(("right", "holders"), cells) if cells else "the policy gives none of these rights")
    return 0


def _rights(compiled: CompiledPolicy, options: argparse.Namespace) -> dict[str, Any]:
    policy, roles = compiled.policy, dict(compiled.tailnet.roles)
    tags = [options.tag] if options.tag else ([] if options.route else list(policy.tag_owners))
    if options.route:
        routes = approvers_of(policy, options.route)
    else:
        routes = [] if options.tag else list(policy.route_approvers)
        exits = policy.exit_node_approvers
        routes += [Approvers("exitNode", exits, exits[0].place)] if exits and not options.tag else []
    return {
        "tags": [tag_holders(policy, tag, roles).to_dict() for tag in tags],
        "routes": [
            {
                "route": each.target,
                "approvers": [selector.text for selector in each.approvers],
                "line": each.place.line,
            }
            for each in routes
        ],
        "funnel": [device.label for device in funnel_devices(compiled)]
        if not (options.tag or options.route)
        else [],
    }
