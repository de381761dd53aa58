"""What is judged where something cannot be read: the stored policy, the devices, or what a key may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError, PolicyError
from tailscale_sdk.operations.policies import Safeguards, judge
from tailscale_sdk.policy.edits import RemoveTagOwner
from tests.operations.transactions import POLICY, Caller, calling
from tests.policy.small import Json, device, tailnet, user

UNREADABLE = '{"acls": [{"action": "deny"}]}'
RULE: Json = {"src": ["root@example.com"], "dst": ["*"], "ip": ["22"]}
RECORDS = (
    device("pc", "root@example.com"),
    device("server", "", "tag:server"),
    user("root@example.com", "owner"),
)
ALONE: list[tuple[Json, set[str]]] = [
    ({}, {"allow-all"}),
    ({"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}, {"allow-all"}),
    ({"grants": []}, {"deny-all"}),
    ({"grants": [RULE]}, set()),
]


@pytest.mark.parametrize("readable", [True, False], ids=["devices", "texts alone"])
@pytest.mark.parametrize("new, names", ALONE)
def test_what_replaces_an_unreadable_policy_is_looked_at_alone(
    new: Json, names: set[str], readable: bool
) -> None:
    where = tailnet(*RECORDS) if readable else None
    judgement = judge(UNREADABLE, json.dumps(new), where)
    assert judgement.access is None
    assert {lockout.name for lockout in judgement.lockouts} == names


def test_the_tests_of_what_replaces_an_unreadable_policy_are_run() -> None:
    tests = [{"src": "root@example.com", "accept": ["tag:server:23"]}]
    new = {"tagOwners": {"tag:server": []}, "grants": [RULE], "tests": tests}
    assert judge(UNREADABLE, json.dumps(new), tailnet(*RECORDS)).to_dict()["failed_tests"] == 1
    assert judge(UNREADABLE, json.dumps(new), None).to_dict()["failed_tests"] is None


def test_an_unreadable_policy_is_not_replaced_by_one_that_allows_everything(scratch: Path) -> None:
    everything = '{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}], "tagOwners": {"tag:db": [], "tag:server": []}}'
    with calling(scratch, policy=UNREADABLE) as caller:
        with pytest.raises(ChangeRefusedError, match="allow-all"):
            caller.plan(text=everything)
        plan = caller.plan(text=everything, safeguards=Safeguards(override=["allow-all"]))
        assert "access: unknown, the devices or the stored policy cannot be read" in plan.plan.items[0].risk
        assert caller.apply(plan).ok


@pytest.mark.parametrize("text", ["{}", "// nothing\n{ }", "{\r\n\t/* x */ }\r\n"])
def test_an_empty_object_is_never_sent_whatever_is_overridden(caller: Caller, text: str) -> None:
    names = ["allow-all", "all-tests-removed", "tag-owners-in-use", "last-rule-to-router"]
    with pytest.raises(PolicyError, match="accepted by the service unchecked"):
        caller.plan(text=text, safeguards=Safeguards(override=names, accept_warnings=True))
    assert {"validateAndTestPolicyFile", "setPolicyFile"} & set(caller.requests) == set()
    assert (caller.written, caller.stored) == ([], POLICY)


NO_OWNERS = RemoveTagOwner("tag:server", "group:ops")
KEY: dict[str, Any] = {
    "id": "k1",
    "keyType": "auth",
    "capabilities": {"devices": {"create": {"tags": ["tag:server"]}}},
}
BARE = {"status": 200, "body": {"keys": [{"id": "k1"}]}}


def with_key(caller: Caller, *, details: bool, listed: bool) -> None:
    """Let a key be listed, whole or by its id alone, and be read or not."""
    body = {"keys": [KEY]} if listed else BARE["body"]
    caller.fault("listTailnetKeys", {"status": 200, "body": body}, nth=None)
    answer = {"status": 200, "body": KEY} if details else {"status": 403, "body": {"message": "no"}}
    caller.fault("getKey", answer, nth=None)


def test_a_key_that_is_listed_by_its_id_is_read_where_a_tag_loses_an_owner(caller: Caller) -> None:
    with_key(caller, details=True, listed=False)
    with pytest.raises(ChangeRefusedError, match=r"nobody owns tag:server any more.*tag-owners-in-use"):
        caller.plan(edits=[NO_OWNERS])
    assert caller.requests.count("getKey") == 1
    assert caller.written == []


def test_a_key_is_not_read_where_no_tag_loses_an_owner(caller: Caller) -> None:
    with_key(caller, details=True, listed=False)
    assert caller.change(text=POLICY + "// more\n").ok
    assert "getKey" not in caller.requests


def test_a_key_that_says_what_it_may_do_is_not_read_again(caller: Caller) -> None:
    with_key(caller, details=True, listed=True)
    with pytest.raises(ChangeRefusedError, match="tag-owners-in-use"):
        caller.plan(edits=[NO_OWNERS])
    assert "getKey" not in caller.requests


def test_a_key_nobody_may_read_hinders_nothing(caller: Caller) -> None:
    with_key(caller, details=False, listed=False)
    assert caller.change(edits=[NO_OWNERS]).ok


def test_what_keys_carry_counts_where_devices_cannot_be_read(caller: Caller) -> None:
    with_key(caller, details=True, listed=True)
    caller.fault("listTailnetDevices", {"status": 403, "body": {"message": "no"}}, nth=None)
    with pytest.raises(ChangeRefusedError, match="tag-owners-in-use"):
        caller.plan(edits=[NO_OWNERS])
    assert caller.written == []


def test_edits_and_a_text_at_once_are_refused(caller: Caller) -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        caller.plan(text=POLICY + "// mine\n", edits=[NO_OWNERS])
    assert caller.requests == []
