"""Seeded state beside people and devices: policy, keys, DNS, settings, Services, logs and the rest."""

from __future__ import annotations

from tailscale_sdk.testing.seeding.account import seed_account
from tailscale_sdk.testing.seeding.audit import seed_audit
from tailscale_sdk.testing.seeding.flows import seed_flows
from tailscale_sdk.testing.seeding.keys import seed_keys
from tailscale_sdk.testing.seeding.network import seed_network
from tailscale_sdk.testing.seeding.policy import seed_policy
from tailscale_sdk.testing.state import Tailnet


def seed_resources(tailnet: Tailnet) -> None:
    """Fill everything that is neither a person nor a device; people and devices are there already."""
    seed_policy(tailnet)
    seed_account(tailnet)
    seed_network(tailnet)
    seed_keys(tailnet)
    seed_audit(tailnet)
    seed_flows(tailnet)
