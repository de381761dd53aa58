"""The lifecycle of devices: quiet, stale, quarantined, removed, with everything that must not happen by accident."""

from tailscale_sdk.operations.lifecycle.exclusions import Exclusions, lifecycle
from tailscale_sdk.operations.lifecycle.proposing import (
    MARK,
    Notice,
    notices,
    propose_marks,
    propose_quarantine,
    propose_removal,
    quarantined_since,
)
from tailscale_sdk.operations.lifecycle.stages import (
    LifecycleReport,
    LifecycleRules,
    Staged,
    Thresholds,
    stage_by_id,
    stage_of,
)

__all__ = [
    "MARK",
    "Exclusions",
    "LifecycleReport",
    "LifecycleRules",
    "Notice",
    "Staged",
    "Thresholds",
    "lifecycle",
    "notices",
    "propose_marks",
    "propose_quarantine",
    "propose_removal",
    "quarantined_since",
    "stage_by_id",
    "stage_of",
]
