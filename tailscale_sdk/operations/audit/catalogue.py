"""Every check, in the order it is listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailscale_sdk.operations.audit.checks import devices, keys, people, policies, settings, watching
from tailscale_sdk.operations.audit.model import Check

CHECKS: Final[Mapping[str, Check]] = {
    check.id: check
    for family in (
        policies.CHECKS,
        devices.CHECKS,
        keys.CHECKS,
        settings.CHECKS,
        people.CHECKS,
        watching.CHECKS,
    )
    for check in family
}
"""Checks by id."""
