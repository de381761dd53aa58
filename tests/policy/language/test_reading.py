"""Each section of a policy as typed values, with their places; and any text at all."""

from __future__ import annotations

import json
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailscale_sdk.errors import HuJSONError, PolicyError
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.language import DEFAULT_PROTOCOLS, parse_addresses, read_policy

POLICY = """{
  // people
  "groups": {"group:dev": ["alice@example.com", "bob@example.com"]},
  "tagOwners": {"tag:web": ["group:dev"]},
  "hosts": {"lab": "10.0.0.0/8"},
  "ipsets": {"ipset:all": ["add lab", "remove 10.9.0.0/16"]},
  "postures": {"posture:ok": ["node:os == 'linux'"]},
  "defaultSrcPosture": ["posture:ok"],
  "acls": [
    {"action": "accept", "users": ["autogroup:members"], "ports": ["tag:web:80,443", "lab:*"]},
  ],
  "grants": [
    {"src": ["group:dev"], "dst": ["ipset:all", "svc:db"], "ip": ["tcp:22", "22-80"], "via": ["tag:web"],
     "srcPosture": ["posture:ok"], "app": {"example.com/x": [1, {"a": 2}]}},
  ],
  "ssh": [{"action": " check ", "src": ["group:dev"], "dst": ["tag:web"], "users": [" root "], "checkPeriod": "12h",
           "acceptEnv": ["X_*"], "recorder": ["tag:web"], "enforceRecorder": true}],
  "nodeAttrs": [{"target": ["*"], "attr": ["funnel"], "app": {"example.com/y": [3]}, "ipPool": ["100.81.0.0/16"]}],
  "autoApprovers": {"routes": {"10.0.0.0/8": ["tag:web"]}, "exitNode": ["group:dev"], "services": {"svc:db": ["tag:web"]}},
  "tests": [{"user": "alice@example.com", "allow": ["lab:1"], "deny": [], "proto": "tcp", "srcPostureAttrs": {"node:os": "linux"}}],
  "sshTests": [{"src": "alice@example.com", "dst": ["tag:web"], "check": ["root"]}],
  "randomizeClientPort": true,
  "other": 1,
}"""


def test_every_section_is_read_with_its_place() -> None:
    policy = read_policy(POLICY)
    acl, grant = policy.rules
    assert (acl.kind, acl.index, acl.place.line) == ("acl", 0, 10)
    assert [selector.name for selector in acl.sources] == ["autogroup:member"]
    assert acl.sources[0].text == "autogroup:members"
    assert [(d.selector.kind, d.selector.name) for d in acl.destinations] == [
        ("tag", "tag:web"),
        ("host", "lab"),
    ]
    assert acl.destinations[0].traffic[0].ports == ((80, 80), (443, 443))
    assert acl.destinations[0].traffic[0].protocols == DEFAULT_PROTOCOLS
    assert (grant.pointer, grant.via, grant.postures) == ("/grants/0", ("tag:web",), ("posture:ok",))
    assert [d.selector.kind for d in grant.destinations] == ["ipset", "service"]
    assert [(t.protocols, t.ports) for t in grant.destinations[0].traffic] == [
        ((6,), ((22, 22),)),
        (DEFAULT_PROTOCOLS, ((22, 80),)),
    ]
    assert grant.app == {"example.com/x": (1, {"a": 2})}
    (entry,) = policy.ssh
    assert (entry.action, entry.users, entry.check_period) == ("check", ("root",), "12h")
    assert (entry.accept_env, entry.recorder, entry.enforce_recorder) == (("X_*",), ("tag:web",), True)
    assert policy.groups["group:dev"].values == ("alice@example.com", "bob@example.com")
    assert policy.groups["group:dev"].places[1].pointer == "/groups/group:dev/1"
    assert policy.tag_owners["tag:web"].place.line == 4
    assert policy.ipsets["ipset:all"].values == ("add lab", "remove 10.9.0.0/16")
    assert (policy.default_postures, list(policy.postures)) == (("posture:ok",), ["posture:ok"])
    assert policy.node_attributes[0].app == {"example.com/y": (3,)}
    assert policy.node_attributes[0].ip_pool == ("100.81.0.0/16",)
    assert [approvers.target for approvers in (*policy.route_approvers, *policy.service_approvers)] == [
        "10.0.0.0/8",
        "svc:db",
    ]
    assert [selector.name for selector in policy.exit_node_approvers] == ["group:dev"]
    (test,) = policy.tests
    assert (test.source, test.accept, test.deny, test.proto) == ("alice@example.com", ("lab:1",), (), "tcp")
    assert test.posture_attributes == {"node:os": "linux"}
    assert policy.ssh_tests[0].check == ("root",)
    assert policy.flags == {"randomizeClientPort": True}
    assert [place.pointer for place in policy.unread] == ["/other"]
    assert (policy.text, policy.allows_all) == (POLICY, False)


def test_a_missing_list_is_not_an_empty_one() -> None:
    assert read_policy("{}").allows_all
    assert read_policy('{"ssh": []}').allows_all
    assert not read_policy('{"acls": []}').allows_all
    assert not read_policy('{"grants": []}').allows_all
    assert read_policy('{"acls": null}').allows_all


def test_addresses() -> None:
    for text, first, last in (
        ("10.0.0.1", 0x0A000001, 0x0A000001),
        ("10.1.2.3/8", 0x0A000000, 0x0AFFFFFF),
        ("10.0.0.1-10.0.0.3", 0x0A000001, 0x0A000003),
        ("fd7a::/16", 0xFD7A << 112, (0xFD7B << 112) - 1),
    ):
        found = parse_addresses(text)
        assert found is not None
        assert (found.first, found.last) == (first, last)
    for text in (
        "",
        "web",
        "10.0.0.1/33",
        "10.0.0.0/08",
        "10.0.0.3-10.0.0.1",
        "10.0.0.1-fd7a::1",
        "300.1.1.1",
        "::/129",
    ):
        assert parse_addresses(text) is None


KEYS = ["acls", "grants", "groups", "hosts", "tagOwners", "ssh", "tests", "sshTests", "nodeAttrs", "autoApprovers", "src", "dst", "ip", "users", "action", "target", "attr", "app", "via", "proto", "routes", "group:a", "tag:a"]  # fmt: skip
WORDS = st.sampled_from(["*", "tag:a", "group:a", "a@example.com", "tag:a:22", "*:*", "accept", "tcp:22", "10.0.0.0/8", "autogroup:self", "x"])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_any_policy_is_read_or_refused(policy: dict[str, object]) -> None:
    try:
        assert read_policy(json.dumps(policy)).text == json.dumps(policy)
    except PolicyError as error:
        assert str(error)
        assert error.line is not None
    except HuJSONError as error:
        assert "hujson" in str(error)


def test_a_large_policy_takes_little_more_than_its_syntax() -> None:
    members = [f"user{number}@example.com" for number in range(300)]
    policy = {
        "groups": {f"group:g{number}": members[number % 200 : number % 200 + 20] for number in range(150)},
        "tagOwners": {f"tag:t{number}": ["group:g1"] for number in range(50)},
        "acls": [
            {
                "action": "accept",
                "src": [f"group:g{n % 150}", "tag:t1"],
                "dst": [f"tag:t{n % 50}:22,80,443", "10.0.0.0/8:*"],
            }
            for n in range(230)
        ],
    }
    text = json.dumps(policy, indent=1)
    assert len(text) > 110_000
    syntax, whole = (min(_timed(read, text) for _ in range(3)) for read in (hujson.parse, read_policy))
    assert whole < 4 * syntax


def _timed(read: object, text: str) -> float:
    started = time.perf_counter()
    read(text)  # type: ignore[operator]
    return time.perf_counter() - started
