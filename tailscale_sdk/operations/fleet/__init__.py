"""The fleet: devices and their facts, and proposals of what to change."""

from tailscale_sdk.operations.fleet.facts import EXIT_ROUTES, Device, ExitState, Fleet, read_fleet
from tailscale_sdk.operations.fleet.proposals import LeftAlone, Proposal, Step
from tailscale_sdk.operations.fleet.versions import Version, read_version

__all__ = [
    "EXIT_ROUTES",
    "Device",
    "ExitState",
    "Fleet",
    "LeftAlone",
    "Proposal",
    "Step",
    "Version",
    "read_fleet",
    "read_version",
]
