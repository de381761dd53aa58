"""Users of the embedded tailnet: lists, roles, protection of oneself and of the owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tailscale_sdk.testing import FakeTailnet
from tests.contract.talk import Talk


@pytest.fixture
def tailnet() -> Iterator[FakeTailnet]:
    with FakeTailnet(devices=20) as running:
        yield running


@pytest.fixture
def talk(tailnet: FakeTailnet) -> Talk:
    return Talk(tailnet)


def user(talk: Talk, name: str) -> dict[str, Any]:
    users = talk.get("/tailnet/-/users")["users"]
    return next(u for u in users if u["loginName"].startswith(f"{name}@"))


@pytest.mark.parametrize(
    "query, names",
    [
        ("type=shared", {"victor"}),
        ("role=owner", {"alice"}),
        ("type=member&role=auditor", {"erin"}),
        ("type=shared&role=owner", set()),
    ],
)
def test_lists_are_narrowed_by_type_and_role(talk: Talk, query: str, names: set[str]) -> None:
    users = talk.get(f"/tailnet/-/users?{query}")["users"]
    assert {u["loginName"].partition("@")[0] for u in users} == names


def test_all_means_no_narrowing(talk: Talk) -> None:
    assert talk.get("/tailnet/-/users?type=all&role=all") == talk.get("/tailnet/-/users")


@pytest.mark.parametrize("query", ["type=robot", "role=king"])
def test_unknown_values_are_refused_with_the_accepted_ones(talk: Talk, query: str) -> None:
    assert "must be one of" in talk.refused("GET", f"/tailnet/-/users?{query}", 400)


def test_presence_and_counts_follow_the_devices(talk: Talk) -> None:
    alice = user(talk, "alice")
    owned = [d for d in talk.devices() if d["user"] == alice["loginName"] and "tags" not in d]
    assert alice["deviceCount"] == len(owned) > 0
    assert alice["currentlyConnected"] is True
    judy = user(talk, "judy")
    assert (judy["currentlyConnected"], judy["status"]) == (False, "suspended")
    assert judy["lastSeen"] == next(d["lastSeen"] for d in talk.devices() if d["user"] == judy["loginName"])


def test_an_unknown_user_is_404(talk: Talk) -> None:
    assert talk.refused("GET", "/users/uNOBODY", 404) == "no user with this id in the tailnet"
    talk.refused("POST", "/users/uNOBODY/suspend", 404)


def test_roles_are_changed_and_checked(talk: Talk) -> None:
    frank = user(talk, "frank")["id"]
    talk.post(f"/users/{frank}/role", {"role": "auditor"})
    assert talk.get(f"/users/{frank}")["role"] == "auditor"
    event = talk.audit()[-1]
    assert (event["target"]["property"], event["old"], event["new"]) == ("USER_ROLE", "member", "auditor")
    assert "must be one of" in talk.refused("POST", f"/users/{frank}/role", 400, json={"role": "king"})


@pytest.mark.parametrize("deed", ["role", "approve", "suspend", "restore", "delete"])
def test_a_token_cannot_change_its_own_user(talk: Talk, deed: str) -> None:
    alice = user(talk, "alice")
    body = {"json": {"role": "member"}} if deed == "role" else {}
    message = talk.refused("POST", f"/users/{alice['id']}/{deed}", 403, **body)
    assert message.startswith("a user's own access token cannot")
    assert user(talk, "alice") == alice


def test_a_token_of_the_tailnet_has_no_own_user_but_the_owner_stays(talk: Talk) -> None:
    alice = user(talk, "alice")["id"]
    token = Talk(talk.tailnet, talk.tailnet.add_credential(kind="tailnet", scopes=["users"]))
    for deed in ("suspend", "delete"):
        assert "owner" in token.refused("POST", f"/users/{alice}/{deed}", 400)
    assert "owner" in token.refused("POST", f"/users/{alice}/role", 400, json={"role": "member"})


def test_ownership_is_handed_over(talk: Talk) -> None:
    bob = user(talk, "bob")["id"]
    talk.post(f"/users/{bob}/role", {"role": "owner"})
    assert (user(talk, "bob")["role"], user(talk, "alice")["role"]) == ("owner", "admin")


def test_suspending_and_restoring(talk: Talk) -> None:
    frank = user(talk, "frank")["id"]
    talk.post(f"/users/{frank}/suspend")
    assert talk.get(f"/users/{frank}")["status"] == "suspended"
    assert talk.audit()[-1]["action"] == "SUSPEND"
    talk.post(f"/users/{frank}/restore")
    assert talk.get(f"/users/{frank}")["status"] == "active"
    assert talk.audit()[-1]["action"] == "RESTORE"


def test_approving_does_nothing_when_approval_is_off_or_done(talk: Talk) -> None:
    mallory, frank = user(talk, "mallory"), user(talk, "frank")
    talk.tailnet.tailnet.settings["usersApprovalOn"] = False
    talk.post(f"/users/{mallory['id']}/approve")
    assert talk.get(f"/users/{mallory['id']}") == mallory
    talk.tailnet.tailnet.settings["usersApprovalOn"] = True
    talk.post(f"/users/{frank['id']}/approve")
    assert talk.get(f"/users/{frank['id']}") == frank
    talk.post(f"/users/{mallory['id']}/approve")
    assert talk.get(f"/users/{mallory['id']}")["status"] == "active"
    assert talk.audit()[-1]["action"] == "APPROVE"


def test_deleting_takes_devices_and_keys_along(talk: Talk) -> None:
    bob = user(talk, "grace")
    owned = {d["nodeId"] for d in talk.devices() if d["user"] == bob["loginName"] and "tags" not in d}
    tagged = {d["nodeId"] for d in talk.devices() if "tags" in d}
    assert owned
    talk.post(f"/users/{bob['id']}/delete")
    talk.refused("GET", f"/users/{bob['id']}", 404)
    left = {d["nodeId"] for d in talk.devices()}
    assert not owned & left
    assert tagged <= left
    live = [
        k for k in talk.tailnet.tailnet.keys.values() if k["userId"] == bob["id"] and not k.get("revoked")
    ]
    assert live == []
