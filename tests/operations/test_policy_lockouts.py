"""What a new policy must not take away: each lock-out, and its override by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations.policies import Stakes, judge
from tests.policy.small import Json, device, tailnet, user

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
