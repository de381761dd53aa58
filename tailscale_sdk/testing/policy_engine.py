"""The policy engine behind the embedded tailnet: it refuses, tests, previews and approves as the service does."""

from __future__ import annotations

from typing import Any

from tailscale_sdk.errors import HuJSONError, PolicyError
from tailscale_sdk.policy.access import approves
from tailscale_sdk.policy.access.previewing import Match, rules_for_address, rules_for_user
from tailscale_sdk.policy.compile import CompiledPolicy, compile_policy
from tailscale_sdk.policy.language import Policy, read_policy
from tailscale_sdk.policy.tailnet import Tailnet as PolicyTailnet
from tailscale_sdk.policy.tailnet import read_tailnet
from tailscale_sdk.policy.verdicts import TestReport, run_tests
from tailscale_sdk.snapshot import TailnetSnapshot
from tailscale_sdk.testing.exchange import Refusal
from tailscale_sdk.testing.state import Tailnet


def view(tailnet: Tailnet) -> PolicyTailnet:
    """Return the present state as the policy engine sees it."""
    content = {
        "devices": list(tailnet.devices.values()),
        "users": list(tailnet.users.values()),
        "attributes": tailnet.attributes,
        "services": list(tailnet.services.values()),
    }
    return read_tailnet(TailnetSnapshot(content))


def read(text: bytes | str) -> Policy:
    """Read a policy.

    Raises:
        Refusal: what the service answers to it.
    """
    try:
        return read_policy(text)
    except HuJSONError as error:
        raise Refusal(400, f"the policy is not HuJSON: {error}") from None
    except PolicyError as error:
        if getattr(error, "breaks_service", False):
            raise Refusal(500, "internal server error") from None
        raise Refusal(400, str(error)) from None


def test_report(tailnet: Tailnet, policy: Policy) -> TestReport:
    """Run the tests of a policy in the present state."""
    return run_tests(policy, view(tailnet))


test_report.__test__ = False  # type: ignore[attr-defined]


def matches(tailnet: Tailnet, policy: Policy, kind: str, preview_for: str) -> list[Match]:
    """Return the rules that are about a user or an address with port.

    Raises:
        Refusal: 400 for what is neither.
    """
    compiled = compile_policy(policy, view(tailnet))
    if kind == "user":
        return rules_for_user(compiled, preview_for)
    address, _, port = preview_for.rpartition(":")
    try:
        return rules_for_address(compiled, address, int(port))
    except ValueError:
        raise Refusal(400, "previewFor must be an address and a port, such as 100.64.0.1:22") from None


def newly_approved(tailnet: Tailnet, policy: Policy) -> list[tuple[dict[str, Any], list[str]]]:
    """Return devices with the advertised routes that ``autoApprovers`` approve and nobody has approved yet."""
    if not policy.route_approvers and not policy.exit_node_approvers:
        return []
    compiled = compile_policy(policy, view(tailnet))
    found = []
    for device in tailnet.devices.values():
        routes = _approved(compiled, device)
        if routes:
            found.append((device, routes))
    return found


def _approved(compiled: CompiledPolicy, device: dict[str, Any]) -> list[str]:
    known = compiled.tailnet.by_id[device["nodeId"]]
    enabled = device.get("enabledRoutes") or []
    waiting = [route for route in device.get("advertisedRoutes") or [] if route not in enabled]
    return [route for route in waiting if approves(compiled, known, route) == "yes"]
