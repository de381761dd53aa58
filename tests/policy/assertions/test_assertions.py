"""What CI asserts of access: each assertion holding, failing, and undecided."""

from __future__ import annotations

import json

import pytest

from tailscale_sdk.errors import ConfigurationError
from tailscale_sdk.policy.access import read_question
from tailscale_sdk.policy.assertions import (
    check_access_not_granted,
    check_no_new_access,
    check_no_public_access,
)
from tailscale_sdk.policy.diff import AccessDiff, diff_policies
from tailscale_sdk.policy.language import read_policy
from tests.policy.small import Json, compiled, device, tailnet, user

WEB, DB, LAPTOP = (
    device("web", "", "tag:web"),
    device("db", "", "tag:db"),
    device("laptop", "alice@example.com"),
)
RECORDS = (WEB, DB, LAPTOP, user("alice@example.com", "admin"))
BASE: Json = {
    "tagOwners": {"tag:web": [], "tag:db": []},
    "grants": [{"src": ["tag:web"], "dst": ["tag:db"], "ip": ["tcp:5432"]}],
}


def with_grant(**grant: object) -> Json:
    """Return the policy with one more grant."""
    return {**BASE, "grants": [*BASE["grants"], grant], "postures": {"posture:x": ["node:os == 'linux'"]}}


def difference(new: Json) -> AccessDiff:
    """Compare with the base."""
    return diff_policies(read_policy(json.dumps(BASE)), read_policy(json.dumps(new)), tailnet(*RECORDS))


OPENED = with_grant(src=["alice@example.com"], dst=["tag:db"], ip=["22"])
DOUBTFUL = with_grant(src=["alice@example.com"], dst=["tag:db"], ip=["22"], srcPosture=["posture:x"])


def test_no_new_access() -> None:
    assert check_no_new_access(difference(BASE)) == []
    (finding,) = check_no_new_access(difference(OPENED))
    assert (finding.status, finding.severity) == ("fail", "high")
    assert finding.place is not None
    assert finding.place.pointer == "/grants/1"
    assert check_no_new_access(difference(OPENED), allowed=["alice@example.com -> tag:db"]) == []
    assert len(check_no_new_access(difference(OPENED), allowed=["alice@example.com->tag:web"])) == 1


def test_new_access_that_is_not_known_counts_unless_told_otherwise() -> None:
    (finding,) = check_no_new_access(difference(DOUBTFUL))
    assert finding.status == "unknown"
    assert check_no_new_access(difference(DOUBTFUL), unknown_fails=False) == []


@pytest.mark.parametrize("port, granted", [("5432", True), ("22", False), (None, True)])
def test_access_not_granted(port: str | None, granted: bool) -> None:
    engine = compiled(BASE, *RECORDS)
    found = check_access_not_granted(engine, "tag:web", "tag:db", read_question(port))
    assert bool(found) is granted
    if granted:
        assert found[0].message == "tag:web can reach tag:db: grants[0] line 1 gives tcp 5432"
    assert check_access_not_granted(engine, "laptop", "tag:db", read_question(port)) == []


def test_access_that_is_not_known_counts_unless_told_otherwise() -> None:
    engine = compiled(DOUBTFUL, *RECORDS)
    (finding,) = check_access_not_granted(engine, "laptop", "db", read_question("22"))
    assert finding.status == "unknown"
    assert check_access_not_granted(engine, "laptop", "db", read_question("22"), unknown_fails=False) == []


@pytest.mark.parametrize(
    "policy, ids",
    [
        (BASE, []),
        ({"tagOwners": BASE["tagOwners"]}, ["allow-all"]),
        (with_grant(src=["*"], dst=["tag:db"], ip=["443"]), ["/grants/1"]),
        (with_grant(src=["autogroup:danger-all"], dst=["*"], ip=["443"]), ["/grants/1"]),
        (with_grant(src=["*"], dst=["tag:web"], ip=["443"]), []),
        ({**BASE, "nodeAttrs": [{"target": ["tag:db"], "attr": ["funnel"]}]}, ["funnel n-db"]),
    ],
)
def test_no_public_access(policy: Json, ids: list[str]) -> None:
    assert [finding.aspect for finding in check_no_public_access(compiled(policy, *RECORDS), "tag:db")] == ids


def test_a_target_that_is_nothing_is_said() -> None:
    with pytest.raises(ConfigurationError, match="target"):
        check_no_public_access(compiled(BASE, *RECORDS), "tag:none")
