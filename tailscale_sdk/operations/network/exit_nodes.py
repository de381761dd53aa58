"""Exit nodes: which there are, who may use them, how far away they are, and their approval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from tailscale_sdk.errors import ConfigurationError, HuJSONError, PolicyError
from tailscale_sdk.operations.connectivity import preferred_relay, relay_latency
from tailscale_sdk.operations.devices.actions import left_alone
from tailscale_sdk.operations.fleet import EXIT_ROUTES, Device, Fleet, Proposal
from tailscale_sdk.operations.network.approvals import set_step
from tailscale_sdk.operations.network.local_node import Latency
from tailscale_sdk.operations.values import text_of
from tailscale_sdk.policy.compile import ALLOW_ALL, rules_of
from tailscale_sdk.policy.language import read_policy

_STATES: Final = {"approved": 0, "partial": 1, "pending": 2, "no": 3}
_PATHS: Final = {"direct": 0, "unknown": 1, "relay": 2}


@frozen
class ExitNode:
    """Hold one exit node, or a device that would be one.

    Attributes:
        device: the device.
        latency: how far away it is; None where nobody knows.
        suggested: the node on this machine would choose it.
    """

    device: Device
    latency: Latency | None
    suggested: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        latency = self.latency
        return {
            "id": self.device.id,
            "name": self.device.name,
            "state": self.device.exit_state,
            "advertised": self.device.offers_exit,
            "online": self.device.is_connected,
            "version": text_of(self.device.fields, "clientVersion"),
            "tags": list(self.device.tags),
            "owner": self.device.owner,
            "relay": preferred_relay(self.device),
            "latency_ms": None if latency is None else latency.milliseconds,
            "latency_source": "none" if latency is None else latency.source,
            **({"suggested": True} if self.suggested else {}),
        }


@frozen
class ExitNodes:
    """Hold the exit nodes of a tailnet, the best first.

    Attributes:
        nodes: online and approved before others, then straight before relayed, then by latency.
        users: sources of the rules that let somebody use them, as the policy writes them; None where it was not read.
    """

    nodes: tuple[ExitNode, ...]
    users: tuple[str, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON data."""
        return {
            "nodes": [node.to_dict() for node in self.nodes],
            "users": None if self.users is None else list(self.users),
        }


def list_exit_nodes(
    fleet: Fleet, *, latencies: Mapping[str, Latency] | None = None, suggested: str | None = None
) -> ExitNodes:
    """Return the exit nodes, and the devices that would be one, the best first.

    Args:
        fleet: devices and policy.
        latencies: measured from this machine, by nodeId; without them the devices' own reports are taken.
        suggested: nodeId of the one that the node on this machine would choose.
    """
    found = [
        ExitNode(device, _latency(device, latencies or {}), suggested is not None and device.id == suggested)
        for device in fleet.devices
        if device.exit_state != "no" and not device.is_external
    ]
    return ExitNodes(tuple(sorted(found, key=_rank)), _users(fleet))


def _latency(device: Device, measured: Mapping[str, Latency]) -> Latency | None:
    if device.id in measured:
        return measured[device.id]
    estimate = relay_latency(device)
    return None if estimate is None else Latency(estimate, "derp_estimate")


def _rank(node: ExitNode) -> tuple[int, int, int, float, str]:
    latency = node.latency
    return (
        0 if node.device.is_connected else 1,
        _STATES[node.device.exit_state],
        _PATHS["unknown" if latency is None else latency.path],
        float("inf") if latency is None else latency.milliseconds,
        node.device.id,
    )


def _users(fleet: Fleet) -> tuple[str, ...] | None:
    if fleet.snapshot.policy is None:
        return None
    try:
        policy = read_policy(fleet.snapshot.policy)
    except (HuJSONError, PolicyError):
        return None
    found: dict[str, None] = {}
    for rule in rules_of(policy):
        if rule is ALLOW_ALL:
            return ("*",)
        names = {destination.selector.name for destination in rule.destinations}
        if names & {"*", "autogroup:internet"}:
            found.update(dict.fromkeys(source.name for source in rule.sources))
    return tuple(found)


def approve_exit_node(device: Device, *, reason: str | None = None) -> Proposal:
    """Propose to let a device be an exit node; its subnet routes stay as they are.

    Args:
        device: the device.
        reason: why.
    """
    if device.exit_state == "approved":
        return Proposal((), None, (left_alone(device, "it is an approved exit node already"),), reason=reason)
    risks = [f"{device.label} may carry everything its users send to the internet"]
    if not device.offers_exit:
        risks.append(f"{device.label} does not offer itself: it becomes one once it does")
    return Proposal(
        (set_step(device, list(dict.fromkeys((*device.approved, *EXIT_ROUTES))), risks),), reason=reason
    )


def revoke_exit_node(
    fleet: Fleet, device: Device, *, insist: bool = False, reason: str | None = None
) -> Proposal:
    """Propose that a device is no exit node any more; its subnet routes stay as they are.

    Args:
        fleet: all devices, so that the last exit node is known.
        device: the device.
        insist: also where it is the last one.
        reason: why.

    Raises:
        ConfigurationError: it is the last approved exit node.
    """
    if device.exit_state not in {"approved", "partial"}:
        return Proposal((), None, (left_alone(device, "it is no approved exit node"),), reason=reason)
    others = [each for each in fleet.devices if each.exit_state == "approved" and each.id != device.id]
    if not others and device.exit_state == "approved" and not insist:
        raise ConfigurationError(f"{device.label} is the last approved exit node: insist if it is meant")
    kept = [route for route in device.approved if route not in EXIT_ROUTES]
    risks = [f"whoever uses {device.label} as exit node loses the internet until another one is chosen"]
    return Proposal((set_step(device, kept, risks),), reason=reason)
