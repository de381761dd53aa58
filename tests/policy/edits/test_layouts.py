"""Edits of policies in any layout: every byte that is not concerned stays, and the way back gives the same bytes."""

from __future__ import annotations

from os.path import commonprefix
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailscale_sdk.errors import TailscaleError
from tailscale_sdk.policy import edits as kinds
from tailscale_sdk.policy import hujson
from tailscale_sdk.policy.edits import Edit, edited, operations_of, undoing
from tests.hujson_texts import EXTRAS

GRANT = {"src": ["group:dev"], "dst": ["tag:web"], "ip": ["443"]}
ACL = {"action": "accept", "src": ["*"], "dst": ["tag:web:22"]}
TEST = {"src": "a@example.com", "accept": ["tag:web:22"]}
SPELLINGS = st.sampled_from([str, str, str, str.lower, str.upper])


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Draw a policy whose every gap holds anything that may stand there, and whose sections come in any order."""
    gap = lambda: draw(EXTRAS)  # noqa: E731  # one letter less to read, a dozen times

    def listed(*values: str) -> str:
        inside = ",".join(f"{gap()}{value}{gap()}" for value in values)
        return f"[{inside}{draw(st.sampled_from(['', ','])) if values else ''}{gap()}]"

    def named(**values: str) -> str:
        inside = ",".join(f'{gap()}"{name}"{gap()}:{gap()}{value}{gap()}' for name, value in values.items())
        return f"{{{inside}{draw(st.sampled_from(['', ','])) if values else ''}{gap()}}}"

    sections = {
        "groups": named(
            **{"group:dev": listed('"a@example.com"', '"b@example.com"'), "group:none": listed()}
        ),
        "tagOwners": named(**{"tag:web": listed('"group:dev"')}),
        "hosts": named(lab='"10.0.0.1"'),
        "acls": listed(named(action='"accept"', src=listed('"*"'), dst=listed('"tag:web:22"'))),
        "autoApprovers": named(routes=named(**{"10.0.0.0/8": listed('"tag:web"')})),
        "tests": listed(),
    }
    left = draw(st.permutations([name for name in sections if draw(st.integers(0, 3)) or name == "groups"]))
    chosen = {draw(SPELLINGS)(name): sections[name] for name in left}
    return f"{gap()}{named(**chosen)}{gap()}"


NAMES = st.sampled_from(["c@example.com", "d@example.com", 'quo"ted@example.com', "ü@example.com"])
NEW: st.SearchStrategy[Edit] = st.one_of(
    st.builds(kinds.AddMember, st.sampled_from(["group:dev", "group:none"]), NAMES),
    st.builds(kinds.CreateGroup, st.just("group:new"), st.lists(NAMES, max_size=2, unique=True)),
    st.builds(kinds.AddTagOwner, st.sampled_from(["tag:web", "tag:new"]), NAMES),
    st.builds(kinds.SetHost, st.just("net"), st.just("10.0.0.0/8")),
    st.builds(kinds.AddRouteApprover, st.sampled_from(["10.0.0.0/8", "10.1.0.0/16"]), NAMES),
    st.builds(kinds.AddGrant, st.just(GRANT)),
    st.builds(kinds.AddACL, st.just({**ACL, "src": ["tag:web"]})),
    st.builds(kinds.AddTest, st.just(TEST)),
    st.builds(kinds.AddSSHTest, st.just({"src": "a@example.com", "dst": ["tag:web"]})),
)
OLD: st.SearchStrategy[Edit] = st.one_of(
    st.builds(kinds.RemoveMember, st.just("group:dev"), st.sampled_from(["a@example.com", "b@example.com"])),
    st.builds(kinds.RemoveGroup, st.sampled_from(["group:dev", "group:none"])),
    st.builds(kinds.RemoveTagOwner, st.just("tag:web"), st.just("group:dev")),
    st.builds(kinds.RemoveHost, st.just("lab")),
    st.builds(kinds.SetHost, st.just("lab"), st.just("10.0.0.2")),
    st.builds(kinds.RemoveRouteApprover, st.just("10.0.0.0/8"), st.just("tag:web")),
    st.builds(kinds.RemoveACL, st.just(ACL)),
)
BACK: dict[type, Any] = {
    kinds.AddMember: lambda edit: kinds.RemoveMember(edit.group, edit.user),
    kinds.AddGrant: lambda edit: kinds.RemoveGrant(edit.rule),
    kinds.AddACL: lambda edit: kinds.RemoveACL(edit.rule),
    kinds.SetHost: lambda edit: kinds.RemoveHost(edit.host),
    kinds.CreateGroup: lambda edit: kinds.RemoveGroup(edit.group),
}
BLANKS = " \t\r\n"
many = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))


def kept_around(old: str, new: str) -> tuple[str, str]:
    """Return what two texts have in common at their beginning, and behind that at their end."""
    begin = commonprefix([old, new])  # noqa: RUF071  # texts and no paths
    behind = [text[len(begin) :][::-1] for text in (old, new)]
    end = commonprefix(behind)[::-1]  # noqa: RUF071  # texts and no paths
    return begin, end


def put_in(old: str, new: str) -> tuple[str, int]:
    """Return what stands in a new text where the old one has something else, and where that begins."""
    begin, end = kept_around(old, new)
    return new[len(begin) : len(new) - len(end)], len(begin)


@many
@given(policies(), NEW)
def test_what_is_added_is_put_in_at_one_place(text: str, edit: Edit) -> None:
    new = edited(text, [edit])
    begin, end = kept_around(text, new)
    if begin + end != text:
        # The comma stands right behind what was the last, and the comments of that one before what comes in.
        assert new[len(begin)] == ","
        begin, end = kept_around(text, new[: len(begin)] + new[len(begin) + 1 :])
    assert begin + end == text
    assert hujson.parse(new).data() != hujson.parse(text).data()


@many
@given(policies(), OLD)
def test_what_is_taken_out_leaves_all_around_it(text: str, edit: Edit) -> None:
    new = edited(text, [edit])
    assert operations_of(new, [edit]) == []
    came, begin = put_in(text, new)
    if isinstance(edit, kinds.SetHost):
        # An address in place of another one; or the whole section, where there was none.
        assert came == "2" if '"10.0.0.1"' in text else edit.address in came
        return
    if came.strip(BLANKS):
        # The last one goes, and with it the comma behind the one before, whose comments stay.
        assert text[begin] == ","
        came, _ = put_in(text[:begin] + text[begin + 1 :], new)
    assert came.strip(BLANKS) == ""


@many
@given(policies(), st.one_of(NEW, OLD))
def test_an_edit_made_twice_is_made_once(text: str, edit: Edit) -> None:
    once = edited(text, [edit])
    assert edited(once, [edit]) == once


@many
@given(policies(), st.lists(NEW, max_size=4, unique_by=type))
def test_the_way_back_gives_the_same_bytes(text: str, edits: list[Edit]) -> None:
    operations = operations_of(text, edits)
    new = hujson.patch(text, operations)
    assert hujson.patch(new, undoing(text, operations)) == text


@many
@given(policies(), NEW)
def test_the_opposite_intent_gives_the_same_policy(text: str, edit: Edit) -> None:
    if type(edit) not in BACK:
        return
    new = edited(edited(text, [edit]), [BACK[type(edit)](edit)])
    before, after = hujson.parse(text).data(), hujson.parse(new).data()
    # A section that was made for the edit stays, empty.
    assert {name: value for name, value in after.items() if name in before} == before
    assert all(after[name] in ({}, []) for name in after.keys() - before.keys())


@pytest.mark.parametrize("text", ["\ufeff{}", "{} x", "[]", "null", ""])
def test_what_is_no_policy_is_not_edited(text: str) -> None:
    with pytest.raises(TailscaleError):
        edited(text, [kinds.AddGrant(GRANT)])
