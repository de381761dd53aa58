"""Why can A (not) reach B: the verdicts, the fact that decides, and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.access import explain, part_destination, read_question
from tailscale_sdk.policy.compile import CompiledPolicy
from tests.policy.small import NOW, Json, compiled, device, facts, user

POLICY = """{
  "groups": {"group:dba": ["dana@example.com"]},
  "tagOwners": {"tag:ci": [], "tag:db": [], "tag:router": []},
  "hosts": {"ledger": "10.20.0.5"},
  "grants": [
    {"src": ["tag:ci"], "dst": ["tag:db"], "ip": ["tcp:5432"]},
    {"src": ["tag:ci"], "dst": ["10.20.0.0/16"], "ip": ["tcp:5432"]},
    {"src": ["group:dba"], "dst": ["tag:db"], "ip": ["*"]},
  ],
  "ssh": [{"action": "check", "src": ["group:dba"], "dst": ["tag:db"], "users": ["postgres"]}],
}"""
RUNNER = device("ci-runner", "", "tag:ci")
DATABASE = device("database", "", "tag:db")
LAPTOP = device("laptop", "dana@example.com")
ROUTER = device("router", "", "tag:router", advertised=["10.20.0.0/16"])
DANA = user("dana@example.com")


def ask(engine: CompiledPolicy, source: str, destination: str, protocol: str | None = None) -> Json:
    """Ask as the command line does."""
    name, port = part_destination(destination)
    return explain(engine, source, name, read_question(port, protocol), now=NOW)


def ask_runner(
    *, runner: Json = RUNNER, database: Json = DATABASE, policy: str = POLICY, **parts: Any
) -> Json:
    """Ask why the CI runner can or cannot reach the database on 5432."""
    engine = compiled(policy, runner, database, LAPTOP, ROUTER, DANA, **parts)
    return ask(engine, "ci-runner", "database:5432")


def test_yes_names_the_rule_with_its_line() -> None:
    answer = ask_runner()
    assert (answer["answer"], answer["policy"], answer["state"]) == ("yes", "yes", "yes")
    assert answer["because"] == "grants[0] line 6 allows it: tag:ci to tag:db on tcp 5432"
    assert [fact["line"] for fact in answer["facts"] if fact["fact"] == "rule-allows"] == [6]
    assert answer["next"] == []


def test_no_rule_lets_the_source_in() -> None:
    answer = ask_runner(runner=device("ci-runner", "", "tag:router"))
    assert (answer["answer"], answer["policy"], answer["state"]) == ("no", "no", "yes")
    assert facts(answer) == ["source-not-covered", "source-not-covered"]
    assert answer["because"].startswith("grants[0] line 6 opens it to tag:ci; ci-runner is tag:router")


def test_the_rule_covers_another_port() -> None:
    answer = ask_runner(
        policy=POLICY.replace(
            '"dst": ["tag:db"], "ip": ["tcp:5432"]', '"dst": ["tag:db"], "ip": ["tcp:22", "443"]'
        )
    )
    assert answer["policy"] == "no"
    assert facts(answer)[0] == "port-not-covered"
    assert "grants[0] line 6 lets ci-runner in, but only on" in answer["because"]
    assert "22" in answer["because"]


def test_an_expired_key_is_a_no_although_the_policy_allows() -> None:
    answer = ask_runner(database={**DATABASE, "keyExpiryDisabled": False, "expires": "2026-04-30T00:00:00Z"})
    assert (answer["answer"], answer["policy"], answer["state"]) == ("no", "yes", "no")
    assert facts(answer) == ["key-expired"]
    assert answer["because"] == "the key of database expired at 2026-04-30 00:00 UTC"


@pytest.mark.parametrize(
    "fields, fact",
    [
        ({"authorized": False}, "not-authorised"),
        ({"connectedToControl": False, "lastSeen": "2026-04-01T00:00:00Z"}, "not-connected"),
        ({"blocksIncomingConnections": True}, "blocks-incoming"),
    ],
)
def test_a_device_that_is_not_ready(fields: Json, fact: str) -> None:
    answer = ask_runner(database={**DATABASE, **fields})
    assert (answer["answer"], answer["policy"], facts(answer)) == ("no", "yes", [fact])
    assert answer["next"]


def test_a_source_that_is_offline_blocks_too() -> None:
    answer = ask_runner(runner={**RUNNER, "connectedToControl": False})
    assert (answer["answer"], facts(answer)) == ("no", ["not-connected"])


@pytest.mark.parametrize("value", ["", None, "0001-01-01T00:00:00Z", "soon"])
def test_a_date_that_is_none_is_no_expiry(value: str | None) -> None:
    assert ask_runner(database={**DATABASE, "keyExpiryDisabled": False, "expires": value})["answer"] == "yes"


def behind_router(router: Json, policy: str = POLICY) -> Json:
    """Ask for a database that is no device but a host behind a router."""
    engine = compiled(policy, RUNNER, router)
    return ask(engine, "ci-runner", "ledger:5432")


def test_a_host_behind_a_router() -> None:
    answer = behind_router(ROUTER)
    assert (answer["answer"], answer["policy"]) == ("yes", "yes")
    assert "router is the router for it, by its route 10.20.0.0/16" in [
        fact["text"] for fact in answer["facts"]
    ]


def test_a_route_that_is_advertised_but_not_approved() -> None:
    answer = behind_router(device("router", "", "tag:router", advertised=["10.20.0.0/16"], approved=[]))
    assert (answer["answer"], facts(answer)) == ("no", ["route-not-approved"])
    assert (
        answer["because"] == "router advertises the route 10.20.0.0/16 to 10.20.0.5, but it is not approved"
    )
    assert answer["next"] == ["approve 10.20.0.0/16 on router (devices.set_routes)"]


def test_a_route_that_is_approved_but_not_advertised_waits() -> None:
    answer = behind_router(device("router", "", "tag:router", advertised=[], approved=["10.20.0.0/16"]))
    assert (answer["answer"], facts(answer)) == ("no", ["route-not-advertised"])


def test_an_address_that_nobody_routes() -> None:
    answer = behind_router(device("router", "", "tag:router"))
    assert (answer["answer"], facts(answer)) == ("no", ["no-route"])


def test_a_router_that_is_offline() -> None:
    answer = behind_router({**ROUTER, "connectedToControl": False})
    assert (answer["answer"], answer["policy"], facts(answer)) == ("no", "yes", ["not-connected"])


def test_one_of_two_routers_is_enough() -> None:
    spare = device("spare", "", "tag:router", advertised=["10.20.0.0/16"])
    engine = compiled(POLICY, RUNNER, {**ROUTER, "connectedToControl": False}, spare)
    assert ask(engine, "ci-runner", "10.20.0.5:5432")["answer"] == "yes"


def test_the_router_with_the_longest_prefix_delivers() -> None:
    wide = device("wide", "", "tag:router", advertised=["10.0.0.0/8"])
    told = [
        fact["text"]
        for fact in ask(compiled(POLICY, RUNNER, wide, ROUTER), "ci-runner", "ledger:5432")["facts"]
    ]
    routed = [text for text in told if "is the router for it" in text]
    assert routed[0] == "router is the router for it, by its route 10.20.0.0/16"


def test_a_rule_that_goes_through_other_routers() -> None:
    policy = POLICY.replace('"dst": ["10.20.0.0/16"],', '"dst": ["10.20.0.0/16"], "via": ["tag:ci"],')
    answer = behind_router(ROUTER, policy)
    assert (answer["answer"], facts(answer)) == ("no", ["other-router"])


POSTURE = """{
  "tagOwners": {"tag:ci": [], "tag:db": []},
  "postures": {"posture:managed": ["node:os == 'linux'", "custom:managed == true"]},
  "grants": [{"src": ["tag:ci"], "dst": ["tag:db"], "ip": ["5432"], "srcPosture": ["posture:managed"]}],
}"""


def test_a_posture_that_is_not_met_names_condition_and_value() -> None:
    attributes = {"n-ci-runner": {"attributes": {"node:os": "windows", "custom:managed": True}}}
    answer = ask_runner(policy=POSTURE, attributes=attributes)
    assert (answer["answer"], facts(answer)) == ("no", ["posture-not-met"])
    assert "node:os == 'linux' does not hold, node:os is 'windows'" in answer["because"]


def test_a_posture_that_is_met() -> None:
    attributes = {"n-ci-runner": {"attributes": {"node:os": "linux", "custom:managed": True}}}
    assert ask_runner(policy=POSTURE, attributes=attributes)["answer"] == "yes"


def test_attributes_that_were_not_read_make_it_unknown() -> None:
    answer = ask_runner(policy=POSTURE)
    assert (answer["answer"], answer["policy"]) == ("unknown", "unknown")
    assert facts(answer, "unknown") == ["posture-unknown"]
    assert "devices.get_posture_attributes" in answer["next"][0]


def test_a_role_nobody_told_makes_it_unknown() -> None:
    policy = {
        "acls": [{"action": "accept", "src": ["autogroup:admin"], "dst": ["tag:db:*"]}],
        "tagOwners": {"tag:db": []},
    }
    engine = compiled(policy, LAPTOP, DATABASE)
    answer = ask(engine, "laptop", "database:22")
    assert (answer["answer"], facts(answer, "unknown")) == ("unknown", ["selector-unknown"])


def test_an_unknown_rule_beside_a_sure_one_changes_nothing() -> None:
    engine = compiled(
        POSTURE.replace('"grants": [', '"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]},'),
        RUNNER,
        DATABASE,
    )
    assert ask(engine, "ci-runner", "database:5432")["answer"] == "yes"


def test_ssh_rules_are_told_for_port_22() -> None:
    engine = compiled(POLICY, RUNNER, DATABASE, LAPTOP, DANA)
    told = [fact["text"] for fact in ask(engine, "laptop", "database:22")["facts"]]
    assert "ssh[0] line 10: Tailscale SSH check as postgres" in told
    assert "laptop belongs to dana@example.com (in group:dba; role member)" in told
    assert any("no ssh rule" in fact["text"] for fact in ask(engine, "ci-runner", "database:22")["facts"])


def test_an_address_asks_for_its_family_alone() -> None:
    policy = {
        "hosts": {"db4": DATABASE["addresses"][0]},
        "grants": [{"src": ["*"], "dst": ["db4"], "ip": ["5432"]}],
    }
    engine = compiled(policy, RUNNER, DATABASE)
    v4, v6 = DATABASE["addresses"]
    assert ask(engine, "ci-runner", f"{v4}:5432")["answer"] == "yes"
    assert ask(engine, "ci-runner", f"[{v6}]:5432")["answer"] == "no"
    assert ask(engine, "ci-runner", "database:5432")["answer"] == "yes"


def test_exit_nodes() -> None:
    node = device("exit", "", "tag:exit", advertised=["0.0.0.0/0", "::/0"])
    policy = {
        "tagOwners": {"tag:exit": [], "tag:ci": []},
        "grants": [{"src": ["tag:ci"], "dst": ["autogroup:internet"], "ip": ["*"]}],
    }
    engine = compiled(policy, RUNNER, LAPTOP, node)
    answer = ask(engine, "ci-runner", "8.8.8.8:443")
    assert (answer["answer"], facts(answer, "allows")) == ("yes", ["exit-node-allowed"])
    refused = ask(engine, "laptop", "8.8.8.8:443")
    assert (refused["answer"], facts(refused)) == ("no", ["exit-node-not-allowed"])
    without = ask(compiled(policy, RUNNER), "ci-runner", "8.8.8.8:443")
    assert (without["answer"], facts(without)) == ("no", ["no-exit-node"])


def test_several_devices_are_answered_pair_by_pair() -> None:
    other = device("db-two", "", "tag:db", connectedToControl=False)
    answer = ask(compiled(POLICY, RUNNER, DATABASE, other), "tag:ci", "tag:db:5432")
    assert (answer["answer"], answer["counts"]) == ("no", {"yes": 1, "no": 1, "unknown": 0})
    assert answer["because"] == "1 of 2 pairs can"
    assert [each["answer"] for each in answer["explanations"]] == ["no", "yes"]


@pytest.mark.parametrize("name", ["nobody", "tag:none", "group:none", "who@example.com", "10.0.0.0/8"])
def test_a_name_that_means_nothing_is_said(name: str) -> None:
    with pytest.raises(ConfigurationError, match="destination"):
        ask(compiled(POLICY, RUNNER), "ci-runner", f"{name}:22" if "/" not in name else name)


def test_a_name_of_two_devices_is_not_guessed() -> None:
    twin = {**device("other", "", "tag:db"), "hostname": "database"}
    with pytest.raises(ConfigurationError, match="several devices have this name"):
        ask(
            compiled(POLICY, RUNNER, {**DATABASE, "name": "db-1.example.ts.net"}, twin),
            "ci-runner",
            "database:5432",
        )


def test_the_answer_says_when_the_facts_were_read() -> None:
    assert ask_runner(taken="2026-05-01T11:59:00Z")["read"] == "2026-05-01T11:59:00Z"


def test_an_answer_is_json() -> None:
    assert json.loads(json.dumps(ask_runner())) == ask_runner()


@pytest.mark.parametrize(
    "text, parts",
    [
        ("web:443", ("web", "443")),
        ("tag:db:5432", ("tag:db", "5432")),
        ("tag:db", ("tag:db", None)),
        ("group:dev:*", ("group:dev", "*")),
        ("[fd7a::1]:22", ("fd7a::1", "22")),
        ("fd7a:115c:a1e0::1", ("fd7a:115c:a1e0::1", None)),
        ("10.0.0.1:22", ("10.0.0.1", "22")),
        ("web", ("web", None)),
        ("web:ssh", ("web", "ssh")),
    ],
)
def test_parting_a_destination(text: str, parts: tuple[str, str | None]) -> None:
    assert part_destination(text) == parts


@pytest.mark.parametrize("port", ["70000", "-1", "nonsense"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(ConfigurationError, match="port"):
        read_question(port)
