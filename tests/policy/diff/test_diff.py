"""What a change of a policy or a tailnet gives and takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.policy.diff import AccessDiff, diff_policies, risks_of
from tailscale_sdk.policy.language import read_policy
from tests.policy.small import Json, device, tailnet, user

WEB = device("web", "", "tag:web")
WEB2 = device("webtwo", "", "tag:web")
DB = device("db", "", "tag:db")
ALICE = device("alicepc", "alice@example.com")
BOB = device("bobs", "bob@example.com")
ROUTER = device("router", "", "tag:router", advertised=["10.0.0.0/16"])
PEOPLE = (user("alice@example.com", "admin"), user("bob@example.com"))
EVERYBODY = (WEB, WEB2, DB, ALICE, BOB, ROUTER, *PEOPLE)
TAGS: Json = {"tag:web": [], "tag:db": [], "tag:router": []}


def policy(*grants: Json, **parts: Any) -> Json:
    """Return a policy with grants."""
    return {"tagOwners": TAGS, "grants": list(grants), **parts}


def grant(source: str, destination: str, *ip: str, **parts: Any) -> Json:
    """Return a grant."""
    return {"src": [source], "dst": [destination], **({"ip": list(ip)} if ip else {}), **parts}


def diff(
    old: Json, new: Json, *, before: tuple[Json, ...] = EVERYBODY, after: tuple[Json, ...] | None = None
) -> AccessDiff:
    """Compare two policies."""
    return diff_policies(
        read_policy(json.dumps(old)),
        read_policy(json.dumps(new)),
        tailnet(*before),
        None if after is None else tailnet(*after),
    )


def lines(found: AccessDiff) -> list[str]:
    """Return rows without the rules behind them."""
    return [row.text.split("  [")[0] for row in found.rows]


BASE = policy(grant("tag:web", "tag:db", "tcp:5432"))


def test_the_same_policy_changes_nothing() -> None:
    found = diff(BASE, BASE)
    assert (found.summary, found.rows, found.has_effect) == ("no change", (), False)


def test_a_text_without_effect_is_said() -> None:
    found = diff(BASE, policy(grant("tag:web", "tag:db", "tcp:5432"), hosts={"db": "100.64.9.9"}))
    assert found.summary == "the text changes, nobody's access does"


def test_a_new_grant_names_who_what_and_which_rule() -> None:
    found = diff(
        BASE, policy(grant("tag:web", "tag:db", "tcp:5432"), grant("alice@example.com", "tag:web", "443"))
    )
    (row,) = found.rows
    assert (row.gained, row.certain, row.kind, row.pairs) == (True, True, "network", 2)
    assert row.text == "+ alice@example.com -> tag:web: port 443  [grants[1] line 1]"
    assert row.detail == [{"proto": [1, 6, 17, 58], "ports": [443, 443]}]


def test_wider_ports_are_a_gain_of_the_difference_alone() -> None:
    found = diff(BASE, policy(grant("tag:web", "tag:db", "tcp:5000-6000")))
    assert lines(found) == ["+ tag:web -> tag:db: tcp 5000-5431, 5433-6000"]


def test_a_grant_that_others_contain_is_no_gain() -> None:
    wide = policy(grant("*", "tag:db", "*"))
    assert not diff(wide, policy(grant("*", "tag:db", "*"), grant("tag:web", "tag:db", "tcp:22"))).has_effect


def test_two_grants_for_one_are_no_change() -> None:
    old = policy(grant("tag:web", "tag:db", "tcp:1-100"))
    assert not diff(
        old, policy(grant("tag:web", "tag:db", "tcp:1-50"), grant("tag:web", "tag:db", "tcp:51-100"))
    ).has_effect


def test_taking_a_rule_away_loses_what_it_alone_gave() -> None:
    old = policy(
        grant("tag:web", "tag:db", "tcp:5432"),
        grant("tag:web", "tag:db", "tcp:1-6000"),
        grant("bob@example.com", "tag:db", "22"),
    )
    found = diff(old, policy(grant("tag:web", "tag:db", "tcp:5432")))
    assert lines(found) == [
        "- tag:web -> tag:db: tcp 1-5431, 5433-6000",
        "- bob@example.com -> tag:db: port 22",
    ]
    assert found.lost[0].rules == ("grants[1] line 1",)


def test_a_member_of_a_group_gains_what_the_group_has() -> None:
    def with_members(*members: str) -> Json:
        return policy(grant("group:dev", "tag:web", "tcp:443"), groups={"group:dev": list(members)})

    found = diff(with_members("alice@example.com"), with_members("alice@example.com", "bob@example.com"))
    assert lines(found) == ["+ bob@example.com -> tag:web: tcp 443"]


def test_self_is_about_each_users_own_devices() -> None:
    second = device("alicephone", "alice@example.com")
    found = diff(
        policy(), policy(grant("autogroup:member", "autogroup:self", "22")), before=(*EVERYBODY, second)
    )
    assert lines(found) == ["+ alice@example.com -> alice@example.com: port 22"]
    assert found.rows[0].pairs == 2


def test_a_device_reaching_itself_is_no_row() -> None:
    assert not diff(policy(), policy(grant("bob@example.com", "bob@example.com", "22"))).rows


def test_routes_are_places() -> None:
    found = diff(policy(), policy(grant("alice@example.com", "10.0.5.0/24", "tcp:22")))
    assert lines(found) == ["+ alice@example.com -> 10.0.5.0/24 behind router: tcp 22"]
    assert [risk.id for risk in risks_of(found)] == ["new-route"]


def test_hosts_behind_a_router_are_sources() -> None:
    found = diff(policy(), policy(grant("10.0.5.0/24", "tag:db", "tcp:22")))
    assert lines(found) == ["+ hosts in 10.0.5.0/24 -> tag:db: tcp 22"]


def test_approving_a_route_changes_access_under_one_policy() -> None:
    waiting = device("router", "", "tag:router", advertised=["10.0.0.0/16"], approved=[])
    rules = policy(grant("bob@example.com", "10.0.0.0/16", "443"))
    rest = (WEB, DB, ALICE, BOB, *PEOPLE)
    found = diff(rules, rules, before=(*rest, waiting), after=(*rest, ROUTER))
    assert lines(found) == ["+ bob@example.com -> 10.0.0.0/16 behind router: port 443"]


def test_a_tag_changes_access_under_one_policy() -> None:
    rest = (DB, ALICE, BOB, *PEOPLE)
    rules = policy(grant("bob@example.com", "tag:web", "443"), grant("alice@example.com", "tag:db", "22"))
    found = diff(rules, rules, before=(*rest, WEB), after=(*rest, {**WEB, "tags": ["tag:db"]}))
    assert lines(found) == ["+ alice@example.com -> web: port 22", "- bob@example.com -> tag:web: port 443"]


def test_what_rests_on_a_missing_fact_is_marked() -> None:
    new = policy(
        grant("alice@example.com", "tag:db", "22", srcPosture=["posture:ok"]),
        postures={"posture:ok": ["node:os == 'linux'"]},
    )
    found = diff(policy(), new)
    assert lines(found) == ["+ alice@example.com -> tag:db: port 22 (uncertain)"]
    assert not diff(new, new).rows


def test_capabilities_are_compared_by_value() -> None:
    def with_app(*values: Any) -> Json:
        return policy(grant("tag:web", "tag:db", app={"example.com/cap/db": list(values)}))

    found = diff(with_app({"role": "reader"}), with_app({"role": "reader"}, {"role": "writer"}))
    assert lines(found) == ['+ tag:web -> tag:db: example.com/cap/db [{"role": "writer"}]']
    assert not diff(with_app("a", "b"), with_app("b", "a")).rows


def ssh(action: str, *users: str, source: str = "alice@example.com") -> Json:
    """Return a policy with one SSH rule."""
    return policy(ssh=[{"action": action, "src": [source], "dst": ["tag:db"], "users": list(users)}])


@pytest.mark.parametrize(
    "old, new, told, marks",
    [
        (
            policy(),
            ssh("accept", "root"),
            ["+ alice@example.com -> tag:db: SSH as root: none -> accept"],
            ["ssh-root"],
        ),
        (
            ssh("check", "ubuntu"),
            ssh("accept", "ubuntu"),
            ["+ alice@example.com -> tag:db: SSH as ubuntu: check -> accept"],
            ["ssh-check-dropped"],
        ),
        (
            ssh("accept", "ubuntu"),
            ssh("check", "ubuntu"),
            ["- alice@example.com -> tag:db: SSH as ubuntu: accept -> check"],
            [],
        ),
        (ssh("accept", "autogroup:nonroot"), ssh("accept", "autogroup:nonroot", "ubuntu"), [], []),
        (
            ssh("accept", "ubuntu"),
            ssh("accept", "autogroup:nonroot"),
            ["+ alice@example.com -> tag:db: SSH as any login but root: none -> accept"],
            [],
        ),
    ],
)
def test_ssh_logins(old: Json, new: Json, told: list[str], marks: list[str]) -> None:
    found = diff(old, new)
    assert lines(found) == told
    assert [risk.id for risk in risks_of(found)] == marks


def test_root_is_no_login_like_any_other() -> None:
    found = diff(ssh("accept", "autogroup:nonroot"), ssh("accept", "autogroup:nonroot", "root"))
    assert lines(found) == ["+ alice@example.com -> tag:db: SSH as root: none -> accept"]


def test_attributes_that_stay_are_no_row() -> None:
    kept = policy(nodeAttrs=[{"target": ["tag:web"], "attr": ["funnel"]}])
    assert not diff(kept, {**kept, "hosts": {"x": "100.64.0.9"}}).rows


def test_an_open_source_that_was_there_is_not_new() -> None:
    old, new = policy(grant("*", "tag:db", "tcp:80")), policy(grant("*", "tag:db", "tcp:80-81"))
    assert diff(old, new).gained
    assert not risks_of(diff(old, new))


def test_exit_nodes_and_attributes() -> None:
    node = device("exit", "", "tag:router", advertised=["0.0.0.0/0", "::/0"])
    new = policy(
        grant("bob@example.com", "autogroup:internet", "*"),
        nodeAttrs=[{"target": ["tag:web"], "attr": ["funnel"]}],
    )
    found = diff(policy(), new, before=(*EVERYBODY, node))
    assert lines(found) == [
        "+ bob@example.com -> exit: use of the exit node exit",
        "+ tag:web -> funnel: attribute funnel",
    ]
    assert {risk.id for risk in risks_of(found)} == {"new-exit-node-use", "new-funnel"}


def test_rights_are_told_beside_access() -> None:
    new = policy(
        tagOwners={**TAGS, "tag:web": ["bob@example.com"]},
        autoApprovers={"routes": {"10.0.0.0/8": ["tag:router"]}},
    )
    found = diff(policy(), new)
    assert [(change.right, change.gained) for change in found.rights] == [
        ("approvers of 10.0.0.0/8", ("tag:router",)),
        ("owners of tag:web", ("bob@example.com",)),
    ]
    assert found.has_effect


def test_allow_all_and_deny_all_are_marked() -> None:
    without = {"tagOwners": TAGS}
    assert "allow-all" in {risk.id for risk in risks_of(diff(BASE, without))}
    assert [risk.id for risk in risks_of(diff(BASE, policy()))] == ["deny-all"]


def test_an_open_source_is_marked_when_it_is_new() -> None:
    new = policy(grant("tag:web", "tag:db", "tcp:5432"), grant("*", "tag:db", "tcp:443"))
    assert {risk.id for risk in risks_of(diff(BASE, new), protected=["tag:db"])} == {
        "open-source",
        "protected-tag",
    }
    assert not risks_of(diff(new, new))


def test_two_runs_give_equal_bytes() -> None:
    old, new = (
        policy(grant("*", "*", "*")),
        policy(grant("tag:web", "tag:db", "tcp:1-9"), grant("bob@example.com", "*", "udp:53")),
    )
    once, again = (json.dumps(diff(old, new).to_dict()) for _ in range(2))
    assert once == again


def test_gain_and_loss_mirror_each_other() -> None:
    old, new = policy(grant("*", "tag:db", "22-80")), policy(grant("autogroup:member", "*", "80-443"))
    there, back = diff(old, new), diff(new, old)
    assert [row.text[2:].split("  [")[0] for row in there.gained] == [
        row.text[2:].split("  [")[0] for row in back.lost
    ]


def test_what_one_rule_scatters_is_one_row() -> None:
    devices = [device(f"d{'x' * size}", f"user{size}@example.com") for size in range(9)]
    mine = [
        grant(f"user{size}@example.com", f"user{(size + 1) % 9}@example.com", f"{size + 1}")
        for size in range(9)
    ]
    found = diff(
        policy(*mine), policy(grant("autogroup:member", "autogroup:member", "*")), before=(*devices, DB)
    )
    (row,) = found.gained
    assert (row.partial, row.pairs, row.sources.names) == (True, 72, ("autogroup:member",))
