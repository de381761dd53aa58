"""Everything this machine keeps about changes, in one state directory; nothing is made before it is needed."""

from __future__ import annotations

from functools import cached_property

from tailscale_sdk.changes.audit_trail import AuditTrail
from tailscale_sdk.changes.database import Database
from tailscale_sdk.changes.journal import Journal
from tailscale_sdk.changes.plan_store import PlanStore, SQLitePlanStore
from tailscale_sdk.changes.policy_versions import PolicyVersions
from tailscale_sdk.changes.preimages import PreimageStore
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.changes.state_records import StateRecords


class LocalState:
    """Hold plans, journal, pre-images, policy versions and audit trail.

    Args:
        directory: where they are; the platform's state directory when left out.
        plans: where plans are, when several processes share them elsewhere.
    """

    def __init__(self, directory: StateDirectory | None = None, *, plans: PlanStore | None = None) -> None:
        self.directory = directory or StateDirectory.default()
        self._plans = plans

    @cached_property
    def database(self) -> Database:
        """Return the database of plans, journal and pre-images."""
        return Database(self.directory)

    @cached_property
    def plans(self) -> PlanStore:
        """Return the store of plans."""
        return self._plans or SQLitePlanStore(self.database)

    @cached_property
    def journal(self) -> Journal:
        """Return the journal of what was sent."""
        return Journal(self.database)

    @cached_property
    def preimages(self) -> PreimageStore:
        """Return what was replaced, and how to put it back."""
        return PreimageStore(self.database)

    @cached_property
    def records(self) -> StateRecords:
        """Return the records of work that goes on."""
        return StateRecords(self.database)

    @cached_property
    def versions(self) -> PolicyVersions:
        """Return the kept versions of the policy."""
        return PolicyVersions(self.directory)

    @cached_property
    def audit(self) -> AuditTrail:
        """Return the audit trail."""
        return AuditTrail(self.directory)

    def close(self) -> None:
        """Close what is open."""
        if "database" in self.__dict__:
            self.database.close()
