"""Plans that wait to be applied: each for one principal, for a while, and once."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import asdict, field, frozen

from tailscale_sdk.changes.database import Database
from tailscale_sdk.errors import PlanRefusedError

_ID_BYTES = 32
_REFERENCE_CHARACTERS = 32


@frozen
class PlanRecord:
    """Hold a plan as it is stored.

    Attributes:
        id: what it is found by; only a hash of it is stored.
        body: the plan as JSON values.
        principal: who may apply it.
        profile: the profile it was made under.
        tailnet: the tailnet it is for.
        digest: hash of its arguments.
        created, expires: seconds since the epoch.
    """

    id: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)
    principal: str
    profile: str
    tailnet: str
    digest: str
    created: float
    expires: float


class PlanStore(Protocol):
    """Keep plans; whatever is wrong with an id, the answer is the same."""

    def put(self, record: PlanRecord) -> None:
        """Store a plan durably.

        Raises:
            StateError: it could not be stored.
        """
        ...

    def peek(self, plan_id: str, *, principal: str, profile: str) -> PlanRecord:
        """Return a plan and leave it to be applied.

        Raises:
            PlanRefusedError: it is unknown, used, expired, damaged or somebody else's.
            StateError: the store cannot be read.
        """
        ...

    def take(self, plan_id: str, *, principal: str, profile: str, expect: str | None = None) -> PlanRecord:
        """Return a plan and use it up; of several callers one gets it.

        Args:
            plan_id: id of the plan.
            principal: who applies it.
            profile: the profile it is applied under.
            expect: digest the plan must have; another one leaves it as it is.

        Raises:
            PlanRefusedError: it is unknown, used, expired, damaged or somebody else's, or has another digest.
            StateError: the store cannot be written.
        """
        ...

    def purge(self) -> int:
        """Remove expired plans and return how many.

        Raises:
            StateError: the store cannot be written.
        """
        ...


def new_plan_id() -> str:
    """Return 256 random bits that are safe in a URL, and on a command line, where a dash begins an option."""
    while (plan_id := secrets.token_urlsafe(_ID_BYTES)).startswith("-"):
        pass
    return plan_id


def plan_reference(plan_id: str) -> str:
    """Return a name for a plan that may be written down: nothing can be applied with it."""
    text = plan_id.encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"plan reference\0" + text).hexdigest()[:_REFERENCE_CHARACTERS]


def record_key(plan_id: str, principal: str, profile: str) -> str:
    """Return where a plan is stored; for another principal or profile that is another place, and empty."""
    return hashlib.sha256(json.dumps([plan_id, principal, profile]).encode()).hexdigest()


def pack_record(record: PlanRecord) -> tuple[bytes, bytes]:
    """Return a plan as text without its id, and the hash of that text.

    Raises:
        TypeError, ValueError: the body is not JSON.
    """
    content = {**asdict(record, recurse=False), "body": dict(record.body)}
    del content["id"]
    text = json.dumps(content, allow_nan=False).encode()
    return text, hashlib.sha256(text).digest()


def open_record(
    plan_id: str, stored: Sequence[object] | None, now: float, expect: str | None = None
) -> PlanRecord:
    """Return a stored plan that may be used.

    Args:
        plan_id: its id.
        stored: its text and hash; None where there is nothing.
        now: seconds since the epoch.
        expect: digest it must have.

    Raises:
        PlanRefusedError: it may not be used.
    """
    text, check = stored or (None, None)
    if not (isinstance(text, bytes) and isinstance(check, bytes) and hashlib.sha256(text).digest() == check):
        raise PlanRefusedError()
    record = PlanRecord(id=plan_id, **json.loads(text))
    if now >= record.expires:
        raise PlanRefusedError()
    if expect is not None and not hmac.compare_digest(
        record.digest.encode(), expect.encode("utf-8", "surrogatepass")
    ):
        raise PlanRefusedError(PlanRefusedError.OTHER_ARGUMENTS)
    return record


_FIND = "SELECT record, sha256 FROM plans WHERE key = ?"


@frozen
class SQLitePlanStore:
    """Keep plans in the state directory, for every process of this user.

    Attributes:
        database: where they are.
        clock: gives seconds since the epoch.
    """

    database: Database
    clock: Callable[[], float] = field(default=time.time, kw_only=True, repr=False)

    def put(self, record: PlanRecord) -> None:
        """Store a plan durably, as ``PlanStore.put``."""
        text, check = pack_record(record)
        key = record_key(record.id, record.principal, record.profile)
        with self.database.write() as connection:
            connection.execute("DELETE FROM plans WHERE expires <= ?", (self.clock(),))
            connection.execute("INSERT INTO plans VALUES (?, ?, ?, ?)", (key, text, check, record.expires))

    def peek(self, plan_id: str, *, principal: str, profile: str) -> PlanRecord:
        """Return a plan and leave it to be applied, as ``PlanStore.peek``."""
        rows = self.database.read(_FIND, (record_key(plan_id, principal, profile),))
        return open_record(plan_id, rows[0] if rows else None, self.clock())

    def take(self, plan_id: str, *, principal: str, profile: str, expect: str | None = None) -> PlanRecord:
        """Return a plan and use it up, as ``PlanStore.take``."""
        key = (record_key(plan_id, principal, profile),)
        with self.database.write() as connection:
            row = connection.execute(_FIND, key).fetchone()
            record = open_record(plan_id, row, self.clock(), expect)
            connection.execute("DELETE FROM plans WHERE key = ?", key)
        return record

    def purge(self) -> int:
        """Remove expired plans and return how many, as ``PlanStore.purge``."""
        with self.database.write() as connection:
            return connection.execute("DELETE FROM plans WHERE expires <= ?", (self.clock(),)).rowcount
