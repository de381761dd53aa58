"""A plan binds what is applied: once, by whoever made it, with the same arguments and the same secrets, in time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tailscale_sdk.changes import digest_of_call
from tailscale_sdk.changes.plan_store import SQLitePlanStore
from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError, PlanRefusedError
from tests.changes.conftest import Clock
from tests.changes.engine.support import ME, OTHER, World, other_writer, world

TAGS = ("tag:server",)


def device(made: World, place: int = 0) -> str:
    """Return the id of a device of the tailnet."""
    own = [d for d in made.tailnet.tailnet.devices.values() if not d.get("isExternal")]
    return str(own[place]["nodeId"])


def tags_of(made: World, place: int = 0) -> Any:
    """Return the tags a device has now."""
    return made.call("getDevice", {"device_id": device(made, place)}).tags


def renaming(made: World, name: str = "renamed") -> tuple[str, dict[str, Any]]:
    """Return a call that renames a device."""
    return "setDeviceName", {"device_id": device(made), "name": name}


def refused(made: World, plan: Any, **options: Any) -> str:
    """Apply a plan that is refused with nothing sent, and return what was said."""
    requests = len(made.sent())
    with pytest.raises(PlanRefusedError) as error:
        made.apply(plan, **options)
    assert made.sent()[requests:] == []
    return str(error.value)


def test_a_plan_is_applied_once(either: World) -> None:
    plan = either.plan(*renaming(either))
    assert either.apply(plan).ok
    unknown = refused(either, evolve(plan, id="0" * 43))
    assert refused(either, plan) == unknown
    assert len(either.tailnet.ledger) == 1


def test_whatever_is_wrong_with_an_id_the_answer_is_the_same(here: World, clock: Clock) -> None:
    plan = here.plan(*renaming(here), principal=ME)
    unknown = refused(here, evolve(plan, id="0" * 43), principal=ME)
    assert refused(here, plan, principal=OTHER) == unknown
    other = World(here.tailnet, here.state.directory.path, profile="staging")
    assert refused(other, plan, principal=ME) == unknown
    other.close()
    clock.now = plan.expires.timestamp()
    here.state.__dict__["plans"] = SQLitePlanStore(here.state.database, clock=clock)
    assert refused(here, plan, principal=ME) == unknown
    clock.now -= 1
    assert here.apply(plan, principal=ME).ok


def test_repeated_arguments_must_be_those_of_the_plan(here: World) -> None:
    plan = here.plan(*renaming(here))
    operation_id, arguments = renaming(here, "other")
    other = digest_of_call(here.client.prepare(operation_id, **arguments))
    assert "arguments" in refused(here, plan, expect=other)
    assert here.apply(
        plan, expect=digest_of_call(here.client.prepare(*renaming(here)[:1], **renaming(here)[1]))
    ).ok


SECRETS = {
    "destination_type": "splunk",
    "log_type": "network",
    "url": "https://logs.example.com",
    "user": "u",
    "token": "demo-token",
}


def test_secrets_are_handed_in_again_or_nothing_is_sent(either: World) -> None:
    plan = either.plan("setLogStreamingConfiguration", SECRETS)
    with pytest.raises(ConfigurationError, match="token"):
        either.apply(plan)
    refused(either, plan, secrets={"token": "another"})
    assert either.apply(plan, secrets={"0.token": "demo-token"}).ok
    assert len(either.tailnet.ledger) == 1


def tamper(made: World, change: Callable[[dict[str, Any]], None], *, seal: bool) -> None:
    """Change the stored plan, with or without a hash that fits."""
    with made.state.database.write() as connection:
        ((text,),) = connection.execute("SELECT record FROM plans").fetchall()
        content = json.loads(text)
        change(content["body"]["items"][0])
        new = json.dumps(content).encode()
        connection.execute("UPDATE plans SET record = ?", (new,))
        if seal:
            connection.execute("UPDATE plans SET sha256 = ?", (hashlib.sha256(new).digest(),))


@pytest.mark.parametrize("seal", [False, True], ids=["hash broken", "hash made to fit"])
def test_a_stored_plan_that_was_changed_is_refused(here: World, seal: bool) -> None:
    plan = here.plan(*renaming(here))
    tamper(here, lambda item: item["arguments"].update(name="hijacked"), seal=seal)
    refused(here, plan)
    assert len(here.tailnet.ledger) == 0


def test_what_changed_before_the_second_read_is_not_overwritten(either: World) -> None:
    either.call("setDeviceTags", {"device_id": device(either), "tags": ["tag:web"]})
    plan = either.plan("setDeviceTags", {"device_id": device(either), "tags": list(TAGS)})
    either.call("setDeviceTags", {"device_id": device(either), "tags": ["tag:prod"]})
    written = len(either.tailnet.ledger)
    report = either.apply(plan)
    assert report.items[0].outcome == "failed"
    assert "tags changed" in str(report.items[0].reason)
    assert tags_of(either) == ["tag:prod"]
    assert len(either.tailnet.ledger) == written
    assert report.items[0].journal is None


def test_an_undo_does_not_overwrite_what_somebody_changed_since(either: World) -> None:
    report = either.apply(either.plan("setDeviceTags", {"device_id": device(either), "tags": list(TAGS)}))
    either.call("setDeviceTags", {"device_id": device(either), "tags": ["tag:prod"]})
    with pytest.raises(ChangeRefusedError, match="changed by somebody else"):
        either.plan_undo(report.change_id)
    assert tags_of(either) == ["tag:prod"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_write_between_the_second_read_and_the_verification(here: World, moment: str) -> None:
    plan = here.plan("setDeviceTags", {"device_id": device(here), "tags": list(TAGS)})
    theirs = {"device_id": device(here), "tags": ["tag:prod"]}
    with other_writer(here, "setDeviceTags", theirs, moment=moment):
        report = here.apply(plan)
    (item,) = report.items
    if moment == "after":
        assert (item.outcome, item.verified) == ("unknown", False)
        assert here.journal(report.change_id) == ["not_verified"]
        assert tags_of(here) == ["tag:prod"]
    else:
        # The window cannot be closed without a version tag: theirs is lost, and the report shows what was replaced.
        assert (item.outcome, item.verified, tags_of(here)) == ("ok", True, list(TAGS))


def test_a_profile_and_a_principal_keep_their_plans_apart(scratch: Path) -> None:
    with world(scratch, profile="staging") as made:
        plan = made.plan(*renaming(made))
        assert (plan.profile, plan.tailnet) == ("staging", "-")
        assert made.apply(plan).ok
