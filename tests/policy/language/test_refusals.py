"""What the control plane refuses, in its words, with the place; and what it takes though it looks odd."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailscale_sdk.errors import HuJSONError, PolicyError
from tailscale_sdk.policy.language import BreaksService, read_policy
from tests.policy import captures as captured

Json = dict[str, Any]
TAGS = {"tag:web": [], "tag:db": []}


def acl(**parts: Any) -> Json:
    """Return a policy with one rule of ``acls``."""
    return {"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"], **parts}], "tagOwners": TAGS}


def grant(**parts: Any) -> Json:
    """Return a policy with one grant."""
    return {"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"], **parts}], "tagOwners": TAGS}


def ssh(**parts: Any) -> Json:
    """Return a policy with one SSH rule."""
    return {
        "ssh": [
            {"action": "accept", "src": ["autogroup:member"], "dst": ["tag:web"], "users": ["root"], **parts}
        ],
        "tagOwners": TAGS,
        "hosts": {"lab": "10.0.0.0/8"},
    }


REFUSED: list[tuple[Json, str, str]] = [
    (acl(action=None), "action must be specified", "/acls/0/action"),
    (acl(action=""), "action must be specified", "/acls/0/action"),
    (acl(action="deny"), '"deny" is not a valid action', "/acls/0/action"),
    (acl(action="Accept"), '"Accept" is not a valid action', "/acls/0/action"),
    (acl(src=["tag:none"]), 'src=tag not found: "tag:none"', "/acls/0/src/0"),
    (acl(src=["*", "group:none"]), 'src=group not found: "group:none"', "/acls/0/src/1"),
    (acl(src=["autogroup:none"]), 'src=autogroup not found: "autogroup:none"', "/acls/0/src/0"),
    (acl(src=["ipset:none"]), 'src=ipset not found: "ipset:none"', "/acls/0/src/0"),
    (acl(src=["nowhere"]), 'src=host not found: "nowhere"', "/acls/0/src/0"),
    (acl(src=["autogroup:self"]), '"autogroup:self" not valid on the src side of a rule', "/acls/0/src/0"),
    (acl(src=["autogroup:internet"]), '"autogroup:internet" not valid on the src side of a rule', "/acls/0/src/0"),
    (acl(dst=["tag:none:22"]), 'dst=tag not found: "tag:none"', "/acls/0/dst/0"),
    (acl(dst=["autogroup:danger-all:*"]), "cannot use autogroup:danger-all as a dst", "/acls/0/dst/0"),
    (acl(dst=["0.0.0.0/0:22"]), 'dst "0.0.0.0/0": to allow all IP addresses, use "*" or "autogroup:internet"', "/acls/0/dst/0"),
    (acl(dst=["autogroup:self"]), 'dst="autogroup:self": port range "self": invalid first integer', "/acls/0/dst/0"),
    (acl(dst=["tag:web:ssh"]), 'dst="tag:web:ssh": port range "ssh": invalid first integer', "/acls/0/dst/0"),
    (acl(dst=["tag:web:22-ssh"]), 'dst="tag:web:22-ssh": port range "22-ssh": invalid last integer', "/acls/0/dst/0"),
    (acl(dst=["tag:web:22,x"]), 'dst="tag:web:22,x": port range "x": invalid first integer', "/acls/0/dst/0"),
    (acl(dst=["tag:web:99999"]), 'dst="tag:web:99999": port range "99999": invalid first integer', "/acls/0/dst/0"),
    (acl(dst=["web"]), 'dst="web": hostport must contain a colon (":")', "/acls/0/dst/0"),
    (acl(src=["tag:web"], dst=["autogroup:self:*"]), "autogroup:self can only be used with users, groups, or supported autogroups", "/acls/0/dst/0"),
    (acl(proto="none"), 'proto name "none" not known; use protocol number 0-255', "/acls/0/proto"),
    (acl(srcPosture=["posture:none"]), 'posture not found: "posture:none"', "/acls/0/srcPosture/0"),
    (grant(dst=["autogroup:self"]), "autogroup:self can only be used with users, groups, or supported autogroups", "/grants/0/dst/0"),
    (grant(ip=["tcp:ssh"]), 'ip="tcp:ssh": port range "ssh": invalid first integer', "/grants/0/ip/0"),
    (grant(ip=["none:22"]), 'ip="none:22": proto name "none" not known; use protocol number 0-255', "/grants/0/ip/0"),
    (grant(ip=[""]), 'ip="": empty string', "/grants/0/ip/0"),
    (grant(via=["web"]), 'invalid via "web"', "/grants/0/via/0"),
    (grant(via=["tag:none"]), 'via=tag not found: "tag:none"', "/grants/0/via/0"),
    (grant(app={"https://example.com/x": []}), "capability name must have the form {domain}/{path}", "/grants/0/app/https:~1~1example.com~1x"),
    (grant(app={"noslash": []}), "capability name must have the form {domain}/{path}", "/grants/0/app/noslash"),
    (grant(app={"tailscale.com/cap/ingress": []}), "capability name must not be in the tailscale.com domain", "/grants/0/app/tailscale.com~1cap~1ingress"),
    (ssh(action=None), "action must be specified", "/ssh/0/action"),
    (ssh(action="Accept"), '"Accept" is not a valid action', "/ssh/0/action"),
    (ssh(users=None), "users must be specified", "/ssh/0/users"),
    (ssh(users=[""]), 'user "" is not valid', "/ssh/0/users/0"),
    (ssh(users=["root", "*"]), 'user "*" is not valid', "/ssh/0/users/1"),
    (ssh(dst=["lab"]), 'invalid dst "lab"', "/ssh/0/dst/0"),
    (ssh(dst=["100.64.0.1"]), 'invalid dst "100.64.0.1"', "/ssh/0/dst/0"),
    (ssh(dst=["*"]), 'invalid dst "*"', "/ssh/0/dst/0"),
    (ssh(dst=["tag:none"]), 'dst=tag not found: "tag:none"', "/ssh/0/dst/0"),
    (ssh(action="check", checkPeriod="169h"), 'checkPeriod "169h" is not valid', "/ssh/0/checkPeriod"),
    (ssh(action="check", checkPeriod="-1h"), 'checkPeriod "-1h" is not valid', "/ssh/0/checkPeriod"),
    (ssh(action="check", checkPeriod="5"), 'checkPeriod "5" is not valid', "/ssh/0/checkPeriod"),
    ({"groups": {"group:b": ["group:a"], "group:a": []}}, 'groups["group:b"]: "group:a": group members cannot be recursive', "/groups/group:b/0"),
    ({"tagOwners": {"tag:1": []}}, "tag names must start with a letter, after 'tag:'", "/tagOwners/tag:1"),
    ({"tagOwners": {"tag:a": ["tag:b"]}}, 'tagOwners["tag:a"]: tag not found: "tag:b"', "/tagOwners/tag:a/0"),
    ({"tagOwners": {"tag:a": ["group:b"]}}, 'tagOwners["tag:a"]: group not found: "group:b"', "/tagOwners/tag:a/0"),
    ({"hosts": {"a": "x"}}, 'hosts["a"]: invalid address "x"', "/hosts/a"),
    ({"nodeAttrs": [{"target": ["tag:none"], "attr": ["funnel"]}]}, 'target=tag not found: "tag:none"', "/nodeAttrs/0/target/0"),
    ({"nodeAttrs": [{"target": ["*"], "ipPool": ["100.100.100.0/24"]}]}, "IPPool(100.100.100.0/24): network within reserved range", "/nodeAttrs/0/ipPool/0"),
    ({"autoApprovers": {"routes": {"x": []}}}, 'autoApprovers["x"]: invalid address "x"', "/autoApprovers/routes/x"),
    ({"autoApprovers": {"exitNode": ["tag:none"]}}, 'autoApprovers["exitNode"]: tag not found: "tag:none"', "/autoApprovers/exitNode/0"),
    ({"sshTests": [{"src": "a@example.com", "dst": ["100.64.0.0/24"]}]}, 'SSH tests dst contains disallowed element "100.64.0.0/24"', "/sshTests/0/dst/0"),
    ({"defaultSrcPosture": ["posture:x"]}, 'posture not found: "posture:x"', "/defaultSrcPosture/0"),
    ({"acls": 7}, "/acls: cannot read a number as a list", "/acls"),
    ({"randomizeClientPort": True, "groups": {"group:a": [7]}}, "/groups/group:a/0: cannot read a number as a string", "/groups/group:a/0"),
]  # fmt: skip


@pytest.mark.parametrize("policy, message, pointer", REFUSED, ids=[message for _, message, _ in REFUSED])
def test_a_refusal_has_the_words_and_the_place(policy: Json, message: str, pointer: str) -> None:
    text = json.dumps(policy, indent=1)
    with pytest.raises(PolicyError) as caught:
        read_policy(text)
    assert str(caught.value) == message
    assert caught.value.pointer == pointer
    assert caught.value.line is not None
    assert caught.value.column is not None
    assert 1 < caught.value.line <= len(text.splitlines())


TAKEN: list[Json] = [
    {},
    {"acls": [], "grants": []},
    {"acls": None, "groups": None, "tagOwners": None, "ssh": None, "tests": None},
    acl(src=[]),
    acl(action=" accept "),
    acl(proto="6"),
    acl(proto="icmp"),
    acl(dst=["tag:web:22,80-443", "100.64.0.1:22", "[fd7a:115c:a1e0::1]:22", "fd7a:115c:a1e0::1:22"]),
    acl(dst=["autogroup:self:*"]),
    acl(src=["autogroup:members"]),
    {"acls": [{"action": "accept", "users": ["*"], "ports": ["*:22"]}]},
    grant(ip=["47", "udp:53", "icmp:*", "*"]),
    grant(ip=[], app={"tailscale.com/cap/drive": [{"shares": ["*"]}]}),
    grant(app={"tailscale.com/cap/kubernetes": [{}], "example.com/cap/x": None}),
    grant(src=["autogroup:member"], dst=["autogroup:self"]),
    ssh(action=" check ", checkPeriod="always"),
    ssh(action="check", checkPeriod="0s"),
    ssh(action="check", checkPeriod="168h"),
    ssh(action="check", checkPeriod="1h30m"),
    ssh(src=[], dst=[]),
    ssh(users=[" root ", "group:foo", "localpart:*@example.com"]),
    {"tagOwners": {"tag:a": ["tag:b"], "tag:b": ["tag:a"]}},
    {"tests": [{"src": "", "accept": ["nobody:*"], "proto": "icmp"}, {}, {"src": "x", "proto": 6}]},
    {"sshTests": [{"src": "x", "dst": ["tag:none:22"]}]},
    {"nodeAttrs": [{}, {"target": ["*"], "attr": ["anything"]}, {"target": [], "attr": []}]},
    {"unknownSection": {"deep": [1, 2]}},
]


@pytest.mark.parametrize("policy", TAKEN, ids=[json.dumps(policy)[:70] for policy in TAKEN])
def test_what_is_taken(policy: Json) -> None:
    read_policy(json.dumps(policy))


def test_the_first_refusal_in_the_text_is_told() -> None:
    both = {**acl(action="deny"), **ssh(users=["*"])}
    with pytest.raises(PolicyError, match="deny"):
        read_policy(json.dumps(both))
    with pytest.raises(PolicyError, match=r"not valid$"):
        read_policy(json.dumps(dict(reversed(both.items()))))


def test_what_is_missing_is_noticed_where_the_entry_ends() -> None:
    with pytest.raises(PolicyError, match='"Accept" is not a valid action'):
        read_policy('{"ssh": [{"action": "Accept"}]}')
    with pytest.raises(PolicyError, match="users must be specified") as caught:
        read_policy('{"ssh": [\n{"action": "accept"}]}')
    assert (caught.value.pointer, caught.value.line, caught.value.column) == ("/ssh/0", 2, 1)


def test_node_attributes_of_self_are_told_apart() -> None:
    with pytest.raises(BreaksService, match="autogroup:member instead"):
        read_policy('{"acls": [{"action": "deny"}], "nodeAttrs": [{"target": ["autogroup:self"]}]}')


def test_a_name_that_stands_twice_is_refused_with_both_places() -> None:
    with pytest.raises(
        PolicyError, match="/groups stands twice, first at line 2, column 2 and again at line 3"
    ) as caught:
        read_policy('{\n "groups": {},\n "groups": {},\n}')
    assert (caught.value.pointer, caught.value.line) == ("/groups", 3)
    with pytest.raises(PolicyError, match="stands here twice"):
        read_policy('{"groups": {}, "Groups": {}}')


@pytest.mark.parametrize("text", ["{", "[]x", b"\xff", "{'a': 1}"])
def test_what_is_no_hujson_says_where(text: str | bytes) -> None:
    with pytest.raises(HuJSONError, match="hujson: line 1"):
        read_policy(text)


@pytest.mark.parametrize("text", ["7", "[]", "null", '"x"'])
def test_what_is_no_object_is_no_policy(text: str) -> None:
    with pytest.raises(PolicyError, match="as an object"):
        read_policy(text)


def test_refusals_equal_the_recorded_ones(reference_data: Any) -> None:
    refused = matched = 0
    for capture in captured.load_captures(reference_data):
        text = captured.policy_text(capture)
        if captured.runs_tests(capture):
            read_policy(text)
            continue
        refused += 1
        with pytest.raises(PolicyError) as caught:
            read_policy(text)
        matched += str(caught.value) == capture["api_error"]
    assert (refused, matched) == (25, 25)
