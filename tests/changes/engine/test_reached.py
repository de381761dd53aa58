"""Writes whose outcome cannot be predicted in full: they are called done only where something tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.changes.evidence import is_reached
from tests.changes.engine.support import SHELLS, World, world
from tests.changes.engine.test_plans import device

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def person(made: World, status: str) -> dict[str, Any]:
    """Return a user of the tailnet with that status."""
    return next(user for user in made.tailnet.tailnet.users.values() if user["status"] == status)


@pytest.fixture(params=SHELLS)
def impatient(request: pytest.FixtureRequest, scratch: Path) -> Iterator[World]:
    with world(scratch, request.param, max_retries=0) as made:
        made.call("updateTailnetSettings", {"users_approval_on": True})
        yield made


def writes(made: World) -> list[tuple[str, dict[str, Any]]]:
    """Return the writes that lead somewhere without its being known exactly where."""
    return [
        ("expireDeviceKey", {"device_id": device(made)}),
        ("approveUser", {"user_id": person(made, "needs-approval")["id"]}),
        ("restoreUser", {"user_id": person(made, "suspended")["id"]}),
    ]


@pytest.mark.parametrize(
    ("operation_id", "found", "told"),
    [
        ("approveUser", {"status": "needs-approval"}, False),
        ("approveUser", {"status": "active"}, True),
        ("approveUser", {"status": "a-new-status"}, True),
        ("approveUser", {"status": ""}, None),
        ("approveUser", {}, None),
        ("approveUser", None, None),
        ("restoreUser", {"status": "suspended"}, False),
        ("restoreUser", {"status": "idle"}, True),
        ("expireDeviceKey", {"expires": "2026-07-01T00:00:00Z"}, True),
        ("expireDeviceKey", {"expires": "2026-07-01T00:30:00Z", "keyExpiryDisabled": False}, True),
        ("expireDeviceKey", {"expires": "2026-12-01T00:00:00Z"}, None),
        ("expireDeviceKey", {"expires": "0001-01-01T00:00:00Z", "keyExpiryDisabled": True}, None),
        ("expireDeviceKey", {"expires": ""}, None),
        ("expireDeviceKey", {"expires": None}, None),
        ("expireDeviceKey", {"expires": "2026-06-01"}, None),
        ("expireDeviceKey", {}, None),
        ("setKey", {"description": "x"}, None),
    ],
)
def test_what_tells(operation_id: str, found: Any, told: bool | None) -> None:
    assert is_reached(operation_id, found, NOW) is told


def test_what_is_done_is_verified(impatient: World) -> None:
    for operation_id, arguments in writes(impatient):
        (item,) = impatient.apply(impatient.plan(operation_id, arguments)).items
        assert (operation_id, item.outcome, item.verified) == (operation_id, "ok", True)


@pytest.mark.parametrize("when", ["before_apply", "after_apply"])
def test_a_lost_answer_is_settled_by_what_is_there(impatient: World, when: str) -> None:
    for operation_id, arguments in writes(impatient):
        plan = impatient.plan(operation_id, arguments)
        impatient.tailnet.faults.add({"operation": operation_id, "nth": 1, "when": when, "fault": "reset"})
        (item,) = impatient.apply(plan).items
        done = when == "after_apply"
        assert (item.outcome, item.verified) == (("ok", True) if done else ("unknown", False)), operation_id


def test_an_answer_without_an_effect_is_not_called_verified(impatient: World) -> None:
    impatient.call("updateTailnetSettings", {"users_approval_on": False})
    waiting = person(impatient, "needs-approval")["id"]
    (item,) = impatient.apply(impatient.plan("approveUser", {"user_id": waiting})).items
    assert (item.outcome, item.verified) == ("unknown", False)


def test_a_write_that_nothing_tells_of_is_done_but_not_verified(impatient: World) -> None:
    target = device(impatient)
    (item,) = impatient.apply(impatient.plan("setDeviceName", {"device_id": target, "name": ""})).items
    assert (item.outcome, item.verified) == ("ok", False)
    plan = impatient.plan("setDeviceName", {"device_id": target, "name": ""})
    impatient.tailnet.faults.add({"operation": "setDeviceName", "fault": "reset"})
    (item,) = impatient.apply(plan).items
    assert (item.outcome, item.verified) == ("unknown", False)


def test_a_device_that_was_renewed_meanwhile_is_not_called_expired() -> None:
    later = (NOW + timedelta(days=90)).isoformat()
    assert is_reached("expireDeviceKey", {"expires": later}, NOW) is None


@pytest.mark.parametrize("when", ["before_apply", "after_apply"])
def test_a_secret_alone_leaves_nothing_to_tell_by(impatient: World, when: str) -> None:
    stored = impatient.call("getPostureIntegrations", {})[0]
    secrets = {"client_secret": "second-demo-secret"}
    call = "updatePostureIntegration", {"id": stored.id, **secrets}
    plan = impatient.plan(*call)
    impatient.tailnet.faults.add({"operation": call[0], "nth": 1, "when": when, "fault": "reset"})
    (item,) = impatient.apply(plan, secrets=secrets).items
    assert (item.outcome, item.verified) == ("unknown", False)
    (item,) = impatient.apply(impatient.plan(*call), secrets=secrets).items
    assert (item.outcome, item.verified) == ("ok", False)
    moved = call[0], {**call[1], "client_id": f"demo-{when}"}
    (item,) = impatient.apply(impatient.plan(*moved), secrets=secrets).items
    assert (item.outcome, item.verified) == ("ok", True)
