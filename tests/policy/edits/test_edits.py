"""Edits by intent: what they change, that every other byte stays, and the way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailscale_sdk.errors import HuJSONError, PolicyError
from tailscale_sdk.policy import edits as kinds
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.edits import Edit, PatchText, edited, operations_of, undoing

pytestmark = pytest.mark.each_row

TEXT = """// head
{
\t"groups": {
\t\t"group:dev": [
\t\t\t"alice@example.com", // lead
\t\t\t"bob@example.com",
\t\t],
\t},
\t"tagOwners": {"tag:web": ["group:dev"]},
\t"hosts": {"lab": "10.0.0.1"},
\t/* rules */
\t"acls": [{"action": "accept", "src": ["*"], "dst": ["lab:22"]}],
\t"autoApprovers": {"routes": {"10.0.0.0/8": ["tag:web"]}},
}
"""
GRANT = {"src": ["group:dev"], "dst": ["tag:web"], "ip": ["443"]}
ACL = {"action": "accept", "src": ["*"], "dst": ["lab:22"]}
TEST = {"src": "alice@example.com", "accept": ["lab:22"]}
CASES: list[tuple[Edit, str, Any]] = [
    (kinds.AddMember("group:dev", "eve@example.com"), "/groups/group:dev/2", "eve@example.com"),
    (kinds.RemoveMember("group:dev", "alice@example.com"), "/groups/group:dev", ["bob@example.com"]),
    (kinds.CreateGroup("group:ops", ["eve@example.com"]), "/groups/group:ops", ["eve@example.com"]),
    (kinds.RemoveGroup("group:dev"), "/groups", {}),
    (kinds.SetHost("lab", "10.0.0.2"), "/hosts/lab", "10.0.0.2"),
    (kinds.SetHost("net", "10.0.0.0/8"), "/hosts/net", "10.0.0.0/8"),
    (kinds.RemoveHost("lab"), "/hosts", {}),
    (kinds.AddTagOwner("tag:web", "eve@example.com"), "/tagOwners/tag:web/1", "eve@example.com"),
    (kinds.AddTagOwner("tag:new", "group:dev"), "/tagOwners/tag:new", ["group:dev"]),
    (kinds.RemoveTagOwner("tag:web", "group:dev"), "/tagOwners/tag:web", []),
    (kinds.AddRouteApprover("10.0.0.0/8", "group:dev"), "/autoApprovers/routes/10.0.0.0~18/1", "group:dev"),
    (kinds.AddRouteApprover("192.0.2.0/24", "tag:web"), "/autoApprovers/routes/192.0.2.0~124", ["tag:web"]),
    (kinds.RemoveRouteApprover("10.0.0.0/8", "tag:web"), "/autoApprovers/routes/10.0.0.0~18", []),
    (kinds.AddGrant(GRANT), "/grants", [GRANT]),
    (kinds.AddACL({**ACL, "src": ["tag:web"]}), "/acls/1", {**ACL, "src": ["tag:web"]}),
    (kinds.RemoveACL(ACL), "/acls", []),
    (kinds.AddTest(TEST), "/tests/0", TEST),
    (kinds.AddSSHTest({"src": "x", "dst": ["tag:web"]}), "/sshTests/0", {"src": "x", "dst": ["tag:web"]}),
    (PatchText([{"op": "replace", "path": "/hosts/lab", "value": "10.0.0.9"}]), "/hosts/lab", "10.0.0.9"),
]
IDS = [type(edit).__name__ for edit, _, _ in CASES]


@pytest.mark.parametrize("edit, pointer, value", CASES, ids=IDS)
def test_an_edit_does_what_it_says(edit: Edit, pointer: str, value: Any) -> None:
    assert hujson.find(edited(TEXT, [edit]), pointer) == value


@pytest.mark.parametrize("edit, pointer, value", CASES[:-1], ids=IDS[:-1])
def test_an_edit_made_twice_is_made_once(edit: Edit, pointer: str, value: Any) -> None:
    once = edited(TEXT, [edit])
    assert edited(once, [edit]) == once
    assert operations_of(once, [edit]) == []


@pytest.mark.parametrize("edit, pointer, value", CASES, ids=IDS)
def test_comments_and_all_other_bytes_stay(edit: Edit, pointer: str, value: Any) -> None:
    for text in (TEXT, TEXT.replace("\n", "\r\n"), TEXT.rstrip("\n")):
        new = edited(text, [edit])
        assert new.startswith(text.split("{", 1)[0])
        assert ("/* rules */" in new, new.endswith("\n"), "\r\n" in new) == (
            True,
            text.endswith("\n"),
            "\r\n" in text,
        )
        left = [line for line in text.splitlines() if line in new.splitlines()]
        assert len(left) >= len(text.splitlines()) - 5


@pytest.mark.parametrize("edit, pointer, value", CASES, ids=IDS)
def test_every_edit_can_be_taken_back(edit: Edit, pointer: str, value: Any) -> None:
    operations = operations_of(TEXT, [edit])
    new = hujson.patch(TEXT, operations)
    assert hujson.parse(hujson.patch(new, undoing(TEXT, operations))).data() == hujson.parse(TEXT).data()


@pytest.mark.parametrize("edit, pointer, value", CASES[2:3] + CASES[7:10] + CASES[13:15] + CASES[16:18])
def test_a_section_that_is_null_is_as_good_as_none(edit: Edit, pointer: str, value: Any) -> None:
    section = pointer.split("/")[1]
    new = edited(f'{{"{section}": null, "randomizeClientPort": true}}', [edit])
    assert hujson.find(new, "/randomizeClientPort") is True
    if not isinstance(edit, kinds.RemoveTagOwner):
        assert hujson.find(new, f"/{section}")


def test_a_member_in_another_spelling_of_its_section_is_found() -> None:
    assert edited('{"Hosts": {"lab": "10.0.0.1"}}', [kinds.RemoveHost("lab")]) == '{"Hosts": {}}'
    added = edited('{"GROUPS": {"group:a": null}}', [kinds.AddMember("group:a", "x@example.com")])
    assert hujson.find(added, "/GROUPS/group:a") == ["x@example.com"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "move", "from": "/hosts/lab", "path": "/hosts/moved"},
        {"op": "move", "from": "/hosts/lab", "path": "/groups"},
        {"op": "copy", "from": "/hosts/lab", "path": "/hosts/copied"},
        {"op": "add", "path": "/groups/group:dev/0", "value": "first@example.com"},
        {"op": "test", "path": "/hosts/lab", "value": "10.0.0.1"},
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_operations_given_as_they_are_can_be_taken_back(operation: dict[str, Any]) -> None:
    new = hujson.patch(TEXT, [operation])
    again = hujson.patch(new, undoing(TEXT, [operation]))
    assert hujson.parse(again).data() == hujson.parse(TEXT).data()


def test_several_edits_see_each_other() -> None:
    new = edited(TEXT, [kinds.CreateGroup("group:ops"), kinds.AddMember("group:ops", "eve@example.com")])
    assert hujson.find(new, "/groups/group:ops") == ["eve@example.com"]


REFUSED: list[tuple[Edit, str, type[Exception], str]] = [
    (kinds.AddMember("group:none", "x@example.com"), TEXT, PolicyError, "there is no group:none"),
    (kinds.CreateGroup("group:dev", ["x@example.com"]), TEXT, PolicyError, "exists with other members"),
    (
        kinds.AddMember("group:dev", "x@example.com"),
        '{"groups": {}, "groups": {}}',
        PolicyError,
        "stands twice",
    ),
    (kinds.AddGrant(GRANT), "[]", PolicyError, "is no object"),
    (kinds.AddGrant(GRANT), "{", HuJSONError, "hujson"),
    (kinds.AddGrant(GRANT), '{"grants": 7}', PolicyError, "grants"),
    (kinds.SetHost("a", "10.0.0.1"), '{"hosts": []}', PolicyError, "is no object"),
    (
        kinds.AddGrant(GRANT),
        '{"grants": [],\n"Grants": []}',
        PolicyError,
        "two spellings, in line 1 and line 2",
    ),
    (PatchText([{"op": "remove", "path": "/none"}]), TEXT, HuJSONError, "value not found"),
]


@pytest.mark.parametrize("edit, text, error, words", REFUSED)
def test_what_cannot_be_done_says_why(edit: Edit, text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        edited(text, [edit])


@pytest.mark.parametrize(
    "make",
    [
        lambda: kinds.AddMember("dev", "x@example.com"),
        lambda: kinds.AddMember("group:", "x@example.com"),
        lambda: kinds.AddMember("group:dev", ""),
        lambda: kinds.AddMember("group:dev", " x"),
        lambda: kinds.AddTagOwner("web", "x"),
        lambda: kinds.SetHost("lab", "nowhere"),
        lambda: kinds.AddRouteApprover("x", "tag:web"),
    ],
)
def test_names_that_cannot_be_are_refused_at_once(make: Any) -> None:
    with pytest.raises(ValueError):  # each names its own problem
        make()


def test_members_are_a_list_and_no_text() -> None:
    with pytest.raises(TypeError, match="not one text"):
        kinds.CreateGroup("group:x", "alice@example.com")  # type: ignore[arg-type]


NAMES = st.sampled_from(["a@example.com", "b@example.com", "c@example.com"])
GROUPS = st.sampled_from(["group:dev", "group:ops"])
ADDITIONS = st.one_of(
    st.builds(kinds.AddMember, st.just("group:dev"), NAMES),
    st.builds(kinds.AddTagOwner, st.sampled_from(["tag:web", "tag:x"]), NAMES),
    st.builds(kinds.SetHost, st.sampled_from(["lab", "x"]), st.sampled_from(["10.0.0.1", "10.9.0.0/16"])),
    st.builds(lambda ports: kinds.AddGrant({**GRANT, "ip": [ports]}), st.sampled_from(["1", "2"])),
    st.builds(kinds.AddRouteApprover, st.sampled_from(["10.0.0.0/8", "10.1.0.0/16"]), NAMES),
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ADDITIONS, max_size=4), st.booleans())
def test_an_edit_and_its_inverse_give_the_original_bytes(edits: list[Edit], windows: bool) -> None:
    text = TEXT.replace("\n", "\r\n") if windows else TEXT
    operations = operations_of(text, edits)
    new = hujson.patch(text, operations)
    assert hujson.patch(new, undoing(text, operations)) == text
    assert json.loads(hujson.minimize(new)) == hujson.parse(new).data()
