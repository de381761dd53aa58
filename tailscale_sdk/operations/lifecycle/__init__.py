"""The lifecycle of devices: quiet, stale, quarantined, removed, with everything that must not happen by accident."""

from tailscale_sdk.operations.lifecycle.exclusions import Exclusions, lifecycle
from tailscale_sdk.operations.lifecycle.notices import Notice, notices
from tailscale_sdk.operations.lifecycle.proposing import (
    GRACE,
    MARK,
    lifecycle_step,
    propose_marks,
    propose_quarantine,
    propose_removal,
)
from tailscale_sdk.operations.lifecycle.quarantines import quarantined_since, recorded_quarantines
from tailscale_sdk.operations.lifecycle.stages import (
    LifecycleReport,
    LifecycleRules,
    Staged,
    Thresholds,
    stage_by_id,
    stage_of,
)

__all__ = [
    "GRACE",
    "MARK",
    "Exclusions",
    "LifecycleReport",
    "LifecycleRules",
    "Notice",
    "Staged",
    "Thresholds",
    "lifecycle",
    "lifecycle_step",
    "notices",
    "propose_marks",
    "propose_quarantine",
    "propose_removal",
    "quarantined_since",
    "recorded_quarantines",
    "stage_by_id",
    "stage_of",
]
