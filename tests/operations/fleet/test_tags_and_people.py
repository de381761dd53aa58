"""Tags by rules with the access that gives, people who join and leave, and what a file declares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.errors import ChangeRefusedError, ConfigurationError, NothingToChangeError
from tailscale_sdk.operations import tags, users
from tailscale_sdk.operations.settings_drift import (
    check_declared,
    propose_settings,
    read_declared,
    settings_drift,
)
from tests.operations.fleets import NOW, POLICY, USERS, Admin, ago, device, fleet_of

RULES = {
    "rule": [
        {"name": "web", "query": "name:web-*", "add": ["tag:web", "tag:old"]},
        {"name": "laptops", "when": {"os": "macOS", "user": "alice@example.com"}, "add": "tag:db"},
        {"name": "db", "when": {"tag": "tag:db", "address": "100.64.0.0/10"}, "exactly": ["tag:db"]},
    ]
}


def test_tags_are_counted_with_owners_and_problems() -> None:
    fleet = fleet_of(
        device("web-1", "", "tag:web"),
        device("odd", "", "tag:Nowhere"),
        device("laptop"),
        policy=POLICY,
        users=USERS,
        keys=[{"id": "k1", "capabilities": {"devices": {"create": {"tags": ["tag:web"]}}}}],
    )
    inventory = tags.tag_inventory(fleet)
    web = next(use for use in inventory.tags if use.tag == "tag:web").to_dict()
    assert (web["devices"], web["credentials"], web["owners"]) == (1, ["k1"], ["group:ops"])
    assert web["users"] == ["alice@example.com", "bob@example.com"]
    assert inventory.problems == (
        "tag:Nowhere does not match [a-z][a-z0-9-]*",
        "tag:Nowhere is in use, and the policy's tagOwners do not define it",
        "tag:old is defined, and nothing has it or names it",
    )
    assert len(inventory.untagged) == 1
    blind = tags.tag_inventory(fleet_of(device("a", "", "tag:x"), coverage={"policy": "403"}))
    assert (blind.policy_unknown, blind.tags[0].defined, blind.tags[0].credentials) == ("403", None, None)
    strict = tags.NamingRules("web.*", forbidden={"web-x"})
    assert strict.problem("tag:db") is not None
    assert strict.problem("tag:web-x") == "tag:web-x is a forbidden name"


def test_rules_give_tags_and_the_access_is_told(admin: Admin) -> None:
    fleet = admin.fleet("policy", "users")
    found = tags.propose_tags(fleet, tags.read_rules(RULES), now=NOW)
    assert {change.device.label: (change.tags, change.rules) for change in found.changes} == {
        "web-1": (("tag:web", "tag:old"), ("web",)),
        "web-2": (("tag:web", "tag:old"), ("web",)),
        "alice-laptop": (("tag:db",), ("laptops",)),
    }
    assert found.access is not None
    lost = [line for line in found.access.lines() if line.startswith("-")]
    assert any("tag:web" in line and "443" in line for line in lost)
    assert any(
        "no longer to alice@example.com" in risk for step in found.proposal.steps for risk in step.risks
    )
    report = admin.do(found.proposal)
    assert report.ok
    assert admin.device("web-2")["tags"] == ["tag:web", "tag:old"]
    again = tags.propose_tags(admin.fleet("policy", "users"), tags.read_rules(RULES), now=NOW)
    assert again.proposal.steps == ()
    undo = admin.run(admin.engine.plan_undo(report.report.change_id))
    assert admin.run(admin.engine.apply(undo.id)).ok
    assert admin.device("web-2")["tags"] == ["tag:web"]


def test_contradicting_rules_name_each_other() -> None:
    fleet = fleet_of(device("web-1", "", "tag:web"), policy=POLICY)
    rules = [
        {"name": "one", "query": "name:web-*", "add": ["tag:old"]},
        {"name": "two", "query": "tag:web", "remove": ["tag:old"]},
    ]
    with pytest.raises(
        ConfigurationError, match=r"rule 'one' adds tag:old to web-1 .* rule 'two' removes it"
    ):
        tags.propose_tags(fleet, tags.read_rules({"rule": rules}), now=NOW)
    with pytest.raises(ConfigurationError, match="two"):
        tags.propose_tags(fleet, tags.read_rules({"rule": rules[::-1]}), now=NOW)


def test_a_group_of_the_policy_chooses_devices() -> None:
    fleet = fleet_of(device("a", "carol@example.com"), device("b", "alice@example.com"), policy=POLICY)
    rules = tags.read_rules(
        {"rule": [{"name": "dev", "query": "os:linux", "group": "group:dev", "add": "tag:old"}]}
    )
    assert [c.device.label for c in tags.propose_tags(fleet, rules, now=NOW).changes] == ["a"]


def test_without_a_policy_access_is_unknown() -> None:
    found = tags.propose_tags(fleet_of(device("web-1")), tags.read_rules(RULES), now=NOW)
    assert (found.access, found.access_unknown) == (None, "the policy was not read")
    assert "access_unknown" in found.to_dict()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "a list under the key rule"),
        ({"rule": [3]}, "rule 1: must be a table"),
        ({"rule": [{"name": "x", "query": "a"}]}, "x: it neither adds"),
        ({"rule": [{"name": "x", "query": "a", "add": "1bad"}]}, "x: '1bad' is no tag"),
        ({"rule": [{"name": "x", "add": "web"}]}, "one of when and query"),
        ({"rule": [{"name": "x", "query": "a", "when": {"os": "x"}, "add": "web"}]}, "one of when and query"),
        ({"rule": [{"name": "x", "when": {}, "add": "web"}]}, "at least one condition"),
        ({"rule": [{"name": "x", "when": {"oss": "x"}, "add": "web"}]}, "there is no 'oss'"),
        ({"rule": [{"name": "x", "when": {"os": 3}, "add": "web"}]}, "must be text"),
        ({"rule": [{"name": "x", "query": 'host:"~("', "add": "web"}]}, "no regular expression"),
        ({"rule": [{"name": "x", "query": "a", "addd": "web"}]}, "there is no key 'addd'"),
        ({"rule": [{"name": "x", "query": "a", "exactly": "web", "add": "db"}]}, "exactly stands alone"),
        ({"rule": [{"name": "x", "query": "a", "group": "ops", "add": "db"}]}, "name of a group"),
        ({"rule": [{"query": "a", "add": "db"}, {"query": "a", "add": "db"}]}, "does already"),
        ({"rule": [{"name": "x", "query": "a", "add": "nope"}]}, "tagOwners do not define"),
        ({"rule": [{"name": "x", "query": "a", "group": "group:no", "add": "db"}]}, "no group:no"),
    ],
)
def test_what_is_wrong_with_rules_is_said_before_anything_is_done(content: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        tags.propose_tags(fleet_of(device("a"), policy=POLICY), tags.read_rules(content), now=NOW)


def test_rules_are_read_from_both_kinds_of_file(tmp_path: Path) -> None:
    toml, data, broken = (tmp_path / name for name in ("r.toml", "r.json", "broken.toml"))
    toml.write_text('[[rule]]\nname = "web"\nquery = "name:web-*"\nadd = ["tag:web", "tag:old"]\n')
    data.write_text(json.dumps({"rule": RULES["rule"][:1]}))
    broken.write_text("[[rule")
    assert tags.read_rules_file(toml) == tags.read_rules_file(data)
    for path, said in ((broken, "is not TOML"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ConfigurationError, match=said):
            tags.read_rules_file(path)


PEOPLE = [
    {**USERS[0], "lastSeen": ago(days=1), "currentlyConnected": True},
    {**USERS[1], "lastSeen": ago(days=100), "currentlyConnected": False},
    {**USERS[2]},
    {
        "id": "u4",
        "loginName": "dave@example.com",
        "role": "member",
        "lastSeen": None,
        "created": ago(days=300),
    },
    {"id": "u5", "loginName": "eve@example.org", "role": "member", "type": "shared", "lastSeen": None},
]


def test_whoever_was_absent_for_long_is_idle_and_the_rest_is_unknown() -> None:
    report = users.idle_users(fleet_of(device("x", "bob@example.com"), users=PEOPLE), now=NOW)
    assert [(each.person.login, each.days, each.devices, each.never_seen) for each in report.idle] == [
        ("dave@example.com", 300.0, 0, True),
        ("bob@example.com", 100.0, 1, False),
    ]
    assert (report.unknown, report.total) == (("carol@example.com",), 4)
    with pytest.raises(ConfigurationError, match="users were not read"):
        users.idle_users(fleet_of(device("x")), now=NOW)


PERSON = ("users", "policy", "keys", "user_invites")


def plan_person(admin: Admin, person: Any) -> Any:
    fleet = admin.fleet(*PERSON)
    return admin.run(users.plan_person(admin.client, fleet, person, changes=admin.engine))


def test_a_new_person_is_invited_and_put_into_groups(admin: Admin) -> None:
    fleet = admin.fleet(*PERSON)
    person = users.propose_onboarding(fleet, "new@example.com", role="auditor", groups=["group:dev"])
    plan = plan_person(admin, person)
    assert admin.apply(plan).ok
    assert admin.written() == ["createUserInvites", "setPolicyFile"]
    assert admin.tailnet.tailnet.policy_text.count("new@example.com") == 1
    assert "// who is who" in admin.tailnet.tailnet.policy_text
    again = users.propose_onboarding(admin.fleet(*PERSON), "new@example.com", role="auditor")
    assert again.proposal.left_alone[0].reason.startswith("they are invited already")


def test_a_known_person_gets_what_is_missing(admin: Admin) -> None:
    admin.tailnet.tailnet.users["u3"]["status"] = "suspended"
    person = users.propose_onboarding(admin.fleet(*PERSON), "carol@example.com", role="admin")
    assert [step.operation_id for step in person.proposal.steps] == ["restoreUser", "updateUserRole"]
    assert admin.apply(plan_person(admin, person)).ok
    done = users.propose_onboarding(admin.fleet(*PERSON), "carol@example.com", role="admin")
    with pytest.raises(NothingToChangeError, match="with that role already"):
        plan_person(admin, done)


@pytest.mark.parametrize(
    ("login", "more", "said"),
    [
        ("x@example.com", {"role": "boss"}, "no role 'boss'"),
        ("nobody", {}, "no e-mail address"),
        ("x@example.com", {"groups": ["group:no"]}, "the policy has no group:no"),
    ],
)
def test_what_cannot_be_is_refused(admin: Admin, login: str, more: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        users.propose_onboarding(admin.fleet(*PERSON), login, **more)


def bobs_key(admin: Admin) -> str:
    key = {"id": "kBobCNTRL", "keyType": "auth", "userId": "u2", "description": "bobs", "capabilities": {}}
    admin.tailnet.tailnet.keys["kBobCNTRL"] = {
        **key,
        "created": ago(days=3),
        "expires": "2027-01-01T00:00:00Z",
    }
    return "kBobCNTRL"


def test_offboard_bob(admin: Admin) -> None:
    """Access first, then devices, keys and groups, in one plan; what stays is said."""
    key = bobs_key(admin)
    admin.device("db-1")["user"] = "bob@example.com"
    person = users.propose_offboarding(admin.fleet(*PERSON), "bob@example.com", now=NOW)
    plan = plan_person(admin, person)
    assert [item.call.operation_id for item in plan.plan.items] == [
        "suspendUser",
        "expireDeviceKey",
        "deleteKey",
        "setPolicyFile",
    ]
    assert any("which stay" in note and "db-1" in note for note in plan.notes)
    assert "identity provider" in plan.notes[0]
    report = admin.apply(plan)
    assert report.ok
    assert admin.tailnet.tailnet.users["u2"]["status"] == "suspended"
    assert admin.tailnet.tailnet.keys[key].get("revoked") or key not in admin.tailnet.tailnet.keys
    assert "bob@example.com" not in admin.tailnet.tailnet.policy_text
    undo = admin.run(admin.engine.plan_undo(report.report.change_id))
    assert [item.call.operation_id for item in undo.due] == ["setPolicyFile", "restoreUser"]
    assert admin.run(admin.engine.apply(undo.id)).ok
    assert "bob@example.com" in admin.tailnet.tailnet.policy_text


def test_a_person_can_be_removed_for_good(admin: Admin) -> None:
    person = users.propose_offboarding(admin.fleet(*PERSON), "u3", now=NOW, delete=True)
    assert admin.apply(plan_person(admin, person)).ok
    assert "u3" not in admin.tailnet.tailnet.users
    assert {d["name"] for d in admin.tailnet.tailnet.devices.values()}.isdisjoint({"kiosk.example.ts.net"})


def test_the_last_owner_stays_and_so_does_the_own_credential(admin: Admin) -> None:
    fleet = admin.fleet(*PERSON)
    with pytest.raises(ConfigurationError, match="last owner"):
        users.propose_offboarding(fleet, "alice@example.com", now=NOW)
    with pytest.raises(ConfigurationError, match=r"did you mean bob@example\.com"):
        users.propose_offboarding(fleet, "bob", now=NOW)
    key = bobs_key(admin)
    person = users.propose_offboarding(admin.fleet(*PERSON), "bob@example.com", now=NOW, own_key_id=key)
    assert [(left.id, left.reason) for left in person.proposal.left_alone] == [(key, "this is done with it")]
    assert "deleteKey" not in [step.operation_id for step in person.proposal.steps]


def test_a_policy_that_would_lock_somebody_out_stops_the_plan(admin: Admin) -> None:
    admin.tailnet.tailnet.policy_text = '{"groups": {"group:a": ["bob@example.com"]}, "grants": [{"src": ["group:a"], "dst": ["*"], "ip": ["*"]}]}'
    person = users.propose_offboarding(admin.fleet(*PERSON), "bob@example.com", now=NOW)
    with pytest.raises(ChangeRefusedError, match="lock somebody out"):
        plan_person(admin, person)
    assert admin.written() == []


DECLARED = {"settings": {"devicesApprovalOn": True, "devicesKeyDurationDays": 90}, "dns": {"searchPaths": []}}


def test_what_differs_from_a_file_is_told_and_set(admin: Admin) -> None:
    admin.run(admin.client.settings.update(devices_approval_on=False, devices_key_duration_days=90))
    fleet = admin.fleet("settings", "dns")
    drift = settings_drift(fleet, DECLARED)
    assert [each.path for each in drift.differing] == ["settings.devicesApprovalOn"]
    report = admin.do(propose_settings(fleet, DECLARED))
    assert report.ok
    assert settings_drift(admin.fleet("settings", "dns"), DECLARED).differing == ()
    assert admin.written()[-1] == "updateTailnetSettings"
    with pytest.raises(NothingToChangeError):
        admin.plan(propose_settings(admin.fleet("settings", "dns"), DECLARED))


def test_what_the_api_does_not_say_is_unknown_and_other_parts_are_named() -> None:
    fleet = fleet_of(
        device("a"), settings={"devicesApprovalOn": None}, dns={"searchPaths": ["x.example.com"]}
    )
    drift = settings_drift(fleet, {**DECLARED, "contacts": {"security": {"email": "s@example.com"}}})
    assert {each.path: each.status for each in drift.values} == {
        "settings.devicesApprovalOn": "unknown",
        "settings.devicesKeyDurationDays": "unknown",
        "dns.searchPaths": "differs",
        "contacts.security": "unknown",
    }
    assert "changed by its own action" in propose_settings(fleet, DECLARED).notes[0]
    assert len(drift.to_dict()["unknown"]) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "is wanted"),
        ({"setings": {}}, "did you mean settings"),
        ({"settings": {"devicesAprovalOn": True}}, "did you mean settings.devicesApprovalOn"),
        ({"dns": 3}, "must be an object"),
    ],
)
def test_a_file_that_names_what_is_not_there_is_refused(content: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_declared(content)
    (tmp_path / "d.json").write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match=r"d\.json"):
        read_declared(tmp_path / "d.json")
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is not JSON"):
        read_declared(tmp_path / "d.json")
