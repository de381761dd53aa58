"""Lock-outs that take several rules, ports, names or keys to see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.changes import Protected
from tailscale_sdk.errors import ChangeRefusedError
from tailscale_sdk.operations.policies import Safeguards, Stakes, judge
from tailscale_sdk.policy.edits import PatchText
from tests.operations.transactions import calling
from tests.policy.small import Json, device, tailnet, user

pytestmark = pytest.mark.each_row

WIDE: Json = {"src": ["*"], "dst": ["*"], "ip": ["*"]}
MEMBERS, TAGGED = ({**WIDE, "src": [f"autogroup:{name}"]} for name in ("member", "tagged"))
BASE: Json = {"grants": [{"src": ["root@example.com"], "dst": ["tag:server"], "ip": ["22", "443"]}]}
OPENING: list[tuple[list[Json], str | None]] = [
    ([{**WIDE, "ip": ["tcp:*"]}, {**WIDE, "ip": ["udp:*"]}], "by the rules in lines 3, 4 together"),
    ([MEMBERS, TAGGED], "by the rules in lines 3, 4 together"),
    ([{**WIDE, "ip": ["1-1000"]}, {**WIDE, "ip": ["1001-65535"]}], "by the rules in lines 3, 4 together"),
    ([{**WIDE, "ip": ["2000-65535"]}, {**WIDE, "ip": ["1-3000"]}], "by the rules in lines 3, 4 together"),
    ([{**WIDE, "ip": ["443"]}, WIDE], "by the rule in line 4"),
    ([{**WIDE, "ip": ["443"]}, MEMBERS, TAGGED], "by the rules in lines 3, 4, 5 together"),
    ([{**WIDE, "ip": ["1-1000"]}, {**WIDE, "ip": ["1002-65535"]}], None),
    ([MEMBERS, {**TAGGED, "ip": ["tcp:*"]}], None),
    ([MEMBERS, {**TAGGED, "dst": ["tag:server"]}], None),
    ([MEMBERS, {**TAGGED, "srcPosture": ["posture:linux"]}], None),
    ([MEMBERS, {**TAGGED, "via": ["tag:server"]}], None),
]  # fmt: skip


def written(grants: list[Json]) -> str:
    """Write a policy with one rule in each line, the first one in line 3."""
    more = '"postures": {"posture:linux": ["node:os == \'linux\'"]}, "tagOwners": {"tag:server": []},'
    return f'{{{more}\n"grants": [\n' + ",\n".join(map(json.dumps, grants)) + "\n]}"


@pytest.mark.parametrize("grants, how", OPENING)
def test_rules_that_together_allow_everything_to_everybody(grants: list[Json], how: str | None) -> None:
    found = judge(written(BASE["grants"]), written(grants), None).lockouts
    assert [lockout.text for lockout in found] == (
        [f"{how} the new policy allows everything to everybody"] if how else []
    )
    assert judge(written(grants), written([*grants, MEMBERS]), None).lockouts == () or how is None


ADMIN, SERVER = device("adminpc", "root@example.com"), device("server", "", "tag:server")
WHERE = tailnet(ADMIN, SERVER, user("root@example.com", "owner"))
SSH = [{"action": "check", "src": ["root@example.com"], "dst": ["tag:server"], "users": ["root"]}]
OWNED: Json = {**BASE, "tagOwners": {"tag:server": ["root@example.com"]}, "ssh": SSH}


def texts(old: Json, new: Json, stakes: Stakes) -> list[str]:
    """Return the name and text of what a change locks out."""
    judgement = judge(json.dumps(old), json.dumps(new), WHERE, stakes=stakes)
    return [f"{lockout.name}: {lockout.text}" for lockout in judgement.lockouts]


@pytest.mark.parametrize(
    "name", ["tag:server", "n-server", "server", "server.example.ts.net", SERVER["addresses"][0]]
)
def test_a_critical_device_goes_by_any_of_its_names(name: str) -> None:
    stakes = Stakes(critical=frozenset({name}))
    closed = {**OWNED, "grants": [{"src": ["tag:server"], "dst": ["tag:server"], "ip": ["22"]}]}
    assert f"admins-lose-access: no admin has access to {name} any more" in texts(OWNED, closed, stakes)
    assert texts(OWNED, {**OWNED, "grants": [*OWNED["grants"], *closed["grants"]]}, stakes) == []


@pytest.mark.parametrize("names", [{"nobody"}, {"root@example.com"}, {"100.64.99.99"}, {"tag:none"}])
def test_a_critical_name_that_nothing_has_asks_nothing(names: set[str]) -> None:
    assert texts(OWNED, {**OWNED, "ssh": []}, Stakes(critical=frozenset(names))) == []


def test_an_ssh_rule_without_its_port_lets_no_admin_in() -> None:
    stakes = Stakes(critical=frozenset({"tag:server"}))
    closed = {**OWNED, "grants": [{**BASE["grants"][0], "ip": ["443"]}]}
    assert texts(OWNED, closed, stakes) == ["admins-lose-access: no admin has SSH to tag:server any more"]
    # It was of no use before either.
    assert texts(closed, {**closed, "ssh": []}, stakes) == []


def key(tag: str) -> dict[str, Any]:
    """Return an OAuth client with a tag."""
    return {"id": "k1", "keyType": "client", "scopes": ["auth_keys"], "tags": [tag]}


def owning(*owners: str) -> Json:
    """Return a policy in which a tag belongs to these."""
    return {**BASE, "tagOwners": {"tag:operator": ["root@example.com"], "tag:server": list(owners)}}


def test_a_credential_keeps_the_tags_that_its_own_tag_hands_out() -> None:
    stakes = Stakes(credentials=[key("tag:operator")])
    old = owning("tag:operator", "root@example.com")
    assert texts(old, owning("root@example.com"), stakes) == [
        "tag-owners-in-use: tag:operator, which a credential has, no longer owns tag:server, which a device has"
    ]
    assert texts(old, owning("tag:operator"), stakes) == []
    assert texts(old, owning("root@example.com"), Stakes(credentials=[key("tag:server")])) == []
    # A tag that nothing has may change hands.
    unused = {**BASE, "tagOwners": {**old["tagOwners"], "tag:spare": ["tag:operator"]}}
    assert texts(unused, old, stakes) == []


def test_what_the_operator_protects_by_id_must_stay_within_reach(scratch: Path) -> None:
    closed = PatchText([{"op": "remove", "path": "/grants/0"}, {"op": "remove", "path": "/tests/0/accept"}])
    with calling(scratch, guards=(Protected(frozenset({"nServer"})),)) as caller:
        with pytest.raises(ChangeRefusedError, match="no admin has access to nServer any more"):
            caller.plan(edits=[closed])
        assert caller.plan(edits=[closed], safeguards=Safeguards(override=["admins-lose-access"])).plan.id
        assert caller.written == []
