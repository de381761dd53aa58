"""The one way to write: every planned change goes through here, from any surface.

```
client.prepare(operation_id, **arguments)   a call, not sent
Changes(client).plan([call])                reads, shows before and after, keeps the plan for 15 minutes
Changes(client).apply(plan.id)              compares, keeps what is replaced, notes, sends, reads back
Changes(client).plan_undo(change_id)        the plan that takes it back
```
"""

from __future__ import annotations

from tailscale_sdk.changes.accounts import Account, ItemAccount
from tailscale_sdk.changes.engine import AsyncChanges, Changes, own_principal
from tailscale_sdk.changes.guards import Caps, OwnCredential, OwnNode, Protected
from tailscale_sdk.changes.local_state import LocalState
from tailscale_sdk.changes.model import (
    ChangeReport,
    Check,
    Guard,
    ItemReport,
    Plan,
    PlannedItem,
    Target,
    Verdict,
)
from tailscale_sdk.changes.planning import Note, Remarks
from tailscale_sdk.changes.records import digest_of_call
from tailscale_sdk.changes.recovery import OpenChange

__all__ = [
    "Account",
    "AsyncChanges",
    "Caps",
    "ChangeReport",
    "Changes",
    "Check",
    "Guard",
    "ItemAccount",
    "ItemReport",
    "LocalState",
    "Note",
    "OpenChange",
    "OwnCredential",
    "OwnNode",
    "Plan",
    "PlannedItem",
    "Protected",
    "Remarks",
    "Target",
    "Verdict",
    "digest_of_call",
    "own_principal",
]
