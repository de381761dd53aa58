"""Every check, in the order it is listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailscale_sdk.operations.audit.checks import (
    devices,
    dns,
    keys,
    manual,
    network,
    people,
    policies,
    settings,
    watching,
)
from tailscale_sdk.operations.audit.model import Check

_FAMILIES: Final = (
    policies.CHECKS,
    network.SSH_CHECKS,
    keys.CHECKS,
    devices.CHECKS,
    network.CHECKS,
    dns.CHECKS,
    settings.CHECKS,
    watching.CHECKS,
    people.CHECKS,
    manual.CHECKS,
)
CHECKS: Final[Mapping[str, Check]] = {check.id: check for family in _FAMILIES for check in family}
"""Checks by id."""
