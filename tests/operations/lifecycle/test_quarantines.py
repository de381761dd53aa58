"""Since when a device is cut off: by the journal, by its key, and not any more once it was let in again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tailscale_sdk.calls.prepared import digest_of
from tailscale_sdk.changes.journal import Entry, State
from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.operations.fleet import Device
from tailscale_sdk.operations.lifecycle import (
    LifecycleRules,
    lifecycle,
    propose_quarantine,
    propose_removal,
    quarantined_since,
)
from tailscale_sdk.operations.lifecycle.quarantines import quarantined_at
from tests.operations.fleets import NOW, Admin, ago, ahead, fleet_of, silent

DONE: tuple[State, ...] = ("planned", "snapshotted", "sending", "applied", "verified", "closed")
NODE = "nLaptopCNTRL"


def entry(
    number: int, operation: str, *, days: float = 0, states: Sequence[State] = DONE, **more: Any
) -> Entry:
    """Return an entry that came to its end so many days ago."""
    arguments = {
        "device_id": NODE,
        **({"authorized": more.pop("authorized")} if "authorized" in more else {}),
    }
    at = (NOW - timedelta(days=days)).timestamp()
    facts: dict[str, Any] = {
        "target": f"device:{NODE}",
        "digest": digest_of(operation, "-", arguments),
        "tailnet": "-",
        **more,
    }
    return Entry(
        id=number,
        change_id=f"c{number}",
        item=0,
        plan="p",
        operation=operation,
        base=None,
        nonce=None,
        principal="os:1000",
        profile="default",
        state=states[-1],
        attempts=1,
        error=None,
        after=None,
        steps=tuple((state, at) for state in states),
        **facts,
    )


def days_of(found: dict[str, datetime]) -> dict[str, float]:
    return {node: (NOW - moment) / timedelta(days=1) for node, moment in found.items()}


def test_the_latest_quarantine_counts_in_whatever_order_entries_come() -> None:
    entries = [entry(1, "expireDeviceKey", days=300), entry(2, "expireDeviceKey", days=5)]
    assert days_of(quarantined_since(entries)) == {NODE: 5}
    assert quarantined_since(reversed(entries)) == quarantined_since(entries)


@pytest.mark.parametrize(
    "states",
    [
        DONE[:4],
        (*DONE[:3], "unknown"),
        (*DONE[:3], "refused"),
        (*DONE[:4], "not_verified"),
        (*DONE[:4], "not_verified", "closed"),
    ],
)
def test_what_was_not_proved_to_be_done_is_no_quarantine(states: Sequence[State]) -> None:
    assert quarantined_since([entry(1, "expireDeviceKey", states=states)]) == {}


def test_giving_approval_is_no_quarantine_and_ends_one() -> None:
    taken = entry(1, "authorizeDevice", days=20, authorized=False)
    given = entry(2, "authorizeDevice", days=10, authorized=True)
    assert days_of(quarantined_since([taken])) == {NODE: 20}
    assert quarantined_since([given]) == {}
    assert quarantined_since([given, taken]) == {}


def test_entries_of_other_objects_and_calls_do_not_count() -> None:
    others = [
        entry(1, "expireDeviceKey", target="key:kDemo"),
        entry(2, "deleteDevice"),
        entry(3, "authorizeDevice", authorized=False, digest=None),
    ]
    assert quarantined_since(others) == {}


@pytest.mark.parametrize(
    ("record", "noted", "days"),
    [
        # Cut off by its key, and silent since.
        ({"lastSeen": ago(days=100), "expires": ago(days=20)}, 20, 20),
        # The same where the service leaves key expiry off.
        ({"lastSeen": ago(days=100), "expires": ago(days=20), "keyExpiryDisabled": True}, 20, 20),
        # Key expiry is off, and the date is an old one that means nothing.
        ({"lastSeen": ago(days=100), "expires": ago(days=300), "keyExpiryDisabled": True}, 20, None),
        # It logged in again long ago; that its key ran out yesterday is another matter.
        ({"lastSeen": ago(days=100), "expires": ago(days=1)}, 400, 1),
        ({"lastSeen": ago(days=100), "expires": ahead(days=9)}, 400, None),
        # An admin gave it a valid key again.
        ({"lastSeen": ago(days=100), "expires": ahead(days=9)}, 20, None),
        # Cut off by its approval: it may ask for it again and again.
        ({"lastSeen": ago(days=10), "expires": ahead(days=9), "authorized": False}, 20, 20),
        ({"lastSeen": ago(days=100), "expires": ahead(days=9), "authorized": True}, 20, None),
        # Nothing was noted: only the key tells, approval that was never given does not.
        ({"lastSeen": ago(days=100), "expires": ago(days=30)}, None, 30),
        ({"lastSeen": ago(days=100), "expires": ahead(days=9), "authorized": False}, None, None),
    ],
)
def test_a_quarantine_holds_until_the_device_was_let_in_again(
    record: dict[str, Any], noted: float | None, days: float | None
) -> None:
    known = {} if noted is None else {NODE: NOW - timedelta(days=noted)}
    found = quarantined_at(Device(silent("laptop", 1, "bob@example.com", **record)), known, NOW)
    assert found == (None if days is None else NOW - timedelta(days=days))


def test_an_old_quarantine_does_not_shorten_the_grace_of_a_new_one() -> None:
    """It was cut off last year, came back, went silent, and its key ran out yesterday."""
    fleet = fleet_of(silent("laptop", 100, "bob@example.com", expires=ago(days=1)))
    report = lifecycle(fleet, LifecycleRules(), now=NOW)
    noted = quarantined_since([entry(1, "expireDeviceKey", days=400)])
    proposal = propose_removal(report, fleet, now=NOW, quarantined=noted)
    assert proposal.steps == ()
    assert proposal.left_alone[0].reason == "it is in quarantine since 2026-06-29 only: 14 days are to pass"


def test_approval_is_taken_back_only_where_it_means_something() -> None:
    records = [silent("laptop", 70, "bob@example.com"), silent("waiting", 70, authorized=False)]
    report = lifecycle(fleet_of(*records), LifecycleRules(), now=NOW)

    def proposed(**parts: Any) -> Any:
        return propose_quarantine(report, fleet_of(*records, **parts), now=NOW, method="deauthorize")

    known = proposed(settings={"devicesApprovalOn": True})
    assert [dict(step.arguments) for step in known.steps] == [{"device_id": NODE, "authorized": False}]
    assert known.steps[0].unchanged == ("lastSeen", "connectedToControl", "tags")
    assert [each.reason for each in known.left_alone] == ["it is not approved anyway"]
    assert not any("approval" in note for note in known.notes)
    for unread in ({}, {"settings": {"devicesApprovalOn": None}}):
        assert any("was not read" in note for note in proposed(**unread).notes)
    with pytest.raises(ConfigurationError, match="expire the keys instead"):
        proposed(settings={"devicesApprovalOn": False})
    with pytest.raises(ConfigurationError, match="expire, deauthorize"):
        propose_quarantine(report, fleet_of(*records), now=NOW, method="suspend")  # type: ignore[arg-type]


def test_approval_given_back_through_the_engine_ends_the_quarantine(admin: Admin) -> None:
    from tailscale_sdk.operations.devices.actions import set_authorized

    fleet = admin.fleet()
    report = lifecycle(fleet, LifecycleRules(), now=NOW)
    taken = admin.do(propose_quarantine(report, fleet, now=NOW, method="deauthorize"))
    entries = admin.state.journal.entries(taken.report.change_id)
    assert set(quarantined_since(entries)) == {"nBobLaptopCNTRL", "nCarolPhoneCNTRL"}
    later = admin.fleet()
    given = admin.do(set_authorized([later.by_id["nBobLaptopCNTRL"]], True))
    entries += admin.state.journal.entries(given.report.change_id)
    assert set(quarantined_since(entries)) == {"nCarolPhoneCNTRL"}
    assert all(moment.tzinfo is UTC for moment in quarantined_since(entries).values())
