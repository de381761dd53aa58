"""Policy writes before they leave: guarded by a version, checked by the service, kept on the disk."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tailscale_sdk.changes import LocalState
from tailscale_sdk.changes.disk import Disk
from tailscale_sdk.changes.state_directory import StateDirectory
from tailscale_sdk.errors import (
    APIConnectionError,
    PolicyError,
    PreconditionFailedError,
    ServerError,
    StateError,
)
from tailscale_sdk.testing.policy_text import policy_etag
from tests.changes.engine.policies import MINE, edit, somebody_else, stored, writes
from tests.changes.engine.support import World, world


def test_every_write_names_the_version_it_is_based_on(either: World) -> None:
    base = policy_etag(stored(either))
    for given in (
        {"if_match": base},
        {"if_match": f'"{base}"'},
        {"if_match": f'W/"{base}"'},
        {"overwrite": True},
    ):
        call = either.plan("setPolicyFile", {"policy": stored(either) + MINE, **given}).items[0].call
        assert dict(call.request.headers)["If-Match"] == f'"{base}"'
    with pytest.raises(PolicyError, match="if_match"):
        either.plan("setPolicyFile", {"policy": stored(either) + MINE})
    assert writes(either) == 0


def with_etag(made: World, value: str | None) -> None:
    """Let the next read of the policy carry another version tag, or none."""
    headers = {"Content-Type": "application/hujson", **({"ETag": value} if value is not None else {})}
    made.tailnet.faults.add(
        {
            "operation": "getPolicyFile",
            "nth": 1,
            "fault": {"status": 200, "headers": headers, "body": stored(made)},
        }
    )


@pytest.mark.parametrize("form", ['"{}"', '""{}""', 'W/"{}"', "{}"])
def test_a_version_tag_in_any_dress_is_one_pair_of_quotes_when_sent(here: World, form: str) -> None:
    with_etag(here, form.format(policy_etag(stored(here))))
    report = here.apply(here.plan("setPolicyFile", edit(here)))
    assert (report.items[0].outcome, report.items[0].verified) == ("ok", True)
    assert stored(here).endswith(MINE)


@pytest.mark.parametrize("value", [None, "", '""'])
def test_a_policy_without_a_version_tag_is_not_replaced(here: World, value: str | None) -> None:
    arguments = edit(here)
    with_etag(here, value)
    with pytest.raises(PolicyError, match="ETag"):
        here.plan("setPolicyFile", arguments)
    assert writes(here) == 0


def verdict(made: World, fault: Any, **more: Any) -> None:
    """Let every check of a policy end like this."""
    made.tailnet.faults.add({"operation": "validateAndTestPolicyFile", "fault": fault, **more})


WARNING = {"message": "warning(s) found", "data": [{"user": "alice@example.com", "warnings": ["unused"]}]}
FAILURES = {
    "message": {"message": "test(s) failed", "data": [{"user": "alice@example.com", "errors": ["no"]}]},
    "data alone": {"data": [{"user": "alice@example.com", "errors": ["no"]}]},
    "warnings": WARNING,
    "warnings with errors": {"message": "warning(s) found", "data": [{"errors": ["no"], "warnings": ["u"]}]},
}


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("name", FAILURES)
def test_a_policy_the_service_objects_to_is_not_planned(here: World, name: str, accept: bool) -> None:
    verdict(here, {"status": 200, "body": FAILURES[name]})
    if accept and name == "warnings":
        assert here.apply(here.plan("setPolicyFile", edit(here), accept_warnings=True)).ok
        return
    with pytest.raises(PolicyError):
        here.plan("setPolicyFile", edit(here), accept_warnings=accept)
    assert writes(here) == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("500", ServerError),
        ("503", ServerError),
        ("stall", APIConnectionError),
        ("reset", APIConnectionError),
    ],
)
def test_a_check_that_does_not_answer_lets_nothing_through(scratch: Path, fault: str, error: type) -> None:
    with world(scratch, timeout=0.3, max_retries=1) as made:
        verdict(made, fault, when="before_apply")
        with pytest.raises(error):
            made.plan("setPolicyFile", edit(made))
        assert writes(made) == 0


@pytest.mark.parametrize("empty", ["{}", "", " \n", "// only this\n{ }\n"])
def test_an_empty_policy_is_never_sent(here: World, empty: str) -> None:
    with pytest.raises(PolicyError, match="empty"):
        here.plan("setPolicyFile", {"policy": empty, "if_match": policy_etag(stored(here))})
    assert here.sent() == []


def test_what_is_checked_are_the_bytes_that_are_sent(here: World) -> None:
    text = stored(here) + "\r\n// ünïcode, CRLF and at last a newline\n"
    plan = here.plan("setPolicyFile", {"policy": text, "if_match": policy_etag(stored(here))})
    assert plan.items[0].call.body == text.encode()
    assert here.sent() == ["getPolicyFile", "validateAndTestPolicyFile"]
    assert here.apply(plan).ok
    assert stored(here) == text


def test_a_caller_whose_edit_is_based_on_another_version_is_told(here: World) -> None:
    arguments = edit(here)
    theirs = somebody_else(here)
    with pytest.raises(PreconditionFailedError):
        here.plan("setPolicyFile", arguments)
    assert stored(here) == theirs


# Two writers, each reads, plans and applies: every order in which that can happen.
ORDERS = sorted(
    {tuple("ab"[(mask >> bit) & 1] for bit in range(6)) for mask in range(64) if mask.bit_count() == 3}
)


@pytest.mark.parametrize("order", ORDERS, ids="".join)
def test_of_two_writers_the_one_who_knew_less_is_refused(here: World, order: tuple[str, ...]) -> None:
    edits: dict[str, dict[str, Any]] = {}
    plans: dict[str, Any] = {}
    ended: dict[str, str] = {}
    landed: list[str] = []
    for who in order:
        if who in ended:
            continue
        if who not in edits:
            edits[who] = {**edit(here, f"\n// {who}\n"), "seen": tuple(landed)}
        elif who not in plans:
            call = {name: edits[who][name] for name in ("policy", "if_match")}
            try:
                plans[who] = here.plan("setPolicyFile", call)
            except PreconditionFailedError:
                ended[who] = "refused"
        else:
            ended[who] = here.apply(plans[who]).items[0].outcome
            if ended[who] == "ok":
                landed.append(who)
    for who, end in ended.items():
        knew_all = edits[who]["seen"] == tuple(landed[: landed.index(who)] if who in landed else landed)
        assert (end == "ok") == knew_all
    assert [who for who in "ab" if f"// {who}" in stored(here)] == sorted(landed)
    assert len(here.tailnet.ledger) == len(landed) >= 1


def test_a_refused_policy_write_leaves_a_journal_that_says_so(here: World) -> None:
    plan = here.plan("setPolicyFile", edit(here))
    theirs = somebody_else(here)
    report = here.apply(plan)
    assert isinstance(report.items[0].error, PreconditionFailedError)
    assert report.items[0].outcome == "failed"
    assert here.journal(report.change_id) == ["refused"]
    assert stored(here) == theirs


class Watching:
    """Stands for the journal and looks at the disk when a request is about to be sent."""

    def __init__(self, state: LocalState) -> None:
        self.journal, self.folder = state.journal, state.directory.path / "policy"
        self.kept: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    def advance(self, entry: int, state: Any, **facts: Any) -> None:
        self.journal.advance(entry, state, **facts)
        if state == "sending":
            self.kept = [file.read_text() for file in self.folder.rglob("*.hujson")]


def test_the_version_before_is_on_the_disk_before_the_request_leaves(here: World) -> None:
    watching = Watching(here.state)
    here.state.__dict__["journal"] = watching
    before = stored(here)
    assert here.apply(here.plan("setPolicyFile", edit(here))).ok
    assert watching.kept == [before]


class FailingDisk(Disk):
    """The real disk; one of the calls that make something durable fails."""

    def __init__(self, code: int) -> None:
        self.made, self.number, self.code = 0, 0, code
        for name in ("write", "fsync", "rename", "fsync_dir"):
            setattr(self, name, partial(self._counted, getattr(self, name)))

    def _counted(self, call: Any, *arguments: Any, **keywords: Any) -> Any:
        self.made += 1
        if self.made == self.number:
            raise OSError(self.code, os.strerror(self.code))
        return call(*arguments, **keywords)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_at_any_call_lets_no_policy_leave_or_is_told_of(scratch: Path, code: int) -> None:
    disk = FailingDisk(code)
    refused = told = 0
    with world(scratch, state=LocalState(StateDirectory(scratch / "state", disk=disk))) as made:
        for number in range(1, 100):
            before, plan = stored(made), made.plan("setPolicyFile", edit(made))
            sent, disk.made, disk.number = writes(made), 0, number
            try:
                (item,) = made.apply(plan).items
            except StateError:
                disk.number, refused = 0, refused + 1
                assert (writes(made), stored(made)) == (sent, before)
                assert [found.found for found in made.open_changes()] in ([], ["never_sent"])
                continue
            struck = disk.made >= number
            disk.number = 0
            assert (item.outcome, item.verified, writes(made)) == ("ok", True, sent + 1)
            kept = {file.read_text() for file in (scratch / "state" / "policy").rglob("*.hujson")}
            assert before in kept
            assert struck or item.reason is None
            told += item.reason is not None
            if not struck:
                break
    assert (refused > 4, told > 0) == (True, True)
