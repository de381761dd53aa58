"""Credentials: inventory, forecast, rules, and rotation with an overlap."""

from tailscale_sdk.operations.keys.calendar_file import calendar_of
from tailscale_sdk.operations.keys.file_sinks import EnvFileSink, FileSink, KubernetesSink, StateFileSink
from tailscale_sdk.operations.keys.forecast import Expiry, Forecast, expiry_forecast
from tailscale_sdk.operations.keys.inventory import RISKS, Key, KeyRow, key_inventory
from tailscale_sdk.operations.keys.making import Canary
from tailscale_sdk.operations.keys.retirement import apply_retirement, plan_retirement, resume_rotation
from tailscale_sdk.operations.keys.rotation import apply_rotation, plan_rotation, state_sink, token_canary
from tailscale_sdk.operations.keys.rotation_state import (
    Rotation,
    RotationPlan,
    RotationReport,
    list_rotations,
    planned_rotation,
)
from tailscale_sdk.operations.keys.rules import KeyFinding, KeyRules, check_keys
from tailscale_sdk.operations.keys.sink_files import SinkError
from tailscale_sdk.operations.keys.sinks import CommandSink, SecretSink, read_sink
from tailscale_sdk.operations.keys.webhook_secrets import apply_webhook_rotation, plan_webhook_rotation

__all__ = [
    "RISKS",
    "Canary",
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
    "StateFileSink",
    "apply_retirement",
    "apply_rotation",
    "apply_webhook_rotation",
    "calendar_of",
    "check_keys",
    "expiry_forecast",
    "key_inventory",
    "list_rotations",
    "plan_retirement",
    "plan_rotation",
    "plan_webhook_rotation",
    "planned_rotation",
    "read_sink",
    "resume_rotation",
    "state_sink",
    "token_canary",
]
