"""Credentials: inventory, forecast, rules, and rotation with an overlap."""

from tailscale_sdk.operations.keys.forecast import (
    Expiry,
    Forecast,
    KeyFinding,
    KeyRules,
    check_keys,
    expiry_forecast,
)
from tailscale_sdk.operations.keys.inventory import Key, KeyRow, key_inventory
from tailscale_sdk.operations.keys.retirement import apply_retirement, plan_retirement, resume_rotation
from tailscale_sdk.operations.keys.rotation import apply_rotation, plan_rotation, state_sink
from tailscale_sdk.operations.keys.rotation_state import (
    Rotation,
    RotationPlan,
    RotationReport,
    list_rotations,
    planned_rotation,
)
from tailscale_sdk.operations.keys.sinks import (
    CommandSink,
    EnvFileSink,
    FileSink,
    KubernetesSink,
    SecretSink,
    SinkError,
    read_sink,
)

__all__ = [
    "CommandSink",
    "EnvFileSink",
    "Expiry",
    "FileSink",
    "Forecast",
    "Key",
    "KeyFinding",
    "KeyRow",
    "KeyRules",
    "KubernetesSink",
    "Rotation",
    "RotationPlan",
    "RotationReport",
    "SecretSink",
    "SinkError",
    "apply_retirement",
    "apply_rotation",
    "check_keys",
    "expiry_forecast",
    "key_inventory",
    "list_rotations",
    "plan_retirement",
    "plan_rotation",
    "planned_rotation",
    "read_sink",
    "resume_rotation",
    "state_sink",
]
