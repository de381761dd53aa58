"""Change the policy in one transaction: plan, apply, verify, roll back; the only way policy text is written.

```
plan_change(client, edits=[AddMember("group:dev", "eve@example.com")], ...)   reads, judges, keeps a plan
apply_change(client, plan_id=plan.plan.id, ...)                                writes, verifies, rolls back
plan_rollback(client, version="previous", ...)                                 the same for a kept version
history(engine), difference(client, version), drift(client, text)              what was, who, why; what differs
```
"""

from tailscale_sdk.operations.policies.applying import PROBE_SECONDS, PolicyReport, Probe, apply_change
from tailscale_sdk.operations.policies.conflicts import Conflict, PolicyConflictError
from tailscale_sdk.operations.policies.drift import Drift, drift
from tailscale_sdk.operations.policies.history import (
    HistoryEntry,
    VersionDifference,
    difference,
    find_version,
    history,
)
from tailscale_sdk.operations.policies.judgement import Judgement, judge
from tailscale_sdk.operations.policies.lockouts import find_lockouts
from tailscale_sdk.operations.policies.planning import (
    OUTSIDE_EDIT,
    PolicyPlan,
    Safeguards,
    plan_change,
    plan_rollback,
)
from tailscale_sdk.operations.policies.stakes import Lockout, Stakes

__all__ = [
    "OUTSIDE_EDIT",
    "PROBE_SECONDS",
    "Conflict",
    "Drift",
    "HistoryEntry",
    "Judgement",
    "Lockout",
    "PolicyConflictError",
    "PolicyPlan",
    "PolicyReport",
    "Probe",
    "Safeguards",
    "Stakes",
    "VersionDifference",
    "apply_change",
    "difference",
    "drift",
    "find_lockouts",
    "find_version",
    "history",
    "judge",
    "plan_change",
    "plan_rollback",
]
