"""The policy file of the embedded tailnet: bytes, ETag, conditions, refusals, and the policy engine behind it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from tailscale_sdk.policy import hujson
from tailscale_sdk.testing import FakeTailnet
from tailscale_sdk.testing.policy_text import UNTOUCHED
from tests.contract.asking import Ask
from tests.contract.conftest import AskAs

pytestmark = pytest.mark.each_row

ACL = "/tailnet/-/acl"
HUJSON = {"Content-Type": "application/hujson", "Accept": "application/hujson"}
TEXT = '// kept\r\n{\t"acls": [], /* also */ "groups": {"group:a": ["a@example.com",],},}\r\n\r\n'
INVALID_HASH = (412, "precondition failed, invalid old hash")


def etag_of(text: str) -> str:
    return f'"{hashlib.sha256(hujson.format(text).encode()).hexdigest()}"'


def save(ask: Ask, text: str, **headers: str) -> Any:
    return ask("POST", ACL, content=text.encode(), headers={**HUJSON, **headers})


def test_the_seeded_policy_can_be_read_and_set(ask: Ask) -> None:
    first = ask("GET", ACL)
    assert first.headers["content-type"].startswith("application/hujson")
    assert b"// Policy of the demo tailnet" in first.content
    again = save(ask, first.text, **{"If-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (
        200,
        first.content,
        first.headers["etag"],
    )
    assert ask.ok("POST", f"{ACL}/validate", content=first.content, headers=HUJSON) == {}


def test_the_text_is_kept_byte_for_byte(ask: Ask) -> None:
    stored = save(ask, TEXT)
    assert (stored.status_code, stored.content) == (200, TEXT.encode())
    read = ask("GET", ACL)
    assert read.content == TEXT.encode()
    assert read.headers["etag"] == stored.headers["etag"] == etag_of(TEXT)
    assert ask.fake.snapshot()["policy"] == TEXT


def test_the_tag_is_that_of_the_content_not_of_the_layout(ask: Ask) -> None:
    save(ask, TEXT)
    before = ask("GET", ACL).headers["etag"]
    save(ask, hujson.format(TEXT))
    assert ask("GET", ACL).headers["etag"] == before
    save(ask, TEXT.replace("a@", "b@"))
    assert ask("GET", ACL).headers["etag"] != before


@pytest.mark.parametrize(
    "accept, kind",
    [
        ("application/json", "application/json"),
        ("application/json, application/hujson;q=0.5", "application/json"),
        ("*/*", "application/hujson"),
        ("application/hujson", "application/hujson"),
        ("application/json;q=0.1, application/hujson", "application/hujson"),
        ("application/json;q=x", "application/hujson"),
        ("text/html", "application/hujson"),
    ],
)
def test_the_form_is_that_of_accept(ask: Ask, accept: str, kind: str) -> None:
    asked = [lambda: save(ask, TEXT, Accept=accept), lambda: ask("GET", ACL, headers={"Accept": accept})]
    for answer in asked:
        response = answer()
        assert response.headers["content-type"] == kind
        assert response.headers["etag"] == etag_of(TEXT)


def test_json_has_no_comments_and_expanded_owners(ask: Ask) -> None:
    text = '{"groups": {"group:a": ["a@example.com", "b@example.com"]}, // note\n"tagOwners": {"tag:x": ["group:a", "a@example.com", "autogroup:admin"]}}'
    save(ask, text)
    assert ask.ok("GET", ACL, headers={"Accept": "application/json"}) == {
        "groups": {"group:a": ["a@example.com", "b@example.com"]},
        "tagOwners": {"tag:x": ["a@example.com", "b@example.com", "autogroup:admin"]},
    }


@pytest.mark.parametrize("value", ["true", "1"])
def test_details_carry_the_text_in_base64(ask: Ask, value: str) -> None:
    save(ask, TEXT)
    response = ask("GET", f"{ACL}?details={value}")
    assert response.json() == {
        "acl": base64.b64encode(TEXT.encode()).decode(),
        "warnings": [],
        "errors": None,
    }
    assert response.headers["etag"] == etag_of(TEXT)
    assert ask("GET", f"{ACL}?details=false").content == TEXT.encode()


def test_a_json_body_is_kept_as_it_came(ask: Ask) -> None:
    response = ask("POST", ACL, json={"acls": []})
    assert response.content == ask("GET", ACL).content == b'{"acls":[]}'


def test_if_match_guards_the_write(ask: Ask) -> None:
    old = ask("GET", ACL).headers["etag"]
    assert save(ask, TEXT, **{"If-Match": old}).status_code == 200
    response = save(ask, UNTOUCHED, **{"If-Match": old})
    assert (response.status_code, response.json()["message"]) == INVALID_HASH
    assert ask("GET", ACL).content == TEXT.encode()
    assert len(ask.fake.ledger.of("setPolicyFile")) == 1
    assert save(ask, UNTOUCHED).status_code == 200  # without the header the last writer wins


@pytest.mark.parametrize("form", ['"{}"', "{}", "W/{}", "*"])
def test_if_match_takes_exactly_one_pair_of_quotes(ask: Ask, form: str) -> None:
    quoted = ask("GET", ACL).headers["etag"]
    wrong = form.format(quoted if form != "{}" else quoted.strip('"'))
    response = save(ask, TEXT, **{"If-Match": wrong})
    assert (response.status_code, response.json()["message"]) == INVALID_HASH


def test_ts_default_fits_only_a_policy_never_changed() -> None:
    with FakeTailnet(snapshot={"devices": []}) as fake, Ask(fake) as ask:
        assert save(ask, TEXT, **{"If-Match": '"ts-default"'}).status_code == 200
        response = save(ask, TEXT, **{"If-Match": '"ts-default"'})
        assert (response.status_code, response.json()["message"]) == INVALID_HASH


def test_a_write_leaves_old_and_new_text_in_the_audit_log(ask: Ask) -> None:
    old = ask("GET", ACL).text
    save(ask, TEXT)
    event = ask.events()[-1]
    assert (event["action"], event["target"]["property"]) == ("UPDATE", "ACL")
    assert (event["old"], event["new"]) == (old, TEXT)


@pytest.mark.parametrize(
    "path", [ACL, f"{ACL}/validate", f"{ACL}/preview?type=user&previewFor=a@example.com"]
)
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "unexpected end of JSON input"),
        (b" \n", "unexpected end of JSON input"),
        (b"{", "the policy is not HuJSON: "),
        (b"{'a': 1}", "the policy is not HuJSON: "),
        (b"\xff\xfe{}", "the policy is not HuJSON: "),
        (b"[" * 100_000, "the policy is not HuJSON: "),
        (b"7", "policy: cannot read a number as an object"),
        (b"null", "policy: cannot read null as an object"),
    ],
)
def test_what_is_no_policy_is_refused(ask: Ask, path: str, content: bytes, message: str) -> None:
    status, text = ask.refused("POST", path, content=content, headers=HUJSON)
    assert status == 400
    other = path.endswith("validate") and content in {b"7", b"null"}
    assert text.startswith("send a policy as an object" if other else message)


def test_an_error_of_syntax_names_its_place(ask: Ask) -> None:
    text = ask.refused("POST", ACL, content=b'{\n  "acls": [,],\n}', headers=HUJSON)[1]
    assert "line 2" in text


ACCEPT = {"action": "accept", "src": ["*"], "dst": ["*:*"]}
OWNERS = {"tag:server": ["autogroup:admin"], "tag:client": []}
# The refusals of the service that can be seen without evaluating a policy; every text but those of the
# wrong kind of value is the service's.
REFUSALS: list[tuple[dict[str, Any], str]] = [
    (
        {"acls": [{**ACCEPT, "src": ["autogroup:self"]}]},
        '"autogroup:self" not valid on the src side of a rule',
    ),
    (
        {"acls": [{**ACCEPT, "dst": ["autogroup:self"]}]},
        'dst="autogroup:self": port range "self": invalid first integer',
    ),
    (
        {"acls": [{**ACCEPT, "dst": ["tag:server:ssh"]}], "tagOwners": OWNERS},
        'dst="tag:server:ssh": port range "ssh": invalid first integer',
    ),
    (
        {"acls": [{**ACCEPT, "dst": ["*:22-ssh"]}]},
        'dst="*:22-ssh": port range "22-ssh": invalid last integer',
    ),
    ({"acls": [{**ACCEPT, "dst": ["*"]}]}, 'dst="*": hostport must contain a colon (":")'),
    (
        {
            "acls": [ACCEPT, {**ACCEPT, "src": ["tag:client"], "dst": ["autogroup:self:22"]}],
            "tagOwners": OWNERS,
        },
        "autogroup:self can only be used with users, groups, or supported autogroups",
    ),
    (
        {"grants": [{"src": ["*"], "dst": ["autogroup:self"], "ip": ["*"]}]},
        "autogroup:self can only be used with users, groups, or supported autogroups",
    ),
    (
        {"grants": [{"src": ["autogroup:tagged"], "dst": ["autogroup:self"], "ip": ["*"]}]},
        "autogroup:self can only be used with users, groups, or supported autogroups",
    ),
    (
        {"grants": [{"src": ["tag:nonexistent"], "dst": ["*"]}], "tagOwners": OWNERS},
        'src=tag not found: "tag:nonexistent"',
    ),
    ({"acls": [{**ACCEPT, "dst": ["tag:gone:22"]}]}, 'dst=tag not found: "tag:gone"'),
    (
        {"grants": [{"src": ["*"], "dst": ["autogroup:danger-all"], "ip": ["*"]}]},
        "cannot use autogroup:danger-all as a dst",
    ),
    (
        {"grants": [{"src": ["*"], "dst": ["0.0.0.0/0"], "ip": ["tcp:80"]}]},
        'dst "0.0.0.0/0": to allow all IP addresses, use "*" or "autogroup:internet"',
    ),
    (
        {"grants": [{"src": ["*"], "dst": ["*"], "app": {"tailscale.com/cap/relay-target": [{}]}}]},
        "capability name must not be in the tailscale.com domain",
    ),
    (
        {"grants": [{"src": ["*"], "dst": ["*"], "app": {"https://tailscale.com/cap/ingress": [{}]}}]},
        "capability name must have the form {domain}/{path}",
    ),
    (
        {"groups": {"group:a": ["group:b"], "group:b": ["group:a"]}},
        'groups["group:b"]: "group:a": group members cannot be recursive',
    ),
    (
        {"nodeAttrs": [{"target": ["*"], "ipPool": ["100.100.100.0/24"]}]},
        "IPPool(100.100.100.0/24): network within reserved range",
    ),
    (
        {"hosts": {"net": "10.0.0.0/8"}, "ssh": [{"action": "accept", "dst": ["net"], "users": []}]},
        'invalid dst "net"',
    ),
    ({"ssh": [{"action": "Accept", "users": ["root"]}]}, '"Accept" is not a valid action'),
    ({"ssh": [{"users": ["root"]}]}, "action must be specified"),
    ({"ssh": [{"action": "check", "users": None}]}, "users must be specified"),
    ({"ssh": [{"action": " accept ", "users": [""]}]}, 'user "" is not valid'),
    ({"ssh": [{"action": "accept", "users": ["root", "*"]}]}, 'user "*" is not valid'),
    (
        {"sshTests": [{"src": "a@example.com", "dst": ["100.64.0.0/24"]}]},
        'SSH tests dst contains disallowed element "100.64.0.0/24"',
    ),
    ({"acls": [{**ACCEPT, "action": "deny"}]}, '"deny" is not a valid action'),
    ({"tagOwners": {"tag:1": []}}, "tag names must start with a letter, after 'tag:'"),
    ({"acls": {}}, "/acls: cannot read an object as a list"),
    ({"acls": [7]}, "/acls/0: cannot read a number as an object"),
    ({"acls": [{**ACCEPT, "src": "*"}]}, "/acls/0/src: cannot read a string as a list"),
    ({"grants": [7]}, "/grants/0: cannot read a number as an object"),
    ({"grants": [{"app": []}]}, "/grants/0/app: cannot read a list as an object"),
    ({"ssh": [7]}, "/ssh/0: cannot read a number as an object"),
    ({"groups": []}, "/groups: cannot read a list as an object"),
    ({"groups": {"group:a": "a@example.com"}}, "/groups/group:a: cannot read a string as a list"),
    ({"hosts": []}, "/hosts: cannot read a list as an object"),
    ({"hosts": {"a": 1}}, "/hosts/a: cannot read a number as a string"),
    ({"nodeAttrs": [7]}, "/nodeAttrs/0: cannot read a number as an object"),
    ({"nodeAttrs": [{"attr": 7}]}, "/nodeAttrs/0/attr: cannot read a number as a list"),
    (
        {"nodeAttrs": [{"target": ["*"], "ipPool": ["nonsense"]}]},
        'IPPool(nonsense): invalid address "nonsense"',
    ),
    ({"tests": {}}, "/tests: cannot read an object as a list"),
    ({"sshTests": [7]}, "/sshTests/0: cannot read a number as an object"),
]


@pytest.mark.parametrize("policy, message", REFUSALS, ids=[message for _, message in REFUSALS])
def test_a_policy_the_service_refuses(ask: Ask, policy: dict[str, Any], message: str) -> None:
    before = ask("GET", ACL).content
    assert ask.refused("POST", ACL, json=policy) == (400, message)
    assert ask.ok("POST", f"{ACL}/validate", json=policy) == {"message": message}
    assert ask.refused("POST", f"{ACL}/preview?type=user&previewFor=x", json=policy) == (400, message)
    assert ask("GET", ACL).content == before


LEGAL: list[dict[str, Any]] = [
    {},
    {"acls": None, "unknownSection": 7},
    {"acls": [{**ACCEPT, "dst": ["autogroup:self:*"]}]},
    {"acls": [{"action": "accept", "users": ["a@example.com"], "ports": ["100.64.0.1:22,80-443"]}]},
    {"acls": [{**ACCEPT, "dst": ["fd7a:115c:a1e0::1:443"]}]},
    {"acls": [{**ACCEPT, "src": []}]},
    {
        "grants": [
            {"src": ["autogroup:member"], "dst": ["autogroup:self"], "app": {"example.com/cap/x": [{}]}}
        ]
    },
    {"grants": [{"src": ["*"], "dst": ["*"], "app": {"tailscale.com/cap/drive": [{}]}}]},
    {"ssh": [{"action": "check", "src": [], "users": ["root"]}]},
    {"nodeAttrs": [{"target": ["*"], "attr": ["funnel"], "ipPool": ["100.81.0.0/16"]}]},
    {"tests": [], "sshTests": [], "autoApprovers": {}},
]


@pytest.mark.parametrize("policy", LEGAL, ids=[json.dumps(policy) for policy in LEGAL])
def test_a_policy_the_service_takes(ask: Ask, policy: dict[str, Any]) -> None:
    assert ask.ok("POST", f"{ACL}/validate", json=policy) == {}
    assert ask.ok("POST", ACL, json=policy, headers={"Accept": "application/json"}) == policy


def test_the_first_problem_in_document_order_is_told(ask: Ask) -> None:
    groups, ssh = {"group:a": 7}, [{"action": "Accept"}]
    assert (
        ask.refused("POST", ACL, json={"ssh": ssh, "groups": groups})[1] == '"Accept" is not a valid action'
    )
    assert ask.refused("POST", ACL, json={"groups": groups, "ssh": ssh})[1].startswith(
        "/groups/group:a: cannot"
    )


def test_node_attributes_of_self_break_the_service(ask: Ask) -> None:
    policy = {"nodeAttrs": [{"target": ["autogroup:self"], "attr": ["funnel"]}]}
    assert ask.refused("POST", ACL, json=policy) == (500, "internal server error")


WEB_POLICY = """{
  "tagOwners": {"tag:server": []},
  "grants": [
    {"src": ["alice@example.com"], "dst": ["tag:server"], "ip": ["tcp:22"]},
    {"src": ["group:ops"], "dst": ["10.0.0.0/8"], "ip": ["*"], "via": ["tag:server"]},
  ],
  "groups": {"group:ops": ["bob@example.com"]},
}"""


def test_tests_are_run_when_a_policy_is_stored(ask: Ask) -> None:
    good = {"src": "alice@example.com", "accept": ["tag:server:22"], "deny": ["tag:server:23"]}
    bad = {"src": "alice@example.com", "accept": ["tag:server:23"]}
    policy = {**hujson.parse(WEB_POLICY).data(), "tests": [good]}
    assert ask.ok("POST", f"{ACL}/validate", json=policy) == {}
    assert ask("POST", ACL, json=policy).status_code == 200
    before = ask("GET", ACL).content
    failing = {**policy, "tests": [good, bad]}
    answer = {
        "message": "test(s) failed",
        "data": [
            {"user": "alice@example.com", "errors": ['address "tag:server:23": want: Accept, got: Drop']}
        ],
    }
    assert ask.ok("POST", f"{ACL}/validate", json=failing) == answer
    refused = ask("POST", ACL, json=failing)
    assert (refused.status_code, refused.json()) == (400, answer)
    assert ask("GET", ACL).content == before


def test_ssh_tests_are_run_too(ask: Ask) -> None:
    policy = {
        "tagOwners": {"tag:server": []},
        "ssh": [
            {"action": "check", "src": ["alice@example.com"], "dst": ["tag:server"], "users": ["ubuntu"]}
        ],
        "sshTests": [
            {"src": "alice@example.com", "dst": ["tag:server"], "check": ["ubuntu"], "deny": ["root"]}
        ],
    }
    assert ask.ok("POST", f"{ACL}/validate", json=policy) == {}
    policy["sshTests"] = [{"src": "alice@example.com", "dst": ["tag:server"], "accept": ["ubuntu"]}]
    assert ask.ok("POST", f"{ACL}/validate", json=policy)["message"] == "test(s) failed"


def test_an_array_of_tests_runs_against_the_stored_policy(ask: Ask) -> None:
    save(ask, WEB_POLICY)
    tests = [{"src": "alice@example.com", "accept": ["tag:server:22"]}]
    assert ask.ok("POST", f"{ACL}/validate", json=tests) == {}
    tests[0]["accept"] = ["tag:server:80"]
    assert ask.ok("POST", f"{ACL}/validate", json=tests)["message"] == "test(s) failed"
    assert ask.ok("POST", f"{ACL}/validate", json=[]) == {}
    assert ask.refused("POST", f"{ACL}/validate", json=[{"accept": []}]) == (
        400,
        "test 0 must be an object with src, the source as a string",
    )
    bad = [tests[0], {"src": "a@example.com", "deny": [{}]}]
    assert ask.refused("POST", f"{ACL}/validate", json=bad) == (
        400,
        "test 1: every entry of deny must be a string",
    )


def test_a_policy_approves_routes_that_wait(ask: Ask) -> None:
    waiting = next(
        device
        for device in ask.fake.snapshot()["devices"]
        if device.get("tags") and set(device.get("advertisedRoutes") or ()) - set(device["enabledRoutes"])
    )
    route = next(r for r in waiting["advertisedRoutes"] if r not in waiting["enabledRoutes"])
    tag = waiting["tags"][0]
    routes = f"/device/{waiting['nodeId']}/routes"
    policy = {"tagOwners": {tag: []}, "acls": [], "autoApprovers": {"routes": {"192.0.2.0/24": [tag]}}}
    ask.ok("POST", ACL, json=policy, headers={"Accept": "application/json"})
    assert route not in ask.ok("GET", routes)["enabledRoutes"]
    approved = {"routes": {route: [tag]}, "exitNode": [tag]}
    ask.ok("POST", ACL, json={**policy, "autoApprovers": approved}, headers={"Accept": "application/json"})
    assert route in ask.ok("GET", routes)["enabledRoutes"]
    approvals = [event for event in ask.events() if event["target"].get("property") == "ALLOWED_IPS"]
    assert any(route in event["new"] for event in approvals)


def preview(ask: Ask, kind: str, preview_for: str) -> Any:
    path = f"{ACL}/preview?type={kind}&previewFor={preview_for}"
    return ask.ok("POST", path, content=WEB_POLICY.encode(), headers=HUJSON)


def test_preview_names_the_rules_about_a_user(ask: Ask) -> None:
    assert preview(ask, "user", "alice@example.com")["matches"] == [
        {"users": ["alice@example.com"], "ports": ["tag:server:22"], "lineNumber": 4}
    ]
    assert preview(ask, "user", "bob@example.com")["matches"] == [
        {"users": ["group:ops"], "ports": ["10.0.0.0/8:*"], "lineNumber": 5, "via": ["tag:server"]}
    ]
    assert preview(ask, "user", "nobody@example.com")["matches"] == []


def test_preview_names_the_rules_about_an_address(ask: Ask) -> None:
    lines = [match["lineNumber"] for match in preview(ask, "ipport", "10.1.2.3:443")["matches"]]
    assert lines == [5]
    server = next(d for d in ask.fake.snapshot()["devices"] if "tag:server" in (d.get("tags") or ()))
    for port, expected in ((22, [4]), (23, [])):
        found = preview(ask, "ipport", f"{server['addresses'][0]}:{port}")["matches"]
        assert [match["lineNumber"] for match in found] == expected
    path = f"{ACL}/preview?type=ipport&previewFor=nonsense"
    assert ask.refused("POST", path, content=WEB_POLICY.encode(), headers=HUJSON)[0] == 400


def test_preview_checks_its_query(ask: Ask) -> None:
    body = {"json": {}}
    assert ask.refused("POST", f"{ACL}/preview", **body) == (400, "type must be one of ipport, user")
    assert ask.refused("POST", f"{ACL}/preview?type=node&previewFor=x", **body)[0] == 400
    assert ask.refused("POST", f"{ACL}/preview?type=user", **body)[1].startswith("previewFor is missing")


def test_validate_and_preview_store_nothing(ask: Ask) -> None:
    before = ask("GET", ACL).content
    ask.ok("POST", f"{ACL}/validate", json={"acls": []})
    ask.ok("POST", f"{ACL}/preview?type=user&previewFor=x", json={"acls": []})
    assert ask("GET", ACL).content == before
    assert len(ask.fake.ledger) == 0


@pytest.mark.parametrize("depth", [50, 400, 5_000])
def test_a_deep_policy_breaks_nothing(ask: Ask, depth: int) -> None:
    content = b'{"deep": ' + b"[" * depth + b"]" * depth + b"}"
    stored = ask("POST", ACL, content=content, headers={"Accept": "application/json"})
    read = ask("GET", ACL, headers={"Accept": "application/json"})
    assert {stored.status_code, read.status_code} <= {200, 400}


def test_numbers_and_half_characters_of_a_policy_survive_as_json(ask: Ask) -> None:
    content = b'{"big": 123456789012345678901234567890, "half": "\\ud800"}'
    assert ask("POST", ACL, content=content, headers=HUJSON).content == content
    view = ask("GET", ACL, headers={"Accept": "application/json"})
    assert view.content == content.replace(b": ", b":").replace(b", ", b",")


def test_scopes(ask_as: AskAs) -> None:
    reader = ask_as(kind="tailnet", scopes=["policy_file:read"])
    assert reader("GET", ACL).status_code == 200
    assert reader.ok("POST", f"{ACL}/validate", json={}) == {}
    assert reader.refused("POST", ACL, json={})[0] == 403


def test_a_policy_that_is_no_hujson_can_come_from_a_snapshot_only() -> None:
    with FakeTailnet(snapshot={"devices": [], "policy": "{ not a policy"}) as fake, Ask(fake) as ask:
        assert ask("GET", ACL).text == "{ not a policy"
        assert ask.refused("GET", ACL, headers={"Accept": "application/json"})[0] == 500
