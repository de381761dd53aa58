"""What a new policy must not take away: each lock-out, and its override by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.changes import OwnNode, Protected
from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations.policies import Safeguards, Stakes, judge
from tailscale_sdk.policy.edits import AddMember, PatchText
from tests.operations.transactions import Caller, calling
from tests.policy.small import Json, device, tailnet, user

pytestmark = pytest.mark.each_row

ADMIN = device("adminpc", "root@example.com")
SERVER = device("server", "", "tag:server")
ROUTER = device("router", "", "tag:router", advertised=["10.0.0.0/16"])
RECORDS = (ADMIN, SERVER, ROUTER, user("root@example.com", "owner"))
BASE: Json = {
    "tagOwners": {"tag:server": ["root@example.com"], "tag:router": []},
    "grants": [
        {"src": ["root@example.com"], "dst": ["tag:server"], "ip": ["22"]},
        {"src": ["root@example.com"], "dst": ["10.0.0.0/16"], "ip": ["443"]},
    ],
    "ssh": [{"action": "accept", "src": ["root@example.com"], "dst": ["tag:server"], "users": ["root"]}],
    "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:router"]}},
    "tests": [{"src": "root@example.com", "accept": ["tag:server:22"]}],
}
KEY = {"id": "k1", "capabilities": {"devices": {"create": {"tags": ["tag:server"]}}}}
STAKES = Stakes(
    caller=frozenset({ADMIN["addresses"][0]}),
    server=frozenset({SERVER["addresses"][0]}),
    critical=frozenset({"tag:server"}),
    credentials=[KEY],
)


def changed(**parts: Any) -> Json:
    """Return the policy with other parts."""
    return {**BASE, **parts}


def without(name: str) -> Json:
    """Return the policy without a part."""
    return {key: value for key, value in BASE.items() if key != name}


CASES: list[tuple[Json, set[str]]] = [
    (BASE, set()),
    (without("grants"), {"allow-all"}),
    (changed(grants=[]), {"deny-all", "caller-loses-access", "server-loses-access", "admins-lose-access", "last-rule-to-router"}),
    (changed(grants=BASE["grants"][:1]), {"last-rule-to-router"}),
    (
        changed(grants=[{"src": ["tag:router"], "dst": ["tag:server"], "ip": ["22"]}, BASE["grants"][1]]),
        {"caller-loses-access", "admins-lose-access"},
    ),
    (changed(ssh=[]), {"admins-lose-access"}),
    (changed(tagOwners={**BASE["tagOwners"], "tag:server": []}), {"tag-owners-in-use"}),
    (
        changed(tagOwners={"tag:server": ["root@example.com"]}, autoApprovers={}),
        {"tag-owners-in-use", "route-approvers-in-use"},
    ),
    (changed(autoApprovers={"routes": {"10.9.0.0/16": ["tag:router"]}}), {"route-approvers-in-use"}),
    (without("tests"), {"all-tests-removed"}),
]  # fmt: skip


@pytest.mark.parametrize("new, names", CASES, ids=[" ".join(sorted(names)) or "none" for _, names in CASES])
def test_each_lockout_is_refused_and_overridden_by_its_name_alone(new: Json, names: set[str]) -> None:
    judgement = judge(json.dumps(BASE), json.dumps(new), tailnet(*RECORDS), stakes=STAKES)
    assert {lockout.name for lockout in judgement.lockouts} == names
    judgement.refuse_lockouts(names)
    for name in names:
        with pytest.raises(ChangeRefusedError, match=f"name it in override: {name}$"):
            judgement.refuse_lockouts(names - {name})
    if names:
        with pytest.raises(ChangeRefusedError):
            judgement.refuse_lockouts({"all", "*", "true"})


def test_what_was_lost_before_is_no_lockout() -> None:
    empty = json.dumps(changed(grants=[], ssh=[]))
    assert not judge(empty, empty + " ", tailnet(*RECORDS), stakes=STAKES).lockouts


def test_a_tailnet_without_stakes_is_asked_of_nothing_more() -> None:
    judgement = judge(json.dumps(BASE), json.dumps(changed(ssh=[])), tailnet(*RECORDS))
    assert judgement.lockouts == ()


WIDE: Json = {"src": ["*"], "dst": ["*"], "ip": ["*"]}
OPENING: list[tuple[Json, bool]] = [
    (WIDE, True),
    ({**WIDE, "src": ["autogroup:danger-all"]}, True),
    ({**WIDE, "src": ["autogroup:tagged", "autogroup:member"]}, True),
    ({**WIDE, "ip": ["1-65535"]}, True),
    ({**WIDE, "ip": ["tcp:*", "udp:*"]}, True),
    ({**WIDE, "ip": ["tcp:*"]}, False),
    ({**WIDE, "ip": ["1-1000"]}, False),
    ({**WIDE, "src": ["autogroup:member"]}, False),
    ({**WIDE, "dst": ["tag:server"]}, False),
    ({**WIDE, "srcPosture": ["posture:linux"]}, False),
    ({**WIDE, "via": ["tag:router"]}, False),
]


@pytest.mark.parametrize("grant, opens", OPENING)
@pytest.mark.parametrize("readable", [True, False], ids=["devices", "texts alone"])
def test_a_rule_that_allows_everything_to_everybody(grant: Json, opens: bool, readable: bool) -> None:
    more = {"postures": {"posture:linux": ["node:os == 'linux'"]}}
    old, new = json.dumps(BASE), json.dumps(changed(grants=[*BASE["grants"], grant], **more))
    where = tailnet(*RECORDS) if readable else None
    assert ("allow-all" in {lockout.name for lockout in judge(old, new, where).lockouts}) == opens
    # Where everything was allowed before, nothing is opened.
    assert "allow-all" not in {lockout.name for lockout in judge(new, new + " ", where).lockouts}


def test_an_acl_that_allows_everything_names_its_line() -> None:
    new = '{\n"tests": [],\n"acls": [\n{"action": "accept", "src": ["*"], "dst": ["*:*"]}\n]}'
    # What has neither acls nor grants allows everything already.
    assert judge('{"tests": []}', new, None).lockouts == ()
    (found,) = judge('{"acls": []}', new, None).lockouts
    assert (found.name, "line 4" in found.text) == ("allow-all", True)


def test_without_devices_the_texts_alone_tell_of_what_they_take() -> None:
    judgement = judge(json.dumps(BASE), json.dumps(changed(grants=[], tests=[])), None)
    assert {lockout.name for lockout in judgement.lockouts} == {"deny-all", "all-tests-removed"}
    assert judgement.tests is None
    assert judgement.to_dict()["failed_tests"] is None


def test_a_test_that_fails_here_is_said_before_anybody_says_yes() -> None:
    failing = changed(tests=[{"src": "root@example.com", "accept": ["tag:server:23"]}])
    judgement = judge(json.dumps(BASE), json.dumps(failing), tailnet(*RECORDS))
    assert judgement.to_dict()["failed_tests"] == 1
    assert any(
        sentence.startswith("a test fails here, of root@example.com") for sentence in judgement.sentences
    )
    passing = judge(json.dumps(BASE), json.dumps(BASE) + " ", tailnet(*RECORDS))
    assert passing.to_dict()["failed_tests"] == 0
    assert not any("test fails" in sentence for sentence in passing.sentences)


SERVER_HERE = OwnNode(frozenset({"100.64.0.1"}))
CRITICAL = Protected(frozenset({"tag:server", "nDb", "100.64.0.2"}))
CLOSED = PatchText(
    [
        {"op": "remove", "path": "/grants/0"},
        {"op": "replace", "path": "/tests/0/accept", "value": []},
    ]
)


@pytest.mark.parametrize(
    "guards, names",
    [
        ((), set()),
        ((SERVER_HERE,), {"server-loses-access"}),
        ((CRITICAL,), {"admins-lose-access"}),
        ((SERVER_HERE, CRITICAL), {"server-loses-access", "admins-lose-access"}),
    ],
    ids=["nothing known", "own node", "protected", "both"],
)
def test_what_the_engine_guards_must_not_be_locked_out(
    scratch: Path, guards: tuple[Any, ...], names: set[str]
) -> None:
    with calling(scratch, guards=guards) as caller:
        for left in sorted(names):
            with pytest.raises(ChangeRefusedError, match=left):
                caller.plan(edits=[CLOSED], safeguards=Safeguards(override=names - {left}))
        plan = caller.plan(edits=[CLOSED], safeguards=Safeguards(override=names))
        assert {lockout.name for lockout in plan.judgement.lockouts} == names
        assert caller.written == []


def test_what_the_operator_protects_marks_new_access_to_it(scratch: Path) -> None:
    with calling(scratch, guards=(CRITICAL,)) as caller:
        plan = caller.plan(edits=[AddMember("group:ops", "bob@example.com")])
        assert "protected-tag" in {risk.id for risk in plan.judgement.risks}


def test_the_callers_own_address_is_what_a_caller_gives(caller: Caller) -> None:
    stakes = Stakes(caller=frozenset({"100.64.0.3"}), server=frozenset({"100.64.0.1"}))
    with pytest.raises(ChangeRefusedError, match="caller-loses-access"):
        caller.plan(edits=[CLOSED], safeguards=Safeguards(stakes=stakes))
